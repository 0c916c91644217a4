/* Where a body in chunks ends (RFC 9112, 7.1), read strictly; nothing is decoded.  Pure.
 *
 * Example: "0x5\r\n" is a chunk of 0 bytes to some and of 5 to others, so it is refused. */
#ifndef CHUNKS_H
#define CHUNKS_H

#include <stdint.h>

#include "base/slice.h"

/* All 0 at first. */
struct chunks {
    int expected;    /* of the next byte; see chunks.c */
    uint64_t left;   /* of the present chunk */
    uint64_t length; /* of the body, with the present chunk */
    unsigned extra;  /* bytes of extensions and trailers, which are bounded */
};

enum chunks_result { CHUNKS_INCOMPLETE, CHUNKS_DONE, CHUNKS_INVALID };

/* Read on in what has arrived.  On DONE, *used bytes of it belong to the body. */
enum chunks_result chunks_read(struct chunks *chunks, struct slice text, size_t *used);

#endif
