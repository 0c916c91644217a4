/* The server, by its socket: the first byte says how long the first piece of the bytes that follow is.  Each answer is
 * one of HTTP/1.1, and who closes is answered or closed in time. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "exporter.h"
#include "fuzz.h"

static struct sockaddr_in address;

static void *accept_all(void *argument)
{
    struct exporter *exporter = argument;
    int listeners[2];
    exporter_listeners(exporter, listeners);
    for (struct pollfd wait = {listeners[0], POLLIN, 0};;) {
        poll(&wait, 1, -1);
        exporter_accept(exporter);
    }
    return NULL;
}

/* At a port that is free.  It ends with the process. */
static void start_server(void)
{
    static struct settings settings;
    static char name[] = "fuzz_server", *arguments[] = {name};
    char error[ERROR_MAX];
    struct buffer mistakes = {0};
    signal(SIGPIPE, SIG_IGN);
    setenv("LISTEN_ADDRESS", "127.0.0.1:1", 1);
    setenv("PASSWORD_DRAIN", "p", 1);
    setenv("PASSWORD_METRICS", "q", 1);
    setenv("WORKERS", "1", 1);
    setenv("MAX_SERIES", "1000", 1);
    setenv("TRUSTED_PROXIES", "127.0.0.0/8", 1);
    setenv("PROXY_PROTOCOL", "true", 1);
    setenv("LOG_LEVEL", "error", 1);
    REQUIRE(settings_load(&settings, 1, arguments, error) == SETTINGS_OK);
    log_set_level(settings.log_level);
    free(settings.listen_port);
    settings.listen_port = strdup("0");
    struct exporter *exporter = exporter_open(&settings, &mistakes);
    REQUIRE(exporter != NULL && exporter_start(exporter));
    int listeners[2];
    socklen_t length = sizeof address;
    exporter_listeners(exporter, listeners);
    REQUIRE(getsockname(listeners[0], (struct sockaddr *)&address, &length) == 0);
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, accept_all, exporter) == 0);
}

/* False if the server closes before it has all. */
static bool send_all(int fd, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fd, data, size, 0);
        if (sent <= 0)
            return false;
        data += sent;
        size -= (size_t)sent;
    }
    return true;
}

/* The beginning of what it answers, until it closes. */
static size_t receive_all(int fd, char *start, size_t capacity)
{
    static char rest[1 << 16];
    size_t length = 0;
    for (;;) {
        ssize_t received =
            length < capacity ? recv(fd, start + length, capacity - length, 0) : recv(fd, rest, sizeof rest, 0);
        REQUIRE(received >= 0 || errno == ECONNRESET); /* else it holds the connection open */
        if (received <= 0)
            return length;
        length += length < capacity ? (size_t)received : 0;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start_server);
    if (size == 0)
        return 0;
    size_t first = data[0] < size - 1 ? data[0] : size - 1;
    int on = 1;
    struct timeval patience = {30, 0};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (send_all(fd, data + 1, first))
        send_all(fd, data + 1 + first, size - 1 - first);
    shutdown(fd, SHUT_WR);
    char answer[9];
    size_t length = receive_all(fd, answer, sizeof answer);
    REQUIRE(memcmp(answer, "HTTP/1.1 ", length) == 0);
    struct linger linger = {1, 0}; /* no port waits for late packets: thousands are opened in a second */
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(fd);
    return 0;
}
