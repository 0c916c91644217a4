#include "families/cf_log_loss.h"

#include "support.h"

#define OK VERDICT_RECOGNISED
#define NONE VERDICT_NOT_A_METRIC

static void check(const char *message, enum verdict verdict, double lost)
{
    check_cf("[LGR/0]", "", message, verdict, "");
    for (int code = 0; code < LOGPLEX_CODES; code++)
        assert_true(recorded.context.lost[code] == (code == LOGPLEX_LGR ? lost : 0));
}

static void losses(void **state)
{
    (void)state;
    check("42 messages lost for application fea3e980-f9da in user provided syslog drain with url https://127.0.0.1/",
          OK, 42);
    check("1 messages lost for application fea3e980-f9da in user provided syslog drain with url https://127.0.0.1/", OK,
          1);
    check("Log message output is too high. 100 messages dropped (Total 300 messages dropped) to syslog://x", OK, 100);
    check("Log message output too high. We've dropped 7 messages", OK, 7);
}

static void others(void **state)
{
    (void)state;
    check("", NONE, 0);
    check("hello", NONE, 0);
    check("messages lost for application", NONE, 0);
    check("x messages lost", NONE, 0);
    check("7 messages", NONE, 0);
    check("9999999999999999999 messages lost for application", NONE, 0);
    check_cf("[APP/PROC/WEB/0]", "", "42 messages lost for application x", NONE, "");
    assert_true(recorded.context.lost[LOGPLEX_LGR] == 0);
    check_line("guid", "[LGR/0]", "42 messages lost for application x", NONE, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(losses), cmocka_unit_test(others)};
    return cmocka_run_group_tests_name("cf_log_loss", tests, NULL, NULL);
}
