#include "intake/syslog.h"

#include <stdio.h>
#include <stdlib.h>

#include "support.h"

static void check(const char *text, enum syslog_shape shape, const char *appname, const char *procid,
                  const char *message)
{
    struct line line;
    assert_true(syslog_parse(guarded(slice_of(text)), shape, &line));
    assert_slice(line.appname, appname);
    assert_slice(line.procid, procid);
    assert_slice(line.message, message);
}

static void logplex_shape(void **state)
{
    (void)state;
    check("<190>1 2022-12-07T15:54:57.123456+00:00 host app web.1 - hello  world ", SYSLOG_LOGPLEX, "app", "web.1",
          "hello  world ");
    check("<45>1 t host heroku router - - not structured data", SYSLOG_LOGPLEX, "heroku", "router",
          "- not structured data");
    check("<190>1 t host app web.1 - [a@1 b=\"c\"] text", SYSLOG_LOGPLEX, "app", "web.1", "[a@1 b=\"c\"] text");
    check("<190>1 t host app web.1 - ", SYSLOG_LOGPLEX, "app", "web.1", "");
    check("<190>1 t host app web.1 -", SYSLOG_LOGPLEX, "app", "web.1", "");
    check("<456>1 t host app - 10 text", SYSLOG_LOGPLEX, "app", "", "text");
    check("<190>1 t  app web.1  text", SYSLOG_LOGPLEX, "app", "web.1", "text"); /* empty parts */
    check("<190>1 2022-12-07T15:54:57.123456+00:00 "
          "a-host-name-that-is-longer-than-one-block-of-sixty-four-bytes-for-sure app web.1 - x",
          SYSLOG_LOGPLEX, "app", "web.1", "x");
}

static void assert_same(struct slice a, struct slice b)
{
    assert_int_equal(a.length, b.length);
    assert_memory_equal(a.at, b.at, a.length);
}

/* What nearly all messages look like is read in a way of its own; the same behind a priority that few have is not, and
 * must be read alike. */
static void the_usual_way_is_no_other(void **state)
{
    (void)state;
    static const char usual[] = "<190>1 ", unusual[] = "<-1>1 ";
    unsigned seed = 1;
    for (int round = 0; round < 200000; round++) {
        char text[256];
        size_t length = (size_t)rand_r(&seed) % 200;
        unsigned one_in = 3 + (unsigned)rand_r(&seed) % 30;
        for (size_t i = 0; i < length; i++)
            text[i] = rand_r(&seed) % (int)one_in == 0 ? ' ' : "-abc"[rand_r(&seed) % 4];
        char first[300], second[300];
        struct slice a = {first, (size_t)snprintf(first, sizeof first, "%s%.*s", usual, (int)length, text)};
        struct slice b = {second, (size_t)snprintf(second, sizeof second, "%s%.*s", unusual, (int)length, text)};
        struct line here, there;
        bool is_read = syslog_parse(a, SYSLOG_LOGPLEX, &here);
        assert_int_equal(is_read, syslog_parse(b, SYSLOG_LOGPLEX, &there));
        if (!is_read)
            continue;
        assert_same(here.timestamp, there.timestamp);
        assert_same(here.hostname, there.hostname);
        assert_same(here.appname, there.appname);
        assert_same(here.procid, there.procid);
        assert_same(here.message, there.message);
        assert_int_equal(here.structured_data.length, 0);
    }
}

static void full_shape(void **state)
{
    (void)state;
    check("<190>1 t host app web.1 - - text", SYSLOG_RFC5424, "app", "web.1", "text");
    check("<190>1 t host app web.1 - -", SYSLOG_RFC5424, "app", "web.1", "");
    check("<14>1 t h id [APP/2] - [tags@47450 key=\"a\\\"]b\" x=\"]\"][y@1 z=\"\"] just a test", SYSLOG_RFC5424, "id",
          "[APP/2]", "just a test");
    check("<-1>1 t h id [1] - [gauge@47450 name=\"cpu\"] ", SYSLOG_RFC5424, "id", "[1]", "");
    check("<14>1 t h id p - - \xEF\xBB\xBFtext", SYSLOG_RFC5424, "id", "p", "text");
    /* Text that only looks like it stays. */
    check("<14>1 t h id p - [GIN] 2022/06/13 | 200", SYSLOG_RFC5424, "id", "p", "[GIN] 2022/06/13 | 200");
    check("<14>1 t h id p - [a@1 b=\"never closed", SYSLOG_RFC5424, "id", "p", "[a@1 b=\"never closed");
    check("<14>1 t h id p - -5 degrees", SYSLOG_RFC5424, "id", "p", "-5 degrees");
}

static void host_and_structured_data(void **state)
{
    (void)state;
    struct line line;
    assert_true(
        syslog_parse(slice_of("<14>1 t org.space.app id [APP/2] - [a@1 k=\"\\]\"][b@1] text"), SYSLOG_RFC5424, &line));
    assert_slice(line.hostname, "org.space.app");
    assert_slice(line.structured_data, "[a@1 k=\"\\]\"][b@1]");
    assert_slice(line.message, "text");
    assert_true(syslog_parse(slice_of("<14>1 t host id p - - text"), SYSLOG_RFC5424, &line));
    assert_slice(line.structured_data, "");
    /* Logplex writes none: what looks like it was printed by the app. */
    assert_true(syslog_parse(slice_of("<14>1 t host id p - [a@1] text"), SYSLOG_LOGPLEX, &line));
    assert_slice(line.structured_data, "");
    assert_slice(line.message, "[a@1] text");
}

