#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/configuration.h"
#include "intake/batch.h"
#include "intake/ledger.h"
#include "page_support.h"
#include "support.h"

/* A whole way without a socket: bytes in, page out. */

enum { THREADS = 4 };
static struct entities *entities;
static struct store *store;
static struct intake *intake;
static uint64_t now;
static int64_t wall;

static int setup(void **state)
{
    (void)state;
    now = 5000;
    wall = 1670428500000000; /* 2022-12-07T15:55:00Z */
    entities = entities_create(&(struct entities_settings){.app_silence = 24 * 3600 * 1000, .grace = 60 * 1000});
    store = store_create(&(struct store_settings){
        .max_series = 1000, .max_metric_series = 100, .slots = THREADS + 1, .entities = entities});
    intake = intake_create(store, &(struct intake_settings){.entities = entities,
                                                            .lifetimes = {[0 ... FAMILY_COUNT - 1] = 600000},
                                                            .ingest_prefix = SLICE("crates-io-heroku-metrics:ingest "),
                                                            .slots = THREADS});
    assert_non_null(intake);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    intake_free(intake);
    store_free(store);
    entities_free(entities);
    return 0;
}

/* Those of the batch that batch_of() made last, until it is taken. */
static struct origin_headers headers;

static struct batch batch_of(const char *body)
{
    headers = (struct origin_headers){0};
    return (struct batch){
        .body = slice_of(body), .received = strlen(body), .app = SLICE("a"), .time = wall, .now = now};
}

static enum batch_result take(struct batch batch)
{
    batch.origin = origin_of(&headers);
    return batch_process(intake, 0, &batch);
}

/* The page has this line. */
static void has(const char *line)
{
    page_take(store, THREADS, now);
    page_has(line);
}

static void has_not(const char *text)
{
    page_take(store, THREADS, now);
    page_has_not(text);
}

#define LINE(procid, text) "<190>1 2022-12-07T15:54:57.5+00:00 host app " procid " - " text "\n"
/* [{"metric":{"name":"g1","gauge":{"value":1.0},"kind":"absolute","tags":{}}}] */
#define G1                             \
    "crates-io-heroku-metrics:ingest " \
    "W3sibWV0cmljIjp7Im5hbWUiOiJnMSIsImdhdWdlIjp7InZhbHVlIjoxLjB9LCJraW5kIjoiYWJzb2x1dGUiLCJ0YWdzIjp7fX19XQ=="

static void ledger(void **state)
{
    (void)state;
    static char body[80000];
    int length = sprintf(body, "1 \n7 <1>1 abc\n%s%s%s%s%s%s", LINE("web.1", G1), LINE("web.1", "hello"), "no header\n",
                         LINE("web.1", "crates-io-heroku-metrics:ingest ***"),
                         "<1>1 t host heroku router - at=error code=H12 method=GET dyno=web.1\n",
                         LINE("heroku-postgres", "addon=x sample#tables=1 sample#y=5%"));
    memset(body + length, 'x', 70000); /* one line too long */
    struct batch batch = batch_of(body);
    headers.message_count = SLICE("9");
    assert_int_equal(take(batch), BATCH_TAKEN);
    has("drain_exporter_messages_received_total{app=\"a\"} 9");
    has("drain_exporter_messages_recognised_total{app=\"a\",family=\"ingest\"} 1");
    has("drain_exporter_messages_recognised_total{app=\"a\",family=\"router\"} 1");
    has("drain_exporter_messages_recognised_total{app=\"a\",family=\"postgres\"} 1");
    has("drain_exporter_messages_recognised_total{app=\"a\",family=\"logplex\"} 0");
    has("drain_exporter_messages_ignored_total{app=\"a\"} 2");
    has("drain_exporter_messages_malformed_total{app=\"a\",reason=\"header\"} 2");
    has("drain_exporter_messages_malformed_total{app=\"a\",reason=\"base64\"} 1");
    has("drain_exporter_messages_malformed_total{app=\"a\",reason=\"too_long\"} 1");
    has("drain_exporter_messages_duplicate_total{app=\"a\"} 0");
    has("drain_exporter_frames_repaired_total{app=\"a\"} 1");
    has("drain_exporter_count_mismatches_total{app=\"a\"} 0");
    has("drain_exporter_samples_recorded_total{app=\"a\"} 5");
    has("drain_exporter_samples_rejected_total{app=\"a\",reason=\"value\"} 1");
    has("drain_exporter_batches_total{app=\"a\",result=\"taken\"} 1");
    has("drain_exporter_line_lag_seconds_bucket{app=\"a\",le=\"2.5\"} 1");
    has("drain_exporter_line_lag_seconds_sum{app=\"a\"} 2.5");
    has("drain_exporter_last_batch_timestamp_seconds{app=\"a\"} 1670428500");
    has("drain_exporter_upstream_lost_messages_total{app=\"a\",code=\"L10\"} 0");
    has("g1{app=\"a\",process=\"web.1\"} 1");
    has("heroku_router_errors{app=\"a\",process=\"web.1\",code=\"H12\"} 1");
    has("heroku_router_errors{app=\"a\",code=\"H12\"} 0");
    has("heroku_postgres_tables{addon=\"x\"} 1");
}

static void mismatch(void **state)
{
    (void)state;
    struct batch batch = batch_of(LINE("web.1", "x"));
    headers.message_count = SLICE("2");
    take(batch);
    headers.message_count = SLICE("+1");
    take(batch);
    headers.message_count = SLICE("1");
    take(batch);
    has("drain_exporter_count_mismatches_total{app=\"a\"} 2");
}

static void duplicates(void **state)
{
    (void)state;
    struct batch batch = batch_of(LINE("web.1", "x") LINE("web.1", "y"));
    headers.drain_token = SLICE("d.1");
    headers.frame_id = SLICE("F1");
    assert_int_equal(take(batch), BATCH_TAKEN);
    assert_int_equal(take(batch), BATCH_DUPLICATE);
    headers.request_id = SLICE("other"); /* no matter if Logplex's own are there */
    assert_int_equal(take(batch), BATCH_DUPLICATE);
    has("drain_exporter_messages_received_total{app=\"a\"} 6");
    has("drain_exporter_messages_duplicate_total{app=\"a\"} 4");
    has("drain_exporter_messages_ignored_total{app=\"a\"} 2");
    has("drain_exporter_batches_total{app=\"a\",result=\"duplicate\"} 2");

    headers.drain_token = SLICE("d.2");
    assert_int_equal(take(batch), BATCH_TAKEN);
    batch.app = SLICE("b");
    assert_int_equal(take(batch), BATCH_TAKEN);
    headers.drain_token = SLICE("");
    assert_int_equal(take(batch), BATCH_TAKEN); /* a frame id without a drain names nothing */
    assert_int_equal(take(batch), BATCH_TAKEN);
    headers.frame_id = SLICE("");
    assert_int_equal(take(batch), BATCH_TAKEN); /* log-shuttle */
    assert_int_equal(take(batch), BATCH_DUPLICATE);
    headers.request_id = SLICE("");
    assert_int_equal(take(batch), BATCH_TAKEN);
    assert_int_equal(take(batch), BATCH_TAKEN);
    now += 5 * 60 * 1000;
    batch = batch_of(LINE("web.1", "x"));
    headers.drain_token = SLICE("d.1");
    headers.frame_id = SLICE("F1");
    assert_int_equal(take(batch), BATCH_TAKEN); /* senders that count from 1 start again */
}

