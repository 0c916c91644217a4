#include "base/redaction.h"

#include <stdio.h>

#include "base/confidential.h"
#include "base/line_patterns.h"
#include "support.h"

static void check(const char *text, const char *expected)
{
    char out[512];
    size_t length = redaction_write(guarded(slice_of(text)), out, sizeof out);
    if (!slice_equals((struct slice){out, length}, slice_of(expected)))
        fail_msg("%s\n gave %.*s\n not %s", text, (int)length, out, expected);
}

static void plain_text_stays(void **state)
{
    static const char *const texts[] = {
        "",
        "Completed 200 OK in 35ms (Views: 5.2ms)",
        "method=GET path=/users/12/edit status=200 duration=12.50 request=123456",
        "ActiveRecord::ConnectionNotEstablished in Admin::ReportsController",
        "sidekiq job=SendWelcomeMailJob_v2 duration_milliseconds=35.2 queue=low_priority_background",
        "{\"event\":\"paid\",\"amount\":5,\"at\":\"2026-02-03T04:05:06Z\"}",
        "it's 5 o'clock, \"quoted\" 'and so' gr\xc3\xb6\xc3\x9f"
        "er",
        "user@ @host a@b tokens 5 keyboard: on, monkey=5",
        "https://example.com:8080/a?b=c",
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        check(texts[i], texts[i]);
}

static void mail_addresses_are_taken_out(void **state)
{
    (void)state;
    check("by bob@example.com", "by <email>");
    check("<Bob.Smith+x@mail.example.co.uk>, a_b-c@x.org.", "<<email>>, <email>.");
    check("user=\"bob@example.com\" mailto:b@x.com", "user=\"<email>\" mailto:<email>");
    check("{\"bob@example.com\":5}", "{\"<email>\":5}");
}

static void long_numbers_and_ids_are_taken_out(void **state)
{
    (void)state;
    check("123456 1234567 v1234567 12345678.5 1234.567", "123456 <n> v<n> <n> <n>");
    check("card 4111111111111111", "card <n>");
    check("\"order 1234567\"", "\"order <n>\"");
    check("d97d0ea7-cf3d-411b-b453-d2943a50b456 6909d7c6 0xff", "<uuid> <hex> <hex>");
    check("from 10.1.2.3:5000 and ::1", "from <ip>:5000 and <ip>");
}

static void what_is_called_secret_is_taken_out(void **state)
{
    (void)state;
    check("password=hunter2 next", "password=<key> next");
    check("Password: hunter2, user: bob", "Password: <key>, user: bob");
    check("{\"password\":\"hunter2\",\"api_key\" : \"a b\", \"n\":1}",
          "{\"password\":<key>,\"api_key\" : <key>, \"n\":1}");
    check("{:password=>\"hunter2\"}", "{:password=><key>}");
    check("db_passwd='x y' AWS_SECRET=abc ACCESS-KEY=def", "db_passwd=<key> AWS_SECRET=<key> ACCESS-KEY=<key>");
    check("GET /reset?token=abc&x=1", "GET /reset?token=<key>&x=1");
    check("Authorization: Bearer abc.def-ghi tail", "Authorization: <key> tail");
    check("path=\"/reset?token=abc\"", "path=\"/reset?token=<key>\"");
    check("postgres://user:hunter2@db.example.com:5432/x", "postgres://user:<key>@db.example.com:5432/x");
    check("redis://:hunter2@h", "redis://:<key>@h");
    check("password=", "password=");
    check("secret=\"", "secret=\"");
    check("password= secret=x", "password= <key>"); /* what stands behind it, whatever that is */
    check("token=123456 pwd=5", "token=<key> pwd=<key>");
    check("{\\\"password\\\":\\\"hunter2\\\"}", "{\\\"password\\\":<key><key>");
}

static void what_looks_like_a_key_is_taken_out(void **state)
{
    (void)state;
    check("key AKIAIOSFODNN7EXAMPLE", "key <key>");
    check("ghp_16C7e42F292c6912E7710c838347Ae178B4a.", "<key>");
    check("sk_live_4eC39HqLyjWDarjtT1zdp7dc and sk_5", "<key> and sk_5");
    check("eyJhbGciOi.eyJzdWIi.SflKxw= x", "<key> x");
    check("x7f3k9q2m1z8p4w6t5r0 wJalrXUtnFEMIK7MDENGbPxRfiCY", "<key> <key>");
    check("u=aGVsbG8gd29ybGQhIQ9Xy== z", "u=<key> z");
}

static void nothing_is_cut_in_the_middle(void **state)
{
    char out[16];
    (void)state;
    assert_int_equal(redaction_write(SLICE("abc bob@example.com"), out, 10), 4);
    assert_int_equal(redaction_write(SLICE("abc bob@example.com"), out, 11), 11);
    assert_int_equal(redaction_write(SLICE("ab\xc3\xb6"), out, 3), 2);
    assert_int_equal(redaction_write(SLICE("ab\xc3\xb6"), out, 4), 4);
    assert_int_equal(redaction_write(SLICE("abc"), out, 0), 0);
}

static void survive(struct slice text)
{
    char out[256];
    size_t length = redaction_write(text, out, sizeof out);
    assert_true(length <= sizeof out);
    for (size_t at = 0; at < text.length; at++) {
        assert_true(confidential_secret(text, at) <= text.length - at);
        assert_true(confidential_email(text, at) <= text.length - at);
        assert_true(confidential_key(text, at) <= text.length - at);
    }
}

static void every_cut_is_survived(void **state)
{
    (void)state;
    each_cut(
        SLICE("\"a\\\"b\" token=\"x\\\" y\" ://u:p@h Authorization: Basic YQ== bob@example.com ghp_16C7e42F292c6912 "
              "x7f3k9q2m1z8p4w6t5r0== \xc3\xb6 1234567"),
        survive);
}

/* Of hostile lines, too: the test would not end otherwise. */
static void the_work_is_bounded(void **state)
{
    static const char *const units[] = {"a-", "a.", "a@", " ", "\"", "://a:", "token=", "\\\"", "-", "aA1-", "eyJ."};
    static char text[16 * LINE_PATTERN_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        size_t length = strlen(units[i]);
        for (size_t at = 0; at + length <= sizeof text; at += length)
            memcpy(text + at, units[i], length);
        for (int round = 0; round < 100; round++) {
            char out[256];
            assert_true(redaction_write((struct slice){text, sizeof text}, out, sizeof out) <= sizeof out);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_text_stays),
        cmocka_unit_test(mail_addresses_are_taken_out),
        cmocka_unit_test(long_numbers_and_ids_are_taken_out),
        cmocka_unit_test(what_is_called_secret_is_taken_out),
        cmocka_unit_test(what_looks_like_a_key_is_taken_out),
        cmocka_unit_test(nothing_is_cut_in_the_middle),
        cmocka_unit_test(every_cut_is_survived),
        cmocka_unit_test(the_work_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
