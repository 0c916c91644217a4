#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "support.h"

#define OK VERDICT_RECOGNISED
#define NONE VERDICT_NOT_A_METRIC

/* ---- the table ---- */

/* Names of a platform's metrics start with its name, which no app may choose. */
static void rows(void **state)
{
    (void)state;
    for (int id = 0; id < FAMILY_COUNT; id++) {
        const struct family *family = families[id];
        assert_true(family->read != NULL);
        assert_int_equal(family->create_state == NULL, family->free_state == NULL);
        for (size_t i = 0; i < FAMILY_PREFIXES_MAX && family->prefixes[i] != NULL; i++)
            assert_true(id == FAMILY_L2MET || slice_starts_with(slice_of(family->prefixes[i]), SLICE("heroku_")) ||
                        slice_starts_with(slice_of(family->prefixes[i]), SLICE("cf_")));
    }
    void *states[FAMILY_COUNT];
    assert_true(families_open(states));
    for (int id = 0; id < FAMILY_COUNT; id++)
        assert_int_equal(states[id] == NULL, families[id]->create_state == NULL);
    families_close(states);
    for (int id = 0; id < FAMILY_COUNT; id++)
        assert_null(states[id]);
}

/* ---- ingest ---- */

static void check_payload(const char *json, size_t length, enum verdict verdict, const char *expected)
{
    char *message = malloc(64 + length / 3 * 4 + 8);
    int start = sprintf(message, "crates-io-heroku-metrics:ingest ");
    EVP_EncodeBlock((unsigned char *)message + start, (const unsigned char *)json, (int)length);
    enum verdict got = read_line(&recorded, "app", "web.1", message);
    free(message);
    if (got != verdict)
        fail_msg("%s: verdict %d, not %d", json, (int)got, (int)verdict);
    if (strcmp(recorded.text, expected) != 0)
        fail_msg("%s\n gave\n%s not\n%s", json, recorded.text, expected);
}

static void check_json(const char *json, enum verdict verdict, const char *expected)
{
    check_payload(json, strlen(json), verdict, expected);
}

/* One metric, written without its braces. */
static void metric(const char *members, const char *expected)
{
    char json[4096];
    snprintf(json, sizeof json, "[{\"metric\":{\"name\":\"m\",%s}}]", members);
    check_json(json, OK, expected);
}

#define M(what) "m{app=\"my-app\",process=\"web.1\"} " what "\n"

