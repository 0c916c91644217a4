#include "base/number.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Integers below this are exact in a double, so their digits are the shortest text. */
#define EXACT_INTEGERS 9007199254740992.0

/* "00" to "99": two digits for one division, which is most of what a number costs. */
static const char pairs[] = "00010203040506070809"
                            "10111213141516171819"
                            "20212223242526272829"
                            "30313233343536373839"
                            "40414243444546474849"
                            "50515253545556575859"
                            "60616263646566676869"
                            "70717273747576777879"
                            "80818283848586878889"
                            "90919293949596979899";

static size_t count_digits(uint64_t integer)
{
    size_t count = 1;
    for (; integer >= 10000; integer /= 10000)
        count += 4;
    return count + (integer >= 10) + (integer >= 100) + (integer >= 1000);
}

static size_t spell_integer(uint64_t integer, char *out)
{
    size_t length = count_digits(integer);
    char *at = out + length;
    for (; integer >= 100; integer /= 100) {
        at -= 2;
        memcpy(at, pairs + 2 * (integer % 100), 2);
    }
    if (integer >= 10)
        memcpy(out, pairs + 2 * integer, 2);
    else
        *out = (char)('0' + integer);
    return length;
}

/* Most fractions that are logged have a few decimals.  number * 10^k, rounded, divided by 10^k is correctly rounded
 * when both are exact, so equality means that these decimals read back as number; the first k is the shortest. */
static size_t spell_decimals(double number, char *out)
{
    static const double powers[] = {1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};
    for (size_t k = 1; k <= sizeof powers / sizeof powers[0]; k++) {
        double scaled = number * powers[k - 1] + 0.5;
        if (scaled >= EXACT_INTEGERS)
            return 0;
        int64_t rounded = (int64_t)scaled; /* a call of nearbyint() would take a third of the time */
        if ((double)rounded / powers[k - 1] != number)
            continue;
        uint64_t power = (uint64_t)powers[k - 1];
        uint64_t units = (uint64_t)rounded;
        size_t length = spell_integer(units / power, out);
        out[length] = '.';
        uint64_t fraction = units % power;
        size_t i = k;
        for (; i > 1; i -= 2, fraction /= 100)
            memcpy(out + length + i - 1, pairs + 2 * (fraction % 100), 2);
        if (i == 1)
            out[length + 1] = (char)('0' + fraction);
        return length + 1 + k;
    }
    return 0;
}

/* Any number: the fewest of 1 to 17 significant digits that read back, with the point in the position that the exponent
 * says. */
static size_t spell_general(double number, char *out)
{
    char text[32];
    int precision = 14;
    do {
        snprintf(text, sizeof text, "%.*e", precision, number);
    } while (strtod(text, NULL) != number && ++precision <= 16);

    char digits[20];
    size_t count = 0;
    const char *at = text;
    for (; *at != 'e'; at++)
        if (*at != '.')
            digits[count++] = *at;
    while (count > 1 && digits[count - 1] == '0')
        count--;
    int point = atoi(at + 1) + 1; /* how many digits stand before the point */

    size_t length = 0;
    if (point <= 0) {
        out[length++] = '0';
        out[length++] = '.';
        for (int i = point; i < 0; i++)
            out[length++] = '0';
        memcpy(out + length, digits, count);
        return length + count;
    }
    for (size_t i = 0; i < count || i < (size_t)point; i++) {
        if (i == (size_t)point)
            out[length++] = '.';
        out[length++] = i < count ? digits[i] : '0';
    }
    return length;
}

size_t number_spell(double number, char out[NUMBER_TEXT_MAX])
{
    if (isnan(number)) {
        memcpy(out, "NaN", 3);
        return 3;
    }
    if (isinf(number)) {
        memcpy(out, number > 0 ? "+Inf" : "-Inf", 4);
        return 4;
    }
    size_t sign = 0;
    if (signbit(number)) {
        out[sign++] = '-';
        number = -number;
    }
    if (number < EXACT_INTEGERS && number == (double)(uint64_t)number)
        return sign + spell_integer((uint64_t)number, out + sign);
    size_t length = spell_decimals(number, out + sign);
    if (length == 0)
        length = spell_general(number, out + sign);
    return sign + length;
}

bool number_cut_decimal(struct slice *text, uint64_t most, uint64_t *number)
{
    uint64_t read = 0;
    size_t length = 0;
    for (; length < text->length && slice_is_digit(text->at[length]); length++) {
        unsigned digit = (unsigned)(text->at[length] - '0');
        if (__builtin_mul_overflow(read, 10u, &read) || __builtin_add_overflow(read, digit, &read) || read > most)
            return false;
    }
    if (length == 0)
        return false;
    *text = slice_after(*text, length);
    *number = read;
    return true;
}

bool number_read_decimal(struct slice text, uint64_t most, uint64_t *number)
{
    return number_cut_decimal(&text, most, number) && text.length == 0;
}
