#include "families/cf_instance.h"

#include "families/cf_message.h"
#include "support.h"

#define OK VERDICT_RECOGNISED
#define NONE VERDICT_NOT_A_METRIC

#define TAGS "[tags@47450 app_id=\"guid\" app_name=\"shop\" instance_id=\"0\" process_type=\"web\"]"
#define API_TAGS "[tags@47450 app_id=\"guid\" app_name=\"shop\"]"
#define WEB "{app=\"acme/prod/shop\",process_type=\"web\"} "
#define STARTED "cf_instance_starts_total" WEB "1\n"
#define STOPPED "cf_instance_stops_total" WEB "1\n"
#define CRASHED "cf_instance_crashes_total" WEB "1\n"
#define IS(instance) "web is guid\nweb.0 is guid/" instance "\n"
#define ENDS(instance) "web is guid?\nweb.0 is guid/" instance "?\n"

static void cell(const char *message, enum verdict verdict, const char *expected)
{
    check_cf("[CELL/0]", TAGS, message, verdict, expected);
}

static void api(const char *message, enum verdict verdict, const char *expected)
{
    check_cf("[API/1]", API_TAGS, message, verdict, expected);
}

static void cells(void **state)
{
    (void)state;
    cell("Cell bed4ba78-5ea7 creating container for instance 4f9d7c54-a5c0", NONE, "");
    cell("Cell bed4ba78-5ea7 successfully created container for instance 4f9d7c54-a5c0", OK,
         STARTED IS("4f9d7c54-a5c0") "web.0 restarted\n");
    cell("Cell bed4ba78-5ea7 failed to create container for instance 4f9d7c54-a5c0: exit status 1", NONE, "");
    cell("Cell bed4ba78-5ea7 stopping instance 4f9d7c54-a5c0", OK, ENDS("4f9d7c54-a5c0") "web.0 ended\n");
    cell("Cell bed4ba78-5ea7 destroying container for instance 4f9d7c54-a5c0", OK,
         STOPPED ENDS("4f9d7c54-a5c0") "web.0 ended\n");
    cell("Cell bed4ba78-5ea7 successfully destroyed container for instance 4f9d7c54-a5c0", NONE, "");
    cell("Starting health monitoring of container", NONE, "");
    cell("Container became healthy", NONE, "");
    cell("Exit status 0", NONE, "");
    /* 2016 to 2018. */
    cell("Creating container", NONE, "");
    cell("Successfully created container", OK, STARTED "web is guid\nweb.0 restarted\n");
    cell("Stopping instance 4f9d7c54-a5c0", OK, ENDS("4f9d7c54-a5c0") "web.0 ended\n");
    cell("Destroying container", OK, STOPPED "web is guid?\nweb.0 ended\n");
    cell("Successfully destroyed container", NONE, "");
    cell("", NONE, "");
    cell("Cell ", NONE, "");
}

/* The stager's containers and those of tasks are no instances. */
static void of_others(void **state)
{
    (void)state;
    const char *created = "Cell bed4ba78-5ea7 successfully created container for instance 4f9d7c54-a5c0";
    check_cf("[STG/0]", TAGS, created, NONE, "");
    check_cf("[CELL/0]", API_TAGS, created, NONE, "");
    check_cf("[APP/PROC/WEB/0]", TAGS, created, NONE, "");
    check_line("guid", "[CELL/0]", created, NONE, "");
}

/* Without tags metrics do not tell their instance; these lines do. */
static void without_tags(void **state)
{
    (void)state;
    check_cf("[CELL/2]", "", "Cell b successfully created container for instance i", OK,
             "cf_instance_starts_total{app=\"acme/prod/shop\"} 1\nweb is guid\nweb.2 is guid/i\nweb.2 restarted\n");
}

static void crash(void **state)
{
    (void)state;
    api("App instance exited with guid 78fc0ad1-8e09 payload: {\"instance\"=>\"3ba32957-5294\", \"index\"=>0, "
        "\"cell_id\"=>\"da1c1a19\", \"reason\"=>\"CRASHED\", \"exit_description\"=>\"APP/PROC/WEB: Exited with status "
        "1\", \"crash_count\"=>1, \"crash_timestamp\"=>1573581086002946177, \"version\"=>\"73bc9db0\"}",
        OK, CRASHED ENDS("3ba32957-5294") "web.0 exited\n");
    /* Ruby 3.4 writes blanks; a sidecar is of its process. */
    api("App instance exited with guid 78fc0ad1-8e09 payload: {\"instance\" => \"3ba32957-5294\", \"index\" => 12, "
        "\"reason\" => \"CRASHED\", \"exit_description\" => \"APP/PROC/WORKER/SIDECAR/X: Exited with status 1\"}",
        OK,
        "cf_instance_crashes_total{app=\"acme/prod/shop\",process_type=\"worker\"} 1\nworker is guid?\n"
        "worker.12 is guid/3ba32957-5294?\nworker.12 exited\n");
    /* 2017: the description does not tell the type. */
    api("App instance exited with guid eecfba3b payload: {\"instance\"=>\"\", \"index\"=>0, \"reason\"=>\"CRASHED\", "
        "\"exit_description\"=>\"2 error(s) occurred:\\n\\n* Exited with status 137 (out of memory)\"}",
        OK, "cf_instance_crashes_total{app=\"acme/prod/shop\"} 1\nweb is guid?\nweb.0 exited\n");
    api("App instance exited with guid eecfba3b payload: {\"instance\"=>\"i\", \"index\"=>0, \"reason\"=>\"STOPPED\"}",
        OK, ENDS("i") "web.0 exited\n");
    /* The same crash in other words. */
    api("Process has crashed with type: \"web\"", NONE, "");
    api("App instance exited with guid eecfba3b", NONE, "");
    api("App instance exited with guid eecfba3b payload: {", NONE, "");
    api("App instance exited with guid eecfba3b payload: {\"index\"=>", OK, "");
}

