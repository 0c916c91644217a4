#include "intake/app_status.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
    BUCKETS = 4096,
    MINUTE = 60 * 1000,   /* milliseconds */
    MARK_AGE = 15 * 1000, /* of a mark when the next one is made */
    FINE_LAGS = 1 << 15,  /* steps of 10 ms; those above are of 10 s */
    LOST_MOST = (1 << 28) - 1,
    COUNT_MOST = (1 << 24) - 1,
};

/* Where the counters of the ledger stand among those of an app. */
enum {
    MESSAGES,
    RECOGNISED,
    IGNORED = RECOGNISED + FAMILY_COUNT,
    MALFORMED,
    DUPLICATE = MALFORMED + MALFORMATION_COUNT,
    FOREIGN,
    REFUSED,
    LOST = REFUSED + REFUSED_REASONS,
    SAMPLES = LOST + LOGPLEX_CODES,
    OUTDATED,
    REJECTED,
    OVER_BOUNDS = REJECTED + REJECTED_REASONS, /* the sum of them */
    NUMBERS,
};

static const struct source {
    const struct metric *metric;
    unsigned first;
} sources[] = {
    {&ledger_messages_received, MESSAGES},   {&ledger_messages_recognised, RECOGNISED},
    {&ledger_messages_ignored, IGNORED},     {&ledger_messages_malformed, MALFORMED},
    {&ledger_messages_duplicate, DUPLICATE}, {&ledger_messages_foreign, FOREIGN},
    {&ledger_messages_refused, REFUSED},     {&ledger_upstream_lost, LOST},
    {&ledger_samples_recorded, SAMPLES},     {&ledger_samples_outdated, OUTDATED},
    {&ledger_samples_rejected, REJECTED},    {&ledger_series_refused, OVER_BOUNDS},
};

/* What the last hour is made of, at one time. */
struct measure {
    double messages, failures, unusable;
    double lost[LOGPLEX_CODES];
};

/* Batches whose lag is known, and its sum. */
struct lags {
    double batches, lag;
};

struct mark {
    uint64_t time;
    double messages;
    struct lags lags;
};

struct packed_minute {
    uint32_t messages;
    uint32_t lost : 28;
    uint32_t lost_by : LOGPLEX_CODES;
    uint64_t failures : 24;
    uint64_t unusable : 24;
    uint64_t lag : 16; /* 0: none; else one more than steps of 10 ms, from FINE_LAGS on of 10 s */
};
_Static_assert(sizeof(struct packed_minute) == 16 && LOGPLEX_CODES <= 4,
               "the last hour of an app takes less than 1 KB");

struct record {
    char *name;     /* owned */
    uint32_t next;  /* in its bucket: a position in records, and 1 */
    bool met;       /* in this update */
    bool is_new;    /* since the last update */
    bool was_there; /* and yet its counters were before */
    int64_t last_batch;
    double numbers[NUMBERS];
    double failures_met; /* so far in this update */
    struct lags lags;
    struct measure before;                            /* in the last update */
    struct lags lags_before;                          /* likewise */
    struct lags minute_began;                         /* as they were when the minute that runs did */
    struct mark marks[2];                             /* older, newer */
    struct packed_minute minutes[APP_STATUS_MINUTES]; /* by their number */
};

struct app_statuses {
    struct app_status_settings settings;
    uint64_t seed;
    pthread_mutex_t lock; /* the maintenance thread has it to write, all others to read */
    uint32_t buckets[BUCKETS];
    struct record *records[APP_STATUS_APPS_MAX];
    size_t end;       /* of the positions that were ever used */
    size_t app_count; /* those without a record included */
    size_t apps_met;
    uint64_t updated;
    uint64_t minute; /* the number of the one that runs */
    struct rule_status *rules, *rules_met;
    size_t rule_count, rule_met_count, rule_hint;
    /* The maintenance thread's own. */
    struct store_metric_view *views;
    size_t view_capacity;
};

struct app_statuses *app_statuses_create(const struct app_status_settings *settings)
{
    struct app_statuses *statuses = calloc(1, sizeof *statuses);
    if (statuses == NULL)
        return NULL;
    statuses->settings = *settings;
    pthread_mutex_init(&statuses->lock, NULL);
    statuses->rules = calloc(RULES_MAX, sizeof *statuses->rules);
    statuses->rules_met = calloc(RULES_MAX, sizeof *statuses->rules_met);
    if (statuses->rules != NULL && statuses->rules_met != NULL &&
        getrandom(&statuses->seed, sizeof statuses->seed, 0) == sizeof statuses->seed)
        return statuses;
    app_statuses_free(statuses);
    return NULL;
}

