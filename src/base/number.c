#include "base/number.h"

#include <endian.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Integers below this are exact in a double, so their digits are the shortest text. */
#define EXACT_INTEGERS 9007199254740992.0

/* Below this, the neighbours of a number are less than a quarter of its eighth decimal away. */
#define EIGHT_DECIMALS 1e7

/* The digits of a number below 10^8, with leading zeros: each a byte from 0 to 9, the first one the lowest.  Pairs and
 * then single digits are split off in all halves of a word at once: no loop, and no branch that depends on how many
 * digits there are.  With it a number of a page takes 13 ns in place of 15, one of six decimals 11 in place of 17. */
static inline uint64_t split_digits(uint32_t number)
{
    uint64_t fours = number / 10000 | (uint64_t)(number % 10000) << 32;
    uint64_t hundreds = (fours * 5243 >> 19) & 0x0000007F0000007F; /* fours / 100 */
    uint64_t twos = hundreds | (fours - 100 * hundreds) << 16;
    uint64_t tens = (twos * 103 >> 10) & 0x000F000F000F000F; /* twos / 10 */
    return tens | (twos - 10 * tens) << 8;
}

/* Write the digits from the first one of these that is none of the first zeros: there are count of them.  All 8 bytes
 * at out are written. */
static inline size_t put_digits(uint64_t digits, unsigned zeros, char *out)
{
    uint64_t text = htole64((digits | 0x3030303030303030) >> 8 * zeros);
    memcpy(out, &text, sizeof text);
    return 8 - zeros;
}

/* Write a number below 10^8. */
static inline size_t put_short(uint32_t number, char *out)
{
    uint64_t digits = split_digits(number);
    /* The last digit stands there even if it is 0. */
    return put_digits(digits, (unsigned)__builtin_ctzll(digits | UINT64_C(1) << 56) / 8, out);
}

/* Below 10^16. */
static inline size_t spell_integer(uint64_t integer, char *out)
{
    enum { EIGHT_DIGITS = 100000000 };
    if (integer < EIGHT_DIGITS)
        return put_short((uint32_t)integer, out);
    size_t length = put_short((uint32_t)(integer / EIGHT_DIGITS), out);
    return length + put_digits(split_digits((uint32_t)(integer % EIGHT_DIGITS)), 0, out + length);
}

/* Most fractions that are logged have a few decimals.  number * 10^k, rounded, divided by 10^k is correctly rounded
 * when both are exact, so equality means that these decimals read back as number. */

/* Eight decimals of a number so small that there is one choice of them at most, and that it is found: neighbours are
 * less than a quarter of a decimal apart.  Without the zeros at their end they are the shortest. */
static inline size_t spell_eight_decimals(double number, char *out)
{
    int64_t rounded = (int64_t)(number * 1e8 + 0.5);
    if ((double)rounded / 1e8 != number)
        return 0;
    size_t length = put_short((uint32_t)((uint64_t)rounded / 100000000), out);
    out[length++] = '.';
    uint64_t digits = split_digits((uint32_t)((uint64_t)rounded % 100000000));
    put_digits(digits, 0, out + length);
    return length + 8 - (unsigned)__builtin_clzll(digits) / 8;
}

/* The same with the fewest decimals, up to nine, that are enough. */
static __attribute__((noinline)) size_t spell_decimals(double number, char *out)
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
        size_t length = spell_integer((uint64_t)rounded / power, out);
        out[length] = '.';
        uint64_t fraction = (uint64_t)rounded % power;
        for (size_t i = k; i > 0; i--, fraction /= 10)
            out[length + i] = (char)('0' + fraction % 10);
        return length + 1 + k;
    }
    return 0;
}

/* Any number: the fewest of 1 to 17 significant digits that read back, with the point in the position that the exponent
 * says.  By itself, so that no other number pays for its registers and its guarded stack. */
static __attribute__((noinline)) size_t spell_general(double number, char *out)
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
    size_t sign = 0;
    if (signbit(number) && !isnan(number)) {
        out[sign++] = '-';
        number = -number;
    }
    if (number < EXACT_INTEGERS) {
        if (number == (double)(int64_t)number)
            return sign + spell_integer((uint64_t)number, out + sign);
        size_t length = number < EIGHT_DECIMALS ? spell_eight_decimals(number, out + sign) : 0;
        if (length == 0)
            length = spell_decimals(number, out + sign);
        if (length > 0)
            return sign + length;
    }
    if (isnan(number)) {
        memcpy(out, "NaN", 3);
        return 3;
    }
    if (isinf(number)) {
        memcpy(out, sign > 0 ? "-Inf" : "+Inf", 4);
        return 4;
    }
    return sign + spell_general(number, out + sign);
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
