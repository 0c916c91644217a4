/* cJSON has strtod() read each number that it finds, and glibc's is a third of what JSON costs.  Nearly all numbers are
 * plain: "17", "0.25", "1.5e-3".  Their digits are an exact double if they are below 2^53, powers of ten are exact up
 * to 10^22, and so one multiplication or division rounds once, to what strtod() gives (W. D. Clinger, How to Read
 * Floating Point Numbers Accurately, 1990).  All other texts are glibc's.  A definition in the executable takes the
 * place of the C library's for shared libraries too.  tests/unit/test_strtod.c compares the two. */
#include <locale.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

enum {
    DIGITS_MAX = 15, /* as an integer they are below 2^53 */
    POWER_MAX = 22,
};

/* glibc's, with the decimal point of the C locale; see localeconv.c. */
static double read_any(const char *text, char **end)
{
    return strtod_l(text, end, newlocale(LC_ALL_MASK, "C", (locale_t)0)); /* a constant: nothing is allocated */
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* Read "e-7" behind the digits; false if it has more than two digits.  Without a digit it is no exponent. */
static bool read_exponent(const char **at, int *exponent)
{
    const char *digit = *at + 1;
    bool negative = *digit == '-';
    digit += *digit == '-' || *digit == '+';
    if (!is_digit(*digit))
        return true;
    int number = *digit++ - '0';
    if (is_digit(*digit))
        number = number * 10 + (*digit++ - '0');
    *at = digit;
    *exponent += negative ? -number : number;
    return !is_digit(*digit);
}

double strtod(const char *restrict text, char **restrict end)
{
    static const double powers[POWER_MAX + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                                 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    const char *first = text + (*text == '-'), *at = first;
    uint64_t digits = 0; /* of too many digits it is never looked at */
    int exponent = 0;
    for (; is_digit(*at); at++)
        digits = digits * 10 + (uint64_t)(*at - '0');
    if (at == first || *at == 'x' || *at == 'X')
        return read_any(text, end);
    ptrdiff_t count = at - first;
    if (*at == '.') {
        const char *fraction = ++at;
        for (; is_digit(*at); at++)
            digits = digits * 10 + (uint64_t)(*at - '0');
        count += at - fraction;
        exponent = -(int)(at - fraction);
    }
    if (count > DIGITS_MAX || ((*at == 'e' || *at == 'E') && !read_exponent(&at, &exponent)) || exponent < -POWER_MAX ||
        exponent > POWER_MAX)
        return read_any(text, end);
    double number = exponent < 0 ? (double)digits / powers[-exponent] : (double)digits * powers[exponent];
    if (end != NULL)
        *end = (char *)(uintptr_t)at;
    return first > text ? -number : number;
}
