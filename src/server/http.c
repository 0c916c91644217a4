#include "server/http.h"

#include <errno.h>
#include <h2o.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/decompress.h"
#include "base/log.h"
#include "output/exposition.h"
#include "server/http_metrics.h"
#include "server/query.h"

enum {
    /* A request's bytes fit the first buffer, mostly: libh2o doubles a buffer by copying it. */
    SOCKET_BUFFER = 128 * 1024,
    /* libh2o puts the name of a header, up to 400 KB, on the stack. */
    STACK_SIZE = 2 * 1024 * 1024,
    DECOMPRESSED_FACTOR = 4,
    /* Scrapes that wait or are being sent, for each worker: each may hold a page of its own. */
    SCRAPES_MAX = 16,
    /* How long idle connections stay open after a stop (milliseconds), so that a request on one gets its 503. */
    STOP_GRACE = 500,
    CHECK_INTERVAL = 1000, /* milliseconds between the looks at all connections */
};

#define NEVER (UINT64_C(10) * 365 * 24 * 3600 * 1000) /* milliseconds */

/* ---- structures ---- */

struct connection {
    h2o_linklist_t link; /* among the worker's; first */
    struct worker *worker;
    h2o_socket_t *socket;
    uint64_t changed;       /* when a request was last begun or answered */
    uint64_t requests;      /* that reached a handler */
    uint64_t requests_seen; /* by the last check */
    uint64_t partial_since; /* when a check first found the present request incomplete; 0: it did not */
    bool responding;        /* an answer is being prepared or sent */
};

struct worker {
    h2o_context_t context; /* first: a request knows its context */
    struct http_server *server;
    unsigned slot;
    pthread_t thread;
    h2o_accept_ctx_t accept;
    h2o_multithread_receiver_t arrivals; /* connections, and the word to stop */
    h2o_multithread_receiver_t pages;
    uint64_t next_check; /* milliseconds of the monotonic clock */
    h2o_linklist_t connections;
    unsigned scrapes; /* requests for a page that wait or are being answered */
    unsigned orders;  /* pages that the maintenance thread has still to deliver, also for requests that are gone */
    uint64_t errors_seen[H2O_STATUS_ERROR_MAX];
    bool stopping;
    struct timeval stopped_at;
    _Alignas(64) atomic_size_t connection_count;
};

struct http_server {
    struct http_settings settings;
    struct http_rooms rooms;
    h2o_globalconf_t config;
    SSL_CTX *tls;
    int listener;
    struct worker *workers;
    unsigned started;
    pthread_barrier_t ready;      /* the workers and who starts them */
    pthread_rwlock_t access_lock; /* guards the next three, which change only at a reload */
    struct accounts *accounts;    /* who may post; a share; NULL: nobody yet */
    struct rules *rules;          /* a share, or NULL */
    struct auth_realm metrics_realm;
    atomic_bool unhealthy;
    atomic_size_t refused;
};

/* A message to a worker: a connection, or stop. */
struct arrival {
    h2o_multithread_message_t message; /* first */
    int fd;                            /* -1: stop */
};

/* The order of a page, which must outlive the request. */
struct scrape {
    struct page_order order; /* first */
    h2o_multithread_message_t message;
    struct worker *worker;
    struct page *page;
    struct scrape_hold *hold; /* NULL: the request is gone */
};

/* What hangs on the request's memory, and so learns when it is gone. */
struct scrape_hold {
    struct scrape *scrape; /* NULL: answered */
    struct page *page;     /* being sent */
    h2o_req_t *request;
    struct worker *worker;
    struct connection *connection;
};

static struct worker *worker_of(h2o_req_t *request)
{
    return (struct worker *)request->conn->ctx;
}

/* Each socket that libh2o reads from was created in accept_connection(), which left the connection with it. */
static struct connection *connection_of(h2o_req_t *request)
{
    return request->conn->callbacks->get_socket(request->conn)->on_close.data;
}

/* ---- answers ---- */

static void count_request(struct worker *worker, const char *path, int status)
{
    struct store *store = worker->server->rooms.store;
    store_enter(store, worker->slot);
    struct self_terms terms = {.store = store, .slot = worker->slot, .now = clock_monotonic(), .entity = ENTITY_NONE};
    self_count(&terms, &http_requests, &(struct label){SLICE("path"), slice_of(path)}, 1, http_status_cell(status), 1);
    store_leave(store, worker->slot);
}

struct answer {
    const char *path; /* as it is counted */
    int status;
    const char *reason;
    const char *type; /* NULL: no body */
    const char *body;
    const h2o_token_t *header; /* NULL: no further header */
    const char *value;
};

