/* What the files of the HTTP server share: the one header that names libh2o's types.  Only these files include it.
 *
 *   listener.c   accepts, and hands each connection to a worker
 *   client_certificate.c   asks for certificates
 *   client.c     who is at the other end, and what that address may do
 *   gate.c       between a socket and libh2o: what may be read, and by whom
 *   worker.c     the thread with its loop; connections and their timeouts
 *   routes.c     the table of paths; from a request to its handler
 *   response.c   what goes back, and is counted
 *   post_drain.c, get_metrics.c, get_health.c   a file for each route
 *   app_pages.c, discovery.c                    pages of one app or instance, and the list of all
 *   get_status.c                                the status page, and the same as JSON
 *   page_access.c                               who may read these
 *   outgoing.c                                  asks other servers
 *   tls.c        the certificate
 *   http.c       creates, starts, stops
 *
 * Unless it says so, a function is for the thread of the worker that it concerns. */
#ifndef HTTP_INTERNAL_H
#define HTTP_INTERNAL_H

#include <h2o.h>
#include <h2o/http1.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/buffer.h"
#include "base/file_watch.h"
#include "server/access_log.h"
#include "server/address_bounds.h"
#include "server/chunks.h"
#include "server/http.h"
#include "server/rejections.h"
#include "server/request_head.h"
#include "server/trust.h"
#include "server/verifier.h"

/* ---- structures ---- */

enum gate_state {
    GATE_HEAD,    /* a request's head arrives; libh2o has seen nothing of it */
    GATE_BODY,    /* libh2o reads the body as it arrives */
    GATE_BUSY,    /* libh2o has the whole request, and does not read before the response is sent */
    GATE_REFUSED, /* it was answered; what else arrives is thrown away */
};

/* What gate.c knows of a connection. */
struct gate {
    enum gate_state state;
    h2o_socket_cb read;       /* libh2o's */
    h2o_linklist_t link;      /* among those that libh2o sets the callback of */
    h2o_linklist_t body_link; /* among those whose body arrives */
    size_t line;              /* see request_head_read() */
    bool is_chunked;
    bool is_paused;
    uint64_t left; /* of a body that is not in chunks, bytes */
    struct chunks chunks;
    struct buffer waiting; /* what was read of later requests */
    size_t waiting_from;   /* where it begins */
    size_t held;           /* bytes, as counted in input_held */
    uint64_t refused;      /* when */
    char *refusal;         /* being sent; owned */
};

/* A request that waits until its password is verified. */
struct login {
    uint64_t deadline;                    /* when it is given up, milliseconds of the monotonic clock */
    void (*give_up)(struct login *login); /* end it and its connection now */
};

struct connection {
    h2o_linklist_t link; /* among the worker's; first */
    struct worker *worker;
    h2o_socket_t *socket;
    uint64_t changed;         /* when a request was last begun or answered */
    uint64_t requests;        /* that reached a handler */
    uint64_t requests_seen;   /* by the last check */
    uint64_t partial_since;   /* when a check first found the present request incomplete; 0: it did not */
    bool responding;          /* a response is being prepared or sent */
    bool waiting;             /* for something without which there can be no response */
    struct login *login;      /* what it waits for is this; NULL: something else, or nothing */
    bool authenticated;       /* it has sent a password that was right; until then it is a stranger's */
    bool inside;              /* it came in by METRICS_LISTEN_ADDRESS */
    bool reserved;            /* it took a reserved place: for one request, which may not be a batch */
    bool ended;               /* it was shut down, and libh2o has not noticed yet */
    bool admitted;            /* the present request was let in before its body */
    struct scrape_hold *page; /* that it is being sent; NULL: none */
    SSL_CTX *tls;             /* a reference; NULL: none */
    struct trust trust;
    bool certified;   /* it has a certificate of TLS_CLIENT_CA_FILE */
    bool counted;     /* among the connections of its peer's address */
    uint64_t vouched; /* when voucher was last noted as an address with a right password; 0: never */
    struct address voucher;
    struct address peer;         /* the other end */
    struct address client;       /* who sends the present request */
    struct access_entry *access; /* of the present request; NULL: ACCESS_LOG is off */
    struct gate gate;
};

