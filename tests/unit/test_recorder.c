#include "intake/recorder.h"

#include <stdio.h>
#include <stdlib.h>

#include "families/family.h"
#include "page_support.h"
#include "support.h"

/* What a family hands over, and what then stands in the store. */

enum { SLOT = 0, MAINTENANCE = 1, MINUTE = 60 * 1000 };
static const int64_t WALL = INT64_C(1670428500000000); /* 2022-12-07T15:55:00Z */

static struct entities *entities;
static struct store *store;
static struct overflow_names *names;
static struct series_cache *cache;
static void *states[FAMILY_COUNT];
static uint64_t lifetimes[FAMILY_COUNT];
static uint64_t now;

/* Of the batch. */
static struct procids procids;
static struct family_context context;
static struct recorder recorder;
static struct line line;
static struct label fixed_labels[1];
static size_t fixed_label_count;
static struct external_labels external_labels;

static const struct metric hits = {.name = "heroku_hits_total", .help = "Hits.", .type = METRIC_COUNTER, .cells = 1};
static const struct metric level = {.name = "heroku_level", .help = "A level.", .type = METRIC_GAUGE};
static const double bounds[] = {1, 2};
static const struct metric times = {.name = "heroku_seconds",
                                    .help = "Seconds.",
                                    .type = METRIC_HISTOGRAM,
                                    .cells = COUNT(bounds) + 2,
                                    .bounds = bounds};

static int setup(void **state)
{
    (void)state;
    now = 5000;
    fixed_label_count = 0;
    entities = entities_create(&(struct entities_settings){.app_silence = 24 * 60 * MINUTE, .grace = MINUTE});
    store = store_create(&(struct store_settings){.max_series = 10000,
                                                  .max_app_series = 5000,
                                                  .max_metric_series = 100,
                                                  .max_names = 3,
                                                  .slots = 2,
                                                  .entities = entities});
    names = overflow_names_create();
    cache = series_cache_create();
    assert_true(families_open(states));
    for (int i = 0; i < FAMILY_COUNT; i++)
        lifetimes[i] = 10 * MINUTE;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    families_close(states);
    overflow_names_free(names);
    free(cache);
    store_free(store);
    entities_free(entities);
    return 0;
}

/* Begin a batch with a line of web.1. */
static void start(void)
{
    procids_start(&procids);
    context = (struct family_context){.app = SLICE("a"), .states = states};
    struct recorder_settings settings = {.store = store,
                                         .entities = entities,
                                         .external_labels = &external_labels,
                                         .overflow_names = names,
                                         .series = cache,
                                         .slot = SLOT,
                                         .lifetimes = lifetimes};
    struct recorder_batch batch = {
        .app = SLICE("a"),
        .labels = fixed_labels,
        .label_count = fixed_label_count,
        .entity = entities_app(entities, SLICE("a"), fixed_labels, fixed_label_count, now),
        .ledger_app = {SLICE("app"), SLICE("a")},
        .time = WALL,
        .now = now,
    };
    store_enter(store, SLOT);
    recorder_start(&recorder, &settings, &batch, &context, &procids);
    line = (struct line){
        .timestamp = SLICE("2022-12-07T15:54:57+00:00"), .appname = SLICE("app"), .procid = SLICE("web.1")};
    recorder_line(&recorder, &line, procids_find(&procids, line.appname, line.procid), FAMILY_INGEST);
}

static void end(void)
{
    store_leave(store, SLOT);
    page_take(store, MAINTENANCE, now);
}

/* A line of this time, by the same process. */
static void at(const char *timestamp)
{
    line.timestamp = slice_of(timestamp);
    recorder_line(&recorder, &line, recorder.procid, FAMILY_INGEST);
}

static void count(const char *code, double amount)
{
    struct label labels[] = {{SLICE("app"), SLICE("a")}, {SLICE("code"), slice_of(code)}};
    struct sample sample = {
        .metric = &hits, .name = slice_of(hits.name), .labels = labels, .label_count = 2, .amount = amount};
    recorder.output.record(&recorder.output, &sample);
}

