#include <pthread.h>
#include <stdio.h>

#include "base/process.h"
#include "store/entity.h"
#include "support.h"

enum { GRACE = 60 * 1000, SILENCE = 24 * 3600 * 1000 };

static struct entities *entities;
static uint64_t now;

static int setup(void **state)
{
    (void)state;
    now = 1000 * 1000;
    entities = entities_create(&(struct entities_settings){.app_silence = SILENCE, .grace = GRACE});
    return entities == NULL;
}

static int teardown(void **state)
{
    (void)state;
    entities_free(entities);
    return 0;
}

static entity_id app_of(const char *name)
{
    return entities_app(entities, slice_of(name), NULL, 0, now);
}

static entity_id process_of(entity_id app, const char *name)
{
    return entities_process(entities, app, slice_of(name), now);
}

/* Lines have times in microseconds; here a minute each. */
#define LINE(minute) ((int64_t)(minute)*60 * 1000000)

static bool counted_over(entity_id id)
{
    return entities_is_over(entities, id, ENTITY_COUNTED, now);
}

static bool reported_over(entity_id id, int64_t time)
{
    return entities_is_over(entities, id, time, now);
}

static void names(void **state)
{
    (void)state;
    entity_id a = app_of("a"), b = app_of("b");
    assert_int_not_equal(a, ENTITY_NONE);
    assert_int_not_equal(a, b);
    assert_int_equal(a, app_of("a"));
    struct label team = {SLICE("team"), SLICE("x")};
    entity_id labelled = entities_app(entities, SLICE("a"), &team, 1, now);
    assert_int_not_equal(a, labelled);
    team.value = SLICE("y");
    assert_int_not_equal(labelled, entities_app(entities, SLICE("a"), &team, 1, now));
    entity_id web = process_of(a, "web.1");
    assert_int_equal(web, process_of(a, "web.1"));
    assert_int_not_equal(web, process_of(a, "web.2"));
    assert_int_not_equal(web, process_of(b, "web.1"));
    assert_int_equal(entities_app_of(entities, web), a);
    assert_int_equal(entities_app_of(entities, a), a);
    assert_false(entities_is_over(entities, ENTITY_NONE, 0, now));
}

/* An app was on a page if one began after it was first heard of. */
static void pages(void **state)
{
    (void)state;
    entity_id app = app_of("a");
    assert_false(entities_was_on_page(entities, app));
    assert_false(entities_was_on_page(entities, ENTITY_NONE));
    entities_note_page(entities);
    assert_true(entities_was_on_page(entities, app));
    assert_true(entities_was_on_page(entities, ENTITY_NONE));
    assert_false(entities_was_on_page(entities, app_of("b")));
    now += SILENCE - 1;
    app_of("a");
    assert_true(entities_was_on_page(entities, app));
    now += SILENCE; /* over, and heard of again */
    app_of("a");
    assert_false(entities_was_on_page(entities, app));
    entities_note_page(entities);
    assert_true(entities_was_on_page(entities, app));
}

static void silence(void **state)
{
    (void)state;
    entity_id app = app_of("a"), web = process_of(app, "web.1");
    now += SILENCE - 1;
    assert_false(counted_over(app));
    assert_false(counted_over(web));
    now += 1;
    assert_true(counted_over(app));
    assert_true(counted_over(web)); /* with its app */
    app_of("a");
    assert_false(counted_over(app));
    assert_false(counted_over(web)); /* quiet, but its app is not */
    for (int day = 0; day < 3; day++, app_of("a"))
        now += SILENCE / 2 + SILENCE / 4;
    assert_true(counted_over(web)); /* for three times as long: it must be gone */
}

/* A former start heard of them, before the machine had started: what is over since then is over, the rest goes on. */
static void silence_of_before(void **state)
{
    (void)state;
    static const struct {
        uint64_t ago;
        bool is_over;
    } cases[] = {{0, false},
                 {1000, false},
                 {SILENCE - 1, false},
                 {SILENCE, true},
                 {SILENCE + 1000 * 1000, true},
                 {SILENCE + 1000 * 1000 + 1, true},
                 {UINT64_C(30) * SILENCE, true}};
    now = 20 * 1000;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char name[8];
        snprintf(name, sizeof name, "a%zu", i);
        struct entity_state saved = {.called.name = slice_of(name), .heard_ago = cases[i].ago};
        entity_id app = entities_restore(entities, &saved, now);
        assert_int_equal(counted_over(app), cases[i].is_over);
        now += SILENCE - 1;
        assert_int_equal(counted_over(app), cases[i].ago > 0);
        now += 1;
        assert_true(counted_over(app));
        now -= SILENCE;
    }
}

