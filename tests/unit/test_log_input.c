#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "intake/frame.h"
#include "intake/log_input.h"
#include "support.h"

/* A text that comes in pieces. */
struct text {
    struct slice rest;
    size_t piece;   /* how long the first one is */
    size_t further; /* and all others; 0: they have no bound */
    int error;      /* what the last read fails with; 0: it does not */
};

static ssize_t read_text(void *context, char *buffer, size_t capacity)
{
    struct text *text = context;
    size_t length = text->rest.length < capacity ? text->rest.length : capacity;
    if (text->piece > 0 && length > text->piece)
        length = text->piece;
    text->piece = text->further;
    if (length == 0 && text->error != 0) {
        errno = text->error;
        return -1;
    }
    if (length > 0)
        memcpy(buffer, text->rest.at, length);
    text->rest = slice_after(text->rest, length);
    return (ssize_t)length;
}

static struct log_input *open_text(struct text *text)
{
    struct log_input *input = log_input_open(&(struct log_input_source){read_text, text});
    assert_non_null(input);
    return input;
}

/* Write the form's first letter and each message in brackets. */
static void list(struct text text, char *out, size_t capacity)
{
    struct log_input *input = open_text(&text);
    struct slice message;
    size_t length = 1;
    while (log_input_next(input, &message)) {
        assert_true(length + message.length + 8 < capacity);
        out[length++] = '[';
        for (size_t i = 0; i < message.length; i++)
            out[length++] = message.at[i] == '\0' ? '0' : message.at[i];
        out[length++] = ']';
    }
    out[length] = '\0';
    out[0] = "?fshc"[log_input_form(input)];
    assert_int_equal(log_input_error(input), text.error);
    log_input_close(input);
}

/* The same messages come out however the text comes in: whole, cut once anywhere, or byte by byte. */
static void check(const char *at, size_t length, const char *expected)
{
    char out[65536];
    for (size_t cut = 0; cut <= length + 1; cut++) {
        struct text text = {.rest = guarded((struct slice){at, length}), .piece = cut, .further = cut > length};
        list(text, out, sizeof out);
        if (strcmp(out, expected) != 0)
            fail_msg("%.*s\n  cut at %zu gave %s\n  not %s", (int)length, at, cut, out, expected);
    }
}
#define CHECK(text, expected) check(text, sizeof(text) - 1, expected)

static void frames(void **state)
{
    (void)state;
    CHECK("9 <1>1 abc\n9 <1>1 def\n", "f[<1>1 abc][<1>1 def]");
    CHECK("8 <1>1 abc8 <1>1 def", "f[<1>1 abc][<1>1 def]");
    CHECK("\r\n 8 <1>1 abc\n8 <1>1 def\n", "f[<1>1 abc][<1>1 def]");
    CHECK("18 <1>1 a\n<158>1 bad\n9 <1>1 def\n", "f[<1>1 a\n<158>1 bad][<1>1 def]");
    CHECK("7 <1>1 abc\nmore\n9 <1>1 def\n", "f[<1>1 abc\nmore][<1>1 def]");
    CHECK("10000 <1>1 abc\n9 <1>1 def\n", "f[<1>1 abc][<1>1 def]");
    CHECK("# a comment\n9 <1>1 abc\n", "f[# a comment][<1>1 abc]");
    CHECK("9 <1>1 \0bc\n1 \n", "f[<1>1 0bc][]");
    CHECK("8 <1>1 abc\r\n\r\n \n", "f[<1>1 abc]");
    CHECK("9 <1>1 abc\n12", "f[<1>1 abc][12]");
}

static void syslog_lines(void **state)
{
    (void)state;
    CHECK("<1>1 abc\n<1>1 def\n", "s[<1>1 abc][<1>1 def]");
    CHECK("<-1>1 abc\r\n\r\nplain\n<1>1 def", "s[<-1>1 abc][plain][<1>1 def]");
    CHECK("<1>1 abc\n9 <1>1 def\n", "s[<1>1 abc][<1>1 def]");
}

static void lines_without_a_form(void **state)
{
    (void)state;
    CHECK("", "?");
    CHECK("\n \n", "?");
    CHECK("hello\n12\n{}", "?[hello][12][{}]");
    CHECK("2026-02-03 04:05:06 app[web.1]: x\n", "?[2026-02-03 04:05:06 app[web.1]: x]");
}

#define WHEN "2026-02-03T04:05:06.123456+00:00"

