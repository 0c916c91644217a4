/* Between a socket and libh2o: what arrives is looked at before libh2o reads it.
 *
 * libh2o 2.2 calls a handler when the whole body is in memory.  So a request that has a body and will be refused is
 * answered here, as soon as its head has arrived.  This file stands between by way of the socket's read callback, which
 * libh2o sets anew for each request; gate_run() then puts ours back, before the loop reads again. */
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clock.h"
#include "server/http_internal.h"

enum {
    PIECE = 16 * 1024,     /* of what waits for its turn, handed on at a time */
    HELD_BY_ANYBODY = 4096 /* bytes that a stranger's connection may hold whatever the others hold */
};

static struct connection *connection_with(h2o_socket_t *socket)
{
    return socket->on_close.data;
}

static void unlink_node(h2o_linklist_t *node)
{
    if (h2o_linklist_is_linked(node))
        h2o_linklist_unlink(node);
}

/* ---- memory ---- */

static struct slice waiting_of(const struct gate *gate)
{
    if (gate->waiting.length == gate->waiting_from)
        return SLICE(""); /* it may never have held anything */
    return (struct slice){gate->waiting.at + gate->waiting_from, gate->waiting.length - gate->waiting_from};
}

static void account(struct connection *connection)
{
    struct gate *gate = &connection->gate;
    const h2o_buffer_t *input = connection->socket->input;
    size_t held = (input == NULL ? 0 : input->size) + gate->waiting.length;
    atomic_fetch_add_explicit(&connection->worker->server->input_held, held - gate->held, memory_order_relaxed);
    gate->held = held;
}

static bool is_memory_used_up(const struct worker *worker)
{
    return atomic_load_explicit(&worker->server->input_held, memory_order_relaxed) >
           worker->server->settings.max_input_memory;
}

/* How many bytes a connection may hold whatever the others hold.  Who has a right password has an equal share of all,
 * so that nobody's large batches hold up the usual ones of others. */
static size_t share_of(const struct connection *connection)
{
    const struct http_settings *settings = &connection->worker->server->settings;
    size_t share = settings->max_input_memory / settings->max_connections;
    return connection->authenticated && share > HELD_BY_ANYBODY ? share : HELD_BY_ANYBODY;
}

void gate_save_memory(struct worker *worker)
{
    if (!is_memory_used_up(worker))
        return;
    for (h2o_linklist_t *at = worker->connections.next; at != &worker->connections; at = at->next) {
        struct connection *connection = H2O_STRUCT_FROM_MEMBER(struct connection, link, at);
        const struct gate *gate = &connection->gate;
        if (gate->held > HELD_BY_ANYBODY && gate->state != GATE_REFUSED && worker_may_displace(connection))
            worker_displace(connection);
    }
}

/* More is held than may be.  Strangers go; who has sent a right password waits, but for the one on this thread whose
 * body began first: it can end, and make room. */
static void save_memory(struct connection *connection)
{
    struct worker *worker = connection->worker;
    struct gate *gate = &connection->gate;
    if (gate->held <= share_of(connection) || gate->state == GATE_BUSY || gate->state == GATE_REFUSED)
        return;
    if (!connection->authenticated)
        worker_displace(connection);
    else if (worker->bodies.next != &gate->body_link && !h2o_linklist_is_linked(&gate->link)) {
        h2o_socket_read_stop(connection->socket);
        gate->is_paused = true;
        worker->paused++;
        gate_save_memory(worker);
    }
}

/* ---- refusals ---- */

static void on_refusal_sent(h2o_socket_t *socket, const char *error)
{
    struct connection *connection = connection_with(socket);
    if (error != NULL)
        connection->gate.read(socket, error);
    else
        shutdown(h2o_socket_get_fd(socket), SHUT_WR);
}

