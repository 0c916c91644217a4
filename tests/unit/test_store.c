#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "allocator.h"
#include "store/store.h"
#include "support.h"

static struct store *store;
static uint64_t now;

static int setup(void **state)
{
    (void)state;
    now = 1000;
    store = store_create(&(struct store_settings){.max_series = 100, .slots = 2});
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

enum { GRACE = 100, ZERO_TIME = 50 }; /* milliseconds */

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
    size_t capacity = sizeof page - length;
    if (series->value != NULL)
        snprintf(at, capacity, "%.*s=%g ", (int)series->labels.length, series->labels.at, series->value->number);
    else if (series->metric->cells == 3)
        snprintf(at, capacity, "%.*s=%g/%g/%g ", (int)series->labels.length, series->labels.at, series->cells[0],
                 series->cells[1], series->cells[2]);
    else
        snprintf(at, capacity, "%.*s=%g ", (int)series->labels.length, series->labels.at, series->cells[0]);
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
    /* A counted series that is in force does not become a reported one; a name that an app chose becomes ours. */
    struct identity identity = identify("counted", "x");
    struct value value = {.type = VALUE_GAUGE, .number = 1};
    assert_int_equal(store_update(store, 0, &identity, NULL, &value, false, &(struct store_terms){.now = now}),
                     STORE_OUTDATED);
    assert_int_equal(set("foreign", "x", 1, 1, false), STORE_CREATED);
    identity = identify("foreign", "y");
    assert_int_equal(store_count(store, 0, &identity, &counted, 0, 1, &(struct store_terms){.now = now}),
                     STORE_CREATED);
    assert_store("foreign", "l=\"x\"=1 l=\"y\"=1/0/0 ");
    assert_int_equal(used(), 8);
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

/* A series is found again without its identity until it is over, or another metric has its name. */
static void counted_again(void **state)
{
    (void)state;
    struct identity identity = identify("counted", "x");
    struct store_terms terms = {.now = now, .lifetime = 5000};
    struct series *series;
    uint64_t removals = store_removals(store);
    assert_int_equal(store_counter(store, 0, &identity, &counted, &terms, &series), STORE_CREATED);
    store_leave(store, 0);
    store_enter(store, 0);
    assert_true(store_removals(store) == removals);
    assert_false(store_counts_again(store, series, &other, &terms));
    terms.now = now += 4000;
    assert_true(store_counts_again(store, series, &counted, &terms)); /* and it lives on */
    store_add(series, 0, 1, 2);
    now += 4000;
    store_sweep(store, 0, now);
    assert_true(store_removals(store) == removals);
    assert_store("counted", "l=\"x\"=0/2/0 ");
    terms.now = now += 5000;
    assert_int_equal(count(0, &counted, "y", 0, 1, 5000), STORE_CREATED);
    store_sweep(store, 0, now);
    assert_true(store_removals(store) == removals + 1);
    assert_false(store_counts_again(store, series, &counted, &terms)); /* inside since before it was removed */
    assert_store("counted", "l=\"y\"=1/0/0 ");
}

/* The same for a reported series: what may be held is asked for its labels. */
static void reported_again(void **state)
{
    (void)state;
    struct identity identity = identify("m", "x");
    struct store_terms terms = {.now = now, .lifetime = 500};
    struct value value = {.type = VALUE_GAUGE, .number = 1, .time = 10};
    struct slice labels = SLICE("l=\"x\"");
    struct series *series, *none;
    enum store_result result;
    assert_int_equal(store_report(store, 0, &identity, NULL, &value, false, &terms, &series), STORE_CREATED);
    store_leave(store, 0);
    store_enter(store, 0);
    value.number = 2;
    assert_false(store_report_again(store, 0, series, SLICE("l=\"y\""), NULL, &value, &terms, &result));
    assert_store("m", "l=\"x\"=1 ");
    assert_true(store_report_again(store, 0, series, labels, NULL, &value, &terms, &result));
    assert_int_equal(result, STORE_RECORDED);
    assert_store("m", "l=\"x\"=2 ");
    value.time = 9;
    assert_true(store_report_again(store, 0, series, labels, NULL, &value, &terms, &result));
    assert_int_equal(result, STORE_OUTDATED);
    assert_int_equal(store_report(store, 0, &identity, NULL, &value, false, &terms, &none), STORE_OUTDATED);
    assert_null(none);
    /* A metric of ours takes the name over: the series gives way. */
    static const struct metric ours = {.name = "m", .help = "", .type = METRIC_GAUGE};
    assert_false(store_report_again(store, 0, series, labels, &ours, &value, &terms, &result));
    value.time = 11;
    assert_int_equal(store_report(store, 0, &identity, &ours, &value, false, &terms, &none), STORE_CREATED);
    assert_ptr_not_equal(none, series);
    assert_false(store_report_again(store, 0, series, labels, NULL, &value, &terms, &result));
    /* One that is over its lifetime begins anew; one that was swept is dead. */
    now += 500;
    terms.now = now;
    value.time = 5;
    assert_true(store_report_again(store, 0, none, labels, &ours, &value, &terms, &result));
    assert_int_equal(result, STORE_RECORDED);
    uint64_t removals = store_removals(store);
    now += 500;
    store_sweep(store, 0, now);
    assert_true(store_removals(store) > removals);
    assert_false(store_report_again(store, 0, none, labels, &ours, &value, &terms, &result));
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

/* ---- entities and their bounds ---- */

static struct entities *entities;

static int setup_bounds(void **state)
{
    (void)state;
    now = 1000;
    entities = entities_create(&(struct entities_settings){.app_silence = 10000, .grace = GRACE});
    store = store_create(&(struct store_settings){.max_series = 1000,
                                                  .zero_time = ZERO_TIME,
                                                  .max_app_series = 30,
                                                  .max_metric_series = 20,
                                                  .max_names = 3,
                                                  .slots = 2,
                                                  .entities = entities});
    store_enter(store, 0);
    return 0;
}

static int teardown_bounds(void **state)
{
    teardown(state);
    entities_free(entities);
    return 0;
}

static struct store_terms terms_of(const char *app)
{
    entity_id entity = entities_app(entities, slice_of(app), NULL, 0, now);
    return (struct store_terms){.now = now, .entity = entity, .app = entity};
}

/* A gauge with two labels, one of a few values and one of many. */
static struct identity identify_two(const char *name, int few, int many)
{
    struct identity identity;
    char texts[2][16];
    snprintf(texts[0], 16, "%d", few);
    snprintf(texts[1], 16, "\"\\%d", many);
    struct label labels[] = {{SLICE("a_few"), slice_of(texts[0])}, {SLICE("many"), slice_of(texts[1])}};
    assert_int_equal(identity_build(&identity, SLICE(""), slice_of(name), labels, 2), IDENTITY_OK);
    return identity;
}

static enum store_result put(const char *name, int few, int many, const struct store_terms *terms)
{
    struct identity identity = identify_two(name, few, many);
    struct value value = {.type = VALUE_GAUGE, .number = 1, .time = 50};
    return store_update(store, 0, &identity, NULL, &value, false, terms);
}

static void bounds(void **state)
{
    (void)state;
    struct store_terms a = terms_of("a"), b = terms_of("b");
    for (int i = 0; i < 20; i++)
        assert_int_equal(put("m", i % 3, i, &a), STORE_CREATED);
    assert_int_equal(put("m", 0, 99, &a), STORE_CAPPED);
    assert_int_equal(put("m", 0, 0, &a), STORE_RECORDED); /* what is known goes on */
    struct identity refused = identify_two("m", 1, 99);
    assert_slice(store_widest_label(store, &refused, a.app), "many");
    refused = identify_two("unknown", 1, 99);
    assert_slice(store_widest_label(store, &refused, a.app), "a_few"); /* nothing is known: the first */
    refused = identify("m", "x");
    refused.length = refused.name_length;
    assert_slice(store_widest_label(store, &refused, a.app), "");
    for (int i = 0; i < 10; i++)
        assert_int_equal(put("n", 0, i, &a), STORE_CREATED);
    assert_int_equal(put("n", 0, 99, &a), STORE_APP_FULL);
    assert_int_equal(put("o", 0, 0, &a), STORE_APP_FULL);
    struct store_terms overflow = a;
    overflow.overflow = true;
    assert_int_equal(put("m", 0, 99, &overflow), STORE_CREATED);
    for (int i = 0; i < 20; i++) /* of another app */
        assert_int_equal(put("m", 3, i, &b), STORE_CREATED);
    assert_int_equal(put("m", 3, 99, &b), STORE_CAPPED);
    assert_int_equal(used(), 51);
    /* An app that leaves gives all of its room back. */
    now += 9999;
    b = terms_of("b");
    now += 1;
    store_sweep(store, 0, now);
    assert_int_equal(used(), 20);
    a = terms_of("a");
    assert_int_equal(entities_add(entities, a.app, ENTITY_CHOSEN_LINES, 0), 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(put("m", i % 3, i, &a), STORE_CREATED);
    assert_int_equal(entities_add(entities, a.app, ENTITY_CHOSEN_LINES, 0), 20);
}

static void limited_names(void **state)
{
    (void)state;
    struct store_terms terms = terms_of("a"), free_terms = terms, b = terms_of("b");
    terms.name_limited = b.name_limited = true;
    assert_int_equal(put("x", 0, 0, &terms), STORE_CREATED);
    assert_int_equal(put("x", 0, 1, &terms), STORE_CREATED);
    assert_int_equal(put("y", 0, 0, &terms), STORE_CREATED);
    assert_int_equal(put("free", 0, 0, &free_terms), STORE_CREATED);
    assert_int_equal(put("z", 0, 0, &terms), STORE_CREATED);
    struct store_usage before, after;
    store_usage(store, &before);
    assert_int_equal(put("w", 0, 0, &terms), STORE_NAMES);
    store_usage(store, &after);
    assert_int_equal(after.metrics, before.metrics); /* nothing that a sweep would have to take away */
    assert_int_equal(put("z", 0, 1, &terms), STORE_CREATED);
    assert_int_equal(put("free2", 0, 0, &free_terms), STORE_CREATED);
    assert_int_equal(put("w", 0, 0, &b), STORE_CREATED);
    /* A name whose series have left makes room for another one. */
    terms.lifetime = 10;
    now += 10000;
    terms = terms_of("a");
    terms.name_limited = true;
    store_sweep(store, 0, now); /* of b; those of a have heard of it again */
    assert_int_equal(put("w", 0, 0, &terms), STORE_NAMES);
    now += 10000;
    store_sweep(store, 0, now);
    terms = terms_of("a");
    terms.name_limited = true;
    assert_int_equal(put("w", 0, 0, &terms), STORE_CREATED);
}

/* An app chooses the names of its labels: it must not get a shared series for each of them, nor a value that is larger
 * than any metric may be, nor room by letting what it has grow. */
static void no_way_around(void **state)
{
    (void)state;
    struct store_terms a = terms_of("a"), overflow = a;
    overflow.overflow = true;
    struct value value = {.type = VALUE_GAUGE, .number = 1, .time = 50};
    struct identity identity;
    unsigned created = 0;
    for (int i = 0; i < 100; i++) {
        char name[32];
        snprintf(name, sizeof name, "label%d", i);
        struct label label = {slice_of(name), SLICE("__other__")};
        identity_build(&identity, SLICE(""), SLICE("m"), &label, 1);
        created += store_update(store, 0, &identity, NULL, &value, true, &overflow) == STORE_CREATED;
    }
    assert_int_equal(created, 8);
    char memory[sizeof(struct value) + 61 * sizeof(union value_word)] = {0};
    struct value *histogram = (struct value *)memory;
    *histogram = (struct value){.type = VALUE_HISTOGRAM, .size = 30, .time = 60};
    identity = identify("wide", "x");
    assert_int_equal(store_update(store, 0, &identity, NULL, histogram, false, &a), STORE_TOO_LARGE);
    value.time = 50;
    assert_int_equal(store_update(store, 0, &identity, NULL, &value, false, &a), STORE_CREATED);
    assert_int_equal(store_update(store, 0, &identity, NULL, histogram, false, &a), STORE_APP_FULL);
}

/* Groups of apps that are gone go with them, while others keep the metric alive. */
static void groups_leave(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        char name[32];
        snprintf(name, sizeof name, "app%d", i);
        struct store_terms steady = terms_of("steady"), brief = terms_of(name);
        put("m", 0, 0, &steady);
        put("m", 0, 1, &brief);
        now += 6000;
        terms_of("steady");
        store_sweep(store, 0, now);
        store_leave(store, 0);
        store_enter(store, 0);
    }
    assert_true(used() <= 3);
}

static struct store_series_view last_seen;
static bool remember(void *context, const struct store_series_view *series)
{
    (void)context;
    last_seen = *series;
    return true;
}

static void look_at(const char *name)
{
    struct store_metric_view views[16];
    size_t found = store_metrics(store, views, 16);
    for (size_t i = 0; i < found; i++)
        if (slice_equals(views[i].name, slice_of(name)))
            store_each_series(store, 0, views[i].handle, now, remember, NULL);
}

/* Record a value in "m" with this label; what a walk then shows of it. */
static struct store_series_view born(const char *label, bool incremental, const struct store_terms *terms)
{
    struct identity identity = identify("m", label);
    struct value value = {.type = VALUE_COUNTER, .number = 1, .time = 50};
    assert_int_equal(store_update(store, 0, &identity, NULL, &value, incremental, terms), STORE_CREATED);
    look_at("m");
    return last_seen;
}

static void births(void **state)
{
    (void)state;
    now = UINT64_C(1) << 38; /* a machine that has run for 8 years */
    struct store_terms terms = terms_of("a");
    terms.entity = entities_process(entities, terms.app, SLICE("web.1"), now);
    struct identity identity = identify("counted", "x");
    terms.now = now += 5;
    store_count(store, 0, &identity, &counted, 1, 5, &terms);
    terms.now = now += 7000;
    store_count(store, 0, &identity, &counted, 1, 5, &terms);
    look_at("counted");
    assert_int_equal(last_seen.born, now - 7000);
    assert_false(last_seen.starts_at_zero); /* nobody has looked yet */
    assert_false(born("before any page", true, &terms).starts_at_zero);

    store_note_page(store);
    terms.now = ++now;
    assert_true(born("added", true, &terms).starts_at_zero);
    assert_false(born("told", false, &terms).starts_at_zero);
    identity = identify("counted", "y");
    store_count(store, 0, &identity, &counted, 1, 5, &terms);
    look_at("counted");
    assert_true(last_seen.starts_at_zero);
    assert_int_equal(last_seen.born, now);
    /* What it is told later changes nothing. */
    struct value value = {.type = VALUE_COUNTER, .number = 1, .time = 51};
    identity = identify("m", "told");
    store_update(store, 0, &identity, NULL, &value, true, &terms);
    look_at("m");
    assert_false(last_seen.starts_at_zero);
    /* An app that no page has shown yet, and what has none. */
    struct store_terms young = terms_of("b");
    young.entity = young.app;
    assert_false(born("young", true, &young).starts_at_zero);
    terms.entity = terms.app = ENTITY_NONE;
    assert_true(born("nobody", true, &terms).starts_at_zero);
}

/* A series that starts at zero stays for a scrape interval longer than others, so that its value is seen. */
static void the_first_is_the_last(void **state)
{
    (void)state;
    struct store_terms terms = terms_of("a");
    terms.entity = entities_process(entities, terms.app, SLICE("web.1"), now);
    assert_false(born("old", true, &terms).starts_at_zero);
    store_note_page(store);
    terms.now = ++now;
    assert_true(born("new", true, &terms).starts_at_zero);
    entities_ended(entities, terms.entity, 1000, now);
    now += GRACE;
    assert_store("m", "l=\"new\"=1 ");
    now += ZERO_TIME - 1;
    store_sweep(store, 0, now);
    assert_store("m", "l=\"new\"=1 ");
    now++;
    assert_store("m", "");
    store_sweep(store, 0, now);
    assert_int_equal(store_metrics(store, NULL, 0), 0);
}

/* Two greedy apps take what they can; a third one, and what we tell about the greedy ones, have their reserves. */
static enum store_result fill(const char *name, int first, int count, const struct metric *metric,
                              const struct store_terms *terms)
{
    enum store_result result = STORE_CREATED;
    for (int i = first; i < first + count && result == STORE_CREATED; i++) {
        struct identity identity = identify_two(name, (int)terms->app, i);
        struct value value = {.type = VALUE_GAUGE, .number = 1, .time = 50};
        result = store_update(store, 0, &identity, metric, &value, false, terms);
    }
    return result;
}

static void reserves(void **state)
{
    (void)state;
    static const struct metric ours = {.name = "ours", .help = "", .type = METRIC_GAUGE};
    entities = entities_create(&(struct entities_settings){.app_silence = 10000, .grace = 100});
    store = store_create(
        &(struct store_settings){.max_series = 10000, .max_app_series = 6000, .slots = 1, .entities = entities});
    store_enter(store, 0);
    now = 1000;
    for (int round = 0; round < 3; round++) { /* what leaves gives its reserve back */
        struct store_terms a = terms_of("a"), b = terms_of("b"), c = terms_of("c");
        assert_int_equal(fill("m", 0, 6000, NULL, &a), STORE_CREATED);
        assert_int_equal(fill("m", 6000, 1, NULL, &a), STORE_APP_FULL);
        assert_int_equal(fill("m", 0, 1550, NULL, &b), STORE_CREATED); /* 7500 beside two reserves of 25 */
        assert_int_equal(fill("m", 1550, 1, NULL, &b), STORE_FULL);
        assert_int_equal(fill("m", 0, 1, NULL, &(struct store_terms){.now = now}), STORE_FULL); /* no app's */
        assert_int_equal(fill("m", 0, 25, NULL, &c), STORE_CREATED);
        assert_int_equal(fill("m", 25, 1, NULL, &c), STORE_FULL);
        assert_int_equal(fill("ours", 0, 25, &ours, &a), STORE_CREATED);
        assert_int_equal(fill("ours", 25, 1, &ours, &a), STORE_FULL);
        assert_int_equal(fill("ours", 0, 25, &ours, &c), STORE_CREATED);
        assert_int_equal(fill("ours", 25, 1, &ours, &c), STORE_FULL);
        assert_int_equal(used(), 7500 + 5 * 25);
        /* What is known does not grow into the reserves of others either. */
        char memory[sizeof(struct value) + 7 * sizeof(union value_word)] = {0};
        struct value *histogram = (struct value *)memory;
        *histogram = (struct value){.type = VALUE_HISTOGRAM, .size = 3, .time = 60};
        struct identity identity = identify_two("m", (int)b.app, 3);
        assert_int_equal(store_update(store, 0, &identity, NULL, histogram, false, &b), STORE_FULL);
        /* Many apps: each has its first lines as long as there is anything left. */
        for (int i = 0; i < 95; i++) {
            char name[16];
            snprintf(name, sizeof name, "app%d", i);
            struct store_terms terms = terms_of(name);
            assert_int_equal(fill("m", 0, 25, NULL, &terms), STORE_CREATED);
        }
        assert_int_equal(used(), 10000);
        struct store_terms last = terms_of("last");
        assert_int_equal(fill("m", 0, 1, NULL, &last), STORE_FULL);
        now += 20000;
        store_sweep(store, 0, now);
        assert_int_equal(used(), 0);
    }
    store_leave(store, 0);
    store_free(store);
    entities_free(entities);
}

/* ---- which series gives way ---- */

/* What a rule makes: a gauge, then a counter. */
static struct metric gauge_rule = {.name = "x", .help = "", .type = METRIC_GAUGE};
static struct metric counter_rule = {.name = "x", .help = "", .type = METRIC_COUNTER, .cells = 1};

static enum store_result report(const struct metric *metric, double number, int64_t time)
{
    struct identity identity = identify("x", "x");
    struct value value = {.type = VALUE_GAUGE, .number = number, .time = time};
    return store_update(store, 0, &identity, metric, &value, false, &(struct store_terms){.now = now});
}

static enum store_result count_rule(void)
{
    struct identity identity = identify("x", "x");
    return store_count(store, 0, &identity, &counter_rule, 0, 1, &(struct store_terms){.now = now});
}

static void rule_kinds(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        gauge_rule.ended = false;
        counter_rule.ended = true;
        assert_int_equal(report(&gauge_rule, 5, 100 - i), STORE_CREATED); /* no matter what an older rule made */
        assert_int_equal(report(&gauge_rule, 7, 100), STORE_RECORDED);
        assert_int_equal(count_rule(), STORE_OUTDATED); /* the former rule: a batch that began before */
        assert_store("x", "l=\"x\"=7 ");
        gauge_rule.ended = true;
        counter_rule.ended = false;
        assert_int_equal(count_rule(), STORE_CREATED);
        assert_int_equal(count_rule(), STORE_RECORDED);
        assert_int_equal(report(&gauge_rule, 9, 200), STORE_OUTDATED);
        assert_store("x", "l=\"x\"=2 ");
        assert_int_equal(used(), 1);
    }
    /* No rule makes it any more, but an app does. */
    counter_rule.ended = true;
    assert_int_equal(report(NULL, 3, 1), STORE_CREATED);
    assert_store("x", "l=\"x\"=3 ");
    /* A rule takes it over from the app, at once, as a gauge and as a counter. */
    gauge_rule.ended = false;
    assert_int_equal(report(&gauge_rule, 4, 0), STORE_CREATED);
    assert_int_equal(report(NULL, 5, 300), STORE_OUTDATED);
    gauge_rule.ended = true;
    assert_int_equal(report(NULL, 5, 0), STORE_CREATED);
    counter_rule.ended = false;
    assert_int_equal(count_rule(), STORE_CREATED);
    assert_int_equal(report(NULL, 6, 400), STORE_OUTDATED);
    assert_store("x", "l=\"x\"=1 ");
    assert_int_equal(used(), 1);
    struct store_metric_view view;
    assert_int_equal(store_metrics(store, &view, 1), 1);
    assert_ptr_equal(view.metric, &counter_rule);
    struct store_usage usage;
    for (int i = 0; i < 2; i++) { /* what gave way is unlinked once */
        store_sweep(store, 0, now);
        store_usage(store, &usage);
        assert_int_equal(usage.expired, 9);
    }
    assert_store("x", "l=\"x\"=1 ");
}

/* A series that two apps report, whose first one leaves: the other's reports are seen at once. */
static void handed_over(void **state)
{
    (void)state;
    struct store_terms a = terms_of("a"), b = terms_of("b");
    a.entity = entities_process(entities, a.app, SLICE("web.1"), now);
    assert_int_equal(put("m", 0, 0, &a), STORE_CREATED);
    assert_int_equal(put("m", 0, 0, &b), STORE_RECORDED);
    entities_ended(entities, a.entity, 60, now);
    now += 100;
    b = terms_of("b");
    assert_int_equal(put("m", 0, 0, &b), STORE_CREATED);
    assert_int_equal(used(), 1);
    page[0] = '\0';
    assert_store("m", "a_few=\"0\",many=\"\\\"\\\\0\"=1 ");
    store_sweep(store, 0, now);
    assert_int_equal(used(), 1);
}

/* What an instance added up is not the next one's, also while it is still shown. */
static void instances(void **state)
{
    (void)state;
    struct store_terms terms = terms_of("a");
    terms.entity = entities_process(entities, terms.app, SLICE("web.1"), now);
    struct identity gauge = identify("gauge", "x"), counter = identify("counter", "x");
    struct value value = {.type = VALUE_GAUGE, .number = 10, .time = 50};
    store_update(store, 0, &gauge, NULL, &value, true, &terms);
    value.type = VALUE_COUNTER;
    store_update(store, 0, &counter, NULL, &value, true, &terms);
    entities_exited(entities, terms.entity, 60, now);
    value = (struct value){.type = VALUE_GAUGE, .number = 1, .time = 55}; /* a late line of the one that ended */
    store_update(store, 0, &gauge, NULL, &value, true, &terms);
    assert_store("gauge", "l=\"x\"=11 ");
    value.time = 61; /* the next one */
    store_update(store, 0, &gauge, NULL, &value, true, &terms);
    assert_store("gauge", "l=\"x\"=1 ");
    store_update(store, 0, &gauge, NULL, &value, true, &terms);
    assert_store("gauge", "l=\"x\"=2 ");
    value.time = 58; /* too late: the one that ended has no part in the level of the next */
    assert_int_equal(store_update(store, 0, &gauge, NULL, &value, true, &terms), STORE_OUTDATED);
    assert_store("gauge", "l=\"x\"=2 ");
    value.time = 61;
    value.type = VALUE_COUNTER; /* a counter goes on: who sums it up misses nothing */
    store_update(store, 0, &counter, NULL, &value, true, &terms);
    assert_store("counter", "l=\"x\"=11 ");
    now += 100; /* also when the grace is over */
    assert_store("gauge", "l=\"x\"=2 ");
}

/* ---- amounts ---- */

/* A sum that would be infinite for ever after stays what it was. */
static void finite_sums(void **state)
{
    (void)state;
    count(0, &counted, "x", 1, 1e308, 0);
    count(0, &counted, "x", 1, 1e308, 0);
    count(0, &counted, "x", 2, 1, 0);
    assert_store("counted", "l=\"x\"=0/1e+308/1 ");
}

static void unfit_amounts(void **state)
{
    (void)state;
    const double bad[] = {-1, INFINITY, -INFINITY, NAN};
    struct identity identity = identify("m", "x");
    struct store_terms terms = {.now = now};
    struct value value = {.type = VALUE_COUNTER, .number = 1};
    store_update(store, 0, &identity, NULL, &value, true, &terms);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        value.number = bad[i];
        assert_int_equal(store_update(store, 0, &identity, NULL, &value, true, &terms), STORE_UNFIT);
    }
    value.number = 1e308;
    assert_int_equal(store_update(store, 0, &identity, NULL, &value, true, &terms), STORE_RECORDED);
    assert_int_equal(store_update(store, 0, &identity, NULL, &value, true, &terms), STORE_TOO_LARGE);
    assert_store("m", "l=\"x\"=1e+308 ");
}