/* Requests that are counted again and again. */
struct counted_path {
    const char *path;        /* a constant; NULL: none */
    struct series *requests; /* its series */
    uint64_t removals;       /* of the store when it was found: see store_removals() */
};

struct worker {
    h2o_context_t context; /* first: a request knows its context */
    struct http_server *server;
    unsigned slot; /* of the store */
    pthread_t thread;
    h2o_accept_ctx_t accept;
    h2o_multithread_receiver_t hand_offs; /* connections, and the order to stop */
    h2o_multithread_receiver_t pages;
    h2o_multithread_receiver_t statuses;
    h2o_multithread_receiver_t verified;         /* passwords of who posts */
    h2o_multithread_receiver_t verified_scrapes; /* of who reads pages of apps */
    uint64_t next_check;                         /* milliseconds of the monotonic clock */
    h2o_linklist_t connections;
    h2o_linklist_t handed_on; /* gates that libh2o sets the callback of */
    h2o_linklist_t bodies;    /* gates, in the order in which their bodies began */
    unsigned paused;          /* of them */
    h2o_linklist_t waiting;   /* POST requests that wait */
    unsigned retries;         /* of them, those that try again until another thread is done */
    unsigned scrapes;         /* requests for a page that wait or are being answered */
    unsigned inquiries;       /* requests for the status that the maintenance thread works at */
    unsigned displaced;       /* connections, since the last check */
    unsigned pending;         /* what other threads have still to deliver, also for requests that are gone */
    struct counted_path counted;
    uint64_t errors_seen[H2O_STATUS_ERROR_MAX];
    bool stopping;
    bool has_work;                 /* that no event tells of */
    atomic_uint_least64_t checked; /* when it last looked at its connections, milliseconds of the monotonic clock */
    _Alignas(64) atomic_size_t connection_count;
    atomic_size_t stranger_count; /* of them, not from inside */
};

struct http_server {
    struct http_settings settings;
    struct file_watch tls_files;     /* of the thread that reloads */
    atomic_int_least64_t tls_expiry; /* of the certificate, seconds since 1970; 0: there is none */
    struct http_modules modules;
    int64_t opened; /* when, seconds since 1970 */
    h2o_globalconf_t config;
    struct verifier *verifier;
    struct rejections *rejections;
    struct address_bounds *bounds;
    int listener;
    int metrics_listener; /* -1: none */
    struct worker *workers;
    unsigned started;
    pthread_barrier_t ready;      /* the workers and who starts them */
    pthread_rwlock_t access_lock; /* guards the next six, which change only at a reload */
    uint64_t access;              /* another number with other accounts */
    SSL_CTX *tls;                 /* a reference, or NULL */
    struct accounts *accounts;    /* who may post; a reference; NULL: nobody yet */
    struct rules *rules;          /* a reference, or NULL */
    struct auth_realm metrics_realm;
    struct credential metrics_credentials[AUTH_SECRETS]; /* of the realm; noted with the lock held for reading */
    atomic_bool unhealthy;
    /* The present configuration was loaded then, and the last one that could not be: seconds since 1970, 0: never.  The
     * third is the first in milliseconds of the monotonic clock. */
    atomic_int_least64_t loaded;
    atomic_int_least64_t load_failed;
    atomic_uint_least64_t loaded_at;
    atomic_size_t refused;
    atomic_size_t inside_count; /* connections from inside */
    atomic_size_t input_held;   /* bytes of requests that have not been answered */
};

/* ---- listener.c ---- */

/* The socket of an address that the setting of this name has; -1 with a sentence in error. */
int listener_open(const char *setting, const struct http_address *address, char error[ERROR_MAX]);

/* ---- http.c ---- */

/* Take the first link out of a list that is not empty. */
h2o_linklist_t *http_take_first(h2o_linklist_t *list);

/* ---- tls.c ---- */

/* Read the certificate and key of the settings, which have some; they are the server's from now on.  False with a
 * sentence in error. */
bool tls_start(struct http_server *server, char error[ERROR_MAX]);

/* Record when the certificate expires, inside the store. */
void tls_describe(const struct http_server *server, const struct self_terms *terms);

