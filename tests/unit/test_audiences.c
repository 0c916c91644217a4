#include "output/audiences.h"
#include "support.h"

enum { A = 1, B = 2 };

static struct audiences audiences;
static const struct page_selection everything = {.kind = PAGE_ALL};

static int setup(void **state)
{
    (void)state;
    audiences_start(&audiences, 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    audiences_end(&audiences);
    return 0;
}

static const struct page_selection *app(entity_id id)
{
    static struct page_selection selection;
    selection = (struct page_selection){.kind = PAGE_APP, .scope = {{id}, 1}};
    return &selection;
}

/* Who scrapes one app has not seen another one, and who scrapes seldom is waited for on his own pages alone. */
static void each_selection_has_its_own(void **state)
{
    (void)state;
    for (uint64_t now = 1000; now <= 1400; now += 20)
        audiences_note(&audiences, app(256), A, now);
    for (uint64_t now = 1000; now <= 1400; now += 40)
        audiences_note(&audiences, app(512), A, now);
    assert_int_equal(audiences_all_saw(&audiences, app(256), 1420), 1399);
    assert_int_equal(audiences_all_saw(&audiences, app(512), 1439), 1399);
    assert_int_equal(audiences_all_saw(&audiences, app(256), 1440), 1399); /* A is waited for, to that page as well */
    assert_int_equal(audiences_all_saw(&audiences, &everything, 1440), 1420);
    assert_int_equal(audiences.count, 2);
}

static void it_never_goes_back(void **state)
{
    (void)state;
    assert_int_equal(audiences_all_saw(&audiences, app(256), 1000), 980);
    audiences_note(&audiences, app(256), A, 940);
    audiences_note(&audiences, app(256), A, 960);
    assert_int_equal(audiences_all_saw(&audiences, app(256), 1001), 980);
    audiences_note(&audiences, app(256), B, 970);
    audiences_note(&audiences, app(256), B, 980);
    assert_int_equal(audiences_all_saw(&audiences, app(256), 1002), 980);
}

static void what_nobody_asks_for_is_forgotten(void **state)
{
    (void)state;
    for (entity_id id = 1; id <= 3 * AUDIENCES_MAX; id++)
        audiences_note(&audiences, app(id << 8), A, 1000);
    assert_int_equal(audiences.count, AUDIENCES_MAX);
    audiences_note(&audiences, app(256), A, 1000 + SCRAPERS_PATIENCE * 20);
    assert_int_equal(audiences.count, AUDIENCES_MAX);
    audiences_note(&audiences, app(512), A, 1001 + SCRAPERS_PATIENCE * 20);
    assert_int_equal(audiences.count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_selection_has_its_own, setup, teardown),
        cmocka_unit_test_setup_teardown(it_never_goes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(what_nobody_asks_for_is_forgotten, setup, teardown),
    };
    return cmocka_run_group_tests_name("audiences", tests, NULL, NULL);
}
