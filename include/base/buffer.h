/* Text that grows.  Appending never fails by itself: a buffer that ran out of memory says so at the end, in failed. */
#ifndef BUFFER_H
#define BUFFER_H

#include "base/slice.h"

struct buffer {
    char *at; /* owned; NULL while empty */
    size_t length;
    size_t capacity;
    bool failed; /* memory was short: what was appended since is lost */
};

/* Capacity for length bytes behind the text, or NULL if memory is short.  The caller fills it and adds to length. */
char *buffer_grow(struct buffer *buffer, size_t length);
static inline char *buffer_reserve(struct buffer *buffer, size_t length)
{
    return buffer->capacity - buffer->length < length ? buffer_grow(buffer, length) : buffer->at + buffer->length;
}

void buffer_append(struct buffer *buffer, struct slice text);

/* The same for up to BUFFER_FORMAT_MAX - 1 bytes in the manner of printf(); what is longer is cut. */
enum { BUFFER_FORMAT_MAX = 512 };
void buffer_format(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Give back the capacity behind the text. */
void buffer_fit(struct buffer *buffer);

/* Free the memory; the buffer is empty again. */
void buffer_free(struct buffer *buffer);

#endif
