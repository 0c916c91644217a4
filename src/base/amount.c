#include "base/amount.h"

#include <math.h>
#include <stdlib.h>

#include "base/keyvalue.h"

enum { DIGITS_MAX = 64 };

/* 0.001 has no exact double, 1000 has one: so small units are divided by. */
struct known_unit {
    struct slice name;
    enum amount_kind kind;
    double times;
    double divided_by;
};

#define KIB 1024.0
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define TIB (1024 * GIB)
#define PIB (1024 * TIB)

/* From the largest to the smallest of their kind. */
static const struct known_unit units[] = {
    {{"d", 1}, AMOUNT_SECONDS, 86400, 1},
    {{"h", 1}, AMOUNT_SECONDS, 3600, 1},
    {{"min", 3}, AMOUNT_SECONDS, 60, 1},
    {{"m", 1}, AMOUNT_SECONDS, 60, 1},
    {{"s", 1}, AMOUNT_SECONDS, 1, 1},
    {{"ms", 2}, AMOUNT_SECONDS, 1, 1e3},
    {{"us", 2}, AMOUNT_SECONDS, 1, 1e6},
    {{"\xC2\xB5s", 3}, AMOUNT_SECONDS, 1, 1e6},
    {{"\xCE\xBCs", 3}, AMOUNT_SECONDS, 1, 1e6},
    {{"ns", 2}, AMOUNT_SECONDS, 1, 1e9},
    {{"B", 1}, AMOUNT_BYTES, 1, 1},
    {{"byte", 4}, AMOUNT_BYTES, 1, 1},
    {{"bytes", 5}, AMOUNT_BYTES, 1, 1},
    {{"kB", 2}, AMOUNT_BYTES, KIB, 1},
    {{"KB", 2}, AMOUNT_BYTES, KIB, 1},
    {{"KiB", 3}, AMOUNT_BYTES, KIB, 1},
    {{"MB", 2}, AMOUNT_BYTES, MIB, 1},
    {{"MiB", 3}, AMOUNT_BYTES, MIB, 1},
    {{"GB", 2}, AMOUNT_BYTES, GIB, 1},
    {{"GiB", 3}, AMOUNT_BYTES, GIB, 1},
    {{"TB", 2}, AMOUNT_BYTES, TIB, 1},
    {{"TiB", 3}, AMOUNT_BYTES, TIB, 1},
    {{"PB", 2}, AMOUNT_BYTES, PIB, 1},
    {{"PiB", 3}, AMOUNT_BYTES, PIB, 1},
    {{"%", 1}, AMOUNT_RATIO, 1, 100},
    {{"pages", 5}, AMOUNT_NUMBER, 1, 1},
};

/* ---- numbers ---- */

static size_t count_digits(struct slice text, size_t from)
{
    size_t at = from;
    while (at < text.length && slice_is_digit(text.at[at]))
        at++;
    return at - from;
}

/* How many bytes of text are a decimal number, without a sign; 0: there is none. */
static size_t measure_number(struct slice text)
{
    size_t whole = count_digits(text, 0), length = whole, fraction = 0;
    if (length < text.length && text.at[length] == '.') {
        fraction = count_digits(text, length + 1);
        length += 1 + fraction;
    }
    if (whole + fraction == 0)
        return 0;
    if (length + 1 < text.length && (text.at[length] == 'e' || text.at[length] == 'E')) {
        size_t sign = text.at[length + 1] == '-' || text.at[length + 1] == '+';
        size_t exponent = count_digits(text, length + 1 + sign);
        length += exponent > 0 ? 1 + sign + exponent : 0;
    }
    return length;
}

/* Cut off the number, without a sign, that *text starts with; false if it does not. */
static bool take_number(struct slice *text, double *number)
{
    char digits[DIGITS_MAX];
    size_t length = measure_number(*text);
    if (length == 0 || length >= sizeof digits)
        return false;
    memcpy(digits, text->at, length);
    digits[length] = '\0';
    *number = strtod(digits, NULL);
    *text = slice_after(*text, length);
    return isfinite(*number);
}

/* Cut off the sign that *text may start with; is it a minus? */
static bool take_sign(struct slice *text)
{
    bool negative = text->length > 0 && text->at[0] == '-';
    if (negative || (text->length > 0 && text->at[0] == '+'))
        *text = slice_after(*text, 1);
    return negative;
}

/* ---- units ---- */

static bool starts_number(char byte)
{
    return slice_is_digit(byte) || byte == '.';
}

/* Cut off what stands before the next number. */
static struct slice take_unit(struct slice *text)
{
    *text = slice_trim(*text);
    size_t length = 0;
    while (length < text->length && !starts_number(text->at[length]))
        length++;
    struct slice unit = slice_trim((struct slice){text->at, length});
    *text = slice_after(*text, length);
    return unit;
}

static double in_base_units(const struct known_unit *unit, double number)
{
    return number * unit->times / unit->divided_by;
}

static const struct known_unit *find_unit(struct slice name)
{
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (slice_equals(units[i].name, name))
            return &units[i];
    return NULL;
}

