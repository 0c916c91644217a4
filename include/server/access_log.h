/* The access log: one line of logfmt on stderr for each request, or for each that was not answered 2xx.
 *
 * Example: time=2026-11-25T20:17:57.123Z level=info event=request method=POST path=/drain status=401 client=192.0.2.1
 *          duration_ms=3 received=512 sent=23
 *
 * SECRETS  No header and nothing of the query is written, nor a user who was not let in.  Of a path, a part that is no
 *          plain name (letters, digits and - . _ ~, 64 at most) is "*": somebody may have put a password there. */
#ifndef ACCESS_LOG_H
#define ACCESS_LOG_H

#include <stdint.h>

#include "base/address.h"
#include "config/settings.h"

enum {
    ACCESS_LOG_PATH_MAX = 200, /* bytes; more is cut off */
    ACCESS_LOG_LINE_MAX = 896, /* of what access_log_spell() writes */
};

/* What is known of a request before its response.  All 0: nothing, not even that it is one. */
struct access_entry {
    uint64_t begun;  /* when its head had arrived, milliseconds of the monotonic clock */
    char method[16]; /* empty: its head could not be read */
    char path[ACCESS_LOG_PATH_MAX + 1];
    size_t user_length; /* 0: nobody was let in */
    char user[USER_MAX];
    bool is_withheld; /* the connection is closed in place of a response */
};

struct access_result {
    int status;              /* 0: there was no response */
    uint64_t received, sent; /* bytes of bodies */
    uint64_t now;
    const struct address *client;
};

/* A request begins. */
void access_log_begin(struct access_entry *entry, struct slice method, struct slice target, uint64_t now);

/* Its user was let in.  entry may be NULL. */
void access_log_let_in(struct access_entry *entry, struct slice user);

/* It has ended: write its line, if there is to be one. */
void access_log_end(enum access_log which, const struct access_entry *entry, const struct access_result *result);

/* The fields of its line. */
struct slice access_log_spell(const struct access_entry *entry, const struct access_result *result,
                              char out[ACCESS_LOG_LINE_MAX]);

#endif
