#include "scripted_server.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support.h"

static ssize_t read_some(SSL *tls, int fd, char *into, size_t capacity)
{
    return tls != NULL ? SSL_read(tls, into, (int)capacity) : read(fd, into, capacity);
}

static void converse(struct scripted_server *server, SSL *tls, int fd)
{
    while (strstr(server->request, "\r\n\r\n") == NULL) {
        ssize_t more = read_some(tls, fd, server->request + server->request_length,
                                 sizeof server->request - 1 - server->request_length);
        if (more <= 0)
            return;
        server->request_length += (size_t)more;
    }
    if (server->length > 0 && tls != NULL)
        SSL_write(tls, server->says, (int)server->length);
    for (size_t sent = 0; tls == NULL && sent < server->length;) {
        ssize_t more = send(fd, server->says + sent, server->length - sent, MSG_NOSIGNAL);
        if (more <= 0)
            return;
        sent += (size_t)more;
    }
    char byte;
    while (server->after == SERVER_STALLS && read_some(tls, fd, &byte, 1) > 0)
        continue;
}

static void *serve(void *argument)
{
    struct scripted_server *server = argument;
    int fd = accept(server->listener, NULL, NULL);
    if (fd < 0)
        return NULL;
    SSL *tls = server->tls == NULL ? NULL : SSL_new(server->tls);
    if (tls != NULL)
        SSL_set_fd(tls, fd);
    if (tls == NULL || SSL_accept(tls) == 1)
        converse(server, tls, fd);
    if (tls != NULL)
        SSL_shutdown(tls);
    SSL_free(tls);
    close(fd);
    return NULL;
}

static void begin(struct scripted_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(server->listener, 8), 0);
    getsockname(server->listener, (struct sockaddr *)&address, &length);
    server->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

void scripted_server_start(struct scripted_server *server, const char *says, enum server_after after, SSL_CTX *tls)
{
    *server =
        (struct scripted_server){.says = says, .length = says == NULL ? 0 : strlen(says), .after = after, .tls = tls};
    begin(server);
}

void scripted_server_start_bytes(struct scripted_server *server, const char *says, size_t length,
                                 enum server_after after)
{
    *server = (struct scripted_server){.says = says, .length = length, .after = after};
    begin(server);
}

void scripted_server_stop(struct scripted_server *server)
{
    shutdown(server->listener, SHUT_RDWR); /* in case nobody came */
    pthread_join(server->thread, NULL);
    close(server->listener);
}
