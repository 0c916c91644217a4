#include <stdlib.h>
#include <sys/random.h>

#include "store/mapping.h"
#include "store/store_internal.h"

/* ---- create and free ---- */

static size_t power_of_two(size_t at_least)
{
    size_t size = 1024;
    while (size < at_least)
        size *= 2;
    return size;
}

struct store *store_create(const struct store_settings *settings)
{
    struct store *store = aligned_alloc(CACHE_LINE, sizeof *store);
    if (store == NULL)
        return NULL;
    memset(store, 0, sizeof *store);
    size_t metric_buckets = power_of_two(settings->max_series / 16);
    store->metric_mask = metric_buckets - 1;
    size_t group_buckets = power_of_two(settings->max_series / 4);
    store->group_mask = group_buckets - 1;
    store->settings = *settings;
    limits_start(store);
    store->cells.slots = settings->slots;
    bool has_buckets = buckets_create(&store->buckets, settings->max_series);
    store->metric_buckets = map_zeroes(metric_buckets * sizeof store->metric_buckets[0]);
    store->group_buckets = map_zeroes(group_buckets * sizeof store->group_buckets[0]);
    store->app_groups = map_zeroes(APP_LISTS * sizeof store->app_groups[0]);
    bool started = epochs_start(&store->epochs, settings->slots);
    size_t random = 0;
    while (random < sizeof store->secret) {
        ssize_t got = getrandom(store->secret + random, sizeof store->secret - random, 0);
        if (got < 0)
            break;
        random += (size_t)got;
    }
    if (!has_buckets || store->metric_buckets == NULL || store->group_buckets == NULL || store->app_groups == NULL ||
        !started || random < sizeof store->secret) {
        store_free(store);
        return NULL;
    }
    return store;
}

void store_free(struct store *store)
{
    if (store == NULL)
        return;
    struct stored_metric *metric = atomic_load(&store->metrics);
    while (metric != NULL) {
        struct stored_metric *next = atomic_load(&metric->next);
        struct series *series = atomic_load(&metric->fresh);
        while (series != NULL) {
            struct series *following = series->next;
            series_free(series);
            series = following;
        }
        for (size_t i = 0; i < metric->known_count; i++)
            series_free(metric->known[i]);
        stored_metric_free(metric);
        metric = next;
    }
    epochs_stop(&store->epochs);
    cell_pool_free(&store->cells);
    buckets_free(&store->buckets);
    unmap(store->app_groups, APP_LISTS * sizeof store->app_groups[0]);
    unmap(store->group_buckets, (store->group_mask + 1) * sizeof store->group_buckets[0]);
    unmap(store->metric_buckets, (store->metric_mask + 1) * sizeof store->metric_buckets[0]);
    free(store);
}

/* ---- inside and outside ---- */

void store_enter(struct store *store, unsigned slot)
{
    epoch_enter(&store->epochs, slot);
}

void store_leave(struct store *store, unsigned slot)
{
    epoch_leave(&store->epochs, slot);
}

bool store_should_quiesce(const struct store *store, unsigned slot)
{
    return epoch_should_quiesce(&store->epochs, slot);
}

void store_usage(const struct store *store, struct store_usage *usage)
{
    usage->metrics = atomic_load_explicit(&store->metric_count, memory_order_relaxed);
    long weight = atomic_load_explicit(&store->weight, memory_order_relaxed);
    usage->series = weight > 0 ? (size_t)weight : 0;
    usage->limit = store->settings.max_series;
    usage->app_limit = store->settings.max_app_series;
    usage->metric_limit = store->settings.max_metric_series;
    usage->expired = atomic_load_explicit(&store->expired, memory_order_relaxed);
}
