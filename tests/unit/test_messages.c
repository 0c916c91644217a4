/* The messages of a body: in parts, each read once. */
#include "intake/messages.h"

#include <stdio.h>
#include <stdlib.h>

#include "support.h"

#define TIME "2026-02-03T04:05:06.123456+00:00"
#define SHOP "<14>1 " TIME " acme.prod.shop 1111 [0] - "
#define BILLING "<14>1 " TIME " acme.prod.billing 2222 [APP/PROC/WEB/1] - "
#define NOBODY "<14>1 " TIME " host app web.1 - "

static const struct origin cloud_foundry = {.is_cloud_foundry = true, .shape = SYSLOG_RFC5424};
static const struct origin one_message = {.is_cloud_foundry = true, .is_one_message = true, .shape = SYSLOG_RFC5424};
static const struct origin logplex = {.shape = SYSLOG_LOGPLEX};

struct expected {
    const char *app;
    size_t count;
    size_t bytes;
};

static void expect_parts(struct slice body, const struct expected *expected, size_t count)
{
    struct cf_apps *apps = cf_apps_create();
    struct messages messages;
    struct cf_app app;
    assert_non_null(apps);
    messages_begin(&messages, &cloud_foundry, body);
    assert_true(messages_have_times(&messages));
    for (size_t i = 0; i < count; i++) {
        assert_true(messages_begin_part(&messages, apps, &app));
        assert_slice(cf_app_name(&app), expected[i].app);
        messages_skip(&messages);
        assert_int_equal(messages.count, expected[i].count);
        assert_int_equal(messages_bytes(&messages), expected[i].bytes);
    }
    assert_false(messages_begin_part(&messages, apps, &app));
    cf_apps_free(apps);
}

static void parts(void **state)
{
    (void)state;
    static const char text[] = SHOP "- a\n" SHOP "- b\n" NOBODY "c\n\n" BILLING "- d\n" SHOP "- e\n\n";
    const struct expected expected[] = {
        {"acme/prod/shop", 3, strlen(SHOP "- a\n" SHOP "- b\n" NOBODY "c\n\n")},
        {"acme/prod/billing", 1, strlen(BILLING "- d\n")},
        {"acme/prod/shop", 1, strlen(SHOP "- e\n\n")},
    };
    expect_parts(guarded(SLICE(text)), expected, 3);
}

/* They are of the app of the first message that says whose it is. */
static void nobodys_first(void **state)
{
    (void)state;
    static const char text[] = NOBODY "a\n" NOBODY "b\n" BILLING "- c\n" SHOP "- d\n";
    const struct expected expected[] = {
        {"acme/prod/billing", 3, strlen(NOBODY "a\n" NOBODY "b\n" BILLING "- c\n")},
        {"acme/prod/shop", 1, strlen(SHOP "- d\n")},
    };
    expect_parts(guarded(SLICE(text)), expected, 2);
    const struct expected none = {"", 2, strlen(NOBODY "a\n" NOBODY "b\n")};
    expect_parts(guarded(SLICE(NOBODY "a\n" NOBODY "b\n")), &none, 1);
    expect_parts(guarded(SLICE("")), NULL, 0);
    expect_parts(guarded(SLICE("\n \r\n")), NULL, 0);
}

/* What a message says is what its own bytes say, wherever it was read first. */
static void each_message(void **state)
{
    (void)state;
    static const char data[] = "[gauge@47450 name=\"cpu\" value=\"1\"][tags@47450 process_type=\"web\"]";
    char text[1000];
    int length = snprintf(text, sizeof text, SHOP "%s \n" NOBODY "a\n" SHOP "%s\n", data, data);
    struct slice body = guarded((struct slice){text, (size_t)length});
    struct messages messages;
    struct cf_app app;
    struct cf_apps *apps = cf_apps_create();
    messages_begin(&messages, &cloud_foundry, body);
    assert_true(messages_have_times(&messages));
    assert_true(messages_begin_part(&messages, apps, &app));
    for (int i = 0; i < 3; i++) {
        const struct message *message = messages_next(&messages);
        struct line line;
        assert_non_null(message);
        assert_true(message->has_header);
        assert_int_equal(message->says_app, i != 1);
        assert_true(syslog_parse(message->text, SYSLOG_RFC5424, &line));
        assert_ptr_equal(message->line.message.at, line.message.at);
        assert_int_equal(message->line.message.length, line.message.length);
        assert_int_equal(message->cf.kind, i != 1 ? CF_GAUGE : CF_LOG);
        assert_slice(message->cf.process_type, i != 1 ? "web" : "");
    }
    assert_null(messages_next(&messages));
    cf_apps_free(apps);
}

static bool have_times(const struct origin *origin, const char *body)
{
    struct messages messages;
    messages_begin(&messages, origin, guarded(slice_of(body)));
    return messages_have_times(&messages);
}

static void times(void **state)
{
    (void)state;
    assert_true(have_times(&cloud_foundry, ""));
    assert_true(have_times(&cloud_foundry, SHOP "- a\n" BILLING "- b\n"));
    assert_false(have_times(&cloud_foundry, "<14>1 - acme.prod.shop 1111 [0] - - a\n"));
    assert_false(have_times(&cloud_foundry, "hello\n" SHOP "- a\n"));
    assert_true(have_times(&one_message, SHOP "- a\nb\n"));
    assert_true(have_times(&logplex, NOBODY "a\n" NOBODY "b\n"));
    assert_false(have_times(&logplex, NOBODY "a\nhello\n"));
}

static void too_long(void **state)
{
    (void)state;
    enum { SIZE = FAMILY_MESSAGE_MAX + 1000 };
    static const struct line nothing;
    char *text = malloc(SIZE);
    assert_non_null(text);
    memset(text, 'a', SIZE);
    memcpy(text, NOBODY, strlen(NOBODY));
    const struct origin *origins[] = {&cloud_foundry, &one_message, &logplex};
    for (size_t i = 0; i < 3; i++) {
        struct messages messages;
        messages_begin(&messages, origins[i], (struct slice){text, SIZE});
        assert_true(messages_have_times(&messages));
        const struct message *message = messages_next(&messages);
        assert_non_null(message);
        assert_int_equal(message->text.length, SIZE);
        assert_false(message->has_header);
        assert_memory_equal(&message->line, &nothing, sizeof nothing);
        assert_null(messages_next(&messages));
    }
    free(text);
}

/* Of Heroku: no parts, and a count that is wrong. */
static void counted(void **state)
{
    (void)state;
    struct messages messages;
    messages_begin(&messages, &logplex, guarded(SLICE("9 <1>1 abc\n7 <1>1 defgh\n4 <1>\n")));
    const struct message *message = messages_next(&messages);
    assert_slice(message->text, "<1>1 abc");
    assert_false(message->is_repaired);
    message = messages_next(&messages);
    assert_slice(message->text, "<1>1 defgh");
    assert_true(message->is_repaired);
    messages_skip(&messages);
    assert_int_equal(messages.count, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts), cmocka_unit_test(nobodys_first), cmocka_unit_test(each_message),
        cmocka_unit_test(times), cmocka_unit_test(too_long),      cmocka_unit_test(counted),
    };
    return cmocka_run_group_tests_name("messages", tests, NULL, NULL);
}
