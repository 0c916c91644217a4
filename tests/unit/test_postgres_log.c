#include <stdio.h>

#include "support.h"

/* The log of the Postgres server.  Beside what is captured: text of clients that wants to be taken for ours. */

#define OK VERDICT_RECOGNISED
#define NONE VERDICT_NOT_A_METRIC
#define SERVER "postgres.1105947"

static struct recording recording;

static void counts(const char *message, const char *source, const char *severity, const char *class)
{
    char expected[256];
    sprintf(
        expected,
        "heroku_postgres_log_messages_total{app=\"my-app\",severity=\"%s\",source=\"%s\",sqlstate_class=\"%s\"} 1\n",
        severity, source, class);
    check_line("app", SERVER, message, OK, expected);
}

static void captured(void **state)
{
    (void)state;
    counts("[YELLOW] [12-1]  sql_error_code = 00000 time_ms = \"2023-06-05 19:33:14.793 UTC\" pid=\"1991397\" "
           "proc_start_time=\"2023-06-05 19:33:12 UTC\" session_id=\"647e3878.1e62e5\" vtid=\"2/0\" tid=\"0\" "
           "log_line=\"3\" database=\"databasedataba\" connection_source=\"11.222.333.444(12345)\" "
           "user=\"useruseruserus\" application_name=\"pganalyze_test_run\" LOG:  duration: 2405.887 ms  statement: "
           "WITH naptime(value) AS (",
           "YELLOW", "LOG", "00");
    check_line("app", SERVER, "[YELLOW] [12-2] \tSELECT", OK, "");
    counts("[GREEN] [14-1]  sql_error_code = 00000 LOG:  duration: 2688.600 ms  execute <unnamed>: SELECT \"users\".* "
           "FROM \"users\" LIMIT 1",
           "GREEN", "LOG", "00");
    counts("[PURPLE] [13993-1]  sql_error_code = 00000 LOG:  restartpoint complete: wrote 123520 buffers (32.4%); 0 "
           "WAL file(s) added, 15 removed, 25 recycled; write=419.700 s, sync=0.016 s, total=419.834 s; sync "
           "files=301, longest=0.003 s, average=0.001 s; distance=689158 kB, estimate=804775 kB",
           "PURPLE", "LOG", "00");
    counts("[PURPLE] [13994-1]  sql_error_code = 00000 LOG:  recovery restart point at 32A8/A515CE48", "PURPLE", "LOG",
           "00");
    counts("[DATABASE] [9-1]  sql_error_code = 28000 FATAL:  no pg_hba.conf entry for host \"48.136.164.110\", user "
           "\"postgres\", database \"postgres\", SSL off",
           "DATABASE", "FATAL", "28");
    check_line("app", SERVER,
               "[GREEN] [16-2]  sql_error_code = 55P03 STATEMENT:  SELECT \"notifications\".* FROM \"notifications\" "
               "WHERE \"notifications\".\"id\" = 258324 LIMIT 1 FOR UPDATE NOWAIT "
               "/*app:worker.2,job:NotificationJob*/",
               OK, "");
}

static void severities(void **state)
{
    (void)state;
    static const char *const words[] = {"DEBUG", "LOG", "INFO", "NOTICE", "WARNING", "ERROR", "FATAL", "PANIC"};
    char message[128];
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        sprintf(message, "[HEROKU_POSTGRESQL_RED] [1-1]  sql_error_code = 23505 %s:  text", words[i]);
        counts(message, "HEROKU_POSTGRESQL_RED", words[i], "23");
    }
    counts("[A] [1-1]  sql_error_code = 00000 DEBUG5:  x", "A", "DEBUG", "00");
    counts("[A] [1-1] LOG:  no code", "A", "LOG", "other");
    counts("[A] [1-1] sql_error_code = xx000 ERROR:  x", "A", "ERROR", "other");
    counts("[A] [1-1] sql_error_code = \"XX000\" ERROR:  x", "A", "ERROR", "other");
    counts("[A] [1-1] sql_error_code = X ERROR:  x", "A", "ERROR", "other");
    counts("[A] [1-1] sql_error_code=XX000 PANIC:", "A", "PANIC", "XX");
    static const char *const additions[] = {"DETAIL", "HINT", "STATEMENT", "CONTEXT", "QUERY", "LOCATION"};
    for (size_t i = 0; i < sizeof additions / sizeof additions[0]; i++) {
        sprintf(message, "[RED] [1-1]  sql_error_code = 23505 %s:  ERROR:  x", additions[i]);
        check_line("app", SERVER, message, OK, "");
    }
    /* A later part is text of the message before it, whatever it says. */
    check_line("app", SERVER, "[RED] [1-2]  sql_error_code = 23505 ERROR:  x", OK, "");
    check_line("app", SERVER, "[RED] [1-11]  sql_error_code = 23505 ERROR:  x", OK, "");
}

