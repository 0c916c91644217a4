/* The head of an HTTP/1 response, looked at before libh2o's client sees it: that ends the process (assert) if it cannot
 * read a Transfer-Encoding or a Content-Length, and has no bound of its own.  Pure.
 *
 * Example: "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n" is refused here. */
#ifndef RESPONSE_HEAD_H
#define RESPONSE_HEAD_H

#include "base/slice.h"

enum { RESPONSE_HEAD_MAX = 64 * 1024 /* bytes */ };

struct response_head {
    size_t length; /* with its empty line */
    int status;
    bool is_informational; /* 1xx: another response follows */
};

enum response_head_result {
    RESPONSE_HEAD_INCOMPLETE,
    RESPONSE_HEAD_READ,
    RESPONSE_HEAD_INVALID, /* or too long */
};

/* Read the head at the start of text.  On READ head is set; on INVALID *reason is a sentence. */
enum response_head_result response_head_read(struct slice text, struct response_head *head, const char **reason);

#endif
