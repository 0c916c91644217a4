#include "intake/app_status.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/configuration.h"
#include "intake/batch.h"
#include "support.h"

enum { WORKERS = 2, MAINTENANCE = WORKERS, SECOND = 1000, MINUTE = 60 * SECOND, DAY = 24 * 60 * MINUTE };

static struct entities *entities;
static struct directory *directory;
static struct store *store;
static struct intake *intake;
static struct app_statuses *statuses;
static struct app_status status;
static uint64_t now;
static int64_t wall;

static int setup(void **state)
{
    (void)state;
    now = 600 * MINUTE;
    wall = 1670428500000000; /* 2022-12-07T15:55:00Z */
    entities = entities_create(&(struct entities_settings){.app_silence = DAY, .grace = MINUTE, .max_apps = 5000});
    directory = directory_create(entities);
    store = store_create(&(struct store_settings){
        .max_series = 1000000, .max_app_series = 5000, .slots = WORKERS + 1, .entities = entities});
    intake = intake_create(store, &(struct intake_settings){.entities = entities,
                                                            .directory = directory,
                                                            .lifetimes = {[0 ... FAMILY_COUNT - 1] = 10 * MINUTE},
                                                            .ingest_prefix = SLICE("crates-io-heroku-metrics:ingest "),
                                                            .slots = WORKERS});
    statuses = app_statuses_create(&(struct app_status_settings){
        .store = store, .entities = entities, .directory = directory, .max_app_series = 5000});
    assert_non_null(intake);
    assert_non_null(statuses);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    app_statuses_free(statuses);
    intake_free(intake);
    store_free(store);
    directory_free(directory);
    entities_free(entities);
    return 0;
}

/* ---- doing ---- */

static void update(void)
{
    store_enter(store, MAINTENANCE);
    app_statuses_update(statuses, MAINTENANCE, now);
    store_leave(store, MAINTENANCE);
}

static void pass(uint64_t milliseconds)
{
    now += milliseconds;
    wall += (int64_t)milliseconds * 1000;
}

#define LINE(appname, procid, text) "<190>1 2022-12-07T15:54:57.5+00:00 host " appname " " procid " - " text "\n"

static void post(unsigned slot, const char *app, const char *body)
{
    struct batch batch = {
        .body = slice_of(body), .received = strlen(body), .app = slice_of(app), .time = wall, .now = now};
    batch.origin = origin_of(&(struct origin_headers){.body = batch.body});
    assert_int_equal(batch_process(intake, slot, &batch), BATCH_TAKEN);
}

static bool find(const char *app)
{
    return app_statuses_find(statuses, slice_of(app), now, NULL, &status);
}

static const struct app_status_minute *minute(unsigned ago)
{
    return &status.minutes[APP_STATUS_MINUTES - 1 - ago];
}

/* ---- tests ---- */

static void what_the_ledger_says(void **state)
{
    (void)state;
    update();
    post(0, "shop",
         LINE("app", "web.1", "hello") LINE("app", "web.1", "crates-io-heroku-metrics:ingest ***")
             LINE("heroku", "router", "at=error code=H12 method=GET dyno=web.1 status=503 protocol=http1.1")
                 LINE("heroku", "web.1", "Error R14 (Memory quota exceeded)") LINE(
                     "heroku", "logplex", "Error L12: 222 messages dropped since 2013-11-04T21:31:32.125756+00:00."));
    assert_false(find("shop"));
    pass(2 * SECOND);
    update();
    assert_true(find("shop"));
    assert_string_equal(status.name, "shop");
    assert_false(status.is_others);
    assert_int_equal(status.last_batch, wall - 2000000);
    assert_true(status.messages == 5);
    assert_true(status.ignored == 1);
    assert_true(status.malformed[MALFORMED_BASE64] == 1);
    assert_true(status.recognised[FAMILY_ROUTER] == 1);
    assert_true(status.recognised[FAMILY_DYNO] == 1);
    assert_true(status.recognised[FAMILY_LOGPLEX] == 1);
    assert_true(status.lost[LOGPLEX_L12] == 222);
    assert_true(status.failures == 2);
    assert_true(status.samples > 0);
    assert_true(status.rate == 2.5); /* 5 messages in 2 s */
    assert_true(status.lag > 2.4 && status.lag < 2.6);
    assert_true(status.is_known);
    assert_int_equal(status.processes, 1);
    assert_true(status.series > 5);
    assert_int_equal(status.series_limit, 5000);
    assert_int_equal(minute(0)->messages, 5);
    assert_int_equal(minute(0)->failures, 2);
    assert_int_equal(minute(0)->unusable, 1);
    assert_int_equal(minute(0)->lost, 222);
    assert_int_equal(minute(0)->lost_by, 1 << LOGPLEX_L12);
    assert_true(minute(0)->lag == 2.5);
    assert_int_equal(minute(1)->messages, 0);
    assert_true(minute(1)->lag == -1);
    assert_int_equal(app_statuses_count(statuses), 1);
    assert_int_equal(app_statuses_updated(statuses), now);
    assert_false(find("other"));
}