static size_t spell_refusal(const struct response *response, bool has_body, char *out, size_t capacity)
{
    char date[64];
    time_t now = time(NULL);
    struct tm utc;
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &utc));
    bool has_header = response->header != NULL;
    int length =
        snprintf(out, capacity,
                 "HTTP/1.1 %d %s\r\nDate: %s\r\nConnection: close\r\nContent-Length: %zu\r\nContent-Type: %s\r\n"
                 "%s%s%s%s\r\n%s",
                 response->status, response->reason, date, strlen(response->body), response->type,
                 has_header ? response->header->buf.base : "", has_header ? ": " : "",
                 has_header ? response->value : "", has_header ? "\r\n" : "", has_body ? response->body : "");
    return (size_t)length < capacity ? (size_t)length : capacity - 1;
}

/* Answer in place of libh2o, and end the connection in a way that the sender sees the answer: its data is read on and
 * thrown away for a while, since closing a socket with unread data resets the connection (RFC 9112, 9.6). */
static void refuse(struct connection *connection, const struct response *response, bool has_body)
{
    enum { CAPACITY = 768 };
    struct gate *gate = &connection->gate;
    response_count(connection->worker, response->path, response->status);
    response_log(connection, response->status, has_body ? strlen(response->body) : 0);
    gate->state = GATE_REFUSED;
    gate->refused = clock_monotonic();
    unlink_node(&gate->body_link);
    buffer_free(&gate->waiting);
    gate->waiting_from = 0;
    h2o_buffer_consume(&connection->socket->input, connection->socket->input->size);
    gate->refusal = malloc(CAPACITY);
    if (gate->refusal == NULL) {
        worker_end_connection(connection);
        return;
    }
    h2o_iovec_t text = {gate->refusal, spell_refusal(response, has_body, gate->refusal, CAPACITY)};
    h2o_socket_write(connection->socket, &text, 1, on_refusal_sent);
}

static void refuse_text(struct connection *connection, const char *path, int status, const char *reason,
                        const char *body)
{
    refuse(connection, &(struct response){path, status, reason, "text/plain; charset=utf-8", body, NULL, NULL}, true);
}

static void refuse_invalid(struct connection *connection, const char *path, const char *why)
{
    char body[128];
    snprintf(body, sizeof body, "%s\n", why);
    refuse_text(connection, path, 400, "Bad Request", body);
}

static void refuse_too_large(struct connection *connection)
{
    refuse_text(connection, "drain", 413, "Content Too Large", "the body is too large\n");
}

/* ---- a request ---- */

/* The request's last byte was handed on. */
static void end_request(struct connection *connection)
{
    struct gate *gate = &connection->gate;
    gate->state = GATE_BUSY;
    unlink_node(&gate->body_link);
    if (!h2o_linklist_is_linked(&gate->link))
        h2o_linklist_insert(&connection->worker->handed_on, &gate->link);
}

/* Bytes of the body have arrived; returns how many of them belong to it.  The request may be refused. */
static size_t read_body(struct connection *connection, struct slice text)
{
    struct gate *gate = &connection->gate;
    if (!gate->is_chunked) {
        size_t used = text.length < gate->left ? text.length : (size_t)gate->left;
        gate->left -= used;
        if (gate->left == 0)
            end_request(connection);
        return used;
    }
    size_t used = text.length;
    switch (chunks_read(&gate->chunks, text, &used)) {
    case CHUNKS_INVALID:
        refuse_invalid(connection, "drain", "the chunks of the body are not valid");
        return 0;
    case CHUNKS_DONE:
        end_request(connection);
        break;
    case CHUNKS_INCOMPLETE:
        break;
    }
    if (gate->chunks.length > connection->worker->server->settings.max_body_size)
        refuse_too_large(connection);
    return used;
}