static void free_record(struct record *record)
{
    if (record != NULL)
        free(record->name);
    free(record);
}

void app_statuses_free(struct app_statuses *statuses)
{
    if (statuses == NULL)
        return;
    for (size_t i = 0; i < statuses->end; i++)
        free_record(statuses->records[i]);
    free(statuses->rules);
    free(statuses->rules_met);
    free(statuses->views);
    pthread_mutex_destroy(&statuses->lock);
    free(statuses);
}

/* ---- records ---- */

static uint32_t *bucket_of(struct app_statuses *statuses, struct slice name)
{
    return &statuses->buckets[XXH3_64bits_withSeed(name.at, name.length, statuses->seed) % BUCKETS];
}

static struct record *find_record(struct app_statuses *statuses, struct slice name)
{
    for (uint32_t at = *bucket_of(statuses, name); at != 0; at = statuses->records[at - 1]->next)
        if (slice_equals(slice_of(statuses->records[at - 1]->name), name))
            return statuses->records[at - 1];
    return NULL;
}

/* A record for an app whose counters are as old as that; NULL if there is no place for one, or memory is short. */
static struct record *add_record(struct app_statuses *statuses, struct slice name, uint64_t born)
{
    size_t at = 0;
    while (at < statuses->end && statuses->records[at] != NULL)
        at++;
    if (at == APP_STATUS_APPS_MAX)
        return NULL;
    struct record *record = calloc(1, sizeof *record);
    if (record == NULL || (record->name = strndup(name.at, name.length)) == NULL) {
        free(record);
        return NULL;
    }
    record->is_new = true;
    /* A batch may be some time on its way from its arrival, at which its series are born, to them. */
    record->was_there = statuses->updated == 0 || born + APP_STATUS_INTERVAL < statuses->updated;
    uint32_t *bucket = bucket_of(statuses, name);
    pthread_mutex_lock(&statuses->lock);
    record->next = *bucket;
    *bucket = (uint32_t)at + 1;
    statuses->records[at] = record;
    statuses->end = at == statuses->end ? at + 1 : statuses->end;
    pthread_mutex_unlock(&statuses->lock);
    return record;
}

/* With the lock held. */
static void remove_record(struct app_statuses *statuses, size_t position)
{
    struct record *record = statuses->records[position];
    uint32_t *at = bucket_of(statuses, slice_of(record->name));
    while (*at != position + 1)
        at = &statuses->records[*at - 1]->next;
    *at = record->next;
    statuses->records[position] = NULL;
    free_record(record);
}

/* ---- what is in the store ---- */

struct walk {
    struct app_statuses *statuses;
    const struct source *source; /* of what is walked; NULL: see metric */
    const struct metric *metric;
};

/* The value of a label, as it was before it was escaped.  False if there is no such label, or it is too long. */
static bool read_label(struct slice labels, struct slice name, char *out, size_t capacity)
{
    struct label label;
    while (identity_next_label(&labels, &label))
        if (slice_equals(label.name, name))
            return identity_unescape(label.value, out, capacity);
    return false;
}

/* The record of the app that a series is about.  can_be_new: its ledger begins with this series. */
static struct record *record_of(struct app_statuses *statuses, const struct store_series_view *series, bool can_be_new)
{
    char name[DIRECTORY_NAME_MAX + 1];
    if (!read_label(series->labels, SLICE("app"), name, sizeof name) || name[0] == '\0')
        return NULL;
    struct record *record = find_record(statuses, slice_of(name));
    if (record == NULL && can_be_new)
        record = add_record(statuses, slice_of(name), series->born);
    if (record != NULL && can_be_new)
        record->met = true;
    return record;
}

static double sum_of(const double *numbers, unsigned count)
{
    double sum = 0;
    for (unsigned i = 0; i < count; i++)
        sum += numbers[i];
    return sum;
}

