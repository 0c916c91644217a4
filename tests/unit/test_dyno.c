#include "families/dyno.h"
#include "support.h"

#define OK VERDICT_RECOGNISED
#define NONE VERDICT_NOT_A_METRIC

#define WEB "app=\"my-app\",process=\"web.1\",process_type=\"web\""
#define RUN "app=\"my-app\",process_type=\"run\""
#define GAUGE(key, labels, number) "heroku_dyno_" key "{" labels "} gauge " number "\n"
#define COUNTER(key, labels, number) "heroku_dyno_" key "{" labels "} counter " number "\n"
#define CHANGE(from, to) \
    "heroku_dyno_state_changes_total{app=\"my-app\",from=\"" from "\",process_type=\"web\",to=\"" to "\"} 1\n"
#define EVENT(event) "heroku_dyno_events_total{app=\"my-app\",process_type=\"web\"} " event " 1\n"

static void web(const char *message, const char *expected)
{
    check_line("heroku", "web.1", message, OK, expected);
}

static void load(void **state)
{
    (void)state;
    web("source=web.1 dyno=heroku.2808254.d97d0ea7 sample#load_avg_1m=2.46 sample#load_avg_5m=1.06 "
        "sample#load_avg_15m=0.99",
        "web.1 is heroku.2808254.d97d0ea7\n" GAUGE("load_avg_1m", WEB, "2.46") GAUGE("load_avg_5m", WEB, "1.06")
            GAUGE("load_avg_15m", WEB, "0.99"));
    /* In Private Spaces; a young dyno has no longer averages. */
    web("dyno=heroku.7af55a6f-b5eb.5df262fa-c95f source=web.1 sample#load_avg_1m=0.05",
        "web.1 is heroku.7af55a6f-b5eb.5df262fa-c95f\n" GAUGE("load_avg_1m", WEB, "0.05"));
    assert_slice(recorded.last.process, "web.1");
    assert_false(recorded.last.no_expiry);
}

static void memory(void **state)
{
    (void)state;
    web("source=web.1 dyno=heroku.1.x sample#memory_total=21.00MB sample#memory_rss=21.22MB sample#memory_cache=0.00MB "
        "sample#memory_swap=0.00MB sample#memory_pgpgin=348836pages sample#memory_pgpgout=343403pages "
        "sample#memory_quota=512.00MB",
        "web.1 is heroku.1.x\n" GAUGE("memory_total_bytes", WEB, "22020096")
            GAUGE("memory_rss_bytes", WEB, "22250782.72") GAUGE("memory_cache_bytes", WEB, "0")
                GAUGE("memory_swap_bytes", WEB, "0") COUNTER("memory_pgpgin_pages_total", WEB, "348836")
                    COUNTER("memory_pgpgout_pages_total", WEB, "343403") GAUGE("memory_quota_bytes", WEB, "536870912"));
    /* Keys to come appear by rule. */
    web("source=web.1 sample#disk-used=3kB sample#wait=5ms sample#open_files=12 sample#held=7pages",
        GAUGE("disk_used_bytes", WEB, "3072") GAUGE("wait_seconds", WEB, "0.005") GAUGE("open_files", WEB, "12")
            GAUGE("held", WEB, "7"));
    web("source=web.1 sample#a=5% sample#b= sample#c=1 sample#=5",
        "reject value\nreject value\n" GAUGE("c", WEB, "1") "reject name\n");
    web("Process running mem=870M(170.1%)",
        GAUGE("process_memory_bytes", WEB, "912261120") GAUGE("process_memory_quota_ratio", WEB, "1.701"));
    web("Process running mem=1028MB(103.3%)",
        GAUGE("process_memory_bytes", WEB, "1077936128") GAUGE("process_memory_quota_ratio", WEB, "1.033"));
    check_line("heroku", "web.1", "Process running mem=lots(170.1%)", NONE, "");
    check_line("heroku", "web.1", "Process running mem=870M", NONE, "");
}

