/* Whose a message of Cloud Foundry is. */
#include "intake/cf_apps.h"

#include <stdio.h>

#include "intake/syslog.h"
#include "support.h"

#define GUID "3517892b-f358-4da9-9282-e149eaa8dc96"
#define TAGS                     \
    "[tags@47450 app_id=\"" GUID \
    "\" app_name=\"my_shop\" organization_name=\"acme\" space_name=\"prod\" organization_id=\"o-1\"] "

static struct cf_apps *apps;

static int setup(void **state)
{
    (void)state;
    apps = cf_apps_create();
    return apps == NULL;
}

static int teardown(void **state)
{
    (void)state;
    cf_apps_free(apps);
    return 0;
}

static bool learns = true; /* the sender may speak for the app */

static struct cf_app find(const char *hostname, const char *guid, const char *data)
{
    char text[2000];
    struct line line;
    struct cf_message message;
    struct cf_app app;
    snprintf(text, sizeof text, "<14>1 2026-02-03T04:05:06Z %s %s [0] - %s", hostname, guid, data);
    assert_true(syslog_parse(slice_of(text), SYSLOG_RFC5424, &line));
    assert_true(cf_message_read(&line, &message));
    cf_apps_find(apps, &line, &message, &app);
    if (learns)
        cf_apps_learn(apps, &app);
    return app;
}

static void is_named(const struct cf_app *app, const char *name)
{
    char text[400];
    snprintf(text, sizeof text, "%.*s", (int)cf_app_name(app).length, cf_app_name(app).at);
    assert_string_equal(text, name);
}

/* The labels as text, name=value for each. */
static void has_labels(const struct cf_app *app, enum cf_labels which, const char *expected)
{
    struct label labels[CF_LABELS_MAX];
    char text[400] = "";
    size_t length = 0, count = cf_app_labels(app, which, labels);
    for (size_t i = 0; i < count; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "%.*s=%.*s ", (int)labels[i].name.length,
                                   labels[i].name.at, (int)labels[i].value.length, labels[i].value.at);
    assert_string_equal(text, expected);
}

static void by_tags(void **state)
{
    (void)state;
    struct cf_app app = find("acme.prod.myshop", GUID, TAGS);
    is_named(&app, "acme/prod/my_shop");
    has_labels(&app, CF_LABELS_NAMES, "organization_name=acme space_name=prod app_name=my_shop ");
    has_labels(&app, CF_LABELS_PROMFETCHER,
               "organization_name=acme space_name=prod app_name=my_shop organization_id=o-1 app_id=" GUID " ");
    has_labels(&app, CF_LABELS_NONE, "");
    app = find("h", "g", "[tags@47450 app_name=\"a \\\"b\\\"\" organization_name=\"o\" space_name=\"s\"] ");
    is_named(&app, "o/s/a \"b\"");
}

static void by_hostname(void **state)
{
    (void)state;
    struct cf_app app = find("acme.prod.shop", "g-1", "- hello");
    is_named(&app, "acme/prod/shop");
    has_labels(&app, CF_LABELS_PROMFETCHER, "");
    app = find("acme.prod", "g-2", "- hello");
    is_named(&app, "g-2");
    app = find("acme.prod.shop.more", "g-2", "- hello");
    is_named(&app, "g-2");
    app = find("acme..shop", "g-2", "- hello");
    is_named(&app, "g-2");
    app = find("-", "-", "- hello");
    is_named(&app, "-");
}

/* What tags have said once is known of messages of the same GUID that have none, and of no others. */
static void remembered(void **state)
{
    (void)state;
    struct cf_app app = find("acme.prod.myshop", "g-3", "- hello");
    is_named(&app, "acme/prod/myshop");
    find("acme.prod.myshop", "g-3",
         "[tags@47450 app_name=\"my_shop\" organization_name=\"acme\" space_name=\"prod\"] ");
    app = find("acme.prod.myshop", "g-3", "- hello");
    is_named(&app, "acme/prod/my_shop");
    has_labels(&app, CF_LABELS_NAMES, "organization_name=acme space_name=prod app_name=my_shop ");
    app = find("acme.prod.myshop", "g-4", "- hello");
    is_named(&app, "acme/prod/myshop");
    /* Names that do not make the HOSTNAME of the app are not believed of other messages, and another space takes away
     * nothing. */
    find("evil.prod.x", "g-3",
         "[tags@47450 app_name=\"x\" organization_name=\"evil\" process_type=\"p\" space_name=\"prod\"] ");
    app = find("acme.prod.myshop", "g-3", "- hello");
    is_named(&app, "acme/prod/my_shop");
    assert_slice(cf_app_process_type(&app), "");
    app = find("evil.prod.x", "g-3", "- hello");
    is_named(&app, "evil/prod/x");
    assert_slice(cf_app_process_type(&app), "p");
    find("acme.prod.other", "g-3", "[tags@47450 app_name=\"x\" organization_name=\"evil\" space_name=\"prod\"] ");
    app = find("acme.prod.other", "g-3", "- hello");
    is_named(&app, "acme/prod/other");
    /* renamed, as a blue-green deploy does */
    find("acme.prod.old", "g-3", "[tags@47450 app_name=\"old\" organization_name=\"acme\" space_name=\"prod\"] ");
    app = find("acme.prod.old", "g-3", "- hello");
    is_named(&app, "acme/prod/old");
}

