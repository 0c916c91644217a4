/* Bodies of Cloud Foundry, cut into messages. */
#include "intake/cf_frame.h"

#include <stdio.h>
#include <stdlib.h>

#include "intake/syslog.h"
#include "support.h"

#define HEAD "<14>1 2026-02-03T04:05:06.123456+00:00 acme.prod.shop 3517892b [0] - "
#define TAGS "[tags@47450 a=\"b\"]"

static const char *const nothing[] = {NULL};

static void expect(const char *body, const char *const messages[])
{
    struct slice rest = slice_of(body), message;
    struct line line, parsed;
    struct syslog_minute minute = {0};
    for (int i = 0; messages[i] != NULL; i++) {
        assert_int_equal(cf_frame_next(&rest, &message, &line, &minute), FRAME_MESSAGE);
        char text[2000];
        snprintf(text, sizeof text, "%.*s", (int)message.length, message.at);
        assert_string_equal(text, messages[i]);
        if (line.structured_data.length == 0)
            continue;
        assert_true(syslog_parse(message, SYSLOG_RFC5424, &parsed));
        assert_int_equal(line.message.length, parsed.message.length);
        assert_ptr_equal(line.message.at, parsed.message.at);
        assert_int_equal(line.structured_data.length, parsed.structured_data.length);
        assert_ptr_equal(line.procid.at, parsed.procid.at);
    }
    assert_int_equal(cf_frame_next(&rest, &message, &line, &minute), FRAME_END);
}
#define EXPECT(body, ...) expect(body, (const char *const[]){__VA_ARGS__, NULL})

static void messages(void **state)
{
    (void)state;
    expect("", nothing);
    expect("\n \r\n", nothing);
    EXPECT(HEAD "- a\n" HEAD "- b\n", HEAD "- a", HEAD "- b");
    EXPECT(HEAD "- a", HEAD "- a");
    EXPECT(HEAD TAGS " \n" HEAD TAGS " \n", HEAD TAGS " ", HEAD TAGS " ");
    EXPECT(HEAD TAGS "\n" HEAD TAGS "\n" HEAD "-\n" HEAD "- a\n", HEAD TAGS, HEAD TAGS, HEAD "-", HEAD "- a");
    EXPECT("no header\n" HEAD "- a\n", "no header", HEAD "- a");
    EXPECT("<14>1 nothing of the kind\nmore\n" HEAD "- a\n", "<14>1 nothing of the kind\nmore", HEAD "- a");
}

static void newlines(void **state)
{
    (void)state;
    /* in what an app prints */
    EXPECT(HEAD "- a\nb\n\n<14> c\n" HEAD "- d\n", HEAD "- a\nb\n\n<14> c", HEAD "- d");
    EXPECT(HEAD "- a\n<14>1 yesterday b\n", HEAD "- a\n<14>1 yesterday b");
    /* also what begins as a message, but has no whole header */
#define TIME "<14>1 2026-02-03T04:05:06Z "
    static const char *const printed[] = {TIME "b\nc", TIME "a b c\n- - d", TIME "a b c -", TIME "a  c - - d", TIME};
    for (size_t i = 0; i < sizeof printed / sizeof printed[0]; i++) {
        char body[400], one[300];
        snprintf(one, sizeof one, HEAD "- a\n%s", printed[i]);
        snprintf(body, sizeof body, "%s\n" HEAD "- e\n", one);
        EXPECT(body, one, HEAD "- e");
    }
    EXPECT(HEAD "- a\n" TIME "a b c - -\n" TIME "a b c - d\n", HEAD "- a", TIME "a b c - -", TIME "a b c - d");
    /* in a value, also what looks like a message there */
    EXPECT(HEAD "[tags@47450 f=\"1\n2\n" HEAD "\\\"]\n\"] \n" HEAD "- a\n",
           HEAD "[tags@47450 f=\"1\n2\n" HEAD "\\\"]\n\"] ", HEAD "- a");
}

static void counts(void **state)
{
    (void)state;
    char body[1000];
    snprintf(body, sizeof body, "%zu %s%zu %s", strlen(HEAD "- a\nb\n"), HEAD "- a\nb\n", strlen(HEAD "- c\n"),
             HEAD "- c\n");
    EXPECT(body, HEAD "- a\nb", HEAD "- c");
}

static void first(void **state)
{
    (void)state;
    assert_true(cf_frame_is_first(SLICE(HEAD "- a\n")));
    assert_true(cf_frame_is_first(SLICE("80 " HEAD "- a\n")));
    assert_false(cf_frame_is_first((struct slice){NULL, 0}));
    assert_true(cf_frame_is_first(SLICE("<-1>1 2026-02-03T04:05:06Z h a [APP/PROC/WEB/0] - - a\n")));
    assert_false(cf_frame_is_first(SLICE("<14>1 2026-02-03T04:05:06Z host app web.1 - hello\n")));
    assert_false(cf_frame_is_first(SLICE("70 <174>1 2012-07-22T00:06:26+00:00 host erlang console - Hi\n")));
    assert_false(cf_frame_is_first(SLICE("<14>1 yesterday h a [0] - - a\n")));
    assert_false(cf_frame_is_first(SLICE("hello [0]\n")));
    assert_false(cf_frame_is_first(SLICE("")));
}

/* Elements that do not close, one in each of many messages, cost no more than the bytes that they are. */
static void hostile(void **state)
{
    (void)state;
    static const char text[] = "<14>1 2026-02-03T04:05:06Z h a - - [a@1 b=\"\n";
    enum { SIZE = 8 << 20 };
    char *body = malloc(SIZE);
    assert_non_null(body);
    for (size_t i = 0; i < SIZE; i++)
        body[i] = text[i % (sizeof text - 1)];
    struct slice rest = {body, SIZE}, message;
    struct line line;
    struct syslog_minute minute = {0};
    size_t frames = 0;
    while (cf_frame_next(&rest, &message, &line, &minute) != FRAME_END)
        frames++;
    assert_true(frames >= 1 && frames <= SIZE / 60000);
    free(body);
}

/* A body that is one message holds no other, not even one that an app forges. */
static void whole(void **state)
{
    (void)state;
    struct line line;
    struct syslog_minute minute = {0};
    struct slice message, body = guarded(SLICE(HEAD "- hello\n" HEAD "- forged\n"));
    assert_int_equal(cf_frame_whole(&body, &message, &line, &minute), FRAME_MESSAGE);
    assert_slice(message, HEAD "- hello\n" HEAD "- forged");
    assert_int_equal(cf_frame_whole(&body, &message, &line, &minute), FRAME_END);
    body = guarded(SLICE("9 <1>1 abc\n9 <1>1 def\n"));
    assert_int_equal(cf_frame_whole(&body, &message, &line, &minute), FRAME_MESSAGE);
    assert_slice(message, "<1>1 abc");
    body = guarded(SLICE(""));
    assert_int_equal(cf_frame_whole(&body, &message, &line, &minute), FRAME_END);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages), cmocka_unit_test(newlines), cmocka_unit_test(counts),
        cmocka_unit_test(first),    cmocka_unit_test(hostile),  cmocka_unit_test(whole),
    };
    return cmocka_run_group_tests_name("cf_frame", tests, NULL, NULL);
}