static void send_answer(h2o_req_t *request, const struct answer *answer)
{
    struct worker *worker = worker_of(request);
    count_request(worker, answer->path, answer->status);
    request->res.status = answer->status;
    request->res.reason = answer->reason;
    /* Without a length libh2o would use chunks, which Logplex takes for the next answer. */
    request->res.content_length = answer->body != NULL ? strlen(answer->body) : 0;
    if (answer->type != NULL)
        h2o_add_header(&request->pool, &request->res.headers, H2O_TOKEN_CONTENT_TYPE, NULL, answer->type,
                       strlen(answer->type));
    if (answer->header != NULL)
        h2o_add_header(&request->pool, &request->res.headers, answer->header, NULL, answer->value,
                       strlen(answer->value));
    if (worker->stopping)
        request->http1_is_persistent = 0;
    h2o_send_inline(request, answer->body != NULL ? answer->body : "", request->res.content_length);
}

static void send_text(h2o_req_t *request, const char *path, int status, const char *reason, const char *body)
{
    send_answer(request, &(struct answer){path, status, reason, "text/plain; charset=utf-8", body, NULL, NULL});
}

static void send_not_allowed(h2o_req_t *request, const char *path, const char *allowed)
{
    send_answer(request, &(struct answer){path, 405, "Method Not Allowed", "text/plain; charset=utf-8",
                                          "method not allowed\n", H2O_TOKEN_ALLOW, allowed});
}

static void send_unauthorized(h2o_req_t *request, const char *path, const char *challenge)
{
    send_answer(request, &(struct answer){path, 401, "Unauthorized", "text/plain; charset=utf-8",
                                          "wrong user or password\n", H2O_TOKEN_WWW_AUTHENTICATE, challenge});
}

/* ---- requests ---- */

static bool is_method(h2o_req_t *request, const char *method)
{
    return h2o_memis(request->method.base, request->method.len, method, strlen(method));
}

static bool is_read(h2o_req_t *request)
{
    return is_method(request, "GET") || is_method(request, "HEAD");
}

/* The value of the header at this index, empty where the index says that there is none. */
static struct slice header_at(const h2o_req_t *request, ssize_t index)
{
    if (index < 0)
        return (struct slice){"", 0};
    h2o_iovec_t value = request->headers.entries[index].value;
    return (struct slice){value.base, value.len};
}

static struct slice header_of(const h2o_req_t *request, const h2o_token_t *token)
{
    return header_at(request, h2o_find_header(&request->headers, token, -1));
}

static struct slice header_named(const h2o_req_t *request, struct slice name)
{
    return header_at(request, h2o_find_header_by_str(&request->headers, name.at, name.length, -1));
}

/* The Host header, which libh2o takes away; where there is none it puts its own name for us. */
static struct slice host_of(const h2o_req_t *request)
{
    h2o_iovec_t host = request->input.authority;
    bool is_sent = host.base != request->hostconf->authority.hostport.base;
    return is_sent ? (struct slice){host.base, host.len} : (struct slice){"", 0};
}

static bool may_read(h2o_req_t *request)
{
    struct http_server *server = worker_of(request)->server;
    pthread_rwlock_rdlock(&server->access_lock);
    struct auth_realm realm = server->metrics_realm;
    pthread_rwlock_unlock(&server->access_lock);
    return auth_check(&realm, header_of(request, H2O_TOKEN_AUTHORIZATION));
}

/* Whose batch it is, one of the accounts, and the rules for it.  A share of both is held. */
struct poster {
    struct accounts *accounts;
    const struct account *account;
    struct rules *rules;
};

/* Accounts and rules of the same configuration. */
static struct poster ref_access(struct http_server *server)
{
    pthread_rwlock_rdlock(&server->access_lock);
    struct poster poster = {.accounts = accounts_ref(server->accounts), .rules = rules_ref(server->rules)};
    pthread_rwlock_unlock(&server->access_lock);
    return poster;
}

static void unref_access(struct poster *poster)
{
    accounts_unref(poster->accounts);
    rules_unref(poster->rules);
}

/* A request that began before the stop is in flight and finished; a later one is for whoever comes after us. */
static bool is_too_late(h2o_req_t *request)
{
    struct worker *worker = worker_of(request);
    return worker->stopping && timercmp(&request->timestamps.request_begin_at, &worker->stopped_at, >=);
}

