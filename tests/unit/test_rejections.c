#include "server/rejections.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/secret.h"
#include "page_support.h"
#include "support.h"

enum { SLOT = 0, MAINTENANCE = 1, MINUTE = 60 * 1000 };

static struct entities *entities;
static struct store *store;
static struct rejections *rejections;
static uint64_t now;
static int saved_stderr;
static FILE *log_file;

static int setup(void **state)
{
    (void)state;
    now = 5000;
    entities = entities_create(&(struct entities_settings){.app_silence = 24 * 60 * MINUTE, .grace = MINUTE});
    store = store_create(&(struct store_settings){.max_series = 1, .slots = 2, .entities = entities});
    rejections = rejections_create();
    saved_stderr = dup(STDERR_FILENO);
    log_file = tmpfile();
    dup2(fileno(log_file), STDERR_FILENO);
    return rejections == NULL;
}

static int teardown(void **state)
{
    (void)state;
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    fclose(log_file);
    rejections_free(rejections);
    store_free(store);
    entities_free(entities);
    return 0;
}

static void note(enum rejection rejection, const char *user, const char *client)
{
    struct address address;
    assert_true(address_read(slice_of(client), &address));
    rejections_note(rejections, rejection, slice_of(user), &address);
}

static void report(void)
{
    store_enter(store, SLOT);
    rejections_report(rejections,
                      &(struct self_terms){.store = store, .slot = SLOT, .now = now, .entity = ENTITY_NONE});
    store_leave(store, SLOT);
}

/* What was logged since the last call, without the times. */
static const char *logged(void)
{
    static char text[65536];
    char line[4096];
    text[0] = '\0';
    rewind(log_file);
    while (fgets(line, sizeof line, log_file) != NULL)
        strncat(text, strstr(line, " warn ") + 6, sizeof text - strlen(text) - 1);
    rewind(log_file);
    assert_int_equal(ftruncate(fileno(log_file), 0), 0);
    return text;
}

static void page(void)
{
    page_take(store, MAINTENANCE, now);
}

static void are_counted_and_told(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        note(REJECTED_DRAIN_LOGIN, "shop", "192.0.2.1");
    note(REJECTED_DRAIN_LOGIN, "shop", "2001:db8::1");
    note(REJECTED_METRICS_LOGIN, "shop", "192.0.2.9");
    note(REJECTED_ALLOW_DRAIN, "ignored", "192.0.2.7");
    report();
    page();
    page_has("drain_exporter_login_failures_total{role=\"drain\",user=\"shop\"} 4");
    page_has("drain_exporter_login_failures_total{role=\"metrics\",user=\"shop\"} 1");
    page_has("drain_exporter_login_failures_total{role=\"drain\",user=\"__other__\"} 0");
    page_has("drain_exporter_clients_refused_total{reason=\"allow_drain\"} 1");
    page_has("drain_exporter_clients_refused_total{reason=\"allow_metrics\"} 0");
    const char *text = logged();
    assert_non_null(strstr(text, "log-in failed: the user shop of /drain, 4 times since this was last said, from "
                                 "192.0.2.1, 2001:db8::1\n"));
    assert_non_null(
        strstr(text, "log-in failed: the user shop of /metrics, 1 times since this was last said, from 192.0.2.9\n"));
    assert_non_null(
        strstr(text, "refused: 1 requests to /drain, because ALLOW_DRAIN lacks the address; from 192.0.2.7\n"));
    report();
    assert_string_equal(logged(), "");
}

static void one_line_a_minute(void **state)
{
    (void)state;
    note(REJECTED_DRAIN_LOGIN, "shop", "192.0.2.1");
    report();
    assert_string_not_equal(logged(), "");
    for (int i = 0; i < 5; i++)
        note(REJECTED_DRAIN_LOGIN, "shop", "192.0.2.2");
    report();
    now += MINUTE - 1;
    report();
    assert_string_equal(logged(), "");
    now += 1;
    report();
    assert_string_equal(logged(),
                        "log-in failed: the user shop of /drain, 5 times since this was last said, from 192.0.2.2\n");
    now += 10 * MINUTE;
    report();
    assert_string_equal(logged(), "");
    note(REJECTED_DRAIN_LOGIN, "shop", "192.0.2.3");
    report();
    assert_string_equal(logged(),
                        "log-in failed: the user shop of /drain, 1 times since this was last said, from 192.0.2.3\n");
}

static void many_addresses(void **state)
{
    (void)state;
    for (int i = 1; i <= 9; i++) {
        char client[32];
        snprintf(client, sizeof client, "192.0.2.%d", i);
        note(REJECTED_ALLOW_METRICS, "", client);
    }
    report();
    assert_string_equal(logged(),
                        "refused: 9 requests to /metrics, because ALLOW_METRICS lacks the address; from 192.0.2.1, "
                        "192.0.2.2, 192.0.2.3, 192.0.2.4 and others\n");
}

/* All users fail at once: their lines come one after the other, and none is lost. */
static void many_users(void **state)
{
    (void)state;
    for (int i = 0; i < 12; i++) {
        char user[32];
        snprintf(user, sizeof user, "user-%d", i);
        note(REJECTED_DRAIN_LOGIN, user, "192.0.2.1");
    }
    unsigned lines = 0;
    for (int second = 0; second < 2; second++) {
        report();
        report(); /* each worker does, once a second */
        unsigned more = 0;
        for (const char *at = logged(); *at != '\0'; at++)
            more += *at == '\n';
        assert_in_range(more, 1, 10);
        lines += more;
        now += 1000;
    }
    assert_int_equal(lines, 12);
}

/* Beyond the bound, and with names that are too long, they count as unknown. */
static void are_bounded(void **state)
{
    (void)state;
    for (int i = 0; i < 3000; i++) {
        char user[32];
        snprintf(user, sizeof user, "user-%d", i);
        note(REJECTED_DRAIN_LOGIN, user, "192.0.2.1");
    }
    char name[USER_MAX + 2] = "";
    memset(name, 'x', USER_MAX + 1);
    note(REJECTED_DRAIN_LOGIN, name, "192.0.2.1");
    report();
    page();
    page_has("drain_exporter_login_failures_total{role=\"drain\",user=\"user-0\"} 1");
    char expected[128];
    snprintf(expected, sizeof expected, "drain_exporter_login_failures_total{role=\"drain\",user=\"__other__\"} %d",
             3001 - (2048 - REJECTIONS)); /* each rejection has a slot of its own from the start */
    page_has(expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(are_counted_and_told, setup, teardown),
        cmocka_unit_test_setup_teardown(one_line_a_minute, setup, teardown),
        cmocka_unit_test_setup_teardown(many_addresses, setup, teardown),
        cmocka_unit_test_setup_teardown(many_users, setup, teardown),
        cmocka_unit_test_setup_teardown(are_bounded, setup, teardown),
    };
    return cmocka_run_group_tests_name("rejections", tests, NULL, NULL);
}
