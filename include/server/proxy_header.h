/* What a balancer puts in front of a connection to say whose it is: the PROXY protocol, versions 1 and 2
 * (haproxy.org, proxy-protocol.txt).  Pure.
 *
 * Example: "PROXY TCP4 203.0.113.7 10.0.0.9 40001 443\r\n", and then what the client sends. */
#ifndef PROXY_HEADER_H
#define PROXY_HEADER_H

#include "base/address.h"

enum {
    PROXY_HEADER_MAX = 4096, /* bytes, with what version 2 may add; more is invalid */
};

enum proxy_header_result {
    PROXY_HEADER_INCOMPLETE,
    PROXY_HEADER_READ,
    PROXY_HEADER_ABSENT, /* text begins with something else */
    PROXY_HEADER_INVALID,
};

struct proxy_header {
    size_t length;
    bool has_client; /* false: the proxy speaks for itself, as its health check does, or does not know */
    struct address client;
};

/* Read the header at the start of text; on READ, header is set. */
enum proxy_header_result proxy_header_read(struct slice text, struct proxy_header *header);

#endif
