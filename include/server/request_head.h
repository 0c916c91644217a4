/* The head of an HTTP/1 request, read strictly (RFC 9112): what two readers might understand differently is refused, so
 * that nobody smuggles a request past a proxy in front of us.  Pure.
 *
 * Example: "Content-Length: 5\r\n 5" is 5 to some and 55 to others, so a header line that is continued is refused. */
#ifndef REQUEST_HEAD_H
#define REQUEST_HEAD_H

#include <stdint.h>

#include "server/forwarded.h"

enum { REQUEST_HEAD_MAX = 64 * 1024 /* bytes */ };

struct request_head {
    size_t length; /* with its empty line, and one that may stand before it */
    struct slice method;
    struct slice target;
    struct slice authorization; /* of the first such header, trimmed; empty: none */
    struct forwarded forwarded; /* X-Forwarded-For */
    bool expects;               /* it has Expect */
    bool is_chunked;
    uint64_t content_length; /* 0 if it has none */
};

enum request_head_result {
    REQUEST_HEAD_INCOMPLETE,
    REQUEST_HEAD_READ,
    REQUEST_HEAD_TOO_LARGE,
    REQUEST_HEAD_INVALID,
};

/* Read the head at the start of text.  *line is 0 at first, and then what it was set to, so that no byte is looked for
 * twice while the head arrives.  On READ, head is set, with parts of text; on INVALID, *reason is a sentence's end. */
enum request_head_result request_head_read(struct slice text, size_t *line, struct request_head *head,
                                           const char **reason);

#endif
