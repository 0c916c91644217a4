#include "families/cf_app.h"

#include <stdio.h>

#include "support.h"

#define OK VERDICT_RECOGNISED
#define TAGS(more)                                                                                      \
    "[tags@47450 app_id=\"guid\" app_name=\"shop\" deployment=\"cf\" index=\"f57b\" instance_id=\"0\" " \
    "ip=\"10.0.0.1\" "                                                                                  \
    "process_type=\"web\" source_id=\"guid\" space_name=\"prod\" __v1_type=\"X\"" more "]"
#define GAUGE(name, value, unit) "[gauge@47450 name=\"" name "\" value=\"" value "\" unit=\"" unit "\"]" TAGS("")
#define APP "app=\"acme/prod/shop\",instance_index=\"0\""
#define WEB_0 "{" APP ",process_type=\"web\"} "

static void metric(const char *data, const char *expected)
{
    check_cf("[0]", data, "", OK, expected);
}

static void gauges(void **state)
{
    (void)state;
    metric(GAUGE("queue_wait", "250", "ms"), "cf_app_queue_wait_seconds" WEB_0 "gauge 0.25\n");
    metric(GAUGE("wait", "2.5", "us"), "cf_app_wait_seconds" WEB_0 "gauge 0.0000025\n");
    metric(GAUGE("wait", "3", "ns"), "cf_app_wait_seconds" WEB_0 "gauge 0.000000003\n");
    metric(GAUGE("wait", "-3", "s"), "cf_app_wait_seconds" WEB_0 "gauge -3\n");
    metric(GAUGE("heap", "2", "MB"), "cf_app_heap_bytes" WEB_0 "gauge 2097152\n");
    metric(GAUGE("heap.used", "1e+06", "bytes"), "cf_app_heap_used_bytes" WEB_0 "gauge 1000000\n");
    metric(GAUGE("load", "12.5", "percentage"), "cf_app_load_ratio" WEB_0 "gauge 0.125\n");
    metric(GAUGE("queue-length", "0", "jobs"), "cf_app_queue_length_jobs" WEB_0 "gauge 0\n");
    metric(GAUGE("rate", "1", "B/s"), "cf_app_rate_B_s" WEB_0 "gauge 1\n");
    metric(GAUGE("depth", "7", ""), "cf_app_depth" WEB_0 "gauge 7\n");
    metric(GAUGE("db_seconds", "7", "s"), "cf_app_db_seconds" WEB_0 "gauge 7\n"); /* no second _seconds */
    metric(GAUGE("a\\\"b", "7", "x\\]"), "cf_app_a_b_x_" WEB_0 "gauge 7\n");
    assert_slice(recorded.last.process, "web.0");
    assert_true(recorded.last.name_limited);
}

static void counters(void **state)
{
    (void)state;
    metric("[counter@47450 name=\"jobs.done\" total=\"99\" delta=\"1\"]" TAGS(""),
           "cf_app_jobs_done_total" WEB_0 "counter 99\n");
    metric("[counter@47450 name=\"jobs_total\" total=\"7\" delta=\"1\"]" TAGS(""),
           "cf_app_jobs_total" WEB_0 "counter 7\n");
    metric("[counter@47450 name=\"jobs\" total=\"-7\"]" TAGS(""), "reject value\n");
    metric("[counter@47450 name=\"jobs\" delta=\"7\"]" TAGS(""), "reject value\n");
}

static void timers(void **state)
{
    (void)state;
    metric("[timer@47450 name=\"checkout\" start=\"1000000000\" stop=\"1250000000\"]" TAGS(""),
           "cf_app_checkout_seconds" WEB_0 "0.25\n");
    metric("[timer@47450 name=\"spike\" start=\"1795168740024691340\" stop=\"1795168800024691341\"]" TAGS(""),
           "cf_app_spike_seconds" WEB_0 "60.000000001\n");
    metric("[timer@47450 name=\"t\" start=\"2\" stop=\"1\"]" TAGS(""), "reject value\n");
    metric("[timer@47450 name=\"t\" start=\"-2\" stop=\"1\"]" TAGS(""), "reject value\n");
    metric("[timer@47450 name=\"t\"]" TAGS(""), "reject value\n");
}

