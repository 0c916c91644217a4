/* Asks a server, through libh2o's client for HTTP/1.1, on an event loop of a thread of its own: what the exporter
 * itself asks while it serves, or is about to.  (What has time to wait for each byte uses output/http_client.h.)
 *
 *     struct outgoing *outgoing = outgoing_create(NULL, false, error);
 *     outgoing_ask(outgoing, &request, &response);    the caller waits, the thread works
 *     outgoing_free(outgoing);
 *
 * - One deadline for all: to find the host, connect, send, and read the response to its end.  Whoever asks gets an
 *   answer by then.  A lookup of the host's name, which nothing can break off, then goes on by itself.
 * - With TLS the server's certificate must be valid for the host's name or address.
 * - A head is looked at before libh2o reads it (server/response_head.h); a body is bounded, and none of it is kept.
 * - No text that is returned has the user, the password or the query of a URL.
 * - One connection for each request: a balancer may send each to another server.
 */
#ifndef OUTGOING_H
#define OUTGOING_H

#include "base/error.h"
#include "output/http_client.h"

enum outgoing_result {
    OUTGOING_ANSWERED,      /* there is a status, and the body has ended */
    OUTGOING_NOT_FOUND,     /* the host has no address */
    OUTGOING_NOT_CONNECTED, /* nobody listens there */
    OUTGOING_NO_TLS,        /* also: the certificate is not accepted */
    OUTGOING_TIMEOUT,
    OUTGOING_BROKEN,  /* the connection ended too early, or what came is no response */
    OUTGOING_STOPPED, /* by the caller: on_body, or outgoing_cancel() */
};

struct outgoing_request {
    const struct http_url *url;
    const char *method;
    struct slice headers; /* whole lines, beside Host, Authorization, Connection and the body's length */
    struct slice body;    /* at NULL: there is none */
    uint64_t timeout;     /* milliseconds */
    uint64_t max_body;    /* bytes of the response's */
    /* Take the next bytes of a response's body; on the thread of the client, while the caller waits.  False: no more is
     * wanted.  NULL: nothing but the status is. */
    bool (*on_body)(void *context, int status, struct slice bytes);
    void *context;
};

struct outgoing_response {
    enum outgoing_result result;
    int status;            /* 0: there was none */
    char error[ERROR_MAX]; /* why, for all results but ANSWERED: "cannot connect: Connection refused" */
};

struct outgoing;

/* ca_file: authorities (PEM) that a certificate may be of; NULL: those of the system.  early: this process still has
 * its privileges, which the thread gives up for itself.  NULL with one sentence in error if the thread cannot be
 * started. */
struct outgoing *outgoing_create(const char *ca_file, bool early, char error[ERROR_MAX]);

/* Send one request and wait for what comes of it.  One thread at a time. */
void outgoing_ask(struct outgoing *outgoing, const struct outgoing_request *request,
                  struct outgoing_response *response);

/* End what is asked now, and all that is asked later.  Any thread. */
void outgoing_cancel(struct outgoing *outgoing);

/* Nobody may be asking any more.  NULL is harmless. */
void outgoing_free(struct outgoing *outgoing);

#endif