/* A gauge: of metric, or of the app's own under this name. */
static void set(const struct metric *metric, const char *name, const char *process, double number)
{
    struct label labels[] = {{SLICE("app"), SLICE("a")}};
    struct value value = {.type = VALUE_GAUGE, .number = number};
    struct sample sample = {.metric = metric,
                            .name = slice_of(name),
                            .labels = labels,
                            .label_count = 1,
                            .value = &value,
                            .process = slice_of(process)};
    recorder.output.record(&recorder.output, &sample);
}

/* When the counter of this code was born, after the batch began. */
static uint64_t born_after(const char *code)
{
    struct label labels[] = {{SLICE("app"), SLICE("a")}, {SLICE("code"), slice_of(code)}};
    struct identity identity;
    struct store_series_view view;
    assert_int_equal(identity_build(&identity, SLICE(""), slice_of(hits.name), labels, 2), IDENTITY_OK);
    assert_true(store_look_up(store, &identity, &view));
    return view.born - now;
}

/* ---- samples ---- */

/* A batch may take seconds: what it creates late is no older than it is, or it would not be shown at 0 first. */
static void late_in_a_batch(void **state)
{
    (void)state;
    start();
    count("early", 1);
    recorder.started -= 3000; /* as if the clock had gone on */
    for (int i = 0; i < 64; i++)
        at("2022-12-07T15:54:57+00:00");
    count("late", 1);
    recorder.started -= 2000;
    recorder_look_at_clock(&recorder);
    count("last", 1);
    assert_in_range(born_after("early"), 0, 2000);
    assert_in_range(born_after("late"), 3000, 4999);
    assert_in_range(born_after("last"), 5000, 10000);
    end();
}

/* What is refused is counted: how much is logged as well, but not what stands at 0. */
static void refused_volume_and_zeros(void **state)
{
    (void)state;
    static const struct metric volume = {
        .name = "volume", .help = "", .type = METRIC_COUNTER, .cells = 1, .volume = true};
    struct store *large = store;
    store = store_create(&(struct store_settings){.max_series = 1, .slots = 2, .entities = entities});
    start();
    count("first", 1);
    count("second", 0);
    struct sample sample = {.metric = &volume, .name = slice_of(volume.name), .amount = 7};
    recorder.output.record(&recorder.output, &sample);
    assert_true(recorder.tally.refused[RECORDER_LOG_VOLUME] == 1);
    assert_true(recorder.tally.refused[FAMILY_INGEST] == 0);
    count("third", 1);
    assert_true(recorder.tally.refused[FAMILY_INGEST] == 1);
    assert_true(recorder.tally.recorded == 1);
    end();
    store_free(store);
    store = large;
}

static void too_many_processes(void **state)
{
    (void)state;
    static char texts[5000][16];
    start();
    for (int i = 0; i < 5000; i++) {
        snprintf(texts[i], sizeof texts[i], "run.%d", i);
        set(NULL, "g", texts[i], 1);
        if (procids_is_full(&procids)) {
            recorder_forget_procids(&recorder);
            procids_start(&procids);
        }
    }
    assert_in_range((uint64_t)recorder.tally.processes_refused, 900, 1000);
    end();
}

static void counted_samples(void **state)
{
    (void)state;
    start();
    count("x", 1);
    count("x", 2);
    count("y", 0); /* known, at 0: nothing that a line has said */
    end();
    page_has("heroku_hits_total{app=\"a\",code=\"x\"} 3");
    page_has("heroku_hits_total{app=\"a\",code=\"y\"} 0");
    assert_true(recorder.tally.recorded == 2);
}

