#include "base/redaction.h"

#include <stdio.h>

#include "base/line_patterns.h"
#include "support.h"

static void check(const char *text, const char *expected)
{
    char out[512];
    size_t length = redaction_write(guarded(slice_of(text)), out, sizeof out);
    if (!slice_equals((struct slice){out, length}, slice_of(expected)))
        fail_msg("%s\n gave %.*s\n not %s", text, (int)length, out, expected);
}

static void examples_of_the_header(void **state)
{
    (void)state;
    check("order 12345678 of bob@example.com", "order <digits> of <email>");
    check("GET /?to=bob%40example.com&sid=5", "GET /?to=<email>&sid=<secret>");
    check("GET /?token=a1b2c3 by sk_live_4eC39Hq", "GET /?token=<secret> by <secret>");
    check("postgres://u1:p4ss@db.example.com/d", "postgres://<secret>@db.example.com/d");
    check("Authorization: Bearer eyJhbGciOi...", "Authorization: <secret>");
}

static void plain_text_is_kept(void **state)
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
    check("GET /u?email=bob%40example.com&x=1", "GET /u?email=<email>&x=1");
    check("to=a%2Bb%40example.com%2Cc%40x.org%2C d=e%40f", "to=<email>%2C d=e%40f");
    check("%40example.com 50%40 x%40. a_b%40c@x.org", "%40example.com 50%40 x%40. <email>");
}

static void long_numbers_are_taken_out(void **state)
{
    (void)state;
    check("123456 1234567 v1234567 12345678.5 1234.567", "123456 <digits> v<digits> <digits>.5 1234.567");
    check("card 4111111111111111", "card <digits>");
    check("\"order 1234567\"", "\"order <digits>\"");
}

static void what_is_called_secret_is_taken_out(void **state)
{
    (void)state;
    check("password=hunter2 next", "password=<secret> next");
    check("Password: hunter2, user: bob", "Password: <secret>, user: bob");
    check("{\"password\":\"hunter2\",\"api_key\" : \"a b\", \"n\":1}",
          "{\"password\":<secret>,\"api_key\" : <secret>, \"n\":1}");
    check("{:password=>\"hunter2\"}", "{:password=><secret>}");
    check("db_passwd='x y' AWS_SECRET=abc ACCESS-KEY=def",
          "db_passwd=<secret> AWS_SECRET=<secret> ACCESS-KEY=<secret>");
    check("GET /reset?token=abc&x=1", "GET /reset?token=<secret>&x=1");
    check("Authorization: Bearer abc.def-ghi tail", "Authorization: <secret> tail");
    check("path=\"/reset?token=abc\"", "path=\"/reset?token=<secret>\"");
    check("postgres://user:hunter2@db.example.com:5432/x", "postgres://<secret>@db.example.com:5432/x");
    check("redis://:hunter2@h", "redis://<secret>@h");
    check("password=", "password=");
    check("secret=\"", "secret=\"");
    check("password= secret=x", "password= <secret>"); /* what stands behind it, whatever that is */
    check("token=123456 pwd=5", "token=<secret> pwd=<secret>");
    check("{\\\"password\\\":\\\"hunter2\\\"}", "{\\\"password\\\":<secret><secret>");
    check("pass=a DB_PASS=b dbPass: c pw:d session_id=e sid=f otp=123 PASSCODE=5 bypass=1 inside=2",
          "pass=<secret> DB_PASS=<secret> dbPass: <secret> pw:<secret> session_id=<secret> sid=<secret> otp=<secret> "
          "PASSCODE=<secret> bypass=1 inside=2");
}

static void what_looks_like_a_key_is_taken_out(void **state)
{
    (void)state;
    check("key AKIAIOSFODNN7EXAMPLE", "key <secret>");
    check("ghp_16C7e42F292c6912E7710c838347Ae178B4a.", "<secret>");
    check("sk_live_4eC39HqLyjWDarjtT1zdp7dc and sk_5", "<secret> and sk_5");
    check("eyJhbGciOi.eyJzdWIi.SflKxw= x", "<secret> x");
    check("x7f3k9q2m1z8p4w6t5r0 wJalrXUtnFEMIK7MDENGbPxRfiCY", "<secret> <secret>");
    check("u=aGVsbG8gd29ybGQhIQ9Xy== z", "u=<secret> z");
    check("key wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY is", "key <secret> is");
    check("GET /api/v1/Users/12/Orders/34/items/5a/b6/c7/d8", "GET /api/v1/Users/12/Orders/34/items/5a/b6/c7/d8");
}

static void control_characters_are_shown_as_such(void **state)
{
    (void)state;
    check("a\x1b[31m\tb\xff\xc2\x9b", "a\xEF\xBF\xBD[31m\xEF\xBF\xBD"
                                      "b\xEF\xBF\xBD\xEF\xBF\xBD");
}

static void check_capacity(const char *text, size_t capacity, const char *expected)
{
    char out[64];
    assert_slice(((struct slice){out, redaction_write(slice_of(text), out, capacity)}), expected);
}

static void nothing_is_cut_in_the_middle(void **state)
{
    (void)state;
    check_capacity("0 12 345 678 901 abc", 20, "0 12 345 678 901 abc");
    check_capacity("0 12 345 678 901 abcd", 20, "0 12 345 678 901 ...");
    check_capacity("0 12 345 6 bob@example.com", 16, "0 12 345 6 ...");
    check_capacity("0 12 345 6 bob@example.com", 18, "0 12 345 6 <email>");
    check_capacity("0 12 345 678 \xc3\xb6\xc3\xb6", 16, "0 12 345 678 ...");
    check_capacity("0 12 345 67 \xc3\xb6\xc3\xb6", 16, "0 12 345 67 \xc3\xb6\xc3\xb6");
}

static void survive(struct slice text)
{
    char out[256];
    size_t length = redaction_write(text, out, sizeof out);
    assert_true(length <= sizeof out);
    for (size_t at = 0, found; at < text.length; at++) {
        enum redaction_kind kind = redaction_at(text, at, &found);
        assert_true(kind == REDACTION_NONE ? found == 0 : found > 0 && found <= text.length - at);
    }
}

static void every_cut_is_survived(void **state)
{
    (void)state;
    each_cut(
        SLICE("\"a\\\"b\" token=\"x\\\" y\" ://u:p@h Authorization: Basic YQ== bob@example.com ghp_16C7e42F292c6912 "
              "x7f3k9q2m1z8p4w6t5r0== \xc3\xb6 1234567 a%40b.c wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        survive);
}

/* Of hostile lines, too: the test would not end otherwise. */
static void the_work_is_bounded(void **state)
{
    static const char *const units[] = {"a-", "a.",   "a@",   " ",  "\"",   "://a:", "token=", "\\\"",
                                        "-",  "aA1-", "eyJ.", "a/", "A1a/", "%40",   "a%40b."};
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
        cmocka_unit_test(examples_of_the_header),
        cmocka_unit_test(plain_text_is_kept),
        cmocka_unit_test(mail_addresses_are_taken_out),
        cmocka_unit_test(long_numbers_are_taken_out),
        cmocka_unit_test(what_is_called_secret_is_taken_out),
        cmocka_unit_test(what_looks_like_a_key_is_taken_out),
        cmocka_unit_test(control_characters_are_shown_as_such),
        cmocka_unit_test(nothing_is_cut_in_the_middle),
        cmocka_unit_test(every_cut_is_survived),
        cmocka_unit_test(the_work_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