#define L10(count)                                                                                        \
    "<172>1 2022-12-07T15:54:57.5+00:00 host heroku logplex - Error L10 (output buffer overflow): " count \
    " messages dropped since 2022-12-07T15:54:00+00:00.\n"

/* A batch that is sent again tells of what was dropped meanwhile. */
static void losses(void **state)
{
    (void)state;
    struct batch batch = batch_of(L10("5") LINE("web.1", "x"));
    headers.drain_token = SLICE("d.1");
    headers.frame_id = SLICE("F1");
    take(batch);
    has("drain_exporter_upstream_lost_messages_total{app=\"a\",code=\"L10\"} 5");
    for (int i = 0; i < 2; i++) {
        batch.body = SLICE(L10("8") LINE("web.1", "x"));
        assert_int_equal(take(batch), BATCH_DUPLICATE);
        has("drain_exporter_upstream_lost_messages_total{app=\"a\",code=\"L10\"} 8");
    }
    /* log-shuttle says it by a line and by a header. */
    batch = batch_of("<172>1 t host app log-shuttle - - Error L12: 7 messages dropped since x\n");
    headers.drop_count = SLICE("7");
    headers.lost_count = SLICE("2");
    take(batch);
    has("drain_exporter_upstream_lost_messages_total{app=\"a\",code=\"L12\"} 7");
    has("drain_exporter_upstream_lost_messages_total{app=\"a\",code=\"L13\"} 2");
    batch = batch_of(LINE("web.1", "x"));
    headers.drop_count = SLICE("3");
    headers.lost_count = SLICE("-9");
    take(batch);
    has("drain_exporter_upstream_lost_messages_total{app=\"a\",code=\"L12\"} 10");
    has("drain_exporter_upstream_lost_messages_total{app=\"a\",code=\"L13\"} 2");
}

static void volume(void **state)
{
    (void)state;
    take(batch_of(LINE("web.1", "x") LINE("web.2", "yy") LINE("heroku-postgres", "z") LINE("a b", "z") LINE("-", "z")
                      LINE("postgres.1105947", "z") "<1>1 t h heroku web.1 - z\n<1>1 t h other.x web.1 - z\nnothing"));
    has("heroku_log_messages_total{app=\"a\",process_type=\"web\",source=\"app\"} 2");
    has("heroku_log_bytes_total{app=\"a\",process_type=\"web\",source=\"app\"} 107");
    has("heroku_log_messages_total{app=\"a\",process_type=\"heroku-postgres\",source=\"app\"} 1");
    has("heroku_log_messages_total{app=\"a\",process_type=\"postgres\",source=\"app\"} 1");
    has("heroku_log_messages_total{app=\"a\",process_type=\"web\",source=\"heroku\"} 1");
    has("heroku_log_messages_total{app=\"a\",process_type=\"web\",source=\"other\"} 1");
    has("heroku_log_messages_total{app=\"a\",source=\"app\"} 1");
    has("heroku_log_messages_total{app=\"a\"} 1");
}

/* Each line from a source of its own: the memory of a batch is small, the numbers are right all the same. */
static void many_sources(void **state)
{
    (void)state;
    static char body[64 * 1024];
    char *at = body;
    for (int i = 0; i < 500; i++)
        at += sprintf(at, "<1>1 t h app type%d.%d - x\n", i % 100, i);
    take(batch_of(body));
    for (int i = 0; i < 100; i++) {
        char line[128];
        sprintf(line, "heroku_log_messages_total{app=\"a\",process_type=\"type%d\",source=\"app\"} 5", i);
        has(line);
    }
}

#define STATE(minute, process, text) "<1>1 2022-12-07T15:0" minute ":00+00:00 h heroku " process " - " text "\n"
#define ROUTER(minute, process)                                                                            \
    "<1>1 2022-12-07T15:0" minute ":00+00:00 h heroku router - at=error code=H13 method=GET dyno=" process \
    " status=503\n"
#define METRICS(minute, process) "<1>1 2022-12-07T15:0" minute ":00+00:00 h app " process " - " G1 "\n"

#define SCALED(minute, formation) \
    "<1>1 2022-12-07T15:0" minute ":00+00:00 h app api - Scaled to " formation " by user x@example.com\n"

/* What a dyno has takes leave with it, and what another one has stays. */
static void dynos(void **state)
{
    (void)state;
    take(batch_of(STATE("1", "web.1", "State changed from starting to up")
                      STATE("1", "web.2", "State changed from starting to up") ROUTER("1", "web.1") ROUTER("1", "web.2")
                          METRICS("1", "web.1") METRICS("1", "web.2")));
    has("heroku_router_errors{app=\"a\",process=\"web.2\",code=\"H13\"} 1");
    take(batch_of(SCALED("2", "web@1:Basic") STATE("2", "web.2", "State changed from up to down")
                      STATE("3", "web.2", "Process exited with status 143")));
    now += 60 * 1000 - 1;
    has("heroku_router_errors{app=\"a\",process=\"web.2\",code=\"H13\"} 1");
    has("g1{app=\"a\",process=\"web.2\"} 1");
    now += 1;
    has_not("web.2");
    has("heroku_router_errors{app=\"a\",process=\"web.1\",code=\"H13\"} 1");
    has("g1{app=\"a\",process=\"web.1\"} 1");
    has("heroku_dyno_state_changes_total{app=\"a\",from=\"up\",process_type=\"web\",to=\"down\"} 1");
    store_enter(store, THREADS);
    store_sweep(store, THREADS, now);
    store_leave(store, THREADS);
    /* A late batch of the dyno that is gone brings nothing back. */
    take(batch_of(METRICS("1", "web.2")));
    has_not("g1{app=\"a\",process=\"web.2\"}");
    /* Nor does the end of one that took long to stop. */
    take(batch_of(STATE("4", "web.2", "Error R12 (Exit timeout)")
                      STATE("4", "web.2", "Process exited with status 137")));
    has_not("web.2");
    /* The next one of the name starts at 0. */
    take(batch_of(STATE("5", "web.2", "State changed from starting to up")));
    has("heroku_router_errors{app=\"a\",process=\"web.2\",code=\"H13\"} 0");
    take(batch_of(METRICS("6", "web.2")));
    has("g1{app=\"a\",process=\"web.2\"} 1");
    /* A restart: counters go on, reports have to be renewed. */
    take(batch_of(ROUTER("6", "web.2") STATE("7", "web.2", "State changed from up to starting")
                      STATE("8", "web.2", "State changed from starting to up")));
    now += 60 * 1000;
    has_not("g1{app=\"a\",process=\"web.2\"}");
    has("heroku_router_errors{app=\"a\",process=\"web.2\",code=\"H13\"} 1");
    has("g1{app=\"a\",process=\"web.1\"} 1");
}

