#include "output/http_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/number.h"

struct http_client {
    const struct http_url *url;
    SSL_CTX *context; /* NULL: no TLS */
    SSL *tls;         /* of the connection; NULL: none */
    int fd;           /* -1: no connection */
    uint64_t deadline;
    bool verify;
    struct buffer text; /* of the request */
    size_t head_length; /* of the response read so far */
    char head[16384];
};

/* ---- URLs ---- */

static bool copy_part(struct slice part, char *out, size_t capacity)
{
    if (part.length >= capacity)
        return false;
    memcpy(out, part.at, part.length);
    out[part.length] = '\0';
    /* Nothing may end a header line early. */
    for (size_t i = 0; i < part.length; i++)
        if ((unsigned char)part.at[i] <= ' ' || part.at[i] == 0x7f)
            return false;
    return true;
}

/* RFC 7617.  A user without a password gets the ":" that Logplex writes. */
static bool make_authorization(struct slice userinfo, char *out, size_t capacity)
{
    char pair[1024], encoded[1400];
    bool has_password = slice_index(userinfo, ':') < userinfo.length;
    int length = snprintf(pair, sizeof pair, "%.*s%s", (int)userinfo.length, userinfo.at, has_password ? "" : ":");
    if (length >= (int)sizeof pair)
        return false;
    EVP_EncodeBlock((unsigned char *)encoded, (unsigned char *)pair, length);
    explicit_bzero(pair, sizeof pair);
    return snprintf(out, capacity, "Basic %s", encoded) < (int)capacity;
}

static bool split_authority(struct slice authority, struct http_url *url)
{
    struct slice host = authority, port = slice_of(url->tls ? "443" : "80");
    size_t end = 0;
    if (authority.length > 0 && authority.at[0] == '[') {
        end = slice_index(authority, ']');
        if (end == authority.length)
            return false;
        host = (struct slice){authority.at + 1, end - 1};
        end++;
    } else {
        end = slice_index(authority, ':');
        host.length = end;
    }
    if (end < authority.length) {
        if (authority.at[end] != ':')
            return false;
        port = slice_after(authority, end + 1);
    }
    uint64_t number;
    return number_read_decimal(port, 65535, &number) && host.length > 0 &&
           copy_part(host, url->host, sizeof url->host) && copy_part(port, url->port, sizeof url->port) &&
           copy_part(authority, url->host_header, sizeof url->host_header);
}

bool http_url_read(const char *text, struct http_url *url, char error[ERROR_MAX])
{
    struct slice rest = slice_of(text);
    *url = (struct http_url){.tls = slice_starts_with(rest, SLICE("https://"))};
    if (!url->tls && !slice_starts_with(rest, SLICE("http://")))
        return error_set(error, "the URL starts with neither http:// nor https://");
    rest = slice_after(rest, url->tls ? 8 : 7);
    rest.length = slice_index(rest, '#');
    size_t end = strcspn(rest.at, "/?#");
    struct slice authority = {rest.at, end < rest.length ? end : rest.length};
    struct slice target = slice_after(rest, authority.length);
    size_t user = authority.length;
    while (user > 0 && authority.at[user - 1] != '@')
        user--;
    if (user > 0 &&
        !make_authorization((struct slice){authority.at, user - 1}, url->authorization, sizeof url->authorization))
        return error_set(error, "the URL has a user or password that is too long");
    if (!split_authority(slice_after(authority, user), url))
        return error_set(error, "the URL has no host, or none that can be read");
    bool has_path = target.length > 0 && target.at[0] == '/';
    if (!has_path)
        memcpy(url->target, "/", 2);
    if (!copy_part(target, url->target + !has_path, sizeof url->target - 1))
        return error_set(error, "the URL has a path that is too long, or has blanks in it");
    return true;
}

/* ---- connections ---- */

