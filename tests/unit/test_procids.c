#include "intake/procids.h"

#include <stdio.h>

#include "support.h"

static struct procids procids;

static unsigned find(const char *appname, const char *procid)
{
    return procids_find(&procids, slice_of(appname), slice_of(procid));
}

static void numbers(void **state)
{
    (void)state;
    procids_start(&procids);
    assert_int_equal(find("heroku", "router"), 0);
    assert_int_equal(find("app", "web.1"), 1);
    assert_int_equal(find("heroku", "router"), 0);
    assert_int_equal(find("heroku", "web.1"), 2);
    assert_int_equal(find("", "web.1"), 3);
    assert_int_equal(find("", ""), 4);
    assert_int_equal(find("app", ""), 5);
    assert_int_equal(find("app", "web.1"), 1);
    assert_int_equal(procids.count, 6);
    assert_slice(procids.list[2].appname, "heroku");
    assert_slice(procids.list[2].procid, "web.1");
    procids_start(&procids);
    assert_int_equal(find("app", "web.1"), 0);
    assert_int_equal(procids.count, 1);
}

/* Whatever the names are, those that end the same included: each has a number of its own, up to the bound. */
static void many(void **state)
{
    (void)state;
    static const char *const forms[] = {"web.%u", "%u.same", "run.%04u", "%u", "\xff%u"};
    for (size_t form = 0; form < sizeof forms / sizeof forms[0]; form++) {
        static char names[PROCIDS_MAX + 10][32];
        procids_start(&procids);
        for (unsigned i = 0; i < PROCIDS_MAX + 10; i++) {
            snprintf(names[i], sizeof names[i], forms[form], i);
            assert_int_equal(procids_is_full(&procids), procids.count > PROCIDS_MAX - PROCIDS_RESERVE);
            assert_int_equal(find("app", names[i]), i < PROCIDS_MAX ? i : PROCIDS_MAX);
        }
        for (unsigned i = 0; i < PROCIDS_MAX + 10; i++)
            assert_int_equal(find("app", names[i]), i < PROCIDS_MAX ? i : PROCIDS_MAX);
        assert_true(procids_is_full(&procids));
        assert_int_equal(procids.count, PROCIDS_MAX);
    }
}

/* No byte before or behind a name is looked at. */
static void guarded_names(void **state)
{
    (void)state;
    static const char *const names[] = {"", "a", "ab", "abc", "abcd", "abcde"};
    procids_start(&procids);
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_int_equal(procids_find(&procids, SLICE("app"), slice_of(names[i])), i);
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_int_equal(procids_find(&procids, SLICE("app"), guarded(slice_of(names[i]))), i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),
        cmocka_unit_test(many),
        cmocka_unit_test(guarded_names),
    };
    return cmocka_run_group_tests_name("procids", tests, NULL, NULL);
}
