#include "base/clock.h"

#include "support.h"

static void monotonic(void **state)
{
    (void)state;
    /* Each in its unit: between two readings of one clock lies that of the other. */
    for (int i = 0; i < 1000; i++) {
        uint64_t before = clock_monotonic_micros();
        uint64_t now = clock_monotonic();
        uint64_t after = clock_monotonic_micros();
        assert_in_range(now, before / 1000, after / 1000);
    }
}

static void wall(void **state)
{
    (void)state;
    int64_t now = clock_wall();
    int64_t seconds = (int64_t)time(NULL); /* may be read from a coarser clock */
    assert_true(seconds * 1000000 - now < 2000000 && now - seconds * 1000000 < 2000000);
    assert_true(now > INT64_C(1577836800000000)); /* 2020-01-01 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(monotonic),
        cmocka_unit_test(wall),
    };
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