static void ended(void **state)
{
    (void)state;
    entity_id web = process_of(app_of("a"), "web.1");
    entities_started(entities, web, LINE(1));
    entities_ended(entities, web, LINE(10), now);
    assert_false(reported_over(web, LINE(9)));
    assert_false(counted_over(web));
    now += GRACE - 1;
    assert_false(counted_over(web));
    now += 1;
    assert_true(counted_over(web));
    assert_true(reported_over(web, LINE(10)));
    assert_false(reported_over(web, LINE(10) + 1)); /* of a new instance */
    /* The end of the past does not end what has started since. */
    entities_started(entities, web, LINE(11));
    assert_false(counted_over(web));
    assert_true(reported_over(web, LINE(9)));
    entities_ended(entities, web, LINE(8), now);
    now += GRACE;
    assert_false(counted_over(web));
    /* A start that was missed. */
    entities_ended(entities, web, LINE(20), now);
    assert_false(entities_has_ended(entities, web, LINE(21)));
    assert_true(entities_has_ended(entities, web, LINE(21) + 1));
    entities_started(entities, web, LINE(22));
    assert_false(entities_has_ended(entities, web, LINE(23)));
}

/* A process that takes long to stop: what has left stays away, and what it says until then leaves as well. */
static void stopping(void **state)
{
    (void)state;
    entity_id web = process_of(app_of("a"), "web.1");
    entities_ended(entities, web, LINE(10), now);
    now += GRACE - 1;
    entities_exited(entities, web, LINE(11), now); /* as it is still to be seen, all of it stays for the grace */
    now += GRACE - 1;
    assert_false(counted_over(web));
    assert_false(reported_over(web, LINE(9)));
    now += 1;
    assert_true(counted_over(web));
    assert_false(reported_over(web, LINE(12)));
    entities_exited(entities, web, LINE(13), now);
    assert_true(counted_over(web));
    assert_true(reported_over(web, LINE(9)));
    assert_true(reported_over(web, LINE(12)));
    /* It starts again, and its next restart leaves the grace. */
    entities_started(entities, web, LINE(14));
    entities_exited(entities, web, LINE(15), now);
    assert_false(counted_over(web));
    assert_false(reported_over(web, LINE(15)));
}

/* However short the grace is: Heroku waits for 30 s until it kills a process. */
static void short_grace(void **state)
{
    (void)state;
    struct entities *hasty = entities_create(&(struct entities_settings){.app_silence = SILENCE, .grace = 1000});
    entity_id web = entities_process(hasty, entities_app(hasty, SLICE("a"), NULL, 0, now), SLICE("web.1"), now);
    entities_ended(hasty, web, LINE(10), now);
    assert_false(entities_has_ended(hasty, web, LINE(10) + 31 * 1000000));
    assert_true(entities_has_ended(hasty, web, LINE(11)));
    entities_free(hasty);
}

static void apart(void **state)
{
    (void)state;
    entity_id app = app_of("a"), web = process_of(app, "web.1");
    assert_false(entities_are_apart(entities, web, LINE(1), LINE(20))); /* nothing has ended */
    entities_exited(entities, web, LINE(10), now);
    assert_true(entities_are_apart(entities, web, LINE(10), LINE(11)));
    assert_false(entities_are_apart(entities, web, LINE(9), LINE(10)));
    assert_false(entities_are_apart(entities, web, LINE(11), LINE(12)));
    now += GRACE;
    assert_true(entities_are_apart(entities, web, LINE(10), LINE(11)));
    assert_false(entities_are_apart(entities, app, LINE(10), LINE(11)));
    assert_false(entities_are_apart(entities, entities_position(entities, web), LINE(10), LINE(11)));
    assert_false(entities_are_apart(entities, ENTITY_NONE, LINE(10), LINE(11)));
}

static void restarted(void **state)
{
    (void)state;
    entity_id web = process_of(app_of("a"), "web.1");
    /* up to starting, exit of the old instance, starting to up */
    entities_exited(entities, web, LINE(5), now);
    entities_started(entities, web, LINE(5));
    entities_exited(entities, web, LINE(6), now);
    now += GRACE;
    assert_false(counted_over(web)); /* however long it takes to boot */
    assert_true(reported_over(web, LINE(6)));
    assert_false(reported_over(web, LINE(7)));
}

