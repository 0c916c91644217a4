#include "store/buckets.h"

#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include "store/mapping.h"

enum { BUCKETS_MIN = 1024, CLOSED_AT_ONCE = 64 };

#define CLOSED UINT32_MAX
enum { USED = 1, ONE = 2 };

static size_t heads_size(const struct buckets *buckets)
{
    return (buckets->mask + 1) * sizeof buckets->heads[0];
}

static size_t regions_size(const struct buckets *buckets)
{
    return buckets->region_count * sizeof buckets->regions[0];
}

bool buckets_create(struct buckets *buckets, size_t series)
{
    size_t count = BUCKETS_MIN;
    while (count < series)
        count *= 2;
    long page = sysconf(_SC_PAGESIZE);
    size_t in_region = BUCKETS_MIN / 2;
    while (in_region * sizeof buckets->heads[0] < (size_t)page)
        in_region *= 2;
    count = count < in_region ? in_region : count;
    buckets->mask = count - 1;
    buckets->region_shift = (unsigned)__builtin_ctzll(in_region);
    buckets->region_count = count / in_region;
    buckets->heads = map_zeroes(heads_size(buckets));
    buckets->regions = map_zeroes(regions_size(buckets));
    return buckets->heads != NULL && buckets->regions != NULL;
}

void buckets_free(struct buckets *buckets)
{
    unmap(buckets->heads, heads_size(buckets));
    unmap(buckets->regions, regions_size(buckets));
}

static atomic_uint_least32_t *region_of(struct buckets *buckets, uint32_t hash)
{
    return &buckets->regions[(hash & buckets->mask) >> buckets->region_shift];
}

void buckets_hold(struct buckets *buckets, uint32_t hash)
{
    atomic_uint_least32_t *region = region_of(buckets, hash);
    uint32_t held = atomic_load_explicit(region, memory_order_relaxed);
    for (;;) {
        if (held == CLOSED) {
            sched_yield();
            held = atomic_load_explicit(region, memory_order_relaxed);
            /* Acquire, pairs with the release of who opens it: what is put there comes after it was given back. */
        } else if (atomic_compare_exchange_weak_explicit(region, &held, (held + ONE) | USED, memory_order_acquire,
                                                         memory_order_relaxed))
            return;
    }
}

void buckets_release(struct buckets *buckets, uint32_t hash)
{
    /* Release, pairs with the acquire of who closes it: the bucket is what it is to be before. */
    atomic_fetch_sub_explicit(region_of(buckets, hash), ONE, memory_order_release);
}

static bool close_region(atomic_uint_least32_t *region)
{
    uint32_t empty = USED;
    return atomic_load_explicit(region, memory_order_relaxed) == USED &&
           atomic_compare_exchange_strong_explicit(region, &empty, CLOSED, memory_order_acquire, memory_order_relaxed);
}

void buckets_give_back(struct buckets *buckets)
{
    size_t size = sizeof buckets->heads[0] << buckets->region_shift;
    for (size_t first = 0, count; first < buckets->region_count; first += count + 1) {
        for (count = 0; count < CLOSED_AT_ONCE && first + count < buckets->region_count; count++)
            if (!close_region(&buckets->regions[first + count]))
                break;
        if (count == 0)
            continue;
        madvise((char *)buckets->heads + first * size, count * size, MADV_DONTNEED);
        for (size_t i = first; i < first + count; i++)
            atomic_store_explicit(&buckets->regions[i], 0, memory_order_release);
        count -= count == CLOSED_AT_ONCE; /* the next one was not looked at */
    }
}