static void output_of_heroku_logs(void **state)
{
    (void)state;
    CHECK(WHEN " app[web.1]: text\n", "h[<190>1 " WHEN " host app web.1 - text]");
    CHECK("2026-02-03T04:05:06Z heroku[router]: at=info\r\n",
          "h[<158>1 2026-02-03T04:05:06Z host heroku router - at=info]");
    CHECK(WHEN " app[web.1]:\n\n" WHEN " app[web.1]: \n" WHEN " app[web.1]:  two",
          "h[<190>1 " WHEN " host app web.1 - ][<190>1 " WHEN " host app web.1 - ][<190>1 " WHEN
          " host app web.1 -  two]");
    /* What has no header is no count either. */
    CHECK(" > Warning: old\n" WHEN " app[web.1]: a\n12 <b>\n<1>1 c\n" WHEN " app web.1: d\n",
          "h[ > Warning: old][<190>1 " WHEN " host app web.1 - a][12 <b>][<1>1 c][" WHEN " app web.1: d]");
    CHECK(WHEN " app[web.1]: [x]: y\n" WHEN " app[a b]: y\n" WHEN " app[]: y\n" WHEN " [a]: y\n",
          "h[<190>1 " WHEN " host app web.1 - [x]: y][" WHEN " app[a b]: y][" WHEN " app[]: y][" WHEN " [a]: y]");
}

#define CF_TIME "2026-02-03T04:05:06.12+0100"
#define CF_HEADER "<14>1 2026-02-03T04:05:06.12+01:00 - app [APP/PROC/WEB/0] - - "
#define CF_TAGS "[tags@47450 organization_name=\"acme corp\" space_name=\"prod\" app_name=\"a\\\"b\\]\"]"

static void output_of_cf_logs(void **state)
{
    (void)state;
    CHECK("   " CF_TIME " [APP/PROC/WEB/0] OUT text\n", "c[" CF_HEADER "text]");
    CHECK(CF_TIME " [APP/PROC/WEB/0] OUT  two [b]\r\n   " CF_TIME " [RTR/1] ERR x\n",
          "c[" CF_HEADER " two [b]][<11>1 2026-02-03T04:05:06.12+01:00 - app [RTR/1] - - x]");
    CHECK("\n   " CF_TIME " [APP/PROC/WEB/0] OUT\n   " CF_TIME " [APP/PROC/WEB/0] OUT \n",
          "c[" CF_HEADER "][" CF_HEADER "]");
    /* Colours are of the whole line. */
    CHECK("   \x1b[31;1m" CF_TIME " [APP/PROC/WEB/0] OUT red\x1b[0m\n", "c[" CF_HEADER "red]");
    /* It says itself of which app it is. */
    CHECK("Retrieving logs for app \x1b[36;1ma\"b]\x1b[0m in org acme corp / space prod as bob@x...\n\n" CF_TIME
          " [APP/PROC/WEB/0] OUT x\n" CF_TIME " [CELL/0] OUT y\n",
          "c[<14>1 2026-02-03T04:05:06.12+01:00 - app [APP/PROC/WEB/0] - " CF_TAGS
          " x][<14>1 2026-02-03T04:05:06.12+01:00 - app [CELL/0] - " CF_TAGS " y]");
    CHECK("Retrieving logs for app a in org b\n" CF_TIME " [APP/PROC/WEB/0] OUT x\n",
          "c[Retrieving logs for app a in org b][" CF_HEADER "x]");
    /* What is not quite so is a line without a header. */
    CHECK(CF_TIME " [APP/PROC/WEB/0] OUT a\n" CF_TIME " [APP/PROC/WEB/0] OUTER\n" CF_TIME " [a b] OUT x\n" CF_TIME
                  " APP OUT x\n" WHEN " [a] OUT x\n2026-02-03T04:05:06.12+010 [a] OUT x\n",
          "c[" CF_HEADER "a][" CF_TIME " [APP/PROC/WEB/0] OUTER][" CF_TIME " [a b] OUT x][" CF_TIME " APP OUT x][" WHEN
          " [a] OUT x][2026-02-03T04:05:06.12+010 [a] OUT x]");
}

static void check_named(const char *app, const char *expected)
{
    struct text text = {.rest = SLICE(CF_TIME " [APP/PROC/WEB/0] OUT x\n")};
    struct log_input *input = open_text(&text);
    struct slice message;
    log_input_name_app(input, slice_of(app));
    assert_true(log_input_next(input, &message));
    assert_slice(message, expected);
    log_input_close(input);
}

