#include "families/router.h"
#include "support.h"

#define OK VERDICT_RECOGNISED
#define NONE VERDICT_NOT_A_METRIC

/* What a line gives, in the order in which it is recorded. */
#define REQUEST(labels) "heroku_router_requests_total{app=\"my-app\"," labels "} 1\n"
#define PROTOCOL(labels) "heroku_router_protocol_requests_total{app=\"my-app\"," labels "} 1\n"
#define APP_ZERO "heroku_router_errors{app=\"my-app\"} 0\n"
#define DYNO_ZERO(process) "heroku_router_errors{app=\"my-app\",process=\"" process "\"} 0\n"
#define ZERO(process) APP_ZERO DYNO_ZERO(process)
#define TYPE "{app=\"my-app\",process_type=\"web\"} "
#define SERVICE(seconds) "heroku_router_service_duration_seconds" TYPE seconds "\n"
#define CONNECT(seconds) "heroku_router_connect_duration_seconds" TYPE seconds "\n"
#define BYTES(count) "heroku_router_response_bytes_total" TYPE count "\n"
#define ERROR(process, code) "heroku_router_errors{app=\"my-app\"" process "} " code " 1\n"
#define LEVEL(at, code) "heroku_router_error_lines_total{app=\"my-app\",at=\"" at "\"} " code " 1\n"
#define WEB_1 ",process=\"web.1\""

static void router(const char *message, const char *expected)
{
    check_line("heroku", "router", message, OK, expected);
}

static void requests(void **state)
{
    (void)state;
    /* Router 2.0, and the older one. */
    router("at=info method=GET path=\"/\" host=h request_id=r fwd=138.68.186.89 dyno=web.1 connect=0ms service=459ms "
           "status=200 bytes=15225 protocol=http1.1 tls=true tls_version=tls1.3",
           REQUEST("method=\"GET\",status=\"200\"") PROTOCOL("protocol=\"http1.1\",tls=\"true\"") ZERO("web.1")
               SERVICE("0.459") CONNECT("0") BYTES("15225"));
    router("at=info method=POST path=\"/x?y=1&z=2\" host=h fwd=\"1.2.3.4, 5.6.7.8\" dyno=web.1 connect=7001ms "
           "service=30001ms status=304 bytes=0 protocol=http2.0 tls=false",
           REQUEST("method=\"POST\",status=\"304\"") PROTOCOL("protocol=\"http2.0\",tls=\"false\"") ZERO("web.1")
               SERVICE("30.001") CONNECT("7.001") BYTES("0"));
    router("at=info method=PATCH path=/check?metric=a:b,c&0 host=h dyno=web.1 connect=1ms service=849ms status=500 "
           "bytes=306",
           REQUEST("method=\"PATCH\",status=\"500\"") ZERO("web.1") SERVICE("0.849") CONNECT("0.001") BYTES("306"));
    router("at=info method=GET path=\"/\" dyno=web.1 connect=1ms service=18ms status=200 bytes=13 tls_version=tls1.1 "
           "protocol=http",
           REQUEST("method=\"GET\",status=\"200\"") PROTOCOL("protocol=\"http\",tls=\"false\"") ZERO("web.1")
               SERVICE("0.018") CONNECT("0.001") BYTES("13"));
    router("at=info method=GET dyno=web.1 status=200 protocol=https",
           REQUEST("method=\"GET\",status=\"200\"") PROTOCOL("protocol=\"https\",tls=\"true\"") ZERO("web.1"));
    /* Another process type has histograms of its own. */
    router("at=info method=GET dyno=api-v2.13 service=1ms status=200",
           REQUEST("method=\"GET\",status=\"200\"") ZERO(
               "api-v2.13") "heroku_router_service_duration_seconds{app=\"my-app\",process_type=\"api-v2\"} 0.001\n");
    router("dyno=web.1 at=info method=GET status=200 service=5", /* in another order, which nobody writes */
           REQUEST("method=\"other\",status=\"200\"") ZERO("web.1") SERVICE("0.005"));
}

