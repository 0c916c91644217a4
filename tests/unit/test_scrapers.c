#include "output/scrapers.h"
#include "support.h"

enum { A = 1, B = 2, VISITOR = 3 };

static struct scrapers scrapers;

static int setup(void **state)
{
    (void)state;
    scrapers = (struct scrapers){.interval = 1000};
    return 0;
}

/* Without a scraper that is known, an interval decides, a little less since scrapes are not punctual. */
static void interval_alone(void **state)
{
    (void)state;
    assert_int_equal(scrapers_all_saw(&scrapers, 10000), 9050);
    assert_int_equal(scrapers_all_saw(&scrapers, 500), 0);
}

/* The example of the header. */
static void two_scrapers(void **state)
{
    (void)state;
    scrapers.interval = 20;
    scrapers_note(&scrapers, A, 110);
    scrapers_note(&scrapers, B, 120);
    scrapers_note(&scrapers, A, 130);
    scrapers_note(&scrapers, B, 140);
    assert_int_equal(scrapers_all_saw(&scrapers, 150), 130);
    scrapers_note(&scrapers, A, 150);
    assert_int_equal(scrapers_all_saw(&scrapers, 160), 140);
}

/* One that comes half as often as it should is waited for, until it is forgotten. */
static void slow_and_gone(void **state)
{
    (void)state;
    for (uint64_t now = 10000; now <= 20000; now += 1000)
        scrapers_note(&scrapers, A, now);
    scrapers_note(&scrapers, B, 17500);
    scrapers_note(&scrapers, B, 19000);
    assert_int_equal(scrapers_all_saw(&scrapers, 21500), 19000);
    assert_int_equal(scrapers_all_saw(&scrapers, 21501), 20000);
    scrapers_note(&scrapers, A, 22000);
    assert_int_equal(scrapers_all_saw(&scrapers, 22001), 21051);
}

/* Who has had one page only delays nothing. */
static void a_visitor(void **state)
{
    (void)state;
    scrapers_note(&scrapers, A, 9000);
    scrapers_note(&scrapers, VISITOR, 9500);
    scrapers_note(&scrapers, VISITOR, 9600);
    scrapers_note(&scrapers, A, 10000);
    scrapers_note(&scrapers, A, 11000);
    scrapers_note(&scrapers, A, 12000);
    assert_int_equal(scrapers_all_saw(&scrapers, 13000), 12000);
    /* It is back long after it was forgotten: a visitor again. */
    scrapers_note(&scrapers, VISITOR, 20000);
    assert_int_equal(scrapers_all_saw(&scrapers, 22000), 21050);
}

/* Whatever comes, the time never goes back, and the table is never short. */
static void never_back(void **state)
{
    (void)state;
    uint64_t seen = 0;
    uint64_t random = 88172645463325252u;
    for (uint64_t now = 10000; now < 400000; now += random % 300) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        uint64_t next = scrapers_all_saw(&scrapers, now);
        assert_true(next >= seen && next <= now - 950);
        seen = next;
        scrapers_note(&scrapers, random >> 32 & (now < 200000 ? 7 : 63), now);
    }
    assert_true(seen > 390000);
}

/* A page that was sent slowly is noted behind one that began later: it takes nothing back. */
static void noted_late(void **state)
{
    (void)state;
    scrapers_note(&scrapers, A, 10000);
    scrapers_note(&scrapers, A, 11000);
    scrapers_note(&scrapers, A, 10500);
    assert_int_equal(scrapers_all_saw(&scrapers, 12500), 11000);
    scrapers_note(&scrapers, A, 12000);
    assert_int_equal(scrapers_all_saw(&scrapers, 12900), 11950);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(interval_alone, setup), cmocka_unit_test_setup(two_scrapers, setup),
        cmocka_unit_test_setup(slow_and_gone, setup),  cmocka_unit_test_setup(a_visitor, setup),
        cmocka_unit_test_setup(never_back, setup),     cmocka_unit_test_setup(noted_late, setup),
    };
    return cmocka_run_group_tests_name("scrapers", tests, NULL, NULL);
}
