#include "server/outgoing.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/privileges.h"
#include "server/http_internal.h"
#include "server/response_head.h"

enum {
    CONNECT_TIMEOUT = 3000, /* milliseconds for one address, if there are others */
    CLOSE_TIMEOUT = 1000,   /* for a connection to be taken down */
    LOOK_INTERVAL = 1000,   /* between looks at the monotonic clock: that of libh2o's loop can be set */
};

#define NEVER (UINT64_C(10) * 365 * 24 * 3600 * 1000) /* milliseconds */

/* What the thread is at. */
enum phase {
    IDLE,
    ASKED,      /* there is a request */
    LOOKING_UP, /* the host; nothing of the caller's is used */
    TALKING,
    DONE, /* the response is there */
};

/* How far a connection is. */
enum stage { CONNECTING, SENDING, READING_HEAD, READING_BODY, ENDED };

struct outgoing {
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    enum phase phase;
    bool abandoned; /* nobody waits for what is looked up */
    bool is_ready;  /* the loop is there */
    bool has_ended; /* the thread uses nothing any more */
    bool is_orphan; /* the thread frees everything */

    atomic_bool cancelled;
    const struct outgoing_request *request; /* of the thread while it talks, as is the response */
    struct outgoing_response *response;
    uint64_t deadline;
    char host[sizeof((struct http_url *)0)->host], port[sizeof((struct http_url *)0)->port];

    /* Of the thread alone. */
    pthread_t thread;
    bool is_early;
    char *ca_file; /* NULL: the system's authorities */
    h2o_loop_t *loop;
    h2o_multithread_queue_t *queue;
    h2o_multithread_receiver_t wakes;
    h2o_timeout_t never;
    h2o_http1client_ctx_t context;
    h2o_socketpool_t pool; /* of one address, for one connection */

    h2o_http1client_t *client; /* NULL: there is none */
    enum stage stage;
    h2o_socket_cb read; /* libh2o's, of the head */
    uint64_t received;  /* bytes of the body */
    bool is_verified;   /* the certificate */
    long verify_error;
    struct buffer text; /* of the request; secret */
    h2o_iovec_t vector; /* of the same */
};

/* ---- what came of it ---- */

static void end(struct outgoing *outgoing, enum outgoing_result result, const char *error)
{
    outgoing->response->result = result;
    error_set(outgoing->response->error, "%s", error);
    outgoing->stage = ENDED;
}

static void break_off(struct outgoing *outgoing, enum outgoing_result result, const char *error)
{
    h2o_http1client_t *client = outgoing->client;
    outgoing->client = NULL;
    end(outgoing, result, error);
    if (client != NULL)
        h2o_http1client_cancel(client);
}

/* ---- TLS ---- */

/* OpenSSL checks names and addresses itself, see open_tls().  libh2o would look at names once more, knows neither
 * addresses nor wildcards, and with TLS 1.3 does not look at all; so it is told to verify nothing, and what was found
 * here counts, before a byte is sent. */
static int verify(X509_STORE_CTX *store, void *argument)
{
    struct outgoing *outgoing = argument;
    outgoing->is_verified = X509_verify_cert(store) == 1;
    outgoing->verify_error = X509_STORE_CTX_get_error(store);
    return outgoing->is_verified;
}

static bool is_address(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

static bool open_tls(struct outgoing *outgoing)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    outgoing->context.ssl_ctx = context;
    outgoing->is_verified = false;
    outgoing->verify_error = X509_V_OK;
    if (context == NULL) {
        end(outgoing, OUTGOING_NO_TLS, ERROR_NO_MEMORY " for TLS");
        return false;
    }
    X509_VERIFY_PARAM *wanted = SSL_CTX_get0_param(context);
    bool is_named = is_address(outgoing->host) ? X509_VERIFY_PARAM_set1_ip_asc(wanted, outgoing->host) == 1
                                               : X509_VERIFY_PARAM_set1_host(wanted, outgoing->host, 0) == 1;
    bool has_authorities = outgoing->ca_file == NULL
                               ? SSL_CTX_set_default_verify_paths(context) == 1
                               : SSL_CTX_load_verify_locations(context, outgoing->ca_file, NULL) == 1;
    if (is_named && has_authorities && SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1) {
        SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
        SSL_CTX_set_cert_verify_callback(context, verify, outgoing);
        return true;
    }
    end(outgoing, OUTGOING_NO_TLS, has_authorities ? "TLS cannot be had" : "the authorities cannot be read");
    return false;
}

