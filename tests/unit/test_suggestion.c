#include "config/suggestion.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/configuration.h"
#include "support.h"

/* Lines of one pattern: a rule that is made of any of them takes them all. */
static const char *const kinds[][3] = {
    {"sidekiq job=Mail duration=35.2ms status=ok", "sidekiq job=Mail duration=7ms status=ok"},
    {"method=GET path=/ status=200 duration=12.50 p99=1", "method=GET path=/ status=404 duration=1 p50=1"},
    {"event=paid msg=\"a b=1\" amount=5 msg=x", "event=paid msg=\"c\" amount=7 msg=x"},
    {"event=paid msg='a b=1' amount=5", "event=paid msg='c' amount=7", "event=paid msg='d=5 e' amount=7.5"},
    {"{\"event\":\"paid\",\"amount\":5,\"took\":\"35ms\"}", "{\"event\":\"refund\",\"amount\":5.5,\"took\":\"1m30s\"}"},
    {"{\"a\":{\"b\":{\"c\":1}},\"null\":\"x\",\"true\":2,\"a b\":3}"},
    {"Completed 200 OK in 35ms (Views: 5.2ms)", "Completed 404 OK in 7ms (Views: 1ms)"},
    {"it's 5 o'clock, \"quoted\" 'and \\'so'", "it's 12 o'clock, \"other \\\" text\" 'x'"},
    {"from 10.0.0.1:5000 id=d97d0ea7-cf3d-411b-b453-d2943a50b456 x",
     "from 1.2.3.4:1 id=00000000-0000-0000-0000-000000000000 x"},
    {"commit 6909d7c6 at ::1 v1.2.3 0xff", "commit 00aadd99 at 2001:db8::1 v10.20.30 0x1"},
    {"mail to bob@example.com sent, token=a1", "mail to al.ice+x@mail.example.org sent, token=zzz"},
    {"key AKIAIOSFODNN7EXAMPLE used in 5ms", "key ghp_16C7e42F292c6912E7710c838347Ae178B4a used in 12ms"},
    {"12 items", "0.5 items"},
    {"\\d+ [x] {y} (z) a|b ^$ ?*. #", "\\d+ [x] {y} (z) a|b ^$ ?*. #"},
    {"gr\xc3\xb6\xc3\x9f"
     "er 5 MB 7% \x01\t\xff",
     "gr\xc3\xb6\xc3\x9f"
     "er 12.5 MB 80% \x01\t\xff"},
    {"two\nlines 5", "two\nlines 6"},
    {"1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 "
     "41 "
     "42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63 64 65 66 67 68 69 70 71 72 73 74 75 76 77 78",
     "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 "
     "41 "
     "42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63 64 65 66 67 68 69 70 71 72 and more"},
    {"x", "x"},
    {" ", " "},
    {"%", "%"},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static struct configuration *parse(struct slice rule)
{
    struct buffer text = {0}, mistakes = {0};
    buffer_append(&text, SLICE("rules:\n"));
    buffer_append(&text, rule);
    struct configuration *file =
        configuration_parse((struct slice){text.at, text.length}, "CONFIG", PASSWORDS_UNKNOWN, &mistakes);
    if (file == NULL)
        fail_msg("%.*s\n%.*s", (int)text.length, text.at, (int)mistakes.length, mistakes.at);
    buffer_free(&text);
    buffer_free(&mistakes);
    return file;
}

static bool same_pattern(const char *left, const char *right)
{
    char a[LINE_PATTERN_MAX], b[LINE_PATTERN_MAX];
    struct slice first = {a, line_pattern_of(slice_of(left), a)};
    return slice_equals(first, (struct slice){b, line_pattern_of(slice_of(right), b)});
}

static void check_taken(struct slice rule, const char *line)
{
    void *states[FAMILY_COUNT];
    struct configuration *file = parse(rule);
    assert_true(families_open(states));
    recorded.context = (struct family_context){.app = SLICE("my-app"), .states = states, .rules = file->rules};
    families_begin_batch(&recorded.context);
    if (read_line(&recorded, "app", "web.1", line) != VERDICT_RECOGNISED || strstr(recorded.text, "_total{") == NULL)
        fail_msg("%s\nis not taken by\n%.*s\n%s", line, (int)rule.length, rule.at, recorded.text);
    families_close(states);
    configuration_free(file);
}

static void each_takes_its_kind(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        for (size_t j = 0; j < 3 && kinds[i][j] != NULL; j++) {
            struct buffer rule = {0};
            if (!suggestion_make(guarded(slice_of(kinds[i][j])), 1, &rule))
                fail_msg("there is no rule for %s", kinds[i][j]);
            for (size_t k = 0; k < 3 && kinds[i][k] != NULL; k++) {
                assert_true(same_pattern(kinds[i][j], kinds[i][k]));
                check_taken((struct slice){rule.at, rule.length}, kinds[i][k]);
            }
            buffer_free(&rule);
        }
    }
}

