/* Batches of apps that are turned away: they are answered with 204, yield no series, and are counted in the ledger of
 * "__other__" by reason.
 *
 *     drain_exporter_messages_refused_total{app="__other__",reason="unlisted"} 12
 *
 * The log names each such app once, up to REFUSALS_NAMED of them, a few in a second; that there are more it says once a
 * minute. */
#ifndef REFUSALS_H
#define REFUSALS_H

#include <stdint.h>

#include "base/slice.h"

enum { REFUSALS_NAMED = 64 };

/* Constant, label, and what the log says of the app. */
#define REFUSALS(X)                                                                                       \
    X(REFUSED_NAME, "name", "no app can have this name: see \"Several apps\" in docker/DRAINS.md")        \
    X(REFUSED_UNLISTED, "unlisted", "no entry of drains has it, and ONLY_LISTED_APPS is set")             \
    X(REFUSED_TOKEN, "token", "its entry of drains has other tokens, and ONLY_LISTED_APPS is set")        \
    X(REFUSED_MAX_APPS, "max_apps", "MAX_APPS are known; those that an entry of drains has do not count") \
    X(REFUSED_MAX_NEW_APPS, "max_new_apps", "too many apps are new in this minute (MAX_NEW_APPS); it comes in later")

enum refusal {
    REFUSED_NOT,
#define X(id, label, meaning) id,
    REFUSALS(X)
#undef X
        REFUSED_END
};
enum { REFUSED_REASONS = REFUSED_END - 1 };

/* What was said already.  Zeroed at first; any number of threads. */
struct refusals {
    _Atomic uint64_t named[REFUSALS_NAMED]; /* hashes; 0: free */
    _Atomic uint64_t second;                /* of which refusals_say() has named some; its low byte: how many */
    _Atomic uint64_t said_more;             /* when it was last said that there are more; 0: never */
};

/* Say that batches of this app are turned away, unless that was said; if too much was said in this second, the app's
 * next batch says it.  now: milliseconds of the monotonic clock. */
void refusals_say(struct refusals *refusals, enum refusal reason, struct slice app, uint64_t now);

#endif
