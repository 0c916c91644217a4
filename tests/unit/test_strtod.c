/* vendor/strtod.c against glibc's: every bit, and where the number ends.
 *
 *     test_strtod             a few million texts
 *     test_strtod 300000000   so many */
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "support.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
static unsigned long long random_texts = 100000;
#else
static unsigned long long random_texts = 2000000;
#endif

static void compare(const char *text, locale_t c_locale)
{
    char *end, *expected_end;
    double number = strtod(text, &end);
    double expected = strtod_l(text, &expected_end, c_locale);
    bool same = memcmp(&number, &expected, sizeof number) == 0 || (isnan(number) && isnan(expected));
    if (!same || end != expected_end)
        fail_msg("\"%s\": %.17g, %zu bytes, where glibc reads %.17g, %zu bytes", text, number, (size_t)(end - text),
                 expected, (size_t)(expected_end - text));
}

static void awkward(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "-",
        "0",
        "-0",
        "-0.0",
        "0e5",
        "-0e-5",
        ".",
        ".5",
        "-.5",
        "5.",
        "-5.",
        "1.5.2",
        "1..2",
        "1e",
        "1e+",
        "1e-",
        "1ex",
        "1e5",
        "1E5",
        "1e+05",
        "1e-05",
        "1e22",
        "1e23",
        "1e-22",
        "1e-23",
        "1e99",
        "1e100",
        "1e999",
        "1e-999",
        "1e0005",
        "0x10",
        "0x1p3",
        "1x",
        "inf",
        "-inf",
        "nan",
        "NaN",
        "+1",
        " 1",
        "\t-1",
        "--1",
        "1-",
        "1 2",
        "1,5",
        "00012",
        "0.000001",
        "123456789012345",
        "1234567890123456",
        "12345678901234567890123",
        "9007199254740991",
        "9007199254740993",
        "0.1",
        "0.2",
        "0.3",
        "123456.789012345",
        "2.2250738585072014e-308",
        "4.9e-324",
        "1.7976931348623157e308",
        "999999999999999e22",
        "123456789012345e-22",
        "0.00000000000001e-14",
        "1e1e1",
        "1.e5",
        ".e5",
        "-e5",
    };
    locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        compare(texts[i], c_locale);
    assert_true(strtod("12.5", NULL) == 12.5);
}

static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* A text that looks like a number: digits, maybe a point, maybe an exponent, now and then something else. */
static void spell(uint64_t *state, char *at)
{
    uint64_t dice = next(state);
    if (dice % 3 == 0)
        *at++ = '-';
    unsigned digits = (unsigned)(dice >> 8) % 19, point = (unsigned)(dice >> 16) % 24;
    for (unsigned i = 0; i < digits; i++) {
        if (i == point)
            *at++ = '.';
        *at++ = (char)('0' + next(state) % 10);
    }
    if ((dice >> 24) % 3 == 0)
        at += sprintf(at, "%c%s%u", (dice >> 32) & 1 ? 'e' : 'E', (const char *[]){"", "-", "+"}[(dice >> 33) % 3],
                      (unsigned)(dice >> 40) % ((dice >> 60) % 4 == 0 ? 400 : 30));
    if ((dice >> 50) % 16 == 0)
        *at++ = " .xe-,"[(dice >> 54) % 6];
    *at = '\0';
}

static void random_numbers(void **state)
{
    (void)state;
    locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    uint64_t seed = 0x9E3779B97F4A7C15u;
    char text[64];
    for (unsigned long long i = 0; i < random_texts; i++) {
        spell(&seed, text);
        compare(text, c_locale);
    }
    /* Numbers as programs print them: any double, to any number of digits. */
    for (unsigned long long i = 0; i < random_texts / 4; i++) {
        uint64_t bits = next(&seed);
        double number;
        memcpy(&number, &bits, sizeof number);
        snprintf(text, sizeof text, "%.*g", (int)(bits % 18), number);
        compare(text, c_locale);
        snprintf(text, sizeof text, "%.*f", (int)(bits % 9), fmod(number, 1e9));
        compare(text, c_locale);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1)
        random_texts = strtoull(argv[1], NULL, 10);
    const struct CMUnitTest tests[] = {cmocka_unit_test(awkward), cmocka_unit_test(random_numbers)};
    return cmocka_run_group_tests_name("strtod", tests, NULL, NULL);
}
