#include "server/forwarded.h"

#include <stdio.h>
#include <stdlib.h>

#include "support.h"

static struct address_ranges trusted;

/* The client of a request from peer with these headers, which end with NULL. */
static const char *client(const char *peer, ...)
{
    static char text[ADDRESS_TEXT_MAX];
    static char copies[16][256];
    struct forwarded forwarded = {.count = 0};
    struct address address;
    va_list values;
    va_start(values, peer);
    unsigned i = 0;
    for (const char *value; (value = va_arg(values, const char *)) != NULL; i++) {
        snprintf(copies[i], sizeof copies[i], "%s", value);
        forwarded_add(&forwarded, slice_of(copies[i]));
    }
    va_end(values);
    assert_true(address_read(slice_of(peer), &address));
    address = forwarded_client(&forwarded, &address, &trusted);
    address_spell(&address, text);
    return text;
}

static int setup(void **state)
{
    (void)state;
    char error[ERROR_MAX];
    return !address_ranges_read(SLICE("10.0.0.0/8, 2001:db8::/32"), &trusted, error);
}

static void one_proxy(void **state)
{
    (void)state;
    assert_string_equal(client("10.0.0.5", "203.0.113.7", NULL), "203.0.113.7");
    assert_string_equal(client("10.0.0.5", "203.0.113.7:4711", NULL), "203.0.113.7");
    assert_string_equal(client("10.0.0.5", "[2001:db9::7]:4711", NULL), "2001:db9::7");
    assert_string_equal(client("2001:db8::5", " 2001:db9::7 ", NULL), "2001:db9::7");
    /* What the client has sent itself does not count. */
    assert_string_equal(client("10.0.0.5", "198.51.100.1, 203.0.113.7", NULL), "203.0.113.7");
    assert_string_equal(client("10.0.0.5", "10.0.0.9,203.0.113.7", NULL), "203.0.113.7");
    assert_string_equal(client("10.0.0.5", "x, y, 203.0.113.7", NULL), "203.0.113.7");
}

static void no_proxy(void **state)
{
    (void)state;
    assert_string_equal(client("203.0.113.7", "198.51.100.1", NULL), "203.0.113.7");
    assert_string_equal(client("203.0.113.7", "10.0.0.1", NULL), "203.0.113.7");
    assert_string_equal(client("203.0.113.7", NULL), "203.0.113.7");
}

static void a_proxy_itself(void **state)
{
    (void)state;
    assert_string_equal(client("10.0.0.5", NULL), "10.0.0.5");
    assert_string_equal(client("10.0.0.5", "", NULL), "10.0.0.5");
    assert_string_equal(client("10.0.0.5", " , ,", NULL), "10.0.0.5");
    assert_string_equal(client("10.0.0.5", "10.0.0.6", NULL), "10.0.0.6");
}

static void several_proxies(void **state)
{
    (void)state;
    assert_string_equal(client("10.0.0.5", "198.51.100.1, 203.0.113.7, 10.0.0.4, 2001:db8::1", NULL), "203.0.113.7");
    assert_string_equal(client("10.0.0.5", "198.51.100.1", "203.0.113.7", "10.0.0.4", NULL), "203.0.113.7");
    assert_string_equal(client("10.0.0.5", "198.51.100.1, 203.0.113.7", "", "10.0.0.4,", NULL), "203.0.113.7");
    assert_string_equal(client("10.0.0.5", "10.0.0.3, 10.0.0.4", NULL), "10.0.0.3");
}

static void what_is_no_address(void **state)
{
    (void)state;
    assert_string_equal(client("10.0.0.5", "203.0.113.7, unknown", NULL), "10.0.0.5");
    assert_string_equal(client("10.0.0.5", "203.0.113.7, _hidden, 10.0.0.4", NULL), "10.0.0.4");
    assert_string_equal(client("10.0.0.5", "203.0.113.7;10.0.0.4", NULL), "10.0.0.5");
}

static void more_headers_than_are_kept(void **state)
{
    (void)state;
    assert_string_equal(client("10.0.0.5", "9.9.9.9", "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5",
                               "10.0.0.6", "10.0.0.7", "10.0.0.8", NULL),
                        "10.0.0.1");
    assert_string_equal(client("10.0.0.5", "9.9.9.9", "8.8.8.8", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5",
                               "10.0.0.6", "10.0.0.7", "10.0.0.8", NULL),
                        "8.8.8.8");
}

static void cut(struct slice text)
{
    struct forwarded forwarded = {.values = {text}, .count = 1};
    struct address peer;
    address_read(SLICE("10.0.0.5"), &peer);
    forwarded_client(&forwarded, &peer, &trusted);
}

static void each_beginning(void **state)
{
    (void)state;
    each_cut(SLICE("203.0.113.7, [2001:db8::1]:443 ,10.0.0.4,, 10.0.0.9:80"), cut);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_proxy),          cmocka_unit_test(no_proxy),
        cmocka_unit_test(a_proxy_itself),     cmocka_unit_test(several_proxies),
        cmocka_unit_test(what_is_no_address), cmocka_unit_test(more_headers_than_are_kept),
        cmocka_unit_test(each_beginning),
    };
    return cmocka_run_group_tests_name("forwarded", tests, setup, NULL);
}