static void ingest_values(void **state)
{
    (void)state;
    metric("\"counter\":{\"value\":10.0}", M("counter 10"));
    metric("\"gauge\":{\"value\":-1.1},\"kind\":\"incremental\"", M("gauge -1.1 incremental"));
    metric("\"gauge\":{\"value\":\" 0x10 \"}", M("gauge 16"));
    metric("\"gauge\":{\"value\":18446744073709551615}", M("gauge 18446744073709552000"));
    metric("\"set\":{\"values\":[\"1\",1,\"1\",\"x\"]}", M("set 2"));
    metric("\"set\":{\"values\":[]}", M("set 0"));
    /* A histogram in both spellings; count tells of what lies above the last bound. */
    metric("\"aggregated_histogram\":{\"buckets\":[0.1,1.0],\"counts\":[4,2],\"count\":7,\"sum\":9.5}",
           M("histogram 7 9.5 0.1 1 4 2"));
    metric("\"aggregated_histogram\":{\"buckets\":[0.1,1.0],\"counts\":[4,2],\"sum\":9.5}",
           M("histogram 6 9.5 0.1 1 4 2"));
    metric("\"aggregated_histogram\":{\"buckets\":[0.1,1.0],\"counts\":[4,2],\"count\":3,\"sum\":9.5}",
           M("histogram 6 9.5 0.1 1 4 2"));
    metric("\"aggregated_histogram\":{\"buckets\":[{\"upper_limit\":2,\"count\":2},{\"upper_limit\":1,\"count\":1},"
           "{\"upper_limit\":\"inf\",\"count\":3}],\"count\":6,\"sum\":11.5}",
           M("histogram 6 11.5 1 2 1 2"));
    /* How JSON writers spell the last bound, which is infinite. */
    metric("\"aggregated_histogram\":{\"buckets\":[0.1,1.0,null],\"counts\":[4,2,1],\"count\":7,\"sum\":9.5}",
           M("histogram 7 9.5 0.1 1 4 2"));
    metric("\"aggregated_histogram\":{\"buckets\":[{\"upper_limit\":1,\"count\":2},{\"upper_limit\":null,\"count\":3}],"
           "\"count\":5,\"sum\":9.5}",
           M("histogram 5 9.5 1 2"));
    metric(
        "\"aggregated_histogram\":{\"buckets\":[{\"upper_limit\":1,\"count\":2},{\"upper_limit\":\"inf\",\"count\":3}],"
        "\"count\":5,\"sum\":9.5}",
        M("histogram 5 9.5 1 2"));
    metric("\"aggregated_histogram\":{\"buckets\":[null],\"counts\":[4],\"sum\":9.5}", M("histogram 4 9.5"));
    metric("\"aggregated_histogram\":{\"buckets\":[1,1,2],\"counts\":[1,2,3],\"sum\":1}", M("histogram 6 1 1 2 3 3"));
    metric("\"aggregated_histogram\":{\"buckets\":[1,2,3],\"counts\":[1,2],\"sum\":1}", M("histogram 3 1 1 2 1 2"));
    metric("\"aggregated_histogram\":{\"buckets\":[],\"counts\":[],\"count\":2,\"sum\":1}", M("histogram 2 1"));
    metric("\"aggregated_histogram\":{\"buckets\":[0.1,1],\"counts\":[4,2,3],\"sum\":9.5}",
           M("histogram 9 9.5 0.1 1 4 2"));
    metric("\"set\":{\"values\":[1100000000000000001,1100000000000000002,1100000000000000003]}", M("set 3"));
    metric("\"gauge\":{\"value\":12345678901234567890}", M("gauge 12345678901234567000"));
    metric("\"aggregated_summary\":{\"quantiles\":[0.5,0.99],\"values\":[2.0,3.0],\"count\":6,\"sum\":12.0}",
           M("summary 6 12 0.5 0.99 2 3"));
    metric("\"aggregated_summary\":{\"quantiles\":[{\"quantile\":0.5,\"value\":2.0},{\"quantile\":0.5,\"value\":3}],"
           "\"count\":6,\"sum\":12.0}",
           M("summary 6 12 0.5 3"));
    metric("\"distribution\":{\"values\":[1.0,2.0,11],\"sample_rates\":[3,1,1],\"statistic\":\"histogram\"}",
           M("histogram 5 16 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 0 0 0 0 0 0 0 3 1 0 0"));
    metric("\"distribution\":{\"samples\":[{\"value\":1.0,\"rate\":3}],\"statistic\":\"summary\"}",
           M("histogram 3 3 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 0 0 0 0 0 0 0 3 0 0 0"));
    metric("\"distribution\":{\"samples\":[],\"statistic\":\"summary\"}",
           M("histogram 0 0 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 0 0 0 0 0 0 0 0 0 0 0"));
    metric("\"sketch\":{\"type\":\"ddsketch\",\"count\":2,\"min\":2.28,\"max\":3.15,\"sum\":5.43,\"avg\":2.715,\"k\":["
           "1391,1412],\"n\":[1,1]}",
           M("sketch 2 5.43 2.28 3.15 1391 1412 1 1"));
    metric("\"sketch\":{\"AgentDDSketch\":{\"bins\":{\"k\":[1412],\"n\":[1]},\"count\":1,\"min\":3.15,\"max\":3.15,"
           "\"sum\":3.15,\"avg\":3.15}}",
           M("sketch 1 3.15 3.15 3.15 1412 1"));
    /* As native_json writes it, and that of no values. */
    metric(
        "\"sketch\":{\"sketch\":{\"AgentDDSketch\":{\"bins\":{\"k\":[1391,1412],\"n\":[1,1]},\"count\":2,\"min\":2.28,"
        "\"max\":3.15,\"sum\":5.43,\"avg\":2.715}}}",
        M("sketch 2 5.43 2.28 3.15 1391 1412 1 1"));
    metric(
        "\"kind\":\"incremental\",\"sketch\":{\"sketch\":{\"AgentDDSketch\":{\"bins\":{\"k\":[],\"n\":[]},\"count\":0,"
        "\"min\":1.7976931348623157e308,\"max\":-1.7976931348623157e308,\"sum\":0.0,\"avg\":0.0}}}",
        M("sketch 0 0 0 0 incremental"));
    /* The first value in the order of the model counts, null is absent, and of two members with one name the last. */
    metric("\"gauge\":{\"value\":1},\"counter\":{\"value\":2}", M("counter 2"));
    metric("\"counter\":null,\"gauge\":{\"value\":1,\"value\":2}", M("gauge 2"));
    metric("\"namespace\":null,\"timestamp\":\"2022-13-40\",\"interval_ms\":null,\"kind\":null,\"gauge\":{\"value\":1}",
           M("gauge 1"));
}