/* What is counted goes to the minute of the update that finds it, and leaves after an hour. */
static void an_hour_by_the_minute(void **state)
{
    (void)state;
    update();
    for (unsigned i = 0; i < 70; i++) {
        for (unsigned j = 0; j <= i; j++)
            post(0, "shop", LINE("app", "web.1", "hello"));
        pass(30 * SECOND);
        update();
        post(0, "shop", LINE("app", "web.1", "crates-io-heroku-metrics:ingest ***"));
        pass(29 * SECOND);
        update();
        pass(SECOND);
    }
    pass((uint64_t)-1 * SECOND);
    assert_true(find("shop"));
    uint32_t sum = 0;
    for (unsigned i = 0; i < 60; i++) {
        assert_int_equal(minute(i)->messages, 70 - i + 1);
        assert_int_equal(minute(i)->unusable, 1);
        sum += minute(i)->messages;
    }
    assert_int_equal(status.hour.messages, sum);
    assert_int_equal(status.hour.unusable, 60);
    assert_int_equal(status.elapsed, 59 * SECOND);
    pass(5 * MINUTE);
    update();
    assert_true(find("shop"));
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(minute(i)->messages, 0);
    assert_int_equal(minute(5)->messages, 71);
    assert_true(status.rate == 0);
    assert_true(status.lag > 0); /* the last that is known */
    pass(100 * MINUTE);
    update();
    assert_true(find("shop"));
    assert_int_equal(status.hour.messages, 0);
    assert_true(status.hour.lag == -1 && status.lag == -1);
    assert_true(status.messages > 0);
}

/* The first update does not take what was counted before for what has happened now, nor does one that finds an app
 * late. */
static void what_was_there_before(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 100; i++)
        post(0, "shop", LINE("app", "web.1", "hello"));
    pass(MINUTE);
    update();
    assert_true(find("shop"));
    assert_true(status.messages == 100);
    assert_int_equal(status.hour.messages, 0);
    assert_true(status.rate == 0);
    post(0, "shop", LINE("app", "web.1", "hello"));
    pass(SECOND);
    update();
    assert_true(find("shop"));
    assert_int_equal(status.hour.messages, 1);
}

static void a_rate_follows(void **state)
{
    (void)state;
    update();
    for (unsigned i = 0; i < 20; i++) {
        for (unsigned j = 0; j < 10; j++)
            post(0, "shop", LINE("app", "web.1", "hello"));
        pass(5 * SECOND);
        update();
    }
    assert_true(find("shop"));
    assert_true(status.rate == 2);
    for (unsigned i = 0; i < 7; i++) {
        pass(5 * SECOND);
        update();
    }
    assert_true(find("shop"));
    assert_true(status.rate == 0);
}

