#include "store/directory.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "support.h"

enum { SILENCE = 1000, GRACE = 100 };

static struct entities *entities;
static struct directory *directory;
static struct directory_app found;
static uint64_t now;

static int setup(void **state)
{
    (void)state;
    entities = entities_create(&(struct entities_settings){.app_silence = SILENCE, .grace = GRACE, .max_apps = 5000});
    directory = directory_create(entities);
    now = 100000;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    directory_free(directory);
    entities_free(entities);
    return 0;
}

static entity_id learn(const char *name)
{
    entity_id app = entities_app(entities, slice_of(name), NULL, 0, now);
    directory_learn_app(directory, app, slice_of(name), now);
    return app;
}

static entity_id learn_process(entity_id app, const char *name)
{
    entity_id process = entities_process(entities, app, slice_of(name), now);
    directory_learn_process(directory, app, process, slice_of(name), now);
    return process;
}

static bool find(enum directory_key key, const char *text)
{
    return directory_find(directory, key, slice_of(text), now, NULL, &found);
}

static void names_guids_and_routes(void **state)
{
    (void)state;
    entity_id shop = learn("acme/prod/shop"), blog = learn("blog");
    directory_learn_guid(directory, shop, SLICE("6460bea4-c300-46a2-a6c2-3aa2fb271c86"), now, NULL);
    directory_learn_route(directory, shop, SLICE("Shop.Example.com:443"), now);
    directory_learn_route(directory, blog, SLICE("blog.example.com"), now);
    assert_true(find(DIRECTORY_NAME, "acme/prod/shop"));
    assert_string_equal(found.name, "acme/prod/shop");
    assert_string_equal(found.guid, "6460bea4-c300-46a2-a6c2-3aa2fb271c86");
    assert_int_equal(found.scope.count, 1);
    assert_int_equal(found.scope.apps[0], shop);
    assert_true(find(DIRECTORY_GUID, "6460bea4-c300-46a2-a6c2-3aa2fb271c86"));
    assert_int_equal(found.scope.apps[0], shop);
    assert_true(find(DIRECTORY_ROUTE, "shop.example.COM"));
    assert_int_equal(found.scope.apps[0], shop);
    assert_true(find(DIRECTORY_ROUTE, "blog.example.com:80"));
    assert_int_equal(found.scope.apps[0], blog);
    assert_string_equal(found.guid, "");
    assert_false(find(DIRECTORY_NAME, "shop"));
    assert_false(find(DIRECTORY_NAME, ""));
    assert_false(find(DIRECTORY_GUID, "shop.example.com"));
    assert_false(find(DIRECTORY_ROUTE, "blog"));
    assert_false(find(DIRECTORY_ROUTE, ""));
}

/* A blue-green deploy: the new GUID is the app's, the old one still means it, the one before that nothing. */
static void guids_that_follow_each_other(void **state)
{
    (void)state;
    entity_id app = learn("app");
    directory_learn_guid(directory, app, SLICE("one"), now, NULL);
    directory_learn_guid(directory, app, SLICE("two"), now, NULL);
    directory_learn_guid(directory, app, SLICE("one"), now, NULL);
    assert_true(find(DIRECTORY_GUID, "one"));
    assert_string_equal(found.guid, "two");
    directory_learn_guid(directory, app, SLICE("three"), now, NULL);
    assert_false(find(DIRECTORY_GUID, "one"));
    assert_true(find(DIRECTORY_GUID, "two"));
    assert_string_equal(found.guid, "three");
}

static unsigned deserted_by(entity_id app, const char *guid, entity_id *first)
{
    struct store_scope deserted;
    directory_learn_guid(directory, app, slice_of(guid), now, &deserted);
    *first = deserted.count > 0 ? deserted.apps[0] : ENTITY_NONE;
    return deserted.count;
}

/* An app that is renamed has left its name, if no other app has it. */
static void guids_that_move(void **state)
{
    (void)state;
    entity_id blue = learn("acme/prod/blue"), green = learn("acme/prod/green"), old = learn("acme/prod/old"), first;
    assert_int_equal(deserted_by(blue, "b", &first), 0);
    assert_int_equal(deserted_by(green, "g", &first), 0);
    assert_int_equal(deserted_by(green, "g", &first), 0);
    assert_int_equal(deserted_by(blue, "g", &first), 1); /* a blue-green deploy */
    assert_int_equal(first, green);
    assert_int_equal(deserted_by(old, "b", &first), 0); /* its name is the other one's now */
    assert_int_equal(deserted_by(green, "g", &first), 1);
    assert_int_equal(first, blue);
    assert_int_equal(deserted_by(blue, "b", &first), 1); /* and back */
    assert_int_equal(first, old);
    assert_true(find(DIRECTORY_GUID, "b"));
    assert_string_equal(found.name, "acme/prod/blue");
    /* Who is of another space has no part in it. */
    entity_id thief = learn("acme/staging/blue");
    assert_int_equal(deserted_by(thief, "b", &first), 0);
    assert_int_equal(deserted_by(blue, "b", &first), 0);
}