/* The next batch counts in the series that the one before found, until the store has removed it. */
static void over_batches(void **state)
{
    (void)state;
    fixed_label_count = 0;
    start();
    count("x", 1);
    end();
    start();
    count("x", 2);
    end();
    page_has("heroku_hits_total{app=\"a\",code=\"x\"} 3");
    fixed_labels[0] = (struct label){SLICE("region"), SLICE("eu")};
    fixed_label_count = 1;
    start();
    count("x", 5);
    end();
    page_has("heroku_hits_total{app=\"a\",code=\"x\"} 3");
    page_has("heroku_hits_total{app=\"a\",code=\"x\",region=\"eu\"} 5");
    fixed_label_count = 0;
    now += UINT64_C(25) * 60 * MINUTE; /* the app has been silent for a day */
    store_enter(store, MAINTENANCE);
    store_sweep(store, MAINTENANCE, now);
    store_leave(store, MAINTENANCE);
    start();
    count("x", 7);
    end();
    page_has("heroku_hits_total{app=\"a\",code=\"x\"} 7");
}

/* A line's samples with the same array of labels; it may be another line's later. */
static void labels_of_a_line(void **state)
{
    (void)state;
    struct label labels[] = {{SLICE("app"), SLICE("a")}, {SLICE("x"), SLICE("1")}};
    struct value value = {.type = VALUE_GAUGE, .number = 5};
    struct sample sample = {.namespace = SLICE("ns"), .labels = labels, .value = &value, .labels_of_line = true};
    fixed_labels[0] = (struct label){SLICE("x"), SLICE("fixed")};
    fixed_label_count = 1;
    start();
    for (int i = 0; i < 6; i++) {
        static const char *const names_of_samples[] = {"a", "b", "level", "c", "d", "a"};
        sample.name = slice_of(names_of_samples[i]);
        sample.metric = i == 2 ? &level : NULL;
        sample.label_count = i == 3 ? 1 : 2;
        if (i == 4) {
            labels[0].value = SLICE("next");
            at("2022-12-07T15:54:58+00:00");
        }
        recorder.output.record(&recorder.output, &sample);
    }
    end();
    page_has("ns_a{app=\"a\",x=\"fixed\"} 5");
    page_has("ns_b{app=\"a\",x=\"fixed\"} 5");
    page_has("ns_level{app=\"a\",x=\"1\"} 5"); /* ours: its labels win over fixed ones */
    page_has("ns_c{app=\"a\",x=\"fixed\"} 5");
    page_has("ns_d{app=\"next\",x=\"fixed\"} 5");
    page_has("ns_a{app=\"next\",x=\"fixed\"} 5");
}

/* Labels that an app, a rule or a drain gives a series make room for those of all series. */
static void labels_of_all_series(void **state)
{
    (void)state;
    char error[ERROR_MAX];
    struct label labels[] = {{SLICE("app"), SLICE("a")}, {SLICE("aws.region"), SLICE("1")}, {SLICE("x"), SLICE("2")}};
    struct value value = {.type = VALUE_GAUGE, .number = 5};
    struct sample sample = {.name = SLICE("chosen"), .labels = labels, .label_count = 3, .value = &value};
    assert_true(external_labels_read(SLICE("aws_region=eu,replica=b"), &external_labels, error));
    fixed_labels[0] = (struct label){SLICE("replica"), SLICE("fixed")};
    fixed_label_count = 1;
    start();
    recorder.output.record(&recorder.output, &sample);
    recorder.output.record(&recorder.output, &sample);
    count("y", 1);
    end();
    external_labels.count = 0;
    page_has("chosen{app=\"a\",exported_aws_region=\"1\",exported_replica=\"fixed\",x=\"2\"} 5");
    page_has("heroku_hits_total{app=\"a\",code=\"y\",exported_replica=\"fixed\"} 1");
}

static void set_of_line(double number)
{
    struct label labels[] = {{SLICE("app"), SLICE("a")}, {SLICE("x"), SLICE("1")}};
    struct value value = {.type = VALUE_GAUGE, .number = number};
    struct sample sample = {.name = SLICE("chosen"),
                            .labels = labels,
                            .label_count = 2,
                            .value = &value,
                            .process = SLICE("web.1"),
                            .labels_of_line = true};
    recorder.output.record(&recorder.output, &sample);
}

