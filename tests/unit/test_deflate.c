#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/deflate.h"
#include "support.h"

static uint64_t random_state;

static unsigned any(unsigned below)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(random_state >> 33) % below;
}

/* What zlib makes of a stream: the text, and nothing behind it. */
static void assert_inflates(const struct buffer *out, const struct buffer *text)
{
    char *back = malloc(text->length + 1);
    z_stream stream = {.next_in = (unsigned char *)out->at,
                       .avail_in = (unsigned)out->length,
                       .next_out = (unsigned char *)back,
                       .avail_out = (unsigned)text->length + 1};
    assert_int_equal(inflateInit2(&stream, -15), Z_OK);
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    assert_int_equal(stream.avail_in, 0);
    assert_int_equal(stream.total_out, text->length);
    if (text->length > 0)
        assert_memory_equal(back, text->at, text->length);
    inflateEnd(&stream);
    free(back);
}

/* Compress in pieces of this size; returns the length. */
static size_t compressed(const struct buffer *text, size_t size)
{
    struct deflate *stream = calloc(1, sizeof *stream);
    struct buffer out = {0};
    for (size_t at = 0;;) {
        size_t length = size < text->length - at ? size : text->length - at;
        struct slice piece = length == 0 ? SLICE("") : (struct slice){text->at + at, length};
        at += length;
        assert_true(deflate_add(stream, length < 10000 ? guarded(piece) : piece, at == text->length, &out));
        if (at == text->length)
            break;
    }
    assert_inflates(&out, text);
    size_t length = out.length;
    buffer_free(&out);
    free(stream);
    return length;
}

static void put(struct buffer *text, struct slice bytes, size_t times)
{
    while (times-- > 0)
        buffer_append(text, bytes);
}

static void put_byte(struct buffer *text, unsigned byte, size_t times)
{
    char value = (char)byte;
    put(text, (struct slice){&value, 1}, times);
}

static void short_texts(void **state)
{
    (void)state;
    for (size_t length = 0; length < 600; length += length < 20 ? 1 : 29) {
        struct buffer same = {0}, differing = {0};
        put_byte(&same, 'a', length);
        for (size_t i = 0; i < length; i++)
            put_byte(&differing, (unsigned)(i * 37), 1);
        for (size_t size = 1; size < 700; size = size * 3 + 1) {
            compressed(&same, size);
            compressed(&differing, size);
        }
        buffer_free(&same);
        buffer_free(&differing);
    }
}

/* Lines as those of a page: as small as zlib's quickest level makes them, or smaller. */
static void lines(void **state)
{
    (void)state;
    struct buffer text = {0};
    for (int i = 0; i < 20000; i++) {
        char line[128];
        int length = snprintf(line, sizeof line, "requests{app=\"shop\",instance=\"%06d\",process=\"web.%u\"} %u\n", i,
                              any(8), any(1000000));
        put(&text, (struct slice){line, (size_t)length}, 1);
    }
    size_t whole = compressed(&text, SIZE_MAX);
    assert_true(whole < text.length / 6);
    assert_true(compressed(&text, 120 * 1024) < whole + whole / 50);
    assert_true(compressed(&text, 1000) < text.length / 2);
    uLongf by_zlib = compressBound(text.length);
    unsigned char *out = malloc(by_zlib);
    assert_int_equal(compress2(out, &by_zlib, (unsigned char *)text.at, text.length, 1), Z_OK);
    assert_true(whole < by_zlib + by_zlib / 20);
    free(out);
    buffer_free(&text);
}

/* Repeats of each length and distance, also over the bounds of a window. */
static void repeats(void **state)
{
    (void)state;
    struct buffer noise = {0};
    for (int i = 0; i < 1000; i++)
        put_byte(&noise, any(256), 1);
    for (size_t distance = 1; distance < 70000; distance = distance * 5 / 4 + 1) {
        struct buffer text = {0};
        for (size_t length = 1; length < 1000; length += length < 12 ? 1 : 83) {
            put(&text, (struct slice){noise.at, length}, 1);
            while (text.length % distance != 0)
                put_byte(&text, any(256), 1);
        }
        compressed(&text, SIZE_MAX);
        compressed(&text, 10000);
        buffer_free(&text);
    }
    buffer_free(&noise);
}

/* Bytes as rare as Fibonacci's numbers: a tree without a bound would have 21 levels, of which 15 are allowed. */
static void rare_bytes(void **state)
{
    (void)state;
    struct buffer text = {0};
    unsigned counts[22] = {1, 1};
    unsigned sum = 2;
    for (int i = 2; i < 22; i++)
        sum += counts[i] = counts[i - 1] + counts[i - 2];
    for (; sum > 0; sum--) {
        unsigned chosen = any(sum), byte = 0;
        for (; chosen >= counts[byte]; byte++)
            chosen -= counts[byte];
        counts[byte]--;
        put_byte(&text, byte, 1);
    }
    compressed(&text, SIZE_MAX);
    compressed(&text, 3);
    buffer_free(&text);
}

/* What cannot become smaller becomes little larger. */
static void noise(void **state)
{
    (void)state;
    for (unsigned kinds = 2; kinds <= 256; kinds *= 2) {
        struct buffer text = {0};
        for (int i = 0; i < 100000; i++)
            put_byte(&text, any(kinds), 1);
        assert_true(compressed(&text, SIZE_MAX) < text.length + text.length / 50);
        compressed(&text, 777);
        buffer_free(&text);
    }
}

/* Two streams that were one go on by themselves. */
static void copies(void **state)
{
    (void)state;
    struct deflate *stream = calloc(1, sizeof *stream), *copy = malloc(sizeof *copy);
    struct buffer out = {0}, other = {0}, text = {0};
    for (int i = 0; i < 50000; i++) {
        put_byte(&text, 'a' + any(7), 1);
        assert_true(deflate_add(stream, (struct slice){text.at + i, 1}, false, &out));
    }
    *copy = *stream;
    put(&other, (struct slice){out.at, out.length}, 1);
    assert_true(deflate_add(stream, SLICE("end"), true, &out));
    assert_true(deflate_add(copy, SLICE("END"), true, &other));
    put(&text, SLICE("end"), 1);
    assert_inflates(&out, &text);
    text.length -= 3;
    put(&text, SLICE("END"), 1);
    assert_inflates(&other, &text);
    buffer_free(&out);
    buffer_free(&other);
    buffer_free(&text);
    free(stream);
    free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(short_texts), cmocka_unit_test(lines),
                                       cmocka_unit_test(repeats),     cmocka_unit_test(rare_bytes),
                                       cmocka_unit_test(noise),       cmocka_unit_test(copies)};
    return cmocka_run_group_tests_name("deflate", tests, NULL, NULL);
}
