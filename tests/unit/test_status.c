/* The status document: what is wrong, in words; the same as JSON and as HTML. */
#include "output/status.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "output/status_html.h"
#include "output/status_json.h"
#include "support.h"

enum { HOUR = 3600, DAY = 86400 };

static const double now = 1795641360, started = 1795641360 - 10 * DAY;

/* ---- texts ---- */

static void durations(void **state)
{
    (void)state;
    static const struct {
        double seconds;
        const char *text;
    } cases[] = {
        {0, "0 s"},    {-5, "0 s"},         {59.9, "59 s"},     {60, "1 min"}, {14 * 60, "14 min"},
        {3600, "1 h"}, {3900, "1 h 5 min"}, {90000, "1 d 1 h"}, {NAN, "-"},    {400 * DAY, "400 d"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[STATUS_TEXT_MAX];
        status_duration(cases[i].seconds, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void numbers(void **state)
{
    (void)state;
    static const struct {
        double number;
        const char *text, *rate;
    } cases[] = {
        {0, "0", "0"},
        {999, "999", "999"},
        {1000, "1,000", "1,000"},
        {1234567, "1,234,567", "1,234,567"},
        {-1234, "-1,234", "-1,234"},
        {0.123, "0", "0.12"},
        {12.34, "12", "12.3"},
        {NAN, "-", "-"},
        {INFINITY, "-", "-"},
        {1e300, "1e+300", "1e+300"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[STATUS_TEXT_MAX];
        status_number(cases[i].number, text);
        assert_string_equal(text, cases[i].text);
        status_rate(cases[i].number, text);
        assert_string_equal(text, cases[i].rate);
    }
}

static void times(void **state)
{
    (void)state;
    char text[STATUS_TEXT_MAX];
    status_time(1770091506, text);
    assert_string_equal(text, "2026-02-03T04:05:06Z");
    status_time(NAN, text);
    assert_string_equal(text, "-");
    status_time(1e300, text);
    assert_string_equal(text, "-");
}

/* ---- what is wrong ---- */

static struct status_app app_that_is_well(void)
{
    struct status_app app = {.name = "my-app",
                             .last_batch = now - 3,
                             .lag = 0.2,
                             .received = 1e6,
                             .messages_hour = 1000,
                             .series = 100,
                             .series_limit = 1000};
    return app;
}

/* The only problem of the app, as "level text"; "" if there is none. */
static const char *judged(const struct status_app *app)
{
    static char said[256];
    struct status_problem problems[STATUS_PROBLEM_KINDS];
    size_t count = status_judge_app(app, now, started, problems, STATUS_PROBLEM_KINDS);
    if (count == 0)
        return "";
    assert_int_equal(count, 1);
    assert_string_equal(problems[0].app, app->name);
    struct buffer text = {0};
    status_problem_text(&problems[0], &text);
    snprintf(said, sizeof said, "%s %.*s", status_level_name(problems[0].level), (int)text.length, text.at);
    buffer_free(&text);
    return said;
}

static void silence(void **state)
{
    (void)state;
    struct status_app app = app_that_is_well();
    assert_string_equal(judged(&app), "");
    app.last_batch = now - 14 * 60;
    assert_string_equal(judged(&app), "ticket no batch for 14 min, and it was busy before");
    app.last_batch = now - 16 * 60;
    assert_string_equal(judged(&app), "page no batch for 16 min, and it was busy before");
    app.received = 50; /* an app that says little need not be missed */
    assert_string_equal(judged(&app), "");
    app.last_batch = now - 7 * HOUR;
    assert_string_equal(judged(&app), "ticket no batch for 7 h");
    app.last_batch = 0;
    app.configured = true;
    assert_string_equal(
        judged(&app),
        "ticket it is in the configuration, and has posted nothing in the 10 d since the exporter started");
}

static void losses(void **state)
{
    (void)state;
    struct status_count codes[] = {{"L10", 42}};
    struct status_app app = app_that_is_well();
    app.lost = (struct status_counts){codes, 1, 1000};
    assert_string_equal(judged(&app), ""); /* they were lost before the last hour */
    app.lost_hour = 42;
    assert_string_equal(judged(&app), "ticket 42 messages lost before they reached us (L10) in the last hour");
    app.lost_hour = 100;
    assert_string_equal(judged(&app), "page 100 messages lost before they reached us (L10) in the last hour");
    app.lost_hour = NAN;
    assert_string_equal(judged(&app), "ticket 1,000 messages lost before they reached us (L10) since the start");
}

static void what_is_of_no_use(void **state)
{
    (void)state;
    struct status_count reasons[] = {{"json", 20000}};
    struct status_app app = app_that_is_well();
    app.malformed = (struct status_counts){reasons, 1, 20000};
    assert_string_equal(judged(&app), "");
    app.unusable_hour = 1;
    assert_string_equal(judged(&app), "ticket 20,000 messages that could not be read (json) since the start");
    app.received = 1e9; /* a few among many are nobody's mistake */
    assert_string_equal(judged(&app), "");
    app.foreign = 1;
    assert_string_equal(judged(&app), "ticket 1 messages of a sender who may not speak for it since the start");
}

static void lag_and_series(void **state)
{
    (void)state;
    struct status_app app = app_that_is_well();
    app.lag = 61;
    assert_string_equal(judged(&app), "ticket its lines arrive 1 min late");
    app.lag = NAN;
    assert_string_equal(judged(&app), "");
    app.series = 950;
    assert_string_equal(judged(&app), "ticket 95 % of the series that there may be are used");
    app.series_limit = 0;
    assert_string_equal(judged(&app), "");
}

static const char *judged_whole(struct status *status)
{
    static char said[256];
    status_judge(status);
    struct buffer text = {0};
    said[0] = '\0';
    if (status->problems_shown > 0) {
        assert_int_equal(status->problem_count, 1);
        assert_int_equal(status->level, status->problems[0].level);
        status_problem_text(&status->problems[0], &text);
        snprintf(said, sizeof said, "%s %.*s", status_level_name(status->level), (int)text.length, text.at);
    }
    buffer_free(&text);
    return said;
}

static void whole(void **state)
{
    (void)state;
    const struct status well = {.now = now,
                                .started = started,
                                .sees_all = true,
                                .series = 10,
                                .series_limit = 1000,
                                .load = {.time = started}};
    struct status status = well;
    assert_string_equal(judged_whole(&status), "");
    status = well;
    status.series = 985;
    assert_string_equal(judged_whole(&status), "page 98 % of the series that there may be are used");
    status = well;
    status.has_tls = true;
    status.certificate_expiry = now + 13 * DAY;
    assert_string_equal(judged_whole(&status), "ticket the TLS certificate expires in 13 d");
    status = well;
    status.has_tls = true;
    status.certificate_expiry = now - 1;
    assert_string_equal(judged_whole(&status), "page the TLS certificate has expired");
    status = well;
    status.failed_load.time = now - 120;
    assert_string_equal(
        judged_whole(&status),
        "ticket the configuration could not be read 2 min ago, and the one before it is still in force");
    status.load.time = now - 60; /* mended */
    status.problem_count = status.problems_shown = 0;
    assert_string_equal(judged_whole(&status), "");
    struct status_login logins[] = {{"drain", "__other__", 5, now - 1}, {"drain", "shop", 5, now - 10}};
    status = well;
    status.logins = logins;
    status.logins_shown = 2;
    assert_string_equal(judged_whole(&status), "page a log-in with a wrong password failed 10 s ago (shop)");
    struct status_credential credentials[] = {{"drain", "shop", "previous", true, now - 60},
                                              {"drain", "blog", "previous", true, now - 2 * HOUR},
                                              {"drain", "blog", "current", false, now - 60}};
    status = well;
    status.credentials = credentials;
    status.credentials_shown = 3;
    assert_string_equal(judged_whole(&status), "ticket the previous password was used 1 min ago (shop)");
    struct status_rule rules[] = {{"slow", true, 1, 10, 0}, {"good", false, 1, 0, 0}};
    status = well;
    status.rules = rules;
    status.rules_shown = 2;
    assert_string_equal(judged_whole(&status),
                        "ticket a rule is switched off, because its expression takes too long (slow)");
    status.sees_all = false; /* it is nobody's business */
    status.problem_count = status.problems_shown = 0;
    assert_string_equal(judged_whole(&status), "");
}

/* The worst are kept, each in its place. */
static void worst_first(void **state)
{
    (void)state;
    struct status status = {.now = now};
    for (int i = 0; i < 200; i++)
        status_add_problem(&status, &(struct status_problem){.level = i % 4 == 0 ? STATUS_PAGE : STATUS_TICKET,
                                                             .kind = STATUS_APP_QUIET,
                                                             .number = i});
    assert_int_equal(status.problem_count, 200);
    assert_int_equal(status.problems_shown, STATUS_PROBLEMS_MAX);
    for (int i = 0; i < STATUS_PROBLEMS_MAX; i++) {
        assert_int_equal(status.problems[i].level, STATUS_PAGE);
        assert_int_equal((int)status.problems[i].number, 4 * i);
    }
    assert_int_equal(status.level, STATUS_PAGE);
}

/* ---- both ways to write it ---- */

#define HOSTILE "\"'><script>alert(1)</script><!--\n\x1B\xFF &lt; ]]>"

/* A document in which all that comes from logs, users and files is hostile. */
static void make_hostile(struct status *status)
{
    static struct status_count counts[] = {{HOSTILE, 3}};
    static const struct status_counts some = {counts, 1, 3};
    static const char *processes[] = {HOSTILE};
    static struct status_shape shapes[] = {{3, HOSTILE, HOSTILE, HOSTILE}};
    static struct status_rule rules[] = {{HOSTILE, false, 1, 2, 3}};
    static struct status_credential credentials[] = {{"drain", HOSTILE, "current", false, 1}};
    static struct status_login logins[] = {{"metrics", HOSTILE, 1, 1}};
    static const struct status_setting settings[] = {{"LISTEN_ADDRESS", HOSTILE, "flag", false},
                                                     {"PASSWORD_DRAIN", "set", "variable", true}};
    static struct status_app app;
    app = app_that_is_well();
    app.name = HOSTILE;
    app.malformed = app.lost = app.refused = app.rejected = app.families = some;
    app.processes = processes;
    app.process_count = app.processes_shown = 1;
    app.shapes = shapes;
    app.shape_count = 1;
    app.messages.known = app.errors.known = app.lags.known = true;
    app.lags.values[3] = NAN;
    app.series_refused = 4;
    *status = (struct status){.version = "1",
                              .now = now,
                              .started = started,
                              .sees_all = true,
                              .only = HOSTILE,
                              .apps = &app,
                              .app_count = 200,
                              .apps_shown = 1,
                              .series_limit = 1000,
                              .refused_clients = some,
                              .rules = rules,
                              .rule_count = 1,
                              .rules_shown = 1,
                              .has_shapes = true,
                              .credentials = credentials,
                              .credential_count = 1,
                              .credentials_shown = 1,
                              .logins = logins,
                              .login_count = 1,
                              .logins_shown = 1,
                              .settings = settings,
                              .setting_count = 2,
                              .load = {.time = 1, .source = HOSTILE, .digest = HOSTILE},
                              .failed_load = {.time = 2, .source = HOSTILE, .messages = HOSTILE}};
    status_add_problem(
        status,
        &(struct status_problem){
            .level = STATUS_PAGE, .kind = STATUS_MESSAGES_LOST, .app = HOSTILE, .number = 1, .detail = HOSTILE});
    status_judge(status);
}

static size_t count_of(struct slice text, const char *what)
{
    size_t count = 0, length = strlen(what);
    for (const char *at = text.at, *end = text.at + text.length;
         (at = memmem(at, (size_t)(end - at), what, length)) != NULL; at += length)
        count++;
    return count;
}

static void html_of_hostile_texts(void **state)
{
    (void)state;
    struct status status;
    struct buffer out = {0};
    make_hostile(&status);
    status_write_html(&status, &out);
    assert_false(out.failed);
    struct slice page = {out.at, out.length};
    assert_int_equal(count_of(page, "<script>"), 1); /* ours */
    assert_int_equal(count_of(page, "alert(1)</script>"), 0);
    assert_int_equal(count_of(page, "<!--"), 0);
    assert_true(count_of(page, "&lt;script&gt;alert(1)") > 15);
    assert_int_equal(count_of(page, "\x1B"), 0);
    assert_int_equal(count_of(page, "\xFF"), 0);
    assert_int_equal(count_of(page, "style=\""), 0); /* the policy forbids it */
    assert_int_equal(count_of(page, "These are 1 of 200 apps, the worst first."), 3);
    assert_int_equal(count_of(page, "<section"), STATUS_SECTIONS);
    assert_int_equal(count_of(page, "<caption>"), count_of(page, "<table"));
    buffer_free(&out);
}

static const cJSON *member(const cJSON *object, const char *name)
{
    const cJSON *found = cJSON_GetObjectItemCaseSensitive(object, name);
    assert_non_null(found);
    return found;
}

static void json_of_hostile_texts(void **state)
{
    (void)state;
    struct status status;
    struct buffer out = {0};
    make_hostile(&status);
    assert_true(status_write_json(&status, STATUS_SECTIONS, &out));
    struct json *json = json_create(out.length + 1);
    const cJSON *document = json_read(json, (struct slice){out.at, out.length});
    assert_non_null(document);
    const cJSON *working = member(document, "working");
    const cJSON *problem = cJSON_GetArrayItem(member(member(working, "problems"), "list"), 0);
    assert_string_equal(member(problem, "problem")->valuestring, "MessagesLost");
    const cJSON *apps = member(working, "apps");
    assert_int_equal(member(apps, "count")->valueint, 200);
    assert_int_equal(member(apps, "shown")->valueint, 1);
    const cJSON *app = cJSON_GetArrayItem(member(apps, "list"), 0);
    assert_true(member(member(app, "messages"), "received")->valuedouble == 1e6);
    const cJSON *lags =
        member(cJSON_GetArrayItem(member(member(member(document, "rates"), "apps"), "list"), 0), "lag_seconds");
    assert_int_equal(cJSON_GetArraySize(lags), STATUS_MINUTES);
    assert_true(cJSON_IsNull(cJSON_GetArrayItem(lags, 3)));
    assert_non_null(
        strstr(member(cJSON_GetArrayItem(member(member(document, "settings"), "settings"), 0), "value")->valuestring,
               "<script>"));
    json_free(json);
    buffer_free(&out);
}

/* Who may see some apps alone gets nothing else, in either. */
static void own_apps_only(void **state)
{
    (void)state;
    struct status status;
    struct buffer html = {0}, json = {0};
    make_hostile(&status);
    status.sees_all = false;
    status_write_html(&status, &html);
    assert_true(status_write_json(&status, STATUS_SECTIONS, &json));
    struct slice texts[] = {{html.at, html.length}, {json.at, json.length}};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(count_of(texts[i], "PASSWORD_DRAIN"), 0);
        assert_int_equal(count_of(texts[i], "LISTEN_ADDRESS"), 0);
        assert_int_equal(count_of(texts[i], "\"credentials\""), 0);
        assert_int_equal(count_of(texts[i], "MAX_SERIES"), 0);
        assert_int_equal(count_of(texts[i], "Passwords and tokens"), 0);
    }
    assert_int_equal(count_of(texts[0], "<section"), 3);
    buffer_free(&html);
    buffer_free(&json);
}

static void sections(void **state)
{
    (void)state;
    struct status status;
    make_hostile(&status);
    for (unsigned i = 0; i < STATUS_SECTIONS; i++) {
        enum status_section section;
        struct buffer out = {0};
        assert_true(status_section_of(slice_of(status_section_name((enum status_section)i)), &section));
        assert_int_equal(section, i);
        assert_true(status_write_json(&status, section, &out));
        assert_int_equal(out.at[0], '{');
        buffer_free(&out);
    }
    enum status_section section;
    assert_false(status_section_of(SLICE("workin"), &section));
    assert_false(status_section_of(SLICE(""), &section));
}

static void memory(void **state)
{
    (void)state;
    struct status status = {0};
    for (size_t size = 1; size < 300000; size = size * 3 + 1) {
        char *block = status_allocate(&status, size);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % 16, 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(block[i], 0);
        memset(block, 'x', size);
    }
    assert_string_equal(status_keep(&status, SLICE("text")), "text");
    assert_string_equal(status_keep(&status, SLICE("")), "");
    status_free(&status);
    assert_null(status.memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations),
        cmocka_unit_test(numbers),
        cmocka_unit_test(times),
        cmocka_unit_test(silence),
        cmocka_unit_test(losses),
        cmocka_unit_test(what_is_of_no_use),
        cmocka_unit_test(lag_and_series),
        cmocka_unit_test(whole),
        cmocka_unit_test(worst_first),
        cmocka_unit_test(html_of_hostile_texts),
        cmocka_unit_test(json_of_hostile_texts),
        cmocka_unit_test(own_apps_only),
        cmocka_unit_test(sections),
        cmocka_unit_test(memory),
    };
    return cmocka_run_group_tests_name("status", tests, NULL, NULL);
}
