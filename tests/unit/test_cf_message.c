#include "families/cf_message.h"

#include "base/structured_data.h"
#include "support.h"

#define TAGS                                                                                                        \
    "[tags@47450 app_id=\"3517892b\" app_name=\"shop\" deployment=\"cf\" index=\"f57b6394\" instance_id=\"3\" "     \
    "organization_id=\"3d6d325e\" organization_name=\"acme\" process_id=\"3517892b\" process_instance_id=\"3cc3\" " \
    "process_type=\"web\" source_id=\"3517892b\" space_id=\"9a1d\" space_name=\"prod\"]"
#define GAUGE "[gauge@47450 name=\"memory\" value=\"77\" unit=\"bytes\"]"

static struct cf_message message;

static void read(const char *procid, const char *data)
{
    struct line line = {.appname = SLICE("some-guid"), .procid = slice_of(procid), .structured_data = slice_of(data)};
    assert_true(cf_message_read(&line, &message));
}

static void check_identity(void)
{
    assert_slice(message.organization, "acme");
    assert_slice(message.space, "prod");
    assert_slice(message.name, "shop");
    assert_slice(message.organization_id, "3d6d325e");
    assert_slice(message.space_id, "9a1d");
    assert_slice(message.app_id, "3517892b");
    assert_slice(message.process_type, "web");
    assert_slice(message.instance, "3");
    assert_slice(message.process_instance_id, "3cc3");
}

/* The agent writes the metric first, go-loggregator the tags; others may stand between. */
static void in_either_order(void **state)
{
    (void)state;
    static const char *const orders[] = {GAUGE TAGS, TAGS GAUGE, "[x@1]" TAGS "[y@2 name=\"disk\"]" GAUGE};
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        read("[3]", orders[i]);
        assert_int_equal(message.kind, CF_GAUGE);
        assert_slice(structured_data_find(message.metric, SLICE("name")), "memory");
        assert_slice(structured_data_find(message.tags, SLICE("deployment")), "cf");
        assert_slice(message.source, "");
        check_identity();
    }
}

static void kinds(void **state)
{
    (void)state;
    read("[1]", "[counter@47450 name=\"some-counter\" total=\"99\" delta=\"1\"]");
    assert_int_equal(message.kind, CF_COUNTER);
    read("[1]", "[timer@47450 name=\"http\" start=\"10\" stop=\"20\"]");
    assert_int_equal(message.kind, CF_TIMER);
    read("[1]", "[event@47450 title=\"event-title\" body=\"event-body\"]");
    assert_int_equal(message.kind, CF_EVENT);
    read("[1]", "[gauge@4745 name=\"memory\"]");
    assert_int_equal(message.kind, CF_LOG);
    /* The first of two counts. */
    read("[1]", GAUGE "[counter@47450 name=\"b\"]");
    assert_int_equal(message.kind, CF_GAUGE);
    read("[1]", "[tags@47450 app_name=\"a\"][tags@47450 app_name=\"b\"]");
    assert_slice(message.name, "a");
}

/* Without tags, APPNAME and PROCID tell something. */
static void without_tags(void **state)
{
    (void)state;
    static const struct {
        const char *procid, *source, *type, *instance;
    } cases[] = {
        {"[APP/PROC/WEB/0]", "APP", "web", "0"},
        {"[APP/REV/2/PROC/WORKER/12]", "APP", "worker", "12"},
        {"[APP/PROC/WEB/SIDECAR/PROXY/1]", "APP", "web", "1"},
        {"[APP/TASK/DB-MIGRATE/0]", "APP", "", "0"},
        {"[APP/2]", "APP", "", "2"},
        {"[0]", "", "", "0"},
        {"[CELL/3]", "CELL", "", "3"},
        {"[RTR/1]", "RTR", "", ""},
        {"[API/2]", "API", "", ""},
        {"[STG/0]", "STG", "", ""},
        {"[LGR/]", "LGR", "", ""},
        {"[TASK//2]", "TASK", "", "2"},
        {"[]", "", "", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        read(cases[i].procid, "");
        assert_int_equal(message.kind, CF_LOG);
        assert_slice(message.source, cases[i].source);
        assert_slice(message.process_type, cases[i].type);
        assert_slice(message.instance, cases[i].instance);
        assert_slice(message.app_id, "some-guid");
        assert_slice(message.name, "");
    }
    char procid[128] = "[APP/PROC/"; /* too long a type is none */
    memset(procid + 10, 'A', 70);
    strcpy(procid + 80, "/0]");
    read(procid, "");
    assert_slice(message.process_type, "");
}

/* The router's own number is no instance of an app, whatever the tags say. */
static void router(void **state)
{
    (void)state;
    read("[RTR/1]", TAGS);
    assert_slice(message.instance, "");
    assert_slice(message.process_type, "web");
}

static void of_others(void **state)
{
    (void)state;
    static const char *const procids[] = {"", "web.1", "router", "some-instance-id", "[", "]", "[0", "0]"};
    for (size_t i = 0; i < sizeof procids / sizeof procids[0]; i++) {
        struct line line = {.procid = slice_of(procids[i]), .structured_data = SLICE(GAUGE TAGS)};
        assert_false(cf_message_read(&line, &message));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_either_order), cmocka_unit_test(kinds),     cmocka_unit_test(without_tags),
        cmocka_unit_test(router),          cmocka_unit_test(of_others),
    };
    return cmocka_run_group_tests_name("cf_message", tests, NULL, NULL);
}
