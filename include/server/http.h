/* The HTTP server: sockets, threads, limits and status codes.  http_internal.h has the map.
 *
 * One thread (main) accepts and hands each connection to the worker that has the fewest, because a few long-lived
 * connections carry all the traffic and the kernel's hashing may give all of them to one thread.  A worker reads, takes
 * batches and responds; pages are written by the maintenance thread. */
#ifndef HTTP_H
#define HTTP_H

#include <stdint.h>

#include "base/address.h"
#include "base/error.h"
#include "config/loads.h"
#include "config/settings.h"
#include "intake/app_status.h"
#include "intake/batch.h"
#include "intake/unmatched.h"
#include "output/maintenance.h"
#include "output/status.h"
#include "server/accounts.h"

struct http_address {
    const char *host; /* empty: all addresses, of IPv6 and IPv4 if there is IPv6 */
    const char *port; /* NULL: there is no such address */
};

enum {
    /* Beyond MAX_CONNECTIONS: for one request each, /health or /metrics, while all others are taken by senders. */
    HTTP_RESERVED_CONNECTIONS = 16,
    /* By METRICS_LISTEN_ADDRESS, beside all others. */
    HTTP_INSIDE_CONNECTIONS = 64,
};

/* What a client may be let in to. */
enum http_role { HTTP_DRAIN, HTTP_METRICS, HTTP_ROLES };

struct http_settings {
    struct http_address address;
    struct http_address metrics_address; /* serves /metrics in its place, and both serve /health */
    unsigned workers;
    size_t max_body_size;
    size_t max_connections;
    size_t max_input_memory; /* bytes, for requests that arrive */
    uint64_t header_timeout; /* milliseconds, as the next two */
    uint64_t request_timeout;
    uint64_t idle_timeout;
    const char *tls_cert_file; /* NULL: no TLS */
    const char *tls_key_file;
    const char *tls_ciphers;        /* NULL: all that are good */
    const char *tls_client_ca_file; /* NULL: clients are not asked for certificates */
    bool needs_certificate[HTTP_ROLES];
    /* These must live until http_close(). */
    const struct address_ranges *allowed[HTTP_ROLES]; /* NULL: any address */
    const struct address_ranges *trusted;             /* proxies; NULL: there are none */
    uint64_t max_address_connections;                 /* see address_bounds.h, as for the next one */
    uint64_t max_address_failures;
    enum access_log access_log;
    bool proxy_protocol; /* these begin each connection to address with a PROXY header */
};

struct http_server;

/* Open the socket and read the certificate; no thread is started.  NULL with one sentence in error if that cannot be
 * done. */
struct http_server *http_open(const struct http_settings *settings, char error[ERROR_MAX]);

/* Who may post, who may read, and the rules (may be NULL) for what is posted.  The server takes a reference to accounts
 * and rules.  Any thread, at any time; from the next request on. */
void http_allow(struct http_server *server, struct accounts *accounts, struct rules *rules,
                const struct auth_realm *metrics);

/* A configuration was read again and could not be taken: that of the last http_allow() stays.  Any thread. */
void http_note_failed_load(struct http_server *server);

/* Call visitor for each password and token that is let in now.  Any thread; visitor must not wait. */
void http_visit_credentials(struct http_server *server, credential_visitor *visitor, void *context);

/* Read the certificate and its key again; what connects from now on gets them.  False with one sentence in error, and
 * the old ones stay, if that cannot be done or they do not match.  On one thread. */
bool http_reload_tls(struct http_server *server, char error[ERROR_MAX]);

/* The same if the files have changed since, and are unchanged since the last call; what came of it is logged.  Call it
 * every few seconds, on the same thread. */
void http_watch_tls(struct http_server *server);

/* Could http_open() read the certificate and use the ciphers?  If not, false with one sentence in error.  warning is a
 * sentence if the certificate expires within 30 days, or has expired, else empty. */
bool http_check_tls(const struct http_settings *settings, char warning[ERROR_MAX], char error[ERROR_MAX]);

/* Record gauges about the server at now (milliseconds of the monotonic clock).  Inside the store, on the thread that
 * owns the slot. */
void http_describe(struct http_server *server, struct store *store, unsigned slot, uint64_t now);

/* What requests are given to.  All must live until http_close(). */
struct http_modules {
    struct intake *intake;
    struct store *store;
    struct directory *directory;
    struct maintenance *maintenance;
    struct app_statuses *statuses;
    struct unmatched *unmatched; /* NULL: the settings want none */
    struct loads *loads;
    struct canary *canary;                 /* NULL: none */
    const struct status_setting *settings; /* survey_list_settings() */
    size_t setting_count;
};

/* Start the workers and wait until they are ready; worker i records into slot i of the store.  False if a thread
 * cannot be created: then others may run already, and nothing is left but to end the process. */
bool http_start(struct http_server *server, const struct http_modules *modules);

/* The listening sockets, for poll(): for address, then for metrics_address, -1 if there is none. */
void http_listeners(const struct http_server *server, int listeners[2]);

/* Accept what waits at the listeners, and hand it on.  Call it on one thread, when one of them is readable.
 *
 * If MAX_CONNECTIONS are open, the connection of a stranger (who has not sent a right password) that has been idle for
 * longest is closed for the new one.  If there is no stranger, the new one gets a reserved place, or is closed. */
void http_accept(struct http_server *server);

/* How many connections are open.  Any thread. */
size_t http_connections(const struct http_server *server);

/* GET /health and GET /ready answer 503 from now on; all else goes on. */
void http_unhealthy(struct http_server *server);

/* Stop: the listener is closed, requests that have begun are answered, as are those that come on open connections
 * within half a second; each response closes its connection, and idle ones are closed then.  Returns when all workers
 * have ended, or after timeout milliseconds; whether all have ended. */
bool http_stop(struct http_server *server, uint64_t timeout);

/* Free all; only if http_stop() returned true or http_start() was never called. */
void http_close(struct http_server *server);

#endif