static void routes_are_bounded_and_move(void **state)
{
    (void)state;
    entity_id app = learn("app"), other = learn("other");
    char host[64];
    for (int i = 0; i < 3 * DIRECTORY_ROUTES_MAX; i++) {
        snprintf(host, sizeof host, "host-%d", i);
        directory_learn_route(directory, app, slice_of(host), now);
    }
    for (int i = 0; i < 3 * DIRECTORY_ROUTES_MAX; i++) {
        snprintf(host, sizeof host, "host-%d", i);
        assert_int_equal(find(DIRECTORY_ROUTE, host), i >= 2 * DIRECTORY_ROUTES_MAX);
    }
    directory_learn_route(directory, app, SLICE("host-0"), now); /* it was forgotten, and is learned again */
    assert_true(find(DIRECTORY_ROUTE, "host-0"));
    directory_learn_route(directory, other, SLICE("host-0"), now);
    assert_true(find(DIRECTORY_ROUTE, "host-0"));
    assert_string_equal(found.name, "other");
    directory_learn_route(directory, app, SLICE("host-0"), now);
    assert_true(find(DIRECTORY_ROUTE, "host-0"));
    assert_string_equal(found.name, "app");
}

static bool is_of_acme(const void *who, const struct directory_app *app)
{
    return strncmp(app->name, who, strlen(who)) == 0;
}

/* Another organization can claim a GUID or a route, but takes it from nobody. */
static void organizations_take_nothing_from_each_other(void **state)
{
    (void)state;
    const struct directory_viewer acme = {is_of_acme, "acme/"}, evil = {is_of_acme, "evil/"}, none = {is_of_acme, "x/"};
    entity_id shop = learn("acme/prod/shop"), thief = learn("evil/prod/shop");
    directory_learn_guid(directory, shop, SLICE("guid"), now, NULL);
    directory_learn_route(directory, shop, SLICE("host"), now);
    directory_learn_guid(directory, thief, SLICE("guid"), now, NULL);
    directory_learn_route(directory, thief, SLICE("host"), now);
    static const enum directory_key kinds[] = {DIRECTORY_GUID, DIRECTORY_ROUTE};
    for (int i = 0; i < 2; i++) {
        struct slice text = i == 0 ? SLICE("guid") : SLICE("host");
        assert_true(directory_find(directory, kinds[i], text, now, &acme, &found));
        assert_string_equal(found.name, "acme/prod/shop");
        assert_string_equal(found.guid, ""); /* by which another one would be found */
        assert_true(directory_find(directory, kinds[i], text, now, &evil, &found));
        assert_string_equal(found.name, "evil/prod/shop");
        assert_false(directory_find(directory, kinds[i], text, now, &none, &found));
    }
    assert_false(directory_find(directory, DIRECTORY_NAME, SLICE("acme/prod/shop"), now, &evil, &found));
    entity_id blue = learn("acme/prod/blue"); /* of the same organization: a route may move */
    directory_learn_route(directory, blue, SLICE("host"), now);
    assert_true(directory_find(directory, DIRECTORY_ROUTE, SLICE("host"), now, &acme, &found));
    assert_string_equal(found.name, "acme/prod/blue");
}

static void what_is_too_long_is_not_learned(void **state)
{
    (void)state;
    char text[512];
    memset(text, 'a', sizeof text);
    struct slice name = {text, DIRECTORY_NAME_MAX + 1};
    entity_id app = entities_app(entities, name, NULL, 0, now);
    directory_learn_app(directory, app, name, now);
    assert_false(directory_find(directory, DIRECTORY_NAME, name, now, NULL, &found));
    app = learn("app");
    directory_learn_guid(directory, app, (struct slice){text, DIRECTORY_GUID_MAX + 1}, now, NULL);
    directory_learn_route(directory, app, (struct slice){text, DIRECTORY_HOST_MAX + 1}, now);
    assert_false(
        directory_find(directory, DIRECTORY_GUID, (struct slice){text, DIRECTORY_GUID_MAX + 1}, now, NULL, &found));
    assert_false(
        directory_find(directory, DIRECTORY_ROUTE, (struct slice){text, DIRECTORY_HOST_MAX + 1}, now, NULL, &found));
    directory_learn_app(directory, ENTITY_NONE, SLICE("none"), now);
    assert_false(find(DIRECTORY_NAME, "none"));
    directory_learn_route(directory, 12345 << 8, SLICE("unknown-app"), now);
    assert_false(find(DIRECTORY_ROUTE, "unknown-app"));
}

static const char *processes_of(const char *name)
{
    static char list[256];
    char process[PROCESS_NAME_MAX + 1];
    list[0] = '\0';
    assert_true(find(DIRECTORY_NAME, name));
    for (size_t at = 0; directory_next_process(directory, &found, &at, now, process);)
        strcat(strcat(list, process), " ");
    return list;
}