/* The series of requests of one dyno, which a drain may ask for, end with it. */
static void router_by_process(void **state)
{
    (void)state;
    struct batch batch =
        batch_of(ROUTER("1", "web.1") ROUTER("1", "web.2") STATE("2", "web.2", "State changed from up to down"));
    batch.router_by_process = true;
    take(batch);
    has("heroku_router_requests_total{app=\"a\",method=\"GET\",process=\"web.2\",process_type=\"web\",status=\"503\"} "
        "1");
    now += 60 * 1000;
    has_not("process=\"web.2\",process_type=\"web\",status=");
    has("heroku_router_requests_total{app=\"a\",method=\"GET\",process=\"web.1\",process_type=\"web\",status=\"503\"} "
        "1");
}

static void quiet_apps(void **state)
{
    (void)state;
    struct batch batch = batch_of(ROUTER("1", "web.1"));
    take(batch);
    batch.app = SLICE("b");
    take(batch);
    for (int hour = 0; hour < 24; hour++) {
        now += 3600 * 1000;
        batch = batch_of(LINE("web.1", "x"));
        take(batch);
    }
    has("heroku_router_errors{app=\"a\",process=\"web.1\",code=\"H13\"} 1"); /* however quiet it was */
    has_not("app=\"b\"");
}

/* ---- bounds ---- */

static void route(const char *app, const char *status)
{
    char body[256];
    sprintf(body, "<1>1 t h heroku router - at=info method=GET path=\"/\" dyno= connect= service= status=%s bytes=\n",
            status);
    struct batch batch = batch_of(body);
    batch.app = slice_of(app);
    take(batch);
}

static void overflow(void **state)
{
    (void)state;
    char status[16];
    for (int i = 0; i < 400; i++) {
        sprintf(status, "%d", 100 + i);
        route("a", status);
    }
    route("a", "100");
    route("b", "200");
    has("heroku_router_requests_total{app=\"a\",method=\"GET\",status=\"100\"} 2");
    has("heroku_router_requests_total{app=\"a\",method=\"__other__\",status=\"__other__\"} 300");
    has_not("heroku_router_requests_total{app=\"a\",method=\"GET\",status=\"200\"}");
    has("heroku_router_requests_total{app=\"b\",method=\"GET\",status=\"200\"} 1");
    has("drain_exporter_series_overflowed_total{app=\"a\",label=\"status\",metric=\"heroku_router_requests_total\"} "
        "300");
}

static void shapes(void **state)
{
    (void)state;
    struct batch batch = batch_of("<190>1 t host app web.1 - - " G1 "\n");
    take(batch);
    has("g1{app=\"a\",process=\"web.1\"} 1");
    /* Logplex writes no structured data, so here the "- " is the message's own. */
    batch = batch_of("<190>1 t host app web.2 - - " G1 "\n");
    headers.frame_id = SLICE("F1");
    take(batch);
    has_not("web.2");
    headers.user_agent = SLICE("log-shuttle/0.18");
    take(batch);
    has("g1{app=\"a\",process=\"web.2\"} 1");
    take(batch_of(G1)); /* without any header: no process, but the metric */
    has("g1{app=\"a\"} 1");
}

static void set_gauge(const char *timestamp, const char *value)
{
    char body[256];
    sprintf(body, "<190>1 %s host app heroku-postgres - addon=x sample#tables=%s\n", timestamp, value);
    take(batch_of(body));
}

static void newest_line_wins(void **state)
{
    (void)state;
    set_gauge("2022-12-07T15:54:57+00:00", "5");
    set_gauge("2022-12-07T15:54:56+00:00", "4");
    has("heroku_postgres_tables{addon=\"x\"} 5");
    has("drain_exporter_samples_outdated_total{app=\"a\"} 1");
    set_gauge("2022-12-07T16:54:58+01:00", "6");
    has("heroku_postgres_tables{addon=\"x\"} 6");
    /* A clock that is ahead does not keep others out: a line is never newer than its arrival. */
    set_gauge("2099-12-07T15:54:56+00:00", "7");
    wall += 1;
    set_gauge("2022-12-07T15:55:01+00:00", "8");
    has("heroku_postgres_tables{addon=\"x\"} 8");
    wall += 1;
    set_gauge("nonsense", "9");
    has("heroku_postgres_tables{addon=\"x\"} 9");
}

static void set_gauge_at(int second, const char *value)
{
    char timestamp[64];
    sprintf(timestamp, "2022-12-07T15:%02d:%02d+00:00", 55 + second / 60, second % 60);
    set_gauge(timestamp, value);
    char line[64];
    sprintf(line, "heroku_postgres_tables{addon=\"x\"} %s", value);
    has(line);
}

/* The wall clock is set back by an hour, to what is wrong: lines go on to count. */
static void clock_set_back(void **state)
{
    (void)state;
    set_gauge_at(0, "1");
    wall -= 3600 * INT64_C(1000000);
    for (int second = 1; second <= 120; second++) {
        char value[16];
        sprintf(value, "%d", second + 1);
        wall += 1000000;
        now += 1000;
        set_gauge_at(second, value);
        set_gauge("2022-12-07T15:54:59+00:00", "0"); /* an older line does not */
        has_not("heroku_postgres_tables{addon=\"x\"} 0");
    }
    /* Nor is a line without a time, or one that is ahead, later than those that follow. */
    set_gauge("nonsense", "500");
    has("heroku_postgres_tables{addon=\"x\"} 500");
    set_gauge("2099-12-07T15:54:56+00:00", "501");
    has("heroku_postgres_tables{addon=\"x\"} 501");
    set_gauge_at(121, "502");
    has("drain_exporter_samples_outdated_total{app=\"a\"} 120");
    /* What is told of the clock itself is what it says. */
    has("drain_exporter_last_batch_timestamp_seconds{app=\"a\"} 1670425020");
}