static void instances(void **state)
{
    (void)state;
    entity_id web = process_of(app_of("a"), "web.1");
    assert_int_equal(entities_instance(entities, web, SLICE("one"), LINE(1), now), INSTANCE_SAME);
    assert_int_equal(entities_instance(entities, web, SLICE("one"), LINE(2), now), INSTANCE_SAME);
    assert_int_equal(entities_instance(entities, web, SLICE("two"), LINE(4), now), INSTANCE_NEXT);
    assert_int_equal(entities_instance(entities, web, SLICE("one"), LINE(3), now), INSTANCE_FORMER); /* a late batch */
    assert_int_equal(entities_instance(entities, web, SLICE("two"), LINE(5), now), INSTANCE_SAME);
    assert_int_equal(entities_instance(entities, web, SLICE("one"), LINE(6), now),
                     INSTANCE_FORMER); /* it still stops */
    assert_int_equal(entities_instance(entities, web, SLICE("two"), LINE(7), now), INSTANCE_SAME);
    /* That they were met the wrong way round does not last. */
    entity_id other = process_of(app_of("a"), "web.2");
    assert_int_equal(entities_instance(entities, other, SLICE("new"), LINE(1), now), INSTANCE_SAME);
    assert_int_equal(entities_instance(entities, other, SLICE("old"), LINE(2), now), INSTANCE_NEXT);
    assert_int_equal(entities_instance(entities, other, SLICE("new"), LINE(3), now), INSTANCE_FORMER);
    assert_int_equal(entities_instance(entities, other, SLICE("new"), LINE(3) + 1, now), INSTANCE_NEXT);
    now += GRACE;
    assert_true(reported_over(web, LINE(2)));
    assert_false(reported_over(web, LINE(3))); /* between the two: by whom is not known */
    /* Told of the restart: what was said since then is the new one's. */
    entities_exited(entities, web, LINE(10), now);
    entities_started(entities, web, LINE(10));
    assert_int_equal(entities_instance(entities, web, SLICE("three"), LINE(12), now), INSTANCE_NEXT);
    now += GRACE;
    assert_true(reported_over(web, LINE(10)));
    assert_false(reported_over(web, LINE(11)));
}

/* Whether an instance that ends is the one that is known: whatever the answer is, nothing changes. */
static void ends_of_instances(void **state)
{
    (void)state;
    entity_id web = process_of(app_of("a"), "web.1");
    assert_true(entities_runs_as(entities, web, SLICE("one"))); /* nobody has said so */
    assert_true(entities_runs_as(entities, web, SLICE("two")));
    entities_instance(entities, web, SLICE("one"), LINE(1), now);
    entities_instance(entities, web, SLICE("two"), LINE(2), now);
    entities_instance(entities, web, SLICE("three"), LINE(3), now);
    assert_true(entities_runs_as(entities, web, SLICE("three")));
    assert_false(entities_runs_as(entities, web, SLICE("two")));
    assert_false(entities_runs_as(entities, web, SLICE("one")));
    assert_false(entities_runs_as(entities, web, SLICE("four")));
    assert_int_equal(entities_instance(entities, web, SLICE("three"), LINE(4), now), INSTANCE_SAME);
    /* It has ended; that another one was started was not heard. */
    entities_ended(entities, web, LINE(5), now);
    assert_true(entities_runs_as(entities, web, SLICE("three")));
    assert_true(entities_runs_as(entities, web, SLICE("four")));
    entities_started(entities, web, LINE(6));
    assert_false(entities_runs_as(entities, web, SLICE("four")));
    assert_true(entities_runs_as(entities, ENTITY_NONE, SLICE("one")));
}