static void processes_that_live(void **state)
{
    (void)state;
    entity_id ids[STORE_SCOPE_MAX];
    entity_id app = learn("app");
    learn_process(app, "web.1");
    entity_id second = learn_process(app, "web.2");
    learn_process(app, "worker.1");
    learn_process(app, "web"); /* a type */
    directory_learn_process(directory, app, app, SLICE("web.9"), now);
    assert_string_equal(processes_of("app"), "web.1 web.2 worker.1 ");
    assert_true(directory_find_process(directory, &found, SLICE("web.2"), now, ids));
    assert_int_equal(ids[0], second);
    assert_false(directory_find_process(directory, &found, SLICE("web.3"), now, ids));
    entities_ended(entities, second, 5000, now);
    assert_string_equal(processes_of("app"), "web.1 web.2 worker.1 ");
    now += GRACE;
    assert_string_equal(processes_of("app"), "web.1 worker.1 ");
    assert_false(directory_find_process(directory, &found, SLICE("web.2"), now, ids));
    entities_started(entities, second, 6000);
    assert_string_equal(processes_of("app"), "web.1 web.2 worker.1 ");
}

/* One app is several entities if its drains have other labels. */
static void one_name_with_two_lists_of_labels(void **state)
{
    (void)state;
    struct label label = {SLICE("team"), SLICE("web")};
    entity_id plain = learn("app"), labelled = entities_app(entities, SLICE("app"), &label, 1, now);
    directory_learn_app(directory, labelled, SLICE("app"), now);
    entity_id first = learn_process(plain, "web.1"), second = learn_process(labelled, "web.1");
    assert_string_equal(processes_of("app"), "web.1 ");
    entity_id ids[STORE_SCOPE_MAX];
    assert_int_equal(found.scope.count, 2);
    assert_true(directory_find_process(directory, &found, SLICE("web.1"), now, ids));
    assert_int_equal(ids[0], first);
    assert_int_equal(ids[1], second);
}

static void apps_that_live(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        char name[32];
        for (int i = 0; i < 2000; i++) {
            snprintf(name, sizeof name, "app-%d-%d", round, i);
            directory_learn_route(directory, learn(name), slice_of(name), now);
        }
        size_t position = 0, count = 0;
        while (directory_next_app(directory, &position, now, &found))
            count++;
        assert_int_equal(count, 2000);
        assert_true(find(DIRECTORY_ROUTE, name));
        now += 70 * 1000; /* all are over, and forgotten */
        assert_false(find(DIRECTORY_ROUTE, name));
        assert_false(find(DIRECTORY_NAME, name));
    }
    learn("app-0-0"); /* one that was forgotten */
    assert_true(find(DIRECTORY_NAME, "app-0-0"));
}

static void *learn_much(void *which)
{
    char name[32];
    struct directory_app app;
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "app-%d", i % 50);
        entity_id id = learn(name);
        learn_process(id, i % 2 ? "web.1" : "web.2");
        snprintf(name, sizeof name, "host-%d", (i * (int)(intptr_t)which) % 70);
        directory_learn_route(directory, id, slice_of(name), now);
        size_t position = (size_t)i % 50;
        directory_next_app(directory, &position, now, &app);
        directory_find(directory, DIRECTORY_ROUTE, slice_of(name), now, NULL, &app);
    }
    return NULL;
}

static void threads(void **state)
{
    (void)state;
    pthread_t all[4];
    for (intptr_t i = 0; i < 4; i++)
        pthread_create(&all[i], NULL, learn_much, (void *)(i + 1));
    for (int i = 0; i < 4; i++)
        pthread_join(all[i], NULL);
    for (int i = 0; i < 50; i++) {
        char name[32];
        snprintf(name, sizeof name, "app-%d", i);
        assert_string_equal(processes_of(name), i % 2 ? "web.1 " : "web.2 ");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names_guids_and_routes, setup, teardown),
        cmocka_unit_test_setup_teardown(guids_that_follow_each_other, setup, teardown),
        cmocka_unit_test_setup_teardown(guids_that_move, setup, teardown),
        cmocka_unit_test_setup_teardown(routes_are_bounded_and_move, setup, teardown),
        cmocka_unit_test_setup_teardown(organizations_take_nothing_from_each_other, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_too_long_is_not_learned, setup, teardown),
        cmocka_unit_test_setup_teardown(processes_that_live, setup, teardown),
        cmocka_unit_test_setup_teardown(one_name_with_two_lists_of_labels, setup, teardown),
        cmocka_unit_test_setup_teardown(apps_that_live, setup, teardown),
        cmocka_unit_test_setup_teardown(threads, setup, teardown),
    };
    return cmocka_run_group_tests_name("directory", tests, NULL, NULL);
}