/* The head is complete, and libh2o may have the request; false if it was refused. */
static bool admit(struct connection *connection, const struct request_head *head)
{
    struct response response;
    bool has_body = head->is_chunked || head->content_length > 0;
    if (!has_body)
        return true; /* libh2o calls the handler at once, which answers as it must */
    switch (routes_admit(connection, head, &response)) {
    case ADMISSION_GRANTED:
        break;
    case ADMISSION_REFUSED:
        refuse(connection, &response, !slice_equals(head->method, SLICE("HEAD")));
        return false;
    case ADMISSION_WITHHELD:
        response_count(connection->worker, response.path, 0);
        response_log(connection, 0, 0);
        worker_end_connection(connection);
        return false;
    }
    if (head->content_length > connection->worker->server->settings.max_body_size)
        refuse_too_large(connection);
    return connection->gate.state != GATE_REFUSED;
}

/* Bytes of the head have arrived; returns how many of the new ones belong to the request. */
static size_t read_head(struct connection *connection, size_t new)
{
    struct gate *gate = &connection->gate;
    const h2o_buffer_t *input = connection->socket->input;
    struct slice text = {input->bytes, input->size};
    struct request_head head;
    const char *why;
    switch (request_head_read(text, &gate->line, &head, &why)) {
    case REQUEST_HEAD_INCOMPLETE:
        return new;
    case REQUEST_HEAD_INVALID:
        refuse_invalid(connection, "unread", why);
        return 0;
    case REQUEST_HEAD_TOO_LARGE:
        refuse_text(connection, "unread", 431, "Request Header Fields Too Large", "the header is too large\n");
        return 0;
    case REQUEST_HEAD_READ:
        break;
    }
    client_begin_request(connection, &head);
    if (!admit(connection, &head))
        return 0;
    gate->state = GATE_BODY;
    gate->is_chunked = head.is_chunked;
    gate->left = head.content_length;
    gate->chunks = (struct chunks){0};
    h2o_linklist_insert(&connection->worker->bodies, &gate->body_link);
    if (head.expects) /* libh2o will set its callback when it has sent 100 (Continue) */
        h2o_linklist_insert(&connection->worker->handed_on, &gate->link);
    struct slice rest = slice_after(text, head.length);
    size_t others = new - rest.length;
    return others + read_body(connection, rest);
}

/* So many bytes have come to the end of the input: look at them, and hand on what is libh2o's.  Returns how many of
 * them are of no further use to this request. */
static size_t read_on(struct connection *connection, size_t new)
{
    struct gate *gate = &connection->gate;
    h2o_socket_t *socket = connection->socket;
    size_t used = new;
    if (gate->state == GATE_HEAD)
        used = read_head(connection, new);
    else if (gate->state == GATE_BODY)
        used = read_body(connection, (struct slice){socket->input->bytes + socket->input->size - new, new});
    if (gate->state == GATE_REFUSED || connection->ended)
        return 0;
    socket->input->size -= new - used;
    return new - used;
}

static void hand_on(struct connection *connection)
{
    if (connection->gate.state == GATE_BODY || connection->gate.state == GATE_BUSY)
        connection->gate.read(connection->socket, NULL);
}

/* ---- what waits for its turn ---- */

/* Hand on what waits, until libh2o has a whole request or does not read. */
static void feed(struct connection *connection)
{
    struct gate *gate = &connection->gate;
    h2o_socket_t *socket = connection->socket;
    while ((gate->state == GATE_HEAD || gate->state == GATE_BODY) && !connection->ended &&
           h2o_socket_is_reading(socket)) {
        struct slice piece = waiting_of(gate);
        if (piece.length == 0) {
            buffer_free(&gate->waiting);
            gate->waiting_from = 0;
            break;
        }
        piece.length = piece.length < PIECE ? piece.length : PIECE;
        h2o_iovec_t target = h2o_buffer_reserve(&socket->input, piece.length);
        if (target.base == NULL) {
            worker_end_connection(connection);
            break;
        }
        memcpy(target.base, piece.at, piece.length);
        socket->input->size += piece.length;
        gate->waiting_from += piece.length;
        gate->waiting_from -= read_on(connection, piece.length);
        hand_on(connection);
    }
    account(connection);
}

