#include <pthread.h>
#include <stdio.h>

#include "server/address_bounds.h"
#include "support.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };

static struct address_bounds *bounds;
static uint64_t now = 1000000;

static struct address of(const char *text)
{
    struct address address = {{0}};
    assert_true(address_read(slice_of(text), &address));
    return address;
}

static bool enter(const char *text)
{
    struct address address = of(text);
    return address_bounds_enter(bounds, &address, now);
}

static void leave(const char *text)
{
    struct address address = of(text);
    address_bounds_leave(bounds, &address);
}

static void succeed(const char *text)
{
    struct address address = of(text);
    address_bounds_succeed(bounds, &address, now);
}

static void fail_login(const char *text, unsigned times)
{
    struct address address = of(text);
    while (times-- > 0)
        address_bounds_fail(bounds, &address, now);
}

static bool is_locked(const char *text)
{
    struct address address = of(text);
    return address_bounds_is_locked(bounds, &address, now);
}

static int setup(void **state)
{
    (void)state;
    bounds = address_bounds_create(3, 60);
    return bounds == NULL;
}

static int teardown(void **state)
{
    (void)state;
    address_bounds_free(bounds);
    return 0;
}

static void connections(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        assert_true(enter("192.0.2.1"));
    assert_false(enter("192.0.2.1"));
    assert_false(enter("::ffff:192.0.2.1"));
    assert_true(enter("192.0.2.2"));
    leave("192.0.2.1");
    assert_true(enter("192.0.2.1"));
    assert_false(enter("192.0.2.1"));
    /* A /64 of IPv6 is one subscriber. */
    assert_true(enter("2001:db8::1"));
    assert_true(enter("2001:db8::2"));
    assert_true(enter("2001:db8::ffff:0:0:3"));
    assert_false(enter("2001:db8::4"));
    assert_true(enter("2001:db8:0:1::4"));
    /* More leave than have come in. */
    for (int i = 0; i < 9; i++)
        leave("192.0.2.9");
    assert_true(enter("192.0.2.9"));
}

static void failures(void **state)
{
    (void)state;
    assert_false(is_locked("192.0.2.1"));
    fail_login("192.0.2.1", 59);
    assert_false(is_locked("192.0.2.1"));
    fail_login("192.0.2.1", 1);
    assert_true(is_locked("192.0.2.1"));
    assert_false(is_locked("192.0.2.2"));
    now += SECOND - 1;
    assert_true(is_locked("192.0.2.1"));
    now += 1; /* one more is forgiven each second */
    assert_false(is_locked("192.0.2.1"));
    fail_login("192.0.2.1", 1);
    assert_true(is_locked("192.0.2.1"));
    fail_login("192.0.2.1", 1000); /* those that were under way do not make it longer */
    now += SECOND;
    assert_false(is_locked("192.0.2.1"));
    now += 10 * MINUTE;
    fail_login("192.0.2.1", 59);
    assert_false(is_locked("192.0.2.1"));
    fail_login("192.0.2.1", 1);
    assert_true(is_locked("192.0.2.1"));
}

/* Behind this address are also those who must get in. */
static void an_address_that_succeeds(void **state)
{
    (void)state;
    fail_login("192.0.2.1", 60);
    assert_true(is_locked("192.0.2.1"));
    succeed("192.0.2.1");
    fail_login("192.0.2.1", 1000);
    assert_false(is_locked("192.0.2.1"));
    for (int i = 0; i < 50; i++)
        assert_true(enter("192.0.2.1"));
    now += 24 * HOUR - 1;
    fail_login("192.0.2.1", 1000);
    assert_false(is_locked("192.0.2.1"));
    now += 1;
    assert_true(is_locked("192.0.2.1"));
    assert_false(enter("192.0.2.1"));
}

static void this_machine(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++)
        assert_true(enter("127.0.0.1") && enter("::1"));
    fail_login("127.0.0.1", 1000);
    fail_login("::1", 1000);
    assert_false(is_locked("127.0.0.1") || is_locked("::1"));
}

static void no_bound(void **state)
{
    (void)state;
    struct address_bounds *before = bounds;
    bounds = address_bounds_create(0, 0);
    for (int i = 0; i < 1000; i++)
        assert_true(enter("192.0.2.1"));
    fail_login("192.0.2.1", 1000);
    assert_false(is_locked("192.0.2.1"));
    address_bounds_free(bounds);
    bounds = before;
}

/* A stranger with 100,000 addresses drives out neither who has sent a right password nor who has connections, and is
 * bounded in memory. */
static void a_full_table(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        enter("192.0.2.1");
    succeed("192.0.2.2");
    for (int i = 0; i < 100000; i++) {
        char text[ADDRESS_TEXT_MAX];
        snprintf(text, sizeof text, "2001:db8:%x:%x::1", i >> 8, i & 255);
        now++;
        fail_login(text, 60);
        if (i % 1000 == 999)
            assert_true(is_locked(text));
    }
    assert_false(enter("192.0.2.1"));
    fail_login("192.0.2.2", 1000);
    assert_false(is_locked("192.0.2.2"));
    /* When all entries are held, others get in. */
    for (int i = 0; i < 20000; i++) {
        char text[ADDRESS_TEXT_MAX];
        snprintf(text, sizeof text, "2001:db9:%x:%x::1", i >> 8, i & 255);
        assert_true(enter(text));
    }
    assert_true(enter("198.51.100.1"));
    for (int i = 0; i < 20000; i++) {
        char text[ADDRESS_TEXT_MAX];
        snprintf(text, sizeof text, "2001:db9:%x:%x::1", i >> 8, i & 255);
        leave(text);
    }
    fail_login("198.51.100.9", 60);
    assert_true(is_locked("198.51.100.9"));
}

static void *use(void *argument)
{
    struct address address = of(argument);
    for (int i = 0; i < 10000; i++) {
        if (address_bounds_enter(bounds, &address, now))
            address_bounds_leave(bounds, &address);
        address_bounds_fail(bounds, &address, now);
        address_bounds_is_locked(bounds, &address, now);
    }
    return NULL;
}

static void several_threads(void **state)
{
    (void)state;
    static char addresses[4][16] = {"192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.3"};
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use, addresses[i]), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 3; i++)
        assert_true(enter("192.0.2.1"));
    assert_false(enter("192.0.2.1"));
    assert_true(is_locked("192.0.2.3"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(connections, setup, teardown),
        cmocka_unit_test_setup_teardown(failures, setup, teardown),
        cmocka_unit_test_setup_teardown(an_address_that_succeeds, setup, teardown),
        cmocka_unit_test_setup_teardown(this_machine, setup, teardown),
        cmocka_unit_test_setup_teardown(no_bound, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_table, setup, teardown),
        cmocka_unit_test_setup_teardown(several_threads, setup, teardown),
    };
    return cmocka_run_group_tests_name("address_bounds", tests, NULL, NULL);
}