/* A reference to what is in force; NULL: there is no TLS.  Any thread. */
SSL_CTX *tls_ref(struct http_server *server);

/* ---- worker.c ---- */

void *worker_run(void *worker);

/* How a connection comes in. */
struct arrival {
    int fd;
    struct address peer;
    bool counted; /* see struct connection */
    bool inside;
    bool reserved; /* see struct connection */
    bool displace; /* all places are taken: the longest-idle stranger's connection is closed for it */
};

/* Hand a connection over to a worker.  False if memory is short.  Any thread. */
bool worker_hand_off(struct worker *worker, const struct arrival *arrival);

/* Tell a worker to stop; returns as above. */
bool worker_stop(struct worker *worker);

/* Serve a connection: its TLS handshake, if there is TLS, and then its requests. */
void worker_open(struct connection *connection);

/* End a connection, without a word. */
void worker_end_connection(struct connection *connection);

/* May it be closed for others, because it is a stranger's? */
bool worker_may_displace(const struct connection *connection);

/* Close it for others, and count that. */
void worker_displace(struct connection *connection);

/* Until when a request that comes now may wait for what it cannot be answered without, milliseconds of the monotonic
 * clock. */
uint64_t worker_deadline(const struct worker *worker);

/* The password of a connection's request was right. */
void worker_trust(struct connection *connection);

/* Seconds since 1970, as of when the worker's loop last woke up: it costs no call. */
int64_t worker_second(const struct worker *worker);

struct worker *worker_of(h2o_req_t *request);
struct connection *connection_of(h2o_req_t *request);

struct response;

enum admission {
    ADMISSION_GRANTED,
    ADMISSION_REFUSED,
    ADMISSION_WITHHELD, /* it cannot be told, or not now: no response */
};

/* ---- client.c ---- */

/* May somebody connect, who is no proxy?  False is noted.  Any thread. */
bool client_may_connect(struct http_server *server, const struct address *peer);

/* A connection that was counted is gone, or is no longer a stranger's. */
void client_uncount(struct http_server *server, const struct address *peer);

/* A connection was accepted: give it to worker_open() when it is known whose it is. */
void client_open(struct connection *connection);

/* A request begins: who sends it? */
void client_begin_request(struct connection *connection, const struct request_head *head);

/* May a request of this role be looked at, by who its client is?  As routes_admit(). */
enum admission client_admit(struct connection *connection, enum http_role role, struct response *response);

/* The address of who sends the present request, as a hash; of IPv6 its /64. */
uint64_t client_source(const struct connection *connection);

/* The credentials of a request were right. */
void client_succeeded(struct connection *connection);

/* They were wrong. */
void client_failed(struct connection *connection, enum http_role role, struct slice authorization);

/* ---- client_certificate.c ---- */

/* Ask clients for certificates of the authorities (PEM) in this file; their connections note whether they have one.
 * False with a sentence in error. */
bool client_certificate_ask(SSL_CTX *tls, const char *ca_file, char error[ERROR_MAX]);

/* ---- gate.c ---- */

/* Give libh2o a connection that is open, with TLS too, and read it from now on. */
void gate_open(struct connection *connection);

/* The connection is gone. */
void gate_close(struct connection *connection);

/* Read on, if reading was paused. */
void gate_resume(struct connection *connection);

/* If MAX_INPUT_MEMORY is used up, close the strangers' connections that hold some of it. */
void gate_save_memory(struct worker *worker);

/* Do what is to be done each time the loop has run.  True if that may have left something for the loop. */
bool gate_run(struct worker *worker);

/* ---- routes.c ---- */

/* May the body of a request be read?  By path, method and credentials.  On REFUSED, response is set; on WITHHELD, its
 * path. */
enum admission routes_admit(struct connection *connection, const struct request_head *head, struct response *response);

/* Is the password right, as far as can be told at once?  If it certainly is, the connection is trusted. */
enum admission post_drain_admit(struct connection *connection, struct slice authorization);
enum admission get_metrics_admit(struct connection *connection, struct slice authorization);

