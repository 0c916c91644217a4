#include <stdio.h>

#include "base/line_patterns.h"
#include "support.h"

static void check(const char *text, const char *expected)
{
    char out[LINE_PATTERN_MAX];
    size_t length = line_pattern_of(guarded(slice_of(text)), out);
    if (!slice_equals((struct slice){out, length}, slice_of(expected)))
        fail_msg("%s\n gave %.*s\n not %s", text, (int)length, out, expected);
}

static void what_differs_is_replaced(void **state)
{
    (void)state;
    check("", "");
    check("hello", "hello");
    check("took 12ms of 1.5 s, v138", "took <n>ms of <n> s, v<n>");
    check("1. 2.x 3", "<n>. <n>.x <n>");
    check("at 04:05:06 on 2026-02-03", "at <n>:<n>:<n> on <n>-<n>-<n>");
    check("id=d97d0ea7-cf3d-411b-b453-d2943a50b456 ok", "id=<uuid> ok");
    check("d97d0ea7-cf3d-411b-b453-d2943a50b4567", "<hex>-cf<n>d-<n>b-b<n>-<hex>");
    check("from 204.204.204.204:5000 and 1.2.3", "from <ip>:<n> and <n>.<n>");
    check("peer ::1 2001:db8::8a2e:370:7334 fe80:1:2:3:4:5:6:7 a:b", "peer <ip> <ip> <ip> a:b");
    check("commit 6909d7c6 deadbeef 0xff 0x 12345678", "commit <hex> deadbeef <hex> <n>x <n>");
    check("path=\"/a b\" \"c\\\"d\" 'e f' don't can't \"open", "path=<string> <string> <string> don't can't \"open");
    check("{\"event\":\"paid\", \"n\" : 5,\"x\":[\"a\"]}", "{\"event\":<string>, \"n\" : <n>,\"x\":[<string>]}");
    check("bob@example.com of bob@x, token=a1 secret: 12 AKIAIOSFODNN7EXAMPLE",
          "<email> of bob@x, token=<secret> secret: <secret> <secret>");
    check("order 12345678", "order <n>");
    check("{'a':'b'}", "{<string>:<string>}");
    check("gr\xc3\xb6\xc3\x9f"
          "er 5",
          "gr\xc3\xb6\xc3\x9f"
          "er <n>");
}

static void long_texts_are_cut(void **state)
{
    (void)state;
    char text[4 * LINE_PATTERN_MAX], out[LINE_PATTERN_MAX];
    memset(text, 'x', sizeof text);
    assert_int_equal(line_pattern_of((struct slice){text, sizeof text}, out), LINE_PATTERN_MAX);
    for (size_t i = 1; i + 1 < sizeof text; i += 2)
        memcpy(text + i, "\xc3\xb6", 2);
    size_t length = line_pattern_of((struct slice){text, sizeof text}, out);
    assert_int_equal(length, LINE_PATTERN_MAX - 1);
    assert_int_equal((unsigned char)out[length - 1], 0xb6);
    memset(text, '5', sizeof text);
    assert_int_equal(line_pattern_of((struct slice){text, sizeof text}, out), 3);
}

static void check_cut(struct slice cut)
{
    char out[LINE_PATTERN_MAX];
    assert_true(line_pattern_of(cut, out) <= LINE_PATTERN_MAX);
}

static void every_cut_is_survived(void **state)
{
    (void)state;
    each_cut(SLICE("\"a\\\"b\" 'c' d97d0ea7-cf3d-411b-b453-d2943a50b456 1.2.3.4 ::1 0xff 1.5 \xc3\xb6"), check_cut);
}

static void check_shape(const char *appname, const char *procid, const char *expected)
{
    char out[LINE_SHAPE_MAX];
    struct line line = {.appname = slice_of(appname), .procid = guarded(slice_of(procid)), .message = SLICE("in 5ms")};
    assert_slice(((struct slice){out, line_shape_of(&line, out)}), expected);
}

static void the_author_is_part_of_a_shape(void **state)
{
    (void)state;
    check_shape("app", "web.1", "app[web]: in <n>ms");
    check_shape("heroku", "router", "heroku[router]: in <n>ms");
    check_shape("app", "", "app[]: in <n>ms");
    check_shape("3517892b", "[APP/PROC/WEB/0]", "[APP/PROC/WEB]: in <n>ms");
    check_shape("3517892b", "[APP/PROC/WEB/SIDECAR/PROXY/12]", "[APP/PROC/WEB/SIDECAR/PROXY]: in <n>ms");
    check_shape("3517892b", "[0]", "[0]: in <n>ms");
    check_shape("3517892b", "[/0]", "[]: in <n>ms");
    check_shape("3517892b", "[]", "[]: in <n>ms");
    check_shape("a", "[", "a[[]: in <n>ms");
}

static void add(struct line_patterns *patterns, const char *text)
{
    char out[LINE_PATTERN_MAX];
    size_t length = line_pattern_of(slice_of(text), out);
    line_patterns_add(patterns, (struct slice){out, length}, slice_of(text));
}

static void the_most_frequent_come_first(void **state)
{
    (void)state;
    struct line_patterns *patterns = line_patterns_create(100);
    const char *texts[] = {"a 1", "b 1", "c 1", "b 2", "c 2", "c 3", "d"};
    for (size_t i = 0; i < 7; i++)
        add(patterns, texts[i]);
    struct line_pattern_count counts[2];
    assert_int_equal(line_patterns_most(patterns, counts, 2), 2);
    assert_slice(counts[0].pattern, "c <n>");
    assert_slice(counts[0].example, "c 1");
    assert_slice(counts[0].other, "c 2");
    assert_int_equal(counts[0].count, 3);
    assert_slice(counts[1].pattern, "b <n>");
    add(patterns, "d");
    add(patterns, "d");
    assert_int_equal(line_patterns_most(patterns, counts, 2), 2);
    assert_slice(counts[1].example, "d");
    assert_int_equal(counts[1].other.length, 0); /* all of them are the same */
    struct line_patterns_total total = line_patterns_total(patterns);
    assert_int_equal(total.patterns, 4);
    assert_int_equal(total.counted, 9);
    assert_int_equal(total.not_told_apart, 0);
    line_patterns_free(patterns);
}

static void what_finds_no_room_is_told(void **state)
{
    (void)state;
    struct line_patterns *patterns = line_patterns_create(4);
    const char *texts[] = {"a", "b", "c", "d", "e", "a", "e"};
    for (size_t i = 0; i < 7; i++)
        add(patterns, texts[i]);
    struct line_pattern_count counts[20];
    assert_int_equal(line_patterns_most(patterns, counts, 20), 4);
    assert_slice(counts[0].pattern, "a");
    struct line_patterns_total total = line_patterns_total(patterns);
    assert_int_equal(total.counted, 5);
    assert_int_equal(total.not_told_apart, 2);
    line_patterns_free(patterns);
    line_patterns_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_differs_is_replaced),     cmocka_unit_test(long_texts_are_cut),
        cmocka_unit_test(every_cut_is_survived),        cmocka_unit_test(the_author_is_part_of_a_shape),
        cmocka_unit_test(the_most_frequent_come_first), cmocka_unit_test(what_finds_no_room_is_told),
    };
    return cmocka_run_group_tests_name("patterns", tests, NULL, NULL);
}
