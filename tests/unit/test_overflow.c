#include "intake/overflow.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "page_support.h"
#include "support.h"

enum { THREADS = 4, SILENCE = 1000 };

static struct entities *entities;
static struct store *store;
static struct overflow_names *names;
static uint64_t now;

static int setup(void **state)
{
    (void)state;
    now = 1;
    entities = entities_create(&(struct entities_settings){.app_silence = SILENCE, .grace = 1});
    store = store_create(&(struct store_settings){.max_series = 1000, .slots = THREADS + 1, .entities = entities});
    names = overflow_names_create();
    assert_non_null(names);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    overflow_names_free(names);
    store_free(store);
    entities_free(entities);
    return 0;
}

static entity_id app_of(const char *app)
{
    return entities_app(entities, slice_of(app), NULL, 0, now);
}

/* A sample of the app that would make a series of metric, with one label; of the app's own choice or not. */
static void refuse(unsigned slot, const char *app, const char *metric, bool app_chose, bool app_full)
{
    struct identity identity;
    entity_id entity = app_of(app);
    struct label label = {SLICE("user"), SLICE("x")};
    assert_int_equal(identity_build(&identity, SLICE(""), slice_of(metric), &label, 1), IDENTITY_OK);
    struct self_terms terms = {.store = store, .slot = slot, .now = now, .entity = entity};
    store_enter(store, slot);
    overflow_count(names, entities, &terms, (struct label){SLICE("app"), slice_of(app)},
                   &(struct overflow){&identity, app_chose, app_full});
    store_leave(store, slot);
}

static void refuse_numbered(const char *app, unsigned first, unsigned count, bool app_chose)
{
    for (unsigned i = first; i < first + count; i++) {
        char metric[32];
        sprintf(metric, "m%u", i);
        refuse(0, app, metric, app_chose, false);
    }
}

/* How many lines of the page have this text. */
static unsigned lines_with(const char *text)
{
    page_take(store, THREADS, now);
    return page_count(text);
}

#define NAME "drain_exporter_series_overflowed_total"

static void names_that_an_app_chose(void **state)
{
    (void)state;
    refuse_numbered("a", 0, 100, true);
    refuse_numbered("a", 0, 100, true);
    assert_int_equal(lines_with(NAME "{app=\"a\",label=\"user\",metric=\"m"), OVERFLOW_NAMES);
    assert_int_equal(lines_with(NAME "{app=\"a\",label=\"user\",metric=\"m0\"} 2\n"), 1);
    assert_int_equal(lines_with(NAME "{app=\"a\",label=\"__other__\",metric=\"__other__\"} 168\n"), 1);
    /* Another app has its own. */
    refuse_numbered("b", 1000, 1, true);
    assert_int_equal(lines_with(NAME "{app=\"b\",label=\"user\",metric=\"m1000\"} 1\n"), 1);
}

static void our_names(void **state)
{
    (void)state;
    refuse_numbered("a", 0, 100, false);
    assert_int_equal(lines_with(NAME "{app=\"a\",label=\"user\",metric=\"m"), 100);
}

/* An app that is full of what it chose is to blame as a whole. */
static void full_apps(void **state)
{
    (void)state;
    refuse(0, "a", "chosen", true, true);
    refuse(0, "a", "ours", false, true);
    assert_int_equal(lines_with(NAME "{app=\"a\",metric=\"__other__\"} 1\n"), 1);
    assert_int_equal(lines_with(NAME "{app=\"a\",label=\"user\",metric=\"ours\"} 1\n"), 1);
}

/* There is a place for each of as many apps as there can be, and for those that come after they are over. */
static void many_apps(void **state)
{
    (void)state;
    enum { APPS = 1024 };
    store_free(store);
    store = store_create(&(struct store_settings){.max_series = 1000, .slots = THREADS + 1, .entities = entities});
    for (unsigned round = 0; round < 3; round++) {
        struct identity identity;
        identity_build(&identity, SLICE(""), SLICE("m"), NULL, 0);
        store_enter(store, 0);
        for (unsigned i = 0; i < APPS; i++) {
            char app[32];
            sprintf(app, "app-%u-%u", round, i);
            struct self_terms terms = {.store = store, .slot = 0, .now = now, .entity = app_of(app)};
            assert_true(terms.entity != ENTITY_NONE);
            overflow_count(names, entities, &terms, (struct label){SLICE("app"), SLICE("any")},
                           &(struct overflow){&identity, true, false});
        }
        store_leave(store, 0);
        now += 10 * 60 * 1000 + SILENCE;
        store_enter(store, THREADS);
        store_sweep(store, THREADS, now);
        store_leave(store, THREADS);
    }
    refuse_numbered("last", 0, 1, true);
    assert_int_equal(lines_with("__other__"), 0);
}

static void apps_without_an_entity(void **state)
{
    (void)state;
    struct identity identity;
    identity_build(&identity, SLICE(""), SLICE("m"), NULL, 0);
    struct self_terms terms = {.store = store, .slot = 0, .now = now, .entity = ENTITY_NONE};
    store_enter(store, 0);
    overflow_count(names, entities, &terms, (struct label){SLICE("app"), SLICE("__other__")},
                   &(struct overflow){&identity, true, false});
    store_leave(store, 0);
    assert_int_equal(lines_with(NAME "{app=\"__other__\",label=\"__other__\",metric=\"__other__\"} 1\n"), 1);
}

static void *refuse_many(void *slot)
{
    for (unsigned i = 0; i < 1000; i++) {
        char metric[32];
        sprintf(metric, "m%u", (i * 7 + (unsigned)(size_t)slot) % 100);
        refuse((unsigned)(size_t)slot, "a", metric, true, false);
    }
    return NULL;
}

static void threads(void **state)
{
    (void)state;
    pthread_t all[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&all[i], NULL, refuse_many, (void *)i), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(all[i], NULL);
    assert_int_equal(lines_with(NAME "{app=\"a\",label=\"user\",metric=\"m"), OVERFLOW_NAMES);
    double sum = 0;
    for (const char *at = page_text; (at = strstr(at, NAME "{")) != NULL; at++)
        sum += strtod(strchr(at, '}') + 1, NULL);
    assert_true(sum == 1000 * THREADS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names_that_an_app_chose, setup, teardown),
        cmocka_unit_test_setup_teardown(our_names, setup, teardown),
        cmocka_unit_test_setup_teardown(full_apps, setup, teardown),
        cmocka_unit_test_setup_teardown(many_apps, setup, teardown),
        cmocka_unit_test_setup_teardown(apps_without_an_entity, setup, teardown),
        cmocka_unit_test_setup_teardown(threads, setup, teardown),
    };
    return cmocka_run_group_tests_name("overflow", tests, NULL, NULL);
}
