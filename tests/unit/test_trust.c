#include "server/trust.h"

#include "support.h"

/* Never looked into by trust.c. */
struct account {
    int number;
};

static struct trust trust;
static struct account account, other;

static void same_header(void **state)
{
    (void)state;
    trust = (struct trust){0};
    assert_null(trust_recall(&trust, 0, SLICE("")));
    assert_null(trust_recall(&trust, 0, SLICE("Basic YTpi")));
    trust_keep(&trust, 7, &account, SLICE("Basic YTpi"));
    assert_ptr_equal(trust_recall(&trust, 7, guarded(SLICE("Basic YTpi"))), &account);
    static const char *const wrong[] = {"", "Basic YTp", "Basic YTpiI", "Basic YTpj", "basic YTpi", "Casic YTpi"};
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_null(trust_recall(&trust, 7, guarded(slice_of(wrong[i]))));
    assert_ptr_equal(trust_recall(&trust, 7, SLICE("Basic YTpi")), &account);
    trust_keep(&trust, 7, &other, SLICE("Basic YTpj"));
    assert_ptr_equal(trust_recall(&trust, 7, SLICE("Basic YTpj")), &other);
    assert_null(trust_recall(&trust, 7, SLICE("Basic YTpi")));
}

/* After a reload a header must be shown to be right again. */
static void other_accounts(void **state)
{
    (void)state;
    trust_keep(&trust, 7, &account, SLICE("Basic YTpi"));
    assert_null(trust_recall(&trust, 8, SLICE("Basic YTpi")));
    assert_null(trust_recall(&trust, 6, SLICE("Basic YTpi")));
}

static void too_long(void **state)
{
    (void)state;
    char text[TRUST_TEXT_MAX + 1];
    memset(text, 'a', sizeof text);
    trust_keep(&trust, 1, &account, (struct slice){text, TRUST_TEXT_MAX});
    assert_ptr_equal(trust_recall(&trust, 1, (struct slice){text, TRUST_TEXT_MAX}), &account);
    trust_keep(&trust, 1, &account, (struct slice){text, sizeof text});
    assert_null(trust_recall(&trust, 1, (struct slice){text, sizeof text}));
    assert_null(trust_recall(&trust, 1, (struct slice){text, TRUST_TEXT_MAX}));
}

static void is_wiped(void **state)
{
    (void)state;
    static const struct trust nothing;
    trust_keep(&trust, 1, &account, SLICE("Basic YTpi"));
    trust_forget(&trust);
    assert_memory_equal(&trust, &nothing, sizeof trust);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_header),
        cmocka_unit_test(other_accounts),
        cmocka_unit_test(too_long),
        cmocka_unit_test(is_wiped),
    };
    return cmocka_run_group_tests_name("trust", tests, NULL, NULL);
}