/* What a client chooses is no label. */
static void clamped(void **state)
{
    (void)state;
    router("at=info method=BREW path=\"/\" dyno=web.1 status=418",
           REQUEST("method=\"other\",status=\"418\"") ZERO("web.1"));
    router("at=info method=GET path=\"/\" dyno=web.1 status=", REQUEST("method=\"GET\"") ZERO("web.1"));
    router("at=info method= path=\"/\" dyno=web.1 status=99999",
           REQUEST("method=\"other\",status=\"other\"") ZERO("web.1"));
    router("at=info method=GET dyno=web.1 status=200 protocol=gopher tls=maybe",
           REQUEST("method=\"GET\",status=\"200\"") PROTOCOL("protocol=\"other\"") ZERO("web.1"));
    router("at=info method=GET dyno=\"we b.1\" status=200", REQUEST("method=\"GET\",status=\"200\"") APP_ZERO);
    router("at=info method=GET dyno=web.1 connect=xms service=9999999999999999999ms status=200 bytes=-1",
           REQUEST("method=\"GET\",status=\"200\"") ZERO("web.1"));
    /* A client that gets a quote through cannot forge what stands from dyno on. */
    router("at=info method=GET path=\"/\" fwd=\"1\" code=H12 at=error dyno=web.9 status=500\" dyno=web.1 connect=1ms "
           "status=200",
           REQUEST("method=\"GET\",status=\"200\"") ZERO("web.1") CONNECT("0.001"));
    router("at=error code=H31 desc=\"x\" method=GET path=\"/\" dyno= connect= service= status=421 bytes= protocol=http "
           "agent=\"a dyno=web.9 status=200 \"",
           REQUEST("method=\"GET\",status=\"421\"") PROTOCOL("protocol=\"http\",tls=\"false\"")
               APP_ZERO ERROR("", "H31") LEVEL("error", "H31"));
}

static void errors(void **state)
{
    (void)state;
    router("at=error code=H12 desc=\"Request timeout\" method=GET path=\"/x?y=1\" dyno=web.1 connect= service=30000ms "
           "status=503",
           REQUEST("method=\"GET\",status=\"503\"") ZERO("web.1") SERVICE("30") ERROR(WEB_1, "H12")
               LEVEL("error", "H12"));
    router("sock=client at=warning code=H27 desc=\"x\" method=GET path=/ dyno=web.1 status=499 bytes= protocol=https",
           REQUEST("method=\"GET\",status=\"499\"") PROTOCOL("protocol=\"https\",tls=\"true\"") ZERO("web.1")
               LEVEL("warning", "H27"));
    /* No dyno: the app counts, and no process is made up. */
    router("at=error code=H10 desc=\"App crashed\" method=GET path=\"/\" dyno= connect= service= status=503 bytes=",
           REQUEST("method=\"GET\",status=\"503\"") APP_ZERO ERROR("", "H10") LEVEL("error", "H10"));
    router("error code=H31 desc=\"Misdirected Request\" method=GET path=\"/\" dyno= connect= status=421",
           REQUEST("method=\"GET\",status=\"421\"") APP_ZERO ERROR("", "H31") LEVEL("error", "H31"));
    router(
        "at=info code=H80 desc=\"Maintenance mode\" method=GET path=\"/up\" dyno= connect=0ms service=0ms status=503",
        REQUEST("method=\"GET\",status=\"503\"") APP_ZERO
        "heroku_router_service_duration_seconds{app=\"my-app\"} 0\n"
        "heroku_router_connect_duration_seconds{app=\"my-app\"} 0\n" LEVEL("info", "H80"));
    router(
        "at=error code=H25 desc=\"HTTP restriction: invalid content length\" method=GET dyno=web.1 connect=0 service=1 "
        "status=502 bytes=537",
        REQUEST("method=\"GET\",status=\"502\"") ZERO("web.1") SERVICE("0.001") CONNECT("0") BYTES("537")
            ERROR(WEB_1, "H25") LEVEL("error", "H25"));
    router("sock=backend at=warning code=H18 method=GET dyno=web.1",
           REQUEST("method=\"GET\"")
               ZERO("web.1") "heroku_router_error_lines_total{app=\"my-app\",at=\"warning\",code=\"H18\"} 1\n");
    /* A code at another level than usual is told apart; one of information is no error. */
    router("at=info code=H12 method=GET dyno=web.1",
           REQUEST("method=\"GET\"")
               ZERO("web.1") "heroku_router_error_lines_total{app=\"my-app\",at=\"info\",code=\"H12\"} 1\n");
    router("at=error code=H27 method=GET dyno=web.1",
           REQUEST("method=\"GET\"") ZERO("web.1")
               ERROR(WEB_1, "H27") "heroku_router_error_lines_total{app=\"my-app\",at=\"error\",code=\"H27\"} 1\n");
    /* Codes to come, and what is none. */
    router("at=error code=H77 method=GET dyno=web.1",
           REQUEST("method=\"GET\"")
               ZERO("web.1") "heroku_router_errors{app=\"my-app\",code=\"H77\",process=\"web.1\"} 1\n"
                             "heroku_router_error_lines_total{app=\"my-app\",at=\"error\",code=\"H77\"} 1\n");
    router("at=panic code=blank-app method=GET dyno=", REQUEST("method=\"GET\"") APP_ZERO
           "heroku_router_errors{app=\"my-app\",code=\"other\"} 1\n"
           "heroku_router_error_lines_total{app=\"my-app\",at=\"other\",code=\"other\"} 1\n");
}