/* An app that has left its name is over, with its processes, until another one has it. */
static void deserted(void **state)
{
    (void)state;
    entity_id app = app_of("a"), web = process_of(app, "web.1"), type = process_of(app, "web");
    entities_return(entities, app, LINE(1)); /* nothing to do */
    assert_false(entities_is_deserted(entities, app));
    entities_instance(entities, type, SLICE("old"), LINE(1), now);
    entities_instance(entities, type, SLICE("new"), LINE(2), now);
    assert_int_equal(entities_instance(entities, type, SLICE("old"), LINE(3), now), INSTANCE_FORMER);
    entities_desert(entities, app, LINE(4), now);
    entities_desert(entities, ENTITY_NONE, LINE(4), now);
    assert_true(entities_is_deserted(entities, app));
    assert_false(counted_over(app)); /* for a grace */
    now += GRACE;
    assert_true(counted_over(app));
    assert_true(counted_over(web));
    assert_true(reported_over(web, LINE(4)));
    assert_false(reported_over(web, LINE(5)));
    entities_return(entities, app, LINE(3)); /* a late batch */
    assert_true(entities_is_deserted(entities, app));
    entities_return(entities, app, LINE(5));
    assert_false(entities_is_deserted(entities, app));
    assert_false(counted_over(app));
    assert_false(counted_over(web));
    assert_true(reported_over(web, LINE(4)));
    /* Who was there before need not wait. */
    assert_int_equal(entities_instance(entities, type, SLICE("old"), LINE(5), now), INSTANCE_NEXT);
    assert_int_equal(entities_instance(entities, type, SLICE("new"), LINE(6), now), INSTANCE_FORMER);
}

/* The line of a start and the first line of the new instance tell of one restart, in either order. */
static void restarts(void **state)
{
    (void)state;
    entity_id web = process_of(app_of("a"), "web.1");
    assert_true(entities_restarted(entities, web, LINE(1)));
    assert_true(entities_restarted(entities, web, LINE(2))); /* nothing else tells: each line is one */
    assert_int_equal(entities_instance(entities, web, SLICE("one"), LINE(3), now), INSTANCE_SAME);
    assert_true(entities_restarted(entities, web, LINE(4)));
    assert_int_equal(entities_instance(entities, web, SLICE("one"), LINE(5), now), INSTANCE_SAME); /* it still stops */
    assert_int_equal(entities_instance(entities, web, SLICE("two"), LINE(6), now), INSTANCE_SAME);
    assert_int_equal(entities_instance(entities, web, SLICE("three"), LINE(8), now), INSTANCE_NEXT);
    assert_false(entities_restarted(entities, web, LINE(7)));
    assert_true(entities_restarted(entities, web, LINE(9)));
    /* A crash loop: the first instance is heard of after the second one has started. */
    assert_true(entities_restarted(entities, web, LINE(11)));
    assert_int_equal(entities_instance(entities, web, SLICE("four"), LINE(10), now), INSTANCE_SAME);
    assert_int_equal(entities_instance(entities, web, SLICE("five"), LINE(12), now), INSTANCE_SAME);
    /* A start of which we were told long ago is not this one's. */
    assert_true(entities_restarted(entities, web, LINE(20)));
    assert_int_equal(entities_instance(entities, web, SLICE("six"), LINE(60), now), INSTANCE_NEXT);
    assert_true(entities_restarted(entities, web, LINE(40)));
    assert_false(entities_restarted(entities, web, LINE(60)));
}

enum { RESTARTS = 2000 };
static pthread_barrier_t both;
static entity_id restarting;
static _Atomic unsigned restarts_counted;

static void *tell_starts(void *unused)
{
    for (int i = 0; i < RESTARTS; i++) {
        pthread_barrier_wait(&both);
        restarts_counted += entities_restarted(entities, restarting, LINE(10 * i) + 1);
    }
    return unused;
}

static void *tell_instances(void *unused)
{
    for (int i = 0; i < RESTARTS; i++) {
        char name[16];
        int length = snprintf(name, sizeof name, "%d", i);
        struct slice instance = {name, (size_t)length};
        pthread_barrier_wait(&both);
        restarts_counted += entities_instance(entities, restarting, instance, LINE(10 * i) + 2, now) == INSTANCE_NEXT;
    }
    return unused;
}

/* Two threads tell of the same restart at the same moment. */
static void restarts_by_two(void **state)
{
    (void)state;
    pthread_t thread;
    restarting = process_of(app_of("a"), "web.1");
    restarts_counted = 0;
    assert_int_equal(pthread_barrier_init(&both, NULL, 2), 0);
    assert_int_equal(pthread_create(&thread, NULL, tell_starts, NULL), 0);
    tell_instances(NULL);
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&both);
    assert_int_equal(restarts_counted, RESTARTS);
}