/* Samples of several kinds that share what is left of one name: what is added up stays. */
static void mixed_overflow(void **state)
{
    (void)state;
    struct store_terms terms = {.now = now, .overflow = true};
    struct identity identity = identify("m", "__other__");
    struct value counter = {.type = VALUE_COUNTER, .number = 2}, gauge = {.type = VALUE_GAUGE, .number = 100};
    assert_int_equal(store_update(store, 0, &identity, NULL, &counter, true, &terms), STORE_CREATED);
    for (int i = 0; i < 3; i++) {
        gauge.time = counter.time = i;
        assert_int_equal(store_update(store, 0, &identity, NULL, &gauge, true, &terms), STORE_CAPPED);
        assert_int_equal(store_update(store, 0, &identity, NULL, &counter, true, &terms), STORE_RECORDED);
    }
    assert_store("m", "l=\"__other__\"=8 ");
}

/* ---- memory ---- */

enum { MANY = 20000 };

static const struct metric requests = {.name = "counted", .help = "", .type = METRIC_COUNTER, .cells = 1};
static const struct metric wide = {.name = "counted", .help = "", .type = METRIC_HISTOGRAM, .cells = 14};

/* Count in every step-th of many series; step 2 leaves gaps. */
static void count_many(const struct metric *metric, unsigned slots, int step, uint64_t lifetime)
{
    for (int i = 0; i < MANY; i += step) {
        char label[64];
        snprintf(label, sizeof label, "my-app\",process=\"web.%d", i);
        enum store_result result = count((unsigned)i % slots, metric, label, metric->cells - 1, i, lifetime);
        assert_in_range(result, STORE_RECORDED, STORE_CREATED);
    }
}

