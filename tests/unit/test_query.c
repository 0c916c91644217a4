#include "server/query.h"

#include "support.h"

static void check(const char *query, const char *expected)
{
    char out[64];
    assert_slice(query_value(guarded(slice_of(query)), SLICE("app_name"), out, sizeof out), expected);
}

static void values(void **state)
{
    (void)state;
    check("app_name=shop", "shop");
    check("a=1&app_name=shop&b=2", "shop");
    check("app_name=my+shop%2B%26", "my shop+&");
    check("app_name=a=b", "a=b");
    check("&&app_name=shop&&", "shop");
}

static void none(void **state)
{
    (void)state;
    check("", "");
    check("app_name", "");
    check("app_name=", "");
    check("app_nam=x", "");
    check("app_names=x", "");
    check("xapp_name=x", "");
    check("APP_NAME=x", "");
    check("app%5Fname=x", ""); /* names are taken as they stand */
    check("=app_name", "");
}

static void the_last_counts(void **state)
{
    (void)state;
    check("app_name=a&app_name=b", "b");
    check("app_name=a&app_name", "");
}

static void cut_off(void **state)
{
    (void)state;
    char out[4] = "####";
    assert_slice(query_value(SLICE("n=abcdef"), SLICE("n"), out, 3), "abc");
    assert_int_equal(out[3], '#');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),
        cmocka_unit_test(none),
        cmocka_unit_test(the_last_counts),
        cmocka_unit_test(cut_off),
    };
    return cmocka_run_group_tests_name("query", tests, NULL, NULL);
}
