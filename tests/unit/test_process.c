#include "base/process.h"

#include "support.h"

static void names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *type; /* NULL: no process */
        unsigned number;
        bool one_off;
    } cases[] = {
        {"web.1", "web", 1, false},        {"sidekiq_x-2.12", "sidekiq_x-2", 12, false},
        {"run.1", "run", 1, true},         {"scheduler.77", "scheduler", 77, true},
        {"release.9", "release", 9, true}, {"web.1000", "web", 1000, true},
        {"web.999", "web", 999, false},    {"web", NULL, 0, false},
        {"web.", NULL, 0, false},          {".1", NULL, 0, false},
        {"a.b.1", NULL, 0, false},         {"web.1x", NULL, 0, false},
        {"run.99999", "run", 99999, true}, {"run.100000", NULL, 0, false},
        {"web.123456789", NULL, 0, false}, {"web.99999999999999999999999", NULL, 0, false},
        {"we b.1", NULL, 0, false},        {"", NULL, 0, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct process process;
        bool is = process_read(guarded(slice_of(cases[i].name)), &process);
        assert_int_equal(is, cases[i].type != NULL);
        if (!is)
            continue;
        assert_slice(process.type, cases[i].type);
        assert_int_equal(process.number, cases[i].number);
        assert_int_equal(process.one_off, cases[i].one_off);
    }
}

static void longest_name(void **state)
{
    (void)state;
    char name[PROCESS_NAME_MAX + 1];
    memset(name, 'a', sizeof name);
    struct process process;
    memcpy(name + PROCESS_NAME_MAX - 2, ".1", 2);
    assert_true(process_read(guarded((struct slice){name, PROCESS_NAME_MAX}), &process));
    assert_int_equal(process.type.length, PROCESS_NAME_MAX - 2);
    memcpy(name + PROCESS_NAME_MAX - 2, "a.1", 3);
    assert_false(process_read(guarded((struct slice){name, PROCESS_NAME_MAX + 1}), &process));
}

static void types(void **state)
{
    (void)state;
    static const char *const right[] = {"web", "sidekiq_x-2", "A", "0"};
    static const char *const wrong[] = {"", "web.1", "we b",
                                        "w\xc3\xa9"
                                        "b",
                                        "web/1"};
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++)
        assert_true(process_is_type(guarded(slice_of(right[i]))));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(process_is_type(guarded(slice_of(wrong[i]))));
    /* A name with the shortest number must fit. */
    char longest[PROCESS_NAME_MAX];
    memset(longest, 'a', sizeof longest);
    assert_true(process_is_type((struct slice){longest, PROCESS_NAME_MAX - 2}));
    assert_false(process_is_type((struct slice){longest, PROCESS_NAME_MAX - 1}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(longest_name),
        cmocka_unit_test(types),
    };
    return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
