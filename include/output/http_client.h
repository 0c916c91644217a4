/* Post to a server as Logplex does: blocking, over one connection that stays open, HTTP/1.1, with or without TLS.  One
 * client is for one thread; the server's description may be shared. */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include <stdint.h>

#include "base/slice.h"

enum {
    HTTP_CLIENT_CONNECT_TIMEOUT = 3000, /* milliseconds, as Logplex has them */
    HTTP_CLIENT_TIMEOUT = 5000,         /* for a whole request and its answer */
};

/* Where a URL leads. */
struct http_place {
    bool tls;
    char host[256];
    char port[8];
    char host_header[280];    /* as the URL has it: the port only where it names one */
    char target[2048];        /* path and query, as they stand */
    char authorization[2048]; /* "Basic ...", secret; empty where the URL has no user */
};

/* Read "http[s]://[user[:password]@]host[:port][/path][?query]".  User and password are taken as they stand, as by
 * Logplex.  False where it is none; then problem says so, without showing a secret. */
bool http_place_read(const char *url, struct http_place *place, char problem[128]);

struct http_client;

/* verify: the server's certificate must be valid for its host.  NULL where memory is short or TLS cannot be had.  place
 * must live as long as the client. */
struct http_client *http_client_create(const struct http_place *place, bool verify);
void http_client_free(struct http_client *client); /* NULL is harmless */

struct http_post {
    struct slice headers; /* whole lines, beside Host, Authorization and the body's length */
    struct slice body;
    bool chunked;   /* no Content-Length */
    bool cut;       /* send only the first half of the body, then close */
    bool not_await; /* close without reading the answer */
    bool close;     /* close after the answer */
};

/* What came of it. */
struct http_answer {
    int status;           /* 0: no answer; with cut or not_await: it was sent as wanted */
    unsigned retry_after; /* seconds, 0 where the answer has none */
    char problem[128];    /* where there is no answer: why; empty: all went as wanted */
};

/* Post once.  A connection that broke is not used again: the next post makes a new one. */
void http_client_post(struct http_client *client, const struct http_post *post, struct http_answer *answer);

#endif
