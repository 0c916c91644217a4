/* Deflate (RFC 1951) for texts whose lines resemble each other, as those of a page do; any bytes are right, but others
 * become smaller with zlib.  A page of 100,000 series takes 9 ms and 785 KB, with zlib's quickest level 21 and 892.
 *
 * REPEATS  Looked for within what one call is given, so that no window need be kept: a place is compared with where the
 *          last repeat would go on, and with the last place that began with the same four bytes.  Of what is repeated
 *          only the begin is remembered.
 * BLOCKS   Each has codes of its own, and many lines.
 *
 * Pure: no I/O, no allocation but the buffer's. */
#ifndef DEFLATE_H
#define DEFLATE_H

#include <stdint.h>

#include "base/buffer.h"

enum {
    DEFLATE_TOKENS = 16 * 1024, /* in a block */
    DEFLATE_LITERALS = 286,     /* codes of bytes, of the end of a block and of lengths */
    DEFLATE_DISTANCES = 30,
};

/* A stream that is being written; all 0 at first.  A copy goes on from the same place. */
struct deflate {
    uint64_t bits; /* that do not fill a byte yet, the first one lowest */
    unsigned bit_count;
    unsigned token_count;
    uint32_t tokens[DEFLATE_TOKENS];                                   /* of the block that is being made */
    uint32_t literals[DEFLATE_LITERALS], distances[DEFLATE_DISTANCES]; /* how often each comes in it */
};

/* Add text, below 4 GB, and append to out what of the stream is ready by now: the blocks that are full, and with last
 * all of them.  False if memory is short: the stream is lost. */
bool deflate_add(struct deflate *stream, struct slice text, bool last, struct buffer *out);

#endif
