/* Ask a server, as Logplex does: blocking, over one connection that stays open, HTTP/1.1, with or without TLS.  One
 * client is for one thread; the URL may be shared.  The one file that uses the client side of OpenSSL. */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/slice.h"

enum {
    HTTP_CLIENT_CONNECT_TIMEOUT = 3000, /* milliseconds, as Logplex has them */
    HTTP_CLIENT_TIMEOUT = 5000,         /* for a whole request and its response */
};

/* Where a URL leads. */
struct http_url {
    bool tls;
    char host[256];
    char port[8];
    char host_header[280];    /* as the URL has it: the port only if it names one */
    char target[2048];        /* path and query, as they stand */
    char authorization[2048]; /* "Basic ...", secret; empty if the URL has no user */
};

/* Read "http[s]://[user[:password]@]host[:port][/path][?query]".  User and password are taken as they stand, as by
 * Logplex.  False if it is none; then error says so, without showing a secret. */
bool http_url_read(const char *text, struct http_url *url, char error[ERROR_MAX]);

/* Append the lines that a request to it begins with: the request line, Host, Authorization. */
void http_url_write_head(const struct http_url *url, const char *method, struct buffer *text);

struct http_client;

/* verify: the server's certificate must be valid for its host.  NULL if memory is short or there is no TLS.  url must
 * live as long as the client. */
struct http_client *http_client_create(const struct http_url *url, bool verify);
void http_client_free(struct http_client *client); /* NULL is harmless */

struct http_request {
    const char *method;
    struct slice headers; /* whole lines, beside Host, Authorization and the body's length */
    struct slice body;
    bool chunked;         /* no Content-Length */
    bool cut;             /* send only the first half of the body, then close */
    bool ignore_response; /* close without reading it */
    bool close;           /* after the response */
    uint64_t timeout;     /* milliseconds to send it and read the response; 0: HTTP_CLIENT_TIMEOUT */
};

/* What came of it. */
struct http_response {
    int status;            /* 0: there was none; with cut or ignore_response: it was sent as wanted */
    unsigned retry_after;  /* seconds, 0 if the response has none */
    char error[ERROR_MAX]; /* if there is no response: why; empty: all went as wanted */
};

/* Send one request.  A connection that broke is not used again: the next request makes a new one. */
void http_client_send(struct http_client *client, const struct http_request *request, struct http_response *response);

#endif