/* Keep the last bytes of the input until the next request is read. */
static bool keep(struct connection *connection, struct slice text)
{
    struct gate *gate = &connection->gate;
    buffer_append(&gate->waiting, text);
    return !gate->waiting.failed;
}

static void on_read(h2o_socket_t *socket, const char *error)
{
    struct connection *connection = connection_with(socket);
    struct gate *gate = &connection->gate;
    if (error != NULL) {
        gate->read(socket, error); /* the connection is gone */
        return;
    }
    if (gate->state == GATE_REFUSED || connection->ended) {
        h2o_buffer_consume(&socket->input, socket->input->size);
        return;
    }
    size_t rest = read_on(connection, socket->bytes_read);
    if (rest > 0 && !keep(connection, (struct slice){socket->input->bytes + socket->input->size, rest})) {
        worker_end_connection(connection);
        return;
    }
    account(connection);
    if (is_memory_used_up(connection->worker))
        save_memory(connection);
    if (!connection->ended)
        hand_on(connection);
}

/* ---- with the worker ---- */

void gate_open(struct connection *connection)
{
    struct gate *gate = &connection->gate;
    h2o_socket_t *socket = connection->socket;
    struct worker *worker = connection->worker;
    /* With TLS there may be input already. */
    bool kept = keep(connection, (struct slice){socket->input->bytes, socket->input->size});
    if (socket->input->size > 0)
        h2o_buffer_consume(&socket->input, socket->input->size);
    h2o_http1_accept(&worker->accept, socket, *h2o_get_timestamp(&worker->context, NULL, NULL));
    gate->read = socket->_cb.read;
    socket->_cb.read = on_read;
    if (kept)
        feed(connection);
    else
        worker_end_connection(connection);
}

void gate_close(struct connection *connection)
{
    struct gate *gate = &connection->gate;
    if (gate->state == GATE_BODY)
        response_log(connection, 0, 0);
    atomic_fetch_sub_explicit(&connection->worker->server->input_held, gate->held, memory_order_relaxed);
    connection->worker->paused -= gate->is_paused;
    unlink_node(&gate->link);
    unlink_node(&gate->body_link);
    buffer_free(&gate->waiting);
    free(gate->refusal);
}

void gate_resume(struct connection *connection)
{
    struct gate *gate = &connection->gate;
    if (!gate->is_paused)
        return;
    gate->is_paused = false;
    connection->worker->paused--;
    h2o_socket_read_start(connection->socket, on_read);
}

/* libh2o reads again: for the rest of a body if it has sent 100 (Continue), else for the next request. */
static void take_back(struct connection *connection)
{
    struct gate *gate = &connection->gate;
    unlink_node(&gate->link);
    connection->socket->_cb.read = on_read;
    if (gate->state == GATE_BUSY) {
        gate->state = GATE_HEAD;
        gate->line = 0;
    }
    feed(connection);
}

static void resume(struct worker *worker)
{
    h2o_linklist_t *next;
    for (h2o_linklist_t *at = worker->bodies.next; at != &worker->bodies; at = next) {
        struct connection *connection = H2O_STRUCT_FROM_MEMBER(struct connection, gate.body_link, at);
        next = at->next;
        if (!connection->gate.is_paused)
            continue;
        if (at != worker->bodies.next && is_memory_used_up(worker))
            return;
        gate_resume(connection);
    }
}

bool gate_run(struct worker *worker)
{
    bool is_any = false;
    h2o_linklist_t *next;
    for (h2o_linklist_t *at = worker->handed_on.next; at != &worker->handed_on; at = next) {
        struct connection *connection = H2O_STRUCT_FROM_MEMBER(struct connection, gate.link, at);
        next = at->next;
        if (connection->socket->_cb.read != connection->gate.read)
            continue;
        is_any |= connection->gate.waiting.length > 0;
        take_back(connection);
    }
    if (worker->paused > 0)
        resume(worker);
    return is_any;
}