/* What a position in the formation has stays when the process ends, until the app is scaled down. */
static void positions(void **state)
{
    (void)state;
    entity_id app = app_of("a"), web = process_of(app, "web.3"), position = entities_position(entities, web);
    assert_int_equal(entities_position(entities, app), app);
    assert_int_equal(entities_position(entities, ENTITY_NONE), ENTITY_NONE);
    assert_int_equal(entities_app_of(entities, position), app);
    entities_started(entities, web, LINE(1));
    entities_ended(entities, web, LINE(2), now);
    entities_exited(entities, web, LINE(3), now);
    now += GRACE;
    assert_true(reported_over(web, LINE(2)));
    assert_false(reported_over(position, LINE(2)));
    assert_false(counted_over(position));
    entities_started(entities, web, LINE(4));
    entities_scale(entities, app, SLICE("web"), 2, LINE(5), now);
    assert_false(reported_over(position, LINE(5)));
    entities_ended(entities, web, LINE(6), now); /* how scaling down goes on */
    now += GRACE;
    assert_true(reported_over(position, LINE(6)));
    entities_started(entities, process_of(app, "web.3"), LINE(7));
    assert_false(reported_over(position, LINE(7)));
    now += SILENCE;
    assert_true(reported_over(position, LINE(7))); /* the app's silence */
}

static void scale(void **state)
{
    (void)state;
    entity_id app = app_of("a");
    entity_id web[6];
    for (int i = 1; i < 6; i++) {
        char name[] = "web.0";
        name[4] = (char)('0' + i);
        web[i] = process_of(app, name);
    }
    entity_id worker = process_of(app, "worker.5"), run = process_of(app, "run.7"),
              other = process_of(app_of("b"), "web.5");
    entities_scale(entities, app, SLICE("web"), 2, LINE(5), now);
    now += GRACE;
    for (int i = 1; i < 6; i++)
        assert_int_equal(counted_over(web[i]), i > 2);
    assert_false(counted_over(worker));
    assert_false(counted_over(run));
    assert_false(counted_over(other));
    entities_scale(entities, app, SLICE("web"), 0, LINE(6), now);
    entities_scale(entities, app, SLICE(""), 0, LINE(6), now);
    now += GRACE;
    assert_true(counted_over(web[1]));
}

/* An exit that is heard of first does not take the grace of the end that it is part of. */
static void exit_before_end(void **state)
{
    (void)state;
    entity_id web = process_of(app_of("a"), "web.1");
    entities_exited(entities, web, LINE(5), now);
    now += 2 * GRACE;
    entities_ended(entities, web, LINE(4), now);
    assert_false(counted_over(web));
    now += GRACE;
    assert_true(counted_over(web));
}

static void replaced(void **state)
{
    (void)state;
    entity_id type = process_of(app_of("a"), "web");
    entities_replaced(entities, type, LINE(5) - 1, now);
    assert_true(reported_over(type, LINE(4)));
    assert_false(reported_over(type, LINE(5)));
    assert_false(counted_over(type));
}

/* A change of the configuration ends the series that have labels it does not give any more. */
static void fixed_labels(void **state)
{
    (void)state;
    struct label x[] = {{SLICE("team"), SLICE("x")}, {SLICE("b"), SLICE("1")}}, y = {SLICE("team"), SLICE("y")};
    struct label turned[] = {x[1], x[0]};
    entity_id plain = app_of("a"), with_x = entities_app(entities, SLICE("a"), x, 2, now),
              with_y = entities_app(entities, SLICE("a"), &y, 1, now), web = process_of(with_y, "web.1");
    assert_int_equal(with_x, entities_app(entities, SLICE("a"), turned, 2, now));
    uint64_t hash = entities_hash_labels(entities, x, 2);
    entities_allow_labels(entities, &hash, 1, now);
    assert_false(counted_over(with_y));
    now += GRACE;
    assert_true(counted_over(with_y));
    assert_true(counted_over(web));
    assert_true(reported_over(with_y, LINE(1000)));
    assert_false(counted_over(with_x));
    assert_false(counted_over(plain));
    assert_false(reported_over(plain, LINE(1000)));
    hash = entities_hash_labels(entities, &y, 1);
    entities_allow_labels(entities, &hash, 1, now);
    now += GRACE;
    assert_false(counted_over(with_y));
    assert_false(reported_over(web, LINE(1000)));
    assert_true(counted_over(with_x));
}