/* The id of an instance is never a label, but a new one is a restart. */
static void instances(void **state)
{
    (void)state;
    web("source=web.1 dyno=new.heroku.1 sample#load_avg_1m=1",
        "web.1 is new.heroku.1\nheroku_dyno_restarts_total{app=\"my-app\",process_type=\"web\"} 1\n" GAUGE(
            "load_avg_1m", WEB, "1"));
    /* The old one stops while the new one runs: its memory is not the new one's. */
    web("source=web.1 dyno=old.heroku.1 sample#memory_pgpgin=348836pages", "web.1 is old.heroku.1\n");
}

static void one_offs(void **state)
{
    (void)state;
    check_line(
        "heroku", "run.2660",
        "source=run.2660 dyno=heroku.222222222.cff8130b sample#memory_total=481.50MB sample#memory_pgpgin=3893pages",
        OK, GAUGE("memory_total_bytes", RUN, "504889344"));
    assert_int_equal(recorded.last.process.length, 0);
    check_line(
        "heroku", "scheduler.8317", "Process exited with status 1", OK,
        "heroku_dyno_exits_total{app=\"my-app\",process_type=\"scheduler\",status=\"1\"} 1\nscheduler.8317 exited\n");
    check_line(
        "heroku", "release.9", "State changed from up to complete", OK,
        "heroku_dyno_state_changes_total{app=\"my-app\",from=\"up\",process_type=\"release\",to=\"complete\"} 1\n"
        "release.9 ended\n");
}

#define RESTART "web.1 restart\nheroku_dyno_restarts_total{app=\"my-app\",process_type=\"web\"} 1\n"

static void states(void **state)
{
    (void)state;
    web("State changed from starting to up", CHANGE("starting", "up") "web.1 started\n" GAUGE("up", WEB, "1"));
    web("State changed from up to down", CHANGE("up", "down") "web.1 ended\n" GAUGE("up", WEB, "0"));
    web("State changed from down to starting", CHANGE("down", "starting") "web.1 started\n" RESTART);
    web("State changed from starting to crashed", CHANGE("starting", "crashed") "web.1 ended\n" GAUGE("up", WEB, "0"));
    web("State changed from up to crashed", CHANGE("up", "crashed") "web.1 ended\n" GAUGE("up", WEB, "0"));
    web("State changed from crashed to starting", CHANGE("crashed", "starting") "web.1 started\n" RESTART);
    web("State changed from up to complete", CHANGE("up", "complete") "web.1 ended\n" GAUGE("up", WEB, "0"));
    web("State changed from created to starting", CHANGE("created", "starting") "web.1 started\n");
    web("State changed from provisioning to starting", CHANGE("provisioning", "starting") "web.1 started\n");
    web("State changed from up to starting", CHANGE("up", "starting") "web.1 restarted\n" RESTART);
    web("State changed from up to idle", CHANGE("up", "idle") "web.1 ended\n" GAUGE("up", WEB, "0"));
    web("State changed from up to limbo", CHANGE("up", "other"));
    assert_true(recorded.last.metric->cells > 0);
    /* Whether it is up belongs to its position in the formation, and stays when it ends. */
    web("State changed from up to crashed", CHANGE("up", "crashed") "web.1 ended\n" GAUGE("up", WEB, "0"));
    assert_true(recorded.last.of_position && recorded.last.no_expiry);
    assert_slice(recorded.last.process, "web.1");
    /* A new instance that its metrics lines have told of already does not count again. */
    check_line("heroku", "old.1", "State changed from up to starting", OK,
               "heroku_dyno_state_changes_total{app=\"my-app\",from=\"up\",process_type=\"old\",to=\"starting\"} 1\n"
               "old.1 restarted\nold.1 restart\n");
    check_line("heroku", "web.1", "State changed from up", NONE, "");
    check_line("heroku", "web.1", "State changed from up into down", NONE, "");
}

static void exits(void **state)
{
    (void)state;
#define EXIT(status) "heroku_dyno_exits_total{app=\"my-app\",process_type=\"web\"" status "} 1\nweb.1 exited\n"
    web("Process exited", EXIT(""));
    web("Process exited with status 0", EXIT(",status=\"0\""));
    web("Process exited with status 137", EXIT(",status=\"137\""));
    web("Process exited with status 1375", EXIT(",status=\"other\""));
    web("Process exited with status x", EXIT(",status=\"other\""));
}