/* Lags from 10 ms to a day, as exact as is promised. */
static void lags(void **state)
{
    (void)state;
    static const double seconds[] = {0, 0.01, 1.23, 59.99, 299, 327, 400, 3600, 86400, 300000};
    for (size_t i = 0; i < sizeof seconds / sizeof seconds[0]; i++) {
        update();
        store_enter(store, 0);
        struct ledger ledger = ledger_open(store, entities, 0, SLICE("shop"), now);
        ledger_count_batch(&ledger, &(struct ledger_batch){.messages = 1, .time = wall});
        ledger_count_messages(&ledger, &(struct ledger_messages){.lag = seconds[i]});
        store_leave(store, 0);
        pass(SECOND);
        update();
        assert_true(find("shop"));
        double error = minute(0)->lag - seconds[i], most = seconds[i] < 300 ? 0.01 : 10;
        assert_true(error <= most && error >= -most);
        pass(MINUTE);
    }
}

/* Messages that the picture has no number for are as many as it can say. */
static void numbers_too_large(void **state)
{
    (void)state;
    update();
    store_enter(store, 0);
    struct ledger ledger = ledger_open(store, entities, 0, SLICE("shop"), now);
    ledger_count_batch(&ledger, &(struct ledger_batch){.messages = 1e12, .time = wall, .foreign = true});
    ledger_count_messages(&ledger, &(struct ledger_messages){.lag = -1, .lost = {1e300, 1e18}});
    store_leave(store, 0);
    update();
    assert_true(find("shop"));
    assert_int_equal(minute(0)->messages, UINT32_MAX);
    assert_int_equal(minute(0)->unusable, (1 << 24) - 1);
    assert_int_equal(minute(0)->lost, (1 << 28) - 1);
    assert_int_equal(minute(0)->lost_by, 3);
    assert_int_equal(status.hour.messages, UINT32_MAX);
    assert_true(status.lost[LOGPLEX_L10] == 1e300);
}

/* An app that is over is freed, and one that comes back begins anew. */
static void apps_leave(void **state)
{
    (void)state;
    update();
    post(0, "shop", LINE("app", "web.1", "hello"));
    post(0, "blog", LINE("app", "web.1", "hello"));
    pass(SECOND);
    update();
    assert_true(find("shop"));
    pass(DAY - SECOND);
    post(0, "blog", LINE("app", "web.1", "hello"));
    pass(2 * MINUTE);
    update();
    assert_false(find("shop"));
    assert_true(find("blog"));
    assert_int_equal(app_statuses_count(statuses), 1);
    size_t position = 0;
    assert_true(app_statuses_next(statuses, &position, now, NULL, &status));
    assert_string_equal(status.name, "blog");
    assert_false(app_statuses_next(statuses, &position, now, NULL, &status));
    store_enter(store, MAINTENANCE);
    store_sweep(store, MAINTENANCE, now);
    store_leave(store, MAINTENANCE);
    post(0, "shop", LINE("app", "web.1", "hello"));
    pass(SECOND);
    update();
    assert_true(find("shop"));
    assert_true(status.messages == 1);
    assert_int_equal(status.hour.messages, 1);
}

/* One that is configured and was never heard of is there, and so are those that are turned away. */
static void apps_that_are_no_entity(void **state)
{
    (void)state;
    _Atomic int64_t never = 0;
    store_enter(store, MAINTENANCE);
    ledger_describe_app(store, entities, MAINTENANCE, SLICE("silent"), &never, now);
    struct ledger others = ledger_of_others(store, MAINTENANCE, now);
    ledger_count_batch(&others, &(struct ledger_batch){.messages = 7, .refused = true});
    ledger_count_refused(&others, REFUSED_UNLISTED, 7);
    store_leave(store, MAINTENANCE);
    update();
    assert_true(find("silent"));
    assert_int_equal(status.last_batch, 0);
    assert_true(status.messages == 0);
    assert_false(status.is_known);
    assert_string_equal(status.app.name, "silent");
    assert_true(find("__other__"));
    assert_true(status.is_others);
    assert_true(status.refused[REFUSED_UNLISTED - 1] == 7);
    assert_true(status.refused[REFUSED_NAME - 1] == 0);
}

static bool sees_shops(const void *who, const struct directory_app *app)
{
    return strncmp(app->name, who, strlen(who)) == 0;
}

