/* Compressed texts: undo a Content-Encoding (RFC 9110, 8.4), and write gzip (RFC 1952).  The one file that uses zlib.
 */
#ifndef GZIP_H
#define GZIP_H

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

/* Append text to out as one gzip member.  level: 1 (quick) to 9 (small).  False if memory is short; then out holds a
 * part of it. */
bool gzip_compress(struct slice text, int level, struct buffer *out);

/* The same piece by piece, in the way of deflate.h: what was begun is added to, with last for the last piece, then
 * ended. */
enum { GZIP_MEMORY = 100 * 1024 }; /* bytes that one holds, about */
struct gzip_writer;
struct gzip_writer *gzip_begin(void); /* NULL if memory is short */

/* Append to out what of the member is ready by now.  False if memory is short: the member is lost. */
bool gzip_add(struct gzip_writer *writer, struct slice text, bool last, struct buffer *out);

/* A second one that goes on from here; NULL if memory is short. */
struct gzip_writer *gzip_copy(const struct gzip_writer *writer);
void gzip_end(struct gzip_writer *writer); /* NULL is harmless */

#endif