static void close_tls(struct outgoing *outgoing)
{
    SSL_CTX_free(outgoing->context.ssl_ctx);
    outgoing->context.ssl_ctx = NULL;
}

/* ---- the response ---- */

static struct outgoing *outgoing_of(const h2o_http1client_t *client)
{
    return client->data;
}

static int on_body(h2o_http1client_t *client, const char *error)
{
    struct outgoing *outgoing = outgoing_of(client);
    const struct outgoing_request *request = outgoing->request;
    h2o_buffer_t **input = &client->sock->input;
    struct slice bytes = {(*input)->bytes, (*input)->size};
    bool ended = error != NULL, well = error == NULL || error == h2o_http1client_error_is_eos;
    outgoing->received += bytes.length;
    if (outgoing->received > request->max_body)
        end(outgoing, OUTGOING_BROKEN, "the response is too long");
    else if (bytes.length > 0 && well && !request->on_body(request->context, outgoing->response->status, bytes))
        end(outgoing, OUTGOING_STOPPED, "no more of the response was wanted");
    else if (ended)
        end(outgoing, well ? OUTGOING_ANSWERED : OUTGOING_BROKEN,
            well ? "" : "the connection ended within the response");
    h2o_buffer_consume(input, (*input)->size);
    if (outgoing->stage != ENDED)
        return 0;
    outgoing->client = NULL; /* libh2o frees it when this returns */
    return -1;
}

static h2o_http1client_body_cb on_head(h2o_http1client_t *client, const char *error, int minor_version, int status,
                                       h2o_iovec_t message, struct st_h2o_header_t *headers, size_t header_count,
                                       int length)
{
    (void)minor_version, (void)message, (void)headers, (void)header_count, (void)length;
    struct outgoing *outgoing = outgoing_of(client);
    bool has_body = error == NULL && outgoing->request->on_body != NULL;
    outgoing->response->status = status;
    if (error != NULL && error != h2o_http1client_error_is_eos)
        end(outgoing, OUTGOING_BROKEN, "the connection ended without a response");
    else if (!has_body)
        end(outgoing, OUTGOING_ANSWERED, "");
    outgoing->stage = has_body ? READING_BODY : ENDED;
    if (!has_body)
        outgoing->client = NULL; /* libh2o frees it when this returns */
    return has_body ? on_body : NULL;
}

/* Stands in for libh2o's callback until there is a whole head that it can read. */
static void on_readable(h2o_socket_t *socket, const char *error)
{
    struct outgoing *outgoing = outgoing_of(socket->data);
    struct response_head head;
    const char *reason;
    enum response_head_result result = RESPONSE_HEAD_INCOMPLETE;
    while (error == NULL) {
        result = response_head_read((struct slice){socket->input->bytes, socket->input->size}, &head, &reason);
        if (result != RESPONSE_HEAD_READ || !head.is_informational)
            break;
        h2o_buffer_consume(&socket->input, head.length);
    }
    if (result == RESPONSE_HEAD_INVALID) {
        char text[ERROR_MAX];
        error_set(text, "the response cannot be read: %s", reason);
        break_off(outgoing, OUTGOING_BROKEN, text);
    } else if (error != NULL || result == RESPONSE_HEAD_READ) {
        socket->_cb.read = outgoing->read;
        outgoing->read(socket, error);
    }
}

/* libh2o sets its callback when the request was sent, and reads not before its loop runs again. */
static void guard_head(struct outgoing *outgoing)
{
    h2o_socket_t *socket = outgoing->client == NULL ? NULL : outgoing->client->sock;
    if (outgoing->stage != SENDING || socket == NULL || socket->_cb.read == NULL)
        return;
    outgoing->read = socket->_cb.read;
    socket->_cb.read = on_readable;
    outgoing->stage = READING_HEAD;
}

/* ---- the connection ---- */

static void end_unconnected(struct outgoing *outgoing, bool is_connected, const char *error)
{
    char text[ERROR_MAX];
    if (!is_connected)
        error_set(text, "cannot connect");
    else if (outgoing->verify_error != X509_V_OK)
        error_set(text, "the certificate is not accepted: %s", X509_verify_cert_error_string(outgoing->verify_error));
    else
        error_set(text, "TLS cannot be started: %s", error);
    end(outgoing, is_connected ? OUTGOING_NO_TLS : OUTGOING_NOT_CONNECTED, text);
}