static void take_batch(h2o_req_t *request, const struct poster *poster, struct slice query, struct slice body)
{
    struct worker *worker = worker_of(request);
    char app_text[CONFIG_FILE_APP_MAX];
    struct slice url_app = query_value(query, SLICE("app_name"), app_text, sizeof app_text);
    if (url_app.length == 0)
        url_app = query_value(query, SLICE("app"), app_text, sizeof app_text);
    struct slice drain_token = header_named(request, SLICE("logplex-drain-token"));
    struct slice app = accounts_app(poster->accounts, poster->account, url_app, drain_token);
    size_t label_count;
    const struct label *labels = accounts_labels(poster->accounts, poster->account, app, &label_count);
    struct batch batch = {
        .body = body,
        .received = request->entity.len,
        .app = app,
        .labels = labels,
        .label_count = label_count,
        .rules = poster->rules,
        .drain_token = drain_token,
        .frame_id = header_named(request, SLICE("logplex-frame-id")),
        .request_id = header_named(request, SLICE("x-request-id")),
        .user_agent = header_of(request, H2O_TOKEN_USER_AGENT),
        .host = host_of(request),
        .message_count = header_named(request, SLICE("logplex-msg-count")),
        .drop_count = header_named(request, SLICE("logplex-drop-count")),
        .lost_count = header_named(request, SLICE("logplex-lost-count")),
        .time = clock_wall(),
        .now = clock_monotonic(),
    };
    batch_process(worker->server->rooms.intake, worker->slot, &batch);
    send_answer(request, &(struct answer){.path = "drain", .status = 204, .reason = "No Content"});
}

static void answer_batch(h2o_req_t *request, const struct poster *poster, struct slice query)
{
    if (is_too_late(request)) {
        send_text(request, "drain", 503, "Service Unavailable", "stopping\n");
        return;
    }
    struct slice body = {request->entity.base, request->entity.len};
    size_t limit = worker_of(request)->server->settings.max_body_size;
    if (body.length > limit) {
        send_text(request, "drain", 413, "Content Too Large", "the body is too large\n");
        return;
    }
    struct buffer decompressed = {0};
    switch (
        decompress(header_of(request, H2O_TOKEN_CONTENT_ENCODING), body, limit * DECOMPRESSED_FACTOR, &decompressed)) {
    case DECOMPRESS_PLAIN:
        take_batch(request, poster, query, body);
        break;
    case DECOMPRESS_DONE:
        take_batch(request, poster, query, (struct slice){decompressed.at, decompressed.length});
        break;
    case DECOMPRESS_UNSUPPORTED:
        send_text(request, "drain", 415, "Unsupported Media Type", "this content-encoding is not supported\n");
        break;
    case DECOMPRESS_CORRUPT:
        send_text(request, "drain", 422, "Unprocessable Content", "the body cannot be decompressed\n");
        break;
    case DECOMPRESS_TOO_LARGE:
        send_text(request, "drain", 413, "Content Too Large", "the decompressed body is too large\n");
        break;
    case DECOMPRESS_NO_MEMORY:
        send_text(request, "drain", 503, "Service Unavailable", "out of memory\n");
        break;
    }
    buffer_free(&decompressed);
}

static void on_drain(h2o_req_t *request, struct slice query)
{
    if (!is_method(request, "POST")) {
        send_not_allowed(request, "drain", "POST");
        return;
    }
    struct poster poster = ref_access(worker_of(request)->server);
    switch (accounts_check(poster.accounts, header_of(request, H2O_TOKEN_AUTHORIZATION), clock_monotonic(),
                           &poster.account)) {
    case ACCOUNTS_ALLOWED:
        answer_batch(request, &poster, query);
        break;
    case ACCOUNTS_DENIED:
        send_unauthorized(request, "drain", "Basic realm=\"drain\"");
        break;
    case ACCOUNTS_BUSY:
        send_answer(request, &(struct answer){"drain", 503, "Service Unavailable", "text/plain; charset=utf-8",
                                              "the password cannot be verified now\n", H2O_TOKEN_RETRY_AFTER, "1"});
        break;
    }
    unref_access(&poster);
}

static void on_health(h2o_req_t *request)
{
    struct worker *worker = worker_of(request);
    if (!is_read(request)) {
        send_not_allowed(request, "health", "GET, HEAD");
        return;
    }
    bool healthy = !worker->stopping && !atomic_load_explicit(&worker->server->unhealthy, memory_order_relaxed);
    send_answer(request, &(struct answer){.path = "health",
                                          .status = healthy ? 200 : 503,
                                          .reason = healthy ? "OK" : "Service Unavailable",
                                          .type = "application/json",
                                          .body = healthy ? "{\"ok\":true}" : "{\"ok\":false}"});
}

/* ---- scrapes ---- */

/* "q=0", "q=0.000": not wanted (RFC 9110, 12.4.2). */
static bool is_zero_weight(struct slice parameters)
{
    struct slice value = slice_trim(slice_after(parameters, slice_index(parameters, '=')));
    size_t i = 0;
    while (i < value.length && (value.at[i] == '=' || value.at[i] == ' ' || value.at[i] == '0' || value.at[i] == '.'))
        i++;
    return value.length > 1 && i == value.length;
}

