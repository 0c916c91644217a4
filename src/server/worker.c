#include "server/http_internal.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "server/http_metrics.h"

enum {
    /* A request's bytes fit the first buffer, mostly: libh2o doubles a buffer by copying it. */
    SOCKET_BUFFER = 128 * 1024,
    /* How long idle connections stay open after a stop (milliseconds).  A busy sender's next request comes within this
     * time and is told to close the connection, which is better than finding it closed while sending. */
    STOP_GRACE = 500,
    CHECK_INTERVAL = 1000, /* milliseconds between the looks at all connections */
    LINGER_TIME = 5000,    /* milliseconds for a sender to see that it was refused */
    STRANGER_IDLE = 10000, /* milliseconds; the long idle time is for those who have sent a right password */
    RETRY_INTERVAL = 2,    /* milliseconds; a batch takes about as long */
    /* Milliseconds that a request waits at most; log-shuttle waits for an answer for five seconds, Logplex as well. */
    WAIT_MAX = 10000,
};

/* A message to a worker: a connection, or stop. */
struct hand_off {
    h2o_multithread_message_t message; /* first */
    struct arrival arrival;            /* fd -1: stop */
};

struct worker *worker_of(h2o_req_t *request)
{
    return (struct worker *)request->conn->ctx;
}

int64_t worker_second(const struct worker *worker)
{
    return (int64_t)(h2o_now(worker->context.loop) / 1000);
}

/* Each socket that libh2o reads from was created in accept_connection(), which left the connection with it. */
struct connection *connection_of(h2o_req_t *request)
{
    return request->conn->callbacks->get_socket(request->conn)->on_close.data;
}

/* ---- connections ---- */

/* A connection is no longer there; or, if it is only trusted from now on, no longer a stranger's. */
static void leave(struct worker *worker, bool inside, bool authenticated, bool gone)
{
    if (gone)
        atomic_fetch_sub_explicit(&worker->connection_count, 1, memory_order_relaxed);
    if (gone && inside)
        atomic_fetch_sub_explicit(&worker->server->inside_count, 1, memory_order_relaxed);
    if (!inside && !authenticated)
        atomic_fetch_sub_explicit(&worker->stranger_count, 1, memory_order_relaxed);
}

static void uncount(struct connection *connection)
{
    if (connection->counted)
        client_uncount(connection->worker->server, &connection->peer);
    connection->counted = false;
}

void worker_trust(struct connection *connection)
{
    client_succeeded(connection);
    if (connection->authenticated)
        return;
    leave(connection->worker, connection->inside, false, false);
    uncount(connection);
    connection->authenticated = true;
}

static void on_close(void *data)
{
    struct connection *connection = data;
    h2o_linklist_unlink(&connection->link);
    gate_close(connection);
    trust_forget(&connection->trust);
    free(connection->access);
    SSL_CTX_free(connection->tls);
    leave(connection->worker, connection->inside, connection->authenticated, true);
    uncount(connection);
    free(connection);
}

/* The socket is only shut down: libh2o then finds its end and frees what belongs to it. */
void worker_end_connection(struct connection *connection)
{
    connection->ended = true;
    gate_resume(connection);
    shutdown(h2o_socket_get_fd(connection->socket), SHUT_RDWR);
}

static void on_handshake(h2o_socket_t *socket, const char *error)
{
    if (error != NULL)
        h2o_socket_close(socket);
    else
        gate_open(socket->on_close.data);
}

void worker_open(struct connection *connection)
{
    connection->tls = tls_ref(connection->worker->server);
    if (connection->tls != NULL)
        h2o_socket_ssl_handshake(connection->socket, connection->tls, NULL, on_handshake);
    else
        gate_open(connection);
}

/* Who waits for a password to be verified is a stranger like any other: wrong ones cost nothing, and would hold all
 * places. */
bool worker_may_displace(const struct connection *connection)
{
    bool is_busy = connection->responding && connection->login == NULL;
    return !connection->authenticated && !connection->inside && !connection->ended && !is_busy;
}

void worker_displace(struct connection *connection)
{
    if (connection->login != NULL)
        connection->login->give_up(connection->login);
    else
        worker_end_connection(connection);
    connection->worker->displaced++;
}

/* Close the connection of the stranger for whom nothing has been done for longest. */
static void displace_stranger(struct worker *worker)
{
    struct connection *chosen = NULL;
    for (h2o_linklist_t *at = worker->connections.next; at != &worker->connections; at = at->next) {
        struct connection *connection = H2O_STRUCT_FROM_MEMBER(struct connection, link, at);
        if (worker_may_displace(connection) && (chosen == NULL || connection->changed < chosen->changed))
            chosen = connection;
    }
    if (chosen != NULL)
        worker_displace(chosen);
}