static h2o_http1client_head_cb on_connect(h2o_http1client_t *client, const char *error, h2o_iovec_t **vectors,
                                          size_t *vector_count, int *method_is_head)
{
    struct outgoing *outgoing = outgoing_of(client);
    bool has_tls = outgoing->context.ssl_ctx != NULL;
    if (error != NULL || (has_tls && !outgoing->is_verified)) {
        outgoing->client = NULL; /* libh2o frees it when this returns */
        end_unconnected(outgoing, client->sock != NULL, error != NULL ? error : "there is no certificate");
        return NULL;
    }
    outgoing->stage = SENDING;
    outgoing->vector = h2o_iovec_init(outgoing->text.at, outgoing->text.length);
    *vectors = &outgoing->vector;
    *vector_count = 1;
    *method_is_head = strcmp(outgoing->request->method, "HEAD") == 0;
    return on_head;
}

/* Run the loop once, for at most so long as there is time until then. */
static void run_loop(struct outgoing *outgoing, uint64_t until)
{
    uint64_t now = clock_monotonic(), left = until > now ? until - now : 0;
    h2o_evloop_run(outgoing->loop, left < LOOK_INTERVAL ? (int32_t)left : LOOK_INTERVAL);
}

/* Until it is known what came of it.  A connection that is not made within its time is as one that nobody accepts. */
static void run_until_end(struct outgoing *outgoing, uint64_t connect_until)
{
    while (outgoing->stage != ENDED) {
        bool connecting = outgoing->stage == CONNECTING && connect_until < outgoing->deadline;
        uint64_t until = connecting ? connect_until : outgoing->deadline;
        run_loop(outgoing, until);
        guard_head(outgoing);
        if (outgoing->stage == ENDED)
            return;
        if (atomic_load(&outgoing->cancelled))
            break_off(outgoing, OUTGOING_STOPPED, "it was broken off");
        else if (clock_monotonic() >= outgoing->deadline)
            break_off(outgoing, OUTGOING_TIMEOUT, "there was no response in time");
        else if (outgoing->stage == CONNECTING && clock_monotonic() >= connect_until)
            break_off(outgoing, OUTGOING_NOT_CONNECTED, "cannot connect in time");
    }
}

/* The pool counts connections until they are gone: one of TLS says farewell first. */
static void close_pool(struct outgoing *outgoing)
{
    uint64_t until = clock_monotonic() + CLOSE_TIMEOUT;
    h2o_socketpool_dispose(&outgoing->pool);
    while (__sync_fetch_and_add(&outgoing->pool._shared.count, 0) > 0 && clock_monotonic() < until)
        run_loop(outgoing, until);
}

static void talk_to(struct outgoing *outgoing, const struct addrinfo *address)
{
    uint64_t connect_until = address->ai_next == NULL ? UINT64_MAX : clock_monotonic() + CONNECT_TIMEOUT;
    bool has_tls = outgoing->context.ssl_ctx != NULL;
    h2o_socketpool_init_by_address(&outgoing->pool, address->ai_addr, address->ai_addrlen, has_tls, 1);
    h2o_socketpool_set_timeout(&outgoing->pool, outgoing->loop, LOOK_INTERVAL); /* it wants one */
    /* By this name the server chooses its certificate. */
    free(outgoing->pool.peer.host.base);
    outgoing->pool.peer.host = h2o_strdup(NULL, outgoing->host, SIZE_MAX);
    outgoing->stage = CONNECTING;
    outgoing->received = 0;
    h2o_http1client_connect_with_pool(&outgoing->client, outgoing, &outgoing->context, &outgoing->pool, on_connect);
    run_until_end(outgoing, connect_until);
    close_pool(outgoing);
}

/* ---- the request ---- */

static bool write_request(struct outgoing *outgoing)
{
    const struct outgoing_request *request = outgoing->request;
    struct buffer *text = &outgoing->text;
    char lines[64];
    text->length = 0;
    http_url_write_head(request->url, request->method, text);
    buffer_append(text, request->headers);
    int length = snprintf(lines, sizeof lines, "Connection: close\r\nContent-Length: %zu\r\n", request->body.length);
    struct slice all = {lines, (size_t)length};
    buffer_append(text, request->body.at != NULL ? all : SLICE("Connection: close\r\n"));
    buffer_append(text, SLICE("\r\n"));
    buffer_append(text, request->body);
    return !text->failed;
}

static void forget_request(struct outgoing *outgoing)
{
    if (outgoing->text.at != NULL)
        explicit_bzero(outgoing->text.at, outgoing->text.capacity);
    buffer_free(&outgoing->text);
    outgoing->text = (struct buffer){0};
}