static bool visit_counters(void *context, const struct store_series_view *series)
{
    struct walk *walk = context;
    bool begins = walk->source->first == MESSAGES;
    struct record *record = record_of(walk->statuses, series, begins);
    walk->statuses->apps_met += begins;
    if (record == NULL || series->cells == NULL)
        return true;
    unsigned first = walk->source->first, cells = series->metric->cells;
    pthread_mutex_lock(&walk->statuses->lock);
    if (first == OVER_BOUNDS)
        record->numbers[first] = sum_of(series->cells, cells);
    else
        memcpy(record->numbers + first, series->cells, cells * sizeof series->cells[0]);
    pthread_mutex_unlock(&walk->statuses->lock);
    return true;
}

static bool visit_last_batch(void *context, const struct store_series_view *series)
{
    struct walk *walk = context;
    struct record *record = record_of(walk->statuses, series, true);
    if (record == NULL || series->value == NULL)
        return true;
    pthread_mutex_lock(&walk->statuses->lock);
    record->last_batch = (int64_t)(series->value->number * 1e6);
    pthread_mutex_unlock(&walk->statuses->lock);
    return true;
}

static bool visit_lag(void *context, const struct store_series_view *series)
{
    struct walk *walk = context;
    struct record *record = record_of(walk->statuses, series, false);
    if (record == NULL || series->cells == NULL)
        return true;
    pthread_mutex_lock(&walk->statuses->lock);
    record->lags =
        (struct lags){sum_of(series->cells, series->metric->cells - 1), series->cells[series->metric->cells - 1]};
    pthread_mutex_unlock(&walk->statuses->lock);
    return true;
}

static bool visit_failures(void *context, const struct store_series_view *series)
{
    struct walk *walk = context;
    bool counts = series->metric != NULL && series->metric->failure && series->cells != NULL;
    struct record *record = counts ? record_of(walk->statuses, series, false) : NULL;
    if (record != NULL)
        record->failures_met += sum_of(series->cells, series->metric->cells);
    return true;
}

/* Rules are met in much the same order each time. */
static struct rule_status *rule_of(struct app_statuses *statuses, const char *name)
{
    for (size_t i = 0; i < statuses->rule_met_count; i++) {
        struct rule_status *rule = &statuses->rules_met[(statuses->rule_hint + i) % statuses->rule_met_count];
        if (strcmp(rule->name, name) == 0) {
            statuses->rule_hint = (size_t)(rule - statuses->rules_met) + 1;
            return rule;
        }
    }
    if (statuses->rule_met_count == RULES_MAX)
        return NULL;
    struct rule_status *rule = &statuses->rules_met[statuses->rule_met_count++];
    *rule = (struct rule_status){0};
    strcpy(rule->name, name);
    return rule;
}

static bool visit_rule(void *context, const struct store_series_view *series)
{
    struct walk *walk = context;
    char name[APP_STATUS_RULE_NAME];
    struct rule_status *rule = NULL;
    if (read_label(series->labels, SLICE("rule"), name, sizeof name))
        rule = rule_of(walk->statuses, name);
    if (rule == NULL)
        return true;
    if (walk->metric == &ledger_rule_disabled)
        rule->is_off = series->value != NULL && series->value->number != 0;
    else if (series->cells != NULL)
        *(walk->metric == &ledger_rule_lines    ? &rule->lines
          : walk->metric == &ledger_rule_errors ? &rule->errors
                                                : &rule->unread) = series->cells[0];
    return true;
}

typedef bool visitor(void *context, const struct store_series_view *series);

/* Who reads the series of a metric; NULL: nobody. */
static visitor *visitor_of(struct walk *walk, const struct metric *metric)
{
    walk->metric = metric;
    walk->source = NULL;
    if (metric == NULL)
        return NULL;
    if (metric->failure)
        return visit_failures;
    for (size_t i = 0; metric->self && i < COUNT(sources); i++)
        if (sources[i].metric == metric) {
            walk->source = &sources[i];
            return visit_counters;
        }
    if (metric == &ledger_last_batch)
        return visit_last_batch;
    if (metric == &ledger_line_lag)
        return visit_lag;
    bool of_rule = metric == &ledger_rule_lines || metric == &ledger_rule_errors || metric == &ledger_rule_unread ||
                   metric == &ledger_rule_disabled;
    return of_rule ? visit_rule : NULL;
}

