#include "intake/arrival_clock.h"

#include "support.h"

enum { SECOND = 1000000, THREADS = 4, READINGS = 100000 };
static const int64_t NOON = INT64_C(1670414400) * SECOND;

static void follows_the_wall_clock(void **state)
{
    (void)state;
    struct arrival_clock clock = {.lock = PTHREAD_MUTEX_INITIALIZER};
    assert_int_equal(arrival_clock_read(&clock, NOON, 5000), NOON);
    assert_int_equal(arrival_clock_read(&clock, NOON, 5000), NOON);
    assert_int_equal(arrival_clock_read(&clock, NOON + 10 * SECOND, 15000), NOON + 10 * SECOND);
    /* It is set forward, or we were asleep. */
    assert_int_equal(arrival_clock_read(&clock, NOON + 3600 * (int64_t)SECOND, 15001), NOON + 3600 * (int64_t)SECOND);
}

/* The example of the header. */
static void does_not_go_back(void **state)
{
    (void)state;
    struct arrival_clock clock = {.lock = PTHREAD_MUTEX_INITIALIZER};
    arrival_clock_read(&clock, NOON + 10 * SECOND, 10000);
    int64_t wall = NOON - 3600 * (int64_t)SECOND;
    int64_t last = NOON + 10 * SECOND;
    for (uint64_t now = 20000; wall < NOON + 3700 * (int64_t)SECOND; now += 10000, wall += 10 * SECOND) {
        int64_t time = arrival_clock_read(&clock, wall, now);
        assert_true(time == last + 5 * SECOND || time == wall);
        assert_true(time > last && time >= wall);
        last = time;
    }
    assert_int_equal(last, wall - 10 * SECOND); /* they agree again */
}

/* Who looked at the monotonic clock first may come last. */
static void out_of_order(void **state)
{
    (void)state;
    struct arrival_clock clock = {.lock = PTHREAD_MUTEX_INITIALIZER};
    arrival_clock_read(&clock, NOON, 5000);
    assert_int_equal(arrival_clock_read(&clock, NOON - 1, 4999), NOON);
    assert_int_equal(arrival_clock_read(&clock, NOON - SECOND, 5002), NOON + 1000);
    assert_int_equal(arrival_clock_read(&clock, NOON - SECOND, 5000), NOON + 1000);
    assert_int_equal(arrival_clock_read(&clock, NOON - SECOND, 5004), NOON + 2000);
}

static struct arrival_clock shared = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void *read_often(void *number)
{
    int64_t last = 0;
    for (int64_t i = 0; i < READINGS; i++) {
        int64_t step = i % 1000 < 500 ? 0 : -3600 * (int64_t)SECOND;
        int64_t time = arrival_clock_read(&shared, NOON + i + step + (int64_t)(size_t)number, (uint64_t)i);
        if (time < last)
            return &shared; /* it went back */
        last = time;
    }
    return NULL;
}

static void threads(void **state)
{
    (void)state;
    pthread_t all[THREADS];
    void *went_back;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&all[i], NULL, read_often, (void *)i), 0);
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(all[i], &went_back);
        assert_null(went_back);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_the_wall_clock),
        cmocka_unit_test(does_not_go_back),
        cmocka_unit_test(out_of_order),
        cmocka_unit_test(threads),
    };
    return cmocka_run_group_tests_name("arrival_clock", tests, NULL, NULL);
}