/* The wall clock was ahead by an hour and is set right: what came meanwhile keeps nothing out. */
static void clock_set_right(void **state)
{
    (void)state;
    wall += 3600 * INT64_C(1000000);
    set_gauge_at(0, "1");
    set_gauge("nonsense", "2");
    has("heroku_postgres_tables{addon=\"x\"} 2");
    wall -= 3600 * INT64_C(1000000);
    set_gauge("nonsense", "3");
    has("heroku_postgres_tables{addon=\"x\"} 3");
    set_gauge("2099-12-07T15:54:56+00:00", "4");
    has("heroku_postgres_tables{addon=\"x\"} 4");
    has("drain_exporter_samples_outdated_total{app=\"a\"} 0");
}

/* An app cannot speak for the platform, for us, or for another app. */
static void reserved_names(void **state)
{
    (void)state;
    /* [{"metric":{"name":"heroku_router_errors","tags":{"code":"H12"},"counter":{"value":9}}},
     *  {"metric":{"name":"router_errors","namespace":"heroku","tags":{"code":"H12"},"counter":{"value":9}}},
     *  {"metric":{"name":"drain-exporter.series","gauge":{"value":9}}}] */
    take(batch_of(LINE("web.1", "crates-io-heroku-metrics:ingest "
                                "W3sibWV0cmljIjp7Im5hbWUiOiJoZXJva3Vfcm91dGVyX2Vycm9ycyIsInRhZ3MiOnsiY29kZSI6IkgxMiJ9LC"
                                "Jjb3VudGVyIjp7InZhbHVlIjo5fX19LHsibWV0cmljIjp7"
                                "Im5hbWUiOiJyb3V0ZXJfZXJyb3JzIiwibmFtZXNwYWNlIjoiaGVyb2t1IiwidGFncyI6eyJjb2RlIjoiSDEyIn"
                                "0sImNvdW50ZXIiOnsidmFsdWUiOjl9fX0seyJtZXRyaWMi"
                                "OnsibmFtZSI6ImRyYWluLWV4cG9ydGVyLnNlcmllcyIsImdhdWdlIjp7InZhbHVlIjo5fX19XQ==")));
    has("drain_exporter_samples_rejected_total{app=\"a\",reason=\"reserved_name\"} 3");
    has_not("} 9\n");
}

static void many_apps(void **state)
{
    (void)state;
    char app[16];
    for (int i = 0; i < 5000; i++) {
        struct batch batch = batch_of("<1>1 t h app web.1 - x\n");
        sprintf(app, "app-%d", i);
        batch.app = slice_of(app);
        take(batch);
    }
    page_take(store, THREADS, now);
    size_t apps = 0;
    double messages = 0;
    for (char *at = page_text; (at = strstr(at, "\ndrain_exporter_messages_received_total{")) != NULL; at++) {
        apps++;
        messages += strtod(strchr(at, ' '), NULL);
    }
    assert_int_equal(apps, 1025);
    assert_true(messages == 5000); /* the rest is counted, under one name */
    assert_int_equal(page_count("\ndrain_exporter_messages_received_total{app=\"__other__\"} "), 1);
}