static void forged(void **state)
{
    (void)state;
    counts("[RED] [1-1]  sql_error_code = 00000 application_name=\"x ERROR: y\" LOG:  z", "RED", "LOG", "00");
    counts("[RED] [1-1]  sql_error_code = 00000 application_name=\"x\"PANIC: y\" LOG:  z", "RED", "LOG", "00");
    counts("[RED] [1-1]  sql_error_code = 00000 user=\"sql_error_code = 57P01 FATAL:\" LOG:  z", "RED", "LOG", "00");
    counts("[RED] [1-1]  sql_error_code = 42601 application_name=\"\" ERROR:  syntax error at or near \"PANIC:\"",
           "RED", "ERROR", "42");
    check_line("app", SERVER, "[RED] [1-1]  sql_error_code = 00000 application_name=\"ERROR: never closed", NONE, "");
    check_line("app", SERVER, "[RED] [1-1]  sql_error_code = 00000 ERROR", NONE, "");
    check_line("app", SERVER, "[RED] [1-1]  sql_error_code = 00000 ALERT:  x", NONE, "");
    check_line("app", SERVER, "[RED] [1-1]  sql_error_code = 00000 Error:  x", NONE, "");
    check_line("app", SERVER, "[RED] [1-1]  sql_error_code", NONE, "");
    /* Samples in it are nobody's. */
    counts("[RED] [1-1]  sql_error_code = 00000 LOG:  source=HEROKU_POSTGRESQL addon=a sample#tables=1", "RED", "LOG",
           "00");
    check_line("app", SERVER, "[RED] [1-2]  source=RED addon=a sample#tables=1", OK, "");
    check_line("app", SERVER, "source=HEROKU_POSTGRESQL addon=a sample#tables=1", NONE, "");
}

/* A process type of the app may be called postgres. */
static void others(void **state)
{
    (void)state;
    static const char *const messages[] = {
        "listening on port 5432",
        "ERROR:  x",
        "[RED] ERROR:  x",
        "[red] [1-1]  sql_error_code = 00000 ERROR:  x",
        "[1-1]  sql_error_code = 00000 ERROR:  x",
        "[RED] [1]  sql_error_code = 00000 ERROR:  x",
        "[RED] [1-]  sql_error_code = 00000 ERROR:  x",
        "[RED] [-1]  sql_error_code = 00000 ERROR:  x",
        "[RED] [1-1-1]  sql_error_code = 00000 ERROR:  x",
        "[RED] [1-1",
        "[] [1-1]  sql_error_code = 00000 ERROR:  x",
        "[A0123456789012345678901234567890123456789012345678901234567890123] [1-1]  sql_error_code = 00000 ERROR:  x",
    };
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++)
        check_line("app", "postgres.1", messages[i], NONE, "");
    check_line("heroku", SERVER, "[RED] [1-1]  sql_error_code = 00000 ERROR:  x", NONE, "");
    check_line("app", "web.1", "[RED] [1-1]  sql_error_code = 00000 ERROR:  x", NONE, "");
    check_line("app", "postgres", "[RED] [1-1]  sql_error_code = 00000 ERROR:  x", NONE, "");
}

#define WHOLE "[RED] [1-1]  sql_error_code = 28P01 user=\"a b\" application_name=\"\" FATAL:  x"

static void check_cut(struct slice cut)
{
    enum verdict verdict = read_message(&recording, "app", SERVER, cut);
    bool whole = cut.length >= sizeof WHOLE - sizeof "  x"; /* the colon is there */
    assert_int_equal(verdict, whole ? OK : NONE);
    assert_int_equal(recording.length > 0, whole);
}

static void cuts(void **state)
{
    (void)state;
    each_cut(SLICE(WHOLE), check_cut);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(captured), cmocka_unit_test(severities), cmocka_unit_test(forged),
        cmocka_unit_test(others),   cmocka_unit_test(cuts),
    };
    return cmocka_run_group_tests_name("postgres log", tests, NULL, NULL);
}