/* A reported series is kept over batches: late lines stay late, and what has left begins anew. */
static void reported_over_batches(void **state)
{
    (void)state;
    for (int batch = 1; batch <= 3; batch++) {
        start();
        set_of_line(batch);
        set_of_line(batch + 0.5);
        at("2022-12-07T15:54:50+00:00");
        set_of_line(9);
        assert_true(recorder.tally.recorded == 2);
        assert_true(recorder.tally.outdated == 1);
        end();
        char expected[64];
        snprintf(expected, sizeof expected, "chosen{app=\"a\",x=\"1\"} %d.5", batch);
        page_has(expected);
    }
    now += 10 * MINUTE;
    store_enter(store, MAINTENANCE);
    store_sweep(store, MAINTENANCE, now);
    store_leave(store, MAINTENANCE);
    start();
    at("2022-12-07T15:54:50+00:00");
    set_of_line(7);
    assert_true(recorder.tally.recorded == 1);
    end();
    page_has("chosen{app=\"a\",x=\"1\"} 7");
}

static void histograms(void **state)
{
    (void)state;
    struct label labels[] = {{SLICE("app"), SLICE("a")}};
    struct sample sample = {.metric = &times, .name = slice_of(times.name), .labels = labels, .label_count = 1};
    start();
    struct series *series = recorder.output.find(&recorder.output, &sample);
    assert_non_null(series);
    recorder.output.observe(&recorder.output, series, &times, 1);
    recorder.output.observe(&recorder.output, series, &times, 7);
    assert_ptr_equal(recorder.output.find(&recorder.output, &sample), series);
    end();
    page_has("heroku_seconds_bucket{app=\"a\",le=\"1\"} 1");
    page_has("heroku_seconds_bucket{app=\"a\",le=\"2\"} 1");
    page_has("heroku_seconds_count{app=\"a\"} 2");
    page_has("heroku_seconds_sum{app=\"a\"} 8");
}

static void newest_line_wins(void **state)
{
    (void)state;
    start();
    set(&level, level.name, "web.1", 1);
    at("2022-12-07T15:54:56+00:00");
    set(&level, level.name, "web.1", 2);
    assert_true(recorder.tally.outdated == 1);
    at("2022-12-07T15:54:58+00:00");
    set(&level, level.name, "web.1", 3);
    /* What is later than its arrival came with it, and so did what has no time. */
    at("2099-12-07T15:54:58+00:00");
    set(&level, level.name, "web.1", 4);
    at("nonsense");
    set(&level, level.name, "web.1", 5);
    end();
    page_has("heroku_level{app=\"a\"} 5");
    assert_true(recorder.tally.recorded == 4);
}

static void rejected_samples(void **state)
{
    (void)state;
    char long_name[IDENTITY_NAME_MAX + 2];
    memset(long_name, 'n', sizeof long_name);
    long_name[sizeof long_name - 1] = '\0';
    start();
    set(NULL, "", "web.1", 1);
    set(NULL, long_name, "web.1", 1);
    assert_true(recorder.tally.rejected[REJECTED_NAME] == 2);
    set(NULL, "heroku_mine", "web.1", 1);
    set(NULL, "drain_exporter_mine", "web.1", 1);
    assert_true(recorder.tally.rejected[REJECTED_RESERVED] == 2);
    recorder.output.reject(&recorder.output, REJECTED_KIND);
    assert_true(recorder.tally.rejected[REJECTED_KIND] == 1);
    end();
    assert_true(recorder.tally.recorded == 0);
    page_has_not("mine");
}

static void fixed(void **state)
{
    (void)state;
    fixed_labels[0] = (struct label){SLICE("code"), SLICE("fixed")};
    fixed_label_count = 1;
    start();
    count("own", 1); /* what tells our series apart wins */
    set(NULL, "mine", "web.1", 1);
    end();
    page_has("heroku_hits_total{app=\"a\",code=\"own\"} 1");
    page_has("mine{app=\"a\",code=\"fixed\"} 1");
}