static void accept_connection(struct worker *worker, const struct arrival *arrival)
{
    int fd = arrival->fd;
    if (arrival->displace)
        displace_stranger(worker);
    bool is_logged = worker->server->settings.access_log != ACCESS_LOG_OFF;
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection != NULL && is_logged && (connection->access = calloc(1, sizeof *connection->access)) == NULL) {
        free(connection);
        connection = NULL;
    }
    if (connection == NULL) {
        close(fd);
        leave(worker, arrival->inside, false, true);
        if (arrival->counted)
            client_uncount(worker->server, &arrival->peer);
        return;
    }
    connection->worker = worker;
    connection->inside = arrival->inside;
    connection->reserved = arrival->reserved;
    connection->counted = arrival->counted;
    connection->peer = connection->client = arrival->peer;
    connection->changed = clock_monotonic();
    connection->socket = h2o_evloop_socket_create(worker->context.loop, fd, H2O_SOCKET_FLAG_IS_ACCEPTED_CONNECTION);
    connection->socket->on_close.cb = on_close;
    connection->socket->on_close.data = connection;
    h2o_linklist_insert(&worker->connections, &connection->link);
    client_open(connection);
}

static void begin_stop(struct worker *worker)
{
    worker->stopping = true;
    /* Not h2o_context_request_shutdown(): it starts a timer for HTTP/2 that cannot be taken back. */
    worker->context.shutdown_requested = 1;
}

static void on_hand_offs(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages)
{
    struct worker *worker = H2O_STRUCT_FROM_MEMBER(struct worker, hand_offs, receiver);
    while (!h2o_linklist_is_empty(messages)) {
        struct hand_off *hand_off = H2O_STRUCT_FROM_MEMBER(struct hand_off, message.link, http_take_first(messages));
        if (hand_off->arrival.fd < 0)
            begin_stop(worker);
        else
            accept_connection(worker, &hand_off->arrival);
        free(hand_off);
    }
}

/* ---- timeouts ---- */

