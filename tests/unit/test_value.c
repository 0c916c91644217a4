#include <math.h>
#include <stdlib.h>

#include "base/sketch.h"
#include "base/value.h"
#include "support.h"

static struct value *merge(const struct value *old, const struct value *update)
{
    bool too_large;
    struct value *result = value_merge(old, update, &too_large);
    assert_int_equal(too_large, result == NULL); /* memory is not short */
    return result;
}

static struct value *make(enum value_type type, double number, uint32_t size, const double *words)
{
    size_t count = value_word_count(type, size);
    struct value *value = malloc(sizeof *value + count * sizeof value->words[0]);
    *value = (struct value){.type = (uint16_t)type, .number = number, .size = size, .time = 10, .seen = 5};
    for (size_t i = 0; i < count; i++) {
        if (type == VALUE_SET)
            value->words[i].member = (uint64_t)words[i];
        else
            value->words[i].number = words[i];
    }
    return value;
}
#define WORDS(...) ((const double[]){__VA_ARGS__})

/* Merge two, check number and words of the result. */
static void check(struct value *old, struct value *update, double number, uint32_t size, const double *words)
{
    struct value *result = merge(old, update);
    assert_non_null(result);
    assert_true(result->number == number);
    assert_int_equal(result->size, size);
    for (size_t i = 0; i < value_word_count(result->type, size); i++) {
        double got = result->type == VALUE_SET ? (double)result->words[i].member : result->words[i].number;
        if (got != words[i])
            fail_msg("word %zu is %g, not %g", i, got, words[i]);
    }
    free(old);
    free(update);
    free(result);
}

static void merging(void **state)
{
    (void)state;
    check(make(VALUE_COUNTER, 333, 0, NULL), make(VALUE_COUNTER, -10, 0, NULL), 323, 0, NULL);
    check(make(VALUE_COUNTER, 5, 0, NULL), make(VALUE_GAUGE, 7, 0, NULL), 7, 0, NULL);
    check(NULL, make(VALUE_GAUGE, 7, 0, NULL), 7, 0, NULL);
    check(make(VALUE_SET, 2, 2, WORDS(1, 5)), make(VALUE_SET, 3, 3, WORDS(0, 5, 9)), 4, 4, WORDS(0, 1, 5, 9));
    check(make(VALUE_SET, 0, 0, NULL), make(VALUE_SET, 1, 1, WORDS(3)), 1, 1, WORDS(3));
    check(make(VALUE_HISTOGRAM, 3, 2, WORDS(10, 1, 2, 1, 2)), make(VALUE_HISTOGRAM, 7, 2, WORDS(5, 1, 2, 3, 3)), 10, 2,
          WORDS(15, 1, 2, 4, 5));
    check(make(VALUE_HISTOGRAM, 3, 2, WORDS(10, 1, 2, 1, 2)), make(VALUE_HISTOGRAM, 7, 2, WORDS(5, 1, 3, 3, 3)), 7, 2,
          WORDS(5, 1, 3, 3, 3));
    check(make(VALUE_SUMMARY, 2, 1, WORDS(3, 0.5, 1)), make(VALUE_SUMMARY, 5, 1, WORDS(6, 0.5, 4)), 5, 1,
          WORDS(6, 0.5, 4));
    check(make(VALUE_SKETCH, 2, 2, WORDS(5, 1, 3, 1391, 1412, 1, 1)),
          make(VALUE_SKETCH, 2, 2, WORDS(6, 0.5, 4, 1300, 1412, 1, 1)), 4, 3,
          WORDS(11, 0.5, 4, 1300, 1391, 1412, 1, 1, 2));
    check(make(VALUE_SKETCH, 0, 0, WORDS(0, 0, 0)), make(VALUE_SKETCH, 1, 1, WORDS(6, 2, 4, 1300, 1)), 1, 1,
          WORDS(6, 2, 4, 1300, 1));
    check(make(VALUE_SKETCH, 1, 1, WORDS(6, 2, 4, 1300, 1)), make(VALUE_SKETCH, 0, 0, WORDS(0, 0, 0)), 1, 1,
          WORDS(6, 2, 4, 1300, 1));
}

static void totals(void **state)
{
    (void)state;
    check(NULL, make(VALUE_EXTERNAL_COUNTER, 7, 0, WORDS(7)), 7, 0, WORDS(7));
    check(make(VALUE_EXTERNAL_COUNTER, 100, 0, WORDS(7)), make(VALUE_EXTERNAL_COUNTER, 9, 0, WORDS(9)), 102, 0,
          WORDS(9));
    check(make(VALUE_EXTERNAL_COUNTER, 100, 0, WORDS(7)), make(VALUE_EXTERNAL_COUNTER, 7, 0, WORDS(7)), 100, 0,
          WORDS(7));
    check(make(VALUE_EXTERNAL_COUNTER, 100, 0, WORDS(7)), make(VALUE_EXTERNAL_COUNTER, 2, 0, WORDS(2)), 102, 0,
          WORDS(2)); /* it fell */
    check(make(VALUE_COUNTER, 100, 0, NULL), make(VALUE_EXTERNAL_COUNTER, 2, 0, WORDS(2)), 2, 0, WORDS(2));
}

static bool fits(enum value_type type, double number, uint32_t size, const double *words, bool incremental)
{
    struct value *value = make(type, number, size, words);
    bool fit = value_is_fit(value, incremental);
    free(value);
    return fit;
}

