#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "store/store_internal.h"
#include "support.h"

/* How many pages of the array are in memory. */
static size_t resident(const struct buckets *buckets)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = (buckets->mask + 1) * sizeof buckets->heads[0];
    size_t pages = size / page, count = 0;
    unsigned char *in_memory = malloc(pages);
    assert_int_equal(mincore(buckets->heads, size, in_memory), 0);
    for (size_t i = 0; i < pages; i++)
        count += in_memory[i] & 1;
    free(in_memory);
    return count;
}

static struct series *some_series(uint32_t number)
{
    return (struct series *)(uintptr_t)(number + 1); /* nobody looks into it */
}

static void put(struct buckets *buckets, uint32_t hash)
{
    buckets_hold(buckets, hash);
    atomic_store(bucket_of(buckets, hash), some_series(hash));
}

static void take_out(struct buckets *buckets, uint32_t hash)
{
    atomic_store(bucket_of(buckets, hash), NULL);
    buckets_release(buckets, hash);
}

/* What is empty is given back, and nothing else. */
static void empty_regions(void **state)
{
    (void)state;
    struct buckets buckets = {0};
    assert_true(buckets_create(&buckets, 1000000));
    assert_int_equal(buckets.mask, (1 << 20) - 1);
    assert_int_equal(resident(&buckets), 0);
    for (uint32_t hash = 0; hash <= buckets.mask; hash += 7)
        put(&buckets, hash);
    size_t all = resident(&buckets);
    assert_int_equal(all, (buckets.mask + 1) * sizeof buckets.heads[0] / (size_t)sysconf(_SC_PAGESIZE));
    buckets_give_back(&buckets);
    assert_int_equal(resident(&buckets), all);
    for (uint32_t hash = 0; hash <= buckets.mask; hash += 7)
        if (hash % 70000 != 0)
            take_out(&buckets, hash);
    buckets_give_back(&buckets);
    assert_in_range(resident(&buckets), 1, 15);
    for (uint32_t hash = 0; hash <= buckets.mask; hash += 7)
        assert_ptr_equal(atomic_load(bucket_of(&buckets, hash)), hash % 70000 != 0 ? NULL : some_series(hash));
    put(&buckets, 123456); /* goes on */
    assert_ptr_equal(atomic_load(bucket_of(&buckets, 123456)), some_series(123456));
    buckets_free(&buckets);
}

/* ---- while others put series in ---- */

enum { THREADS = 3, ROUNDS = 4000, SPREAD = 16 };
static struct buckets shared;
static atomic_uint running;
static atomic_uint lost;

static void *put_and_take(void *argument)
{
    uint32_t region = 1U << shared.region_shift;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint32_t hash = (i % SPREAD) * region + (uint32_t)(uintptr_t)argument; /* a bucket of this thread's own */
        put(&shared, hash);
        sched_yield();
        if (atomic_load(bucket_of(&shared, hash)) != some_series(hash))
            atomic_fetch_add(&lost, 1);
        take_out(&shared, hash);
    }
    atomic_fetch_sub(&running, 1);
    return NULL;
}

static void nothing_is_lost(void **state)
{
    (void)state;
    assert_true(buckets_create(&shared, 100000));
    pthread_t threads[THREADS];
    atomic_store(&running, THREADS);
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, put_and_take, (void *)i), 0);
    while (atomic_load(&running) > 0)
        buckets_give_back(&shared);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&lost), 0);
    buckets_give_back(&shared);
    assert_int_equal(resident(&shared), 0);
    buckets_free(&shared);
}

/* The store itself: after a peak it keeps nothing of it. */
static void after_a_peak(void **state)
{
    (void)state;
    struct store *store = store_create(&(struct store_settings){.max_series = 200000, .slots = 1});
    store_enter(store, 0);
    for (unsigned i = 0; i < 100000; i++) {
        struct identity identity;
        char number[16];
        struct label label = {SLICE("n"), {number, (size_t)snprintf(number, sizeof number, "%u", i)}};
        struct value value = {.type = VALUE_GAUGE, .number = 1, .time = 1};
        assert_int_equal(identity_build(&identity, SLICE(""), SLICE("g"), &label, 1), IDENTITY_OK);
        assert_int_equal(store_update(store, 0, &identity, NULL, &value, false,
                                      &(struct store_terms){.now = 1000, .lifetime = i == 0 ? 1000000 : 500}),
                         STORE_CREATED);
    }
    assert_true(resident(&store->buckets) > 400);
    store_sweep(store, 0, 2000);
    assert_int_equal(resident(&store->buckets), 1);
    store_leave(store, 0);
    store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_regions),
        cmocka_unit_test(nothing_is_lost),
        cmocka_unit_test(after_a_peak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