static void talk(struct outgoing *outgoing, int failure, const struct addrinfo *addresses)
{
    if (failure != 0) {
        char text[ERROR_MAX];
        error_set(text, "the host cannot be found: %s", gai_strerror(failure));
        end(outgoing, OUTGOING_NOT_FOUND, text);
        return;
    }
    if (!write_request(outgoing))
        end(outgoing, OUTGOING_NOT_CONNECTED, ERROR_NO_MEMORY);
    else if (!outgoing->request->url->tls || open_tls(outgoing)) {
        for (const struct addrinfo *at = addresses; at != NULL; at = at->ai_next) {
            talk_to(outgoing, at);
            if (outgoing->response->result != OUTGOING_NOT_CONNECTED)
                break;
        }
    }
    close_tls(outgoing);
    forget_request(outgoing);
}

/* ---- the thread ---- */

static void set_phase(struct outgoing *outgoing, enum phase phase)
{
    outgoing->phase = phase;
    pthread_cond_broadcast(&outgoing->changed);
}

/* Wait for a request.  False: there will be none. */
static bool await_request(struct outgoing *outgoing)
{
    pthread_mutex_lock(&outgoing->mutex);
    while (outgoing->phase != ASKED && !atomic_load(&outgoing->cancelled))
        pthread_cond_wait(&outgoing->changed, &outgoing->mutex);
    bool asked = outgoing->phase == ASKED;
    if (asked)
        set_phase(outgoing, LOOKING_UP);
    pthread_mutex_unlock(&outgoing->mutex);
    return asked;
}

/* The host was looked up.  Does anybody still wait for it? */
static bool is_awaited(struct outgoing *outgoing)
{
    pthread_mutex_lock(&outgoing->mutex);
    bool awaited = !outgoing->abandoned;
    outgoing->abandoned = false;
    set_phase(outgoing, awaited ? TALKING : IDLE);
    pthread_mutex_unlock(&outgoing->mutex);
    return awaited;
}

static void serve_request(struct outgoing *outgoing)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *addresses = NULL;
    int failure = getaddrinfo(outgoing->host, outgoing->port, &hints, &addresses);
    if (is_awaited(outgoing)) {
        talk(outgoing, failure, addresses);
        pthread_mutex_lock(&outgoing->mutex);
        set_phase(outgoing, DONE);
        pthread_mutex_unlock(&outgoing->mutex);
    }
    if (failure == 0)
        freeaddrinfo(addresses);
}

/* Nothing is said to the loop but that it shall look. */
static void on_wake(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages)
{
    (void)receiver, (void)messages;
}

static void open_loop(struct outgoing *outgoing)
{
    outgoing->loop = h2o_evloop_create();
    outgoing->queue = h2o_multithread_create_queue(outgoing->loop);
    h2o_multithread_register_receiver(outgoing->queue, &outgoing->wakes, on_wake);
    /* The deadlines are ours; libh2o's timeouts follow the wall clock, which can be set. */
    h2o_timeout_init(outgoing->loop, &outgoing->never, NEVER);
    outgoing->context = (h2o_http1client_ctx_t){
        .loop = outgoing->loop, .getaddr_receiver = &outgoing->wakes, .io_timeout = &outgoing->never};
}

/* libh2o keeps the descriptor of its epoll open. */
static void close_loop(struct outgoing *outgoing)
{
    h2o_timeout_dispose(outgoing->loop, &outgoing->never);
    h2o_multithread_unregister_receiver(outgoing->queue, &outgoing->wakes);
    h2o_multithread_destroy_queue(outgoing->queue);
    free(outgoing->queue);
    h2o_evloop_run(outgoing->loop, 0); /* frees what was closed */
    h2o_evloop_destroy(outgoing->loop);
}

static void release(struct outgoing *outgoing)
{
    pthread_cond_destroy(&outgoing->changed);
    pthread_mutex_destroy(&outgoing->mutex);
    free(outgoing->ca_file);
    free(outgoing);
}

static void *run(void *argument)
{
    struct outgoing *outgoing = argument;
    char error[ERROR_MAX];
    if (outgoing->is_early)
        privileges_drop(error); /* it needs none */
    open_loop(outgoing);
    pthread_mutex_lock(&outgoing->mutex);
    outgoing->is_ready = true;
    pthread_cond_broadcast(&outgoing->changed);
    pthread_mutex_unlock(&outgoing->mutex);
    while (await_request(outgoing))
        serve_request(outgoing);
    pthread_mutex_lock(&outgoing->mutex); /* nobody wakes the loop any more */
    close_loop(outgoing);
    outgoing->has_ended = true;
    pthread_cond_broadcast(&outgoing->changed);
    bool is_orphan = outgoing->is_orphan;
    pthread_mutex_unlock(&outgoing->mutex);
    if (is_orphan)
        release(outgoing);
    return NULL;
}