static void fitness(void **state)
{
    (void)state;
    const double bad[] = {-1, -INFINITY, INFINITY, NAN};
    for (size_t i = 0; i < 4; i++) {
        double x = bad[i];
        bool negative = x == -1;
        assert_false(fits(VALUE_COUNTER, x, 0, NULL, true));
        assert_true(fits(VALUE_COUNTER, x, 0, NULL, false));
        assert_int_equal(fits(VALUE_GAUGE, x, 0, NULL, true), negative);
        assert_false(fits(VALUE_HISTOGRAM, x, 1, WORDS(1, 5, 1), true));
        assert_false(fits(VALUE_HISTOGRAM, 1, 1, WORDS(1, 5, x), true));
        assert_int_equal(fits(VALUE_HISTOGRAM, 1, 1, WORDS(x, -5, 1), true), negative); /* sums and bounds may be */
        assert_false(fits(VALUE_SKETCH, x, 1, WORDS(1, 1, 1, -7, 1), true));
        assert_false(fits(VALUE_SKETCH, 1, 1, WORDS(1, 1, 1, -7, x), true));
        assert_int_equal(fits(VALUE_SKETCH, 1, 1, WORDS(x, 1, 1, -7, 1), true), negative);
        assert_false(fits(VALUE_EXTERNAL_COUNTER, 1, 0, WORDS(x), false));
    }
    assert_true(fits(VALUE_COUNTER, 0, 0, NULL, true));
    assert_true(fits(VALUE_SET, 1, 1, WORDS(7), true));
    assert_true(fits(VALUE_SUMMARY, 1, 1, WORDS(NAN, 0.5, NAN), true));
    assert_true(fits(VALUE_EXTERNAL_COUNTER, 1, 0, WORDS(7), false));
}

/* Sums that would not be finite for ever after. */
static void overflowing(void **state)
{
    (void)state;
    struct value *most = make(VALUE_COUNTER, 1e308, 0, NULL);
    struct value *histogram = make(VALUE_HISTOGRAM, 1, 1, WORDS(1e308, 5, 1));
    assert_null(merge(most, most));
    assert_null(merge(histogram, histogram));
    free(most);
    free(histogram);
    most = make(VALUE_GAUGE, INFINITY, 0, NULL); /* to replace is not to add */
    struct value *result = merge(NULL, most);
    assert_non_null(result);
    free(result);
    free(most);
}

static void times(void **state)
{
    (void)state;
    struct value *old = make(VALUE_COUNTER, 1, 0, NULL), *update = make(VALUE_COUNTER, 1, 0, NULL);
    old->time = 20;
    update->seen = 9;
    struct value *result = merge(old, update);
    assert_int_equal(result->time, 20);
    assert_int_equal(result->seen, 9);
    free(old);
    free(update);
    free(result);
}

static void bounds(void **state)
{
    (void)state;
    double *words = calloc(VALUE_SET_MAX, sizeof *words);
    for (int i = 0; i < VALUE_SET_MAX; i++)
        words[i] = i;
    struct value *full = make(VALUE_SET, VALUE_SET_MAX, VALUE_SET_MAX, words);
    struct value *known = make(VALUE_SET, 1, 1, WORDS(7));
    struct value *one_more = make(VALUE_SET, 1, 1, WORDS(1e9));
    struct value *result = merge(full, known);
    assert_int_equal(result->size, VALUE_SET_MAX);
    assert_null(merge(full, one_more));
    assert_int_equal(value_weight(known), 1);
    assert_in_range(value_weight(full), 300, 400); /* by its memory */
    free(result);
    free(one_more);
    free(known);
    free(full);
    free(words);
    struct value *histogram =
        make(VALUE_HISTOGRAM, 3, 11, WORDS(1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
    assert_int_equal(value_weight(histogram), 14); /* 11 bounds, +Inf, sum, count */
    free(histogram);
}

static void check_quantile(double q, const double *keys, const double *numbers, size_t count, double total, double low,
                           double high, double expected)
{
    double got = sketch_quantile(q, keys, numbers, count, total, low, high);
    if (fabs(got - expected) > 1e-9 * fabs(expected))
        fail_msg("quantile %g is %.17g, not %.17g", q, got, expected);
}

static void quantiles(void **state)
{
    (void)state;
    check_quantile(0.5, NULL, NULL, 0, 0, 0, 0, 0);
    check_quantile(0.5, WORDS(1412), WORDS(1), 1, 1, 3.15, 3.15, 3.15);
    check_quantile(0, WORDS(1391, 1412), WORDS(1, 1), 2, 2, 2.28, 3.15, 2.28);
    check_quantile(1, WORDS(1391, 1412), WORDS(1, 1), 2, 2, 2.28, 3.15, 3.15);
    /* rank = round-half-even(0.5 * 1) = 0: the first bin, with all its weight, which starts at the minimum */
    check_quantile(0.5, WORDS(1391, 1412), WORDS(1, 1), 2, 2, 2.28, 3.15, 2.28);
    /* rank 1: the second bin, at its lower bound */
    check_quantile(0.75, WORDS(1391, 1412), WORDS(1, 1), 2, 2, 2.28, 3.15, pow(1 + 2.0 / 128, 1412 - 1338));
    check_quantile(0.99, WORDS(0), WORDS(5), 1, 5, 0, 0, 0);
    check_quantile(0.5, WORDS(-1412), WORDS(1), 1, 1, -3.15, -3.15, -3.15);
    check_quantile(0.5, WORDS(1338, 32767), WORDS(1, 2), 2, 3, 1, 1e300, 1e300); /* the bin that ends in infinity */
    assert_true(isnan(sketch_quantile(0.99, WORDS(1412), WORDS(1), 1, 10, 1, 4)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merging),     cmocka_unit_test(totals), cmocka_unit_test(times),     cmocka_unit_test(fitness),
        cmocka_unit_test(overflowing), cmocka_unit_test(bounds), cmocka_unit_test(quantiles),
    };
    return cmocka_run_group_tests_name("value", tests, NULL, NULL);
}