static void an_app_is_named(void **state)
{
    (void)state;
    check_named("acme/prod/a/b", "<14>1 2026-02-03T04:05:06.12+01:00 - app [APP/PROC/WEB/0] - [tags@47450 "
                                 "organization_name=\"acme\" space_name=\"prod\" app_name=\"a/b\"] x");
    check_named("shop", "<14>1 2026-02-03T04:05:06.12+01:00 - shop [APP/PROC/WEB/0] - - x");
    check_named("acme//shop", "<14>1 2026-02-03T04:05:06.12+01:00 - acme//shop [APP/PROC/WEB/0] - - x");
    check_named("a shop", CF_HEADER "x"); /* no word of a header */
    check_named("", CF_HEADER "x");
}

static void colours_of_a_terminal(void **state)
{
    (void)state;
    CHECK("\x1b[36m" WHEN " heroku[router]:\x1b[0m at=\x1b[1;32minfo\x1b[0m\n",
          "h[<158>1 " WHEN " host heroku router - at=info]");
    CHECK(WHEN " \x1b[36mapp[web.1]:\x1b[39m a\x1b[mb\x1b[", "h[<190>1 " WHEN " host app web.1 - ab\x1b[]");
    /* If the header has none, they are the app's own. */
    CHECK(WHEN " app[web.1]: \x1b[31mred\x1b[0m\n", "h[<190>1 " WHEN " host app web.1 - \x1b[31mred\x1b[0m]");
    CHECK("\x1b[36mno header\x1b[0m\n" WHEN " app[web.1]: a\n",
          "h[\x1b[36mno header\x1b[0m][<190>1 " WHEN " host app web.1 - a]");
}

/* Lines are returned as soon as they are there, so that a log can be followed. */
static void nothing_is_waited_for(void **state)
{
    (void)state;
    const char *logs[] = {WHEN " app[web.1]: a\n", "<1>1 abc\n", "9 <1>1 abc\n9 "};
    for (size_t i = 0; i < 3; i++) {
        struct text text = {.rest = slice_of(logs[i]), .error = EIO};
        struct log_input *input = open_text(&text);
        struct slice message;
        assert_false(log_input_has_next(input));
        assert_true(log_input_next(input, &message));
        assert_int_equal(log_input_error(input), 0); /* the read that would have failed was not tried */
        assert_false(log_input_has_next(input));
        log_input_close(input);
    }
}

static void errors_are_told(void **state)
{
    (void)state;
    char out[256];
    list((struct text){.rest = SLICE("<1>1 abc\n<1>1 d"), .error = EIO}, out, sizeof out);
    assert_string_equal(out, "s[<1>1 abc][<1>1 d]");
}

static void positions(void **state)
{
    (void)state;
    struct text text = {.rest = SLICE("9 <1>1 abc\n9 <1>1 def\n")};
    struct log_input *input = open_text(&text);
    struct slice message;
    assert_int_equal(log_input_position(input), 0);
    assert_true(log_input_next(input, &message));
    assert_int_equal(log_input_position(input), 11);
    assert_true(log_input_next(input, &message));
    assert_int_equal(log_input_position(input), 22);
    assert_false(log_input_next(input, &message));
    log_input_close(input);
}

/* What a batch holds is what frame.c finds in it, whatever the messages are. */
static void batches(void **state)
{
    (void)state;
    const char log[] = "9 <1>1 abc\n1 \n12 <1>1 a\n\n\nbc\n9 <1>1 def\r11 <1>1 gh \n\n\n8 8 <1>1 x\n<1>1 z";
    struct text text = {.rest = {log, sizeof log - 1}}, again = text;
    struct log_input *input = open_text(&text), *other = open_text(&again);
    struct buffer body = {0};
    struct slice expected, message;
    size_t total = 0, count;
    while ((count = log_input_batch(input, 20, &body)) > 0) {
        struct slice rest = {body.at, body.length};
        for (size_t i = 0; i < count; i++) {
            assert_true(log_input_next(other, &expected));
            assert_int_equal(frame_next(&rest, &message), FRAME_MESSAGE);
            if (!slice_equals(message, expected))
                fail_msg("%.*s is not %.*s", (int)message.length, message.at, (int)expected.length, expected.at);
        }
        assert_int_equal(frame_next(&rest, &message), FRAME_END);
        total += count;
    }
    assert_false(log_input_next(other, &expected));
    assert_int_equal(total, 7);
    buffer_free(&body);
    log_input_close(input);
    log_input_close(other);
}