struct outgoing *outgoing_create(const char *ca_file, bool early, char error[ERROR_MAX])
{
    struct outgoing *outgoing = calloc(1, sizeof *outgoing);
    if (outgoing == NULL || (ca_file != NULL && (outgoing->ca_file = strdup(ca_file)) == NULL)) {
        free(outgoing);
        error_set(error, ERROR_NO_MEMORY);
        return NULL;
    }
    outgoing->is_early = early;
    pthread_mutex_init(&outgoing->mutex, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&outgoing->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (pthread_create(&outgoing->thread, NULL, run, outgoing) != 0) {
        error_set(error, "a thread cannot be started");
        release(outgoing);
        return NULL;
    }
    pthread_mutex_lock(&outgoing->mutex);
    while (!outgoing->is_ready)
        pthread_cond_wait(&outgoing->changed, &outgoing->mutex);
    pthread_mutex_unlock(&outgoing->mutex);
    return outgoing;
}

/* ---- who asks ---- */

/* Wait until something has changed, with the lock held; false after the deadline. */
static bool await_change(struct outgoing *outgoing, uint64_t deadline)
{
    struct timespec until = {(time_t)(deadline / 1000), (long)(deadline % 1000) * 1000000};
    return pthread_cond_timedwait(&outgoing->changed, &outgoing->mutex, &until) != ETIMEDOUT;
}

static void give_up(struct outgoing *outgoing, struct outgoing_response *response)
{
    bool cancelled = atomic_load(&outgoing->cancelled);
    response->result = cancelled ? OUTGOING_STOPPED : OUTGOING_TIMEOUT;
    error_set(response->error, "%s", cancelled ? "it was broken off" : "the host was not found in time");
}

void outgoing_ask(struct outgoing *outgoing, const struct outgoing_request *request, struct outgoing_response *response)
{
    uint64_t deadline = clock_monotonic() + request->timeout;
    bool in_time = true;
    *response = (struct outgoing_response){0};
    pthread_mutex_lock(&outgoing->mutex);
    /* What the one before has abandoned may still go on. */
    while (outgoing->phase != IDLE && in_time && !atomic_load(&outgoing->cancelled))
        in_time = await_change(outgoing, deadline);
    if (outgoing->phase != IDLE || atomic_load(&outgoing->cancelled)) {
        give_up(outgoing, response);
        pthread_mutex_unlock(&outgoing->mutex);
        return;
    }
    memcpy(outgoing->host, request->url->host, sizeof outgoing->host);
    memcpy(outgoing->port, request->url->port, sizeof outgoing->port);
    outgoing->request = request;
    outgoing->response = response;
    outgoing->deadline = deadline;
    set_phase(outgoing, ASKED);
    while (outgoing->phase < TALKING && in_time && !atomic_load(&outgoing->cancelled))
        in_time = await_change(outgoing, deadline);
    if (outgoing->phase < TALKING) {
        outgoing->abandoned = true;
        give_up(outgoing, response);
        pthread_mutex_unlock(&outgoing->mutex);
        return;
    }
    while (outgoing->phase != DONE) /* the thread looks at the deadline, and whether it was cancelled */
        pthread_cond_wait(&outgoing->changed, &outgoing->mutex);
    set_phase(outgoing, IDLE);
    pthread_mutex_unlock(&outgoing->mutex);
}

void outgoing_cancel(struct outgoing *outgoing)
{
    pthread_mutex_lock(&outgoing->mutex);
    bool first = !atomic_exchange(&outgoing->cancelled, true);
    if (first && !outgoing->has_ended)
        h2o_multithread_send_message(&outgoing->wakes, NULL);
    pthread_cond_broadcast(&outgoing->changed);
    pthread_mutex_unlock(&outgoing->mutex);
}

void outgoing_free(struct outgoing *outgoing)
{
    if (outgoing == NULL)
        return;
    outgoing_cancel(outgoing);
    pthread_mutex_lock(&outgoing->mutex);
    while (!outgoing->has_ended && outgoing->phase != LOOKING_UP)
        pthread_cond_wait(&outgoing->changed, &outgoing->mutex);
    bool has_ended = outgoing->has_ended;
    outgoing->is_orphan = !has_ended;
    pthread_t thread = outgoing->thread;
    pthread_mutex_unlock(&outgoing->mutex);
    if (!has_ended) {
        pthread_detach(thread); /* it ends with its lookup */
        return;
    }
    pthread_join(thread, NULL);
    release(outgoing);
}