static void who_may_see(void **state)
{
    (void)state;
    const struct directory_viewer viewer = {sees_shops, "shop"};
    post(0, "blog", LINE("app", "web.1", "hello"));
    post(0, "shop-1", LINE("app", "web.1", "hello"));
    post(0, "shop-2", LINE("app", "web.1", "hello"));
    update();
    size_t position = 0, count = 0;
    while (app_statuses_next(statuses, &position, now, &viewer, &status)) {
        assert_true(sees_shops("shop", &status.app));
        count++;
    }
    assert_int_equal(count, 2);
    assert_false(app_statuses_find(statuses, SLICE("blog"), now, &viewer, &status));
    assert_true(app_statuses_find(statuses, SLICE("shop-1"), now, &viewer, &status));
}

/* Names are shown as they are; one that is longer than any app's is none. */
static void odd_names(void **state)
{
    (void)state;
    static const char *const names[] = {"a\"b", "a\\b", "a\nb", "a,b=\"c\"", "\xc3\xb6", "acme/prod/shop"};
    char longest[2 * DIRECTORY_NAME_MAX];
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    post(0, longest, LINE("app", "web.1", "hello"));
    for (size_t i = 0; i < 6; i++)
        post(0, names[i], LINE("app", "web.1", "hello"));
    update();
    for (size_t i = 0; i < 6; i++) {
        assert_true(find(names[i]));
        assert_string_equal(status.name, names[i]);
        assert_true(status.messages == 1);
    }
    assert_false(find(longest));
    assert_int_equal(app_statuses_count(statuses), 7);
}

/* Apps beyond the bound have no status until there is a place; then what was counted before is no part of the hour. */
static void too_many_apps(void **state)
{
    (void)state;
    char app[32];
    update();
    for (unsigned i = 0; i < APP_STATUS_APPS_MAX + 10; i++) {
        snprintf(app, sizeof app, "app-%u", i);
        post(0, app, LINE("app", "web.1", "hello"));
    }
    pass(SECOND);
    update();
    size_t position = 0, count = 0;
    while (app_statuses_next(statuses, &position, now, NULL, &status))
        count++;
    assert_int_equal(count, APP_STATUS_APPS_MAX);
    assert_int_equal(app_statuses_count(statuses), APP_STATUS_APPS_MAX + 10);
    pass(DAY - MINUTE);
    for (unsigned i = 5; i < APP_STATUS_APPS_MAX + 10; i++) {
        snprintf(app, sizeof app, "app-%u", i);
        post(0, app, LINE("app", "web.1", "hello"));
    }
    pass(3 * MINUTE);
    update();
    update();
    position = count = 0;
    unsigned late = 0;
    while (app_statuses_next(statuses, &position, now, NULL, &status)) {
        late += status.messages == 2 && status.hour.messages == 0;
        count++;
    }
    assert_int_equal(count, APP_STATUS_APPS_MAX);
    assert_int_equal(late, 5);
}

