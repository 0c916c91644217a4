/* Walks over the series of some apps, compared with what the test knows to be there. */
#include <stdio.h>
#include <stdlib.h>

#include "store/store.h"
#include "support.h"

enum { APPS = 3, METRICS = 4, SERIES = 40, LIFETIME = 100 };

static struct entities *entities;
static struct store *store;
static entity_id apps[APPS];
static uint64_t now;
static uint64_t updated[APPS][METRICS][SERIES]; /* when; 0: never */
static unsigned met[APPS][METRICS][SERIES];

static const struct metric counted = {.name = "m0", .help = "h", .type = METRIC_COUNTER, .cells = 1};

static int setup(void **state)
{
    (void)state;
    now = 1000;
    entities = entities_create(&(struct entities_settings){.app_silence = 0, .grace = 1});
    store = store_create(&(struct store_settings){.max_series = 10000, .slots = 1, .entities = entities});
    for (int i = 0; i < APPS; i++)
        apps[i] = entities_app(entities, (struct slice){"abc" + i, 1}, NULL, 0, now);
    memset(updated, 0, sizeof updated);
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

/* The even series of the metric 0 are ours, all others have names that the app chose. */
static void put(int app, int metric, int series)
{
    char name[8], label[32];
    struct identity identity;
    snprintf(name, sizeof name, "m%d", metric);
    snprintf(label, sizeof label, "%d %d %d", app, metric, series);
    struct label labels[] = {{SLICE("l"), slice_of(label)}};
    identity_build(&identity, SLICE(""), slice_of(name), labels, 1);
    struct store_terms terms = {.now = now, .lifetime = LIFETIME, .entity = apps[app], .app = apps[app]};
    struct value value = {.type = VALUE_GAUGE, .number = 1, .time = (int64_t)now};
    if (metric == 0 && series % 2 == 0)
        store_count(store, 0, &identity, &counted, 0, 1, &terms);
    else
        store_update(store, 0, &identity, NULL, &value, false, &terms);
    updated[app][metric][series] = now;
}

static bool meet(void *context, const struct store_series_view *view)
{
    unsigned *left = context;
    int app, metric, series;
    char text[32];
    snprintf(text, sizeof text, "%.*s", (int)view->labels.length, view->labels.at);
    assert_int_equal(sscanf(strchr(text, '"'), "\"%d %d %d", &app, &metric, &series), 3);
    assert_int_equal(view->entity, apps[app]);
    assert_int_equal(view->maker == &counted, metric == 0 && series % 2 == 0);
    met[app][metric][series]++;
    return left == NULL || --*left > 0;
}

static bool lives(int app, int metric, int series, uint64_t at)
{
    uint64_t time = updated[app][metric][series];
    /* A counted series notes its updates only now and then. */
    uint64_t certain = metric == 0 && series % 2 == 0 ? LIFETIME * 3 / 4 : LIFETIME;
    return time != 0 && time + certain > at;
}

/* Each series that lived all the time was met once, and none twice. */
static void assert_met(const struct store_scope *scope, uint64_t since)
{
    for (int app = 0; app < APPS; app++) {
        bool in_scope = scope->count == 0;
        for (unsigned i = 0; i < scope->count; i++)
            in_scope |= scope->apps[i] == apps[app];
        for (int metric = 0; metric < METRICS; metric++)
            for (int series = 0; series < SERIES; series++) {
                bool throughout = lives(app, metric, series, now) && updated[app][metric][series] <= since;
                assert_in_range(met[app][metric][series], throughout && in_scope, in_scope);
            }
    }
}

static bool is_new(const struct store_metric_view *views, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (views[i].handle == views[at].handle)
            return false;
    return true;
}

/* Walk all metrics of the scope in steps, with work in between. */
static void walk(const struct store_scope *scope, unsigned step, void (*between)(void))
{
    struct store_metric_view views[64];
    size_t count = store_metrics_of(store, scope, views, 64), held = 0;
    uint64_t since = now++;
    memset(met, 0, sizeof met);
    for (size_t i = 0; i < count; i++)
        if (is_new(views, i) && store_hold_metric(views[i].handle))
            views[held++] = views[i];
    for (size_t i = 0; i < held; i++) {
        struct store_walk walk;
        unsigned left = step;
        assert_true(store_walk_begin(store, &walk, views[i].handle, scope));
        while (!store_walk_on(store, 0, &walk, now, meet, &left)) {
            left = step;
            between();
        }
        store_walk_end(store, &walk);
        store_release_metric(views[i].handle);
    }
    assert_met(scope, since);
}

static void nothing(void)
{
}

static void sweep(void)
{
    store_leave(store, 0);
    store_enter(store, 0);
    store_sweep(store, 0, now);
    store_leave(store, 0);
    store_enter(store, 0);
}

static void change(void)
{
    now += (uint64_t)rand() % 8;
    for (int i = rand() % 12; i > 0; i--)
        put(rand() % APPS, rand() % METRICS, rand() % SERIES);
    if (rand() % 2 == 0)
        sweep();
}

static void one_and_two_apps(void **state)
{
    (void)state;
    for (int app = 0; app < APPS; app++)
        for (int metric = app; metric < METRICS; metric++)
            for (int series = 0; series < SERIES; series++)
                put(app, metric, series);
    for (int round = 0; round < 2; round++) {
        walk(&(struct store_scope){{apps[0]}, 1}, 1000, nothing);
        walk(&(struct store_scope){{apps[1], apps[2]}, 2}, 1, nothing);
        struct store_metric_view views[8];
        assert_int_equal(store_metrics_of(store, &(struct store_scope){{apps[2]}, 1}, views, 8), 2);
        assert_int_equal(store_metrics_of(store, &(struct store_scope){{apps[2] + (1 << 20)}, 1}, views, 8), 0);
        sweep();
    }
    now += LIFETIME;
    sweep();
    now += 1000; /* counted series are looked at again after a second */
    sweep();
    struct store_metric_view views[8];
    assert_int_equal(store_metrics_of(store, &(struct store_scope){{apps[0]}, 1}, views, 8), 0);
    put(0, 0, 0);
    walk(&(struct store_scope){{apps[0]}, 1}, 1, nothing);
}

static void changes_between_the_steps(void **state)
{
    (void)state;
    srand(1);
    for (int round = 0; round < 1500; round++) {
        unsigned other = (unsigned)rand() % APPS;
        struct store_scope scope = {{apps[(other + 1) % APPS], apps[(other + 2) % APPS]}, 1 + (unsigned)rand() % 2};
        change();
        walk(&scope, 1 + (unsigned)rand() % 20, change);
        if (round % 100 == 99)
            now += 2 * LIFETIME; /* all leave */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_and_two_apps, setup, teardown),
        cmocka_unit_test_setup_teardown(changes_between_the_steps, setup, teardown),
    };
    return cmocka_run_group_tests_name("scope", tests, NULL, NULL);
}