static void zeros(void **state)
{
    (void)state;
    entity_id app = app_of("a");
    assert_true(entities_wants_zeros(entities, app, ENTITY_FAMILY_ZEROS, now));
    assert_true(entities_wants_zeros(entities, app, ENTITY_LEDGER_ZEROS, now));
    assert_false(entities_wants_zeros(entities, app, ENTITY_FAMILY_ZEROS, now + 59999));
    assert_true(entities_wants_zeros(entities, app, ENTITY_FAMILY_ZEROS, now + 60000));
}

/* More entities than there are slots: the rest has none, and slots come back. */
static void many(void **state)
{
    (void)state;
    entity_id first = app_of("app0"), app = ENTITY_NONE;
    char name[32];
    unsigned none = 0;
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "app%d", i);
        app = app_of(name);
        none += app == ENTITY_NONE;
    }
    assert_int_equal(none, 3000 - 1024);
    assert_int_equal(first, app_of("app0"));
    for (int i = 0; i < 100000; i++) {
        snprintf(name, sizeof name, "run.%d", i);
        entity_id run = process_of(first, name);
        if (run == first)
            break;
        entities_add(entities, run, ENTITY_CHOSEN_LINES, 5);
    }
    entities_add(entities, first, ENTITY_CHOSEN_LINES, 7);
    assert_int_equal(entities_add(entities, first, ENTITY_CHOSEN_LINES, 0), 7);
    now += 4 * (uint64_t)SILENCE;
    for (int i = 5000; i < 6024; i++) {
        snprintf(name, sizeof name, "app%d", i);
        app = app_of(name);
        assert_int_not_equal(app, ENTITY_NONE);
        assert_int_equal(entities_add(entities, app, ENTITY_CHOSEN_LINES, 0), 0);
    }
    assert_true(counted_over(first)); /* its id names nobody any more */
    assert_int_equal(entities_add(entities, first, ENTITY_CHOSEN_LINES, 1), ENTITY_NO_ACCOUNT);
}

/* ---- shares ---- */

static struct entities *entities_with(size_t max_apps, size_t max_new_apps)
{
    entities_free(entities);
    return entities = entities_create(&(struct entities_settings){
               .app_silence = SILENCE, .grace = GRACE, .max_apps = max_apps, .max_new_apps = max_new_apps});
}

/* Name apps first, first + 1, ...; how many of them are known then. */
static unsigned name_apps(const char *prefix, unsigned first, unsigned count)
{
    unsigned known = 0;
    for (unsigned i = first; i < first + count; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s%u", prefix, i);
        known += app_of(name) != ENTITY_NONE;
    }
    return known;
}

/* max_apps is what it says, and what is beyond is refused without a look at all that are known. */
static void as_many_apps_as_are_allowed(void **state)
{
    (void)state;
    assert_non_null(entities_with(5000, 0));
    assert_int_equal(name_apps("app", 0, 6000), 5000);
    assert_int_equal(entities_refusal(entities), ENTITIES_APPS);
    assert_int_equal(name_apps("app", 0, 6000), 5000); /* the same ones */
    now += (uint64_t)SILENCE + GRACE + 1;
    assert_int_equal(name_apps("app", 0, 100), 100); /* those that speak again stay */
    assert_int_equal(name_apps("new", 0, 6000), 4900);
    assert_int_equal(name_apps("app", 0, 101), 100);
}

/* Configured apps have their slots, whoever came first and however many there are. */
static void configured_apps(void **state)
{
    (void)state;
    struct label team = {SLICE("team"), SLICE("x")};
    struct entity_app apps[] = {{SLICE("shop"), &team, 1}, {SLICE("blog"), NULL, 0}};
    assert_non_null(entities_with(100, 0));
    entity_id blog = app_of("blog");
    assert_false(entities_is_configured(entities, blog));
    assert_int_equal(name_apps("app", 0, 200), 99);
    assert_true(entities_configure(entities, apps, 2, now));
    assert_true(entities_is_configured(entities, blog));
    assert_int_equal(app_of("blog"), blog);
    assert_int_equal(name_apps("app", 0, 200), 100); /* the place of blog is free */
    entity_id plain = app_of("shop"), labelled = entities_app(entities, SLICE("shop"), &team, 1, now);
    assert_int_not_equal(plain, ENTITY_NONE);
    assert_int_not_equal(labelled, ENTITY_NONE);
    assert_int_not_equal(labelled, plain);
    assert_true(entities_is_configured(entities, labelled));
    /* They may be silent for as long as they wish, and begin anew then. */
    now += 5 * (uint64_t)SILENCE;
    assert_true(counted_over(blog));
    assert_int_equal(name_apps("new", 0, 200), 100);
    assert_int_equal(app_of("blog"), blog);
    assert_false(counted_over(blog));
    assert_false(entities_was_on_page(entities, blog));
    /* Without an entry an app counts as all others do. */
    assert_true(entities_configure(entities, apps, 1, now));
    assert_false(entities_is_configured(entities, blog));
    assert_true(entities_is_configured(entities, labelled));
    assert_int_equal(app_of("blog"), blog);
    now += 2 * (uint64_t)SILENCE;
    assert_int_equal(name_apps("last", 0, 200), 100);
    assert_int_equal(app_of("blog"), ENTITY_NONE);
}

