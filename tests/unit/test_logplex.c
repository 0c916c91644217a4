#include "support.h"

static void check(const char *appname, const char *procid, const char *message, enum verdict verdict,
                  enum logplex_code code, double lost)
{
    check_line(appname, procid, message, verdict, "");
    for (int i = 0; i < LOGPLEX_CODES; i++)
        if (recorded.context.lost[i] != (i == (int)code ? lost : 0))
            fail_msg("%s: %g lost by code %d", message, recorded.context.lost[i], i);
}

#define OK VERDICT_RECOGNISED
#define NONE VERDICT_NOT_A_METRIC

static void losses(void **state)
{
    (void)state;
    check("heroku", "logplex",
          "Error L10 (output buffer overflow): 13 messages dropped since 2016-10-11T09:43:26+00:00.", OK, LOGPLEX_L10,
          13);
    check("heroku", "logplex",
          "Error L10 (output buffer overflow): 1 messages dropped since 2025-03-18T07:43:08.99958+00:00.", OK,
          LOGPLEX_L10, 1);
    check("heroku", "logplex", "Error L10 (output buffer overflow): drain 'd.ours' dropped 2 messages since x.", OK,
          LOGPLEX_L10, 2);
    check("heroku", "logplex", "Error L10 (output buffer overflow): drain 'd.other' dropped 2 messages since x.", OK,
          LOGPLEX_L10, 0);
    check("app", "log-shuttle", "Error L12: 222 messages dropped since 2013-11-04T21:31:32.125756+00:00.", OK,
          LOGPLEX_L12, 222);
    check("token", "log-shuttle", "Error L13: 111 messages lost since x", OK, LOGPLEX_L13, 111);
}

static void others(void **state)
{
    (void)state;
    check("heroku", "logplex", "Error L14 (certificate validation): error=\"bad certificate\"", NONE, LOGPLEX_L10, 0);
    check("heroku", "logplex", "Error L10", NONE, LOGPLEX_L10, 0);
    check("heroku", "logplex", "Error L10:", NONE, LOGPLEX_L10, 0);
    check("heroku", "logplex", "Error L10: x", NONE, LOGPLEX_L10, 0);
    check("heroku", "logplex", "hello", NONE, LOGPLEX_L10, 0);
    check("app", "web.1", "Error L10 (output buffer overflow): 13 messages dropped since x.", NONE, LOGPLEX_L10, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(losses),
        cmocka_unit_test(others),
    };
    return cmocka_run_group_tests_name("logplex", tests, NULL, NULL);
}
