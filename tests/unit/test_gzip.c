#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/gzip.h"
#include "support.h"

static struct buffer deflated(struct slice text, int wrapper)
{
    struct buffer out = {0};
    z_stream stream = {.next_in = (unsigned char *)text.at, .avail_in = (unsigned)text.length};
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, wrapper, 8, Z_DEFAULT_STRATEGY), Z_OK);
    size_t capacity = deflateBound(&stream, text.length) + 64;
    stream.next_out = (unsigned char *)buffer_reserve(&out, capacity);
    stream.avail_out = (unsigned)capacity;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    out.length = stream.total_out;
    deflateEnd(&stream);
    return out;
}

enum { GZIP = 31, ZLIB = 15, RAW = -15 };

static void check(const char *encoding, struct slice body, size_t limit, enum decompress_result expected,
                  const char *text)
{
    struct buffer out = {0};
    enum decompress_result result = decompress(slice_of(encoding), guarded(body), limit, &out);
    if (result != expected)
        fail_msg("%s: %d, not %d", encoding, (int)result, (int)expected);
    if (text != NULL)
        assert_slice(((struct slice){out.at, out.length}), text);
    buffer_free(&out);
}

static struct slice view(struct buffer buffer)
{
    return (struct slice){buffer.at, buffer.length};
}

static void encodings(void **state)
{
    (void)state;
    struct slice text = SLICE("9 <1>1 abc\n");
    struct buffer gzip = deflated(text, GZIP), zlib = deflated(text, ZLIB), raw = deflated(text, RAW);
    check("", text, 100, DECOMPRESS_PLAIN, NULL);
    check("identity", text, 100, DECOMPRESS_PLAIN, NULL);
    check("gzip", view(gzip), 100, DECOMPRESS_DONE, text.at);
    check(" X-GZIP ", view(gzip), 100, DECOMPRESS_DONE, text.at);
    check("deflate", view(zlib), 100, DECOMPRESS_DONE, text.at);
    check("deflate", view(raw), 100, DECOMPRESS_CORRUPT, NULL);
    check("identity, gzip", view(gzip), 100, DECOMPRESS_DONE, text.at);
    check("br", text, 100, DECOMPRESS_UNSUPPORTED, NULL);
    check("gzip,", view(gzip), 100, DECOMPRESS_UNSUPPORTED, NULL);
    check("gzip", text, 100, DECOMPRESS_CORRUPT, NULL);
    check("gzip", (struct slice){gzip.at, 0}, 100, DECOMPRESS_CORRUPT, NULL);
    for (size_t length = 1; length < gzip.length; length++)
        check("gzip", (struct slice){gzip.at, length}, 100, DECOMPRESS_CORRUPT, NULL);

    struct buffer twice = deflated(view(zlib), GZIP);
    check("deflate, gzip", view(twice), 100, DECOMPRESS_DONE, text.at);
    check("gzip, deflate", view(twice), 100, DECOMPRESS_CORRUPT, NULL);
    check("gzip,gzip,gzip,gzip", view(twice), 100, DECOMPRESS_CORRUPT, NULL);

    /* Several gzip members are one text. */
    buffer_append(&gzip, view(gzip));
    check("gzip", view(gzip), 100, DECOMPRESS_DONE, "9 <1>1 abc\n9 <1>1 abc\n");
    buffer_append(&gzip, SLICE("garbage"));
    check("gzip", view(gzip), 100, DECOMPRESS_CORRUPT, NULL);
    buffer_free(&gzip);
    buffer_free(&zlib);
    buffer_free(&raw);
    buffer_free(&twice);
}

static void limits(void **state)
{
    (void)state;
    size_t size = 3 << 20;
    char *zeros = calloc(1, size);
    struct buffer bomb = deflated((struct slice){zeros, size}, GZIP);
    check("gzip", view(bomb), size, DECOMPRESS_DONE, NULL);
    check("gzip", view(bomb), size - 1, DECOMPRESS_TOO_LARGE, NULL);
    check("gzip", view(bomb), 1000, DECOMPRESS_TOO_LARGE, NULL);
    struct buffer squared = deflated(view(bomb), GZIP);
    check("gzip, gzip", view(squared), 100000, DECOMPRESS_TOO_LARGE, NULL);
    check("gzip, gzip", view(squared), size, DECOMPRESS_DONE, NULL);
    buffer_free(&squared);
    buffer_free(&bomb);
    free(zeros);
}

static void compressing(void **state)
{
    (void)state;
    size_t size = 300000; /* several steps of the output, as it cannot be made smaller */
    char *noise = malloc(size);
    for (size_t i = 0, next = 1; i < size; i++, next = next * 6364136223846793005u + 1442695040888963407u)
        noise[i] = (char)(next >> 56);
    struct buffer out = {0}, back = {0};
    buffer_append(&out, SLICE("before"));
    assert_true(gzip_compress(guarded((struct slice){noise, size}), &out));
    assert_memory_equal(out.at, "before", 6);
    struct slice member = slice_after(view(out), 6);
    assert_int_equal(decompress(SLICE("gzip"), member, size, &back), DECOMPRESS_DONE);
    assert_int_equal(back.length, size);
    assert_memory_equal(back.at, noise, size);
    buffer_free(&out);
    buffer_free(&back);
    struct buffer empty = {0};
    assert_true(gzip_compress(SLICE(""), &empty));
    check("gzip", view(empty), 0, DECOMPRESS_DONE, "");
    buffer_free(&empty);
    free(noise);
}

/* One member of pieces, of which some are small or empty, and a copy that goes on in another way. */
static void compressing_in_pieces(void **state)
{
    (void)state;
    struct buffer out = {0}, other = {0}, text = {0}, back = {0};
    struct gzip_member member = {0};
    size_t done = 0;
    for (size_t i = 0; i < 20000; i++) {
        char line[64];
        size_t length = (size_t)snprintf(line, sizeof line, "depth{number=\"%zu\"} %zu\n", i * 7919 % 20000, i);
        buffer_append(&text, (struct slice){line, length});
        if (i % 1009 > 3 && i % 997 != 0)
            continue;
        assert_true(gzip_add(&member, guarded(slice_after(view(text), done)), false, &out));
        done = text.length;
    }
    assert_true(gzip_add(&member, slice_after(view(text), done), false, &out));
    assert_true(gzip_add(&member, SLICE(""), false, &out));
    assert_true(out.length > 0 && out.length < text.length / 2);
    buffer_append(&other, view(out));
    struct gzip_member copy = member;
    assert_true(gzip_add(&member, SLICE("a"), true, &out));
    assert_true(gzip_add(&copy, SLICE("b"), false, &other));
    assert_true(gzip_add(&copy, SLICE(""), true, &other));
    assert_int_equal(decompress(SLICE("gzip"), view(out), text.length + 1, &back), DECOMPRESS_DONE);
    assert_int_equal(back.length, text.length + 1);
    assert_memory_equal(back.at, text.at, text.length);
    assert_int_equal(back.at[text.length], 'a');
    buffer_free(&back);
    assert_int_equal(decompress(SLICE("gzip"), view(other), text.length + 1, &back), DECOMPRESS_DONE);
    assert_int_equal(back.length, text.length + 1);
    assert_memory_equal(back.at, text.at, text.length);
    assert_int_equal(back.at[text.length], 'b');
    buffer_free(&back);
    buffer_free(&text);
    buffer_free(&out);
    buffer_free(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(encodings), cmocka_unit_test(limits),
                                       cmocka_unit_test(compressing), cmocka_unit_test(compressing_in_pieces)};
    return cmocka_run_group_tests_name("gzip", tests, NULL, NULL);
}
