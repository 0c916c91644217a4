#include <stdio.h>

#include "support.h"

/* What apps print of their own measurements, and what only looks like it. */

#define OK VERDICT_RECOGNISED
#define NONE VERDICT_NOT_A_METRIC

#define BY_TYPE "{app=\"my-app\",process_type=\"web\"}"
#define BY_PROCESS "{app=\"my-app\",process=\"web.1\"}"
#define COUNTED(name, number) "l2met_" name "_total" BY_TYPE " " number "\n"
#define SAMPLED(name, number) "l2met_" name BY_PROCESS " gauge " number "\n"
#define MEASURED(name, number) "l2met_" name BY_TYPE " " number "\n"
#define TIMED(name, number) MEASURED(name "_seconds", number)

static struct recording recording;

static void web(const char *message, const char *expected)
{
    check_line("app", "web.1", message, expected[0] != '\0' ? OK : NONE, expected);
}

static void captured(void **state)
{
    (void)state;
    web("measure#db.latency=4ms", TIMED("db_latency", "0.004"));
    web("count#db.vaccum=1", COUNTED("db_vaccum", "1"));
    web("sample#db.size=100GB", SAMPLED("db_size_bytes", "107374182400"));
    web("measure#hello=1 measure#world=1ms", MEASURED("hello", "1") TIMED("world", "0.001"));
    web("measure.hello=1", MEASURED("hello", "1"));
    web("measure.hello", MEASURED("hello", "1"));
    web("foo count#requests=1 count#requests=-1", COUNTED("requests", "1") "reject value\n");
    web("measure#query=0.2ms bar baz", TIMED("query", "0.0002"));
    web("quux sample#size=0 unique#user=alice", SAMPLED("size", "0"));
    web("source=development", "");
    check_line("app", "web.1", "unique#user.clicked=bob", OK, "");
    web("sample#process.foo.memory.mb=52.54", SAMPLED("process_foo_memory_mb", "52.54"));
    web("measure#myfoo.ms=150", MEASURED("myfoo_ms", "150"));
    web("count#myfoo=1", COUNTED("myfoo", "1"));
    web("sample#service.dataset_count=19071", SAMPLED("service_dataset_count", "19071"));
    web("source=rack-timeout id=13100f4c-e610-4f00-b399-8d90a15db247 wait=5ms timeout=25000ms service=23ms "
        "state=completed",
        "");
    web("[r9673 d8512f2b] INFO     [292844f1-49fe-445b-87b3-af87088b7df8] log_request_id.middleware: method=GET "
        "path=/api/disposition/foundation/ status=200 user=875",
        "");
    web("INFO [init] level='info' event='Static Folder Registered' logger='init' folder='woocart_com/static'", "");
    web("method=GET path=/ format=html controller=HomeController action=index status=200 duration=12.34 view=5.67 "
        "db=1.23",
        "");
    /* Of another family. */
    check_line(
        "app", "web.1",
        "crates-io-heroku-metrics:ingest "
        "W3sibWV0cmljIjp7ImdhdWdlIjp7InZhbHVlIjowLjB9LCJraW5kIjoiYWJzb2x1dGUiLCJuYW1lIjoic2FtcGxlX2dhdWdlIiwidGFn"
        "cyI6e319fV0=",
        OK, "sample_gauge{app=\"my-app\",process=\"web.1\"} gauge 0\n");
}

static void values(void **state)
{
    (void)state;
    web("count#a=2.5 count#b=0 count#c=1e3", COUNTED("a", "2.5") COUNTED("b", "0") COUNTED("c", "1000"));
    web("count#a", COUNTED("a", "1"));
    web("sample#a=-5 sample#b=-5ms", SAMPLED("a", "-5") SAMPLED("b_seconds", "-0.005"));
    web("sample#load=5% sample#rate=12req/s", SAMPLED("load", "5") SAMPLED("rate", "12"));
    web("sample#a=\"12ms\"", SAMPLED("a_seconds", "0.012"));
    web("measure#a=61s", TIMED("a", "61"));
    web("measure#a=60s", TIMED("a", "60"));
    web("measure#a=0.5", MEASURED("a", "0.5"));
    web("measure#a=2e9", MEASURED("a", "2000000000"));
    web("measure#a=2kB", MEASURED("a_bytes", "2048"));
    web("measure#a=-1ms count#a=-0.5 count#a= count#a=x sample#a=1e999 sample#a=nan count#a=1,000 sample#a=1.2.3",
        "reject value\nreject value\nreject value\nreject value\nreject value\nreject value\nreject value\n"
        "reject value\n");
}

