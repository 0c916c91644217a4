#include "intake/ledger.h"

#include <stdio.h>

#include "page_support.h"
#include "support.h"

enum { SLOT = 0, MAINTENANCE = 1, MINUTE = 60 * 1000 };

static struct entities *entities;
static struct store *store;
static struct ledger_series *series;
static uint64_t now;

static int setup(void **state)
{
    (void)state;
    now = 5000;
    entities = entities_create(&(struct entities_settings){.app_silence = 24 * 60 * MINUTE, .grace = MINUTE});
    store = store_create(&(struct store_settings){.max_series = 1, .slots = 2, .entities = entities});
    series = ledger_series_create();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    store_free(store);
    entities_free(entities);
    ledger_series_free(series);
    return 0;
}

static struct ledger open_ledger(const char *app)
{
    store_enter(store, SLOT);
    struct ledger ledger = ledger_open(store, entities, SLOT, slice_of(app), now);
    ledger_remember(&ledger, series);
    return ledger;
}

static void close_ledger(void)
{
    store_leave(store, SLOT);
    page_take(store, MAINTENANCE, now);
}

static void batches(void **state)
{
    (void)state;
    struct ledger ledger = open_ledger("a");
    struct ledger_batch batch = {.messages = 3, .received_bytes = 100, .decoded_bytes = 300, .time = 1670428500000000};
    ledger_count_batch(&ledger, &batch);
    batch.duplicate = true;
    ledger_count_batch(&ledger, &batch);
    close_ledger();
    page_has("drain_exporter_messages_received_total{app=\"a\"} 6");
    page_has("drain_exporter_messages_duplicate_total{app=\"a\"} 3");
    page_has("drain_exporter_batches_total{app=\"a\",result=\"taken\"} 1");
    page_has("drain_exporter_batches_total{app=\"a\",result=\"duplicate\"} 1");
    page_has("drain_exporter_batches_total{app=\"a\",result=\"foreign\"} 0");
    page_has("drain_exporter_body_bytes_total{app=\"a\",stage=\"received\"} 200");
    page_has("drain_exporter_body_bytes_total{app=\"a\",stage=\"decoded\"} 600");
    page_has("drain_exporter_last_batch_timestamp_seconds{app=\"a\"} 1670428500");
}

/* A batch that is not the sender's to send says nothing of when the app was heard. */
static void foreign_batches(void **state)
{
    (void)state;
    struct ledger ledger = open_ledger("a");
    ledger_count_batch(&ledger, &(struct ledger_batch){.foreign = true, .messages = 2, .time = 1670428500000000});
    close_ledger();
    page_has("drain_exporter_messages_foreign_total{app=\"a\"} 2");
    page_has("drain_exporter_batches_total{app=\"a\",result=\"foreign\"} 1");
    page_has_not("last_batch");
}

static void messages(void **state)
{
    (void)state;
    struct ledger_messages counted = {.recognised = {[FAMILY_ROUTER] = 2, [FAMILY_INGEST] = 1},
                                      .ignored = 3,
                                      .malformed = {[MALFORMED_JSON] = 1},
                                      .repaired = 1,
                                      .mismatched = 1,
                                      .self_drain = 4,
                                      .lost = {[LOGPLEX_L12] = 5},
                                      .lag = 0.2};
    struct ledger ledger = open_ledger("a");
    ledger_count_messages(&ledger, &counted);
    ledger_count_lost(&ledger, LOGPLEX_L12, 2);
    close_ledger();
    page_has("drain_exporter_messages_recognised_total{app=\"a\",family=\"router\"} 2");
    page_has("drain_exporter_messages_recognised_total{app=\"a\",family=\"ingest\"} 1");
    page_has("drain_exporter_messages_recognised_total{app=\"a\",family=\"dyno\"} 0");
    page_has("drain_exporter_messages_ignored_total{app=\"a\"} 3");
    page_has("drain_exporter_messages_malformed_total{app=\"a\",reason=\"json\"} 1");
    page_has("drain_exporter_frames_repaired_total{app=\"a\"} 1");
    page_has("drain_exporter_count_mismatches_total{app=\"a\"} 1");
    page_has("drain_exporter_self_drain_messages_total{app=\"a\"} 4");
    page_has("drain_exporter_upstream_lost_messages_total{app=\"a\",code=\"L12\"} 7");
    page_has("drain_exporter_line_lag_seconds_bucket{app=\"a\",le=\"0.1\"} 0");
    page_has("drain_exporter_line_lag_seconds_bucket{app=\"a\",le=\"0.25\"} 1");
    page_has("drain_exporter_line_lag_seconds_sum{app=\"a\"} 0.2");
}

static void samples(void **state)
{
    (void)state;
    struct recorder_tally tally = {
        .recorded = 5, .outdated = 1, .rejected = {[REJECTED_NAME] = 2}, .refused = {[FAMILY_INGEST] = 3}};
    struct ledger ledger = open_ledger("a");
    ledger_count_samples(&ledger, &tally);
    close_ledger();
    page_has("drain_exporter_samples_recorded_total{app=\"a\"} 5");
    page_has("drain_exporter_samples_outdated_total{app=\"a\"} 1");
    page_has("drain_exporter_samples_rejected_total{app=\"a\",reason=\"name\"} 2");
    page_has("drain_exporter_series_refused_total{app=\"a\",family=\"ingest\"} 3");
}