/* A configured app was not heard of before it is. */
static void configured_and_silent(void **state)
{
    (void)state;
    struct entity_app shop = {SLICE("shop"), NULL, 0};
    assert_true(entities_configure(entities, &shop, 1, now));
    entities_note_page(entities);
    entity_id app = app_of("shop");
    assert_true(entities_is_configured(entities, app));
    assert_false(entities_was_on_page(entities, app));
    assert_false(counted_over(app));
}

/* Half of max_apps come at once, as after a start; of the others so many in a minute. */
static void new_apps(void **state)
{
    (void)state;
    assert_non_null(entities_with(100, 10));
    assert_int_equal(name_apps("app", 0, 100), 60);
    assert_int_equal(entities_refusal(entities), ENTITIES_NEW_APPS);
    now += 59999;
    assert_int_equal(name_apps("app", 0, 100), 60);
    now += 1;
    assert_int_equal(name_apps("app", 0, 100), 70);
    for (int minute = 0; minute < 5; minute++) {
        now += 60000;
        name_apps("app", 0, 200);
    }
    assert_int_equal(name_apps("app", 0, 200), 100);
    assert_int_equal(entities_refusal(entities), ENTITIES_APPS);
}

static unsigned name_processes(entity_id app, const char *type, unsigned first, unsigned count)
{
    unsigned known = 0;
    for (unsigned i = first; i < first + count; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s.%u", type, i);
        known += process_of(app, name) != app;
    }
    return known;
}

/* One app, or a few, that invent processes leave enough of them for all others. */
static void processes_of_greedy_apps(void **state)
{
    (void)state;
    static const char *const greedy[] = {"a", "b", "c", "d", "e"};
    unsigned taken = 0;
    for (unsigned i = 0; i < 5; i++) {
        unsigned known = name_processes(app_of(greedy[i]), "run", 0, 20000);
        assert_in_range(known, 64, 16384 / 4);
        taken += known;
    }
    assert_in_range(taken, 16384 / 2, 16384 * 3 / 4 + 2 * 64);
    char name[8];
    for (unsigned i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "m%u", i);
        assert_int_equal(name_processes(app_of(name), "web", 1, 40), 40); /* beside their type */
    }
    assert_int_equal(name_processes(app_of("a"), "run", 0, 4096), 4096); /* known ones stay known */
}

/* What has ended makes room for what comes. */
static void processes_that_come_and_go(void **state)
{
    (void)state;
    entity_id app = app_of("a");
    assert_int_equal(name_processes(app, "run", 0, 20000), 4096);
    for (unsigned i = 0; i < 1000; i++) {
        char name[16];
        snprintf(name, sizeof name, "run.%u", i);
        entities_ended(entities, process_of(app, name), LINE(1), now);
    }
    now += GRACE;
    assert_int_equal(name_processes(app, "run", 30000, 1000), 0);
    now += 2 * GRACE;
    assert_int_equal(name_processes(app, "run", 30000, 2000), 1000);
}

/* However many names come and go, they share the same slots, and each slot has one name: so memory for names is
 * bounded. Nobody is refused for those who are gone, of its own app or of others. */
static void names_of_the_gone_are_bounded(void **state)
{
    (void)state;
    enum { APPS = 4, OF_APP = 3000, ROUNDS_OF_NAMES = 6 };
    uint32_t first = UINT32_MAX, last = 0;
    for (unsigned round = 0; round < ROUNDS_OF_NAMES; round++) {
        for (unsigned i = 0; i < APPS * OF_APP; i++) {
            char name[16];
            snprintf(name, sizeof name, "app%u", i % APPS);
            entity_id app = app_of(name), process;
            snprintf(name, sizeof name, "run.%u", round * OF_APP + i / APPS);
            process = process_of(app, name);
            assert_int_not_equal(process, app);
            entities_ended(entities, process, LINE(round + 1), now);
            first = entity_slot(process) < first ? entity_slot(process) : first;
            last = entity_slot(process) > last ? entity_slot(process) : last;
        }
        now += 3 * GRACE;
    }
    assert_in_range(last - first + 1, APPS * OF_APP, 16384);
}