/* The same batch on several threads at a time is taken once, and the others are answered after it. */
static pthread_barrier_t barrier;
static int taken;
static void *take_same(void *slot)
{
    static char body[200000];
    if ((size_t)slot == 0) {
        char *at = body;
        for (int i = 0; i < 1000; i++)
            at += sprintf(at, "<190>1 t host app web.1 - - %s\n", G1);
    }
    pthread_barrier_wait(&barrier);
    struct batch batch = {
        .body = slice_of(body), .received = strlen(body), .app = SLICE("a"), .time = wall, .now = now};
    for (int i = 0; i < 20; i++) {
        char id[16];
        sprintf(id, "F%d", i);
        batch.origin = origin_of(&(struct origin_headers){.drain_token = SLICE("d.1"), .frame_id = slice_of(id)});
        enum batch_result result;
        while ((result = batch_process(intake, (unsigned)(size_t)slot, &batch)) == BATCH_IN_PROGRESS)
            sched_yield();
        if (result == BATCH_TAKEN)
            __atomic_add_fetch(&taken, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void on_all_threads(void *(*run)(void *slot))
{
    pthread_t threads[THREADS];
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run, (void *)i), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&barrier);
}

static void concurrent_duplicates(void **state)
{
    (void)state;
    taken = 0;
    on_all_threads(take_same);
    assert_int_equal(taken, 20);
    has("drain_exporter_messages_received_total{app=\"a\"} 80000");
    has("drain_exporter_messages_duplicate_total{app=\"a\"} 60000");
}

/* Several threads get a batch that was taken, each with the same loss that is new: it counts once. */
static void *take_growth(void *slot)
{
    pthread_barrier_wait(&barrier);
    for (int i = 1; i <= 200; i++) {
        char body[256];
        snprintf(body, sizeof body, L10("%d"), i);
        struct batch batch = {
            .body = slice_of(body),
            .app = SLICE("a"),
            .origin = origin_of(&(struct origin_headers){.drain_token = SLICE("d.1"), .frame_id = SLICE("F1")}),
            .time = wall,
            .now = now};
        while (batch_process(intake, (unsigned)(size_t)slot, &batch) == BATCH_IN_PROGRESS)
            sched_yield();
    }
    return NULL;
}

static void concurrent_losses(void **state)
{
    (void)state;
    on_all_threads(take_growth);
    has("drain_exporter_upstream_lost_messages_total{app=\"a\",code=\"L10\"} 200");
}

/* Whoever takes a batch is asked in the middle: the same batch is in progress then, and nothing of it counts. */
struct meddler {
    struct batch_observer observer; /* first */
    enum batch_result result;
};
static struct sample_output *meddle(struct batch_observer *observer, struct recorder *recorder)
{
    struct batch batch = batch_of(LINE("web.1", G1));
    headers.drain_token = SLICE("d.1");
    headers.frame_id = SLICE("F1");
    batch.origin = origin_of(&headers);
    ((struct meddler *)observer)->result = batch_process(intake, 1, &batch);
    return &recorder->output;
}

static void ignore_verdict(struct batch_observer *observer, const struct batch_judgement *judgement)
{
    (void)observer;
    (void)judgement;
}

static void in_progress(void **state)
{
    (void)state;
    struct meddler meddler = {{meddle, ignore_verdict}, BATCH_TAKEN};
    struct batch batch = batch_of(LINE("web.1", G1));
    headers.drain_token = SLICE("d.1");
    headers.frame_id = SLICE("F1");
    batch.observer = &meddler.observer;
    assert_int_equal(take(batch), BATCH_TAKEN);
    assert_int_equal(meddler.result, BATCH_IN_PROGRESS);
    has("drain_exporter_messages_received_total{app=\"a\"} 1");
    batch.observer = NULL;
    assert_int_equal(take(batch), BATCH_DUPLICATE);
}

/* [{"metric":{"name":"g2","gauge":{"value":1.0},"kind":"absolute","tags":{"te-am":"x","other":"y"}}}] */
#define G2                                                                         \
    "crates-io-heroku-metrics:ingest "                                             \
    "W3sibWV0cmljIjp7Im5hbWUiOiJnMiIsImdhdWdlIjp7InZhbHVlIjoxLjB9LCJraW5kIjoiYWJz" \
    "b2x1dGUiLCJ0YWdzIjp7InRlLWFtIjoieCIsIm90aGVyIjoieSJ9fX1d"

static void take_labelled(const char *body)
{
    static const struct label labels[] = {
        {SLICE("te_am"), SLICE("pay\"ments")}, {SLICE("code"), SLICE("c")}, {SLICE("z"), SLICE("9")}};
    struct batch batch = batch_of(body);
    batch.labels = labels;
    batch.label_count = 3;
    take(batch);
}

static void fixed_labels(void **state)
{
    (void)state;
    take_labelled(LINE("web.1", G1));
    take_labelled(LINE("web.1", G2));
    take_labelled("<1>1 t host heroku router - at=error code=H12 method=GET dyno=web.1\n");
    take_labelled("<1>1 t host heroku router - at=error code=H77 method=GET dyno=web.1\n");
    take_labelled("<1>1 t host heroku logplex - Error L10 (output buffer overflow): 5 messages dropped since 2022.\n");
    take_labelled(LINE("heroku-postgres", "addon=x sample#tables=1"));
    has("g1{app=\"a\",code=\"c\",process=\"web.1\",te_am=\"pay\\\"ments\",z=\"9\"} 1");
    /* A fixed label wins over a tag. */
    has("g2{app=\"a\",code=\"c\",other=\"y\",process=\"web.1\",te_am=\"pay\\\"ments\",z=\"9\"} 1");
    /* What tells our series apart wins over a fixed label. */
    has("heroku_router_errors{app=\"a\",process=\"web.1\",te_am=\"pay\\\"ments\",z=\"9\",code=\"H12\"} 1");
    has("heroku_router_errors{app=\"a\",code=\"H77\",process=\"web.1\",te_am=\"pay\\\"ments\",z=\"9\"} 1");
    has("heroku_postgres_tables{addon=\"x\",code=\"c\",te_am=\"pay\\\"ments\",z=\"9\"} 1");
    has("drain_exporter_upstream_lost_messages_total{app=\"a\",code=\"L10\"} 5");
    has("drain_exporter_messages_received_total{app=\"a\"} 6");
}

/* ---- rules ---- */

static struct configuration *file;

/* Put these rules in force. */
static void use(const char *yaml)
{
    struct buffer mistakes = {0};
    configuration_free(file);
    file = configuration_parse(slice_of(yaml), "CONFIG", true, &mistakes);
    if (file == NULL)
        fail_msg("%.*s", (int)mistakes.length, mistakes.at);
    rules_enforce(file->rules);
}

static void post(const char *body)
{
    struct batch batch = batch_of(body);
    batch.rules = file->rules;
    take(batch);
}

static int teardown_rules(void **state)
{
    configuration_free(file);
    file = NULL;
    return teardown(state);
}

#define RULES                                                                                                        \
    "rules:\n- {name: noise, match: '^heartbeat', drop: true}\n"                                                     \
    "- {name: jobs, match: '^job (?<n>\\w+) (?<ms>\\d+)', metrics: [{counter: jobs_total, labels: {job: $n}}, "      \
    "{histogram: "                                                                                                   \
    "job_seconds, value: $ms, scale: 0.001, buckets: [0.01, 1]}, {gauge: last_job, value: $ms, with: [app, "         \
    "process]}]}\n"                                                                                                  \
    "- {name: any, match: '^stats (?<v>\\S+)', metrics: [{total: seen_total, value: $v}, {gauge: depth, value: $v, " \
    "add: true}]}\n"

static void rules(void **state)
{
    (void)state;
    use(RULES);
    post(LINE("web.1", "job mail 5") LINE("web.1", "job mail 500") LINE("web.1", "job mail 5000x") LINE(
        "web.1", "heartbeat job mail 7") LINE("web.1", "hello") LINE("heroku-postgres", "job of 7") "no header");
    has("jobs_total{app=\"a\",job=\"mail\"} 3");
    has("job_seconds_bucket{app=\"a\",le=\"0.01\"} 2");
    has("job_seconds_bucket{app=\"a\",le=\"1\"} 3");
    has("job_seconds_count{app=\"a\"} 4");
    has("job_seconds_sum{app=\"a\"} 5.512");
    has("last_job{app=\"a\",process=\"web.1\"} 5000");
    has("last_job{app=\"a\"} 7"); /* the line that a family owns, but has no use for */
    has("jobs_total{app=\"a\",job=\"of\"} 1");
    has("drain_exporter_messages_recognised_total{app=\"a\",family=\"rules\"} 4");
    has("drain_exporter_messages_ignored_total{app=\"a\"} 2");
    has("drain_exporter_messages_malformed_total{app=\"a\",reason=\"header\"} 1");
    has("drain_exporter_rule_lines_total{rule=\"noise\"} 1");
    has("drain_exporter_rule_lines_total{rule=\"jobs\"} 4");
    /* Not what a family has samples of. */
    post(LINE("web.1", G1));
    has("g1{app=\"a\",process=\"web.1\"} 1");
    has("drain_exporter_messages_recognised_total{app=\"a\",family=\"ingest\"} 1");
}

#define AT(second, text) "<190>1 2022-12-07T15:54:" second "+00:00 host app web.1 - " text "\n"

static void rule_totals(void **state)
{
    (void)state;
    use(RULES);
    post(AT("10", "stats 100") AT("20", "stats 130") AT("15", "stats 110") AT("30", "stats 20"));
    has("seen_total{app=\"a\",process=\"web.1\"} 150"); /* 100, to 130; an older line; a new start */
    has("depth{app=\"a\"} 360");
    post(AT("40", "stats 25") AT("50", "stats x"));
    has("seen_total{app=\"a\",process=\"web.1\"} 155");
    has("drain_exporter_samples_outdated_total{app=\"a\"} 1");
    has("drain_exporter_samples_rejected_total{app=\"a\",reason=\"value\"} 2");
}

/* What a rule makes, no app can say for another one. */
static void rule_names(void **state)
{
    (void)state;
    use(RULES);
    post(LINE("web.1",
              "crates-io-heroku-metrics:ingest W3sibWV0cmljIjp7Im5hbWUiOiJkZXB0aCIsImdhdWdlIjp7InZhbHVlIjo5fX19XQ=="));
    has_not("depth{app=\"a\",process=\"web.1\"} 9");
    has("drain_exporter_samples_rejected_total{app=\"a\",reason=\"reserved_name\"} 1");
}

/* The help is that of the rules in force, also if the labels have changed with it; rules that are only read have
 * none of their own yet. */
static void rule_help(void **state)
{
    (void)state;
    use("rules: [{name: r, match: '^job (?<job>.*)', metrics: [{counter: x_total, help: One.}]}]");
    post(LINE("web.1", "job a"));
    has("# HELP x_total One.");
    struct buffer mistakes = {0};
    configuration_free(
        configuration_parse(SLICE("rules: [{name: r, match: '^job', metrics: [{counter: x_total, help: Unused.}]}]"),
                            "CONFIG", true, &mistakes));
    has("# HELP x_total One.");
    use("rules: [{name: r, match: '^job (?<job>.*)', metrics: [{counter: x_total, help: Two., labels: {job: $job}}]}]");
    post(LINE("web.1", "job a"));
    has("# HELP x_total Two.");
}

/* What other rules do not have ends; what they have in common goes on, whatever else has changed. */
static void other_rules(void **state)
{
    (void)state;
    const char *job = LINE("web.1", "job mail 500");
    use(RULES);
    post(job);
    use("rules: [{name: other, match: '^job', metrics: [{counter: jobs_total, labels: {job: mail}, help: New.}, "
        "{counter: added_total}]}]");
    has("jobs_total{app=\"a\",job=\"mail\"} 1");
    has("# HELP jobs_total New.");
    has_not("job_seconds");
    post(job);
    has("jobs_total{app=\"a\",job=\"mail\"} 2");
    has("added_total{app=\"a\"} 1");
    /* Other buckets are another metric, which replaces the old one at once. */
    use("rules: [{name: jobs, match: '^job \\w+ (?<ms>\\d+)', metrics: [{histogram: job_seconds, value: $ms, scale: "
        "0.001, "
        "buckets: [3]}]}]");
    post(job);
    has("job_seconds_bucket{app=\"a\",le=\"3\"} 1");
    has("job_seconds_count{app=\"a\"} 1");
    has_not("le=\"0.01\"");
    has_not("jobs_total");
    now += 1000;
    store_enter(store, THREADS);
    store_sweep(store, THREADS, now);
    store_leave(store, THREADS);
    post(job);
    has("job_seconds_count{app=\"a\"} 2");
    use(RULES);
    post(job);
    has("job_seconds_count{app=\"a\"} 1");
    has("jobs_total{app=\"a\",job=\"mail\"} 1"); /* the old series was over */
}

/* The label with too many values ends in one series. */
static void rule_overflow(void **state)
{
    (void)state;
    use(RULES);
    static char body[32768];
    size_t length = 0;
    for (int i = 0; i < 150; i++)
        length += (size_t)sprintf(body + length, LINE("web.1", "job n%d 5"), i);
    post(body);
    has("jobs_total{app=\"a\",job=\"__other__\"} 50");
    has("drain_exporter_series_overflowed_total{app=\"a\",label=\"job\",metric=\"jobs_total\"} 50");
}

/* Its sender may not speak for the app: counted as that, and nothing else. */
static void foreign(void **state)
{
    (void)state;
    struct batch batch = batch_of(LINE("web.1", G1) LINE("web.1", "hello"));
    batch.foreign = true;
    headers.drain_token = SLICE("d.1");
    headers.frame_id = SLICE("1");
    for (int i = 0; i < 2; i++)
        assert_int_equal(take(batch), BATCH_FOREIGN);
    has("drain_exporter_messages_received_total{app=\"a\"} 4");
    has("drain_exporter_messages_foreign_total{app=\"a\"} 4");
    has("drain_exporter_messages_duplicate_total{app=\"a\"} 0");
    has("drain_exporter_batches_total{app=\"a\",result=\"foreign\"} 2");
    has_not("g1{");
    has_not("heroku_");
    has_not("last_batch_timestamp_seconds");
    /* The same batch from somebody who may is taken. */
    batch.foreign = false;
    assert_int_equal(take(batch), BATCH_TAKEN);
    has("g1{app=\"a\",process=\"web.1\"} 1");
    has("drain_exporter_messages_received_total{app=\"a\"} 6");
    has("drain_exporter_messages_foreign_total{app=\"a\"} 4");
}

/* Its app is turned away: counted for "__other__", by reason, and nothing else. */
static void refused(void **state)
{
    (void)state;
    struct batch batch = batch_of(LINE("web.1", G1) LINE("web.1", "hello"));
    batch.refused = REFUSED_UNLISTED;
    assert_int_equal(take(batch), BATCH_REFUSED);
    batch.refused = REFUSED_NAME;
    assert_int_equal(take(batch), BATCH_REFUSED);
    has("drain_exporter_messages_received_total{app=\"__other__\"} 4");
    has("drain_exporter_messages_refused_total{app=\"__other__\",reason=\"unlisted\"} 2");
    has("drain_exporter_messages_refused_total{app=\"__other__\",reason=\"name\"} 2");
    has("drain_exporter_batches_total{app=\"__other__\",result=\"refused\"} 2");
    has_not("app=\"a\"");
    has_not("g1{");
    has_not("last_batch_timestamp_seconds");
}

/* The apps beyond those that may be known yield nothing, and those that are known go on. */
static void too_many_apps(void **state)
{
    (void)state;
    struct batch batch = batch_of(LINE("web.1", G1));
    headers.drain_token = SLICE("d.1");
    char names[1100][16];
    unsigned batches = 0;
    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 1100; i++) {
            batch.app = (struct slice){names[i], (size_t)snprintf(names[i], sizeof names[i], "app%u", i)};
            char id[16];
            headers.frame_id = (struct slice){id, (size_t)snprintf(id, sizeof id, "%d", round)};
            batches += take(batch) == BATCH_TAKEN;
        }
    }
    assert_int_equal(batches, 2 * 1024);
    has("drain_exporter_messages_received_total{app=\"app1023\"} 2");
    has("drain_exporter_messages_refused_total{app=\"__other__\",reason=\"max_apps\"} 152");
    has_not("app1024");
}