/* ---- bounds ---- */

static void over_the_bound(void **state)
{
    (void)state;
    static char codes[120][16]; /* valid for as long as the batch is */
    start();
    for (int i = 0; i < 120; i++) {
        snprintf(codes[i], sizeof codes[i], "c%d", i);
        count(codes[i], 1);
    }
    end();
    page_has("heroku_hits_total{app=\"a\",code=\"__other__\"} 20");
    page_has("drain_exporter_series_overflowed_total{app=\"a\",label=\"code\",metric=\"heroku_hits_total\"} 20");
    assert_true(recorder.tally.recorded == 120);
}

/* What replaces cannot be added up: it is refused. */
static void gauges_over_the_bound(void **state)
{
    (void)state;
    char user[16];
    start();
    for (int i = 0; i < 120; i++) {
        snprintf(user, sizeof user, "u%d", i);
        struct label labels[] = {{SLICE("app"), SLICE("a")}, {SLICE("user"), slice_of(user)}};
        struct value value = {.type = VALUE_GAUGE, .number = i};
        struct sample sample = {.name = SLICE("mine"), .labels = labels, .label_count = 2, .value = &value};
        recorder.output.record(&recorder.output, &sample);
    }
    end();
    page_has_not("__other__");
    page_has("drain_exporter_series_overflowed_total{app=\"a\",label=\"user\",metric=\"mine\"} 20");
    assert_true(recorder.tally.recorded == 100);
    assert_true(recorder.tally.refused[FAMILY_INGEST] == 20);
}

/* Names that an app chooses may be counted as well: then all that is said of such names holds for them. */
static const struct metric chosen = {.help = "Counted.", .type = METRIC_COUNTER, .cells = 1, .chosen = true};

static struct series *find_chosen(const char *name, const char *user)
{
    struct label labels[] = {
        {SLICE("app"), SLICE("a")}, {SLICE("code"), SLICE("own")}, {SLICE("user"), slice_of(user)}};
    struct sample sample = {
        .metric = &chosen, .name = slice_of(name), .labels = labels, .label_count = 3, .name_limited = true};
    return recorder.output.find(&recorder.output, &sample);
}

static void chosen_names(void **state)
{
    (void)state;
    fixed_labels[0] = (struct label){SLICE("code"), SLICE("fixed")};
    fixed_label_count = 1;
    start();
    struct series *mine = find_chosen("mine", "x"), *yours = find_chosen("yours", "x");
    assert_true(mine != NULL && yours != NULL && mine != yours);
    assert_ptr_equal(find_chosen("mine", "x"), mine);
    recorder.output.add(&recorder.output, mine, 0, 2);
    recorder.output.add(&recorder.output, yours, 0, 3);
    assert_null(find_chosen("heroku_mine", "x"));
    assert_true(recorder.tally.rejected[REJECTED_RESERVED] == 1);
    assert_non_null(find_chosen("third", "x"));
    assert_null(find_chosen("fourth", "x"));
    assert_true(recorder.tally.rejected[REJECTED_NAMES] == 1);
    char user[16];
    for (int i = 0; i < 119; i++) { /* over the bound of a metric they share one series */
        snprintf(user, sizeof user, "u%d", i);
        recorder.output.add(&recorder.output, find_chosen("mine", user), 0, 1);
    }
    end();
    page_has("# TYPE mine counter");
    page_has("mine{app=\"a\",code=\"fixed\",user=\"x\"} 2"); /* a fixed label wins */
    page_has("yours{app=\"a\",code=\"fixed\",user=\"x\"} 3");
    page_has("mine{app=\"a\",code=\"fixed\",user=\"__other__\"} 20");
    page_has("drain_exporter_series_overflowed_total{app=\"a\",label=\"user\",metric=\"mine\"} 20");
}