/* RFC 9110, 12.5.3: is gzip, or else any encoding, in the list with a weight that is not zero? */
static bool accepts_gzip(struct slice list)
{
    bool any = false;
    while (list.length > 0) {
        struct slice item = {list.at, slice_index(list, ',')};
        list = slice_after(list, item.length < list.length ? item.length + 1 : item.length);
        struct slice name = {item.at, slice_index(item, ';')};
        bool wanted = !is_zero_weight(slice_after(item, name.length));
        name = slice_trim(name);
        if (name.length == 4 && strncasecmp(name.at, "gzip", 4) == 0)
            return wanted;
        if (slice_equals(name, SLICE("*")))
            any = wanted;
    }
    return any;
}

/* The request's memory is going: nothing may be sent to it any more. */
static void on_scrape_gone(void *memory)
{
    struct scrape_hold *hold = memory;
    hold->worker->scrapes--;
    hold->connection->responding = false;
    hold->connection->changed = clock_monotonic();
    if (hold->scrape != NULL)
        hold->scrape->hold = NULL;
    page_unref(hold->page);
}

/* On the maintenance thread's thread: send the page to the worker that wants it. */
static void on_page(struct page_order *order, struct page *page)
{
    struct scrape *scrape = (struct scrape *)order;
    scrape->page = page;
    h2o_multithread_send_message(&scrape->worker->pages, &scrape->message);
}

static void send_page(struct scrape_hold *hold)
{
    static h2o_generator_t generator;
    h2o_req_t *request = hold->request;
    struct page *page = hold->page;
    if (page == NULL) {
        send_text(request, "metrics", 503, "Service Unavailable", "out of memory\n");
        return;
    }
    count_request(hold->worker, "metrics", 200);
    request->res.status = 200;
    request->res.reason = "OK";
    request->res.content_length = page->text.length;
    h2o_add_header(&request->pool, &request->res.headers, H2O_TOKEN_CONTENT_TYPE, NULL,
                   H2O_STRLIT(EXPOSITION_CONTENT_TYPE));
    h2o_add_header(&request->pool, &request->res.headers, H2O_TOKEN_VARY, NULL, H2O_STRLIT("Accept-Encoding"));
    if (page->gzip)
        h2o_add_header(&request->pool, &request->res.headers, H2O_TOKEN_CONTENT_ENCODING, NULL, H2O_STRLIT("gzip"));
    if (hold->worker->stopping)
        request->http1_is_persistent = 0;
    h2o_iovec_t text = h2o_iovec_init(page->text.at, page->text.length);
    h2o_start_response(request, &generator);
    h2o_send(request, &text, is_method(request, "HEAD") ? 0 : 1, H2O_SEND_STATE_FINAL);
}

static void on_pages(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages)
{
    (void)receiver;
    while (!h2o_linklist_is_empty(messages)) {
        h2o_multithread_message_t *message = H2O_STRUCT_FROM_MEMBER(h2o_multithread_message_t, link, messages->next);
        struct scrape *scrape = H2O_STRUCT_FROM_MEMBER(struct scrape, message, message);
        h2o_linklist_unlink(&message->link);
        scrape->worker->orders--;
        struct scrape_hold *hold = scrape->hold;
        if (hold != NULL) {
            hold->scrape = NULL;
            hold->page = scrape->page;
            send_page(hold);
        } else
            page_unref(scrape->page);
        free(scrape);
    }
}

static void on_metrics(h2o_req_t *request)
{
    struct worker *worker = worker_of(request);
    if (!is_read(request)) {
        send_not_allowed(request, "metrics", "GET, HEAD");
        return;
    }
    if (!may_read(request)) {
        send_unauthorized(request, "metrics", "Basic realm=\"metrics\"");
        return;
    }
    struct scrape *scrape = worker->scrapes < SCRAPES_MAX ? calloc(1, sizeof *scrape) : NULL;
    if (scrape == NULL) {
        send_text(request, "metrics", 503, "Service Unavailable", "too many scrapes at a time\n");
        return;
    }
    struct scrape_hold *hold = h2o_mem_alloc_shared(&request->pool, sizeof *hold, on_scrape_gone);
    *hold = (struct scrape_hold){
        .scrape = scrape, .request = request, .worker = worker, .connection = connection_of(request)};
    hold->connection->responding = true;
    worker->scrapes++;
    worker->orders++;
    scrape->order.gzip = accepts_gzip(header_of(request, H2O_TOKEN_ACCEPT_ENCODING));
    scrape->order.deliver = on_page;
    scrape->worker = worker;
    scrape->hold = hold;
    maintenance_request_page(worker->server->rooms.maintenance, &scrape->order);
}

/* ---- the way to them ---- */

static bool is_header(struct slice line, struct slice name)
{
    return line.length > name.length && strncasecmp(line.at, name.at, name.length) == 0;
}

