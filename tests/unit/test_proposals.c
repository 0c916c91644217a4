#include "config/proposals.h"

#include <stdio.h>
#include <stdlib.h>

#include "config/configuration.h"
#include "support.h"

static struct buffer written;

/* Propose rules for these messages, and write them. */
static struct proposals_total propose(const char *const *messages)
{
    struct proposals *proposals = proposals_create(64);
    for (; *messages != NULL; messages++)
        proposals_add(
            proposals,
            &(struct line){.appname = SLICE("app"), .procid = SLICE("web.1"), .message = guarded(slice_of(*messages))});
    proposals_make(proposals);
    buffer_free(&written);
    proposals_write(proposals, &written);
    buffer_append(&written, (struct slice){"", 1}); /* for strstr() */
    struct proposals_total total = proposals_total(proposals);
    proposals_free(proposals);
    return total;
}

static void check_holds(const char *text)
{
    if (strstr(written.at, text) == NULL)
        fail_msg("%s\n is not in\n%s", text, written.at);
}

/* Of what is written without the first "# " of each line. */
static size_t count_rules(void)
{
    struct slice rest = {written.at, written.length - 1};
    struct buffer text = {0}, mistakes = {0};
    while (rest.length > 0) {
        struct slice line = slice_cut_line(&rest);
        buffer_append(&text, slice_after(line, line.length < 2 ? line.length : 2));
        buffer_append(&text, SLICE("\n"));
    }
    struct configuration *configuration =
        configuration_parse((struct slice){text.at, text.length}, "CONFIG", PASSWORDS_UNKNOWN, &mistakes);
    if (configuration == NULL)
        fail_msg("%.*s\n%.*s", (int)mistakes.length, mistakes.at, (int)text.length, text.at);
    size_t count = rules_count(configuration->rules);
    configuration_free(configuration);
    buffer_free(&text);
    return count;
}

static void what_it_says(void **state)
{
    (void)state;
    const char *const messages[] = {"in 5ms", "in 5ms", "in 7ms", "hello", "in 8ms", NULL};
    struct proposals_total total = propose(messages);
    assert_string_equal(written.at, "# rules:\n"
                                    "#\n"
                                    "#   # 4 lines such as\n"
                                    "#   #     in 5ms\n"
                                    "#   #     in 7ms\n"
                                    "#   - name: suggestion-1\n"
                                    "#     match: '^in (?<duration>\\d+(?:\\.\\d+)?ms)'\n"
                                    "#     metrics:\n"
                                    "#       - counter: app_in_ms_total\n"
                                    "#       - histogram: app_in_ms_duration_seconds\n"
                                    "#         value: $duration\n"
                                    "#\n"
                                    "#   # 1 line such as\n"
                                    "#   #     hello\n"
                                    "#   - name: suggestion-2\n"
                                    "#     match: '^hello'\n"
                                    "#     metrics:\n"
                                    "#       - counter: app_hello_total\n");
    assert_int_equal(count_rules(), 2);
    assert_int_equal(total.rules, 2);
    assert_int_equal(total.lines, 5);
    assert_int_equal(total.taken, 5);
    assert_int_equal(total.without_rule, 0);
}

static void nothing_is_proposed_for_nothing(void **state)
{
    (void)state;
    struct proposals_total total = propose((const char *const[]){NULL});
    assert_string_equal(written.at, "");
    assert_int_equal(total.rules + total.lines, 0);
    proposals_free(NULL);
}

/* Pairs with other words in them look different, but one rule takes them. */
static void what_a_rule_takes_has_no_other(void **state)
{
    (void)state;
    const char *const messages[] = {"job=a status=ok took=5ms", "job=a status=ok took=7ms", "job=b status=bad took=1ms",
                                    "job=c status=no took=1ms", NULL};
    struct proposals_total total = propose(messages);
    assert_int_equal(total.rules, 1);
    assert_int_equal(total.taken, 4);
    check_holds("#   # 4 lines such as\n#   #     job=a status=ok took=5ms\n#   #     job=a status=ok took=7ms\n"
                "#   #     job=");
    assert_null(strstr(written.at, "job=b") != NULL ? strstr(written.at, "job=c") : NULL); /* no more than three */
    assert_int_equal(count_rules(), 1);
}