/* A handler answers its request, now or later.  query: of the request's target, without '?'. */
typedef void route_handler(h2o_req_t *request, struct slice query);

route_handler post_drain, get_metrics, get_health, get_ready;
route_handler get_app_page, get_target_page, get_self_page, get_discovery, get_status, get_status_page, get_state;

#define DRAIN_CHALLENGE "Basic realm=\"drain\""
#define METRICS_CHALLENGE "Basic realm=\"metrics\""

/* Has the request the password that reads everything?  If not, it is answered.  path: as it is counted. */
bool get_metrics_authorize(h2o_req_t *request, const char *path);

/* Answer with the page of a selection; path: as it is counted. */
void get_metrics_respond(h2o_req_t *request, const char *path, const struct page_selection *selection);

/* What somebody may read: the apps of this entry, or, if it is NULL, everything. */
struct page_access {
    const struct config_scrape *scrape;
    struct accounts *accounts; /* that the entry is of; NULL if it is */
};
bool page_access_sees(const struct page_access *access, const struct directory_app *app);

/* Hand the request to handler, now or later, if its password is right, and answer it if not.  path: as it is counted.
 * access is valid during the call. */
typedef void page_handler(h2o_req_t *request, struct slice query, const struct page_access *access);
void page_access_check(h2o_req_t *request, struct slice query, const char *path, page_handler *handler);

/* As get_metrics_admit(), for pages of apps. */
enum admission page_access_admit(struct connection *connection, struct slice authorization);

/* Passwords were verified for requests that wait. */
void page_access_on_verified(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages);

/* As page_access_admit(), but for who has sent no password too: he is told what this is. */
enum admission get_status_page_admit(struct connection *connection, struct slice authorization);

/* Status documents were written for requests that wait. */
void get_status_on_written(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages);

/* Does who asks take gzip? */
bool request_accepts_gzip(const h2o_req_t *request);

/* Pages have come for requests that wait. */
void get_metrics_on_pages(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages);

/* All requests come in here. */
int routes_on_request(h2o_handler_t *handler, h2o_req_t *request);

/* Passwords were verified for requests that wait. */
void post_drain_on_verified(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages);

/* Try again what waits for another thread, and give up what has waited for too long. */
void post_drain_check(struct worker *worker, uint64_t now);

bool request_is(h2o_req_t *request, const char *method);

/* The value of a header; empty if there is none. */
struct slice request_header(const h2o_req_t *request, const h2o_token_t *token);
struct slice request_header_named(const h2o_req_t *request, struct slice name);

/* The value of the header at this index; empty if the index says that there is none. */
struct slice request_header_at(const h2o_req_t *request, ssize_t index);

/* The path of a request, as it was sent, without what stands in front of the query. */
struct slice request_path(const h2o_req_t *request);

/* The Host header, which libh2o takes away; empty if there is none. */
struct slice request_host(const h2o_req_t *request);

/* ---- response.c ---- */

struct response {
    const char *path; /* as it is counted; a constant */
    int status;
    const char *reason;
    const char *type; /* of the body; NULL: there is none */
    const char *body;
    const h2o_token_t *header; /* NULL: no further header */
    const char *value;
};

void response_send(h2o_req_t *request, const struct response *response);
void response_send_text(h2o_req_t *request, const char *path, int status, const char *reason, const char *body);
struct response response_unauthorized(const char *path, const char *challenge);
void response_send_unauthorized(h2o_req_t *request, const char *path, const char *challenge);

/* Close the connection without a response.  For a batch that was not taken, but not because of what it is: log-shuttle
 * takes any status from 400 on for the end of a batch, and Logplex most of them, but all send again what got no
 * response.  It is counted with the status "none". */
void response_withhold(h2o_req_t *request, const char *path);

/* The present request was not libh2o's, or is none of its any more: write its line of the access log.  sent: bytes of
 * the response's body. */
void response_log(struct connection *connection, int status, uint64_t sent);

/* The same for a request that libh2o is done with. */
void response_on_done(h2o_logger_t *logger, h2o_req_t *request);

/* Count a response as one of all requests; status 0: there is none. */
void response_count(struct worker *worker, const char *path, int status);

#endif
