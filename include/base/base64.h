/* Decode base64 strictly, and encode it (RFC 4648, section 4).  Pure: no I/O, no allocation. */
#ifndef BASE64_H
#define BASE64_H

#include "base/slice.h"

/* The capacity that base64_decode needs for text of this length. */
static inline size_t base64_capacity(size_t length)
{
    return length / 4 * 3 + 4;
}

/* Decode text into out, which has base64_capacity(text.length) bytes, and set *length to the bytes written;
 * out[*length] is set to NUL.  False, with nothing decoded, for text that is empty, longer than 1 GiB, holds a byte
 * outside the standard alphabet (blanks too), has a wrong length, wrong padding, or bits behind its last byte that are
 * not zero. Padding may be missing altogether. */
bool base64_decode(struct slice text, char *out, size_t *length);

/* Encode bytes, with padding, and put a NUL behind: out has a capacity of base64_encoded(bytes.length). */
static inline size_t base64_encoded(size_t length)
{
    return (length + 2) / 3 * 4 + 1;
}
void base64_encode(struct slice bytes, char *out);

#endif
