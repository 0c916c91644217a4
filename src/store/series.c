#include <stdlib.h>

#include "store/store_internal.h"

/* A counted series notes at most once in this time (milliseconds) that it was seen; see refresh(). */
enum { REFRESH_INTERVAL = 1000 };

struct value store_dead_value;

/* ---- is it over? ---- */

bool series_is_over(const struct store *store, const struct series *series, uint64_t seen, uint64_t now)
{
    return metric_has_ended(series_metric(series)) || series_has_expired(series, seen, now) ||
           entities_is_over_after(store->settings.entities, series->entity, ENTITY_COUNTED, now,
                                  series_more_time(store, series));
}

static bool series_is_dead(const struct series *series)
{
    if (series->counted)
        return atomic_load_explicit(series_seen(series), memory_order_relaxed) == DEAD_SEEN;
    return atomic_load_explicit(&series->value, memory_order_relaxed) == &store_dead_value;
}

uint64_t series_refresh_interval(const struct series *series)
{
    uint64_t quarter = series->lifetime / 4;
    return quarter != 0 && quarter < REFRESH_INTERVAL ? quarter : REFRESH_INTERVAL;
}

/* ---- find ---- */

struct series *series_find(_Atomic(struct series *) *bucket, uint32_t hash, const struct identity *identity)
{
    struct series *series = atomic_load_explicit(bucket, memory_order_acquire);
    for (; series != NULL; series = atomic_load_explicit(&series->next_in_bucket, memory_order_acquire)) {
        if (series->hash == hash && slice_equals(series_labels(series), identity_labels(identity)) &&
            slice_equals(stored_metric_name(series->group->metric), identity_name(identity)) && !series_is_dead(series))
            return series;
    }
    return NULL;
}

/* ---- create and free ---- */

static void free_cells(struct series *series)
{
    if (series->counted)
        cells_free((struct cells){series->cells, series->position}, series_metric(series)->cells);
}

/* Has a page shown the app of an entity?  Or any page, if it has none. */
static bool is_scraped(const struct store *store, entity_id entity)
{
    const struct entities *entities = store->settings.entities;
    return entities != NULL && entities_was_on_page(entities, entities_app_of(entities, entity));
}

static struct series *allocate_series(struct store *store, const struct identity *identity, uint32_t hash,
                                      const struct birth *birth, const struct store_terms *terms)
{
    struct slice labels = identity_labels(identity);
    bool counted = birth->value == NULL;
    size_t offset = series_labels_offset(counted);
    struct cells cells = {0};
    size_t size = offset + labels.length;
    struct series *series = malloc(size > sizeof *series ? size : sizeof *series);
    if (series == NULL)
        return NULL;
    if (counted && !cells_take(&store->cells, birth->metric->cells, &cells)) {
        free(series);
        return NULL;
    }
    if (counted) {
        series->cells = cells.first;
        atomic_init(series_seen(series), terms->now);
    } else
        atomic_init(&series->value, birth->value);
    atomic_init(&series->metric, birth->metric);
    series->counted = counted;
    series->position = cells.position & (CELLS_ROW - 1);
    series->hash = hash & SERIES_HASH_MASK;
    series->lifetime = (uint32_t)terms->lifetime;
    series->entity = terms->entity;
    series->exempt = terms->exempt;
    series->name_limited = terms->name_limited;
    series->overflow = terms->overflow;
    series->zero = terms->zero;
    series->born = terms->now;
    series->starts_at_zero = birth->added_to && is_scraped(store, terms->entity);
    series->labels_length = labels.length & 0x1FFF;
    memcpy((char *)series + offset, labels.at, labels.length);
    return series;
}

void series_list_new(struct stored_metric *metric, struct series *newest, struct series *oldest)
{
    oldest->next = atomic_load_explicit(&metric->fresh, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&metric->fresh, &oldest->next, newest, memory_order_release,
                                                  memory_order_relaxed))
        ;
}

/* May the first series of a metric be made?  What would be refused must leave no metric and group behind, even for a
 * moment: an app can invent 50000 names in a batch, and to cut so many out of their lists takes seconds. */
