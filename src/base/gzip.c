#include "base/gzip.h"

#include <endian.h>
#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>
#include <stdlib.h>
#include <strings.h>
#include <zlib.h>

enum {
    ENCODINGS_MAX = 3,
    FIRST_CAPACITY = 256 * 1024, /* for what is decompressed */
    STEP = 16 * 1024,            /* of compressed text */
};

/* For zlib: the window's bits, and 16 more for a gzip wrapper. */
enum { ZLIB_WRAPPER = 15, GZIP_WRAPPER = 15 + 16 };

/* Zero bytes may pad what was compressed, as gzip itself has it. */
static bool is_zero(const unsigned char *at, size_t length)
{
    while (length > 0 && *at == 0) {
        at++;
        length--;
    }
    return length == 0;
}

static enum decompress_result inflate_all(int wrapper, struct slice body, size_t limit, struct buffer *out)
{
    z_stream stream = {.next_in = (unsigned char *)body.at, .avail_in = (unsigned)body.length};
    if (inflateInit2(&stream, wrapper) != Z_OK)
        return DECOMPRESS_NO_MEMORY;
    enum decompress_result result = DECOMPRESS_DONE;
    int status = Z_OK;
    while (status != Z_STREAM_END) {
        size_t capacity = out->capacity > out->length ? out->capacity - out->length : FIRST_CAPACITY;
        char *end = buffer_reserve(out, capacity);
        if (end == NULL) {
            result = DECOMPRESS_NO_MEMORY;
            break;
        }
        stream.next_out = (unsigned char *)end;
        stream.avail_out = (unsigned)capacity;
        status = inflate(&stream, Z_NO_FLUSH);
        out->length += capacity - stream.avail_out;
        if (out->length > limit) {
            result = DECOMPRESS_TOO_LARGE;
            break;
        }
        if (status == Z_MEM_ERROR) { /* the window is made when it is first needed */
            result = DECOMPRESS_NO_MEMORY;
            break;
        }
        if (status == Z_STREAM_END && wrapper == GZIP_WRAPPER && !is_zero(stream.next_in, stream.avail_in))
            status = inflateReset(&stream); /* the next member (RFC 1952, 2.2) */
        if ((status != Z_OK && status != Z_STREAM_END) ||
            (status == Z_OK && stream.avail_in == 0 && stream.avail_out > 0)) {
            result = DECOMPRESS_CORRUPT; /* damaged, or cut off */
            break;
        }
    }
    inflateEnd(&stream);
    return result;
}

static bool is_named(struct slice text, const char *name)
{
    return text.length == strlen(name) && strncasecmp(text.at, name, text.length) == 0;
}

/* Cut the last item off a comma-separated list. */
static struct slice take_last(struct slice *list)
{
    size_t at = list->length;
    while (at > 0 && list->at[at - 1] != ',')
        at--;
    struct slice item = slice_trim(slice_after(*list, at));
    list->length = at > 0 ? at - 1 : 0;
    return item;
}

enum decompress_result decompress(struct slice encoding, struct slice body, size_t limit, struct buffer *out)
{
    enum decompress_result result = DECOMPRESS_PLAIN;
    encoding = slice_trim(encoding);
    for (int i = 0; encoding.length > 0; i++) {
        struct slice name = take_last(&encoding);
        int wrapper;
        if (is_named(name, "identity"))
            continue;
        if (is_named(name, "gzip") || is_named(name, "x-gzip"))
            wrapper = GZIP_WRAPPER;
        else if (is_named(name, "deflate"))
            wrapper = ZLIB_WRAPPER;
        else
            return DECOMPRESS_UNSUPPORTED;
        if (i == ENCODINGS_MAX)
            return DECOMPRESS_UNSUPPORTED;
        struct buffer stage = *out; /* what the last stage made is this one's input */
        if (result == DECOMPRESS_DONE)
            body = (struct slice){stage.at, stage.length};
        *out = (struct buffer){0};
        result = inflate_all(wrapper, body, limit, out);
        buffer_free(&stage);
        if (result != DECOMPRESS_DONE)
            return result;
    }
    return result;
}

/* ---- writing ---- */

/* What ISA-L works with: 170 KB, for as long as a piece takes.  Larger tokens make no page smaller. */
struct compressor {
    struct isal_zstream stream;
    unsigned char tokens[ISAL_DEF_LVL1_SMALL];
};

static void start_compressor(struct compressor *compressor)
{
    struct isal_zstream *stream = &compressor->stream;
    isal_deflate_init(stream);
    stream->level = 1;
    stream->level_buf = compressor->tokens;
    stream->level_buf_size = sizeof compressor->tokens;
}

/* Append to out what comes of a part of the piece; with flush, all of it, to the end of a byte. */
static bool deflate_part(struct isal_zstream *stream, const char *text, size_t length, bool flush, struct buffer *out)
{
    size_t step = length / 8 + STEP;
    stream->next_in = (unsigned char *)(uintptr_t)text;
    stream->avail_in = (uint32_t)length;
    stream->flush =
        flush ? FULL_FLUSH : NO_FLUSH; /* after a full one the next piece goes on without knowing this one */
    do {
        char *end = buffer_reserve(out, step);
        if (end == NULL)
            return false;
        stream->next_out = (unsigned char *)end;
        stream->avail_out = (uint32_t)step;
        if (isal_deflate(stream) != COMP_OK)
            return false;
        out->length += step - stream->avail_out;
    } while (stream->avail_out == 0);
    return true;
}

/* Append blocks of deflate (RFC 1951) to out, to the end of a byte. */
static bool deflate_piece(struct compressor *compressor, struct slice text, bool last, struct buffer *out)
{
    enum { APART = 16 };
    char end[2 * APART] = {0}; /* of the text: on arm64 ISA-L reads up to seven bytes behind what it is given */
    size_t apart = text.length < APART ? text.length : APART, first = text.length - apart;
    struct isal_zstream *stream = &compressor->stream;
    start_compressor(compressor);
    if (apart > 0)
        memcpy(end, text.at + first, apart);
    if (first > 0 && !deflate_part(stream, text.at, first, false, out))
        return false;
    stream->end_of_stream = last;
    return deflate_part(stream, end, apart, true, out);
}

/* How a member begins: gzip, deflate, no flags, no time, an unknown system. */
static const char head[] = {0x1F, (char)0x8B, 8, 0, 0, 0, 0, 0, 0, (char)0xFF};

static void append_word(struct buffer *out, uint32_t word)
{
    uint32_t bytes = htole32(word);
    buffer_append(out, (struct slice){(const char *)&bytes, sizeof bytes});
}

bool gzip_add(struct gzip_member *member, struct slice text, bool last, struct buffer *out)
{
    struct compressor *compressor = malloc(sizeof *compressor);
    if (compressor == NULL)
        return false;
    if (!member->has_begun)
        buffer_append(out, (struct slice){head, sizeof head});
    member->has_begun = true;
    member->crc = crc32_gzip_refl(member->crc, (const unsigned char *)text.at, text.length);
    member->length += (uint32_t)text.length;
    bool is_written = deflate_piece(compressor, text, last, out);
    free(compressor);
    if (last) {
        append_word(out, member->crc);
        append_word(out, member->length);
    }
    return is_written && !out->failed;
}

bool gzip_compress(struct slice text, struct buffer *out)
{
    struct gzip_member member = {0};
    return gzip_add(&member, text, true, out);
}