static void describe(_Atomic int64_t *last_batch)
{
    store_enter(store, THREADS);
    ledger_describe_app(store, entities, THREADS, SLICE("a"), last_batch, now);
    store_sweep(store, THREADS, now);
    store_leave(store, THREADS);
}

/* A configured app is known before it is heard, and when it was heard last after it has left. */
static void configured(void **state)
{
    (void)state;
    _Atomic int64_t last = 0;
    describe(&last);
    has("drain_exporter_last_batch_timestamp_seconds{app=\"a\"} 0");
    has("drain_exporter_messages_received_total{app=\"a\"} 0");
    has("drain_exporter_messages_recognised_total{app=\"a\",family=\"router\"} 0");
    has("drain_exporter_messages_foreign_total{app=\"a\"} 0");
    has("drain_exporter_samples_recorded_total{app=\"a\"} 0");
    has("drain_exporter_line_lag_seconds_count{app=\"a\"} 0");
    has_not("heroku_");
    struct batch batch = batch_of(LINE("web.1", G1));
    batch.last_batch = &last;
    take(batch);
    describe(&last);
    has("drain_exporter_last_batch_timestamp_seconds{app=\"a\"} 1670428500");
    has("drain_exporter_messages_received_total{app=\"a\"} 1");
    now += 25 * 3600 * 1000;
    describe(&last);
    describe(&last);
    has("drain_exporter_last_batch_timestamp_seconds{app=\"a\"} 1670428500");
    has_not("messages_received_total{app=\"a\"}");
    /* No longer configured. */
    now += 11 * 60 * 1000;
    has_not("last_batch_timestamp_seconds{app=\"a\"}");
}