/* Does the header tell the body's length in two ways?  libh2o believes one of them, and a proxy before us may have
 * believed the other: then what we read as a batch is what somebody smuggled past the proxy (RFC 9112, 6.3 and 11.2).
 * libh2o removes these lines from the request, but keeps the header's text in front of the body until the request is
 * answered. */
static bool has_two_lengths(const h2o_buffer_t *input)
{
    struct slice text = {input->bytes, input->size};
    unsigned lengths = 0;
    while (text.length > 0 && (text.at[0] == '\r' || text.at[0] == '\n'))
        text = slice_after(text, 1); /* an empty line before the request is allowed (RFC 9112, 2.2) */
    for (;;) {
        size_t end = slice_index(text, '\n');
        struct slice line = {text.at, end};
        if (end == text.length || end <= 1)
            return lengths > 1;
        lengths += is_header(line, SLICE("content-length:")) || is_header(line, SLICE("transfer-encoding:"));
        text = slice_after(text, end + 1);
    }
}

/* Paths are compared as they were sent: "/drain/" and "/x/../drain" are other paths. */
static int on_request(h2o_handler_t *handler, h2o_req_t *request)
{
    (void)handler;
    struct connection *connection = connection_of(request);
    connection->requests++;
    connection->changed = clock_monotonic();
    struct slice target = {request->path.base, request->path.len};
    struct slice path = {target.at, request->query_at < target.length ? request->query_at : target.length};
    struct slice query = slice_after(target, path.length < target.length ? path.length + 1 : target.length);
    if (has_two_lengths(connection->socket->input)) {
        request->http1_is_persistent = 0;
        send_text(request, "unread", 400, "Bad Request", "the length of the body is given twice\n");
    } else if (slice_equals(path, SLICE("/drain")))
        on_drain(request, query);
    else if (slice_equals(path, SLICE("/metrics")))
        on_metrics(request);
    else if (slice_equals(path, SLICE("/health")))
        on_health(request);
    else
        send_text(request, "other", 404, "Not Found", "not found\n");
    return 0;
}

/* ---- connections ---- */

static void on_close(void *data)
{
    struct connection *connection = data;
    h2o_linklist_unlink(&connection->link);
    atomic_fetch_sub_explicit(&connection->worker->connection_count, 1, memory_order_relaxed);
    free(connection);
}

/* The socket is only shut down: libh2o then finds its end and frees what belongs to it. */
static void end_connection(struct connection *connection)
{
    shutdown(h2o_socket_get_fd(connection->socket), SHUT_RDWR);
}

static void accept_connection(struct worker *worker, int fd)
{
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) {
        close(fd);
        atomic_fetch_sub_explicit(&worker->connection_count, 1, memory_order_relaxed);
        return;
    }
    connection->worker = worker;
    connection->changed = clock_monotonic();
    connection->socket = h2o_evloop_socket_create(worker->context.loop, fd, H2O_SOCKET_FLAG_IS_ACCEPTED_CONNECTION);
    connection->socket->on_close.cb = on_close;
    connection->socket->on_close.data = connection;
    h2o_linklist_insert(&worker->connections, &connection->link);
    h2o_accept(&worker->accept, connection->socket);
}

static void begin_stop(struct worker *worker)
{
    worker->stopping = true;
    gettimeofday(&worker->stopped_at, NULL);
    /* Not h2o_context_request_shutdown(): it starts a timer for HTTP/2 that cannot be taken back. */
    worker->context.shutdown_requested = 1;
}

static void on_arrivals(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages)
{
    struct worker *worker = H2O_STRUCT_FROM_MEMBER(struct worker, arrivals, receiver);
    while (!h2o_linklist_is_empty(messages)) {
        struct arrival *arrival = H2O_STRUCT_FROM_MEMBER(struct arrival, message.link, messages->next);
        h2o_linklist_unlink(&arrival->message.link);
        if (arrival->fd < 0)
            begin_stop(worker);
        else
            accept_connection(worker, arrival->fd);
        free(arrival);
    }
}

/* Is the header of a request complete in what has been received?  libh2o keeps it until the request is answered. */
static bool has_header(const h2o_buffer_t *input)
{
    size_t length = input->size < 64 * 1024 ? input->size : 64 * 1024;
    return memmem(input->bytes, length, "\r\n\r\n", 4) != NULL || memmem(input->bytes, length, "\n\n", 2) != NULL;
}

