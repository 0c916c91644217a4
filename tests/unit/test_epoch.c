#include "store/epoch.h"

#include "support.h"

enum { SLOTS = 3 };

static struct epochs epochs;
static int released;

static void release(void *item)
{
    ++*(int *)item;
    released++;
}

static int setup(void **state)
{
    (void)state;
    memset(&epochs, 0, sizeof epochs);
    released = 0;
    return !epochs_start(&epochs, SLOTS);
}

static void enter_and_leave(unsigned slot)
{
    epoch_enter(&epochs, slot);
    epoch_leave(&epochs, slot);
}

static void retire(unsigned slot, int *item)
{
    epoch_enter(&epochs, slot);
    assert_true(epoch_reserve(&epochs, slot, 1));
    epoch_retire(&epochs, slot, item, 1, release);
    epoch_leave(&epochs, slot);
}

static void alone(void **state)
{
    (void)state;
    int item = 0;
    epoch_enter(&epochs, 0);
    assert_true(epoch_reserve(&epochs, 0, 1));
    epoch_retire(&epochs, 0, &item, 1, release);
    assert_int_equal(item, 0); /* the retirer itself may still read it */
    epoch_leave(&epochs, 0);
    assert_int_equal(item, 1);
    epochs_stop(&epochs);
    assert_int_equal(released, 1);
}

/* What a reader may hold stays until it leaves, however often others come and go; also when the low half of the epoch
 * starts again at 0. */
static void reader(void **state)
{
    (void)state;
    const uint64_t starts[] = {1, 1000, UINT32_MAX - 1, UINT32_MAX, (uint64_t)UINT32_MAX + 1};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        atomic_store(&epochs.epoch, starts[i]);
        int held = 0, later = 0;
        epoch_enter(&epochs, 1);
        retire(0, &held);
        for (int round = 0; round < 10; round++) {
            enter_and_leave(0);
            enter_and_leave(2);
            assert_int_equal(held, 0);
        }
        epoch_leave(&epochs, 1);
        epoch_enter(&epochs, 1); /* it cannot hold it any more */
        retire(0, &later);
        assert_int_equal(held, 1);
        assert_int_equal(later, 0);
        epoch_enter(&epochs, 1); /* the same without leaving */
        enter_and_leave(0);
        epoch_enter(&epochs, 1);
        enter_and_leave(0);
        assert_int_equal(later, 1);
        epoch_leave(&epochs, 1);
    }
    epochs_stop(&epochs);
}

static void quiescing(void **state)
{
    (void)state;
    int item = 0;
    epoch_enter(&epochs, 1);
    epoch_enter(&epochs, 0);
    int count = 0;
    for (; !epoch_should_quiesce(&epochs, 0); count++) {
        assert_true(epoch_reserve(&epochs, 0, 1));
        epoch_retire(&epochs, 0, &item, 1000, release);
    }
    assert_in_range(count, 1000, 5000);
    epoch_leave(&epochs, 0);
    assert_true(epoch_should_quiesce(&epochs, 0)); /* another holds it up */
    epoch_leave(&epochs, 1);
    enter_and_leave(0);
    assert_false(epoch_should_quiesce(&epochs, 0));
    assert_int_equal(item, count);
    retire(2, &item);
    epoch_enter(&epochs, 1);
    retire(2, &item);
    epoch_leave(&epochs, 1);
    epochs_stop(&epochs); /* releases the rest */
    assert_int_equal(item, count + 2);
}

/* A block is not given again as long as a reader may hold it. */
static void blocks(void **state)
{
    (void)state;
    void *block = epoch_take_block(&epochs, 0);
    assert_non_null(block);
    epoch_give_block(&epochs, 0, block);
    epoch_enter(&epochs, 1);
    epoch_enter(&epochs, 0);
    void *held = epoch_take_block(&epochs, 0);
    assert_true(epoch_reserve(&epochs, 0, 1));
    epoch_retire_block(&epochs, 0, held);
    epoch_leave(&epochs, 0);
    void *other = epoch_take_block(&epochs, 0);
    assert_ptr_not_equal(other, held);
    free(other);
    epoch_leave(&epochs, 1);
    enter_and_leave(0);
    void *again = epoch_take_block(&epochs, 0);
#ifndef __SANITIZE_ADDRESS__ /* there they are freed */
    assert_ptr_equal(again, held);
#endif
    memset(again, 1, EPOCH_BLOCK);
    free(again);
    epoch_give_block(&epochs, 0, malloc(EPOCH_BLOCK));
    epochs_stop(&epochs); /* frees what is kept */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(alone, setup),
        cmocka_unit_test_setup(reader, setup),
        cmocka_unit_test_setup(quiescing, setup),
        cmocka_unit_test_setup(blocks, setup),
    };
    return cmocka_run_group_tests_name("epoch", tests, NULL, NULL);
}