static void ingest_refusals(void **state)
{
    (void)state;
    static const char *const values[] = {
        "\"counter\":{}",
        "\"counter\":{\"value\":null}",
        "\"counter\":{\"value\":true}",
        "\"counter\":{\"value\":\"nan\"}",
        "\"counter\":{\"value\":\"1e999\"}",
        "\"counter\":{\"value\":1e999}",
        "\"counter\":{\"VALUE\":1}",
        "\"counter\":1",
        "\"counter\":{\"value\":\"\"}",
        "\"set\":{\"values\":[null]}",
        "\"set\":{}",
        "\"aggregated_histogram\":{\"buckets\":[1],\"counts\":[-1],\"sum\":1}",
        "\"aggregated_histogram\":{\"buckets\":[1],\"counts\":[1]}",
        "\"aggregated_histogram\":{\"buckets\":[1],\"sum\":1}",
        "\"aggregated_histogram\":{\"buckets\":[\"NaN\"],\"counts\":[1],\"sum\":1}",
        "\"aggregated_histogram\":{\"buckets\":[{}],\"sum\":1}",
        "\"aggregated_histogram\":{\"buckets\":[null,1],\"counts\":[1,2],\"sum\":1}",
        "\"aggregated_histogram\":{\"buckets\":[{\"count\":1}],\"sum\":1}",
        "\"aggregated_histogram\":{\"buckets\":[1,2],\"counts\":[1,null],\"sum\":1}",
        "\"aggregated_summary\":{\"quantiles\":[null],\"values\":[1],\"count\":1,\"sum\":1}",
        "\"aggregated_histogram\":{\"buckets\":[1],\"counts\":[1,-1],\"sum\":1}",
        "\"aggregated_histogram\":{\"buckets\":{},\"counts\":[1],\"sum\":1}",
        "\"aggregated_summary\":{\"quantiles\":[\"inf\"],\"values\":[1],\"count\":1,\"sum\":1}",
        "\"distribution\":{\"values\":[1],\"sample_rates\":[1]}",
        "\"distribution\":{\"values\":[1e308,1e308],\"sample_rates\":[1,1],\"statistic\":\"histogram\"}",
        "\"distribution\":{\"values\":[1e308,-1e308],\"sample_rates\":[10,10],\"statistic\":\"histogram\"}",
        "\"distribution\":{\"values\":[1,1],\"sample_rates\":[1e308,1e308],\"statistic\":\"histogram\"}",
        "\"aggregated_histogram\":{\"buckets\":[1,2],\"counts\":[1e308,1e308],\"count\":1,\"sum\":1}",
        "\"distribution\":{\"values\":[1],\"sample_rates\":[1],\"statistic\":\"x\"}",
        "\"distribution\":{\"samples\":[1],\"statistic\":\"histogram\"}",
        "\"distribution\":{\"values\":[{\"a\":1}],\"sample_rates\":[1],\"statistic\":\"histogram\"}",
        "\"sketch\":{\"type\":\"x\",\"count\":1}",
        "\"sketch\":{\"type\":\"ddsketch\",\"count\":1,\"min\":2,\"max\":1,\"sum\":1,\"k\":[1],\"n\":[1]}",
        "\"sketch\":{\"type\":\"ddsketch\",\"count\":1,\"min\":1,\"max\":1,\"sum\":1,\"k\":[{}],\"n\":[1]}",
        "\"sketch\":{\"AgentDDSketch\":{}}",
        "\"sketch\":{\"sketch\":{\"AgentDDSketch\":{}}}",
        "\"sketch\":{\"sketch\":{}}",
        "\"sketch\":{\"sketch\":null,\"AgentDDSketch\":null}",
        "\"sketch\":{\"type\":\"ddsketch\",\"count\":1,\"min\":1,\"max\":1,\"sum\":1,\"k\":[1.5],\"n\":[1]}",
        "\"tags\":{}",
        "\"histogram\":{}",
    };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        metric(values[i], "reject value\n");
    metric("\"kind\":\"relative\",\"gauge\":{\"value\":1}", "reject kind\n");
    metric("\"tags\":{\"a\":{}},\"gauge\":{\"value\":1}", "reject labels\n");
    metric("\"tags\":[1],\"gauge\":{\"value\":1}", "reject labels\n");
    check_json("[{\"metric\":{\"gauge\":{\"value\":1}}},{\"metric\":{\"name\":1,\"gauge\":{\"value\":1}}}]", OK,
               "reject name\nreject name\n");
}