/* An app that was heard before it was configured was not never heard of. */
static void configured_later(void **state)
{
    (void)state;
    _Atomic int64_t last = 0;
    take(batch_of(LINE("web.1", G1)));
    has("drain_exporter_last_batch_timestamp_seconds{app=\"a\"} 1670428500");
    describe(&last);
    assert_int_equal(last, wall);
    has("drain_exporter_last_batch_timestamp_seconds{app=\"a\"} 1670428500");
    now += 25 * 3600 * 1000;
    describe(&last);
    describe(&last);
    has("drain_exporter_last_batch_timestamp_seconds{app=\"a\"} 1670428500");
}

/* ---- Cloud Foundry ---- */

#define CF(app, guid, index, data)                                                                                  \
    "<14>1 2022-12-07T15:54:57.5+00:00 acme.prod." app " " guid " [" index "] - " data "[tags@47450 app_id=\"" guid \
    "\" app_name=\"" app "\" instance_id=\"" index                                                                  \
    "\" organization_name=\"acme\" process_type=\"web\" space_name=\"prod\"] \n"
#define MEMORY(value) "[gauge@47450 name=\"memory\" value=\"" value "\" unit=\"bytes\"]"

/* What is said of the apps of a batch. */
static void describe_cf(const struct batch_sender *sender, const struct cf_app *app, struct batch *part)
{
    (void)sender;
    part->foreign = slice_equals(cf_app_name(app), SLICE("acme/prod/hers"));
    part->refused = slice_equals(cf_app_name(app), SLICE("acme/prod/nobodys")) ? REFUSED_UNLISTED : REFUSED_NOT;
    part->cf_labels = CF_LABELS_NAMES;
}
static const struct batch_sender sender = {.user = {"drain", 5}, .describe = describe_cf};

static enum batch_result take_cf(const char *body)
{
    struct batch batch = batch_of(body);
    headers.body = batch.body;
    batch.sender = &sender;
    return take(batch);
}

static void cf_parts(void **state)
{
    (void)state;
    assert_int_equal(take_cf(CF("shop", "g1", "0", MEMORY("1")) CF("shop", "g1", "1", MEMORY("2"))
                                 CF("blog", "g2", "0", MEMORY("3")) CF("shop", "g1", "0", MEMORY("4"))),
                     BATCH_TAKEN);
    has("cf_container_memory_bytes{app=\"acme/prod/shop\",app_name=\"shop\",instance_index=\"0\",organization_name="
        "\"acme\",process_type=\"web\",space_name=\"prod\"} 4");
    has("cf_container_memory_bytes{app=\"acme/prod/shop\",app_name=\"shop\",instance_index=\"1\",organization_name="
        "\"acme\",process_type=\"web\",space_name=\"prod\"} 2");
    has("cf_container_memory_bytes{app=\"acme/prod/blog\",app_name=\"blog\",instance_index=\"0\",organization_name="
        "\"acme\",process_type=\"web\",space_name=\"prod\"} 3");
    has("drain_exporter_messages_received_total{app=\"acme/prod/shop\"} 3");
    has("drain_exporter_messages_received_total{app=\"acme/prod/blog\"} 1");
    has("drain_exporter_messages_mixed_total{app=\"acme/prod/shop\"} 0");
    has("drain_exporter_messages_mixed_total{app=\"acme/prod/blog\"} 1");
}

#define UNTAGGED(procid, data) "<14>1 2022-12-07T15:54:58+00:00 acme.prod.bare g9 [" procid "] - " data " \n"

/* A message without tags is of the process type that tags have told of. */
static void cf_without_tags(void **state)
{
    (void)state;
    static const char labels[] = "app=\"acme/prod/bare\",app_name=\"bare\",instance_index=\"0\",organization_name="
                                 "\"acme\",process_type=\"web\",space_name=\"prod\"}";
    char line[300];
    take_cf(CF("bare", "g9", "0", MEMORY("1")) UNTAGGED("0", MEMORY("2")));
    snprintf(line, sizeof line, "cf_container_memory_bytes{%s 2", labels);
    has(line);
    take_cf(UNTAGGED("0", MEMORY("3")) UNTAGGED("APP/TASK/X/0", "-") UNTAGGED("CELL/0", "- Creating container"));
    snprintf(line, sizeof line, "cf_container_memory_bytes{%s 3", labels);
    has(line);
    take_cf(UNTAGGED("CELL/0", "- Cell c successfully created container for instance i"));
    has("cf_instance_starts_total{app=\"acme/prod/bare\",app_name=\"bare\",organization_name=\"acme\",process_type="
        "\"web\",space_name=\"prod\"} 1");
    has_not("starts_total{app=\"acme/prod/bare\",app_name=\"bare\",organization_name=\"acme\",space_name");
}

