/* Compressed texts: undo a Content-Encoding (RFC 9110, 8.4) with zlib, and write gzip (RFC 1952) with ISA-L, which
 * takes a quarter of zlib's time for a page.  The one file that uses the two. */
#ifndef GZIP_H
#define GZIP_H

#include <stdint.h>

#include "base/buffer.h"

enum decompress_result {
    DECOMPRESS_PLAIN,       /* there is nothing to undo: use the body as it is */
    DECOMPRESS_DONE,        /* the body is in out */
    DECOMPRESS_UNSUPPORTED, /* an encoding that we do not know, or more than three */
    DECOMPRESS_CORRUPT,
    DECOMPRESS_TOO_LARGE, /* more than limit bytes, at any stage */
    DECOMPRESS_NO_MEMORY,
};

/* encoding is the header's value, empty if there is none: a comma-separated list of gzip, x-gzip, deflate (zlib, RFC
 * 1950) and identity, undone from right to left.  gzip may have several members.  out must be empty; the caller frees
 * it. */
enum decompress_result decompress(struct slice encoding, struct slice body, size_t limit, struct buffer *out);

/* A gzip member that is written piece by piece.  All 0 at first; a copy goes on from the same place. */
struct gzip_member {
    bool has_begun;
    uint32_t crc;
    uint32_t length; /* of the text so far, modulo 2^32 */
};

/* Append text, below 4 GB, to the member, and what it becomes to out; last: the member ends with it.  Each piece is
 * compressed by itself, so it should not be small: of 16 KB a page becomes 3 % larger than of 128 KB, and of 1 KB twice
 * as large.  False if memory is short: the member is lost. */
bool gzip_add(struct gzip_member *member, struct slice text, bool last, struct buffer *out);

/* Append text to out as a whole member.  False if memory is short; then out holds a part of it. */
bool gzip_compress(struct slice text, struct buffer *out);

#endif