static void sweep_and_free(void)
{
    for (int i = 0; i < 3; i++) {
        store_sweep(store, 0, now);
        store_leave(store, 0);
        store_enter(store, 0);
    }
}

static bool check_cells(void *context, const struct store_series_view *series)
{
    const char *number = series->labels.at + series->labels.length - 1;
    while (number[-1] != '.')
        number--;
    int expected = atoi(number);
    for (unsigned i = 0; i < series->metric->cells; i++)
        assert_true(series->cells[i] == (i == series->metric->cells - 1 ? expected : 0));
    ++*(int *)context;
    return true;
}

/* How many series there are; each has what was counted in it since it was born, and nothing that another had before. */
static int check_many(void)
{
    int seen = 0;
    struct store_metric_view view;
    if (store_metrics(store, &view, 1) > 0)
        assert_true(store_each_series(store, 0, view.handle, now, check_cells, &seen));
    return seen;
}

/* Bytes of a counted series: cells of all slots lie together.  slots: workers and the maintenance thread. */
static void check_memory(const struct metric *metric, unsigned slots, double most)
{
    now = 1000;
    store = store_create(&(struct store_settings){.max_series = MANY * 14, .slots = slots});
    store_enter(store, 0);
    count_many(metric, slots, MANY, 1); /* what is made once */
    size_t before = allocator_allocated();
    count_many(metric, slots, 1, 1000);
    double bytes = (double)(allocator_allocated() - before) / MANY + 2 * sizeof(void *); /* and the buckets */
    print_message("%u cells, %u slots: %.0f bytes a series\n", metric->cells, slots, bytes);
    assert_true(bytes < most);
    assert_int_equal(check_many(), MANY);
    size_t peak = allocator_allocated();

    /* Half of them leave: what comes next takes their place. */
    now += 900;
    for (int i = 1; i < MANY; i += 2) {
        char label[64];
        snprintf(label, sizeof label, "my-app\",process=\"web.%d", i);
        count(0, metric, label, 0, 0, 1000);
    }
    now += 900;
    sweep_and_free();
    assert_int_equal(check_many(), MANY / 2);
    count_many(metric, slots, 2, 1000);
    assert_int_equal(check_many(), MANY);
    assert_true(allocator_allocated() <= peak + peak / 20); /* both are 0 in builds with sanitizers */

    now += 10000;
    sweep_and_free();
    assert_int_equal(check_many(), 0);
    /* Of millions: what the allocator keeps for the thread, which depends on its pages (64 KiB on arm64). */
    assert_true(allocator_allocated() < before + (1 << 20));
    store_leave(store, 0);
    store_free(store);
}

