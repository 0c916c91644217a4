#include "intake/frame.h"

#include <stdio.h>
#include <stdlib.h>

#include "support.h"

/* Split a body and write each message in brackets, repaired ones with a "!" before them. */
static void split(struct slice body, char *out, size_t capacity)
{
    struct slice message;
    enum frame_result result;
    size_t length = 0;
    out[0] = '\0';
    while ((result = frame_next(&body, &message)) != FRAME_END) {
        assert_true(length + message.length + 8 < capacity);
        if (result == FRAME_REPAIRED)
            out[length++] = '!';
        out[length++] = '[';
        for (size_t i = 0; i < message.length; i++)
            out[length++] = message.at[i] == '\0' ? '0' : message.at[i];
        out[length++] = ']';
        out[length] = '\0';
    }
}

static void check(const char *body, size_t length, const char *expected)
{
    char out[65536];
    split(guarded((struct slice){body, length}), out, sizeof out);
    if (strcmp(out, expected) != 0)
        fail_msg("%.*s\n  gave %s\n  not  %s", (int)length, body, out, expected);
}
#define CHECK(body, expected) check(body, sizeof(body) - 1, expected)

static void right_counts(void **state)
{
    (void)state;
    CHECK("", "");
    CHECK("8 <1>1 abc", "[<1>1 abc]");
    CHECK("9 <1>1 abc\n9 <1>1 def\n", "[<1>1 abc][<1>1 def]");
    CHECK("8 <1>1 abc8 <1>1 def", "[<1>1 abc][<1>1 def]"); /* no newline inside: L10, 10,000-byte pieces */
    CHECK("8 <1>1 abc9 <1>1 def\n8 <1>1 ghi", "[<1>1 abc][<1>1 def][<1>1 ghi]");
    CHECK("8 <1>1 abc\n8 <1>1 def\n", "[<1>1 abc][<1>1 def]"); /* newline outside the count */
    CHECK("8 <1>1 abc\r\n8 <1>1 def\r\n", "[<1>1 abc][<1>1 def]");
    CHECK("10 <1>1 abc\r\n10 <1>1 def\r\n", "[<1>1 abc][<1>1 def]"); /* CRLF inside */
    CHECK("\n\n9 <1>1 abc\n\n", "[<1>1 abc]");
    CHECK(" \t9 <1>1 abc\n 9 <1>1 def\n", "[<1>1 abc][<1>1 def]");
    CHECK("9 <1>1 \0bc\n", "[<1>1 0bc]");
    CHECK("9 <1>1 \xff\xfe"
          "c\n",
          "[<1>1 \xff\xfe"
          "c]");
    CHECK("1 \n9 <1>1 abc\n", "[][<1>1 abc]"); /* a blank message is one */
}

/* What stands inside a message whose count is right is never taken for a message. */
static void no_forging(void **state)
{
    (void)state;
    CHECK("18 <1>1 a\n<158>1 bad\n9 <1>1 def\n", "[<1>1 a\n<158>1 bad][<1>1 def]");
    CHECK("19 <1>1 a\n8 <15>1 bad\n9 <1>1 def\n", "[<1>1 a\n8 <15>1 bad][<1>1 def]");
    CHECK("17 <1>1 a\n\n8 <15>1 x", "[<1>1 a\n\n8 <15>1 x]");
    CHECK("14 <1>1 a8 <1>1 b8 <1>1 abc", "[<1>1 a8 <1>1 b][<1>1 abc]");
}

/* However long a message is, what stands in it is not taken for one. */
static void no_forging_in_long_messages(void **state)
{
    (void)state;
    static const size_t sizes[] = {9999999, 10000000, 12345678, 100000000};
    static const char bad[] = "<1>1 a\n9 <158>1 b\n<158>1 bad\n";
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t size = sizes[i];
        char *body = malloc(size + 64);
        assert_non_null(body);
        size_t prefix = (size_t)sprintf(body, "%zu ", size);
        memset(body + prefix, 'x', size);
        memcpy(body + prefix, bad, sizeof bad - 1);
        memcpy(body + prefix + size, "9 <1>1 def\n", 12);
        struct slice rest = {body, prefix + size + 11}, message;
        assert_int_equal(frame_look_ahead(rest), prefix + size + 64);
        assert_int_equal(frame_next(&rest, &message), FRAME_MESSAGE);
        assert_int_equal(message.length, size);
        assert_int_equal(frame_next(&rest, &message), FRAME_MESSAGE);
        assert_slice(message, "<1>1 def");
        assert_int_equal(frame_next(&rest, &message), FRAME_END);
        free(body);
    }
}

