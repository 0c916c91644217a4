#include <stdlib.h>

#include "store/store_internal.h"

/* ---- counted series ---- */

/* Note that a counted series was seen; false where it is dead.  The note is renewed only when it is REFRESH_INTERVAL
 * old (or a quarter of a short lifetime), so the word is mostly read.  The series cannot be marked dead between this
 * and the adding that follows, unless the thread sleeps for the rest of the lifetime in between. */
static bool refresh(struct series *series, uint64_t now)
{
    uint64_t interval = series_refresh_interval(series);
    uint64_t seen = atomic_load_explicit(series_seen(series), memory_order_relaxed);
    while (seen != DEAD_SEEN && seen + interval <= now)
        if (atomic_compare_exchange_weak_explicit(series_seen(series), &seen, now, memory_order_acq_rel,
                                                  memory_order_relaxed))
            return true;
    return seen != DEAD_SEEN;
}

/* Make place for a series of the same identity, where this one's metric has ended: see there.  Whether there is. */
static bool end_series(struct store *store, struct series *series)
{
    if (series->counted == NULL || !metric_has_ended(series->counted))
        return false;
    series_mark_dead(store, series, atomic_load_explicit(series_seen(series), memory_order_relaxed));
    return true;
}

/* Mark a series dead whose entity is over where the caller's is not: it was another's, or will be swept any moment. */
static bool evict(struct store *store, struct series *series, const struct store_terms *terms)
{
    struct entities *entities = store->settings.entities;
    if (series->entity == terms->entity || !entities_is_over(entities, series->entity, ENTITY_COUNTED, terms->now) ||
        entities_is_over(entities, terms->entity, ENTITY_COUNTED, terms->now))
        return false;
    series_mark_dead(store, series, atomic_load_explicit(series_seen(series), memory_order_relaxed));
    return true;
}

/* May a sample of metric be counted in a series of counted?  Two rules may give one metric other labels, and a label
 * without a value is none. */
static bool counts_alike(const struct metric *counted, const struct metric *metric)
{
    if (counted == metric)
        return true;
    if (counted == NULL || metric_has_ended(counted) || counted->self || metric->self || counted->label != NULL ||
        metric->label != NULL || counted->type != metric->type || counted->cells != metric->cells)
        return false;
    return counted->type != METRIC_HISTOGRAM ||
           memcmp(counted->bounds, metric->bounds, (metric->cells - 2) * sizeof metric->bounds[0]) == 0;
}

enum store_result store_counter(struct store *store, const struct identity *identity, const struct metric *metric,
                                const struct store_terms *terms, struct series **counter)
{
    uint32_t hash;
    _Atomic(struct series *) *bucket = series_bucket(store, identity, &hash);
    for (;;) {
        *counter = series_find(bucket, hash, identity);
        if (*counter == NULL) {
            struct birth birth = {.metric = metric, .added_to = true};
            enum store_result result = series_create(store, bucket, identity, hash, &birth, terms);
            *counter = birth.created;
            if (result != STORE_RECORDED)
                return result;
            continue;
        }
        if (!counts_alike((*counter)->counted, metric)) {
            if (end_series(store, *counter))
                continue;
            return STORE_OUTDATED; /* a series of another kind has this identity */
        }
        if (!evict(store, *counter, terms) && refresh(*counter, terms->now))
            return STORE_RECORDED;
    }
}

void store_add(struct series *counter, unsigned slot, unsigned cell, double amount)
{
    _Atomic(double) *own = &cells_of_slot(counter->cells, slot)[cell];
    /* Relaxed: nobody else writes this cell, and readers want no more than some recent sum. */
    atomic_store_explicit(own, atomic_load_explicit(own, memory_order_relaxed) + amount, memory_order_relaxed);
}

enum store_result store_count(struct store *store, unsigned slot, const struct identity *identity,
                              const struct metric *metric, unsigned cell, double amount,
                              const struct store_terms *terms)
{
    struct series *counter;
    enum store_result result = store_counter(store, identity, metric, terms, &counter);
    if (result == STORE_RECORDED || result == STORE_CREATED)
        store_add(counter, slot, cell, amount);
    return result;
}

/* ---- reported series ---- */

/* Replace the value of a known series.  RECORDED or why not; OUTDATED with *dead set where the series has died. */
static enum store_result replace_value(struct store *store, unsigned slot, struct series *series,
                                       const struct value *update, bool incremental, bool *dead)
{
    struct value *old = atomic_load_explicit(&series->value, memory_order_acquire);
    for (;;) {
        if (old == &store_dead_value) {
            *dead = true;
            return STORE_OUTDATED;
        }
        bool over = series_has_outlived(store, series, old, update->seen);
        /* What cannot be added replaces, as an absolute value does, and must be as new. */
        bool adds = !over && incremental && value_adds(old, update);
        if (!over && !adds && update->time < old->time)
            return STORE_OUTDATED;
        bool continues = !over && value_continues(old, update);
        struct value *next = value_merge(adds || continues ? old : NULL, update);
        if (next == NULL)
            return STORE_TOO_LARGE;

        unsigned weight = series->exempt ? 0 : value_weight(old);
        unsigned needed = series->exempt ? 0 : value_weight(next);
        if (needed > weight && !series->overflow && !limits_app_has_room(store, series->group, needed - weight)) {
            free(next);
            return STORE_APP_FULL;
        }
        if (needed > weight && !limits_take(store, series->group, needed - weight)) {
            free(next);
            struct value *present = atomic_load_explicit(&series->value, memory_order_acquire);
            if (present == old)
                return STORE_FULL;
            old = present; /* another thread changed it: it may take less now */
            continue;
        }
        /* Release the filled-in value to the acquires of readers and of the next writer. */
        if (atomic_compare_exchange_strong_explicit(&series->value, &old, next, memory_order_acq_rel,
                                                    memory_order_acquire)) {
            if (needed < weight)
                limits_charge(store, series->group, (long)needed - (long)weight);
            epoch_retire(&store->epochs, slot, old, value_bytes(old), free);
            return STORE_RECORDED;
        }
        if (needed > weight)
            limits_charge(store, series->group, (long)weight - (long)needed);
        free(next);
    }
}

enum store_result store_update(struct store *store, unsigned slot, const struct identity *identity,
                               const struct metric *metric, struct value *update, bool incremental,
                               const struct store_terms *terms)
{
    update->seen = terms->now;
    uint32_t hash;
    _Atomic(struct series *) *bucket = series_bucket(store, identity, &hash);
    for (;;) {
        struct series *series = series_find(bucket, hash, identity);
        if (series != NULL) {
            if (series->counted != NULL)
                return STORE_OUTDATED;
            bool dead = false;
            enum store_result result = replace_value(store, slot, series, update, incremental, &dead);
            if (!dead)
                return result;
            continue;
        }
        struct value *first = value_merge(NULL, update);
        if (first == NULL)
            return STORE_TOO_LARGE;
        struct birth birth = {.metric = metric, .value = first, .added_to = incremental};
        enum store_result result = series_create(store, bucket, identity, hash, &birth, terms);
        if (result == STORE_CREATED)
            return result;
        free(first);
        if (result != STORE_RECORDED)
            return result;
    }
}
