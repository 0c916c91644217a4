/* The canary: once a minute the exporter posts a line to its own public drain (CANARY_URL), through DNS, TLS and
 * balancer as Logplex does, and sees whether it comes back.
 *
 *     success    the request was answered 204, and the line was read by this process in the meantime
 *     failure    it was not answered 204, for one of the reasons below
 *     elsewhere  it was answered 204, but the line was not read here: behind the balancer is another exporter
 *
 * HASHES   A balancer that chooses by Logplex-Drain-Token sends all batches of a token to the same exporter.  So the
 *          canary keeps its token for as long as it comes back, and draws another one when it did not.
 * FORGERY  See base/canary_token.h.  What others send with a right password counts as a line of others. */
#ifndef CANARY_H
#define CANARY_H

#include "base/canary_token.h"
#include "base/error.h"
#include "store/store.h"

/* Reason of a failure: constant, label value. */
#define CANARY_FAILURES(X)                                                                          \
    X(CANARY_FAILED_DNS, "dns")           /* the host has no address */                             \
    X(CANARY_FAILED_CONNECT, "connect")   /* nobody listens there */                                \
    X(CANARY_FAILED_TLS, "tls")           /* TLS cannot be started, the certificate is not valid */ \
    X(CANARY_FAILED_TIMEOUT, "timeout")   /* no answer in CANARY_TIMEOUT */                         \
    X(CANARY_FAILED_RESPONSE, "response") /* the connection ended, or what came is no response */   \
    X(CANARY_FAILED_STATUS, "status")     /* it was answered, but not 204: a wrong password, a 503 */

enum canary_failure {
#define X(id, label) id,
    CANARY_FAILURES(X)
#undef X
        CANARY_FAILURE_COUNT
};

enum { CANARY_TIMEOUT = 10000 /* milliseconds; or the interval, if that is shorter */ };

struct canary_settings {
    const char *url;
    const char *ca_file;        /* as in outgoing_create() */
    uint64_t interval;          /* milliseconds */
    struct canary_token *token; /* which the intake reads lines for; must outlive the canary */
};

struct canary;

/* Start sending; the first line after a sixth of the interval.  NULL with one sentence in error. */
struct canary *canary_start(const struct canary_settings *settings, char error[ERROR_MAX]);

/* Send to this URL from now on.  False with one sentence in error if it is none; then all stays as it was. */
bool canary_set_url(struct canary *canary, const char *url, char error[ERROR_MAX]);

/* Break off what is on its way, and end.  NULL is harmless, as for the next three. */
void canary_stop(struct canary *canary);

/* After canary_stop(). */
void canary_free(struct canary *canary);

/* Record what became of the lines, before a page.  Inside the store, on the maintenance thread. */
void canary_describe(struct canary *canary, struct store *store, unsigned slot, uint64_t now);

/* How the canary fares. */
struct canary_view {
    bool is_set;           /* there is a canary */
    double last_success;   /* seconds since 1970; 0: not since the start */
    double latency;        /* seconds, of that one */
    bool is_elsewhere;     /* the last line was taken by another exporter */
    char error[ERROR_MAX]; /* why the last one failed; empty: it did not */
};
void canary_look(struct canary *canary, struct canary_view *view);

#endif