/* How long a WebSocket was open is not how long a response took. */
static void websockets(void **state)
{
    (void)state;
    router("at=info method=GET path=\"/cable\" dyno=web.1 connect=1ms service=7200123ms status=101 bytes=9 "
           "protocol=http1.1",
           REQUEST("method=\"GET\",status=\"101\"") PROTOCOL("protocol=\"http1.1\"")
               ZERO("web.1") "heroku_router_websocket_duration_seconds" TYPE "7200.123\n" CONNECT("0.001") BYTES("9"));
    router("at=info method=GET path=\"/cable\" dyno=web.1 connect= service= status=101",
           REQUEST("method=\"GET\",status=\"101\"") ZERO("web.1"));
}

#define DYNO "process=\"web.1\",process_type=\"web\""
#define OF_DYNO(name, value) "heroku_router_" name "{app=\"my-app\"," DYNO "} " value "\n"

/* On request, requests and their durations are told apart by dyno, and end with it. */
static void by_process(void **state)
{
    (void)state;
    recorded.context.router_by_process = true;
    router("at=info method=GET path=\"/\" dyno=web.1 connect=1ms service=18ms status=200 bytes=13 protocol=http1.1",
           REQUEST("method=\"GET\"," DYNO ",status=\"200\"") PROTOCOL("protocol=\"http1.1\"") ZERO("web.1")
               OF_DYNO("service_duration_seconds", "0.018") OF_DYNO("connect_duration_seconds", "0.001")
                   OF_DYNO("response_bytes_total", "13"));
    assert_slice(recorded.last.process, "web.1");
    router("at=info method=GET path=\"/\" dyno=web.1 connect=1ms service=18ms status=101",
           REQUEST("method=\"GET\"," DYNO ",status=\"101\"") ZERO("web.1")
               OF_DYNO("websocket_duration_seconds", "0.018") OF_DYNO("connect_duration_seconds", "0.001"));
    /* A one-off dyno has a number that does not come again; and there may be none. */
    router("at=info method=GET path=\"/\" dyno=run.1234 service=18ms status=200",
           REQUEST("method=\"GET\",process_type=\"run\",status=\"200\"")
               ZERO("run.1234") "heroku_router_service_duration_seconds{app=\"my-app\",process_type=\"run\"} 0.018\n");
    router("at=error code=H10 method=GET path=\"/\" dyno= service= status=503",
           REQUEST("method=\"GET\",status=\"503\"") APP_ZERO ERROR("", "H10") LEVEL("error", "H10"));
    assert_int_equal(recorded.last.process.length, 0);
    recorded.context.router_by_process = false;
}

/* Two lines of one batch, which find their series where the first left them. */
static void two_lines(const char *first, const char *second, const char *expected)
{
    assert_int_equal(read_line(&recorded, "heroku", "router", first), OK);
    struct line line = {.appname = SLICE("heroku"), .procid = SLICE("router"), .message = {second, strlen(second)}};
    recorded.length = 0;
    assert_int_equal(router_family.read(&line, &recorded.context, &recorded.output), OK);
    assert_string_equal(recorded.text, expected);
}