static uint64_t shorter(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t worker_deadline(const struct worker *worker)
{
    return clock_monotonic() + shorter(worker->server->settings.request_timeout, WAIT_MAX);
}

/* How long the connection may be without a request. */
static uint64_t idle_limit(const struct connection *connection, const struct http_settings *settings)
{
    if (connection->authenticated)
        return settings->idle_timeout;
    if (connection->requests > 0)
        return shorter(settings->idle_timeout, STRANGER_IDLE);
    /* With TLS this is the time for the handshake too. */
    return settings->tls_cert_file != NULL ? settings->header_timeout
                                           : shorter(settings->request_timeout, STRANGER_IDLE);
}

/* Has the connection been waiting for longer than it may? */
static bool is_overdue(struct connection *connection, const struct http_settings *settings, uint64_t now)
{
    const h2o_buffer_t *input = connection->socket->input;
    if (connection->waiting)
        return false;
    if (connection->gate.state == GATE_REFUSED)
        return now - connection->gate.refused > LINGER_TIME;
    if (connection->responding)
        return now - connection->changed > settings->request_timeout;
    bool partial = input != NULL && input->size > 0;
    if (!partial) {
        connection->partial_since = 0;
        return now - connection->changed > idle_limit(connection, settings);
    }
    if (connection->partial_since == 0 || connection->requests_seen != connection->requests)
        connection->partial_since = now;
    connection->requests_seen = connection->requests;
    uint64_t limit = connection->gate.state == GATE_HEAD ? settings->header_timeout : settings->request_timeout;
    return now - connection->partial_since > limit;
}

/* Errors that libh2o answered by itself, before any handler: counted where all requests are. */
static void count_errors(struct worker *worker)
{
    static const int statuses[H2O_STATUS_ERROR_MAX] = {
        [H2O_STATUS_ERROR_400] = 400, [H2O_STATUS_ERROR_413] = 413, [H2O_STATUS_ERROR_417] = 417};
    for (int i = 0; i < H2O_STATUS_ERROR_MAX; i++) {
        for (; worker->errors_seen[i] < worker->context.emitted_error_status[i]; worker->errors_seen[i]++)
            response_count(worker, "unread", statuses[i]);
    }
}

static void check_connections(struct worker *worker)
{
    struct store *store = worker->server->modules.store;
    uint64_t now = clock_monotonic();
    unsigned ended = 0;
    for (h2o_linklist_t *at = worker->connections.next; at != &worker->connections; at = at->next) {
        struct connection *connection = H2O_STRUCT_FROM_MEMBER(struct connection, link, at);
        if (connection->login != NULL && now >= connection->login->deadline)
            connection->login->give_up(connection->login);
        if (!is_overdue(connection, &worker->server->settings, now))
            continue;
        worker_end_connection(connection);
        /* Idle ones are closed as a matter of course. */
        ended += connection->responding || connection->partial_since != 0;
    }
    store_enter(store, worker->slot);
    struct self_terms terms = {.store = store, .slot = worker->slot, .now = now, .entity = ENTITY_NONE};
    self_count(&terms, &http_connections_timed_out, NULL, 0, 0, ended);
    self_count(&terms, &http_connections_refused, NULL, 0, 0,
               (double)atomic_exchange_explicit(&worker->server->refused, 0, memory_order_relaxed));
    self_count(&terms, &http_connections_displaced, NULL, 0, 0, worker->displaced);
    worker->displaced = 0;
    self_count(&terms, &log_lines_dropped, NULL, 0, 0, log_take_dropped());
    rejections_report(worker->server->rejections, &terms);
    store_leave(store, worker->slot);
    count_errors(worker);
    gate_save_memory(worker);
    post_drain_check(worker, now);
    worker->next_check = now + CHECK_INTERVAL;
    atomic_store_explicit(&worker->checked, now, memory_order_relaxed);
}

/* End the connections on which nothing is going on, and those of strangers who have not sent a whole request: it might
 * never end. */
static void end_idle_connections(struct worker *worker)
{
    for (h2o_linklist_t *at = worker->connections.next; at != &worker->connections; at = at->next) {
        struct connection *connection = H2O_STRUCT_FROM_MEMBER(struct connection, link, at);
        const h2o_buffer_t *input = connection->socket->input;
        if (!connection->responding && (!connection->authenticated || input == NULL || input->size == 0))
            worker_end_connection(connection);
    }
}

/* ---- the thread ---- */

/* What libh2o allocates for a context belongs to the thread: buffers go back to lists of the thread that first made
 * them, without a lock.  So each worker makes its own context, and takes it down. */
static void open_context(struct worker *worker)
{
    h2o_socket_buffer_prototype._initial_buf.capacity = SOCKET_BUFFER;
    h2o_socket_buffer_prototype.mmap_settings = NULL; /* from 32 MiB on it would be a file in /tmp */
    h2o_context_init(&worker->context, h2o_evloop_create(), &worker->server->config);
    worker->accept = (h2o_accept_ctx_t){.ctx = &worker->context, .hosts = worker->server->config.hosts};
    h2o_multithread_register_receiver(worker->context.queue, &worker->hand_offs, on_hand_offs);
    h2o_multithread_register_receiver(worker->context.queue, &worker->pages, get_metrics_on_pages);
    h2o_multithread_register_receiver(worker->context.queue, &worker->statuses, get_status_on_written);
    h2o_multithread_register_receiver(worker->context.queue, &worker->verified, post_drain_on_verified);
    h2o_multithread_register_receiver(worker->context.queue, &worker->verified_scrapes, page_access_on_verified);
    check_connections(worker);
}

static void close_context(struct worker *worker)
{
    h2o_multithread_unregister_receiver(worker->context.queue, &worker->verified_scrapes);
    h2o_multithread_unregister_receiver(worker->context.queue, &worker->verified);
    h2o_multithread_unregister_receiver(worker->context.queue, &worker->statuses);
    h2o_multithread_unregister_receiver(worker->context.queue, &worker->pages);
    h2o_multithread_unregister_receiver(worker->context.queue, &worker->hand_offs);
    h2o_context_dispose(&worker->context);
}

/* Do what is to be done, or wait for it for at most so many milliseconds.  The checks are not a timer of libh2o's,
 * since these follow the wall clock, which can be set. */
static void run_loop(struct worker *worker, int32_t wait)
{
    bool tries = worker->retries > 0 || worker->paused > 0;
    h2o_evloop_run(worker->context.loop, worker->has_work ? 0 : tries ? RETRY_INTERVAL : wait);
    unsigned retries = worker->retries;
    if (retries > 0)
        post_drain_check(worker, clock_monotonic());
    /* A response that was sent here has an end that libh2o finds only when its loop runs. */
    worker->has_work = gate_run(worker) || worker->retries < retries;
    if (clock_monotonic() >= worker->next_check)
        check_connections(worker);
}

void *worker_run(void *argument)
{
    struct worker *worker = argument;
    open_context(worker);
    pthread_barrier_wait(&worker->server->ready);
    while (!worker->stopping)
        run_loop(worker, CHECK_INTERVAL);
    uint64_t grace = clock_monotonic() + STOP_GRACE;
    while (atomic_load_explicit(&worker->connection_count, memory_order_relaxed) > 0 || worker->pending > 0) {
        if (clock_monotonic() >= grace)
            end_idle_connections(worker);
        run_loop(worker, 20);
    }
    close_context(worker);
    return NULL;
}

bool worker_hand_off(struct worker *worker, const struct arrival *arrival)
{
    struct hand_off *hand_off = calloc(1, sizeof *hand_off);
    if (hand_off == NULL)
        return false;
    hand_off->arrival = *arrival;
    h2o_multithread_send_message(&worker->hand_offs, &hand_off->message);
    return true;
}

bool worker_stop(struct worker *worker)
{
    return worker_hand_off(worker, &(struct arrival){.fd = -1});
}
