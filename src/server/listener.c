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
static int listen_on_host(const char *setting, const char *host, const char *port, char error[ERROR_MAX])
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *addresses;
    int failure = getaddrinfo(host, port, &hints, &addresses);
    if (failure != 0) {
        error_set(error, "%s: the host %s cannot be found: %s", setting, host, gai_strerror(failure));
        return -1;
    }
    int fd = -1;
    for (struct addrinfo *address = addresses; address != NULL && fd < 0; address = address->ai_next)
        fd = listen_on(address);
    if (fd < 0)
        error_set(error, "%s: cannot listen on %s port %s: %s", setting, host, port, strerror(errno));
    freeaddrinfo(addresses);
    return fd;
}

int listener_open(const char *setting, const struct http_address *address, char error[ERROR_MAX])
{
    if (address->host[0] != '\0')
        return listen_on_host(setting, address->host, address->port, error);
    int fd = listen_on_host(setting, "::", address->port, error);
    if (fd < 0 && errno == EAFNOSUPPORT) /* a kernel without IPv6 */
        fd = listen_on_host(setting, "0.0.0.0", address->port, error);
    return fd;
}

void http_listeners(const struct http_server *server, int listeners[2])
{
    listeners[0] = server->listener;
    listeners[1] = server->metrics_listener;
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

/* The worker with the most strangers; NULL if there are none. */
static struct worker *find_strangers(struct http_server *server)
{
    struct worker *found = NULL;
    size_t most = 0;
    for (unsigned i = 0; i < server->settings.workers; i++) {
        size_t count = atomic_load_explicit(&server->workers[i].stranger_count, memory_order_relaxed);
        if (count > most) {
            most = count;
            found = &server->workers[i];
        }
    }
    return found;
}

/* Who has connected; false if it was refused, because the address has too many connections.  A proxy has those of all
 * its clients. */
static bool admit(struct http_server *server, struct arrival *arrival)
{
    const struct address_ranges *proxies = server->settings.trusted;
    if (proxies != NULL && address_ranges_hold(proxies, &arrival->peer))
        return true;
    arrival->counted = client_may_connect(server, &arrival->peer);
    if (!arrival->counted)
        close(arrival->fd);
    return arrival->counted;
}

static void hand_on(struct http_server *server, struct worker *worker, const struct arrival *arrival)
{
    int on = 1;
    setsockopt(arrival->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    atomic_size_t *kind = arrival->inside ? &server->inside_count : &worker->stranger_count;
    atomic_fetch_add_explicit(&worker->connection_count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(kind, 1, memory_order_relaxed);
    if (worker_hand_off(worker, arrival))
        return;
    atomic_fetch_sub_explicit(&worker->connection_count, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(kind, 1, memory_order_relaxed);
    if (arrival->counted)
        client_uncount(server, &arrival->peer);
    close(arrival->fd);
}

static void refuse(struct http_server *server, int fd, size_t limit)
{
    atomic_fetch_add_explicit(&server->refused, 1, memory_order_relaxed);
    close(fd);
    log_write(LOG_WARN, "a connection was closed: MAX_CONNECTIONS (%zu) are open", limit);
}

/* Accept one connection; -1 if there is none. */
static int accept_one(int listener, struct address *peer)
{
    for (;;) {
        struct sockaddr_storage socket;
        socklen_t length = sizeof socket;
        int fd = accept4(listener, (struct sockaddr *)&socket, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
            address_of_socket(&socket, peer);
        if (fd >= 0 || (errno != EINTR && errno != ECONNABORTED)) {
            if (fd < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
                /* Out of descriptors or memory: what waits stays in the backlog. */
                log_write(LOG_ERROR, "a connection cannot be accepted: %s", strerror(errno));
                usleep(10000);
            }
            return fd;
        }
    }
}

static void accept_from_inside(struct http_server *server)
{
    int fd;
    struct address peer;
    while (server->metrics_listener >= 0 && (fd = accept_one(server->metrics_listener, &peer)) >= 0) {
        if (atomic_load_explicit(&server->inside_count, memory_order_relaxed) >= HTTP_INSIDE_CONNECTIONS)
            refuse(server, fd, HTTP_INSIDE_CONNECTIONS);
        else
            hand_on(server, choose_worker(server), &(struct arrival){.fd = fd, .peer = peer, .inside = true});
    }
}

static size_t count_outside(const struct http_server *server)
{
    size_t all = http_connections(server);
    size_t inside = atomic_load_explicit(&server->inside_count, memory_order_relaxed);
    return all > inside ? all - inside : 0;
}

static size_t count_strangers(const struct http_server *server)
{
    size_t count = 0;
    for (unsigned i = 0; i < server->settings.workers; i++)
        count += atomic_load_explicit(&server->workers[i].stranger_count, memory_order_relaxed);
    return count;
}

/* Accept one connection from outside; false if there is none, or none can be taken now. */
static bool accept_from_outside(struct http_server *server)
{
    size_t limit = server->settings.max_connections;
    size_t count = count_outside(server);
    size_t strangers = count_strangers(server);
    bool reserved = count >= limit + strangers; /* all others have sent their password */
    bool full = count >= limit + (reserved ? HTTP_RESERVED_CONNECTIONS : 0);
    struct worker *worker = full ? find_strangers(server) : choose_worker(server);
    if (worker != NULL && count >= limit + 2 * HTTP_RESERVED_CONNECTIONS) {
        usleep(1000); /* the workers are closing some: until then what waits stays in the backlog */
        return false;
    }
    struct address peer;
    int fd = accept_one(server->listener, &peer);
    if (fd < 0)
        return false;
    if (worker == NULL)
        refuse(server, fd, limit);
    else {
        struct arrival arrival = {.fd = fd, .peer = peer, .displace = full, .reserved = reserved};
        if (admit(server, &arrival))
            hand_on(server, worker, &arrival);
    }
    return true;
}

void http_accept(struct http_server *server)
{
    accept_from_inside(server);
    while (accept_from_outside(server))
        continue;
}