static void what_it_says(void **state)
{
    (void)state;
    struct buffer rule = {0};
    assert_true(suggestion_make(SLICE("sidekiq job=Mail duration=35.2ms mem=5MB load=7 n=x"), 3, &rule));
    assert_slice(((struct slice){rule.at, rule.length}),
                 "  - name: suggestion-3\n"
                 "    match: '^sidekiq '\n"
                 "    fields: logfmt\n"
                 "    when: # each is there; or one value, a list, \">= 5\", {not: ...}\n"
                 "      \"job\": \"*\"\n"
                 "      \"duration\": \"*\"\n"
                 "      \"mem\": \"*\"\n"
                 "      \"load\": \"*\"\n"
                 "    metrics:\n"
                 "      - counter: app_sidekiq_total\n"
                 "        labels:\n"
                 "          job: $job\n"
                 "      - histogram: app_sidekiq_duration_seconds\n"
                 "        value: $duration\n"
                 "      - gauge: app_sidekiq_mem_bytes\n"
                 "        value: $mem\n");
    buffer_free(&rule);
}

static void none_can_be_made(void **state)
{
    (void)state;
    static const char *const lines[] = {"", "{\"a\":1", "{\"a\":[1]}", "{}", "{\"a\":1} x"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct buffer rule = {0};
        assert_false(suggestion_make(slice_of(lines[i]), 1, &rule));
        assert_int_equal(rule.length, 0);
        buffer_free(&rule);
    }
}

/* Names that an app gives to pairs and members may be secrets as well as values. */
static void it_holds_no_secret(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "{\"sk_live_4eC39HqLyjWDarjtT1zdp7dc\":5,\"state\":\"paid\"}",
        "{\"by\":{\"ghp_16C7e42F292c6912E7710c838347Ae178B4a\":{\"n\":1}},\"state\":\"paid\"}",
        "state=paid x=1 xoxb-abcdefghijklmn=5 y=2"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct buffer rule = {0};
        assert_true(suggestion_make(slice_of(lines[i]), 1, &rule));
        buffer_append(&rule, (struct slice){"", 1});
        assert_non_null(strstr(rule.at, "\"state\""));
        assert_null(strcasestr(rule.at, "sk_live"));
        assert_null(strcasestr(rule.at, "ghp"));
        assert_null(strcasestr(rule.at, "xoxb"));
        buffer_free(&rule);
    }
}

static void names_can_be_made_distinct(void **state)
{
    (void)state;
    struct buffer rule = {0};
    assert_true(suggestion_make_distinct(SLICE("in 5ms"), 7, &rule));
    buffer_append(&rule, (struct slice){"", 1});
    assert_non_null(strstr(rule.at, "counter: app_in_ms_7_total\n"));
    assert_non_null(strstr(rule.at, "histogram: app_in_ms_7_duration_seconds\n"));
    buffer_free(&rule);
}

static void the_rule_that_takes_a_message_is_told(void **state)
{
    (void)state;
    size_t number = 9;
    struct configuration *file = parse(SLICE("  - {name: a, match: '^a', metrics: [{counter: a_total}]}\n"
                                             "  - {name: b, match: '^ab', metrics: [{counter: b_total}]}\n"
                                             "  - {name: c, match: '^c', metrics: [{counter: c_total}]}\n"));
    assert_true(suggestion_takes(file->rules, SLICE("abc"), &number));
    assert_int_equal(number, 0);
    assert_true(suggestion_takes(file->rules, SLICE("cab"), &number));
    assert_int_equal(number, 2);
    assert_false(suggestion_takes(file->rules, SLICE("bac"), &number));
    assert_int_equal(number, 2);
    assert_false(suggestion_takes(NULL, SLICE("abc"), NULL));
    configuration_free(file);
}

static void *make_many(void *count)
{
    for (int i = 0; i < 200; i++) {
        char line[64];
        struct buffer rule = {0};
        snprintf(line, sizeof line, "job%c%c=5 took=5ms x", 'a' + i % 20, 'a' + i / 20);
        *(size_t *)count += suggestion_make(slice_of(line), 1, &rule);
        buffer_free(&rule);
    }
    return NULL;
}

/* As the maintenance thread makes them while the configuration is read again. */
static void they_are_made_beside_a_reload(void **state)
{
    (void)state;
    pthread_t thread;
    size_t count = 0;
    assert_int_equal(pthread_create(&thread, NULL, make_many, &count), 0);
    for (int i = 0; i < 200; i++) {
        char rule[128];
        snprintf(rule, sizeof rule, "  - {name: a, match: '^a', metrics: [{counter: a%d_total}]}\n", i);
        struct configuration *file = parse(slice_of(rule));
        rules_enforce(file->rules);
        configuration_free(file);
    }
    pthread_join(thread, NULL);
    rules_enforce(NULL);
    assert_int_equal(count, 200);
}

static void check_cut(struct slice cut)
{
    struct buffer rule = {0};
    suggestion_make(cut, 1, &rule);
    buffer_free(&rule);
}

static void every_cut_is_survived(void **state)
{
    (void)state;
    each_cut(SLICE("a b=\"c d\" 5ms e=6% f='7"), check_cut);
    each_cut(SLICE("in 5 ms, 'x' \"y 1.2.3.4 \xc3\xb6 \\ 0x1f"), check_cut);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_takes_its_kind),
        cmocka_unit_test(what_it_says),
        cmocka_unit_test(none_can_be_made),
        cmocka_unit_test(it_holds_no_secret),
        cmocka_unit_test(names_can_be_made_distinct),
        cmocka_unit_test(the_rule_that_takes_a_message_is_told),
        cmocka_unit_test(they_are_made_beside_a_reload),
        cmocka_unit_test(every_cut_is_survived),
    };
    return cmocka_run_group_tests_name("suggestion", tests, NULL, NULL);
}
