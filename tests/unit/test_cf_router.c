#include "families/cf_router.h"

#include <stdio.h>

#include "support.h"

#define OK VERDICT_RECOGNISED
#define PAIRS ((enum verdict)(VERDICT_MALFORMED + MALFORMED_PAIRS))

#define TAGS "[tags@47450 app_name=\"shop\" instance_id=\"1\" process_type=\"web\"]"
#define WEB "{app=\"acme/prod/shop\",process_type=\"web\"} "
#define REQUEST(method, status)                                                                                   \
    "cf_router_requests_total{app=\"acme/prod/shop\",method=\"" method "\",process_type=\"web\",status=\"" status \
    "\"} 1\n"
#define TIME(seconds) "cf_router_request_duration_seconds" WEB seconds "\n"
#define GOROUTER(seconds) "cf_router_gorouter_duration_seconds" WEB seconds "\n"
#define BYTES(in, out) "cf_router_request_bytes_total" WEB in "\ncf_router_response_bytes_total" WEB out "\n"
#define ERROR(what) "cf_router_errors_total" WEB what "\n"
#define NO_ERROR ERROR("0")

static void router(const char *message, const char *expected)
{
    check_cf("[RTR/1]", TAGS, message, OK, expected);
}

#define HEAD "shop.example.com - [2026-02-03T04:05:06.123456789Z] "
#define ADDRESSES " \"-\" \"curl/7.43.0\" \"10.0.2.150:4070\" \"10.0.48.66:60815\" "
#define FORWARDED \
    "x_forwarded_for:\"198.51.100.120, 10.0.0.1\" x_forwarded_proto:\"https\" vcap_request_id:\"87f9d899\" "
#define TIMES "response_time:0.263000 gorouter_time:0.000123 app_id:\"3517892b\" app_index:\"0\" instance_id:\"a\" "

static void of_today(void **state)
{
    (void)state;
    router(HEAD "\"GET / HTTP/1.1\" 200 30 109" ADDRESSES FORWARDED TIMES "x_cf_routererror:\"-\"",
           REQUEST("GET", "200") TIME("0.263") GOROUTER("0.000123") BYTES("30", "109") NO_ERROR);
    /* Newer versions tell more times, operators add headers, which may have names of ours. */
    router(HEAD
           "\"POST /x HTTP/2.0\" 404 0 9" ADDRESSES FORWARDED TIMES
           "backend_time:0.1 dial_time:0.1 dns_time:\"-\" failed_attempts:0 failed_attempts_time:\"-\" "
           "local_address:\"10.0.0.1:1\" tls_time:0.1 x_cf_routererror:\"-\" response_time:\"99\" doesnt_exist:\"-\"",
           REQUEST("POST", "404") TIME("0.263") GOROUTER("0.000123") BYTES("0", "9") NO_ERROR);
}

static void of_2016(void **state)
{
    (void)state;
    check_cf("[RTR/0]", "",
             "www.example.com - [24/11/2016:00:04:01.227 +0000] \"GET / HTTP/1.1\" 200 0 109 \"-\" \"curl/7.43.0\" "
             "10.0.2.150:4070 10.0.48.66:60815 x_forwarded_for:\"198.51.100.120\" x_forwarded_proto:\"http\" "
             "vcap_request_id:87f9d899-c7a4 response_time:0.263000966 app_id:8e5d6451 app_index:0 "
             "x_b3_traceid:\"2d5610bf5e0f7241\" x_b3_parentspanid:\"-\"",
             OK,
             "cf_router_requests_total{app=\"acme/prod/shop\",method=\"GET\",status=\"200\"} 1\n"
             "cf_router_request_duration_seconds{app=\"acme/prod/shop\"} 0.263000966\n"
             "cf_router_request_bytes_total{app=\"acme/prod/shop\"} 0\n"
             "cf_router_response_bytes_total{app=\"acme/prod/shop\"} 109\n"
             "cf_router_errors_total{app=\"acme/prod/shop\"} 0\n");
}