/* List all metrics: *count of them.  False if memory is short. */
static bool list_metrics(struct app_statuses *statuses, size_t *count)
{
    /* Metrics may be created meanwhile, and the newest come first. */
    while ((*count = store_metrics(statuses->settings.store, statuses->views, statuses->view_capacity)) >
           statuses->view_capacity) {
        size_t capacity = *count + *count / 8 + 64;
        struct store_metric_view *views = realloc(statuses->views, capacity * sizeof *views);
        if (views == NULL)
            return false;
        statuses->views = views;
        statuses->view_capacity = capacity;
    }
    return true;
}

/* A series that makes records is read before those that do not. */
static bool makes_records(const struct metric *metric)
{
    return metric == &ledger_messages_received || metric == &ledger_last_batch;
}

/* Whether all that makes records was met. */
static bool read_store(struct app_statuses *statuses, unsigned slot, uint64_t now)
{
    size_t count;
    if (!list_metrics(statuses, &count))
        return false;
    bool complete = true;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < count; i++) {
            const struct store_metric_view *view = &statuses->views[i];
            struct walk walk = {.statuses = statuses};
            visitor *visit = makes_records(view->metric) == (pass == 0) ? visitor_of(&walk, view->metric) : NULL;
            statuses->rule_hint = 0;
            if (visit != NULL)
                complete &= store_each_series(statuses->settings.store, slot, view->handle, now, visit, &walk);
        }
    }
    return complete;
}

/* ---- minutes ---- */

static struct measure measure_of(const struct record *record)
{
    const double *numbers = record->numbers;
    struct measure measure = {.messages = numbers[MESSAGES],
                              .failures = record->failures_met,
                              .unusable = sum_of(numbers + MALFORMED, MALFORMATION_COUNT) + numbers[FOREIGN] +
                                          sum_of(numbers + REFUSED, REFUSED_REASONS) +
                                          sum_of(numbers + REJECTED, REJECTED_REASONS) + numbers[OVER_BOUNDS]};
    memcpy(measure.lost, numbers + LOST, sizeof measure.lost);
    return measure;
}

/* What was there, and is more now; no more than most. */
static uint32_t risen(uint32_t there, double before, double after, uint32_t most)
{
    double sum = (double)there + (after > before ? after - before : 0);
    return sum < most ? (uint32_t)sum : most;
}

static uint16_t pack_lag(double lag)
{
    double fine = lag * 100;
    if (fine < FINE_LAGS)
        return (uint16_t)((fine < 0 ? 0 : (unsigned)(fine + 0.5)) + 1);
    double coarse = FINE_LAGS + 1 + lag / 10;
    return coarse < UINT16_MAX ? (uint16_t)coarse : UINT16_MAX;
}

static double unpack_lag(uint16_t packed)
{
    return packed == 0 ? -1 : packed <= FINE_LAGS ? (packed - 1) / 100.0 : (packed - 1 - FINE_LAGS) * 10.0;
}

/* The mean between two times; -1: there was no batch. */
static double mean_lag(const struct lags *from, const struct lags *to)
{
    if (to->batches <= from->batches)
        return -1;
    double lag = (to->lag - from->lag) / (to->batches - from->batches);
    return lag > 0 ? lag : 0;
}

static void add_to_minute(struct record *record, struct packed_minute *minute, const struct measure *now)
{
    const struct measure *before = &record->before;
    minute->messages = risen(minute->messages, before->messages, now->messages, UINT32_MAX);
    minute->failures = risen(minute->failures, before->failures, now->failures, COUNT_MOST);
    minute->unusable = risen(minute->unusable, before->unusable, now->unusable, COUNT_MOST);
    for (unsigned code = 0; code < LOGPLEX_CODES; code++) {
        minute->lost = risen(minute->lost, before->lost[code], now->lost[code], LOST_MOST);
        minute->lost_by |= (uint32_t)(now->lost[code] > before->lost[code]) << code;
    }
    double lag = mean_lag(&record->minute_began, &record->lags);
    minute->lag = lag < 0 ? 0 : pack_lag(lag);
}

/* The minutes since the last update, up to the one of now, begin empty. */
static void begin_minutes(struct app_statuses *statuses, struct record *record, uint64_t minute)
{
    uint64_t first = statuses->minute + 1;
    if (minute >= first + APP_STATUS_MINUTES)
        first = minute - APP_STATUS_MINUTES + 1;
    for (uint64_t i = first; i <= minute; i++)
        record->minutes[i % APP_STATUS_MINUTES] = (struct packed_minute){0};
    if (minute != statuses->minute)
        record->minute_began = record->lags_before;
}

