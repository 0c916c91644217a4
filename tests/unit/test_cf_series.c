/* Whose series are, for families of what apps print as well: they read the lines of both platforms. */
#include "families/cf_series.h"

#include <openssl/evp.h>
#include <stdio.h>

#include "store/directory.h"
#include "support.h"

#define OK VERDICT_RECOGNISED
#define NONE VERDICT_NOT_A_METRIC
#define TAGS "[tags@47450 app_name=\"shop\" instance_id=\"3\" process_type=\"worker\"]"
#define WHO ",process=\"web.0\",process_type=\"web\""

static void l2met(void **state)
{
    (void)state;
    check_cf("[APP/PROC/WEB/0]", "", "count#orders=3 measure#db=4ms sample#depth=5 source=eu", OK,
             "l2met_orders_total{app=\"acme/prod/shop\",process_type=\"web\",source=\"eu\"} 3\n"
             "l2met_db_seconds{app=\"acme/prod/shop\",process_type=\"web\",source=\"eu\"} 0.004\n"
             "l2met_depth{app=\"acme/prod/shop\",instance_index=\"0\"" WHO ",source=\"eu\"} gauge 5\n");
    assert_slice(recorded.last.process, "web.0");
    check_cf("[APP/PROC/WEB/0]", TAGS, "sample#depth=5", OK,
             "l2met_depth{app=\"acme/prod/shop\",instance_index=\"3\",process=\"worker.3\",process_type=\"worker\"} "
             "gauge 5\n");
    /* A task is no process. */
    check_cf("[APP/TASK/DB-MIGRATE/0]", "", "count#rows=3", OK, "l2met_rows_total{app=\"acme/prod/shop\"} 3\n");
    /* No app prints these. */
    check_cf("[CELL/0]", "", "count#orders=3", NONE, "");
    check_line("guid", "[APP/PROC/WEB/0]", "count#orders=3", NONE, "");
}

static void ingest(void **state)
{
    (void)state;
    const char json[] =
        "[{\"metric\":{\"name\":\"m\",\"tags\":{\"a\":\"b\",\"process\":\"x\"},\"gauge\":{\"value\":1}}}]";
    char line[512] = "crates-io-heroku-metrics:ingest ";
    EVP_EncodeBlock((unsigned char *)line + strlen(line), (const unsigned char *)json, sizeof json - 1);
    check_cf("[APP/PROC/WEB/0]", "", line, OK,
             "m{a=\"b\",app=\"acme/prod/shop\",instance_index=\"0\"" WHO "} gauge 1\n");
    assert_slice(recorded.last.process, "web.0");
    check_line("app", "web.1", line, OK, "m{a=\"b\",app=\"my-app\",process=\"web.1\"} gauge 1\n");
    recorded.context.cf_instance_labels = true;
    check_cf("[APP/PROC/WEB/0]", "", line, OK,
             "m{a=\"b\",app=\"acme/prod/shop\",index=\"0\",instance_id=\"0\",instance_index=\"0\"" WHO "} gauge 1\n");
    recorded.context.cf_instance_labels = false;
}

/* Promfetcher's labels of an instance, on the series of one alone. */
static void promfetchers_labels(void **state)
{
    (void)state;
    recorded.context.cf_instance_labels = true;
    check_cf("[APP/PROC/WEB/0]", "", "count#orders=3 sample#depth=5", OK,
             "l2met_orders_total{app=\"acme/prod/shop\",process_type=\"web\"} 3\n"
             "l2met_depth{app=\"acme/prod/shop\",index=\"0\",instance_id=\"0\",instance_index=\"0\"" WHO "} gauge 5\n");
    recorded.context.cf_instance_labels = false;
}

/* A line of a Cloud Foundry batch that names an author of Heroku's is none of its platform; what an app prints is read
 * still. */