static void rules(void **state)
{
    (void)state;
    struct buffer mistakes = {0};
    struct configuration *file = configuration_parse(
        SLICE("rules:\n"
              "  - {name: jobs, match: '^job (?<n>\\S+)', metrics: [{gauge: job_size, value: $n}]}\n"
              "  - {name: \"never \\\"so\\\"\", match: '^never', metrics: [{counter: never_total}]}\n"),
        "CONFIG", PASSWORDS_UNKNOWN, &mistakes);
    assert_non_null(file);
    rules_enforce(file->rules);
    struct batch batch = {.body = SLICE(LINE("app", "web.1", "job 5") LINE("app", "web.1", "job x")),
                          .app = SLICE("shop"),
                          .rules = file->rules,
                          .time = wall,
                          .now = now};
    assert_int_equal(batch_process(intake, 0, &batch), BATCH_TAKEN);
    store_enter(store, MAINTENANCE);
    ledger_describe_rules(file->rules, store, MAINTENANCE, now);
    store_leave(store, MAINTENANCE);
    update();
    struct rule_status found[3];
    assert_int_equal(app_statuses_rules(statuses, NULL, 0), 2);
    assert_int_equal(app_statuses_rules(statuses, found, 3), 2);
    const struct rule_status *jobs = strcmp(found[0].name, "jobs") == 0 ? &found[0] : &found[1];
    const struct rule_status *never = jobs == &found[0] ? &found[1] : &found[0];
    assert_string_equal(jobs->name, "jobs");
    assert_true(jobs->lines == 2 && jobs->unread == 1 && jobs->errors == 0 && !jobs->is_off);
    assert_string_equal(never->name, "never \"so\"");
    assert_true(never->lines == 0);
    pass(11 * MINUTE);
    store_enter(store, MAINTENANCE);
    store_sweep(store, MAINTENANCE, now);
    store_leave(store, MAINTENANCE);
    update();
    assert_int_equal(app_statuses_rules(statuses, found, 3), 0);
    intake_free(intake); /* it holds the rules */
    intake = NULL;
    configuration_free(file);
    buffer_free(&mistakes);
}

/* ---- threads ---- */

static atomic_bool ends;

static void *post_many(void *slot)
{
    char app[32];
    for (unsigned i = 0; i < 3000; i++) {
        snprintf(app, sizeof app, "app-%u", i % 50);
        post((unsigned)(uintptr_t)slot, app, LINE("app", "web.1", "hello") LINE("app", "web.1", "hello"));
    }
    return NULL;
}

static void *read_all(void *unused)
{
    (void)unused;
    static __thread struct app_status read;
    double last = 0;
    while (!atomic_load(&ends)) {
        size_t position = 0;
        double sum = 0;
        while (app_statuses_next(statuses, &position, now, NULL, &read)) {
            assert_true(read.messages >= 0 && read.hour.messages >= read.minutes[APP_STATUS_MINUTES - 1].messages);
            sum += read.messages;
        }
        assert_true(sum >= last);
        last = sum;
        app_statuses_count(statuses);
    }
    return NULL;
}

static void threads(void **state)
{
    (void)state;
    pthread_t workers[WORKERS], readers[2];
    ends = false;
    update();
    for (uintptr_t i = 0; i < WORKERS; i++)
        pthread_create(&workers[i], NULL, post_many, (void *)i);
    for (unsigned i = 0; i < 2; i++)
        pthread_create(&readers[i], NULL, read_all, NULL);
    for (unsigned i = 0; i < 100; i++)
        update();
    for (unsigned i = 0; i < WORKERS; i++)
        pthread_join(workers[i], NULL);
    update();
    atomic_store(&ends, true);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(readers[i], NULL);
    double messages = 0;
    size_t position = 0, apps = 0;
    while (app_statuses_next(statuses, &position, now, NULL, &status)) {
        messages += status.messages;
        assert_true(status.hour.messages == status.messages);
        apps++;
    }
    assert_int_equal(apps, 50);
    assert_true(messages == 3000 * 2 * WORKERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_the_ledger_says, setup, teardown),
        cmocka_unit_test_setup_teardown(an_hour_by_the_minute, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_there_before, setup, teardown),
        cmocka_unit_test_setup_teardown(a_rate_follows, setup, teardown),
        cmocka_unit_test_setup_teardown(lags, setup, teardown),
        cmocka_unit_test_setup_teardown(numbers_too_large, setup, teardown),
        cmocka_unit_test_setup_teardown(apps_leave, setup, teardown),
        cmocka_unit_test_setup_teardown(apps_that_are_no_entity, setup, teardown),
        cmocka_unit_test_setup_teardown(who_may_see, setup, teardown),
        cmocka_unit_test_setup_teardown(odd_names, setup, teardown),
        cmocka_unit_test_setup_teardown(too_many_apps, setup, teardown),
        cmocka_unit_test_setup_teardown(rules, setup, teardown),
        cmocka_unit_test_setup_teardown(threads, setup, teardown),
    };
    return cmocka_run_group_tests_name("app_status", tests, NULL, NULL);
}