static void found_series(void **state)
{
    (void)state;
    const char *one = "at=info method=GET path=\"/\" dyno=web.1 service=1ms status=200",
               *two = "at=info method=GET path=\"/\" dyno=web.2 service=2ms status=200";
    two_lines(one, one, REQUEST("method=\"GET\",status=\"200\"") SERVICE("0.001"));
    /* The app's own zeros come once in a batch; web.2 has the series that web.1 has, and worker.1 others. */
    two_lines(one, two, REQUEST("method=\"GET\",status=\"200\"") DYNO_ZERO("web.2") SERVICE("0.002"));
    two_lines(one, "at=info method=GET path=\"/\" dyno=worker.1 service=3ms status=200",
              REQUEST("method=\"GET\",status=\"200\"")
                  DYNO_ZERO("worker.1") "heroku_router_service_duration_seconds{app=\"my-app\",process_type="
                                        "\"worker\"} 0.003\n");
    two_lines("at=info method=GET path=\"/\" dyno=web.1 service=1ms status=101", two,
              REQUEST("method=\"GET\",status=\"200\"") DYNO_ZERO("web.2") SERVICE("0.002"));
    recorded.context.router_by_process = true;
    two_lines(one, one, REQUEST("method=\"GET\"," DYNO ",status=\"200\"") OF_DYNO("service_duration_seconds", "0.001"));
    two_lines(one, two,
              REQUEST("method=\"GET\",process=\"web.2\",process_type=\"web\",status=\"200\"") DYNO_ZERO(
                  "web.2") "heroku_router_service_duration_seconds{app=\"my-app\",process=\"web.2\",process_type="
                           "\"web\"} 0.002\n");
    recorded.context.router_by_process = false;
}

static void not_router_lines(void **state)
{
    (void)state;
    check_line("heroku", "router", "completely unrelated text", verdict_malformed(MALFORMED_PAIRS), "");
    check_line("app", "web.1", "at=error code=H12 method=GET dyno=web.1", NONE, "");
    check_line("app", "router", "at=error code=H12 method=GET dyno=web.1", NONE, "");
}

/* The lines about our own requests. */
static void self_drain(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        double self;
    } cases[] = {
        {"at=info method=POST path=\"/drain?app_name=x\" host=drain.example.com dyno=web.1 status=204", 1},
        {"at=info method=POST path=\"/drain\" host=drain.example.com request_id=r dyno=web.1 status=204", 1},
        {"sock=client at=warning code=H27 method=POST path=\"/drain\" host=drain.example.com dyno=web.1 status=499", 1},
        {"at=info method=GET path=\"/drain\" host=drain.example.com dyno=web.1 status=405", 0},
        {"at=info method=POST path=\"/drains\" host=drain.example.com dyno=web.1 status=404", 0},
        {"at=info method=POST path=\"/drain\" host=other.example.com dyno=web.1 status=204", 0},
        {"at=info method=POST path=\"/drain", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        recorded.context.leave_out_self_drain = false;
        assert_int_equal(read_line(&recorded, "heroku", "router", cases[i].line), OK);
        assert_true(recorded.context.self_drain == cases[i].self);
        recorded.context.leave_out_self_drain = true;
        assert_int_equal(read_line(&recorded, "heroku", "router", cases[i].line), cases[i].self ? NONE : OK);
        assert_true(recorded.context.self_drain == cases[i].self);
        assert_true((recorded.text[0] == '\0') == (cases[i].self != 0));
        recorded.context.leave_out_self_drain = false;
    }
}

static void cut(struct slice text)
{
    read_message(&recorded, "heroku", "router", text);
}

static void cuts(void **state)
{
    (void)state;
    each_cut(SLICE("sock=backend at=error code=H18 desc=\"Server Request Interrupted\" method=POST path=\"/drain\" "
                   "host=drain.example.com request_id=r fwd=\"100.27.26.255\" dyno=web.1 connect=0ms service=710ms "
                   "status=200 bytes=0 protocol=http1.1 tls=true tls_version=unknown agent=\"x\""),
             cut);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests),         cmocka_unit_test(clamped),    cmocka_unit_test(errors),
        cmocka_unit_test(websockets),       cmocka_unit_test(by_process), cmocka_unit_test(found_series),
        cmocka_unit_test(not_router_lines), cmocka_unit_test(self_drain), cmocka_unit_test(cuts),
    };
    return cmocka_run_group_tests_name("router", tests, NULL, NULL);
}