static void start_record(const struct app_statuses *statuses, struct record *record, const struct measure *measure,
                         uint64_t now)
{
    record->is_new = false;
    if (record->was_there) {
        record->before = *measure;
        record->lags_before = record->minute_began = record->lags;
    }
    record->marks[0] = record->marks[1] =
        (struct mark){record->was_there ? now : statuses->updated, record->before.messages, record->lags_before};
}

static void finish_record(struct app_statuses *statuses, struct record *record, uint64_t now)
{
    struct measure measure = measure_of(record);
    if (record->is_new)
        start_record(statuses, record, &measure, now);
    begin_minutes(statuses, record, now / MINUTE);
    add_to_minute(record, &record->minutes[now / MINUTE % APP_STATUS_MINUTES], &measure);
    record->before = measure;
    record->lags_before = record->lags;
    if (now >= record->marks[1].time + MARK_AGE) {
        record->marks[0] = record->marks[1];
        record->marks[1] = (struct mark){now, measure.messages, record->lags};
    }
}

/* ---- update ---- */

static void start_update(struct app_statuses *statuses)
{
    for (size_t i = 0; i < statuses->end; i++)
        if (statuses->records[i] != NULL) {
            statuses->records[i]->met = false;
            statuses->records[i]->failures_met = 0;
        }
    statuses->apps_met = 0;
    statuses->rule_met_count = 0;
}

void app_statuses_update(struct app_statuses *statuses, unsigned slot, uint64_t now)
{
    start_update(statuses);
    bool complete = read_store(statuses, slot, now);
    pthread_mutex_lock(&statuses->lock);
    for (size_t i = 0; i < statuses->end; i++) {
        struct record *record = statuses->records[i];
        if (record != NULL && complete && !record->met)
            remove_record(statuses, i);
        else if (record != NULL)
            finish_record(statuses, record, now);
    }
    struct rule_status *rules = statuses->rules;
    statuses->rules = statuses->rules_met;
    statuses->rules_met = rules;
    statuses->rule_count = statuses->rule_met_count;
    statuses->app_count = statuses->apps_met;
    statuses->minute = now / MINUTE;
    statuses->updated = now;
    pthread_mutex_unlock(&statuses->lock);
}

/* ---- reading ---- */

static struct app_status_minute unpack(struct packed_minute minute)
{
    return (struct app_status_minute){.messages = minute.messages,
                                      .failures = minute.failures,
                                      .unusable = minute.unusable,
                                      .lost = minute.lost,
                                      .lost_by = minute.lost_by,
                                      .lag = unpack_lag(minute.lag)};
}