struct http_client *http_client_create(const struct http_url *url, bool verify)
{
    struct http_client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return NULL;
    client->url = url;
    client->fd = -1;
    client->verify = verify;
    if (!url->tls)
        return client;
    client->context = SSL_CTX_new(TLS_client_method());
    if (client->context != NULL && SSL_CTX_set_default_verify_paths(client->context) == 1) {
        SSL_CTX_set_verify(client->context, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
        return client;
    }
    SSL_CTX_free(client->context);
    free(client);
    return NULL;
}

static void disconnect(struct http_client *client)
{
    SSL_free(client->tls);
    client->tls = NULL;
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
    ERR_clear_error();
}

void http_client_free(struct http_client *client)
{
    if (client == NULL)
        return;
    disconnect(client);
    SSL_CTX_free(client->context);
    if (client->text.at != NULL)
        explicit_bzero(client->text.at, client->text.capacity);
    buffer_free(&client->text);
    free(client);
}

/* Let the next call on the socket last no longer than until the deadline; false if that has passed. */
static bool limit_time(int fd, uint64_t deadline)
{
    uint64_t now = clock_monotonic();
    if (now >= deadline)
        return false;
    uint64_t left = deadline - now;
    struct timeval timeout = {(time_t)(left / 1000), (suseconds_t)(left % 1000) * 1000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    return true;
}

static int open_socket(const struct http_url *url, char error[ERROR_MAX])
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *addresses;
    int failure = getaddrinfo(url->host, url->port, &hints, &addresses);
    if (failure != 0) {
        error_set(error, "the host cannot be found: %s", gai_strerror(failure));
        return -1;
    }
    uint64_t deadline = clock_monotonic() + HTTP_CLIENT_CONNECT_TIMEOUT;
    int fd = -1;
    for (struct addrinfo *address = addresses; address != NULL && fd < 0; address = address->ai_next) {
        fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && limit_time(fd, deadline) && connect(fd, address->ai_addr, address->ai_addrlen) == 0)
            break;
        error_set(error, "cannot connect: %s", strerror(errno == EINPROGRESS ? ETIMEDOUT : errno));
        if (fd >= 0)
            close(fd);
        fd = -1;
    }
    freeaddrinfo(addresses);
    return fd;
}

static bool is_address(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

static bool start_tls(struct http_client *client, char error[ERROR_MAX])
{
    const char *host = client->url->host;
    client->tls = SSL_new(client->context);
    if (client->tls == NULL || SSL_set_fd(client->tls, client->fd) != 1)
        return error_set(error, ERROR_NO_MEMORY " for TLS");
    bool is_named = is_address(host)
                        ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(client->tls), host) == 1
                        : SSL_set_tlsext_host_name(client->tls, host) == 1 && SSL_set1_host(client->tls, host) == 1;
    if (!is_named) /* or any host would do */
        return error_set(error, ERROR_NO_MEMORY " for TLS");
    if (SSL_connect(client->tls) == 1)
        return true;
    long verified = SSL_get_verify_result(client->tls);
    if (client->verify && verified != X509_V_OK)
        return error_set(error, "the certificate is not accepted: %s", X509_verify_cert_error_string(verified));
    return error_set(error, "TLS cannot be started");
}

static bool connect_client(struct http_client *client, uint64_t timeout, char error[ERROR_MAX])
{
    client->fd = open_socket(client->url, error);
    if (client->fd < 0)
        return false;
    int on = 1;
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    client->deadline = clock_monotonic() + timeout;
    return client->context == NULL || (limit_time(client->fd, client->deadline) && start_tls(client, error));
}

/* ---- bytes ---- */