static void each_rule_has_a_counter_of_its_own(void **state)
{
    (void)state;
    propose((const char *const[]){"5 %", "5 %", "6 &", NULL});
    check_holds("counter: app_lines_total\n");
    check_holds("counter: app_lines_2_total\n");
    assert_int_equal(count_rules(), 2);
}

static void what_no_rule_takes_is_told(void **state)
{
    (void)state;
    struct proposals_total total = propose((const char *const[]){"{\"a\":", "{\"a\":", "hello", NULL});
    assert_int_equal(total.rules, 1);
    assert_int_equal(total.without_rule, 2);
    check_holds("#\n#   # No rule can be made of such lines:\n#   #     {\"a\":\n");
    assert_int_equal(count_rules(), 1);
    total = propose((const char *const[]){"{\"a\":", NULL});
    assert_int_equal(total.rules, 0);
    assert_string_equal(written.at, "#\n#   # No rule can be made of such lines:\n#   #     {\"a\":\n");
}

static void the_commonest_are_chosen(void **state)
{
    (void)state;
    const char *messages[2 * PROPOSALS_MAX + 2];
    char texts[PROPOSALS_MAX + 1][16];
    size_t count = 0;
    for (int i = 0; i <= PROPOSALS_MAX; i++) {
        snprintf(texts[i], sizeof texts[i], "word %c", 'a' + i);
        messages[count++] = texts[i];
        if (i > 0)
            messages[count++] = texts[i];
    }
    messages[count] = NULL;
    struct proposals_total total = propose(messages);
    assert_int_equal(total.rules, PROPOSALS_MAX);
    assert_int_equal(total.lines, count);
    assert_int_equal(total.taken, count - 1);
    assert_int_equal(total.without_rule, 0);
    assert_null(strstr(written.at, "word a"));
    assert_int_equal(count_rules(), PROPOSALS_MAX);
}

static void check_text(struct slice text, const char *expected)
{
    struct buffer out = {0};
    proposals_write_text(guarded(text), PROPOSALS_LINE, &out);
    assert_slice(((struct slice){out.at, out.length}), expected);
    buffer_free(&out);
}

static void text_of_a_log_stays_in_its_comment(void **state)
{
    (void)state;
    check_text(SLICE("a\nb\rc\0d\x7f\x1b[2J\te"), "a?b?c?d??[2J?e");
    check_text(SLICE("\xc2\x85 \xe2\x80\xa8 \xe2\x80\xa9 \xef\xbb\xbf \xe2\x80\xae \xc2\xa0"), "? ? ? ? ? ?");
    check_text(SLICE("gr\xc3\xb6\xc3\x9f"
                     "er \xe6\x97\xa5 \xf0\x9f\x98\x80 \xff \xc3"),
               "gr\xc3\xb6\xc3\x9f"
               "er \xe6\x97\xa5 ? ? ?");
    check_text(SLICE("bob@example.com token=abc # 12345678"), "<email> token=<secret> # <digits>");
    char text[3 * PROPOSALS_LINE];
    memset(text, 'x', sizeof text);
    struct buffer out = {0};
    proposals_write_text((struct slice){text, sizeof text}, 16, &out);
    assert_slice(((struct slice){out.at, out.length}), "xxxxxxxxxxxxx...");
    buffer_free(&out);
    propose((const char *const[]){"a\n- b: [1]\r\nrules: []\n", "it's \xe2\x80\xa8rules:\xff\n", NULL});
    assert_int_equal(count_rules(), 2);
    check_holds("#   #     a?- b: [1]??rules: []?\n");
}

static int close_written(void **state)
{
    (void)state;
    buffer_free(&written);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_says),
        cmocka_unit_test(nothing_is_proposed_for_nothing),
        cmocka_unit_test(what_a_rule_takes_has_no_other),
        cmocka_unit_test(each_rule_has_a_counter_of_its_own),
        cmocka_unit_test(what_no_rule_takes_is_told),
        cmocka_unit_test(the_commonest_are_chosen),
        cmocka_unit_test(text_of_a_log_stays_in_its_comment),
    };
    return cmocka_run_group_tests_name("proposals", tests, NULL, close_written);
}