/* A metric of ours takes a name over that an app had chosen, and not the other way. */
static void chosen_names_give_way(void **state)
{
    (void)state;
    static const struct metric own = {.name = "mine", .help = "Ours.", .type = METRIC_COUNTER, .cells = 1};
    struct label labels[] = {{SLICE("app"), SLICE("a")}, {SLICE("code"), SLICE("own")}, {SLICE("user"), SLICE("x")}};
    struct sample sample = {.metric = &own, .name = SLICE("mine"), .labels = labels, .label_count = 3, .amount = 1};
    start();
    recorder.output.add(&recorder.output, find_chosen("mine", "x"), 0, 5);
    recorder.output.record(&recorder.output, &sample);
    assert_null(find_chosen("mine", "x"));
    assert_true(recorder.tally.outdated == 1);
    end();
    assert_int_equal(page_count("# HELP mine Ours.\n"), 1);
    page_has("mine{app=\"a\",code=\"own\",user=\"x\"} 1");
}

/* A batch that replaces much leaves the store in between.  What was found before is found anew. */
static void long_batches(void **state)
{
    (void)state;
    start();
    uint64_t generation = recorder.output.generation;
    for (int i = 0; i < 200000; i++) {
        set(&level, level.name, "web.1", i);
        count("x", 1);
    }
    assert_true(recorder.output.generation > generation);
    end();
    page_has("heroku_hits_total{app=\"a\",code=\"x\"} 200000");
    page_has("heroku_level{app=\"a\"} 199999");
}

/* While another thread stays inside, it waits for that, but not for ever; memory is freed as soon as that has left. */
static void long_batches_beside_others(void **state)
{
    (void)state;
    store_enter(store, MAINTENANCE);
    start();
    for (int i = 0; i < 200000; i++)
        set(&level, level.name, "web.1", i);
    assert_int_equal(recorder.waited, RECORDER_WAIT_MAX);
    assert_true(store_should_quiesce(store, SLOT));
    store_leave(store, SLOT);
    store_leave(store, MAINTENANCE);
    start();
    for (int i = 0; i < 200000; i++)
        set(&level, level.name, "web.1", i);
    assert_int_equal(recorder.waited, 0);
    assert_false(store_should_quiesce(store, SLOT));
    end();
    page_has("heroku_level{app=\"a\"} 199999");
}

/* ---- processes ---- */

static void ends_with_its_process(void **state)
{
    (void)state;
    start();
    set(&level, level.name, "web.1", 1); /* the line's own */
    set(NULL, "other", "web.2", 1);      /* another one */
    set(NULL, "of_app", "", 1);
    recorder.output.notify(&recorder.output, SLICE("web.1"), PROCESS_ENDED);
    end();
    page_has("heroku_level{app=\"a\"} 1"); /* its grace */
    now += MINUTE + 1;
    page_take(store, MAINTENANCE, now);
    page_has_not("heroku_level");
    page_has("other{app=\"a\"} 1");
    page_has("of_app{app=\"a\"} 1");
}

/* A text of its own is the same process as the line's. */
static void same_process(void **state)
{
    (void)state;
    char process[] = "web.1";
    start();
    set(&level, level.name, process, 1);
    recorder.output.notify(&recorder.output, SLICE("web.1"), PROCESS_ENDED);
    end();
    now += MINUTE + 1;
    page_take(store, MAINTENANCE, now);
    page_has_not("heroku_level");
}

static void many_processes(void **state)
{
    (void)state;
    static char processes[PROCIDS_MAX + 50][16];
    start();
    for (int i = 0; i < PROCIDS_MAX + 50; i++) { /* also those for which there is no number */
        snprintf(processes[i], sizeof processes[i], "web.%d", i + 1);
        recorder.output.notify(&recorder.output, slice_of(processes[i]), PROCESS_STARTED);
    }
    set(&level, level.name, processes[PROCIDS_MAX + 49], 1);
    recorder.output.notify(&recorder.output, slice_of(processes[PROCIDS_MAX + 49]), PROCESS_ENDED);
    end();
    now += MINUTE + 1;
    page_take(store, MAINTENANCE, now);
    page_has_not("heroku_level");
    /* Numbers that begin anew are those of other processes. */
    start();
    recorder_forget_procids(&recorder);
    procids_start(&procids);
    line.procid = SLICE("worker.1");
    recorder_line(&recorder, &line, procids_find(&procids, line.appname, line.procid), FAMILY_INGEST);
    set(NULL, "mine", "worker.1", 1);
    recorder.output.notify(&recorder.output, SLICE("web.1"), PROCESS_ENDED);
    end();
    now += MINUTE + 1;
    page_take(store, MAINTENANCE, now);
    page_has("mine{app=\"a\"} 1");
}