static void cf_again(void **state)
{
    (void)state;
    static const char body[] = CF("again", "g3", "0", MEMORY("1")) CF("other", "g4", "0", MEMORY("3"));
    assert_int_equal(take_cf(body), BATCH_TAKEN);
    assert_int_equal(take_cf(body), BATCH_DUPLICATE);
    has("drain_exporter_messages_received_total{app=\"acme/prod/again\"} 2");
    has("drain_exporter_messages_duplicate_total{app=\"acme/prod/again\"} 1");
    has("drain_exporter_messages_duplicate_total{app=\"acme/prod/other\"} 1");
    has("drain_exporter_batches_total{app=\"acme/prod/other\",result=\"duplicate\"} 1");
    now += 59 * 60 * 1000; /* agents try for an hour */
    assert_int_equal(take_cf(body), BATCH_DUPLICATE);
    now += 60 * 1000;
    /* a message without a time: nothing tells that it is the same */
    static const char line[] = CF("again", "g3", "0", MEMORY("1"));
    char timeless[1000];
    snprintf(timeless, sizeof timeless, "%zu %s13 what is this\n", strlen(line), line);
    assert_int_equal(take_cf(timeless), BATCH_TAKEN);
    assert_int_equal(take_cf(timeless), BATCH_TAKEN);
    has("drain_exporter_messages_malformed_total{app=\"acme/prod/again\",reason=\"header\"} 2");
}

/* Fixed labels that no entry has any more end with a reload; an app's own names are no such labels. */
static void cf_reloaded(void **state)
{
    (void)state;
    take_cf(CF("kept", "g8", "0", MEMORY("1")));
    entities_allow_labels(entities, NULL, 0, now);
    now += 2 * 60 * 1000; /* longer than the grace */
    has("cf_container_memory_bytes{app=\"acme/prod/kept\",app_name=\"kept\",instance_index=\"0\",organization_name="
        "\"acme\",process_type=\"web\",space_name=\"prod\"} 1");
}

/* However many bodies without an id come between, a batch with one is known when it is sent again. */
static void cf_bodies_are_many(void **state)
{
    (void)state;
    struct batch batch = batch_of("<14>1 2022-12-07T15:54:57.5+00:00 host app web.1 - x\n");
    headers.drain_token = SLICE("d.1");
    headers.frame_id = SLICE("F1");
    assert_int_equal(take(batch), BATCH_TAKEN);
    for (int i = 0; i < 100000; i++) {
        char body[200];
        snprintf(body, sizeof body, "<14>1 2022-12-07T15:54:57.%06d+00:00 acme.prod.many g9 [APP/PROC/WEB/0] - - x\n",
                 i);
        assert_int_equal(take_cf(body), BATCH_TAKEN);
    }
    batch = batch_of("<14>1 2022-12-07T15:54:57.5+00:00 host app web.1 - x\n");
    headers.drain_token = SLICE("d.1");
    headers.frame_id = SLICE("F1");
    assert_int_equal(take(batch), BATCH_DUPLICATE);
}

static void cf_foreign(void **state)
{
    (void)state;
    take_cf(CF("mine", "g5", "0", MEMORY("1")) CF("hers", "g6", "0", MEMORY("2"))
                CF("nobodys", "g7", "0", MEMORY("3")));
    has("drain_exporter_messages_received_total{app=\"acme/prod/mine\"} 1");
    has("drain_exporter_messages_foreign_total{app=\"__other__\"} 1");
    has("drain_exporter_messages_refused_total{app=\"__other__\",reason=\"unlisted\"} 1");
    has_not("acme/prod/hers");
    has_not("acme/prod/nobodys");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(cf_parts, setup, teardown),
        cmocka_unit_test_setup_teardown(cf_without_tags, setup, teardown),
        cmocka_unit_test_setup_teardown(cf_again, setup, teardown),
        cmocka_unit_test_setup_teardown(cf_foreign, setup, teardown),
        cmocka_unit_test_setup_teardown(cf_reloaded, setup, teardown),
        cmocka_unit_test_setup_teardown(cf_bodies_are_many, setup, teardown),
        cmocka_unit_test_setup_teardown(ledger, setup, teardown),
        cmocka_unit_test_setup_teardown(foreign, setup, teardown),
        cmocka_unit_test_setup_teardown(refused, setup, teardown),
        cmocka_unit_test_setup_teardown(too_many_apps, setup, teardown),
        cmocka_unit_test_setup_teardown(configured, setup, teardown),
        cmocka_unit_test_setup_teardown(configured_later, setup, teardown),
        cmocka_unit_test_setup_teardown(mismatch, setup, teardown),
        cmocka_unit_test_setup_teardown(duplicates, setup, teardown),
        cmocka_unit_test_setup_teardown(losses, setup, teardown),
        cmocka_unit_test_setup_teardown(volume, setup, teardown),
        cmocka_unit_test_setup_teardown(many_sources, setup, teardown),
        cmocka_unit_test_setup_teardown(dynos, setup, teardown),
        cmocka_unit_test_setup_teardown(router_by_process, setup, teardown),
        cmocka_unit_test_setup_teardown(quiet_apps, setup, teardown),
        cmocka_unit_test_setup_teardown(overflow, setup, teardown),
        cmocka_unit_test_setup_teardown(shapes, setup, teardown),
        cmocka_unit_test_setup_teardown(newest_line_wins, setup, teardown),
        cmocka_unit_test_setup_teardown(clock_set_back, setup, teardown),
        cmocka_unit_test_setup_teardown(clock_set_right, setup, teardown),
        cmocka_unit_test_setup_teardown(reserved_names, setup, teardown),
        cmocka_unit_test_setup_teardown(fixed_labels, setup, teardown),
        cmocka_unit_test_setup_teardown(many_apps, setup, teardown),
        cmocka_unit_test_setup_teardown(concurrent_duplicates, setup, teardown),
        cmocka_unit_test_setup_teardown(concurrent_losses, setup, teardown),
        cmocka_unit_test_setup_teardown(in_progress, setup, teardown),
        cmocka_unit_test_setup_teardown(rules, setup, teardown_rules),
        cmocka_unit_test_setup_teardown(rule_totals, setup, teardown_rules),
        cmocka_unit_test_setup_teardown(rule_names, setup, teardown_rules),
        cmocka_unit_test_setup_teardown(rule_help, setup, teardown_rules),
        cmocka_unit_test_setup_teardown(other_rules, setup, teardown_rules),
        cmocka_unit_test_setup_teardown(rule_overflow, setup, teardown_rules),
    };
    return cmocka_run_group_tests_name("batch", tests, NULL, NULL);
}
