#include <stdio.h>

#include "server/chunks.h"
#include "server/request_head.h"
#include "support.h"

static enum request_head_result read_all(const char *text, size_t length, struct request_head *head)
{
    size_t line = 0;
    const char *reason = NULL;
    enum request_head_result result = request_head_read(guarded((struct slice){text, length}), &line, head, &reason);
    assert_int_equal(result == REQUEST_HEAD_INVALID, reason != NULL);
    return result;
}

static void good_heads(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_chunked;
        uint64_t length;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", false, 0},
        {"GET / HTTP/1.0\r\n\r\n", false, 0},
        {"GET / HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\n\r\n", false, 0},
        {"GET / HTTP/1.1\r\nHost: a_b-c.example.com.:443 \r\n\r\n", false, 0},
        {"\r\nGET / HTTP/1.1\r\nHost:\r\n\r\n", false, 0},
        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0005\r\n\r\n", false, 5},
        {"POST / HTTP/1.1\r\nHost: x\r\ncontent-length:\t18446744073709551615 \r\n\r\n", false, UINT64_MAX},
        {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n", true, 0},
        {"POST / HTTP/1.1\r\nHost: x\r\nX-Content-Length: 9\r\nA: \xff b\tc\r\n\r\n", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct request_head head;
        size_t length = strlen(cases[i].text);
        assert_int_equal(read_all(cases[i].text, length, &head), REQUEST_HEAD_READ);
        assert_int_equal(head.length, length);
        assert_int_equal(head.is_chunked, cases[i].is_chunked);
        assert_true(head.content_length == cases[i].length);
        for (size_t part = 0; part < length; part++)
            assert_int_equal(read_all(cases[i].text, part, &head), REQUEST_HEAD_INCOMPLETE);
    }
}

/* What two readers understand differently. */
static void bad_heads(void **state)
{
    (void)state;
#define START "POST / HTTP/1.1\r\nHost: x\r\n"
    static const char *const cases[] = {
        "\r\n\r\n",
        "\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1 \r\nHost: x\r\n\r\n",
        "GET / x HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /\t HTTP/1.1\r\nHost: x\r\n\r\n",
        "G@T / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/2.0\r\nHost: x\r\n\r\n",
        "GET / http/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\nHost: x\n\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x, y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x@y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x/y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: http://x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\xE9\r\n\r\n",
        START "Content-Length: 5\r\n 5\r\n\r\n",
        START "Content-Length: 5\r\n \nTransfer-Encoding: chunked\r\n\r\n",
        START "Content-Length: 5\r\n \r\nTransfer-Encoding: chunked\r\n\r\n",
        START "X: y\n Content-Length: 5\r\n\r\n",
        START "X: y\nContent-Length: 5\r\n\r\n",
        START "X: y\rContent-Length: 5\r\n\r\n",
        START "Content-Length: 5\r\nContent-Length: 5\r\n\r\n",
        START "Content-Length: 5, 5\r\n\r\n",
        START "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        START "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        START "Transfer-Encoding: chunked, chunked\r\n\r\n",
        START "Transfer-Encoding: gzip, chunked\r\n\r\n",
        START "Transfer-Encoding: identity\r\n\r\n",
        START "Transfer-Encoding: \"chunked\"\r\n\r\n",
        START "Transfer-Encoding:\vchunked\r\n\r\n",
        START "Transfer-Encoding : chunked\r\n\r\n",
        START "Transfer-Encoding\t: chunked\r\n\r\n",
        START " Transfer-Encoding: chunked\r\n\r\n",
        START "Content-Length: +5\r\n\r\n",
        START "Content-Length: -5\r\n\r\n",
        START "Content-Length: 0x5\r\n\r\n",
        START "Content-Length: 5 5\r\n\r\n",
        START "Content-Length:\r\n\r\n",
        START "Content-Length: 18446744073709551616\r\n\r\n",
        START "Content Length: 5\r\n\r\n",
        START ": 5\r\n\r\n",
        START "no colon\r\n\r\n",
        START "X: \x01\r\n\r\n",
        START "X: \x7f\r\n\r\n",
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
    };
    struct request_head head;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (read_all(cases[i], strlen(cases[i]), &head) != REQUEST_HEAD_INVALID)
            fail_msg("%s is not refused", cases[i]);
    static const char nul[] = START "X: a\0b\r\n\r\n";
    assert_int_equal(read_all(nul, sizeof nul - 1, &head), REQUEST_HEAD_INVALID);
}

static void large_heads(void **state)
{
    (void)state;
    static char text[REQUEST_HEAD_MAX + 100];
    memset(text, 'a', sizeof text);
    struct request_head head;
    assert_int_equal(read_all(text, REQUEST_HEAD_MAX, &head), REQUEST_HEAD_INCOMPLETE);
    assert_int_equal(read_all(text, REQUEST_HEAD_MAX + 1, &head), REQUEST_HEAD_TOO_LARGE);
}

static enum chunks_result read_chunks(const char *text, size_t piece, size_t *used, uint64_t *length)
{
    struct chunks chunks = {0};
    enum chunks_result result = CHUNKS_INCOMPLETE;
    size_t all = strlen(text), at = 0;
    while (at < all && result == CHUNKS_INCOMPLETE) {
        size_t count = all - at < piece ? all - at : piece;
        *used = count;
        result = chunks_read(&chunks, guarded((struct slice){text + at, count}), used);
        at += *used;
    }
    *used = at;
    *length = chunks.length;
    return result;
}

static void good_chunks(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t length;
    } cases[] = {
        {"0\r\n\r\n", 0},
        {"5\r\nabcde\r\n0\r\n\r\n", 5},
        {"005\r\nabcde\r\na\r\n0123456789\r\n000\r\n\r\n", 15},
        {"5;x=y;z=\"q\"\r\nabcde\r\n0 ; last\r\nT: x\r\nU: y\r\n\r\n", 5},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t piece = 1; piece < 100; piece++) {
            char text[200];
            size_t used;
            uint64_t length;
            snprintf(text, sizeof text, "%sGET / HTTP/1.1\r\n", cases[i].text);
            assert_int_equal(read_chunks(text, piece, &used, &length), CHUNKS_DONE);
            assert_int_equal(used, strlen(cases[i].text));
            assert_true(length == cases[i].length);
        }
}

