/* Whom max_series is kept for: what apps can take from each other. */
#include <stdio.h>

#include "store/store.h"
#include "support.h"

/* OWN: of each account of four apps that are configured.  OF_ONE: if there is one, a tenth of what an app may have. */
enum { MAX_SERIES = 10000, MAX_APP_SERIES = 6000, SHARE = 25, OWN = MAX_SERIES / 4 / 4 / 2, OF_ONE = 600 };

static struct entities *entities;
static struct store *store;
static uint64_t now;

static const struct metric ours = {.name = "ours", .help = "", .type = METRIC_COUNTER, .cells = 1};

static int setup(void **state)
{
    (void)state;
    now = 1000;
    entities = entities_create(&(struct entities_settings){.app_silence = 10000, .grace = 100, .max_apps = 2000});
    store = store_create(&(struct store_settings){
        .max_series = MAX_SERIES, .max_app_series = MAX_APP_SERIES, .slots = 1, .entities = entities});
    store_enter(store, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    store_leave(store, 0);
    store_free(store);
    entities_free(entities);
    return 0;
}

static struct store_terms terms_of(const char *app)
{
    entity_id entity = entities_app(entities, slice_of(app), NULL, 0, now);
    assert_int_not_equal(entity, ENTITY_NONE);
    return (struct store_terms){.now = now, .entity = entity, .app = entity};
}

static struct identity identify(const char *name, entity_id app, unsigned number)
{
    struct identity identity;
    char texts[2][16];
    snprintf(texts[0], 16, "%u", app);
    snprintf(texts[1], 16, "%u", number);
    struct label labels[] = {{SLICE("app"), slice_of(texts[0])}, {SLICE("number"), slice_of(texts[1])}};
    assert_int_equal(identity_build(&identity, SLICE(""), slice_of(name), labels, 2), IDENTITY_OK);
    return identity;
}

/* How many of count series, from first on, come to be: gauges whose name the app chose, or counters of ours. */
static unsigned make(const struct store_terms *terms, const struct metric *metric, unsigned first, unsigned count)
{
    unsigned made = 0;
    for (unsigned i = first; i < first + count; i++) {
        struct identity identity = identify(metric == NULL ? "chosen" : metric->name, terms->app, i);
        struct value value = {.type = VALUE_GAUGE, .number = 1, .time = 50};
        struct series *series;
        made += (metric == NULL ? store_update(store, 0, &identity, NULL, &value, false, terms)
                                : store_counter(store, 0, &identity, metric, terms, &series)) == STORE_CREATED;
    }
    return made;
}

static size_t used(void)
{
    struct store_usage usage;
    store_usage(store, &usage);
    return usage.series;
}

/* One sender with many invented names takes all that he can get. */
static void take_all(void)
{
    for (unsigned i = 0; i < 1100; i++) {
        char name[16];
        snprintf(name, sizeof name, "invented%u", i);
        struct store_terms terms = terms_of(name);
        make(&terms, NULL, 0, 40);
        make(&terms, &ours, 0, 40);
    }
}

static void configure(const char *const *names, size_t count)
{
    struct entity_app apps[8];
    for (size_t i = 0; i < count; i++)
        apps[i] = (struct entity_app){slice_of(names[i]), NULL, 0};
    assert_true(entities_configure(entities, apps, count, now));
    store_reserve(store, count);
}

static const char *const names[] = {"a", "b", "c", "d"};

/* A quarter of max_series is for apps of the configuration, whatever others take. */
static void configured_apps_have_a_share(void **state)
{
    (void)state;
    configure(names, 4);
    take_all();
    assert_int_equal(used(), MAX_SERIES - 4 * 2 * OWN);
    for (unsigned i = 0; i < 4; i++) {
        struct store_terms terms = terms_of(names[i]);
        assert_int_equal(make(&terms, NULL, 0, 700), OWN);
        assert_int_equal(make(&terms, &ours, 0, 700), OWN);
    }
    assert_int_equal(used(), MAX_SERIES);
}

/* Among themselves, too: a greedy one leaves the others theirs. */
static void a_greedy_configured_app(void **state)
{
    (void)state;
    configure(names, 4);
    struct store_terms a = terms_of("a"), b = terms_of("b");
    assert_int_equal(make(&a, NULL, 0, 7000), OWN + MAX_SERIES - 2500 - 4 * 2 * OWN); /* and what nothing is kept for */
    take_all();
    assert_int_equal(make(&b, NULL, 0, 700), OWN);
    assert_int_equal(make(&b, &ours, 0, 700), OWN);
}

/* The part for other apps goes to the first ones if names are invented; nothing is added up twice. */
static void without_configured_apps(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        take_all();
        assert_int_equal(used(), MAX_SERIES);
        now += 200000;
        store_sweep(store, 0, now);
        assert_int_equal(used(), 0);
        struct store_terms a = terms_of("a"), b = terms_of("b");
        assert_int_equal(make(&a, NULL, 0, 6000), 6000);
        assert_int_equal(make(&b, NULL, 0, 6000), 1550); /* the part of others but these two shares are kept */
        struct store_terms c = terms_of("c");
        assert_int_equal(make(&c, NULL, 0, 100), SHARE);
        now += 200000;
        store_sweep(store, 0, now);
        assert_int_equal(used(), 0);
    }
}

/* An app comes into the configuration, and leaves it, with all that it has. */
static void shares_follow_the_configuration(void **state)
{
    (void)state;
    struct store_terms a = terms_of("a"), b = terms_of("b");
    assert_int_equal(make(&a, NULL, 0, 3000), 3000);
    configure(names, 1);
    assert_int_equal(make(&b, NULL, 0, 6000), MAX_SERIES - 2500 - 2 * OF_ONE - (3000 - OF_ONE) + SHARE);
    assert_int_equal(make(&a, NULL, 3000, 1), 0);
    assert_int_equal(make(&a, &ours, 0, 700), OF_ONE);
    configure(names, 2); /* b as well: what it has is its share now */
    assert_int_equal(make(&b, &ours, 0, 1000), OF_ONE);
    assert_int_equal(make(&a, &ours, OF_ONE, 1), 0);
    configure(NULL, 0);
    take_all();
    assert_int_equal(used(), MAX_SERIES);
    now += 200000;
    store_sweep(store, 0, now);
    assert_int_equal(used(), 0);
    configure(names, 4);
    take_all();
    assert_int_equal(used(), MAX_SERIES - 4 * 2 * OWN);
}

/* Zeros, of which there are dozens for each dyno, take nothing of what is kept for an app's first lines. */
static void zeros_take_no_share(void **state)
{
    (void)state;
    struct store_terms small = terms_of("small"), zero = small, greedy = terms_of("greedy"), next = terms_of("next");
    zero.zero = true;
    assert_int_equal(make(&zero, &ours, 0, 200), 200);
    assert_int_equal(make(&greedy, NULL, 0, 6000), 6000);
    make(&next, NULL, 0, 6000);
    assert_int_equal(make(&zero, &ours, 200, 10), 0);
    assert_int_equal(make(&small, &ours, 200, 100), SHARE);
    assert_int_equal(make(&small, NULL, 0, 100), SHARE);
    now += 200000;
    store_sweep(store, 0, now);
    assert_int_equal(used(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(configured_apps_have_a_share, setup, teardown),
        cmocka_unit_test_setup_teardown(a_greedy_configured_app, setup, teardown),
        cmocka_unit_test_setup_teardown(without_configured_apps, setup, teardown),
        cmocka_unit_test_setup_teardown(shares_follow_the_configuration, setup, teardown),
        cmocka_unit_test_setup_teardown(zeros_take_no_share, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
