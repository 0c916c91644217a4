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
        (metric_is_chosen(before) || metric_has_ended(before) || before->restored))
        atomic_store_explicit(&stored->metric, metric, memory_order_release);
}

bool stored_metric_is_known(const struct store *store, struct slice name)
{
    uint64_t hash = store_hash(store, name);
    struct stored_metric *metric =
        atomic_load_explicit(&store->metric_buckets[hash & store->metric_mask], memory_order_acquire);
    while (metric != NULL && !(metric->hash == hash && slice_equals(stored_metric_name(metric), name)))
        metric = atomic_load_explicit(&metric->next_in_bucket, memory_order_acquire);
    return metric != NULL;
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

/* ---- groups ---- */

_Atomic(struct group *) *group_bucket(const struct store *store, const struct stored_metric *metric, entity_id app)
{
    const uint64_t golden = UINT64_C(0x9E3779B97F4A7C15); /* Fibonacci hashing */
    return &store->group_buckets[((metric->hash ^ app) * golden) >> 32 & store->group_mask];
}

_Atomic(struct group *) *group_list_of(const struct store *store, entity_id app)
{
    return &store->app_groups[entity_slot(app) & (APP_LISTS - 1)];
}

/* From this one of a bucket on. */
static struct group *find_from(struct group *group, const struct stored_metric *metric, entity_id app, bool chosen)
{
    while (group != NULL && !(group->metric == metric && group->app == app && group->chosen == chosen))
        group = atomic_load_explicit(&group->next_in_bucket, memory_order_acquire);
    return group;
}

struct group *group_find(const struct store *store, const struct stored_metric *metric, entity_id app, bool chosen)
{
    return find_from(atomic_load_explicit(group_bucket(store, metric, app), memory_order_acquire), metric, app, chosen);
}

static struct group *create_group(struct stored_metric *metric, entity_id app, bool chosen)
{
    struct group *group = calloc(1, sizeof *group);
    if (group == NULL)
        return NULL;
    group->metric = metric;
    group->app = app;
    group->chosen = chosen;
    atomic_store_explicit(&group->series, 1, memory_order_relaxed);
    return group;
}

struct group *group_hold(struct store *store, struct stored_metric *metric, entity_id app, bool chosen)
{
    _Atomic(struct group *) *bucket = group_bucket(store, metric, app);
    struct group *fresh = NULL;
    struct group *head = atomic_load_explicit(bucket, memory_order_acquire);
    for (;;) {
        struct group *group = find_from(head, metric, app, chosen);
        while (group != NULL && !count_hold(&group->series)) /* one that is removed */
            group = find_from(atomic_load_explicit(&group->next_in_bucket, memory_order_acquire), metric, app, chosen);
        if (group != NULL) {
            free(fresh);
            return group;
        }
        if (fresh == NULL && (fresh = create_group(metric, app, chosen)) == NULL)
            return NULL;
        atomic_store_explicit(&fresh->next_in_bucket, head, memory_order_relaxed);
        /* Release the filled-in group to the acquires here and in group_find(). */
        if (atomic_compare_exchange_strong_explicit(bucket, &head, fresh, memory_order_release, memory_order_acquire))
            break;
    }
    LIST_PUSH(&metric->groups, fresh, next);
    LIST_PUSH(group_list_of(store, app), fresh, next_of_app);
    return fresh;
}