static void zeros(void **state)
{
    (void)state;
    start();
    recorder_start_app(&recorder);
    recorder.output.notify(&recorder.output, SLICE("web.7"), PROCESS_STARTED);
    end();
    page_has("heroku_router_errors{app=\"a\",process=\"web.7\",code=\"H12\"} 0");
    assert_true(recorder.tally.recorded == 0);
}

/* The first sample of a process makes its zeros while its own series is looked up.  Each of many codes has another
 * place among the series that are kept, so that some share theirs with a zero. */
static void zeros_beside_the_first_sample(void **state)
{
    enum { CODES = 1000 };
    for (unsigned i = 0; i < CODES; i++) {
        char code[16], expected[64];
        snprintf(code, sizeof code, "c%u", i);
        snprintf(expected, sizeof expected, "heroku_hits_total{app=\"a\",code=\"%s\"} 1", code);
        teardown(state);
        setup(state);
        start();
        struct label labels[] = {{SLICE("app"), SLICE("a")}, {SLICE("code"), slice_of(code)}};
        struct sample sample = {.metric = &hits,
                                .name = slice_of(hits.name),
                                .labels = labels,
                                .label_count = 2,
                                .process = line.procid,
                                .amount = 1};
        recorder.output.record(&recorder.output, &sample);
        end();
        page_has(expected);
        page_has("heroku_dyno_restarts_total{app=\"a\",process_type=\"web\"} 0");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(late_in_a_batch, setup, teardown),
        cmocka_unit_test_setup_teardown(refused_volume_and_zeros, setup, teardown),
        cmocka_unit_test_setup_teardown(too_many_processes, setup, teardown),
        cmocka_unit_test_setup_teardown(counted_samples, setup, teardown),
        cmocka_unit_test_setup_teardown(over_batches, setup, teardown),
        cmocka_unit_test_setup_teardown(labels_of_a_line, setup, teardown),
        cmocka_unit_test_setup_teardown(labels_of_all_series, setup, teardown),
        cmocka_unit_test_setup_teardown(reported_over_batches, setup, teardown),
        cmocka_unit_test_setup_teardown(histograms, setup, teardown),
        cmocka_unit_test_setup_teardown(newest_line_wins, setup, teardown),
        cmocka_unit_test_setup_teardown(rejected_samples, setup, teardown),
        cmocka_unit_test_setup_teardown(fixed, setup, teardown),
        cmocka_unit_test_setup_teardown(over_the_bound, setup, teardown),
        cmocka_unit_test_setup_teardown(gauges_over_the_bound, setup, teardown),
        cmocka_unit_test_setup_teardown(chosen_names, setup, teardown),
        cmocka_unit_test_setup_teardown(chosen_names_give_way, setup, teardown),
        cmocka_unit_test_setup_teardown(long_batches, setup, teardown),
        cmocka_unit_test_setup_teardown(long_batches_beside_others, setup, teardown),
        cmocka_unit_test_setup_teardown(ends_with_its_process, setup, teardown),
        cmocka_unit_test_setup_teardown(same_process, setup, teardown),
        cmocka_unit_test_setup_teardown(many_processes, setup, teardown),
        cmocka_unit_test_setup_teardown(zeros, setup, teardown),
        cmocka_unit_test_setup_teardown(zeros_beside_the_first_sample, setup, teardown),
    };
    return cmocka_run_group_tests_name("recorder", tests, NULL, NULL);
}