static void nothing_there(void **state)
{
    (void)state;
    router(HEAD "\"FakeRequestMethod http://example.com/request P\" \"-\" 0 0 \"-\" \"-\" \"a\" \"-\" "
                "x_forwarded_for:\"-\" x_forwarded_proto:\"-\" vcap_request_id:\"-\" response_time:\"-\" "
                "gorouter_time:\"-\" app_id:\"a\" app_index:\"-\" instance_id:\"-\" x_cf_routererror:\"-\"",
           "cf_router_requests_total{app=\"acme/prod/shop\",method=\"other\",process_type=\"web\"} 1\n" BYTES("0", "0")
               NO_ERROR);
    router(HEAD "\"GET / HTTP/1.1\" 999 \"-\" \"-\"", REQUEST("GET", "other") NO_ERROR);
}

static void known_errors(void **state)
{
    (void)state;
#define FAILED(error) \
    HEAD "\"GET / HTTP/1.1\" 502 0 67" ADDRESSES FORWARDED "response_time:\"-\" x_cf_routererror:\"" error "\""
#define FAILURE REQUEST("GET", "502") BYTES("0", "67")
    router(FAILED("endpoint_failure (dial tcp 10.0.48.66:60815: connect: connection refused)"),
           FAILURE ERROR("endpoint_failure 1"));
    router(FAILED("unknown_route"), FAILURE ERROR("unknown_route 1"));
    router(FAILED("no_endpoints"), FAILURE ERROR("no_endpoints 1"));
    router(FAILED("Connection Limit Reached"), FAILURE ERROR("Connection 1"));
#define OTHER(error) "cf_router_errors_total{app=\"acme/prod/shop\",error=\"" error "\",process_type=\"web\"} 1\n"
    router(FAILED("some-router-error"), FAILURE OTHER("some-router-error"));
    router(FAILED("new[x]"), FAILURE OTHER("new"));
    router(FAILED("/path?x"), FAILURE OTHER("other"));
    router(FAILED("(x)"), FAILURE OTHER("other"));
}

/* Go quotes what a client chose: it cannot forge a field. */
static void forged(void **state)
{
    (void)state;
    router(HEAD "\"GET /a\\\" 500 9 9 \\\"x HTTP/1.1\" 200 0 109 \"-\" \"evil \\\" response_time:99 \\\"\" \"1\" \"2\" "
                "x_forwarded_for:\"\\\" response_time:98 x_cf_routererror:\\\"x\" " TIMES "x_cf_routererror:\"-\"",
           REQUEST("GET", "200") TIME("0.263") GOROUTER("0.000123") BYTES("0", "109") NO_ERROR);
}

static void broken(void **state)
{
    (void)state;
    static const char *const lines[] = {"", "hello", "a - b", "a - [x", "a - [x] ", "a - [x] GET"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        check_cf("[RTR/1]", TAGS, lines[i], PAIRS, "");
    router(HEAD "\"GET", /* cut off at its longest */
           "cf_router_requests_total{app=\"acme/prod/shop\",method=\"GET\",process_type=\"web\"} 1\n" NO_ERROR);
    router(HEAD "\"GET / HTTP/1.1\" 200 0 1 \"-\" \"-\" \"-\" \"-\" response_time:x gorouter_time:-1",
           REQUEST("GET", "200") "reject value\nreject value\n" BYTES("0", "1") NO_ERROR);
    check_line("guid", "[RTR/1]", "x", VERDICT_NOT_A_METRIC, "");
}

/* However a line is cut, nothing behind it is read. */
static void cut(void **state)
{
    (void)state;
    const char line[] =
        HEAD "\"GET /a\\\" HTTP/1.1\" 200 0 109" ADDRESSES FORWARDED TIMES "x_cf_routererror:\"e \\\" (x)\"";
    for (size_t length = 0; length < sizeof line; length++) {
        char text[sizeof line];
        snprintf(text, length + 1, "%s", line);
        read_cf("[RTR/1]", TAGS, text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_today),     cmocka_unit_test(of_2016), cmocka_unit_test(nothing_there),
        cmocka_unit_test(known_errors), cmocka_unit_test(forged),  cmocka_unit_test(broken),
        cmocka_unit_test(cut),
    };
    return cmocka_run_group_tests_name("cf_router", tests, NULL, NULL);
}