static void names(void **state)
{
    (void)state;
    /* What ends in its suffix does not get it twice. */
    web("count#a_total=1 count#a.total=1 count#atotal=1 count#total=1",
        COUNTED("a", "1") COUNTED("a", "1") COUNTED("atotal", "1") "l2met_total" BY_TYPE " 1\n");
    web("sample#a_seconds=1s sample#a-bytes=1kB sample#a.ms=1ms sample#a_seconds=1",
        SAMPLED("a_seconds", "1") SAMPLED("a_bytes", "1024") SAMPLED("a_ms_seconds", "0.001")
            SAMPLED("a_seconds", "1"));
    web("count#4xx=1 count#A:b-c=1", COUNTED("4xx", "1") COUNTED("A:b_c", "1"));
    web("count#a/b=1 count#a,=1 count#\"a\"=1 count#=1 count#\xc3\xa9=1 count##=1",
        "reject name\nreject name\nreject name\nreject name\nreject name\nreject name\n");
    char message[512];
    char expected[512];
    sprintf(message, "count#%0128d=1 count#%0129d=1", 0, 0);
    sprintf(expected, "l2met_%0128d_total" BY_TYPE " 1\nreject name\n", 0);
    web(message, expected);
}

static void labels(void **state)
{
    (void)state;
    web("source=us-east count#a=1 sample#b=2",
        "l2met_a_total{app=\"my-app\",process_type=\"web\",source=\"us-east\"} 1\n"
        "l2met_b{app=\"my-app\",process=\"web.1\",source=\"us-east\"} gauge 2\n");
    web("count#a=1 source=\"us east\" source=x",
        "l2met_a_total{app=\"my-app\",process_type=\"web\",source=\"us east\"} 1\n");
    web("count#a=1 source=", COUNTED("a", "1"));
    /* Numbers of one-off dynos do not come again. */
    static const char *const one_off[][2] = {
        {"run.1234", "run"}, {"scheduler.8317", "scheduler"}, {"release.9", "release"}, {"web.1234", "web"}};
    for (size_t i = 0; i < sizeof one_off / sizeof one_off[0]; i++) {
        char expected[256];
        sprintf(expected,
                "l2met_a_total{app=\"my-app\",process_type=\"%s\"} 1\n"
                "l2met_b{app=\"my-app\",process_type=\"%s\"} gauge 2\n",
                one_off[i][1], one_off[i][1]);
        check_line("app", one_off[i][0], "count#a=1 sample#b=2", OK, expected);
    }
    /* 128 bytes of source, and whole characters. */
    char message[512];
    char expected[512];
    sprintf(message, "count#a=1 source=%0126d\xe2\x82\xac", 0);
    sprintf(expected, "l2met_a_total{app=\"my-app\",process_type=\"web\",source=\"%0126d\"} 1\n", 0);
    web(message, expected);
    sprintf(message, "count#a=1 source=%0125d\xe2\x82\xac/", 0);
    sprintf(expected, "l2met_a_total{app=\"my-app\",process_type=\"web\",source=\"%0125d\xe2\x82\xac\"} 1\n", 0);
    web(message, expected);
}

/* What is counted is kept by the store, and stays with the app. */
static void kinds(void **state)
{
    (void)state;
    read_line(&recording, "app", "web.1", "count#a=1");
    assert_true(recording.last.metric->chosen && recording.last.name_limited);
    assert_int_equal(recording.last.metric->type, METRIC_COUNTER);
    assert_int_equal(recording.last.metric->cells, 1);
    assert_slice(recording.last.process, "");
    read_line(&recording, "app", "web.1", "measure#a=1");
    assert_true(recording.last.metric->chosen && recording.last.name_limited);
    assert_int_equal(recording.last.metric->type, METRIC_HISTOGRAM);
    assert_slice(recording.last.process, "");
    read_line(&recording, "app", "web.1", "sample#a=1");
    assert_null(recording.last.metric);
    assert_true(!recording.last.no_expiry && !recording.last.incremental && recording.last.name_limited);
    assert_slice(recording.last.process, "web.1");
    read_line(&recording, "app", "run.1234", "sample#a=1");
    assert_slice(recording.last.process, "");
}

