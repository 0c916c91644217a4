#include "intake/origin.h"

#include <math.h>

#include "support.h"

/* What the senders that formats are known of put into their requests, and what follows. */
static const struct expectation {
    const char *sender;
    struct origin_headers headers;
    enum syslog_shape shape;
    const char *drain;
    const char *id;
} expectations[] = {
    {"logplex",
     {.drain_token = SLICE("d.1"),
      .frame_id = SLICE("F1"),
      .user_agent = SLICE("Logplex/v73")},
     SYSLOG_LOGPLEX,
     "d.1",
     "F1"},
    /* Its own name for a batch stays the same when it tries again; that of a router before us does not. */
    {"logplex",
     {.drain_token = SLICE("d.1"), .frame_id = SLICE("F1"), .request_id = SLICE("r")},
     SYSLOG_LOGPLEX,
     "d.1",
     "F1"},
    {"logplex", {.drain_token = SLICE("d.1"), .request_id = SLICE("r")}, SYSLOG_LOGPLEX, "d.1", ""},
    {"logplex", {.frame_id = SLICE("12"), .request_id = SLICE("r")}, SYSLOG_LOGPLEX, "", ""},
    {"log-shuttle",
     {.request_id = SLICE("r"),
      .user_agent = SLICE("log-shuttle/0.18 (go1.20; linux; amd64; gc)")},
     SYSLOG_RFC5424,
     "",
     "r"},
    {"log-shuttle", {.frame_id = SLICE("F1"), .user_agent = SLICE("log-shuttle/1")}, SYSLOG_RFC5424, "", ""},
    {"log-shuttle", {.drain_token = SLICE("d.1"), .user_agent = SLICE("log-shuttle/")}, SYSLOG_RFC5424, "", ""},
    {"private-space", {.request_id = SLICE("r"), .user_agent = SLICE("excon/0.76.0")}, SYSLOG_RFC5424, "", "r"},
    {"other", {.request_id = SLICE("r"), .user_agent = SLICE("log-shuttle")}, SYSLOG_RFC5424, "", "r"},
    {"other", {.user_agent = SLICE("curl/8")}, SYSLOG_RFC5424, "", ""},
    {"other", {.drain_token = SLICE("")}, SYSLOG_RFC5424, "", ""},
};

static void senders(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(expectations); i++) {
        const struct expectation *expected = &expectations[i];
        struct origin origin = origin_of(&expected->headers);
        assert_string_equal(origin.sender, expected->sender);
        assert_int_equal(origin.shape, expected->shape);
        assert_slice(origin.drain_token,
                     expected->headers.drain_token.at == NULL ? "" : expected->headers.drain_token.at);
        if (expected->id[0] != '\0')
            assert_slice(origin.drain, expected->drain);
        assert_slice(origin.id, expected->id);
        assert_false(origin.announces_messages);
        assert_true(origin.lost[LOGPLEX_L10] == 0 && origin.lost[LOGPLEX_L12] == 0 && origin.lost[LOGPLEX_L13] == 0);
    }
}

static double messages_of(const char *count)
{
    struct origin origin = origin_of(&(struct origin_headers){.message_count = slice_of(count)});
    assert_true(origin.announces_messages);
    return origin.messages;
}

static void message_counts(void **state)
{
    (void)state;
    assert_true(messages_of("0") == 0);
    assert_true(messages_of("12") == 12);
    assert_true(messages_of("999999999999999") == 999999999999999);
    static const char *const unreadable[] = {"+1", "-1", "1.5", " 1", "1 ", "x", "0x1", "1000000000000000"};
    for (size_t i = 0; i < COUNT(unreadable); i++)
        assert_true(isnan(messages_of(unreadable[i])));
}

static void losses(void **state)
{
    (void)state;
    struct origin origin = origin_of(&(struct origin_headers){.drop_count = SLICE("7"), .lost_count = SLICE("2")});
    assert_true(origin.lost[LOGPLEX_L10] == 0);
    assert_true(origin.lost[LOGPLEX_L12] == 7);
    assert_true(origin.lost[LOGPLEX_L13] == 2);
    origin = origin_of(&(struct origin_headers){.drop_count = SLICE("-7"), .lost_count = SLICE("many")});
    assert_true(origin.lost[LOGPLEX_L12] == 0 && origin.lost[LOGPLEX_L13] == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(senders),
        cmocka_unit_test(message_counts),
        cmocka_unit_test(losses),
    };
    return cmocka_run_group_tests_name("origin", tests, NULL, NULL);
}
