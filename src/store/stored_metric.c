#include <stdlib.h>

#include "store/store_internal.h"

bool count_hold(atomic_long *series)
{
    long count = atomic_load_explicit(series, memory_order_relaxed);
    while (count >= 0)
        if (atomic_compare_exchange_weak_explicit(series, &count, count + 1, memory_order_acq_rel,
                                                  memory_order_relaxed))
            return true;
    return false;
}

void count_release(atomic_long *series)
{
    atomic_fetch_sub_explicit(series, 1, memory_order_acq_rel);
}

/* What is in force takes the name over from an app, or from what has ended. */
static void adopt_name(struct stored_metric *stored, const struct metric *metric)
{
    const struct metric *before = atomic_load_explicit(&stored->metric, memory_order_acquire);
    if (!metric_is_chosen(metric) && before != metric && !metric_has_ended(metric) &&
        (metric_is_chosen(before) || metric_has_ended(before)))
        atomic_store_explicit(&stored->metric, metric, memory_order_release);
}

struct stored_metric *stored_metric_hold(struct store *store, struct slice name, const struct metric *metric)
{
    uint64_t hash = store_hash(store, name);
    _Atomic(struct stored_metric *) *bucket = &store->metric_buckets[hash & store->metric_mask];
    struct stored_metric *fresh = NULL;
    for (;;) {
        struct stored_metric *head = atomic_load_explicit(bucket, memory_order_acquire);
        for (struct stored_metric *found = head; found != NULL;
             found = atomic_load_explicit(&found->next_in_bucket, memory_order_acquire)) {
            if (found->hash == hash && slice_equals(stored_metric_name(found), name) && count_hold(&found->series)) {
                free(fresh);
                adopt_name(found, metric);
                return found;
            }
        }
        if (fresh == NULL) {
            fresh = malloc(sizeof *fresh + name.length);
            if (fresh == NULL)
                return NULL;
            memset(fresh, 0, sizeof *fresh);
            atomic_store_explicit(&fresh->series, 1, memory_order_relaxed);
            atomic_init(&fresh->metric, metric);
            fresh->hash = hash;
            fresh->name_length = (uint32_t)name.length;
            memcpy(fresh->name, name.at, name.length);
        }
        atomic_store_explicit(&fresh->next_in_bucket, head, memory_order_relaxed);
        /* Release the filled-in metric to the acquire in the loop above. */
        if (atomic_compare_exchange_strong_explicit(bucket, &head, fresh, memory_order_release, memory_order_relaxed))
            break;
    }
    LIST_PUSH(&store->metrics, fresh, next);
    atomic_fetch_add_explicit(&store->metric_count, 1, memory_order_relaxed);
    return fresh;
}

void stored_metric_free(void *item)
{
    struct stored_metric *metric = item;
    for (struct group *group = atomic_load(&metric->groups); group != NULL;) {
        struct group *next = atomic_load(&group->next);
        free(group);
        group = next;
    }
    free(metric->known);
    free(metric);
}

struct group *group_hold(struct stored_metric *metric, entity_id app, bool chosen)
{
    struct group *fresh = NULL;
    struct group *head = atomic_load_explicit(&metric->groups, memory_order_acquire);
    for (;;) {
        for (struct group *group = head; group != NULL;
             group = atomic_load_explicit(&group->next, memory_order_acquire)) {
            if (group->app == app && group->chosen == chosen && count_hold(&group->series)) {
                free(fresh);
                return group;
            }
        }
        if (fresh == NULL && (fresh = calloc(1, sizeof *fresh)) == NULL)
            return NULL;
        fresh->metric = metric;
        fresh->app = app;
        fresh->chosen = chosen;
        atomic_store_explicit(&fresh->series, 1, memory_order_relaxed);
        atomic_store_explicit(&fresh->next, head, memory_order_relaxed);
        /* Release the filled-in group to the acquires here and in store_widest_label(). */
        if (atomic_compare_exchange_strong_explicit(&metric->groups, &head, fresh, memory_order_release,
                                                    memory_order_acquire))
            return fresh;
    }
}
