#include <stdio.h>

#include "base/canary_token.h"
#include "output/status.h"
#include "support.h"

static bool arrive(struct canary_token *token, const char *message)
{
    return canary_token_arrive(token, guarded(slice_of(message)));
}

static void a_token_counts_once(void **state)
{
    (void)state;
    struct canary_token token = {0};
    char first[CANARY_LINE_MAX], second[CANARY_LINE_MAX];
    assert_true(canary_token_send(&token, first));
    assert_int_equal(canary_token_end(&token), 0);
    assert_true(canary_token_send(&token, second));
    assert_string_not_equal(first, second);
    assert_true(arrive(&token, first)); /* of before */
    assert_int_equal(canary_token_end(&token), 0);
    assert_int_equal(token.others, 1);
    assert_true(canary_token_send(&token, first));
    assert_true(arrive(&token, first));
    uint64_t arrived = canary_token_end(&token);
    assert_true(arrived > 0);
    assert_int_equal(token.others, 1);
    assert_true(arrive(&token, first)); /* too late */
    assert_int_equal(token.others, 2);
    assert_true(canary_token_send(&token, first));
    assert_int_equal(canary_token_end(&token), 0);
}

static void others(void **state)
{
    (void)state;
    struct canary_token token = {0};
    char message[CANARY_LINE_MAX];
    /* Before any was sent the words are 0. */
    assert_true(arrive(&token, "canary=00000000000000000000000000000000"));
    assert_int_equal(canary_token_end(&token), 0);
    assert_true(canary_token_send(&token, message));
    for (size_t i = strlen("canary="); message[i] != '\0'; i++) {
        char kept = message[i];
        message[i] = kept == '0' ? '1' : '0';
        assert_true(arrive(&token, message));
        message[i] = kept;
    }
    assert_int_equal(canary_token_end(&token), 0);
    assert_int_equal(token.others, 33);
    assert_true(canary_token_arrive(NULL, slice_of(message)));
    static const char *const wrong[] = {"",
                                        "canary=",
                                        "canary=0000000000000000000000000000000",
                                        "canary=000000000000000000000000000000000",
                                        "canary=0000000000000000000000000000000g",
                                        "canary=0000000000000000000000000000000A",
                                        "canary: 0000000000000000000000000000000",
                                        "Canary=00000000000000000000000000000000"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(arrive(&token, wrong[i]));
}

static void lines(void **state)
{
    (void)state;
    check_line("drain_exporter", "canary", "canary=0123456789abcdef0123456789abcdef", VERDICT_RECOGNISED, "");
    check_line("drain_exporter", "canary", "canary=0123456789abcdef", VERDICT_NOT_A_METRIC, "");
    struct line of_app = {.appname = SLICE("app"), .procid = SLICE("canary"), .message = SLICE("canary=0")};
    assert_int_equal(families_hearing(&of_app, &(struct family_context){0}) & 1u << FAMILY_CANARY, 0);
}

/* What the status page says of it. */
static void check_problem(const struct status_canary *canary, const char *expected)
{
    struct status status = {.sees_all = true, .now = 100000, .started = 90000, .canary = *canary};
    struct buffer text = {0};
    status_judge(&status);
    assert_int_equal(status.problem_count, expected != NULL);
    if (expected == NULL)
        return;
    buffer_append(&text, slice_of(status_level_name(status.problems[0].level)));
    buffer_append(&text, SLICE(" "));
    status_problem_text(&status.problems[0], &text);
    assert_slice(((struct slice){text.at, text.length}), expected);
    buffer_free(&text);
}

static void problems(void **state)
{
    (void)state;
    check_problem(&(struct status_canary){0}, NULL);
    check_problem(&(struct status_canary){.is_set = true, .last_success = 99950, .latency = 0.1}, NULL);
    check_problem(&(struct status_canary){.is_set = true, .last_success = 99950, .error = "cannot connect"}, NULL);
    check_problem(&(struct status_canary){.is_set = true, .last_success = 99280, .error = "the server answered 401"},
                  "page canary: none has come back for 12 min (the server answered 401)");
    check_problem(&(struct status_canary){.is_set = true, .error = "cannot connect"},
                  "page canary: none has come back for 2 h 46 min (cannot connect)");
    check_problem(&(struct status_canary){.is_set = true, .last_success = 99950, .latency = 3.5},
                  "ticket canary: the last one that came back took 3 s");
    check_problem(&(struct status_canary){.is_set = true, .last_success = 99000, .is_elsewhere = true}, NULL);
    check_problem(&(struct status_canary){.is_set = true, .is_elsewhere = true},
                  "ticket canary: for 2 h 46 min each was taken by another exporter");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_token_counts_once), cmocka_unit_test(others),
                                       cmocka_unit_test(lines), cmocka_unit_test(problems)};
    return cmocka_run_group_tests_name("canary", tests, NULL, NULL);
}
