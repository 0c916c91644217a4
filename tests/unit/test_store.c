#include <stdio.h>
#include <stdlib.h>

#include "store.h"
#include "support.h"

static struct store *store;
static uint64_t now;

static int setup(void **state)
{
    (void)state;
    now = 1000;
    store = store_create(100, 2);
    store_enter(store, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    store_leave(store, 0);
    store_free(store);
    return 0;
}

static struct identity identify(const char *name, const char *label)
{
    struct identity identity;
    struct label labels = {SLICE("l"), slice_of(label)};
    assert_int_equal(identity_build(&identity, SLICE(""), slice_of(name), &labels, 1), IDENTITY_OK);
    return identity;
}

static enum store_result set(const char *name, const char *label, double number, int64_t time, bool incremental)
{
    struct identity identity = identify(name, label);
    struct value value = {.type = VALUE_GAUGE, .number = number, .time = time};
    return store_update(store, 0, &identity, NULL, &value, incremental,
                        &(struct store_terms){.now = now, .lifetime = 500});
}

static const char *const codes[] = {"a", "b", "c"};
static const struct metric counted = {
    .name = "counted", .help = "", .type = METRIC_COUNTER, .cells = 3, .label = "code", .label_values = codes};
static const struct metric other = {.name = "counted", .help = "", .type = METRIC_COUNTER, .cells = 1};

static enum store_result count(unsigned slot, const struct metric *metric, const char *label, unsigned cell,
                               double amount, uint64_t lifetime)
{
    struct identity identity = identify("counted", label);
    return store_count(store, slot, &identity, metric, cell, amount,
                       &(struct store_terms){.now = now, .lifetime = lifetime});
}

/* All that is alive, as "labels=value" or "labels=cell/cell", oldest first. */
static char page[4096];
static bool print(void *context, const struct store_series_view *series)
{
    (void)context;
    size_t length = strlen(page);
    char *at = page + length;
    size_t room = sizeof page - length;
    if (series->value != NULL)
        snprintf(at, room, "%.*s=%g ", (int)series->labels.length, series->labels.at, series->value->number);
    else if (series->metric->cells == 3)
        snprintf(at, room, "%.*s=%g/%g/%g ", (int)series->labels.length, series->labels.at, series->cells[0],
                 series->cells[1], series->cells[2]);
    else
        snprintf(at, room, "%.*s=%g ", (int)series->labels.length, series->labels.at, series->cells[0]);
    return true;
}

static void assert_store(const char *name, const char *expected)
{
    struct store_metric_view views[16];
    size_t found = store_metrics(store, views, 16);
    page[0] = '\0';
    for (size_t i = 0; i < found; i++)
        if (slice_equals(views[i].name, slice_of(name)))
            assert_true(store_each_series(store, 0, views[i].handle, now, print, NULL));
    assert_string_equal(page, expected);
}

static size_t used(void)
{
    struct store_usage usage;
    store_usage(store, &usage);
    return usage.series;
}

static void reported(void **state)
{
    (void)state;
    assert_int_equal(set("m", "x", 1, 10, false), STORE_CREATED);
    assert_int_equal(set("m", "y", 2, 10, false), STORE_CREATED);
    assert_int_equal(set("n", "x", 3, 10, false), STORE_CREATED);
    assert_store("m", "l=\"x\"=1 l=\"y\"=2 ");
    assert_int_equal(set("m", "x", 5, 20, false), STORE_RECORDED);
    assert_int_equal(set("m", "x", 4, 19, false), STORE_OUTDATED); /* the newest line wins */
    assert_int_equal(set("m", "x", 6, 20, false), STORE_RECORDED); /* of one line, the later one */
    assert_int_equal(set("m", "x", -1, 5, true), STORE_RECORDED);  /* an increment counts whenever it comes */
    assert_store("m", "l=\"x\"=5 l=\"y\"=2 ");
    assert_int_equal(set("m", "x", 9, 19, false), STORE_OUTDATED);
    assert_int_equal(used(), 3);
    /* What cannot be added replaces, so it must be as new. */
    struct identity identity = identify("m", "x");
    struct value value = {.type = VALUE_COUNTER, .number = 1, .time = 19};
    struct store_terms terms = {.now = now, .lifetime = 500};
    assert_int_equal(store_update(store, 0, &identity, NULL, &value, true, &terms), STORE_OUTDATED);
    value.time = 21;
    assert_int_equal(store_update(store, 0, &identity, NULL, &value, true, &terms), STORE_RECORDED);
    assert_store("m", "l=\"x\"=1 l=\"y\"=2 ");
}

static void counted_series(void **state)
{
    (void)state;
    assert_int_equal(count(0, &counted, "x", 1, 0, 0), STORE_CREATED);
    assert_store("counted", "l=\"x\"=0/0/0 ");
    assert_int_equal(count(1, &counted, "x", 1, 2, 0), STORE_RECORDED);
    assert_int_equal(count(0, &counted, "x", 1, 3, 0), STORE_RECORDED);
    assert_int_equal(count(1, &counted, "x", 2, 1, 0), STORE_RECORDED);
    assert_store("counted", "l=\"x\"=0/5/1 ");
    assert_int_equal(used(), 3);
    /* One name may have series of two shapes, one series may not. */
    assert_int_equal(count(0, &other, "x", 0, 1, 0), STORE_OUTDATED);
    assert_int_equal(count(0, &other, "y", 0, 1, 0), STORE_CREATED);
    assert_store("counted", "l=\"x\"=0/5/1 l=\"y\"=1 ");
    /* A reported series cannot become a counted one, nor a foreign name one of ours. */
    struct identity identity = identify("counted", "x");
    struct value value = {.type = VALUE_GAUGE, .number = 1};
    assert_int_equal(store_update(store, 0, &identity, NULL, &value, false, &(struct store_terms){.now = now}),
                     STORE_OUTDATED);
    assert_int_equal(set("foreign", "x", 1, 1, false), STORE_CREATED);
    identity = identify("foreign", "y");
    assert_int_equal(store_count(store, 0, &identity, &counted, 0, 1, &(struct store_terms){.now = now}),
                     STORE_OUTDATED);
    assert_int_equal(used(), 5);
}

static void expiry(void **state)
{
    (void)state;
    set("m", "x", 1, 10, false);
    now += 400;
    set("m", "y", 2, 10, false);
    set("m", "z", 2, 10, false);
    now += 99;
    assert_store("m", "l=\"x\"=1 l=\"y\"=2 l=\"z\"=2 ");
    now += 1; /* to the millisecond, and without any sweep */
    assert_store("m", "l=\"y\"=2 l=\"z\"=2 ");
    store_sweep(store, 0, now);
    assert_int_equal(used(), 2);
    /* Over its time but not yet swept: it starts again from nothing. */
    now += 400;
    assert_int_equal(set("m", "y", 5, 3, true), STORE_RECORDED);
    assert_store("m", "l=\"y\"=5 ");
    store_sweep(store, 0, now);
    assert_store("m", "l=\"y\"=5 ");
    assert_int_equal(set("m", "x", 7, 1, false), STORE_CREATED);
    now += 1000;
    store_sweep(store, 0, now);
    assert_store("m", "");
    struct store_usage usage;
    store_usage(store, &usage);
    assert_int_equal(usage.series, 0);
    assert_int_equal(usage.metrics, 0);
    assert_int_equal(usage.expired, 4);
    assert_int_equal(set("m", "x", 8, 1, false), STORE_CREATED);
    assert_store("m", "l=\"x\"=8 ");
}

static void counted_expiry(void **state)
{
    (void)state;
    count(0, &counted, "x", 0, 1, 500);
    count(0, &counted, "y", 0, 1, 0);
    for (int i = 0; i < 10; i++) { /* kept alive by being seen, also without being raised */
        now += 300;
        count(0, &counted, "x", 0, 0, 500);
        store_sweep(store, 0, now);
    }
    assert_store("counted", "l=\"x\"=1/0/0 l=\"y\"=1/0/0 ");
    now += 500;
    assert_store("counted", "l=\"y\"=1/0/0 ");
    store_sweep(store, 0, now);
    assert_int_equal(used(), 3);
    assert_int_equal(count(1, &counted, "x", 2, 4, 500), STORE_CREATED);
    assert_store("counted", "l=\"y\"=1/0/0 l=\"x\"=0/0/4 ");
}

static void limit(void **state)
{
    (void)state;
    char label[16];
    for (int i = 0; i < 100; i++) {
        snprintf(label, sizeof label, "%d", i);
        assert_int_equal(set("m", label, i, 10, false), STORE_CREATED);
    }
    assert_int_equal(set("m", "new", 1, 10, false), STORE_FULL);
    assert_int_equal(set("n", "new", 1, 10, false), STORE_FULL);
    assert_int_equal(count(0, &counted, "x", 0, 1, 0), STORE_FULL);
    assert_int_equal(set("m", "5", 1, 11, false), STORE_RECORDED); /* what is known goes on */
    assert_int_equal(used(), 100);
    struct identity identity = identify("counted", "x");
    assert_int_equal(
        store_count(store, 0, &identity, &counted, 0, 1, &(struct store_terms){.now = now, .exempt = true}),
        STORE_CREATED);
    assert_int_equal(used(), 100);

    /* A value that grows needs room as well, and gives it back when it shrinks. */
    char memory[sizeof(struct value) + 7 * sizeof(union value_word)];
    struct value *histogram = (struct value *)memory;
    memset(memory, 0, sizeof memory);
    histogram->type = VALUE_HISTOGRAM;
    histogram->size = 3;
    histogram->time = 20;
    identity = identify("m", "7");
    assert_int_equal(
        store_update(store, 0, &identity, NULL, histogram, false, &(struct store_terms){.now = now, .lifetime = 500}),
        STORE_FULL);
    now += 500;
    store_sweep(store, 0, now);
    assert_int_equal(used(), 0);
    assert_int_equal(set("m", "7", 1, 10, false), STORE_CREATED);
    assert_int_equal(
        store_update(store, 0, &identity, NULL, histogram, false, &(struct store_terms){.now = now, .lifetime = 500}),
        STORE_RECORDED);
    assert_int_equal(used(), 6);
    assert_int_equal(set("m", "7", 1, 30, false), STORE_RECORDED);
    assert_int_equal(used(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reported, setup, teardown),
        cmocka_unit_test_setup_teardown(counted_series, setup, teardown),
        cmocka_unit_test_setup_teardown(expiry, setup, teardown),
        cmocka_unit_test_setup_teardown(counted_expiry, setup, teardown),
        cmocka_unit_test_setup_teardown(limit, setup, teardown),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