static void errors(void **state)
{
    (void)state;
#define ERROR(code) "heroku_dyno_errors_total{app=\"my-app\",process_type=\"web\"} " code " 1\n"
    web("Error R10 (Boot timeout) -> Web process failed to bind to $PORT within 60 seconds of launch", ERROR("R10"));
    web("Error R12 (Exit timeout) -> Process failed to exit within 30 seconds of SIGTERM", ERROR("R12"));
    web("Error R14 (Memory quota exceeded)", ERROR("R14"));
    web("Error R15 (Memory quota vastly exceeded)", ERROR("R15"));
    web("Error R17 (Checksum error) -> Checksum does match expected value. Expected: SHA256:ed57", ERROR("R17"));
    web("Error R77 (To come)", "heroku_dyno_errors_total{app=\"my-app\",code=\"R77\",process_type=\"web\"} 1\n");
    check_line("heroku", "web.1", "Error L10 (output buffer overflow)", NONE, "");
    check_line("heroku", "web.1", "Error R1x (what)", NONE, "");
    check_line("heroku", "web.1", "Error R", NONE, "");
}

static void events(void **state)
{
    (void)state;
    web("Starting process with command `bundle exec rackup config.ru -p 24405`", EVENT("start"));
    web("Starting process with command: `bundle exec rails server -p 22020`", EVENT("start"));
    web("Stopping all processes with SIGTERM", EVENT("sigterm"));
    web("Stopping process with SIGTERM", EVENT("sigterm"));
    web("Stopping process with SIGKILL", EVENT("sigkill"));
    web("Stopping remaining processes with SIGKILL", EVENT("sigkill"));
    web("Cycling", EVENT("cycling"));
    web("Idling", EVENT("idling"));
    web("Unidling", EVENT("unidling"));
    web("Restarting", EVENT("restarting"));
    static const char *const others[] = {"Awaiting client",
                                         "Client connection closed. Sending SIGHUP to all processes",
                                         "",
                                         "source=web.1 nothing",
                                         "dyno=",
                                         "cycling"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        check_line("heroku", "web.1", others[i], NONE, "");
}

/* Only the platform speaks of dynos. */
static void forged(void **state)
{
    (void)state;
    check_line("app", "web.1", "State changed from up to down", NONE, "");
    check_line("app", "web.1", "Error R14 (Memory quota exceeded)", NONE, "");
    check_line("heroku", "web", "State changed from up to down", NONE, "");
}

/* A dyno that is known has counters at 0. */
static void zeros(void **state)
{
    (void)state;
    recording_start(&recorded);
    dyno_family.start_process(SLICE("worker.3"), &recorded.context, &recorded.output);
    static const char *const lines[] = {
        "heroku_dyno_state_changes_total{app=\"my-app\",from=\"up\",process_type=\"worker\",to=\"crashed\"} 0\n",
        "heroku_dyno_exits_total{app=\"my-app\",process_type=\"worker\",status=\"137\"} 0\n",
        "heroku_dyno_errors_total{app=\"my-app\",process_type=\"worker\"} 0\n",
        "heroku_dyno_events_total{app=\"my-app\",process_type=\"worker\"} 0\n",
        "heroku_dyno_restarts_total{app=\"my-app\",process_type=\"worker\"} 0\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        assert_non_null(strstr(recorded.text, lines[i]));
}

static void cut(struct slice text)
{
    read_message(&recorded, "heroku", "web.1", text);
}

static void cuts(void **state)
{
    (void)state;
    each_cut(SLICE("source=web.1 dyno=heroku.1.x sample#memory_total=21.00MB sample#memory_pgpgin=348836pages"), cut);
    each_cut(SLICE("State changed from starting to up"), cut);
    each_cut(SLICE("Process exited with status 137"), cut);
    each_cut(SLICE("Process running mem=870M(170.1%)"), cut);
    each_cut(SLICE("Error R14 (Memory quota exceeded)"), cut);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(load),   cmocka_unit_test(memory), cmocka_unit_test(instances), cmocka_unit_test(one_offs),
        cmocka_unit_test(states), cmocka_unit_test(exits),  cmocka_unit_test(errors),    cmocka_unit_test(events),
        cmocka_unit_test(forged), cmocka_unit_test(zeros),  cmocka_unit_test(cuts),
    };
    return cmocka_run_group_tests_name("dyno", tests, NULL, NULL);
}
