#include "server/http_internal.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

/* Open a socket on an address; -1 with errno if that fails. */
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
static int listen_on_host(const char *host, const char *port, char error[ERROR_MAX])
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *addresses;
    int failure = getaddrinfo(host, port, &hints, &addresses);
    if (failure != 0) {
        error_set(error, "LISTEN_ADDRESS: the host %s cannot be found: %s", host, gai_strerror(failure));
        return -1;
    }
    int fd = -1;
    for (struct addrinfo *address = addresses; address != NULL && fd < 0; address = address->ai_next)
        fd = listen_on(address);
    if (fd < 0)
        error_set(error, "LISTEN_ADDRESS: cannot listen on %s port %s: %s", host, port, strerror(errno));
    freeaddrinfo(addresses);
    return fd;
}

int listener_open(const struct http_settings *settings, char error[ERROR_MAX])
{
    if (settings->host[0] != '\0')
        return listen_on_host(settings->host, settings->port, error);
    int fd = listen_on_host("::", settings->port, error);
    if (fd < 0 && errno == EAFNOSUPPORT) /* a kernel without IPv6 */
        fd = listen_on_host("0.0.0.0", settings->port, error);
    return fd;
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
        if (!worker_hand_off(worker, fd)) {
            atomic_fetch_sub_explicit(&worker->connection_count, 1, memory_order_relaxed);
            close(fd);
        }
    }
}