/* As gorouter's, with a newline in a tag: of all its tags only two become labels. */
static void http(void **state)
{
    (void)state;
#define HTTP "[timer@47450 name=\"http\" start=\"1795168800019987639\" stop=\"1795168800020987639\"]"
    metric(HTTP TAGS(" component=\"gorouter\" forwarded=\"198.51.100.120\n10.0.2.150\" method=\"GET\" "
                     "status_code=\"200\" uri=\"https://shop.example.com/items/0\" user_agent=\"curl/8.5.0\""),
           "cf_http_timer_seconds{" APP ",method=\"GET\",process_type=\"web\",status=\"200\"} 0.001\n");
    metric(HTTP TAGS(" method=\"BREW\" status_code=\"0\""),
           "cf_http_timer_seconds{" APP ",method=\"other\",process_type=\"web\",status=\"other\"} 0.001\n");
    check_cf("[0]", HTTP, "", OK,
             "cf_http_timer_seconds{app=\"acme/prod/shop\",instance_index=\"0\",method=\"other\"} 0.001\n");
    metric("[timer@47450 name=\"http\" start=\"x\" stop=\"1\"]", "reject value\n");
}

static void events(void **state)
{
    (void)state;
    metric("[event@47450 title=\"App \\\"crashed\\\"\" body=\"index: [0\\]\"]" TAGS(""),
           "cf_app_events_total{" APP ",process_type=\"web\",title=\"App \\\"crashed\\\"\"} 1\n");
}

static void tags(void **state)
{
    (void)state;
    metric("[counter@47450 name=\"orders\" total=\"7\" delta=\"1\"]" TAGS(
               " region=\"eu \\\"west\\\"\\]\\\\\" metric-tag=\"scallop\" process=\"p\" instance_index=\"9\""),
           "cf_app_orders_total{" APP
           ",metric_tag=\"scallop\",process_type=\"web\",region=\"eu \\\"west\\\"]\\\\\"} counter 7\n");
    char data[4096] = "[gauge@47450 name=\"g\" value=\"1\" unit=\"\"][tags@47450";
    for (int i = 0; i < 50; i++)
        sprintf(data + strlen(data), " t%d=\"v\"", i);
    metric(strcat(data, "]"), "reject labels\n");
}

static void names(void **state)
{
    (void)state;
    metric("[gauge@47450 value=\"1\" unit=\"s\"]", "reject name\n");
    metric("[gauge@47450 name=\"\" value=\"1\" unit=\"s\"]", "reject name\n");
    char data[512] = "[gauge@47450 value=\"1\" name=\"";
    memset(data + strlen(data), 'x', 129);
    metric(strcat(data, "\"]"), "reject name\n");
    metric("[gauge@47450 name=\"g\" value=\"x\" unit=\"s\"]", "reject value\n");
    metric("[gauge@47450 name=\"g\" value=\"1e308\" unit=\"TB\"]", "reject value\n");
}

/* A gauge of an instance that was replaced is no more; what we count ourselves adds up. */
static void replaced(void **state)
{
    (void)state;
#define OLD "[tags@47450 process_instance_id=\"x\" process_type=\"web\" app_id=\"old-guid\"]"
    metric("[gauge@47450 name=\"g\" value=\"1\" unit=\"\"]" OLD, "web is old-guid\n");
    metric("[timer@47450 name=\"t\" start=\"0\" stop=\"1000000000\"]" OLD, "cf_app_t_seconds" WEB_0 "1\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gauges), cmocka_unit_test(counters), cmocka_unit_test(timers), cmocka_unit_test(http),
        cmocka_unit_test(events), cmocka_unit_test(tags),     cmocka_unit_test(names),  cmocka_unit_test(replaced),
    };
    return cmocka_run_group_tests_name("cf_app", tests, NULL, NULL);
}