static uint32_t add_capped(uint32_t a, uint32_t b)
{
    return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

static void add_up(struct app_status_minute *hour, const struct app_status_minute *minute)
{
    hour->messages = add_capped(hour->messages, minute->messages);
    hour->failures = add_capped(hour->failures, minute->failures);
    hour->unusable = add_capped(hour->unusable, minute->unusable);
    hour->lost = add_capped(hour->lost, minute->lost);
    hour->lost_by |= minute->lost_by;
    hour->lag = minute->lag > hour->lag ? minute->lag : hour->lag;
}

static void copy_minutes(const struct record *record, uint64_t minute, struct app_status *status)
{
    status->hour = (struct app_status_minute){.lag = -1};
    for (unsigned i = 0; i < APP_STATUS_MINUTES; i++) {
        status->minutes[i] = unpack(record->minutes[(minute + 1 + i) % APP_STATUS_MINUTES]);
        add_up(&status->hour, &status->minutes[i]);
    }
}

static void copy_numbers(const double *numbers, struct app_status *status)
{
    status->messages = numbers[MESSAGES];
    status->ignored = numbers[IGNORED];
    status->duplicate = numbers[DUPLICATE];
    status->foreign = numbers[FOREIGN];
    status->samples = numbers[SAMPLES];
    status->outdated = numbers[OUTDATED];
    status->series_refused = numbers[OVER_BOUNDS];
    memcpy(status->recognised, numbers + RECOGNISED, sizeof status->recognised);
    memcpy(status->malformed, numbers + MALFORMED, sizeof status->malformed);
    memcpy(status->refused, numbers + REFUSED, sizeof status->refused);
    memcpy(status->lost, numbers + LOST, sizeof status->lost);
    memcpy(status->rejected, numbers + REJECTED, sizeof status->rejected);
}

/* With the lock held. */
static void copy_record(const struct app_statuses *statuses, const struct record *record, struct app_status *status)
{
    const struct mark *from = &record->marks[0];
    uint64_t span = statuses->updated > from->time ? statuses->updated - from->time : 0;
    *status = (struct app_status){.is_others = strcmp(record->name, "__other__") == 0,
                                  .last_batch = record->last_batch,
                                  .failures = record->before.failures,
                                  .lag = mean_lag(&from->lags, &record->lags),
                                  .series_limit = statuses->settings.max_app_series,
                                  .elapsed = (unsigned)(statuses->updated % MINUTE)};
    strcpy(status->name, record->name);
    if (span > 0 && record->before.messages > from->messages)
        status->rate = (record->before.messages - from->messages) * 1e3 / (double)span;
    copy_numbers(record->numbers, status);
    copy_minutes(record, statuses->minute, status);
    for (unsigned i = APP_STATUS_MINUTES; i > 0 && status->lag < 0; i--)
        status->lag = status->minutes[i - 1].lag;
}

/* What is known of the app elsewhere. */
static void describe(const struct app_status_settings *settings, uint64_t now, struct app_status *status)
{
    status->is_known = !status->is_others && directory_find(settings->directory, DIRECTORY_NAME, slice_of(status->name),
                                                            now, NULL, &status->app);
    if (!status->is_known) {
        status->app = (struct directory_app){0};
        strcpy(status->app.name, status->name);
        return;
    }
    char name[PROCESS_NAME_MAX + 1];
    for (size_t at = 0; directory_next_process(settings->directory, &status->app, &at, now, name);)
        status->processes++;
    for (unsigned i = 0; i < status->app.scope.count; i++)
        for (int account = 0; account <= ENTITY_ZERO_LINES; account++) {
            long lines = entities_add(settings->entities, status->app.scope.apps[i], (enum entity_account)account, 0);
            status->series += lines > 0 ? (size_t)lines : 0;
        }
}

static bool may_see(const struct directory_viewer *viewer, const struct app_status *status)
{
    return viewer == NULL || viewer->sees(viewer->who, &status->app);
}

bool app_statuses_next(struct app_statuses *statuses, size_t *position, uint64_t now,
                       const struct directory_viewer *viewer, struct app_status *status)
{
    for (bool found = true; found;) {
        found = false;
        pthread_mutex_lock(&statuses->lock);
        while (!found && *position < statuses->end) {
            const struct record *record = statuses->records[(*position)++];
            found = record != NULL && !record->is_new;
            if (found)
                copy_record(statuses, record, status);
        }
        pthread_mutex_unlock(&statuses->lock);
        if (!found)
            return false;
        describe(&statuses->settings, now, status);
        if (may_see(viewer, status))
            return true;
    }
    return false;
}

bool app_statuses_find(struct app_statuses *statuses, struct slice name, uint64_t now,
                       const struct directory_viewer *viewer, struct app_status *status)
{
    pthread_mutex_lock(&statuses->lock);
    const struct record *record = find_record(statuses, name);
    bool found = record != NULL && !record->is_new;
    if (found)
        copy_record(statuses, record, status);
    pthread_mutex_unlock(&statuses->lock);
    if (!found)
        return false;
    describe(&statuses->settings, now, status);
    return may_see(viewer, status);
}

size_t app_statuses_count(struct app_statuses *statuses)
{
    pthread_mutex_lock(&statuses->lock);
    size_t count = statuses->app_count;
    pthread_mutex_unlock(&statuses->lock);
    return count;
}

uint64_t app_statuses_updated(struct app_statuses *statuses)
{
    pthread_mutex_lock(&statuses->lock);
    uint64_t updated = statuses->updated;
    pthread_mutex_unlock(&statuses->lock);
    return updated;
}

size_t app_statuses_rules(struct app_statuses *statuses, struct rule_status *rules, size_t capacity)
{
    pthread_mutex_lock(&statuses->lock);
    size_t count = statuses->rule_count;
    if (capacity > 0)
        memcpy(rules, statuses->rules, (count < capacity ? count : capacity) * sizeof *rules);
    pthread_mutex_unlock(&statuses->lock);
    return count;
}
