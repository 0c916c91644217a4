#include "base/state_format.h"
#include "support.h"

static struct buffer out;

static struct slice written(void)
{
    return (struct slice){out.at, out.length};
}

static int forget(void **state)
{
    (void)state;
    buffer_free(&out);
    return 0;
}

static void write_records(void)
{
    size_t block = state_begin_block(&out);
    size_t record = state_begin_record(&out, 7);
    state_put_number(&out, 300);
    state_put_signed(&out, -5);
    state_put_double(&out, 0.1);
    state_put_text(&out, slice_of("shop"));
    state_end_record(&out, record);
    state_end_record(&out, state_begin_record(&out, 200));
    state_end_block(&out, block, 3);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    write_records();
    struct slice records;
    size_t size;
    assert_int_equal(state_read_block(guarded(written()), 3, &records, &size), STATE_BLOCK_WHOLE);
    assert_int_equal(size, out.length);
    struct state_fields fields;
    unsigned char tag;
    bool damaged;
    assert_true(state_next_record(&records, &tag, &fields, &damaged));
    assert_int_equal(tag, 7);
    assert_int_equal(state_get_number(&fields), 300);
    assert_int_equal(state_get_signed(&fields), -5);
    assert_true(state_get_double(&fields) == 0.1);
    assert_slice(state_get_text(&fields), "shop");
    assert_int_equal(state_get_number(&fields), 0); /* what a newer version has there */
    assert_false(fields.failed);
    assert_true(state_next_record(&records, &tag, &fields, &damaged));
    assert_int_equal(tag, 200);
    assert_false(state_next_record(&records, &tag, &fields, &damaged));
    assert_false(damaged);
}

static void numbers_of_all_sizes(void **state)
{
    (void)state;
    static const uint64_t numbers[] = {0, 1, 127, 128, 16383, 16384, UINT32_MAX, INT64_MAX, UINT64_MAX};
    size_t block = state_begin_block(&out), record = state_begin_record(&out, 1);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        state_put_number(&out, numbers[i]);
        state_put_signed(&out, (int64_t)numbers[i]);
        state_put_signed(&out, -(int64_t)(numbers[i] >> 1));
    }
    state_end_record(&out, record);
    state_end_block(&out, block, 0);
    struct slice records;
    struct state_fields fields;
    unsigned char tag;
    size_t size;
    bool damaged;
    assert_int_equal(state_read_block(written(), 0, &records, &size), STATE_BLOCK_WHOLE);
    assert_true(state_next_record(&records, &tag, &fields, &damaged));
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        assert_true(state_get_number(&fields) == numbers[i]);
        assert_true(state_get_signed(&fields) == (int64_t)numbers[i]);
        assert_true(state_get_signed(&fields) == -(int64_t)(numbers[i] >> 1));
    }
    assert_false(fields.failed);
}

/* Each cut, each changed bit, and another place are found out. */
static void damage_is_seen(void **state)
{
    (void)state;
    write_records();
    struct slice records;
    size_t size;
    for (size_t length = 0; length < out.length; length++)
        assert_int_equal(state_read_block(guarded((struct slice){out.at, length}), 3, &records, &size),
                         STATE_BLOCK_SHORT);
    for (size_t bit = 0; bit < 8 * out.length; bit++) {
        out.at[bit / 8] ^= (char)(1 << bit % 8);
        assert_int_not_equal(state_read_block(guarded(written()), 3, &records, &size), STATE_BLOCK_WHOLE);
        out.at[bit / 8] ^= (char)(1 << bit % 8);
    }
    assert_int_equal(state_read_block(written(), 4, &records, &size), STATE_BLOCK_DAMAGED);
    assert_int_equal(state_read_block(slice_of("PK\x03\x04 is of another program"), 0, &records, &size),
                     STATE_BLOCK_DAMAGED);
}

/* A record that says to be longer than it is, and fields that end within. */
static void records_that_lie(void **state)
{
    (void)state;
    struct state_fields fields;
    unsigned char tag;
    bool damaged;
    struct slice records = guarded((struct slice){"\x07\xff\xff\xff\xff", 5});
    assert_false(state_next_record(&records, &tag, &fields, &damaged));
    assert_true(damaged);
    fields = (struct state_fields){guarded((struct slice){"\xff\xff", 2}), false};
    assert_int_equal(state_get_number(&fields), 0);
    assert_true(fields.failed);
    fields = (struct state_fields){guarded((struct slice){"\x09short", 6}), false};
    assert_int_equal(state_get_text(&fields).length, 0);
    assert_true(fields.failed);
}

static void an_end_has_always_the_same_size(void **state)
{
    (void)state;
    state_put_end(&out, 1, false);
    assert_int_equal(out.length, STATE_END_SIZE);
    state_put_end(&out, 70000, true);
    assert_int_equal(out.length, 2 * STATE_END_SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(what_is_written_is_read, forget),
        cmocka_unit_test_teardown(numbers_of_all_sizes, forget),
        cmocka_unit_test_teardown(damage_is_seen, forget),
        cmocka_unit_test_teardown(records_that_lie, forget),
        cmocka_unit_test_teardown(an_end_has_always_the_same_size, forget),
    };
    return cmocka_run_group_tests_name("state_format", tests, NULL, NULL);
}
