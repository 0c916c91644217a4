/* Text that grows.  Appending never fails where it is done: a buffer that ran out of memory says so at the end. */
#ifndef BUFFER_H
#define BUFFER_H

#include "base/slice.h"

struct buffer {
    char *at; /* owned; NULL while empty */
    size_t length;
    size_t room;
    bool failed; /* memory was short: what was appended since is lost */
};

/* A place for length bytes behind the text, or NULL where memory is short.  The caller fills it and adds to length. */
char *buffer_reserve(struct buffer *buffer, size_t length);

void buffer_append(struct buffer *buffer, struct slice text);

/* Give the memory back; the buffer is empty again. */
void buffer_free(struct buffer *buffer);

#endif