static bool send_all(struct http_client *client, struct slice bytes)
{
    while (bytes.length > 0) {
        if (!limit_time(client->fd, client->deadline))
            return false;
        ssize_t sent = client->tls != NULL
                           ? SSL_write(client->tls, bytes.at, bytes.length < 1 << 20 ? (int)bytes.length : 1 << 20)
                           : send(client->fd, bytes.at, bytes.length, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        bytes = slice_after(bytes, (size_t)sent);
    }
    return true;
}

static ssize_t receive(struct http_client *client, char *into, size_t capacity)
{
    if (!limit_time(client->fd, client->deadline))
        return -1;
    return client->tls != NULL ? SSL_read(client->tls, into, (int)capacity) : recv(client->fd, into, capacity, 0);
}

/* ---- requests ---- */

static void append_header(struct buffer *text, const char *name, const char *value)
{
    buffer_append(text, slice_of(name));
    buffer_append(text, slice_of(value));
    buffer_append(text, SLICE("\r\n"));
}

void http_url_write_head(const struct http_url *url, const char *method, struct buffer *text)
{
    buffer_append(text, slice_of(method));
    buffer_append(text, SLICE(" "));
    append_header(text, url->target, " HTTP/1.1");
    append_header(text, "Host: ", url->host_header);
    if (url->authorization[0] != '\0')
        append_header(text, "Authorization: ", url->authorization);
}

/* RFC 9112, 7.1: in pieces as a Go client writes them. */
static void append_chunks(struct buffer *text, struct slice body)
{
    enum { CHUNK = 4096 };
    char size[24];
    while (body.length > 0) {
        size_t length = body.length < CHUNK ? body.length : CHUNK;
        int digits = snprintf(size, sizeof size, "%zx\r\n", length);
        buffer_append(text, (struct slice){size, (size_t)digits});
        buffer_append(text, (struct slice){body.at, length});
        buffer_append(text, SLICE("\r\n"));
        body = slice_after(body, length);
    }
    buffer_append(text, SLICE("0\r\n\r\n"));
}

/* Write the request; returns the length of its head. */
static size_t write_request(struct http_client *client, const struct http_request *request)
{
    struct buffer *text = &client->text;
    char length[24];
    text->length = 0;
    http_url_write_head(client->url, request->method, text);
    buffer_append(text, request->headers);
    snprintf(length, sizeof length, "%zu", request->body.length);
    if (request->chunked)
        append_header(text, "Transfer-Encoding: ", "chunked");
    else if (request->body.at != NULL)
        append_header(text, "Content-Length: ", length);
    if (request->close)
        append_header(text, "Connection: ", "close");
    buffer_append(text, SLICE("\r\n"));
    size_t head = text->length;
    if (request->chunked)
        append_chunks(text, request->body);
    else
        buffer_append(text, request->body);
    return head;
}

/* ---- responses ---- */

/* Read the response's head; returns its length, its empty line included, or 0. */
static size_t read_head(struct http_client *client)
{
    client->head_length = 0;
    for (;;) {
        ssize_t length =
            receive(client, client->head + client->head_length, sizeof client->head - 1 - client->head_length);
        if (length <= 0)
            return 0;
        client->head_length += (size_t)length;
        client->head[client->head_length] = '\0';
        const char *end = strstr(client->head, "\r\n\r\n");
        if (end != NULL)
            return (size_t)(end - client->head) + 4;
        if (client->head_length == sizeof client->head - 1)
            return 0;
    }
}

/* The value of a header in the head, or NULL. */
static const char *find_header(const char *head, const char *name)
{
    const char *line = head;
    while ((line = strstr(line, "\r\n")) != NULL && line[2] != '\r') {
        line += 2;
        size_t length = strlen(name);
        if (strncasecmp(line, name, length) == 0 && line[length] == ':')
            return line + length + 1 + strspn(line + length + 1, " \t");
    }
    return NULL;
}

/* The number that a header's text starts with; false if there is none. */
static bool read_number(const char *header, uint64_t most, uint64_t *number)
{
    struct slice text = slice_of(header == NULL ? "" : header);
    return number_cut_decimal(&text, most, number);
}

/* Read the body away.  False if the connection cannot be used after it. */
static bool skip_body(struct http_client *client, size_t head_length, int status)
{
    const char *length = find_header(client->head, "Content-Length");
    const char *connection = find_header(client->head, "Connection");
    uint64_t body = 0;
    if (find_header(client->head, "Transfer-Encoding") != NULL ||
        (status != 204 && !read_number(length, UINT64_MAX, &body)))
        return false;
    uint64_t read = client->head_length - head_length;
    while (read < body) {
        char text[4096];
        ssize_t more = receive(client, text, sizeof text);
        if (more <= 0)
            return false;
        read += (uint64_t)more;
    }
    return read == body && (connection == NULL || strncasecmp(connection, "close", 5) != 0);
}

static bool read_response(struct http_client *client, struct http_response *response)
{
    size_t head = read_head(client);
    if (head == 0)
        return error_set(response->error, "%s",
                         clock_monotonic() >= client->deadline ? "no answer in time" : "the connection was closed");
    client->head[head - 2] = '\0'; /* what follows is the body */
    if (strncmp(client->head, "HTTP/1.", 7) != 0 || client->head[8] != ' ' ||
        (response->status = atoi(client->head + 9)) < 100) {
        response->status = 0;
        return error_set(response->error, "the answer is not HTTP");
    }
    uint64_t retry_after;
    if (read_number(find_header(client->head, "Retry-After"), UINT_MAX, &retry_after))
        response->retry_after = (unsigned)retry_after;
    return skip_body(client, head, response->status);
}

static bool exchange(struct http_client *client, const struct http_request *request, struct http_response *response)
{
    size_t head = write_request(client, request);
    struct slice bytes = {client->text.at, client->text.length};
    if (client->text.failed)
        return error_set(response->error, ERROR_NO_MEMORY);
    if (request->cut)
        bytes.length = head + (bytes.length - head) / 2;
    if (!send_all(client, bytes)) {
        return error_set(response->error, "the request cannot be sent");
    }
    return !request->cut && !request->ignore_response && read_response(client, response) && !request->close;
}

void http_client_send(struct http_client *client, const struct http_request *request, struct http_response *response)
{
    uint64_t timeout = request->timeout != 0 ? request->timeout : HTTP_CLIENT_TIMEOUT;
    *response = (struct http_response){0};
    bool connected = client->fd >= 0 || connect_client(client, timeout, response->error);
    client->deadline = clock_monotonic() + timeout;
    if (!connected || !exchange(client, request, response))
        disconnect(client);
}
