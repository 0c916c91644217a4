#include "server/survey.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/version.h"

enum {
    APPS_A_STEP = 64,
    RULES_SHOWN = 200,
    PROCESSES_MAX = 60, /* that are named, of an app */
    SHAPES_MAX = 8,     /* of an app */
};

/* An app that is shown, unless a worse one comes. */
struct kept {
    struct status_app app;
    struct app_status found; /* which app points into */
    struct status_count families[FAMILY_COUNT], malformed[MALFORMATION_COUNT], lost[LOGPLEX_CODES],
        refused[REFUSED_REASONS], rejected[REJECTED_REASONS];
};

struct survey {
    struct survey_sources sources;
    struct accounts *accounts; /* a reference */
    const struct config_scrape *scrape;
    struct status status;
    char only[DIRECTORY_NAME_MAX + 1];
    size_t position;
    bool listed;          /* all apps were looked at */
    size_t described;     /* of those that are kept */
    size_t problem_count; /* of all apps */
    size_t kept_count;
    struct kept *kept[STATUS_APPS_MAX];
    struct kept *spare;
    struct unmatched_shape *shapes;
    size_t shape_count;
};

/* ---- one app ---- */

static void add_counts(struct status_counts *counts, struct status_count *list, const struct metric *metric,
                       const double *amounts, size_t count)
{
    *counts = (struct status_counts){.list = list};
    for (size_t i = 0; i < count; i++)
        status_count_add(counts, metric->label_values[i], amounts[i]);
    status_counts_sort(counts);
}

/* A minute before the program started has nothing to show. */
static void add_minutes(struct status_app *app, const struct app_status *found, double uptime)
{
    app->messages.known = app->errors.known = app->lags.known = true;
    double before = STATUS_MINUTES - 1 - uptime / 60;
    for (unsigned i = 0; i < STATUS_MINUTES; i++) {
        const struct app_status_minute *minute = &found->minutes[i];
        bool known = i >= before - 1;
        app->messages.values[i] = known ? minute->messages : NAN;
        app->errors.values[i] = known ? minute->failures : NAN;
        app->lags.values[i] = minute->lag < 0 ? NAN : minute->lag;
    }
}

static void fill(struct kept *kept, double uptime)
{
    const struct app_status *found = &kept->found;
    struct status_app *app = &kept->app;
    *app = (struct status_app){
        .name = found->name,
        .last_batch = (double)found->last_batch / 1e6,
        .messages_per_second = found->rate,
        .lag = found->lag < 0 ? NAN : found->lag,
        .received = found->messages,
        .ignored = found->ignored,
        .duplicate = found->duplicate,
        .foreign = found->foreign,
        .series_refused = found->series_refused,
        .series = (double)found->series,
        .series_limit = (double)found->series_limit,
        .messages_hour = found->hour.messages,
        .lost_hour = found->hour.lost,
        .unusable_hour = found->hour.unusable,
        .process_count = found->processes,
        .configured = found->last_batch == 0 && !found->is_others,
    };
    add_counts(&app->families, kept->families, &ledger_messages_recognised, found->recognised, FAMILY_COUNT);
    add_counts(&app->malformed, kept->malformed, &ledger_messages_malformed, found->malformed, MALFORMATION_COUNT);
    add_counts(&app->lost, kept->lost, &ledger_upstream_lost, found->lost, LOGPLEX_CODES);
    add_counts(&app->refused, kept->refused, &ledger_messages_refused, found->refused, REFUSED_REASONS);
    add_counts(&app->rejected, kept->rejected, &ledger_samples_rejected, found->rejected, REJECTED_REASONS);
    app->recognised = app->families.total;
    add_minutes(app, found, uptime);
}

/* ---- the worst ---- */

/* The worst first, then the busiest. */
static int compare(const struct status_app *a, const struct status_app *b)
{
    if (a->level != b->level)
        return (int)b->level - (int)a->level;
    if (a->received != b->received)
        return a->received < b->received ? 1 : -1;
    return strcmp(a->name, b->name);
}

static int compare_kept(const void *a, const void *b)
{
    return compare(&(*(struct kept *const *)a)->app, &(*(struct kept *const *)b)->app);
}

/* Keep the app that was read into spare, if it is one of the worst.  False if memory is short. */
static bool keep(struct survey *survey)
{
    struct kept **place = &survey->kept[survey->kept_count];
    if (survey->kept_count < STATUS_APPS_MAX)
        survey->kept_count++;
    else {
        place = &survey->kept[0];
        for (size_t i = 1; i < survey->kept_count; i++)
            if (compare(&survey->kept[i]->app, &(*place)->app) > 0)
                place = &survey->kept[i];
        if (compare(&survey->spare->app, &(*place)->app) >= 0)
            return true;
    }
    struct kept *former = *place;
    *place = survey->spare;
    survey->spare = former != NULL ? former : malloc(sizeof *former);
    return survey->spare != NULL;
}

