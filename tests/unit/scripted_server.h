/* A server of HTTP that answers one request with what it was told. */
#ifndef SCRIPTED_SERVER_H
#define SCRIPTED_SERVER_H

#include <openssl/ssl.h>
#include <pthread.h>

enum server_after { SERVER_CLOSES, SERVER_STALLS /* until the client closes */ };

struct scripted_server {
    int listener;
    enum server_after after; /* what it does once it has said all */
    unsigned short port;     /* of 127.0.0.1 */
    const char *says;        /* NULL: nothing */
    size_t length;           /* bytes of that */
    SSL_CTX *tls;            /* NULL: none */
    char request[4096];      /* that came, with a NUL behind it */
    size_t request_length;
    pthread_t thread;
};

/* says must live until the server is stopped. */
void scripted_server_start(struct scripted_server *server, const char *says, enum server_after after, SSL_CTX *tls);
void scripted_server_start_bytes(struct scripted_server *server, const char *says, size_t length,
                                 enum server_after after);

/* Also if nobody came.  A client that it still talks to must be gone. */
void scripted_server_stop(struct scripted_server *server);

#endif
