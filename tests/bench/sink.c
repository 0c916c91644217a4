/* The measure of the benchmark: the least that a libh2o server can do with a batch.  It reads the body and answers 204.
 * Threads, sockets and buffers are as in src/http.c.
 *
 *     sink PORT [THREADS]
 */
#include <arpa/inet.h>
#include <h2o.h>
#include <h2o/http1.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { SOCKET_BUFFER = 128 * 1024, THREADS_MAX = 64 };

struct worker {
    h2o_context_t context;
    h2o_accept_ctx_t accept;
    h2o_multithread_receiver_t arrivals;
};

/* A connection on its way to a worker. */
struct arrival {
    h2o_multithread_message_t message; /* first */
    int fd;
};

static h2o_globalconf_t config;
static struct worker workers[THREADS_MAX];

static int on_request(h2o_handler_t *handler, h2o_req_t *request)
{
    (void)handler;
    request->res.status = 204;
    request->res.reason = "No Content";
    request->res.content_length = 0;
    h2o_send_inline(request, "", 0);
    return 0;
}

static void on_arrivals(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages)
{
    struct worker *worker = H2O_STRUCT_FROM_MEMBER(struct worker, arrivals, receiver);
    while (!h2o_linklist_is_empty(messages)) {
        struct arrival *arrival = H2O_STRUCT_FROM_MEMBER(struct arrival, message.link, messages->next);
        h2o_linklist_unlink(&arrival->message.link);
        h2o_accept(&worker->accept,
                   h2o_evloop_socket_create(worker->context.loop, arrival->fd, H2O_SOCKET_FLAG_IS_ACCEPTED_CONNECTION));
        free(arrival);
    }
}

static void *run_worker(void *argument)
{
    struct worker *worker = argument;
    h2o_socket_buffer_prototype._initial_buf.capacity = SOCKET_BUFFER;
    for (;;)
        h2o_evloop_run(worker->context.loop, INT32_MAX);
    return NULL;
}

static void start_worker(struct worker *worker)
{
    h2o_context_init(&worker->context, h2o_evloop_create(), &config);
    worker->accept = (h2o_accept_ctx_t){.ctx = &worker->context, .hosts = config.hosts};
    h2o_multithread_register_receiver(worker->context.queue, &worker->arrivals, on_arrivals);
    pthread_t thread;
    if (pthread_create(&thread, NULL, run_worker, worker) != 0)
        abort();
}

static int open_listener(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, SOMAXCONN) != 0) {
        perror("sink");
        exit(1);
    }
    return fd;
}

static void hand_over(struct worker *worker, int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct arrival *arrival = calloc(1, sizeof *arrival);
    if (arrival == NULL)
        abort();
    arrival->fd = fd;
    h2o_multithread_send_message(&worker->arrivals, &arrival->message);
}

int main(int argc, char **argv)
{
    int port = argc > 1 ? atoi(argv[1]) : 0;
    int threads = argc > 2 ? atoi(argv[2]) : 1;
    if (port <= 0 || threads <= 0 || threads > THREADS_MAX) {
        fprintf(stderr, "usage: sink PORT [THREADS]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    int listener = open_listener(port);
    h2o_config_init(&config);
    config.server_name = h2o_iovec_init(NULL, 0);
    config.http1.upgrade_to_http2 = 0;
    config.http1.req_timeout = 60000;
    h2o_hostconf_t *host = h2o_config_register_host(&config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    h2o_handler_t *handler = h2o_create_handler(h2o_config_register_path(host, "/", 0), sizeof *handler);
    handler->on_req = on_request;
    for (int i = 0; i < threads; i++)
        start_worker(&workers[i]);
    for (int next = 0;; next = (next + 1) % threads) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
            hand_over(&workers[next], fd);
    }
}