static void ingest_labels(void **state)
{
    (void)state;
    metric("\"tags\":{\"b\":\"2\",\"a\":1.5,\"n\":null,\"t\":true,\"l\":[\"x\",null,\"y\"],\"e\":[]},\"gauge\":{"
           "\"value\":1}",
           "m{a=\"1.5\",app=\"my-app\",b=\"2\",l=\"y\",process=\"web.1\",t=\"true\"} gauge 1\n");
    metric("\"tags\":[],\"gauge\":{\"value\":1}", M("gauge 1"));
    metric("\"tags\":{\"id\":123456789012345,\"long\":12345678901234567891,\"s\":\"\\\"1234567890123456,\",\"f\":0.1},"
           "\"gauge\":{\"value\":1}",
           "m{app=\"my-app\",f=\"0.1\",id=\"123456789012345\",long=\"12345678901234567891\",process=\"web.1\","
           "s=\"\\\"1234567890123456,\"} gauge 1\n");
    metric("\"tags\":{\"app\":\"forged\",\"process\":\"forged\",\"le\":\"1\"},\"gauge\":{\"value\":1}",
           "m{app=\"my-app\",exported_le=\"1\",process=\"web.1\"} gauge 1\n");
    metric("\"tags\":{\"a\":\"x\\u0000y\",\"b\":\"\\\\u0000\"},\"gauge\":{\"value\":1}",
           "m{a=\"x\xef\xbf\xbdy\",app=\"my-app\",b=\"\\\\u0000\",process=\"web.1\"} gauge 1\n");
}

static void ingest_lines(void **state)
{
    (void)state;
#define GOOD "{\"metric\":{\"name\":\"m\",\"gauge\":{\"value\":1}}}"
    check_json("[]", OK, "");
    check_json(GOOD, OK, M("gauge 1"));
    check_json(
        "[" GOOD ",null,1,\"x\",[],{},{\"log\":{}},{\"metric\":null}," GOOD "]", OK,
        M("gauge 1") "reject element\nreject element\nreject element\nreject element\nreject element\nreject element\n"
                     "reject element\n" M("gauge 1"));
    check_json("[" GOOD "] ", OK, M("gauge 1"));
    check_json("[" GOOD "] x", verdict_malformed(MALFORMED_JSON), "");
    check_json("[" GOOD, verdict_malformed(MALFORMED_JSON), "");
    check_json("[NaN]", verdict_malformed(MALFORMED_JSON), "");
    check_payload("[\"a\0b\"]", 7, verdict_malformed(MALFORMED_JSON), "");
    check_line("app", "web.1", "crates-io-heroku-metrics:ingest ", verdict_malformed(MALFORMED_BASE64), "");
    check_line("app", "web.1", "crates-io-heroku-metrics:ingest W3s*", verdict_malformed(MALFORMED_BASE64), "");
    check_line("app", "web.1", "crates-io-heroku-metrics:ingest W10= ", OK, "");
    check_line("app", "web.1", "crates-io-heroku-metrics:ingested W10=", NONE, "");
    check_line("app", "web.1", "x crates-io-heroku-metrics:ingest W10=", NONE, "");
}