#define TYPE(type)                                                                                \
    "[tags@47450 app_name=\"typed\" organization_name=\"acme\" space_name=\"prod\" process_type=" \
    "\"" type "\"] "

static void has_type(const char *guid, const char *data, const char *expected)
{
    struct cf_app app = find("acme.prod.typed", guid, data);
    assert_slice(cf_app_process_type(&app), expected);
}

/* The type is known if there is one; and not for ever unknown if a message does not tell it. */
static void process_types(void **state)
{
    (void)state;
    has_type("t-1", "- ", "");
    has_type("t-1", TYPE("no type"), "");
    has_type("t-1", TYPE("worker"), "worker");
    has_type("t-1", "- ", "worker");
    has_type("t-1", TYPE(""), "worker");
    has_type("t-1", TYPE("worker"), "worker");
    has_type("t-1", TYPE("web"), "");
    has_type("t-1", TYPE("web"), "");
    has_type("t-1", "- ", "");
    has_type("t-2", "- ", "");
    struct cf_app app = find("acme.prod.typed", "t-3", TYPE("web"));
    has_labels(&app, CF_LABELS_PROMFETCHER,
               "organization_name=acme space_name=prod app_name=typed app_id=t-3 "); /* is none of these */
}

static void restore_parts(void *others, const struct slice parts[CF_APP_PARTS])
{
    cf_apps_restore(others, parts);
}

/* From one start to the next. */
static void kept(void **state)
{
    (void)state;
    find("acme.prod.typed", "k-1", TYPE("clock"));
    find("acme.prod.typed", "k-2", TYPE("clock"));
    find("acme.prod.typed", "k-2", TYPE("web"));
    struct cf_apps *before = apps;
    apps = cf_apps_create();
    for (size_t position = 0; cf_apps_save(before, &position, restore_parts, apps);)
        ;
    cf_apps_free(before);
    has_type("k-1", "- ", "clock");
    has_type("k-2", TYPE("web"), "");
    struct slice parts[CF_APP_PARTS] = {SLICE("acme"), SLICE("prod"), SLICE("typed"), SLICE(""),
                                        SLICE(""),     SLICE("k-3"),  SLICE("")}; /* as older versions knew it */
    cf_apps_restore(apps, parts);
    has_type("k-3", TYPE("web"), "web");
}

static void not_learned(void **state)
{
    (void)state;
    learns = false;
    find("acme.prod.myshop", "not-learned", TAGS);
    learns = true;
    struct cf_app app = find("acme.prod.myshop", "not-learned", "- ");
    is_named(&app, "acme/prod/myshop");
}

static void bounds(void **state)
{
    (void)state;
    char data[1000], name[300];
    memset(name, 'n', sizeof name);
    name[250] = '\0';
    snprintf(data, sizeof data, "[tags@47450 app_name=\"%s\" organization_name=\"acme\" space_name=\"prod\"] ", name);
    struct cf_app app = find("-", "g-5", data); /* 260 bytes */
    is_named(&app, "g-5");
    app = find("-", "g-5", "[tags@47450 app_name=\"a/b\" organization_name=\"acme\" space_name=\"prod\"] ");
    is_named(&app, "g-5");
    for (int i = 0; i < 3 * CF_APPS_MAX; i++) {
        char guid[32];
        snprintf(guid, sizeof guid, "many-%d", i);
        find("o.s.a", guid, "[tags@47450 app_name=\"a\" organization_name=\"o\" space_name=\"s\"] ");
    }
    app = find("o.s.a", "many-12287", "- hello");
    has_labels(&app, CF_LABELS_NAMES, "organization_name=o space_name=s app_name=a ");
    app = find("o.s.a", "many-0", "- hello"); /* forgotten */
    has_labels(&app, CF_LABELS_NAMES, "");
}

/* A password that is bound to names tells what HOSTNAME cannot. */
static void bound(void **state)
{
    (void)state;
    struct cf_app app = find("acme.prod.shop", "b-1", "- hello");
    cf_app_bind(&app, SLICE(""), SLICE(""));
    is_named(&app, "acme/prod/shop");
    cf_app_bind(&app, SLICE("other"), SLICE("pr_od"));
    is_named(&app, "acme/pr_od/shop");
    cf_app_bind(&app, SLICE("ac_me"), SLICE("prod"));
    is_named(&app, "ac_me/pr_od/shop");
    assert_slice(cf_app_part(&app, CF_ORGANIZATION), "ac_me");
    assert_slice(cf_app_part(&app, CF_GUID), "b-1");
    /* tags are not bent, nor is what has no names */
    app =
        find("acme.prod.shop", "b-2", "[tags@47450 app_name=\"shop\" organization_name=\"acme\" space_name=\"prod\"] ");
    cf_app_bind(&app, SLICE("ac_me"), SLICE(""));
    is_named(&app, "acme/prod/shop");
    app = find("h", "b-3", "- hello");
    cf_app_bind(&app, SLICE("___"), SLICE("___"));
    is_named(&app, "b-3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_tags),       cmocka_unit_test(by_hostname), cmocka_unit_test(remembered),
        cmocka_unit_test(bounds),        cmocka_unit_test(not_learned), cmocka_unit_test(bound),
        cmocka_unit_test(process_types), cmocka_unit_test(kept),
    };
    return cmocka_run_group_tests_name("cf_apps", tests, setup, teardown);
}