/* Has the connection been waiting for longer than it may? */
static bool is_overdue(struct connection *connection, const struct http_settings *settings, uint64_t now)
{
    const h2o_buffer_t *input = connection->socket->input;
    if (connection->responding)
        return now - connection->changed > settings->request_timeout;
    bool partial = input != NULL && input->size > 0;
    if (!partial) {
        connection->partial_since = 0;
        /* Who connects has something to say: the long time is only for those who said something before.  With TLS this
         * is the time for the handshake too. */
        uint64_t first = settings->tls_cert_file != NULL ? settings->header_timeout : settings->request_timeout;
        uint64_t limit = connection->requests > 0 ? settings->idle_timeout : first;
        return now - connection->changed > limit;
    }
    if (connection->partial_since == 0 || connection->requests_seen != connection->requests)
        connection->partial_since = now;
    connection->requests_seen = connection->requests;
    uint64_t limit = has_header(input) ? settings->request_timeout : settings->header_timeout;
    return now - connection->partial_since > limit;
}

/* Errors that libh2o answered by itself, before any handler: counted where all requests are. */
static void count_errors(struct worker *worker)
{
    static const int statuses[H2O_STATUS_ERROR_MAX] = {
        [H2O_STATUS_ERROR_400] = 400, [H2O_STATUS_ERROR_413] = 413, [H2O_STATUS_ERROR_417] = 417};
    for (int i = 0; i < H2O_STATUS_ERROR_MAX; i++) {
        for (; worker->errors_seen[i] < worker->context.emitted_error_status[i]; worker->errors_seen[i]++)
            count_request(worker, "unread", statuses[i]);
    }
}

static void check_connections(struct worker *worker)
{
    struct store *store = worker->server->rooms.store;
    uint64_t now = clock_monotonic();
    unsigned ended = 0;
    for (h2o_linklist_t *at = worker->connections.next; at != &worker->connections; at = at->next) {
        struct connection *connection = H2O_STRUCT_FROM_MEMBER(struct connection, link, at);
        if (!is_overdue(connection, &worker->server->settings, now))
            continue;
        end_connection(connection);
        /* Idle ones are closed as a matter of course. */
        ended += connection->responding || connection->partial_since != 0;
    }
    store_enter(store, worker->slot);
    struct self_terms terms = {.store = store, .slot = worker->slot, .now = now, .entity = ENTITY_NONE};
    self_count(&terms, &http_connections_timed_out, NULL, 0, 0, ended);
    self_count(&terms, &http_connections_refused, NULL, 0, 0,
               (double)atomic_exchange_explicit(&worker->server->refused, 0, memory_order_relaxed));
    store_leave(store, worker->slot);
    count_errors(worker);
    worker->next_check = now + CHECK_INTERVAL;
}

/* End the connections on which nothing is going on. */
static void end_idle_connections(struct worker *worker)
{
    for (h2o_linklist_t *at = worker->connections.next; at != &worker->connections; at = at->next) {
        struct connection *connection = H2O_STRUCT_FROM_MEMBER(struct connection, link, at);
        const h2o_buffer_t *input = connection->socket->input;
        if (!connection->responding && (input == NULL || input->size == 0))
            end_connection(connection);
    }
}

/* ---- threads ---- */

/* What libh2o allocates for a context belongs to the thread: buffers go back to lists of the thread that first made
 * them, without a lock.  So each worker makes its own context, and takes it down. */
static void open_context(struct worker *worker)
{
    h2o_socket_buffer_prototype._initial_buf.capacity = SOCKET_BUFFER;
    h2o_context_init(&worker->context, h2o_evloop_create(), &worker->server->config);
    worker->accept = (h2o_accept_ctx_t){
        .ctx = &worker->context, .hosts = worker->server->config.hosts, .ssl_ctx = worker->server->tls};
    h2o_multithread_register_receiver(worker->context.queue, &worker->arrivals, on_arrivals);
    h2o_multithread_register_receiver(worker->context.queue, &worker->pages, on_pages);
    check_connections(worker);
}

static void close_context(struct worker *worker)
{
    h2o_multithread_unregister_receiver(worker->context.queue, &worker->pages);
    h2o_multithread_unregister_receiver(worker->context.queue, &worker->arrivals);
    h2o_context_dispose(&worker->context);
}

/* Do what is to be done, or wait for it for at most so many milliseconds.  The checks are not a timer of libh2o's,
 * since these follow the wall clock, which can be set. */
static void run_loop(struct worker *worker, int32_t wait)
{
    h2o_evloop_run(worker->context.loop, wait);
    if (clock_monotonic() >= worker->next_check)
        check_connections(worker);
}

static void *run_worker(void *argument)
{
    struct worker *worker = argument;
    open_context(worker);
    pthread_barrier_wait(&worker->server->ready);
    while (!worker->stopping)
        run_loop(worker, CHECK_INTERVAL);
    uint64_t grace = clock_monotonic() + STOP_GRACE;
    while (atomic_load_explicit(&worker->connection_count, memory_order_relaxed) > 0 || worker->orders > 0) {
        if (clock_monotonic() >= grace)
            end_idle_connections(worker);
        run_loop(worker, 20);
    }
    close_context(worker);
    return NULL;
}