static void bad_chunks(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "0x5\r\nabcde\r\n",
        "\r\n",
        "-5\r\n",
        "+5\r\n",
        " 5\r\n",
        "5\nabcde\r\n",
        "5\r\nabcdef\r\n",
        "5\r\nabcde\n",
        "5\r\nabcde0",
        "5 x\r\n",
        "5\rx",
        "g\r\n",
        "5;a\nb\r\n",
        "5;a\x01\r\n",
        "0\r\n\n",
        "0\r\nT: x\n",
        "0\r\n T: x\r\n",
        "0\n\n",
        "0\r\nT: x\rU\r\n",
        "1000000000000000\r\n",
        "ffffffffffffffff\r\n",
        "5;a\rb\r\n",
    };
    size_t used;
    uint64_t length;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t piece = 1; piece < 20; piece++)
            if (read_chunks(cases[i], piece, &used, &length) != CHUNKS_INVALID)
                fail_msg("%s is not refused", cases[i]);
    /* Extensions and trailers do not go on for ever. */
    static char text[20000] = "0;";
    memset(text + 2, 'e', sizeof text - 3);
    assert_int_equal(read_chunks(text, 1000, &used, &length), CHUNKS_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_heads),  cmocka_unit_test(bad_heads),  cmocka_unit_test(large_heads),
        cmocka_unit_test(good_chunks), cmocka_unit_test(bad_chunks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