static void no_header(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "plain",
                                        "<",
                                        "<190",
                                        "<190>",
                                        "<190>1",
                                        "<190>1 ",
                                        "<>1 a b c d e f",
                                        "<1234>1 a b c d e f",
                                        "<190>2 t host app web.1 - x",
                                        "<190>1 t host app web.1",
                                        "<190>1 t host app web.1 ",
                                        "<190>1 t host app",
                                        "190>1 t h a p - x"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct line line;
        if (syslog_parse(guarded(slice_of(texts[i])), SYSLOG_RFC5424, &line))
            fail_msg("\"%s\" has a header", texts[i]);
        assert_slice(line.message, texts[i]);
        assert_int_equal(line.procid.length, 0);
    }
}

static void cut(struct slice text)
{
    struct line line;
    int64_t time;
    syslog_parse(text, SYSLOG_LOGPLEX, &line);
    if (syslog_parse(text, SYSLOG_RFC5424, &line))
        syslog_time(line.timestamp, &time);
    syslog_time(text, &time);
}

static void every_cut_is_survived(void **state)
{
    (void)state;
    each_cut(
        SLICE("<14>1 2018-09-07T16:15:38.477531+00:00 h id [APP/2] - [tags@47450 key=\"a\\\"]b\"][y@1 z=\"\"] text"),
        cut);
    each_cut(SLICE("2018-09-07T16:15:38.477531+00:00"), cut);
}

static void check_time(const char *text, int64_t expected)
{
    int64_t time;
    if (!syslog_time(guarded(slice_of(text)), &time))
        fail_msg("%s cannot be read", text);
    assert_int_equal(time, expected);
}

static void times(void **state)
{
    (void)state;
    check_time("1970-01-01T00:00:00Z", 0);
    check_time("1970-01-01T00:00:00.012345+00:00", 12345);
    check_time("2022-12-07T15:54:57.123456+00:00", 1670428497123456);
    check_time("2022-12-07T15:54:57+00:00", 1670428497000000);
    check_time("2022-12-07T15:54:57.66229+00:00", 1670428497662290);
    check_time("2022-12-07T15:54:57.123456789Z", 1670428497123456);
    check_time("2022-12-07T08:54:57.5-07:00", 1670428497500000);
    check_time("2012-07-22T00:06:26-00:00", 1342915586000000);
    check_time("2012-12-10T03:56:29Z+00:00", 1355111789000000);
    check_time("2024-02-29T00:00:00Z", 1709164800000000);
    check_time("2000-03-01T00:00:00Z", 951868800000000);
    check_time("2016-12-31T23:59:60Z", 1483228800000000);
    static const char *const wrong[] = {"",
                                        "-",
                                        "2022-12-07",
                                        "2022-13-07T15:54:57Z",
                                        "2022-12-07 15:54:57Z",
                                        "2022-12-07T24:54:57Z",
                                        "2022-12-07T15:54:57",
                                        "2022-12-07T15:54:57.1234567890Z",
                                        "2022-12-07T15:54:57+0000",
                                        "2022-12-07T15:54:57.",
                                        "2022-12-07T15:54:57+00:00x",
                                        "x022-12-07T15:54:57Z"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        int64_t time = 7;
        if (syslog_time(guarded(slice_of(wrong[i])), &time))
            fail_msg("\"%s\" was read", wrong[i]);
        assert_int_equal(time, 7);
    }
}

/* One that stands near the time before it, and one that does not, is read as it is alone. */
static void near_times(void **state)
{
    (void)state;
    static const char *const texts[] = {"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\00057.",
                                        "2022-12-07T15:54:57.123456+00:00",
                                        "2022-12-07T15:54:57.123456+00:00",
                                        "2022-12-07T15:54:58.5+00:00",
                                        "2022-12-07T15:54:00.5-07:00",
                                        "2022-12-07T15:54:60Z",
                                        "2022-12-07T15:54:01Z",
                                        "2022-12-07T15:54:61Z",
                                        "2022-12-07T15:54:0xZ",
                                        "2022-12-07T15:54:02",
                                        "2022-12-07T15:54:02.",
                                        "2022-12-07T15:54:02.5Z+00:00",
                                        "2022-12-07T15:55:02.5Z+00:00",
                                        "2022-13-07T15:55:02.5Z",
                                        "2022-12-07T15:54:01.0000001Z",
                                        "2022-12-07T15:54:01.1234567890Z",
                                        "2022-12-07T15:54:59.123456789Z"};
    struct syslog_minute near = {0};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct slice text = {texts[i], i == 0 ? 20 : strlen(texts[i])};
        int64_t alone = 7, after = 7;
        bool read = syslog_time(text, &alone);
        assert_true(syslog_time_near(guarded(text), &near, &after) == read);
        assert_int_equal(after, alone);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logplex_shape), cmocka_unit_test(the_usual_way_is_no_other),
        cmocka_unit_test(full_shape),    cmocka_unit_test(host_and_structured_data),
        cmocka_unit_test(no_header),     cmocka_unit_test(every_cut_is_survived),
        cmocka_unit_test(times),         cmocka_unit_test(near_times),
    };
    return cmocka_run_group_tests_name("syslog", tests, NULL, NULL);
}