static bool note_app(struct survey *survey)
{
    struct status *status = &survey->status;
    struct kept *kept = survey->spare;
    struct status_problem problem;
    fill(kept, status->now - status->started);
    if (kept->found.is_others && kept->app.received == 0)
        return true;
    size_t problems = status_judge_app(&kept->app, status->now, status->started, &problem, 1);
    survey->problem_count += problems;
    kept->app.level = problems > 0 ? problem.level : STATUS_WELL;
    if (kept->app.level > status->level)
        status->level = kept->app.level;
    status->app_count += !kept->found.is_others;
    status->received += kept->app.received;
    status->messages_per_second += kept->app.messages_per_second;
    return keep(survey);
}

static bool sees(const void *scrape, const struct directory_app *app)
{
    return config_scrape_sees(scrape, app->name);
}

/* Look at some apps.  Whether there are more. */
static bool list_apps(struct survey *survey, uint64_t now)
{
    const struct directory_viewer viewer = {sees, survey->scrape};
    const struct directory_viewer *viewing = survey->scrape == NULL ? NULL : &viewer;
    struct app_statuses *statuses = survey->sources.statuses;
    if (survey->only[0] != '\0') {
        if (app_statuses_find(statuses, slice_of(survey->only), now, viewing, &survey->spare->found))
            survey->status.failed |= !note_app(survey);
        return false;
    }
    for (unsigned i = 0; i < APPS_A_STEP && !survey->status.failed; i++) {
        if (!app_statuses_next(statuses, &survey->position, now, viewing, &survey->spare->found))
            return false;
        survey->status.failed |= !note_app(survey);
    }
    return !survey->status.failed;
}

/* ---- more about those that are shown ---- */

static void describe_processes(struct survey *survey, struct kept *kept, uint64_t now)
{
    struct status_app *app = &kept->app;
    char name[PROCESS_NAME_MAX + 1];
    app->processes = status_allocate(&survey->status, PROCESSES_MAX * sizeof *app->processes);
    if (app->processes == NULL || !kept->found.is_known)
        return;
    for (size_t at = 0; app->processes_shown < PROCESSES_MAX &&
                        directory_next_process(survey->sources.directory, &kept->found.app, &at, now, name);)
        app->processes[app->processes_shown++] = status_keep(&survey->status, slice_of(name));
}

static void describe_shapes(struct survey *survey, struct status_app *app)
{
    app->shapes = status_allocate(&survey->status, SHAPES_MAX * sizeof *app->shapes);
    for (size_t i = 0; app->shapes != NULL && i < survey->shape_count && app->shape_count < SHAPES_MAX; i++) {
        const struct unmatched_shape *shape = &survey->shapes[i];
        if (strcmp(shape->app, app->name) == 0)
            app->shapes[app->shape_count++] = (struct status_shape){
                .lines = (double)shape->count,
                .shape = shape->shape,
                .example = shape->example,
                .rule = shape->rule[0] == '\0' ? NULL : shape->rule,
            };
    }
}

/* Has an entry of drains the app? */
static bool is_configured(const struct survey *survey, const char *name)
{
    const struct configuration *configuration = accounts_configuration(survey->accounts);
    for (size_t i = 0; configuration != NULL && i < configuration->drain_count; i++)
        if (configuration->drains[i].app != NULL && strcmp(configuration->drains[i].app, name) == 0)
            return true;
    return false;
}

/* Describe the next app that is shown.  Whether there are more. */
static bool describe_app(struct survey *survey, uint64_t now)
{
    struct status *status = &survey->status;
    struct status_problem problems[STATUS_PROBLEM_KINDS];
    if (survey->described == survey->kept_count)
        return false;
    struct kept *kept = survey->kept[survey->described];
    struct status_app *app = &kept->app;
    app->configured = is_configured(survey, app->name);
    describe_processes(survey, kept, now);
    describe_shapes(survey, app);
    size_t count = status_judge_app(app, status->now, status->started, problems, STATUS_PROBLEM_KINDS);
    for (size_t i = 0; i < count; i++)
        status_add_problem(status, &problems[i]);
    status->apps[survey->described++] = *app;
    return true;
}

/* ---- the rest ---- */

static void list_shapes(struct survey *survey)
{
    survey->status.has_shapes = survey->sources.unmatched != NULL;
    if (survey->sources.unmatched == NULL)
        return;
    survey->shapes = malloc(UNMATCHED_SHAPES * sizeof *survey->shapes);
    if (survey->shapes == NULL)
        survey->status.failed = true;
    else /* of all apps: each takes its own */
        survey->shape_count = unmatched_most(survey->sources.unmatched, NULL, NULL, survey->shapes, UNMATCHED_SHAPES);
}