/* Depth, and many small items, are bounded by the parser and its memory, not by luck. */
static void ingest_extremes(void **state)
{
    (void)state;
    static char json[45000];
    memset(json, '[', sizeof json - 1);
    check_payload(json, sizeof json - 1, verdict_malformed(MALFORMED_JSON), "");
    for (size_t i = 0; i + 2 < sizeof json; i += 2)
        memcpy(json + i, "0,", 2);
    json[0] = '[';
    json[1] = '0';
    json[sizeof json - 3] = ']';
    json[2] = ',';
    enum verdict verdict;
    char *message = malloc(70000);
    int start = sprintf(message, "crates-io-heroku-metrics:ingest ");
    memcpy(json, "{\"a\":[", 6);
    memcpy(json + sizeof json - 5, "0]}", 3);
    EVP_EncodeBlock((unsigned char *)message + start, (const unsigned char *)json, (int)(sizeof json - 2));
    verdict = read_line(&recorded, "app", "web.1", message);
    assert_int_equal(verdict, OK);
    assert_string_equal(recorded.text, "reject element\n");
    free(message);
}

/* Every beginning of a payload is JSON or it is not; nothing else happens. */
static void ingest_cuts(void **state)
{
    (void)state;
    const char json[] = "[{\"metric\":{\"name\":\"m\\u0000\",\"tags\":{\"a\":\"\\ud83d\\ude00\"},\"kind\":\"absolute\","
                        "\"aggregated_histogram\":{\"buckets\":[0.1,1e3],\"counts\":[4,2],\"count\":7,\"sum\":9.5}}}]";
    char message[1024];
    for (size_t length = 1; length < sizeof json; length++) {
        int start = sprintf(message, "crates-io-heroku-metrics:ingest ");
        EVP_EncodeBlock((unsigned char *)message + start, (const unsigned char *)json, (int)length);
        enum verdict verdict = read_line(&recorded, "app", "web.1", message);
        assert_int_equal(verdict, length == sizeof json - 1 ? OK : verdict_malformed(MALFORMED_JSON));
    }
}

/* ---- metrics_json ---- */

static void check_beginning(struct slice cut)
{
    enum verdict verdict = read_message(&recorded, "app", "web.1", cut);
    assert_int_equal(verdict, cut.length >= sizeof "{\"metrics\":{" - 1 ? OK : NONE);
    assert_int_equal(recorded.length, 0);
}

static void metrics_json(void **state)
{
    (void)state;
    each_cut(SLICE("{\"metrics\":{\"requests_total\":1234,\"in_flight\":{}}}"), check_beginning);
    check_line("app", "background-worker", "{\"metrics\":{}}", OK, "");
    check_line("app", "web.1", "{\"metrics\":[]}", NONE, "");
    check_line("app", "web.1", " {\"metrics\":{}}", NONE, "");
    check_line("heroku", "web.1", "{\"metrics\":{}}", NONE, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ingest_values),   cmocka_unit_test(ingest_refusals),
        cmocka_unit_test(ingest_labels),   cmocka_unit_test(ingest_lines),
        cmocka_unit_test(ingest_extremes), cmocka_unit_test(ingest_cuts),
        cmocka_unit_test(metrics_json),    cmocka_unit_test(rows),
    };
    return cmocka_run_group_tests_name("families", tests, NULL, NULL);
}