static void authors_of_heroku(void **state)
{
    (void)state;
    static const struct cf_message nothing;
    recorded.context.cf = &nothing;
    check_line("heroku", "router", "at=error code=H10 method=GET dyno=web.1 status=503", NONE, "");
    check_line("heroku", "web.1", "State changed from starting to up", NONE, "");
    check_line("app", "heroku-postgres", "source=X addon=y sample#db_size=1bytes", NONE, "");
    check_line("heroku", "logplex", "Error L10 (output buffer overflow): 13 messages dropped since x.", NONE, "");
    recorded.context.cf = NULL;
    assert_int_equal(read_line(&recorded, "heroku", "web.1", "State changed from starting to up"), OK);
}

/* A batch may speak of as many processes as an app may have. */
static void names_of_many(void **state)
{
    (void)state;
    void *states[FAMILY_COUNT];
    assert_true(families_open(states));
    struct family_context context = {.states = states};
    for (int i = 0; i < 2 * DIRECTORY_PROCESSES_MAX; i++) {
        char index[16], name[24];
        snprintf(index, sizeof index, "%d", i / 2);
        snprintf(name, sizeof name, "%s.%d", i % 2 == 0 ? "web" : "clock", i / 2);
        assert_slice(cf_process_name(&context, i % 2 == 0 ? SLICE("web") : SLICE("clock"), slice_of(index)), name);
    }
    families_close(states);
}

/* Names last for as long as a batch is read, however many there are. */
static void names(void **state)
{
    (void)state;
    void *states[FAMILY_COUNT];
    assert_true(families_open(states));
    struct family_context context = {.states = states};
    struct slice kept[100];
    char index[16];
    for (int i = 0; i < 100; i++) {
        snprintf(index, sizeof index, "%d", i);
        kept[i] = cf_process_name(&context, SLICE("web"), slice_of(index));
    }
    for (int i = 0; i < 90000; i++) {
        snprintf(index, sizeof index, "%d", i);
        struct slice name = cf_process_name(&context, SLICE("worker"), slice_of(index));
        assert_true(name.length == 0 || slice_starts_with(name, SLICE("worker.")));
    }
    for (int i = 0; i < 100; i++) {
        snprintf(index, sizeof index, "web.%d", i);
        assert_slice(kept[i], index);
    }
    /* The next batch has room again. */
    families_begin_batch(&context);
    assert_slice(cf_process_name(&context, SLICE("new"), SLICE("1")), "new.1");
    assert_slice(cf_process_name(&context, SLICE("a.b"), SLICE("1")), "");
    assert_slice(cf_process_name(&context, SLICE("web"), SLICE("x")), "");
    assert_slice(cf_process_name(&context, SLICE("web"), SLICE("")), "");
    assert_slice(cf_process_name(&context, SLICE(""), SLICE("1")), "");
    families_close(states);
}

/* Values have no escapes; what is too much is told. */
static void labels(void **state)
{
    (void)state;
    static struct cf_labels labels;
    struct cf_message cf = {.process_type = SLICE("a\\\"b"), .instance = SLICE("0")};
    struct family_context context = {.app = SLICE("shop"), .cf = &cf, .cf_instance_labels = true};
    cf_labels_of_instance(&labels, &context);
    assert_int_equal(labels.count, 5);
    assert_slice(labels.list[1].value, "a\"b");
    static char longest[CF_LABELS_TEXT];
    memset(longest, '\\', sizeof longest);
    assert_false(cf_labels_add_escaped(&labels, SLICE("x"), (struct slice){longest, sizeof longest}));
    while (labels.count < IDENTITY_LABELS_MAX)
        assert_true(cf_labels_add(&labels, SLICE("x"), SLICE("y")));
    assert_false(cf_labels_add(&labels, SLICE("x"), SLICE("y")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(l2met), cmocka_unit_test(ingest),        cmocka_unit_test(promfetchers_labels),
        cmocka_unit_test(names), cmocka_unit_test(names_of_many), cmocka_unit_test(authors_of_heroku),
        cmocka_unit_test(labels)};
    return cmocka_run_group_tests_name("cf_series", tests, NULL, NULL);
}