bool http_start(struct http_server *server, const struct http_rooms *rooms)
{
    server->rooms = *rooms;
    pthread_barrier_init(&server->ready, NULL, server->settings.workers + 1);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    while (server->started < server->settings.workers) {
        struct worker *worker = &server->workers[server->started];
        worker->server = server;
        worker->slot = server->started;
        h2o_linklist_init_anchor(&worker->connections);
        if (pthread_create(&worker->thread, &attributes, run_worker, worker) != 0)
            break;
        server->started++;
    }
    pthread_attr_destroy(&attributes);
    if (server->started < server->settings.workers)
        return false;
    pthread_barrier_wait(&server->ready);
    return true;
}

/* ---- the listener ---- */

/* Open a socket on an address; -1 with errno where that fails. */
static int listen_on(const struct addrinfo *address)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    int on = 1, off = 0;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off); /* [::] serves IPv4 too */
    if (bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0)
        return fd;
    int reason = errno;
    close(fd);
    errno = reason;
    return -1;
}

/* Listen on one of a host's addresses; -1 with a sentence in error. */
static int listen_on_host(const char *host, const char *port, char error[256])
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *addresses;
    int problem = getaddrinfo(host, port, &hints, &addresses);
    if (problem != 0) {
        snprintf(error, 256, "LISTEN_ADDRESS: the host %s cannot be found: %s", host, gai_strerror(problem));
        return -1;
    }
    int fd = -1;
    for (struct addrinfo *address = addresses; address != NULL && fd < 0; address = address->ai_next)
        fd = listen_on(address);
    if (fd < 0)
        snprintf(error, 256, "LISTEN_ADDRESS: cannot listen on %s port %s: %s", host, port, strerror(errno));
    freeaddrinfo(addresses);
    return fd;
}

static int open_listener(const struct http_settings *settings, char error[256])
{
    if (settings->host[0] != '\0')
        return listen_on_host(settings->host, settings->port, error);
    int fd = listen_on_host("::", settings->port, error);
    if (fd < 0 && errno == EAFNOSUPPORT) /* a kernel without IPv6 */
        fd = listen_on_host("0.0.0.0", settings->port, error);
    return fd;
}

static SSL_CTX *open_tls(const struct http_settings *settings, char error[256])
{
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    if (tls == NULL) {
        snprintf(error, 256, "TLS cannot be set up");
        return NULL;
    }
    SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
    SSL_CTX_set_options(tls, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_COMPRESSION);
    static h2o_iovec_t protocols[2]; /* libh2o keeps the pointer */
    protocols[0] = h2o_iovec_init(H2O_STRLIT("http/1.1"));
    h2o_ssl_register_alpn_protocols(tls, protocols);
    const char *wrong = NULL;
    if (SSL_CTX_use_certificate_chain_file(tls, settings->tls_cert_file) != 1)
        wrong = "TLS_CERT_FILE: the file cannot be read as a PEM certificate";
    else if (SSL_CTX_use_PrivateKey_file(tls, settings->tls_key_file, SSL_FILETYPE_PEM) != 1)
        wrong = "TLS_KEY_FILE: the file cannot be read as a PEM key, or does not fit the certificate";
    if (wrong == NULL)
        return tls;
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    snprintf(error, 256, "%s%s%s", wrong, reason != NULL ? ": " : "", reason != NULL ? reason : "");
    SSL_CTX_free(tls);
    return NULL;
}

