#include "output/status_json.h"

#include <math.h>

#include "base/json.h"

enum {
    MEMORY = 16 << 20, /* bytes for cJSON's items, of which only those are used that are there */
    LENGTH_MAX = 8 << 20,
};

/* ---- items ---- */

static void add(cJSON *object, const char *name, cJSON *item)
{
    if (item != NULL)
        cJSON_AddItemToObjectCS(object, name, item);
}

static void add_number(cJSON *object, const char *name, double number)
{
    add(object, name, isfinite(number) ? cJSON_CreateNumber(number) : cJSON_CreateNull());
}

static void add_text(cJSON *object, const char *name, const char *text)
{
    add(object, name, text == NULL ? cJSON_CreateNull() : cJSON_CreateStringReference(text));
}

static void add_truth(cJSON *object, const char *name, bool truth)
{
    add(object, name, cJSON_CreateBool(truth));
}

/* A time; 0 becomes null: never. */
static void add_time(cJSON *object, const char *name, double seconds)
{
    add_number(object, name, seconds > 0 ? seconds : NAN);
}

static void add_counts(cJSON *object, const char *name, const struct status_counts *counts)
{
    cJSON *list = cJSON_CreateObject();
    for (size_t i = 0; i < counts->count; i++)
        cJSON_AddNumberToObject(list, counts->list[i].name, counts->list[i].count);
    add(object, name, list);
}

static cJSON *add_list(cJSON *object, const char *name)
{
    cJSON *list = cJSON_CreateArray();
    add(object, name, list);
    return list;
}

static cJSON *add_entry(cJSON *list)
{
    cJSON *entry = cJSON_CreateObject();
    cJSON_AddItemToArray(list, entry);
    return entry;
}

/* A list that may be cut: how many there are, and how many of them are here. */
static cJSON *add_cut_list(cJSON *object, const char *name, size_t count, size_t shown)
{
    cJSON *cut = cJSON_CreateObject();
    add(object, name, cut);
    add_number(cut, "count", (double)count);
    add_number(cut, "shown", (double)shown);
    return add_list(cut, "list");
}

/* ---- sections ---- */

static void add_problem(cJSON *list, const struct status_problem *problem)
{
    struct buffer text = {0};
    cJSON *entry = add_entry(list);
    add_text(entry, "severity", status_level_name(problem->level));
    add_text(entry, "problem", status_problem_name(problem->kind));
    add_text(entry, "app", problem->app);
    status_problem_text(problem, &text);
    buffer_append(&text, (struct slice){"", 1});
    if (!text.failed)
        add(entry, "text", cJSON_CreateString(text.at));
    buffer_free(&text);
}

static void add_app(cJSON *list, const struct status_app *app)
{
    cJSON *entry = add_entry(list);
    add_text(entry, "app", app->name);
    add_text(entry, "state", status_level_name(app->level));
    add_truth(entry, "configured", app->configured);
    add_time(entry, "last_batch_timestamp_seconds", app->last_batch);
    add_number(entry, "messages_per_second", app->messages_per_second);
    add_number(entry, "lag_seconds", app->lag);
    cJSON *messages = cJSON_CreateObject();
    add(entry, "messages", messages);
    add_number(messages, "received", app->received);
    add_number(messages, "recognised", app->recognised);
    add_number(messages, "ignored", app->ignored);
    add_number(messages, "duplicate", app->duplicate);
    add_number(messages, "foreign", app->foreign);
    add_counts(messages, "malformed", &app->malformed);
    add_counts(messages, "refused", &app->refused);
    add_counts(entry, "lost_upstream", &app->lost);
    add_counts(entry, "samples_rejected", &app->rejected);
    cJSON *series = cJSON_CreateObject();
    add(entry, "series", series);
    add_number(series, "held", app->series);
    add_number(series, "limit", app->series_limit > 0 ? app->series_limit : NAN);
    add_number(series, "refused_samples", app->series_refused);
    cJSON *hour = cJSON_CreateObject();
    add(entry, "last_hour", hour);
    add_number(hour, "messages", app->messages_hour);
    add_number(hour, "lost_upstream", app->lost_hour);
    add_number(hour, "unusable", app->unusable_hour);
}

