/* Who was refused, and why: counted, and one line a minute in the log for each user and reason, so that whoever runs
 * this finds a drain with an old password, or a list of addresses that lacks one.  Any thread.
 *
 * Example: "log-in failed: the user shop of /drain, 37 times since this was last said, from 192.0.2.1 and 192.0.2.9".
 *
 * BOUNDS  As many users as a configuration can have; further ones are counted as the users that nobody knows. */
#ifndef REJECTIONS_H
#define REJECTIONS_H

#include <stdint.h>

#include "base/address.h"
#include "store/self_metrics.h"

/* Users that are none: their names are not told, since anybody can choose them. */
#define USER_UNKNOWN "__other__"
#define USER_MISSING "__none__" /* no credentials, or none that can be read */
#define USER_TOKEN "__token__"  /* a bearer token, which names no user */

enum rejection {
    REJECTED_DRAIN_LOGIN, /* these two have a user */
    REJECTED_METRICS_LOGIN,
    REJECTED_ALLOW_DRAIN,
    REJECTED_ALLOW_METRICS,
    REJECTED_CERTIFICATE,
    REJECTED_CONNECTIONS,
    REJECTED_LOCKED,
    REJECTED_PROXY_HEADER,
    REJECTIONS
};

extern const struct metric rejections_logins;
extern const struct metric rejections_clients;

struct rejections;

/* NULL if memory is short. */
struct rejections *rejections_create(void);
void rejections_free(struct rejections *rejections);

/* Note that somebody was refused.  user: of a log-in, one that is configured or one of those above; else ignored. */
void rejections_note(struct rejections *rejections, enum rejection rejection, struct slice user,
                     const struct address *client);

/* Record what was noted since the last time, inside the store, and write the lines that are due; once a second. */
void rejections_report(struct rejections *rejections, const struct self_terms *terms);

/* What was noted since the start, for each user and reason that there was something of. */
struct rejection_view {
    const char *role;   /* of a log-in: "drain" or "metrics"; else NULL */
    struct slice user;  /* of a log-in */
    const char *reason; /* of all others, as in drain_exporter_clients_refused_total */
    uint64_t count;
    int64_t last; /* seconds since 1970 */
};
typedef void rejection_visitor(void *context, const struct rejection_view *view);

/* Call visitor for each; with the lock held, so it must not wait.  A view is valid during the call. */
void rejections_visit(struct rejections *rejections, rejection_visitor *visitor, void *context);

#endif