/* "M", "Mi", "mb" in any case, if it is known that these are bytes. */
static const struct known_unit *find_size(struct slice name)
{
    static const char *const tails[] = {"", "b", "i", "ib"};
    const char size[] = {name.length > 0 ? (char)(name.at[0] & ~0x20) : '\0', 'B'};
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
        size_t length = strlen(tails[i]);
        if (name.length == 1 + length && strncasecmp(name.at + 1, tails[i], length) == 0)
            return find_unit((struct slice){size, sizeof size});
    }
    return NULL;
}

/* The rest of a duration whose first unit is known: "30s" of "1m30s". */
static bool add_smaller(struct slice rest, const struct known_unit *unit, double *sum)
{
    while (rest.length > 0) {
        double number;
        if (!take_number(&rest, &number))
            return false;
        const struct known_unit *next = find_unit(take_unit(&rest));
        if (next == NULL || next->kind != AMOUNT_SECONDS || in_base_units(next, 1) >= in_base_units(unit, 1))
            return false;
        *sum += in_base_units(next, number);
        unit = next;
    }
    return true;
}

/* ---- ISO 8601 ---- */

/* "3H4M5.5S" in the order of names; false if anything else stands there. */
static bool add_iso_parts(struct slice text, const char *names, const double *seconds, double *sum)
{
    while (text.length > 0) {
        bool negative = take_sign(&text);
        double number;
        if (!take_number(&text, &number) || text.length == 0)
            return false;
        while (*names != '\0' && *names != text.at[0])
            names++, seconds++;
        if (*names == '\0')
            return false;
        *sum += (negative ? -number : number) * *seconds;
        names++, seconds++;
        text = slice_after(text, 1);
    }
    return true;
}

/* text: what follows the "P". */
static bool read_iso(struct slice text, double *sum)
{
    static const double days[] = {7 * 86400, 86400}, hours[] = {3600, 60, 1};
    size_t date = slice_index(text, 'T');
    struct slice time = slice_after(text, date < text.length ? date + 1 : date);
    if (text.length == 0 || (date < text.length && time.length == 0))
        return false;
    return add_iso_parts((struct slice){text.at, date}, "WD", days, sum) && add_iso_parts(time, "HMS", hours, sum);
}

/* ---- amounts ---- */

/* rest: what follows the number. */
static enum amount_result read_unit(struct slice rest, enum amount_kind wanted, struct amount *amount)
{
    struct slice name = take_unit(&rest);
    if (name.length == 0)
        return rest.length == 0 ? AMOUNT_OK : AMOUNT_UNKNOWN_UNIT;
    const struct known_unit *unit = wanted == AMOUNT_BYTES ? find_size(name) : NULL;
    if (unit == NULL)
        unit = find_unit(name);
    if (unit == NULL || (wanted != AMOUNT_NUMBER && unit->kind != wanted))
        return AMOUNT_UNKNOWN_UNIT;
    *amount = (struct amount){in_base_units(unit, amount->number), unit->kind};
    if (rest.length > 0 && (unit->kind != AMOUNT_SECONDS || !add_smaller(rest, unit, &amount->number)))
        return AMOUNT_UNKNOWN_UNIT;
    return AMOUNT_OK;
}

/* Nearly all amounts are a number, or one with a unit that Heroku knows too, which is read faster. */
static bool read_common(struct slice text, enum amount_kind wanted, struct amount *amount)
{
    static const enum amount_kind kinds[] = {
        [UNIT_NONE] = AMOUNT_NUMBER, [UNIT_BYTES] = AMOUNT_BYTES, [UNIT_SECONDS] = AMOUNT_SECONDS};
    struct quantity quantity;
    if (!keyvalue_quantity(text, &quantity) || quantity.unit == UNIT_OTHER)
        return false;
    *amount = (struct amount){quantity.number, kinds[quantity.unit]};
    return wanted == AMOUNT_NUMBER || amount->kind == wanted || amount->kind == AMOUNT_NUMBER;
}

enum amount_result amount_read(struct slice text, enum amount_kind wanted, struct amount *amount, struct slice *unit)
{
    enum amount_result result = AMOUNT_OK;
    if (read_common(text, wanted, amount))
        return AMOUNT_OK;
    text = slice_trim(text);
    bool negative = take_sign(&text);
    *amount = (struct amount){0, AMOUNT_NUMBER};
    *unit = (struct slice){text.at, 0};
    if (text.length > 1 && text.at[0] == 'P') {
        amount->kind = AMOUNT_SECONDS;
        if (!read_iso(slice_after(text, 1), &amount->number))
            return AMOUNT_NO_NUMBER;
        *unit = text;
        if (wanted != AMOUNT_NUMBER && wanted != AMOUNT_SECONDS)
            result = AMOUNT_UNKNOWN_UNIT;
    } else {
        if (!take_number(&text, &amount->number))
            return AMOUNT_NO_NUMBER;
        *unit = slice_trim(text);
        result = read_unit(text, wanted, amount);
    }
    if (negative)
        amount->number = -amount->number;
    return result == AMOUNT_OK && !isfinite(amount->number) ? AMOUNT_NO_NUMBER : result;
}