static void configure(struct http_server *server)
{
    h2o_config_init(&server->config);
    server->config.server_name = h2o_iovec_init(NULL, 0);
    /* libh2o refuses chunks of exactly its limit; see on_drain(). */
    server->config.max_request_entity_size = server->settings.max_body_size + 1;
    server->config.http1.upgrade_to_http2 = 0;
    /* The timeouts are ours, see is_overdue(); those of libh2o must never come. */
    server->config.http1.req_timeout = NEVER;
    server->config.handshake_timeout = NEVER;
    h2o_hostconf_t *host = h2o_config_register_host(&server->config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    h2o_pathconf_t *path = h2o_config_register_path(host, "/", 0);
    h2o_handler_t *handler = h2o_create_handler(path, sizeof *handler);
    handler->on_req = on_request;
}

struct http_server *http_open(const struct http_settings *settings, char error[256])
{
    struct http_server *server = aligned_alloc(64, (sizeof *server + 63) / 64 * 64);
    if (server == NULL)
        goto no_memory;
    memset(server, 0, sizeof *server);
    server->settings = *settings;
    pthread_rwlock_init(&server->access_lock, NULL);
    server->workers = aligned_alloc(64, settings->workers * sizeof *server->workers);
    if (server->workers == NULL)
        goto free_server;
    memset(server->workers, 0, settings->workers * sizeof *server->workers);
    if (settings->tls_cert_file != NULL && (server->tls = open_tls(settings, error)) == NULL)
        goto free_workers;
    server->listener = open_listener(settings, error);
    if (server->listener < 0)
        goto free_tls;
    configure(server);
    return server;

free_tls:
    SSL_CTX_free(server->tls);
free_workers:
    free(server->workers);
    free(server);
    return NULL;
free_server:
    free(server);
no_memory:
    snprintf(error, 256, "there is no memory");
    return NULL;
}

void http_allow(struct http_server *server, struct accounts *accounts, struct rules *rules,
                const struct auth_realm *metrics)
{
    pthread_rwlock_wrlock(&server->access_lock);
    struct poster old = {.accounts = server->accounts, .rules = server->rules};
    server->accounts = accounts_ref(accounts);
    server->rules = rules_ref(rules);
    server->metrics_realm = *metrics;
    pthread_rwlock_unlock(&server->access_lock);
    unref_access(&old);
}

struct rules *http_rules(struct http_server *server)
{
    pthread_rwlock_rdlock(&server->access_lock);
    struct rules *rules = rules_ref(server->rules);
    pthread_rwlock_unlock(&server->access_lock);
    return rules;
}

int http_listener(const struct http_server *server)
{
    return server->listener;
}

size_t http_connections(const struct http_server *server)
{
    size_t count = 0;
    for (unsigned i = 0; i < server->settings.workers; i++)
        count += atomic_load_explicit(&server->workers[i].connection_count, memory_order_relaxed);
    return count;
}

/* The worker with the fewest connections; of several, the one after the last that was chosen. */
static struct worker *choose_worker(struct http_server *server)
{
    static unsigned last;
    unsigned chosen = 0;
    size_t fewest = SIZE_MAX;
    for (unsigned i = 1; i <= server->settings.workers; i++) {
        unsigned candidate = (last + i) % server->settings.workers;
        size_t count = atomic_load_explicit(&server->workers[candidate].connection_count, memory_order_relaxed);
        if (count < fewest) {
            fewest = count;
            chosen = candidate;
        }
    }
    last = chosen;
    return &server->workers[chosen];
}

static bool send_arrival(struct worker *worker, int fd)
{
    struct arrival *arrival = calloc(1, sizeof *arrival);
    if (arrival == NULL)
        return false;
    arrival->fd = fd;
    h2o_multithread_send_message(&worker->arrivals, &arrival->message);
    return true;
}

void http_accept(struct http_server *server)
{
    for (;;) {
        int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) {
            if (errno == EINTR || errno == ECONNABORTED)
                continue;
            if (errno != EAGAIN && errno != EWOULDBLOCK) {
                /* Out of descriptors or memory: what waits stays in the backlog. */
                log_write(LOG_ERROR, "a connection cannot be accepted: %s", strerror(errno));
                usleep(10000);
            }
            return;
        }
        if (http_connections(server) >= server->settings.max_connections) {
            atomic_fetch_add_explicit(&server->refused, 1, memory_order_relaxed);
            close(fd);
            log_write(LOG_WARN, "a connection was closed: MAX_CONNECTIONS (%zu) are open",
                      server->settings.max_connections);
            continue;
        }
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct worker *worker = choose_worker(server);
        atomic_fetch_add_explicit(&worker->connection_count, 1, memory_order_relaxed);
        if (!send_arrival(worker, fd)) {
            atomic_fetch_sub_explicit(&worker->connection_count, 1, memory_order_relaxed);
            close(fd);
        }
    }
}

void http_unhealthy(struct http_server *server)
{
    atomic_store_explicit(&server->unhealthy, true, memory_order_relaxed);
}

bool http_stop(struct http_server *server, uint64_t timeout)
{
    http_accept(server); /* who got as far as the backlog may have sent a request */
    close(server->listener);
    server->listener = -1;
    bool sent = true;
    for (unsigned i = 0; i < server->started; i++)
        sent &= send_arrival(&server->workers[i], -1);
    uint64_t deadline = clock_monotonic() + timeout;
    bool ended = sent;
    for (unsigned i = 0; i < server->started && ended; i++) {
        /* Asked again and again, since a join with a deadline follows a clock that can be set. */
        while (!(ended = pthread_tryjoin_np(server->workers[i].thread, NULL) == 0) && clock_monotonic() < deadline)
            usleep(2000);
    }
    return ended;
}

void http_close(struct http_server *server)
{
    if (server->listener >= 0)
        close(server->listener);
    if (server->started > 0)
        pthread_barrier_destroy(&server->ready);
    h2o_config_dispose(&server->config);
    SSL_CTX_free(server->tls);
    pthread_rwlock_destroy(&server->access_lock);
    accounts_unref(server->accounts);
    rules_unref(server->rules);
    free(server->workers);
    free(server);
}