/* Several threads that look the same names up at the same time mean the same entities, also where slots change hands.
 */
enum { THREADS = 4, NAMES = 500, ROUNDS = 6 };
static pthread_barrier_t barrier;
static entity_id named[THREADS][NAMES];

static void *name_all(void *argument)
{
    size_t thread = (size_t)argument - 1;
    void *problem = NULL;
    for (int round = 0; round < ROUNDS; round++) {
        pthread_barrier_wait(&barrier);
        uint64_t then = now + (uint64_t)round * 4 * SILENCE; /* all that was there before is forgotten */
        for (int i = 0; i < NAMES; i++) {
            char name[32];
            snprintf(name, sizeof name, "app%d.%d", round, i);
            entity_id app = entities_app(entities, slice_of(name), NULL, 0, then);
            snprintf(name, sizeof name, "run.%d", i);
            named[thread][i] = entities_process(entities, app, slice_of(name), then);
            entities_add(entities, app, ENTITY_CHOSEN_LINES, 1);
            entities_ended(entities, named[thread][i], LINE(round + 1), then);
            entities_started(entities, named[thread][i], LINE(round + 2));
        }
        pthread_barrier_wait(&barrier);
        for (int i = 0; i < NAMES; i++) {
            char name[32];
            snprintf(name, sizeof name, "app%d.%d", round, i);
            entity_id app = entities_app(entities, slice_of(name), NULL, 0, then);
            if (named[thread][i] != named[0][i] || entities_is_over(entities, app, ENTITY_COUNTED, then) ||
                entities_is_over(entities, named[thread][i], ENTITY_COUNTED, then + GRACE))
                problem = argument;
        }
        pthread_barrier_wait(&barrier);
    }
    return problem;
}

static void concurrent(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, name_all, (void *)(i + 1)), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *problem;
        pthread_join(threads[i], &problem);
        assert_null(problem); /* an entity is not what it was */
    }
    pthread_barrier_destroy(&barrier);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names, setup, teardown),
        cmocka_unit_test_setup_teardown(pages, setup, teardown),
        cmocka_unit_test_setup_teardown(silence, setup, teardown),
        cmocka_unit_test_setup_teardown(silence_of_before, setup, teardown),
        cmocka_unit_test_setup_teardown(ended, setup, teardown),
        cmocka_unit_test_setup_teardown(apart, setup, teardown),
        cmocka_unit_test_setup_teardown(restarted, setup, teardown),
        cmocka_unit_test_setup_teardown(instances, setup, teardown),
        cmocka_unit_test_setup_teardown(ends_of_instances, setup, teardown),
        cmocka_unit_test_setup_teardown(deserted, setup, teardown),
        cmocka_unit_test_setup_teardown(restarts, setup, teardown),
        cmocka_unit_test_setup_teardown(restarts_by_two, setup, teardown),
        cmocka_unit_test_setup_teardown(positions, setup, teardown),
        cmocka_unit_test_setup_teardown(stopping, setup, teardown),
        cmocka_unit_test_setup_teardown(short_grace, setup, teardown),
        cmocka_unit_test_setup_teardown(scale, setup, teardown),
        cmocka_unit_test_setup_teardown(exit_before_end, setup, teardown),
        cmocka_unit_test_setup_teardown(replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(fixed_labels, setup, teardown),
        cmocka_unit_test_setup_teardown(zeros, setup, teardown),
        cmocka_unit_test_setup_teardown(many, setup, teardown),
        cmocka_unit_test_setup_teardown(as_many_apps_as_are_allowed, setup, teardown),
        cmocka_unit_test_setup_teardown(configured_apps, setup, teardown),
        cmocka_unit_test_setup_teardown(configured_and_silent, setup, teardown),
        cmocka_unit_test_setup_teardown(new_apps, setup, teardown),
        cmocka_unit_test_setup_teardown(processes_of_greedy_apps, setup, teardown),
        cmocka_unit_test_setup_teardown(processes_that_come_and_go, setup, teardown),
        cmocka_unit_test_setup_teardown(names_of_the_gone_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(concurrent, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