static void packed(void **state)
{
    (void)state;
    check_memory(&requests, 3, 200);
    check_memory(&requests, 9, 400);
    check_memory(&wide, 3, 130 + 14 * 3 * 8 * 1.25);
    check_memory(&wide, 9, 130 + 14 * 9 * 8 * 1.25);
}

/* Series leave with their process, each by its own time. */
static void owned(void **state)
{
    (void)state;
    struct store_terms terms = terms_of("a");
    terms.entity = entities_process(entities, terms.app, SLICE("web.1"), now);
    struct identity identity = identify("m", "x");
    struct value value = {.type = VALUE_GAUGE, .number = 1, .time = 50};
    store_update(store, 0, &identity, NULL, &value, false, &terms);
    identity = identify("counted", "x");
    store_count(store, 0, &identity, &counted, 1, 5, &terms);
    entities_ended(entities, terms.entity, 60, now);
    now += 100;
    assert_store("m", "");
    assert_store("counted", "");
    identity = identify("m", "x");
    value.time = 55; /* a late line of what has ended */
    store_update(store, 0, &identity, NULL, &value, false, &terms);
    assert_store("m", "");
    value.time = 61;
    store_update(store, 0, &identity, NULL, &value, false, &terms);
    assert_store("m", "l=\"x\"=1 ");
    now += 1000; /* a counted series that was seen just now is not swept yet */
    store_sweep(store, 0, now);
    assert_store("m", "l=\"x\"=1 ");
    assert_store("counted", "");
    assert_int_equal(used(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reported, setup, teardown),
        cmocka_unit_test_setup_teardown(counted_series, setup, teardown),
        cmocka_unit_test_setup_teardown(expiry, setup, teardown),
        cmocka_unit_test_setup_teardown(counted_expiry, setup, teardown),
        cmocka_unit_test_setup_teardown(counted_again, setup, teardown),
        cmocka_unit_test_setup_teardown(reported_again, setup, teardown),
        cmocka_unit_test_setup_teardown(limit, setup, teardown),
        cmocka_unit_test_setup_teardown(bounds, setup_bounds, teardown_bounds),
        cmocka_unit_test_setup_teardown(limited_names, setup_bounds, teardown_bounds),
        cmocka_unit_test_setup_teardown(no_way_around, setup_bounds, teardown_bounds),
        cmocka_unit_test_setup_teardown(groups_leave, setup_bounds, teardown_bounds),
        cmocka_unit_test_setup_teardown(births, setup_bounds, teardown_bounds),
        cmocka_unit_test_setup_teardown(rule_kinds, setup, teardown),
        cmocka_unit_test_setup_teardown(handed_over, setup_bounds, teardown_bounds),
        cmocka_unit_test_setup_teardown(instances, setup_bounds, teardown_bounds),
        cmocka_unit_test_setup_teardown(finite_sums, setup, teardown),
        cmocka_unit_test_setup_teardown(unfit_amounts, setup, teardown),
        cmocka_unit_test_setup_teardown(mixed_overflow, setup, teardown),
        cmocka_unit_test(reserves),
        cmocka_unit_test(packed),
        cmocka_unit_test_setup_teardown(the_first_is_the_last, setup_bounds, teardown_bounds),
        cmocka_unit_test_setup_teardown(owned, setup_bounds, teardown_bounds),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