static void scaled(void **state)
{
    (void)state;
    /* Numbers start with 0: of two instances, those from web.2 on have ended. */
    api("Updated app with guid 78fc0ad1 ({\"instances\"=>2})", OK, "web is guid?\nweb scaled to 1\n");
    api("Updated app with guid 78fc0ad1 ({\"memory\" => 64, \"instances\" => 1})", OK,
        "web is guid?\nweb scaled to 0\n");
    api("Updated app with guid 78fc0ad1 ({\"instances\"=>0})", OK, "web is guid?\nweb scaled to 0\nweb.0 ended\n");
    api("Updated app with guid 78fc0ad1 ({\"instances\"=>1000000})", NONE, "");
    api("Updated app with guid 78fc0ad1 ({\"route\"=>\"bf74662a\"})", NONE, "");
    api("Updated app with guid 78fc0ad1 ({\"state\"=>\"STARTED\"})", NONE, "");
    api("Scaling process: \"web\"", NONE, "");
}

static void stopped(void **state)
{
    (void)state;
    const char *all = "web is guid?\nweb scaled to 0\nweb.0 ended\n";
    api("Updated app with guid 78fc0ad1 ({\"state\"=>\"STOPPED\"})", OK, all);
    api("Updated app with guid 78fc0ad1 ({\"instances\"=>2, \"state\"=>\"STOPPED\"})", OK, all);
    api("Stopping app with guid 78fc0ad1", OK, all);
    api("Deleted app with guid 78fc0ad1", OK, all);
    api("Deleting process: \"worker\"", OK, "worker is guid?\nworker scaled to 0\nworker.0 ended\n");
    api("Terminating process: \"web\", index: \"0\"", OK, "web is guid?\nweb.0 exited\n");
    api("Terminating process: \"web\"", OK, "");
    api("Deleting process: ", OK, "");
    api("Starting app with guid 78fc0ad1", NONE, "");
    api("Restarted app with guid 78fc0ad1", NONE, "");
    check_cf("[HEALTH/0]", TAGS, "Failed to make TCP connection to port 8080: connection refused", NONE, "");
}

/* The app before a blue-green deploy is stopped, the instance before a rolling one: those of now go on, and what ends
 * does not take over. */
static void of_former_ones(void **state)
{
    (void)state;
    const char *old = "[tags@47450 app_id=\"old-guid\" instance_id=\"0\" process_type=\"web\"]";
    check_cf("[CELL/0]", old, "Cell b stopping instance i", OK, "web is old-guid?\n");
    check_cf("[CELL/0]", old, "Cell b destroying container for instance i", OK, STOPPED "web is old-guid?\n");
    check_cf("[API/0]", old, "Stopping app with guid old-guid", OK, "web is old-guid?\n");
    check_cf("[CELL/0]", "[tags@47450 app_id=\"new-guid\" instance_id=\"0\" process_type=\"web\"]",
             "Cell b stopping instance i", OK, "web is new-guid?\n");
    check_cf("[CELL/0]", TAGS, "Cell b stopping instance i", OK, "web is guid?\nweb.0 is guid/i?\nweb.0 ended\n");
    /* The other way: a line of another app that takes over ends what was there. */
    check_cf("[CELL/0]", "[tags@47450 app_id=\"new-guid\" instance_id=\"0\" process_type=\"web\"]",
             "Cell b successfully created container for instance i", OK,
             STARTED "web is new-guid\nweb.0 started\nweb.0 is new-guid/i\nweb.0 restarted\n");
}

/* Counters start at 0 with the process, and on Cloud Foundry alone. */
static void zeros(void **state)
{
    (void)state;
    static struct recording recording;
    struct cf_message cf = {.process_type = SLICE("web")};
    recording_start(&recording);
    cf_instance_family.start_process(SLICE("web.1"), &recording.context, &recording.output);
    assert_string_equal(recording.text, "");
    recording.context.app = SLICE("acme/prod/shop");
    recording.context.cf = &cf;
    cf_instance_family.start_process(SLICE("web.1"), &recording.context, &recording.output);
    assert_string_equal(recording.text, "cf_instance_crashes_total" WEB "0\ncf_instance_starts_total" WEB
                                        "0\ncf_instance_stops_total" WEB "0\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells), cmocka_unit_test(of_others),      cmocka_unit_test(without_tags),
        cmocka_unit_test(crash), cmocka_unit_test(scaled),         cmocka_unit_test(stopped),
        cmocka_unit_test(zeros), cmocka_unit_test(of_former_ones),
    };
    return cmocka_run_group_tests_name("cf_instance", tests, NULL, NULL);
}
