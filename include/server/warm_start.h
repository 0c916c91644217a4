/* Begins with what another exporter knows: at a rolling deploy, the one that still runs.  Its state (GET /state) is
 * read as it comes, before our socket opens.
 *
 * To us it is the state of a program that goes on (see output/state_load.h): values and known batches are there,
 * counters are there at 0.  What was loaded of a state that turns out to be cut or damaged must be thrown away by the
 * caller. */
#ifndef WARM_START_H
#define WARM_START_H

#include "base/error.h"
#include "output/state_load.h"

/* What came of it: constant, label value. */
#define WARM_START_RESULTS(X)                                                                                      \
    X(WARM_START_LOADED, "loaded")                                                                                 \
    X(WARM_START_UNREACHABLE, "unreachable") /* its host has no address, or nobody listens there */                \
    X(WARM_START_TLS, "tls")                 /* TLS cannot be started, the certificate is not valid */             \
    X(WARM_START_TIMEOUT, "timeout")         /* it was not all there in time */                                    \
    X(WARM_START_STATUS, "status")           /* it was answered, but not 200: a wrong password, nobody is there */ \
    X(WARM_START_CUT, "cut")                 /* the connection ended before the state did */                       \
    X(WARM_START_LATER, "later")             /* it is of another version of the program */                         \
    X(WARM_START_DAMAGED, "damaged")         /* or it is no state */

enum warm_start_result {
#define X(id, label) id,
    WARM_START_RESULTS(X)
#undef X
        WARM_START_RESULT_COUNT
};

struct warm_start_settings {
    const char *url;
    const char *ca_file; /* as in outgoing_create() */
    uint64_t timeout;    /* milliseconds for all of it */
};

/* Load the state of the exporter at the URL, as load says; load->orderly is set here.  Returns within the time; what
 * came of it is logged.  Inside the store, before the other threads: a thread of its own loads while the caller waits.
 * SIGTERM and SIGINT end the process meanwhile, at once and with 0. */
enum warm_start_result warm_start(const struct warm_start_settings *settings, struct state_load_settings *load);

/* Count the result, before the first page.  Inside the store, on the maintenance thread. */
void warm_start_describe(enum warm_start_result result, struct store *store, unsigned slot, uint64_t now);

#endif
