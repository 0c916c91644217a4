#include "intake/dedup.h"

#include <pthread.h>
#include <stdio.h>

#include "support.h"

enum { THREADS = 4, ROUNDS = 2000, MINUTES = 60 * 1000 };

static struct dedup *dedup;

static int setup(void **state)
{
    (void)state;
    dedup = dedup_create(DEDUP_IDS);
    assert_non_null(dedup);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    dedup_free(dedup);
    return 0;
}

static struct batch_id id_of(const char *id)
{
    return batch_id_of(SLICE("app"), SLICE("drain"), slice_of(id));
}

static struct batch_id numbered_id(unsigned long number)
{
    char text[32];
    snprintf(text, sizeof text, "%lu", number);
    return id_of(text);
}

static void claims(void **state)
{
    (void)state;
    struct batch_id id = id_of("F1");
    assert_int_equal(dedup_claim(dedup, id, 1), CLAIM_NEW);
    assert_int_equal(dedup_claim(dedup, id, 2), CLAIM_IN_PROGRESS);
    assert_int_equal(dedup_claim(dedup, id_of("F2"), 2), CLAIM_NEW);
    dedup_taken(dedup, id, 3, 0);
    assert_int_equal(dedup_claim(dedup, id, 4), CLAIM_TAKEN);
    assert_int_equal(dedup_claim(dedup, id_of("F2"), 4), CLAIM_IN_PROGRESS);
}

/* What is in progress stays so however long it takes; what was taken is known for five minutes after that. */
static void times(void **state)
{
    (void)state;
    struct batch_id id = id_of("F1");
    assert_int_equal(dedup_claim(dedup, id, 0), CLAIM_NEW);
    assert_int_equal(dedup_claim(dedup, id, 60 * MINUTES), CLAIM_IN_PROGRESS);
    dedup_taken(dedup, id, 60 * MINUTES, 0);
    assert_int_equal(dedup_claim(dedup, id, 65 * MINUTES - 1), CLAIM_TAKEN);
    assert_int_equal(dedup_claim(dedup, id, 65 * MINUTES), CLAIM_NEW);
}

/* Each part of an id counts, and no byte can move from one to the next. */
static void ids(void **state)
{
    (void)state;
    const struct batch_id all[] = {
        batch_id_of(SLICE("a"), SLICE("b"), SLICE("c")), batch_id_of(SLICE("ab"), SLICE(""), SLICE("c")),
        batch_id_of(SLICE("a"), SLICE(""), SLICE("bc")), batch_id_of(SLICE(""), SLICE("ab"), SLICE("c")),
        batch_id_of(SLICE("b"), SLICE("a"), SLICE("c")), batch_id_of(SLICE("a"), SLICE("bc"), SLICE("")),
        batch_id_of(SLICE("abc"), SLICE(""), SLICE("")),
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        for (size_t j = 0; j < i; j++)
            assert_false(all[i].high == all[j].high && all[i].low == all[j].low);
}

/* Memory is fixed: the oldest are forgotten first, but never one that is in progress. */
static void many(void **state)
{
    (void)state;
    enum { COUNT = 200000 };
    struct batch_id running = id_of("running");
    assert_int_equal(dedup_claim(dedup, running, 0), CLAIM_NEW);
    for (unsigned long i = 0; i < COUNT; i++) {
        struct batch_id id = numbered_id(i);
        assert_int_equal(dedup_claim(dedup, id, 1 + i / 1000), CLAIM_NEW);
        dedup_taken(dedup, id, 1 + i / 1000, 0);
        assert_int_equal(dedup_claim(dedup, id, 1 + i / 1000), CLAIM_TAKEN);
    }
    assert_int_equal(dedup_claim(dedup, running, 1000), CLAIM_IN_PROGRESS);
    unsigned known = 0;
    for (unsigned long i = COUNT - 10000; i < COUNT; i++)
        known += dedup_claim(dedup, numbered_id(i), 1000) == CLAIM_TAKEN;
    assert_true(known > 9900);
    assert_int_equal(dedup_claim(dedup, numbered_id(0), 1000), CLAIM_NEW);
}

static void lost(void **state)
{
    (void)state;
    struct batch_id id = id_of("F1");
    assert_true(dedup_raise_lost(dedup, id, 5) == 0);
    dedup_claim(dedup, id, 1);
    dedup_taken(dedup, id, 1, 5);
    assert_true(dedup_raise_lost(dedup, id, 5) == 0);
    assert_true(dedup_raise_lost(dedup, id, 8) == 3);
    assert_true(dedup_raise_lost(dedup, id, 8) == 0);
    assert_true(dedup_raise_lost(dedup, id, 6) == 0);
    assert_true(dedup_raise_lost(dedup, id, 9) == 1);
    assert_int_equal(dedup_claim(dedup, id, 2), CLAIM_TAKEN);
}

/* ---- threads ---- */

static pthread_barrier_t barrier;
static unsigned long claimed;
static double growth[THREADS];

static void *claim_and_raise(void *number)
{
    pthread_barrier_wait(&barrier);
    for (unsigned long i = 0; i < ROUNDS; i++) {
        struct batch_id id = numbered_id(i);
        enum claim claim = dedup_claim(dedup, id, 1);
        if (claim == CLAIM_NEW) {
            __atomic_add_fetch(&claimed, 1, __ATOMIC_RELAXED);
            dedup_taken(dedup, id, 1, 1);
        }
        while (dedup_claim(dedup, id, 1) != CLAIM_TAKEN)
            sched_yield();
        for (int loss = 2; loss <= 5; loss++)
            growth[(size_t)number] += dedup_raise_lost(dedup, id, loss);
    }
    return NULL;
}

/* Of all who claim a batch one gets it, and of all who tell of a growth one. */
static void threads(void **state)
{
    (void)state;
    pthread_t all[THREADS];
    claimed = 0;
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&all[i], NULL, claim_and_raise, (void *)i), 0);
    double sum = 0;
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(all[i], NULL);
        sum += growth[i];
    }
    pthread_barrier_destroy(&barrier);
    assert_int_equal(claimed, ROUNDS);
    assert_true(sum == 4.0 * ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(claims, setup, teardown),
        cmocka_unit_test_setup_teardown(times, setup, teardown),
        cmocka_unit_test(ids),
        cmocka_unit_test_setup_teardown(many, setup, teardown),
        cmocka_unit_test_setup_teardown(lost, setup, teardown),
        cmocka_unit_test_setup_teardown(threads, setup, teardown),
    };
    return cmocka_run_group_tests_name("dedup", tests, NULL, NULL);
}