/* As in frame.c: however long a message is, as long as it fits the window. */
static void long_messages(void **state)
{
    (void)state;
    enum { SIZE = 12345678 };
    char *bytes = malloc(SIZE + 64);
    assert_non_null(bytes);
    size_t prefix = (size_t)sprintf(bytes, "%d ", SIZE);
    memset(bytes + prefix, 'x', SIZE);
    memcpy(bytes + prefix, "<1>1 a\n9 <158>1 b\n<158>1 bad\n", 30);
    memcpy(bytes + prefix + SIZE, "9 <1>1 def\n", 12);
    struct text text = {.rest = {bytes, prefix + SIZE + 11}, .piece = 65536, .further = 65536};
    struct log_input *input = open_text(&text);
    struct slice message;
    assert_true(log_input_next(input, &message));
    assert_int_equal(message.length, SIZE);
    assert_true(log_input_next(input, &message));
    assert_slice(message, "<1>1 def");
    assert_false(log_input_next(input, &message));
    log_input_close(input);
    free(bytes);
}

/* A wrong count is known as such as soon as what it counts is there, or at once if that could never be. */
static void wrong_counts(void **state)
{
    (void)state;
    static char log[512] = "99 <1>1 abc\n9 <1>1 def\n";
    memset(log + strlen(log), 'x', 200);
    const char *const logs[] = {log, "99999999 <1>1 abc\n9 <1>1 def\n9 "};
    for (size_t i = 0; i < 2; i++) {
        struct text text = {.rest = slice_of(logs[i]), .error = EIO};
        struct log_input *input = open_text(&text);
        struct slice message;
        assert_true(log_input_next(input, &message));
        assert_slice(message, "<1>1 abc");
        assert_int_equal(log_input_error(input), 0);
        log_input_close(input);
    }
}

/* Endless lines, endless blanks, counts without end: what is kept is bounded, and time is linear. */
static void hostile_input(void **state)
{
    (void)state;
    enum { SIZE = 40 << 20 };
    char *bytes = malloc(SIZE);
    assert_non_null(bytes);
    const char *const starts[] = {
        "x", "\n", "9999999 <1>1 x", "99999999999 <", "<1>1 ", WHEN " app[web.1]: ", "1 \n2 <"};
    const char fills[] = {'x', '\n', 'x', '9', ' ', '\x1b', '1'};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        memset(bytes, fills[i], SIZE);
        memcpy(bytes, starts[i], strlen(starts[i]));
        struct text text = {.rest = {bytes, SIZE}, .piece = 65536, .further = 65536};
        struct log_input *input = open_text(&text);
        struct slice message;
        size_t messages = 0;
        while (log_input_next(input, &message)) {
            assert_true(message.length <= LOG_INPUT_WINDOW + 100);
            messages++;
        }
        assert_in_range(messages, 0, 8);
        assert_int_equal(log_input_position(input), SIZE);
        log_input_close(input);
    }
    /* Each count is wrong. */
    for (size_t i = 0; i + 8 <= SIZE; i += 8)
        memcpy(bytes + i, "99 <1>1\n", 8);
    struct text text = {.rest = {bytes, SIZE}, .piece = 65536, .further = 65536};
    struct log_input *input = open_text(&text);
    struct slice message;
    size_t messages = 0;
    while (log_input_next(input, &message))
        messages++;
    assert_in_range(messages, SIZE / 8 - 1, SIZE / 8);
    log_input_close(input);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames),
        cmocka_unit_test(syslog_lines),
        cmocka_unit_test(lines_without_a_form),
        cmocka_unit_test(output_of_heroku_logs),
        cmocka_unit_test(output_of_cf_logs),
        cmocka_unit_test(an_app_is_named),
        cmocka_unit_test(colours_of_a_terminal),
        cmocka_unit_test(nothing_is_waited_for),
        cmocka_unit_test(errors_are_told),
        cmocka_unit_test(positions),
        cmocka_unit_test(batches),
        cmocka_unit_test(long_messages),
        cmocka_unit_test(wrong_counts),
        cmocka_unit_test(hostile_input),
    };
    return cmocka_run_group_tests_name("log_input", tests, NULL, NULL);
}