static void list_rules(struct survey *survey)
{
    struct status *status = &survey->status;
    struct rule_status *found = malloc(RULES_SHOWN * sizeof *found);
    status->rules = status_allocate(status, RULES_SHOWN * sizeof *status->rules);
    if (found != NULL && status->rules != NULL) {
        status->rule_count = app_statuses_rules(survey->sources.statuses, found, RULES_SHOWN);
        status->rules_shown = status->rule_count < RULES_SHOWN ? status->rule_count : RULES_SHOWN;
        for (size_t i = 0; i < status->rules_shown; i++)
            status->rules[i] = (struct status_rule){status_keep(status, slice_of(found[i].name)), found[i].is_off,
                                                    found[i].lines, found[i].errors, found[i].unread};
    } else
        status->failed = true;
    free(found);
}

static void describe_load(struct status *status, const struct load *load, struct status_load *described)
{
    described->time = (double)load->time / 1e6;
    described->source = load->source[0] == '\0' ? NULL : status_keep(status, slice_of(load->source));
    described->digest = load->digest[0] == '\0' ? NULL : status_keep(status, slice_of(load->digest));
    described->digest_is_keyed = load->digest_is_keyed;
    described->messages = status_keep(status, slice_of(load->mistakes));
}

static void list_loads(struct survey *survey)
{
    struct load *loads = calloc(2, sizeof *loads);
    if (loads == NULL) {
        survey->status.failed = true;
        return;
    }
    loads_read(survey->sources.loads, &loads[0], &loads[1]);
    describe_load(&survey->status, &loads[0], &survey->status.load);
    describe_load(&survey->status, &loads[1], &survey->status.failed_load);
    free(loads);
}

static void list_private(struct survey *survey)
{
    struct status *status = &survey->status;
    struct store_usage usage;
    store_usage(survey->sources.store, &usage);
    status->series = (double)usage.series;
    status->series_limit = (double)usage.limit;
    status->settings = survey->sources.settings;
    status->setting_count = survey->sources.setting_count;
    list_rules(survey);
    list_loads(survey);
}

/* ---- the whole ---- */

struct survey *survey_begin(const struct survey_sources *sources, const struct survey_question *question)
{
    struct survey *survey = calloc(1, sizeof *survey);
    struct kept *spare = malloc(sizeof *spare);
    if (survey == NULL || spare == NULL) {
        free(survey);
        free(spare);
        return NULL;
    }
    survey->sources = *sources;
    survey->accounts = accounts_ref(question->accounts);
    survey->scrape = question->scrape;
    survey->spare = spare;
    struct slice only = slice_beginning(question->only, DIRECTORY_NAME_MAX);
    if (only.length > 0)
        memcpy(survey->only, only.at, only.length);
    survey->status.version = VERSION;
    survey->status.now = (double)clock_wall() / 1e6;
    survey->status.started = (double)sources->started;
    survey->status.sees_all = question->scrape == NULL;
    survey->status.only = only.length > 0 ? survey->only : NULL;
    return survey;
}

/* All apps were looked at. */
static void end_list(struct survey *survey)
{
    struct status *status = &survey->status;
    survey->listed = true;
    qsort(survey->kept, survey->kept_count, sizeof *survey->kept, compare_kept);
    status->apps = status_allocate(status, STATUS_APPS_MAX * sizeof *status->apps);
    if (status->apps == NULL)
        return;
    status->apps_shown = survey->kept_count;
    list_shapes(survey);
    if (status->sees_all)
        list_private(survey);
}

bool survey_step(struct survey *survey, uint64_t now)
{
    if (survey->listed)
        return !survey->status.failed && describe_app(survey, now);
    if (!list_apps(survey, now))
        end_list(survey);
    return !survey->status.failed;
}

struct status *survey_status(struct survey *survey)
{
    return &survey->status;
}

void survey_end(struct survey *survey)
{
    if (survey == NULL)
        return;
    for (size_t i = 0; i < survey->kept_count; i++)
        free(survey->kept[i]);
    free(survey->spare);
    free(survey->shapes);
    status_free(&survey->status);
    accounts_unref(survey->accounts);
    free(survey);
}

struct status_setting *survey_list_settings(const struct settings *settings, size_t *count)
{
    struct settings_view view;
    size_t size = 0, length = 0;
    for (*count = 0; settings_look(settings, *count, &view); ++*count)
        length += view.value == NULL ? 0 : strlen(view.value) + 1;
    size = *count * sizeof(struct status_setting);
    struct status_setting *list = malloc(size + length);
    if (list == NULL)
        return NULL;
    char *text = (char *)list + size;
    for (size_t i = 0; i < *count && settings_look(settings, i, &view); i++) {
        list[i] = (struct status_setting){.name = view.name,
                                          .value = view.value == NULL ? NULL : strcpy(text, view.value),
                                          .origin = settings_origin_name(view.origin),
                                          .secret = view.is_secret};
        text += view.value == NULL ? 0 : strlen(view.value) + 1;
    }
    return list;
}