static void add_canary(cJSON *section, const struct status_canary *canary)
{
    cJSON *object = canary->is_set ? cJSON_CreateObject() : cJSON_CreateNull();
    add(section, "canary", object);
    if (!canary->is_set)
        return;
    add_time(object, "last_success_timestamp_seconds", canary->last_success);
    add_number(object, "latency_seconds", canary->last_success > 0 ? canary->latency : NAN);
    add_truth(object, "elsewhere", canary->is_elsewhere);
    add_text(object, "error", canary->error);
}

static cJSON *make_working(const struct status *status)
{
    cJSON *section = cJSON_CreateObject();
    add_text(section, "state", status_level_name(status->level));
    cJSON *problems = add_cut_list(section, "problems", status->problem_count, status->problems_shown);
    for (size_t i = 0; i < status->problems_shown; i++)
        add_problem(problems, &status->problems[i]);
    add_number(section, "messages_per_second", status->messages_per_second);
    add_number(section, "messages_received", status->received);
    if (status->sees_all) {
        cJSON *series = cJSON_CreateObject();
        add(section, "series", series);
        add_number(series, "held", status->series);
        add_number(series, "limit", status->series_limit);
        add_number(section, "connections", status->connections);
        add_counts(section, "clients_refused", &status->refused_clients);
        add_canary(section, &status->canary);
    }
    cJSON *apps = add_cut_list(section, "apps", status->app_count, status->apps_shown);
    for (size_t i = 0; i < status->apps_shown; i++)
        add_app(apps, &status->apps[i]);
    return section;
}

static void add_shape(cJSON *list, const struct status_shape *shape)
{
    cJSON *entry = add_entry(list);
    add_number(entry, "lines", shape->lines);
    add_text(entry, "shape", shape->shape);
    add_text(entry, "example", shape->example);
    add_text(entry, "rule", shape->rule);
}

static void add_sight(const struct status *status, cJSON *list, const struct status_app *app)
{
    cJSON *entry = add_entry(list);
    add_text(entry, "app", app->name);
    add_counts(entry, "families", &app->families);
    cJSON *processes = add_cut_list(entry, "processes", app->process_count, app->processes_shown);
    for (size_t i = 0; i < app->processes_shown; i++)
        cJSON_AddItemToArray(processes, cJSON_CreateStringReference(app->processes[i]));
    if (!status->has_shapes) {
        add(entry, "unmatched", cJSON_CreateNull());
        return;
    }
    cJSON *shapes = add_list(entry, "unmatched");
    for (size_t i = 0; i < app->shape_count; i++)
        add_shape(shapes, &app->shapes[i]);
}

static cJSON *make_sees(const struct status *status)
{
    cJSON *section = cJSON_CreateObject();
    cJSON *apps = add_cut_list(section, "apps", status->app_count, status->apps_shown);
    for (size_t i = 0; i < status->apps_shown; i++)
        add_sight(status, apps, &status->apps[i]);
    if (!status->sees_all)
        return section;
    cJSON *rules = add_cut_list(section, "rules", status->rule_count, status->rules_shown);
    for (size_t i = 0; i < status->rules_shown; i++) {
        const struct status_rule *rule = &status->rules[i];
        cJSON *entry = add_entry(rules);
        add_text(entry, "rule", rule->name);
        add_truth(entry, "off", rule->off);
        add_number(entry, "lines", rule->lines);
        add_number(entry, "errors", rule->errors);
        add_number(entry, "values_unread", rule->unread);
    }
    return section;
}

static void add_minutes(cJSON *object, const char *name, const struct status_minutes *minutes)
{
    if (!minutes->known) {
        add(object, name, cJSON_CreateNull());
        return;
    }
    cJSON *list = add_list(object, name);
    for (size_t i = 0; i < STATUS_MINUTES; i++)
        cJSON_AddItemToArray(list,
                             isnan(minutes->values[i]) ? cJSON_CreateNull() : cJSON_CreateNumber(minutes->values[i]));
}

