/* Who was refused, and why: counted, and one line a minute in the log for each user and reason, so that whoever runs
 * this finds a drain with an old password, or a list of addresses that lacks one.  Any thread.
 *
 * Example: "log-in failed: the user shop of /drain, 37 times since this was last said, from 192.0.2.1 and 192.0.2.9".
 *
 * BOUNDS  As many users as a configuration can have; further ones are counted as the users that nobody knows. */
#ifndef REFUSALS_H
#define REFUSALS_H

#include <stdint.h>

#include "base/address.h"
#include "store/self_metrics.h"

/* Users that are none: their names are not told, since anybody can choose them. */
#define USER_UNKNOWN "__other__"
#define USER_MISSING "__none__" /* no credentials, or none that can be read */
#define USER_TOKEN "__token__"  /* a bearer token, which names no user */

enum refusal {
    REFUSED_DRAIN_LOGIN, /* these two have a user */
    REFUSED_METRICS_LOGIN,
    REFUSED_ALLOW_DRAIN,
    REFUSED_ALLOW_METRICS,
    REFUSED_CERTIFICATE,
    REFUSED_CONNECTIONS,
    REFUSED_LOCKED,
    REFUSED_PROXY_HEADER,
    REFUSALS
};

extern const struct metric refusals_logins;
extern const struct metric refusals_clients;

struct refusals;

/* NULL if memory is short. */
struct refusals *refusals_create(void);
void refusals_free(struct refusals *refusals);

/* Note that somebody was refused.  user: of a log-in, one that is configured or one of those above; else ignored. */
void refusals_note(struct refusals *refusals, enum refusal refusal, struct slice user, const struct address *client);

/* Record what was noted since the last time, inside the store, and write the lines that are due; once a second. */
void refusals_report(struct refusals *refusals, const struct self_terms *terms);

#endif
