#include "families/cf_container.h"

#include <stdio.h>

#include "support.h"

#define OK VERDICT_RECOGNISED

#define TAGS(instance)                                                                                       \
    "[tags@47450 app_id=\"guid\" app_name=\"shop\" deployment=\"cf\" index=\"f57b\" instance_id=\"" instance \
    "\" process_instance_id=\"3cc3\" process_type=\"web\" source_id=\"guid\" space_name=\"prod\"]"
#define GAUGE(name, value, unit) "[gauge@47450 name=\"" name "\" value=\"" value "\" unit=\"" unit "\"]"
#define IS(instance) "web is guid\nweb." instance " is guid/3cc3\n"
#define WEB_0 "{app=\"acme/prod/shop\",instance_index=\"0\",process_type=\"web\"} "

static void gauge(const char *data, const char *expected)
{
    check_cf("[0]", data, "", OK, expected);
}

static void gauges(void **state)
{
    (void)state;
    gauge(GAUGE("cpu", "123.5", "percentage") TAGS("0"), IS("0") "cf_container_cpu_ratio" WEB_0 "gauge 1.235\n");
    gauge(GAUGE("memory", "2.68435456e+08", "bytes") TAGS("0"),
          IS("0") "cf_container_memory_bytes" WEB_0 "gauge 268435456\n");
    gauge(GAUGE("memory_quota", "1.073741824e+09", "bytes") TAGS("0"),
          IS("0") "cf_container_memory_quota_bytes" WEB_0 "gauge 1073741824\n");
    gauge(GAUGE("disk", "1.5e+08", "bytes") TAGS("0"), IS("0") "cf_container_disk_bytes" WEB_0 "gauge 150000000\n");
    gauge(GAUGE("disk_quota", "1024", "bytes") TAGS("0"), IS("0") "cf_container_disk_quota_bytes" WEB_0 "gauge 1024\n");
    gauge(GAUGE("log_rate", "512", "B/s") TAGS("0"),
          IS("0") "cf_container_log_rate_bytes_per_second" WEB_0 "gauge 512\n");
    gauge(GAUGE("log_rate_limit", "-1", "B/s") TAGS("0"),
          IS("0") "cf_container_log_rate_limit_bytes_per_second" WEB_0 "gauge -1\n");
    gauge(GAUGE("container_age", "3.6e+12", "nanoseconds") TAGS("0"),
          IS("0") "cf_container_age_seconds" WEB_0 "gauge 3600\n");
    gauge(GAUGE("cpu_entitlement", "33.25", "percentage") TAGS("0"),
          IS("0") "cf_container_cpu_entitlement_used_ratio" WEB_0 "gauge 0.3325\n");
    /* go-loggregator writes the tags first. */
    gauge(TAGS("0") GAUGE("memory", "77", "bytes"), IS("0") "cf_container_memory_bytes" WEB_0 "gauge 77\n");
}

static void counters(void **state)
{
    (void)state;
    gauge(GAUGE("absolute_usage", "2500000000", "nanoseconds") TAGS("0"),
          IS("0") "cf_container_cpu_seconds_total" WEB_0 "counter 2.5\n");
    gauge(GAUGE("absolute_entitlement", "4e+09", "nanoseconds") TAGS("0"),
          IS("0") "cf_container_cpu_entitlement_seconds_total" WEB_0 "counter 4\n");
    gauge("[counter@47450 name=\"rx_bytes\" total=\"4096\" delta=\"96\"]" TAGS("0"),
          IS("0") "cf_container_network_receive_bytes_total" WEB_0 "counter 4096\n");
    gauge("[counter@47450 name=\"tx_bytes\" total=\"5000000000\" delta=\"1\"]" TAGS("0"),
          IS("0") "cf_container_network_transmit_bytes_total" WEB_0 "counter 5000000000\n");
}

static void instances(void **state)
{
    (void)state;
    check_cf("[12]", GAUGE("memory", "1", "bytes") TAGS("12"), "", OK,
             IS("12") "cf_container_memory_bytes{app=\"acme/prod/shop\",instance_index=\"12\",process_type=\"web\"} "
                      "gauge 1\n");
    assert_slice(recorded.last.process, "web.12");
    /* Without tags: the number stands in PROCID, and nearly every process is a web process. */
    check_cf("[3]", GAUGE("memory", "1", "bytes"), "", OK,
             "web is guid\n"
             "cf_container_memory_bytes{app=\"acme/prod/shop\",instance_index=\"3\"} gauge 1\n");
    assert_slice(recorded.last.process, "web.3");
    /* A task has tags without a type. */
    check_cf("[0]", GAUGE("memory", "1", "bytes") "[tags@47450 app_name=\"shop\" instance_id=\"0\"]", "", OK,
             "cf_container_memory_bytes{app=\"acme/prod/shop\",instance_index=\"0\"} gauge 1\n");
    assert_slice(recorded.last.process, "");
    recorded.context.cf_instance_labels = true;
    gauge(GAUGE("memory", "1", "bytes") TAGS("0"),
          IS("0") "cf_container_memory_bytes{app=\"acme/prod/shop\",index=\"0\",instance_id=\"0\",instance_index=\"0\","
                  "process_type=\"web\"} gauge 1\n");
    recorded.context.cf_instance_labels = false;
}

/* The instance before a rolling deploy, and the app before a blue-green one, speak no more; the new ones take over. */
static void replaced(void **state)
{
    (void)state;
#define OF(app, instance)         \
    GAUGE("memory", "1", "bytes") \
    "[tags@47450 app_id=\"" app "\" process_instance_id=\"" instance "\" process_type=\"web\" instance_id=\"0\"]"
    gauge(OF("old-guid", "3cc3"), "web is old-guid\n");
    gauge(OF("new-guid", "3cc3"), "web is new-guid\nweb.0 started\nweb.0 is new-guid/3cc3\n"
                                  "cf_container_memory_bytes" WEB_0 "gauge 1\n");
#undef OF
}

static void broken(void **state)
{
    (void)state;
    static const char *const values[] = {"", "x", "1x", "1e999", "nan"};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char data[128];
        snprintf(data, sizeof data, "[gauge@47450 name=\"cpu\" value=\"%s\" unit=\"percentage\"]", values[i]);
        gauge(data, "reject value\n");
    }
    gauge("[gauge@47450 name=\"cpu\"]", "reject value\n");
    gauge("[counter@47450 name=\"rx_bytes\" total=\"-1\"]", "reject value\n");
}

/* What an app prints is no structured data; and without what intake says about a message, it is nobody's. */
static void forged(void **state)
{
    (void)state;
    check_cf("[APP/PROC/WEB/0]", "", GAUGE("memory", "666", "bytes"), VERDICT_NOT_A_METRIC, "");
    check_line("guid", "[0]", "", VERDICT_NOT_A_METRIC, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gauges),   cmocka_unit_test(counters), cmocka_unit_test(instances),
        cmocka_unit_test(replaced), cmocka_unit_test(broken),   cmocka_unit_test(forged),
    };
    return cmocka_run_group_tests_name("cf_container", tests, NULL, NULL);
}