/* The first batch makes all that can be counted, at 0; a later one only what it has. */
static void zeros(void **state)
{
    (void)state;
    static const struct ledger_messages nothing = {.lag = -1};
    static const struct recorder_tally no_samples;
    struct ledger ledger = open_ledger("a");
    assert_true(ledger.zeros);
    ledger_count_messages(&ledger, &nothing);
    ledger_count_samples(&ledger, &no_samples);
    close_ledger();
    page_has("drain_exporter_messages_ignored_total{app=\"a\"} 0");
    page_has("drain_exporter_upstream_lost_messages_total{app=\"a\",code=\"L10\"} 0");
    page_has("drain_exporter_line_lag_seconds_count{app=\"a\"} 0");
    page_has("drain_exporter_series_refused_total{app=\"a\",family=\"rules\"} 0");
    ledger = open_ledger("a");
    assert_false(ledger.zeros);
    close_ledger();
}

/* Apps that are too many share one ledger. */
static void too_many_apps(void **state)
{
    (void)state;
    char app[32];
    unsigned own = 0;
    for (unsigned i = 0; i < 1100; i++) {
        snprintf(app, sizeof app, "app-%u", i);
        struct ledger ledger = open_ledger(app);
        ledger_count_batch(&ledger, &(struct ledger_batch){.messages = 1});
        own += slice_equals(ledger.app.value, slice_of(app));
        if (!slice_equals(ledger.app.value, slice_of(app)))
            assert_slice(ledger.app.value, "__other__");
        store_leave(store, SLOT);
    }
    page_take(store, MAINTENANCE, now);
    assert_int_equal(page_count("\ndrain_exporter_messages_received_total{app=\"app-"), own);
    char line[128];
    snprintf(line, sizeof line, "drain_exporter_messages_received_total{app=\"__other__\"} %u", 1100 - own);
    page_has(line);
}

/* What was looked up is used again, but not when it is gone. */
static void an_app_that_comes_again(void **state)
{
    (void)state;
    struct ledger_batch batch = {.messages = 1, .time = 1670428500000000};
    for (int i = 0; i < 10; i++) {
        struct ledger ledger = open_ledger("a");
        ledger_count_batch(&ledger, &batch);
        store_leave(store, SLOT);
    }
    page_take(store, MAINTENANCE, now);
    page_has("drain_exporter_messages_received_total{app=\"a\"} 10");
    now += 2 * 24 * 60 * MINUTE;
    page_take(store, MAINTENANCE, now);
    page_has_not("{app=\"a\"");
    store_sweep(store, MAINTENANCE, now);
    store_sweep(store, MAINTENANCE, now);
    batch.time = 1670601300000000;
    for (int i = 0; i < 3; i++) {
        struct ledger ledger = open_ledger("a");
        ledger_count_batch(&ledger, &batch);
        close_ledger();
    }
    page_has("drain_exporter_messages_received_total{app=\"a\"} 3");
    page_has("drain_exporter_last_batch_timestamp_seconds{app=\"a\"} 1670601300");
}

/* Names that are kept, and one that is too long for that; what the first has is not taken for the second's. */
static void names_of_any_length(void **state)
{
    (void)state;
    char app[200], line[300];
    for (int pass = 1; pass <= 3; pass++)
        for (size_t length = 1; length < sizeof app; length++) {
            memset(app, 'x', length);
            app[length] = '\0';
            struct ledger ledger = open_ledger(app);
            ledger_count_batch(&ledger, &(struct ledger_batch){.messages = (double)length, .time = 1670428500000000});
            store_leave(store, SLOT);
        }
    page_take(store, MAINTENANCE, now);
    for (size_t length = 1; length < sizeof app; length++) {
        memset(app, 'x', length);
        app[length] = '\0';
        snprintf(line, sizeof line, "drain_exporter_messages_received_total{app=\"%s\"} %zu", app, 3 * length);
        page_has(line);
        snprintf(line, sizeof line, "drain_exporter_last_batch_timestamp_seconds{app=\"%s\"} 1670428500", app);
        page_has(line);
    }
}

/* What stands escaped in a label is found again as it is. */
static void names_that_are_escaped(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct ledger ledger = open_ledger("a\"b\\c");
        ledger_count_batch(&ledger, &(struct ledger_batch){.messages = 1, .time = 1670428500000000 + i * 1000000});
        close_ledger();
    }
    page_has("drain_exporter_messages_received_total{app=\"a\\\"b\\\\c\"} 3");
    page_has("drain_exporter_last_batch_timestamp_seconds{app=\"a\\\"b\\\\c\"} 1670428502");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(batches, setup, teardown),
        cmocka_unit_test_setup_teardown(foreign_batches, setup, teardown),
        cmocka_unit_test_setup_teardown(messages, setup, teardown),
        cmocka_unit_test_setup_teardown(samples, setup, teardown),
        cmocka_unit_test_setup_teardown(zeros, setup, teardown),
        cmocka_unit_test_setup_teardown(too_many_apps, setup, teardown),
        cmocka_unit_test_setup_teardown(an_app_that_comes_again, setup, teardown),
        cmocka_unit_test_setup_teardown(names_of_any_length, setup, teardown),
        cmocka_unit_test_setup_teardown(names_that_are_escaped, setup, teardown),
    };
    return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