static enum store_result check_first(struct store *store, const struct identity *identity, const struct birth *birth,
                                     unsigned weight, const struct store_terms *terms)
{
    if (terms->exempt || stored_metric_is_known(store, identity_name(identity)))
        return STORE_CREATED;
    struct group empty = {.app = terms->app, .chosen = metric_is_chosen(birth->metric)};
    return limits_check(store, &empty, weight, terms);
}

enum store_result series_create(struct store *store, _Atomic(struct series *) *bucket, const struct identity *identity,
                                uint32_t hash, struct birth *birth, const struct store_terms *terms)
{
    unsigned weight = birth->value != NULL ? value_weight(birth->value) : birth->metric->cells;
    /* The weight is added when the series is there: who is slower at making the same one must not be refused for it. So
     * the bound may be passed by one new series of each recording thread. */
    if (!terms->exempt && !limits_has_room(store, weight))
        return series_find(bucket, hash, identity) != NULL ? STORE_RECORDED : STORE_FULL;
    enum store_result result = check_first(store, identity, birth, weight, terms);
    if (result != STORE_CREATED)
        return result;
    result = STORE_NO_MEMORY;
    struct stored_metric *metric = stored_metric_hold(store, identity_name(identity), birth->metric);
    if (metric == NULL)
        return STORE_NO_MEMORY;
    struct group *group =
        group_hold(store, metric, terms->exempt ? ENTITY_NONE : terms->app, metric_is_chosen(birth->metric));
    if (group == NULL)
        goto release_metric;
    enum store_result bounded = limits_check(store, group, weight, terms);
    if (bounded != STORE_CREATED) {
        result = series_find(bucket, hash, identity) != NULL ? STORE_RECORDED : bounded;
        goto release_group;
    }
    struct series *series = allocate_series(store, identity, hash, birth, terms);
    if (series == NULL)
        goto release_group;
    series->group = group;
    stored_metric_note_type(metric, birth->value != NULL ? birth->value->type : COUNTED_TYPE + birth->metric->type);

    buckets_hold(&store->buckets, hash);
    struct series *head = atomic_load_explicit(bucket, memory_order_acquire);
    for (;;) {
        if (series_find(bucket, hash, identity) != NULL) {
            result = STORE_RECORDED;
            goto free_series;
        }
        atomic_store_explicit(&series->next_in_bucket, head, memory_order_relaxed);
        /* Release the filled-in series to the acquires in series_find().  The head was read before the search, so
         * success means that nothing came between that the search did not see. */
        if (atomic_compare_exchange_strong_explicit(bucket, &head, series, memory_order_release, memory_order_acquire))
            break;
    }
    /* Before the maintenance thread can know of the series and take its weight back. */
    if (!terms->exempt) {
        limits_charge(store, group, series_account(series), (long)weight);
        limits_count_series(store, group, series, 1);
        limits_note_labels(store, group, identity);
    }
    series_list_new(metric, series, series);
    birth->created = series;
    return STORE_CREATED;

free_series:
    buckets_release(&store->buckets, hash);
    free_cells(series);
    free(series);
release_group:
    count_release(&group->series);
release_metric:
    count_release(&metric->series);
    return result;
}

void series_free(void *item)
{
    struct series *series = item;
    free_cells(series);
    if (!series->counted && atomic_load(&series->value) != &store_dead_value)
        free(atomic_load(&series->value));
    free(series);
}

static void take_back(struct store *store, struct series *series, unsigned weight)
{
    if (series->exempt)
        return;
    limits_charge(store, series->group, series_account(series), -(long)weight);
    limits_count_series(store, series->group, series, -1);
}

bool series_end_counted(struct store *store, struct series *series, uint64_t seen)
{
    if (seen == DEAD_SEEN || !atomic_compare_exchange_strong_explicit(series_seen(series), &seen, DEAD_SEEN,
                                                                      memory_order_acq_rel, memory_order_relaxed))
        return false;
    take_back(store, series, series_metric(series)->cells);
    return true;
}

bool series_end_reported(struct store *store, unsigned slot, struct series *series, struct value *value)
{
    struct value *expected = value;
    if (value == &store_dead_value ||
        !atomic_compare_exchange_strong_explicit(&series->value, &expected, &store_dead_value, memory_order_acq_rel,
                                                 memory_order_relaxed))
        return false;
    take_back(store, series, value_weight(value));
    epoch_retire(&store->epochs, slot, value, value_bytes(value), free);
    return true;
}