static void look_ahead(void **state)
{
    (void)state;
    assert_int_equal(frame_look_ahead(SLICE("")), 0);
    assert_int_equal(frame_look_ahead(SLICE("12")), 0);
    assert_int_equal(frame_look_ahead(SLICE("<1>1 abc")), 0);
    assert_int_equal(frame_look_ahead(SLICE("12 <1>1 abc")), 3 + 12 + 64);
    assert_int_equal(frame_look_ahead(SLICE(" \n0012 <1>1 abc")), 2 + 5 + 12 + 64);
    assert_int_equal(frame_look_ahead(SLICE("18446744073709551615 <")), SIZE_MAX);
    assert_int_equal(frame_look_ahead(SLICE("18446744073709551616 <")), SIZE_MAX);
    assert_int_equal(frame_look_ahead(SLICE("99999999999999999999999999 <")), SIZE_MAX);
}

static void wrong_counts(void **state)
{
    (void)state;
    CHECK("7 <1>1 abc\n9 <1>1 def\n", "![<1>1 abc][<1>1 def]"); /* characters instead of bytes */
    CHECK("1000000 <1>1 abc\n9 <1>1 def\n", "![<1>1 abc][<1>1 def]");
    CHECK("99999999999999999999999999 <1>1 abc\n9 <1>1 def\n", "![<1>1 abc][<1>1 def]");
    CHECK("18446744073709551616 <1>1 abc\n9 <1>1 def\n", "![<1>1 abc][<1>1 def]"); /* 2 to the 64th */
    CHECK("18446744073709551624 <1>1 abc\n9 <1>1 def\n", "![<1>1 abc][<1>1 def]");
    CHECK("12 <1>1 abc\n9 <1>1 def\n", "![<1>1 abc][<1>1 def]");
    CHECK("9 <1>1 abc", "[<1>1 abc]"); /* the last newline was lost */
    CHECK("10 <1>1 abc", "![<1>1 abc]");
    CHECK("0 <1>1 abc\n", "![<1>1 abc]");
    CHECK("7 <1>1 abc\nmore\n9 <1>1 def\n", "![<1>1 abc\nmore][<1>1 def]"); /* up to the next line start */
    CHECK("7 <1>1 abc\n \r\n9 <1>1 def\n", "![<1>1 abc][<1>1 def]");
    CHECK("9 ", "![]");
    CHECK("10 ---", "![---]");
}

static void no_counts(void **state)
{
    (void)state;
    CHECK("<1>1 abc\n<1>1 def\n", "[<1>1 abc][<1>1 def]");
    CHECK("<1>1 abc\r\n<1>1 def", "[<1>1 abc][<1>1 def]");
    CHECK("plain text\nmore\n", "[plain text][more]");
    CHECK("123", "[123]");
    CHECK("<-1>1 abc\n9 <1>1 def\n<1>1 g", "[<-1>1 abc][<1>1 def][<1>1 g]"); /* both kinds in one body */
    CHECK("9 <1>1 abc\n10 ---", "[<1>1 abc]![---]"); /* what follows a right count cannot spoil it */
}

static void check_cut(struct slice cut)
{
    char out[4096];
    split(cut, out, sizeof out);
}

static void every_cut_is_survived(void **state)
{
    (void)state;
    each_cut(
        SLICE("9 <1>1 abc\n\r\n 142 <172>1 x host heroku logplex - Error L10 (output): 1 messages dropped.98 <45>1 y\n"
              "1000000 <1>1 q\n<190>1 z\n7 <1>1 w\n"),
        check_cut);
}

/* A repair looks for the next line start; a body of nothing but newlines must not make that quadratic. */
static void hostile_bodies_take_linear_time(void **state)
{
    (void)state;
    static char body[4 << 20];
    memset(body, '\n', sizeof body);
    memcpy(body, "9999999 x", 9);
    memcpy(body + sizeof body - 1, "y", 1);
    struct slice rest = {body, sizeof body}, message;
    size_t messages = 0;
    while (frame_next(&rest, &message) != FRAME_END)
        messages++;
    assert_int_equal(messages, 1);

    for (size_t i = 0; i + 4 <= sizeof body; i += 4)
        memcpy(body + i, "7 \n\n", 4);
    rest = (struct slice){body, sizeof body};
    messages = 0;
    while (frame_next(&rest, &message) != FRAME_END)
        messages++;
    assert_in_range(messages, 1, sizeof body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_counts),
        cmocka_unit_test(no_forging),
        cmocka_unit_test(no_forging_in_long_messages),
        cmocka_unit_test(look_ahead),
        cmocka_unit_test(wrong_counts),
        cmocka_unit_test(no_counts),
        cmocka_unit_test(every_cut_is_survived),
        cmocka_unit_test(hostile_bodies_take_linear_time),
    };
    return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