static void check_bounds(const char *message, unsigned count, double first, double second, double last)
{
    read_line(&recording, "app", "web.1", message);
    const struct metric *metric = recording.last.metric;
    assert_int_equal(metric->cells, count + 2);
    assert_true(metric->bounds[0] == first && metric->bounds[1] == second && metric->bounds[count - 1] == last);
}

/* What was measured in time has bounds for it, and so has what its name says is seconds: one name, one histogram. */
static void bounds(void **state)
{
    (void)state;
    check_bounds("measure#a=4ms", 15, 0.001, 0.002, 60);
    check_bounds("measure#a_seconds=4", 15, 0.001, 0.002, 60);
    check_bounds("measure#a.seconds=4s", 15, 0.001, 0.002, 60);
    check_bounds("measure#a=4", 10, 1, 10, 1e9);
    check_bounds("measure#a=4kB", 10, 1, 10, 1e9);
    check_bounds("measure#a_seconds=4kB", 10, 1, 10, 1e9);
    check_bounds("measure#nanoseconds=4", 10, 1, 10, 1e9);
}

/* The source of a line counts for all of its pairs, wherever it stands, also if these are many. */
static void many_pairs(void **state)
{
    (void)state;
    char message[1024] = "", expected[4096] = "";
    for (int i = 0; i < 40; i++) {
        sprintf(message + strlen(message), "count#a%d=1 ", i);
        sprintf(expected + strlen(expected), "l2met_a%d_total{app=\"my-app\",process_type=\"web\",source=\"eu\"} 1\n",
                i);
    }
    strcat(message, "source=eu source=us");
    web(message, expected);
}

/* Neither text within values nor words that only contain the signs. */
static void not_pairs(void **state)
{
    (void)state;
    static const char *const messages[] = {
        "",
        "#",
        "count#",
        "count# of things",
        "recount#a=1",
        "account#a=1",
        "Count#a=1",
        "count a#b=1",
        "msg=\"count#a=1\"",
        "msg=\"x count#a=1 y\"",
        "url=/count#a=1",
        "{\"msg\":\"x count#a=1 y\"}",
        "GET /#count issue#5 #1",
        "measure. a",
        "the measure.a=1",
        "measured=1",
        "metric#a=1 tag#b=c histogram#d=1",
    };
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++)
        web(messages[i], "");
    web("# x#y count#a=1 z#", COUNTED("a", "1"));
}

static void authors(void **state)
{
    (void)state;
    /* It may look like what the platform writes, but it is the app's. */
    web("source=HEROKU_POSTGRESQL_RED addon=a sample#db_size=1bytes",
        "l2met_db_size_bytes{app=\"my-app\",process=\"web.1\",source=\"HEROKU_POSTGRESQL_RED\"} gauge 1\n");
    check_line("app", "postgres.123", "sample#tables=1", NONE, "");
    check_line("app", "postgres.1105947", "count#a=1", NONE, "");
    check_line("app", "web", "count#a=1", NONE, "");
    check_line("app", "web.1.", "count#a=1", NONE, "");
    check_line("app", "w/b.1", "count#a=1", NONE, "");
    check_line("org", "web.1", "count#a=1", NONE, "");
    check_line("app", "api", "count#a=1", NONE, "");
    check_line("app", "redis-metric-98068", "count#a=1", NONE, "");
}

static void check_cut(struct slice cut)
{
    enum verdict verdict = read_message(&recording, "app", "web.1", cut);
    assert_true(verdict == OK || verdict == NONE);
    assert_true(verdict == OK || recording.length == 0);
    for (const char *line = recording.text; *line != '\0'; line = strchr(line, '\n') + 1)
        assert_true(strncmp(line, "l2met_", 6) == 0 || strncmp(line, "reject ", 7) == 0);
}

static void cuts(void **state)
{
    (void)state;
    each_cut(SLICE("a=b count#requests=1 measure#db.latency=4ms sample#size=100GB unique#u=x source=\"\xe2\x82\xac\""),
             check_cut);
    each_cut(SLICE("measure.hello=1 count#x"), check_cut);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(captured), cmocka_unit_test(values), cmocka_unit_test(names),      cmocka_unit_test(labels),
        cmocka_unit_test(kinds),    cmocka_unit_test(bounds), cmocka_unit_test(many_pairs), cmocka_unit_test(not_pairs),
        cmocka_unit_test(authors),  cmocka_unit_test(cuts),
    };
    return cmocka_run_group_tests_name("l2met", tests, NULL, NULL);
}
