#include "output/health_check.h"

#include <errno.h>
#include <netdb.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static const char request[] = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

static int connect_to(const char *host, const char *port, char problem[256])
{
    if (host[0] == '\0' || strcmp(host, "0.0.0.0") == 0)
        host = "127.0.0.1";
    else if (strcmp(host, "::") == 0)
        host = "::1";
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *addresses;
    int failure = getaddrinfo(host, port, &hints, &addresses);
    if (failure != 0) {
        snprintf(problem, 256, "%s cannot be found: %s", host, gai_strerror(failure));
        return -1;
    }
    int fd = -1;
    for (struct addrinfo *address = addresses; address != NULL && fd < 0; address = address->ai_next) {
        fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0) {
            snprintf(problem, 256, "there is no socket: %s", strerror(errno));
            continue;
        }
        struct timeval timeout = {.tv_sec = 3};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
        if (connect(fd, address->ai_addr, address->ai_addrlen) != 0) {
            snprintf(problem, 256, "cannot connect to %s port %s: %s", host, port, strerror(errno));
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(addresses);
    return fd;
}

static int exchange_plain(int fd, char *answer, int room)
{
    if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) < 0)
        return -1;
    return (int)recv(fd, answer, (size_t)room, MSG_WAITALL);
}

static int exchange_tls(int fd, char *answer, int room)
{
    int length = -1;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *tls = context == NULL ? NULL : SSL_new(context);
    if (tls != NULL && SSL_set_fd(tls, fd) == 1 && SSL_connect(tls) == 1 &&
        SSL_write(tls, request, sizeof request - 1) > 0)
        length = SSL_read(tls, answer, room);
    SSL_free(tls);
    SSL_CTX_free(context);
    return length;
}

bool health_check(const char *host, const char *port, bool tls, char problem[256])
{
    int fd = connect_to(host, port, problem);
    if (fd < 0)
        return false;
    char answer[12]; /* "HTTP/1.1 200" */
    int length = tls ? exchange_tls(fd, answer, sizeof answer) : exchange_plain(fd, answer, sizeof answer);
    close(fd);
    if (length == (int)sizeof answer && memcmp(answer, "HTTP/1.1 200", sizeof answer) == 0)
        return true;
    if (length == (int)sizeof answer && memcmp(answer, "HTTP/1.1 ", 9) == 0)
        snprintf(problem, 256, "the server answered %.3s", answer + 9);
    else
        snprintf(problem, 256, "the server did not answer");
    return false;
}