static cJSON *make_rates(const struct status *status)
{
    cJSON *section = cJSON_CreateObject();
    add_number(section, "interval_seconds", 60);
    cJSON *apps = add_cut_list(section, "apps", status->app_count, status->apps_shown);
    for (size_t i = 0; i < status->apps_shown; i++) {
        const struct status_app *app = &status->apps[i];
        cJSON *entry = add_entry(apps);
        add_text(entry, "app", app->name);
        add_minutes(entry, "messages", &app->messages);
        add_minutes(entry, "errors", &app->errors);
        add_minutes(entry, "lag_seconds", &app->lags);
    }
    return section;
}

static cJSON *make_speakers(const struct status *status)
{
    cJSON *section = cJSON_CreateObject();
    cJSON *credentials = add_cut_list(section, "credentials", status->credential_count, status->credentials_shown);
    for (size_t i = 0; i < status->credentials_shown; i++) {
        const struct status_credential *credential = &status->credentials[i];
        cJSON *entry = add_entry(credentials);
        add_text(entry, "role", credential->role);
        add_text(entry, "name", credential->name);
        add_text(entry, "slot", credential->slot);
        add_time(entry, "last_used_timestamp_seconds", credential->last_used);
    }
    cJSON *logins = add_cut_list(section, "login_failures", status->login_count, status->logins_shown);
    for (size_t i = 0; i < status->logins_shown; i++) {
        const struct status_login *login = &status->logins[i];
        cJSON *entry = add_entry(logins);
        add_text(entry, "role", login->role);
        add_text(entry, "user", login->user);
        add_number(entry, "failures", login->failures);
        add_time(entry, "last_timestamp_seconds", login->last);
    }
    add_truth(section, "tls", status->has_tls);
    add_time(section, "certificate_expiry_timestamp_seconds", status->has_tls ? status->certificate_expiry : NAN);
    return section;
}

static cJSON *make_load(const struct status_load *load, bool is_failed)
{
    if (!(load->time > 0))
        return cJSON_CreateNull();
    cJSON *object = cJSON_CreateObject();
    add_time(object, "timestamp_seconds", load->time);
    add_text(object, "source", load->source);
    if (is_failed)
        add_text(object, "messages", load->messages);
    else
        add_text(object, "sha256", load->digest);
    return object;
}

static cJSON *make_settings(const struct status *status)
{
    cJSON *section = cJSON_CreateObject();
    cJSON *settings = add_list(section, "settings");
    for (size_t i = 0; i < status->setting_count; i++) {
        const struct status_setting *setting = &status->settings[i];
        cJSON *entry = add_entry(settings);
        add_text(entry, "name", setting->name);
        add_text(entry, "value", setting->value);
        add_text(entry, "origin", setting->origin);
        add_truth(entry, "secret", setting->secret);
    }
    cJSON *configuration = cJSON_CreateObject();
    add(section, "configuration", configuration);
    add(configuration, "last_load", make_load(&status->load, false));
    add(configuration, "last_failed_load", make_load(&status->failed_load, true));
    return section;
}

static cJSON *make_section(const struct status *status, enum status_section section)
{
    static cJSON *(*const makers[STATUS_SECTIONS])(const struct status *) = {
        [STATUS_WORKING] = make_working,   [STATUS_SEES] = make_sees,         [STATUS_RATES] = make_rates,
        [STATUS_SPEAKERS] = make_speakers, [STATUS_SETTINGS] = make_settings,
    };
    return makers[section](status);
}

static cJSON *make_all(const struct status *status)
{
    cJSON *document = cJSON_CreateObject();
    add_text(document, "version", status->version);
    add_time(document, "timestamp_seconds", status->now);
    add_time(document, "start_timestamp_seconds", status->started);
    add_text(document, "sees", status->sees_all ? "all" : "own apps");
    for (unsigned i = 0; i < STATUS_SECTIONS; i++)
        if (status->sees_all || !status_section_is_private((enum status_section)i))
            add(document, status_section_name((enum status_section)i), make_section(status, (enum status_section)i));
    return document;
}

bool status_write_json(const struct status *status, enum status_section section, struct buffer *out)
{
    struct json *json = json_create(MEMORY / 32);
    if (json == NULL)
        return false;
    json_start(json);
    const cJSON *document = section == STATUS_SECTIONS ? make_all(status) : make_section(status, section);
    bool is_whole = json_stop(json) && document != NULL && json_write(document, LENGTH_MAX, out);
    json_free(json);
    return is_whole;
}
