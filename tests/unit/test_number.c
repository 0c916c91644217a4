#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/number.h"
#include "support.h"

static void check(double number, const char *expected)
{
    char text[NUMBER_TEXT_MAX];
    assert_slice(((struct slice){text, number_spell(number, text)}), expected);
}

static void spellings(void **state)
{
    (void)state;
    check(0, "0");
    check(-0.0, "-0");
    check(10, "10");
    check(-1.1, "-1.1");
    check(0.1 + 0.2, "0.30000000000000004");
    check(1e21, "1000000000000000000000");
    check(2.5e-9, "0.0000000025");
    check(0.0005, "0.0005");
    check(2.5, "2.5");
    check(60505.50000000138, "60505.50000000138");
    check(18446744073709551615.0, "18446744073709552000");
    check(9007199254740991, "9007199254740991");
    check(9007199254740993, "9007199254740992");
    check(123456789.123456789, "123456789.12345679");
    check(7, "7");
    check(99999999, "99999999");
    check(100000000, "100000000");
    check(-100000007, "-100000007");
    check(9999999.5, "9999999.5");
    check(10000000.5, "10000000.5");
    check(9999999.12345678, "9999999.12345678");
    check(10000000.12345678, "10000000.12345678");
    check(0.00000001, "0.00000001");
    check(0.000000009, "0.000000009");
    check(123.000000001, "123.000000001");
    check(INFINITY, "+Inf");
    check(-INFINITY, "-Inf");
    check(NAN, "NaN");
    char text[NUMBER_TEXT_MAX];
    assert_in_range(number_spell(5e-324, text), 300, NUMBER_TEXT_MAX);
    assert_in_range(number_spell(-DBL_MAX, text), 300, NUMBER_TEXT_MAX);
}

/* Whatever the bits are, the text reads back as the same number and holds no exponent. */
static void round_trip(void **state)
{
    (void)state;
    uint64_t random = 88172645463325252u;
    for (int i = 0; i < 200000; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        double number;
        if (i % 2 == 0)
            memcpy(&number, &random, sizeof number);
        else
            number = (double)(int64_t)random / pow(10, (double)(random % 30));
        if (!isfinite(number))
            continue;
        char text[NUMBER_TEXT_MAX + 1];
        text[number_spell(number, text)] = '\0';
        double back = strtod(text, NULL);
        if (memcmp(&back, &number, sizeof number) != 0 || strpbrk(text, "eE") != NULL)
            fail_msg("%.17g was spelled %s", number, text);
    }
}

/* What has a few decimals is spelled with these, and no zero behind them. */
static void few_decimals(void **state)
{
    (void)state;
    uint64_t random = 88172645463325252u;
    for (int i = 0; i < 200000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint64_t most = UINT64_C(1) << (random >> 58) % 50; /* exact with room to spare: one text is the shortest */
        uint64_t units = (random >> 8) % most;
        unsigned places = 1 + (unsigned)(random >> 4) % 12;
        char expected[64];
        snprintf(expected, sizeof expected, "%0*llu", (int)places + 1, (unsigned long long)units);
        size_t whole = strlen(expected) - places;
        memmove(expected + whole + 1, expected + whole, places + 1);
        expected[whole] = '.';
        size_t length = strlen(expected);
        while (expected[length - 1] == '0')
            length--;
        length -= expected[length - 1] == '.';
        expected[length] = '\0';
        check((double)units / pow(10, places), expected);
    }
}

static void check_decimal(const char *text, uint64_t most, bool valid, uint64_t expected)
{
    uint64_t number = 0;
    if (number_read_decimal(guarded(slice_of(text)), most, &number) != valid || (valid && number != expected))
        fail_msg("\"%s\", at most %llu, was read as %llu", text, (unsigned long long)most, (unsigned long long)number);
}

static void decimals(void **state)
{
    (void)state;
    check_decimal("0", 0, true, 0);
    check_decimal("007", 10, true, 7);
    check_decimal("1024", 1024, true, 1024);
    check_decimal("1025", 1024, false, 0);
    check_decimal("18446744073709551615", UINT64_MAX, true, UINT64_MAX);
    check_decimal("18446744073709551616", UINT64_MAX, false, 0);
    check_decimal("99999999999999999999999", UINT64_MAX, false, 0);
    static const char *const wrong[] = {"", " 1", "1 ", "+1", "-1", "1.0", "1e3", "0x10", "ten"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        check_decimal(wrong[i], UINT64_MAX, false, 0);
    struct slice text = SLICE("600s");
    uint64_t number;
    assert_false(number_cut_decimal(&text, 599, &number));
    assert_slice(text, "600s");
    assert_true(number_cut_decimal(&text, 600, &number));
    assert_int_equal(number, 600);
    assert_slice(text, "s");
    assert_false(number_cut_decimal(&text, 600, &number));
}

static void lines(void **state)
{
    (void)state;
    struct slice text = guarded(SLICE("one\n\ntwo\n"));
    assert_slice(slice_cut_line(&text), "one");
    assert_slice(slice_cut_line(&text), "");
    assert_slice(slice_cut_line(&text), "two");
    assert_int_equal(text.length, 0);
    text = guarded(SLICE("without end"));
    assert_slice(slice_cut_line(&text), "without end");
    assert_int_equal(text.length, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(spellings), cmocka_unit_test(round_trip),
                                       cmocka_unit_test(few_decimals), cmocka_unit_test(decimals),
                                       cmocka_unit_test(lines)};
    return cmocka_run_group_tests_name("number", tests, NULL, NULL);
}
