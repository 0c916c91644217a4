#include "store/restore.h"

#include <stdlib.h>

#include "store/store_internal.h"

/* ---- save ---- */

static uint64_t seen_by(const struct series *series, const struct value *value)
{
    return value != NULL ? value->seen : atomic_load_explicit(series_seen(series), memory_order_relaxed);
}

void restore_describe(const struct store_series_view *view, uint64_t now, uint64_t all_saw, struct saved_series *saved)
{
    const struct series *series = view->series;
    *saved = (struct saved_series){.metric = view->maker,
                                   .value = view->value,
                                   .cells = view->cells,
                                   .entity = series->entity,
                                   .app = series->group->app,
                                   .lifetime = series->lifetime,
                                   .seen_ago = now - seen_by(series, view->value),
                                   .born_ago = now - series->born,
                                   .was_seen = !series->starts_at_zero || series->born <= all_saw,
                                   .starts_at_zero = series->starts_at_zero,
                                   .exempt = series->exempt,
                                   .name_limited = series->name_limited,
                                   .overflow = series->overflow,
                                   .zero = series->zero};
    if (saved->seen_ago > INT64_MAX) /* since a moment after now */
        saved->seen_ago = 0;
}

/* ---- restore ---- */

/* A time of the monotonic clock, or 1, its first one, if it is of before the machine has started. */
static uint64_t time_of(uint64_t ago, uint64_t now)
{
    return ago < now ? now - ago : 1;
}

/* A series is as old as it was before anybody can find it: no other thread records. */
static void set_times(struct series *series, const struct saved_series *saved, uint64_t now)
{
    series->starts_at_zero = saved->starts_at_zero;
    series->born = saved->was_seen ? 0 : time_of(saved->born_ago, now);
    if (series->counted)
        atomic_store_explicit(series_seen(series), time_of(saved->seen_ago, now), memory_order_relaxed);
}

static void fill_cells(struct series *series, unsigned slot, const double *cells)
{
    for (unsigned cell = 0; cell < series_metric(series)->cells; cell++)
        store_add(series, slot, cell, cells[cell]);
}

/* A copy of the value, last seen when that was; also before the machine has started, in the circle of 64 bits. */
static struct value *copy_value(const struct saved_series *saved, uint64_t now)
{
    bool too_large;
    struct value *value = value_merge(NULL, saved->value, &too_large);
    if (value != NULL)
        value->seen = now - saved->seen_ago;
    return value;
}

enum store_result restore_series(struct store *store, unsigned slot, const struct identity *identity,
                                 const struct saved_series *saved, uint64_t now)
{
    struct store_terms terms = {.now = now,
                                .lifetime = saved->lifetime,
                                .entity = saved->entity,
                                .app = saved->app,
                                .exempt = saved->exempt,
                                .overflow = saved->overflow,
                                .name_limited = saved->name_limited,
                                .zero = saved->zero,
                                .was_within_bounds = saved->was_within_bounds};
    uint32_t hash;
    _Atomic(struct series *) *bucket = series_bucket(store, identity, &hash);
    if (series_find(bucket, hash, identity) != NULL)
        return STORE_RECORDED;
    struct birth birth = {.metric = saved->metric};
    if (saved->value != NULL && (birth.value = copy_value(saved, now)) == NULL)
        return STORE_NO_MEMORY;
    enum store_result result = series_create(store, bucket, identity, hash, &birth, &terms);
    if (result != STORE_CREATED) {
        free(birth.value);
        return result;
    }
    set_times(birth.created, saved, now);
    if (saved->cells != NULL)
        fill_cells(birth.created, slot, saved->cells);
    return STORE_CREATED;
}

/* ---- metrics ---- */

static bool is_same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool has_same_cells(const struct metric *a, const struct metric *b)
{
    if (a->cells != b->cells || !is_same_text(a->label, b->label))
        return false;
    for (unsigned i = 0; a->label != NULL && i < a->cells; i++)
        if (!is_same_text(a->label_values[i], b->label_values[i]))
            return false;
    return a->type != METRIC_HISTOGRAM || memcmp(a->bounds, b->bounds, (a->cells - 2) * sizeof a->bounds[0]) == 0;
}

static bool is_same_metric(const struct metric *a, const struct metric *b)
{
    return is_same_text(a->name, b->name) && is_same_text(a->help, b->help) && a->type == b->type &&
           a->self == b->self && a->of_rule == b->of_rule && a->volume == b->volume && a->chosen == b->chosen &&
           (a->cells == 0 ? b->cells == 0 : has_same_cells(a, b));
}

/* Can series be of it, counted ones if it has cells? */
static bool is_possible(const struct metric *metric)
{
    switch (metric->cells) {
    case 0:
        return metric->label == NULL;
    case 1:
        return metric->type == METRIC_COUNTER;
    default:
        return metric->cells <= METRIC_CELLS_MAX &&
               (metric->type == METRIC_HISTOGRAM ? metric->label == NULL
                                                 : metric->type == METRIC_COUNTER && metric->label != NULL);
    }
}

/* A copy that nobody frees. */
static bool copy_text(const char **text)
{
    return *text == NULL || (*text = strdup(*text)) != NULL;
}

static bool copy_values(struct metric *metric)
{
    if (metric->label == NULL)
        return true;
    const char **values = calloc(metric->cells, sizeof *values);
    bool copied = values != NULL;
    for (unsigned i = 0; copied && i < metric->cells; i++) {
        values[i] = metric->label_values[i];
        copied = copy_text(&values[i]);
    }
    metric->label_values = values;
    return copied;
}

static bool copy_bounds(struct metric *metric)
{
    if (metric->type != METRIC_HISTOGRAM || metric->cells == 0)
        return true;
    double *bounds = calloc(metric->cells, sizeof *bounds);
    if (bounds != NULL)
        memcpy(bounds, metric->bounds, (metric->cells - 2) * sizeof *bounds);
    metric->bounds = bounds;
    return bounds != NULL;
}

const struct metric *restore_metric(const struct metric *described)
{
    enum { MOST = 4096 };
    static struct metric *all[MOST];
    static size_t count;
    for (size_t i = count; i > 0; i--) /* it is often the last one */
        if (is_same_metric(all[i - 1], described))
            return all[i - 1];
    struct metric *metric = count == MOST || !is_possible(described) ? NULL : malloc(sizeof *metric);
    if (metric == NULL)
        return NULL;
    *metric = *described;
    metric->ended = false;
    metric->restored = true;
    all[count++] = metric; /* what it has must not be freed, even if there is not all of it */
    if (copy_text(&metric->name) && copy_text(&metric->help) && copy_text(&metric->label) && copy_values(metric) &&
        copy_bounds(metric))
        return metric;
    count--;
    return NULL;
}

bool restored_becomes(struct series *series, const struct metric *metric)
{
    const struct metric *restored = series_metric(series);
    if (!series->counted || restored->type != metric->type || restored->self != metric->self ||
        restored->chosen != metric->chosen || restored->of_rule != metric->of_rule || !has_same_cells(restored, metric))
        return false;
    /* Release to series_metric(): what reads it finds as many cells by either. */
    atomic_store_explicit(&series->metric, metric, memory_order_release);
    return true;
}
