#include "base/keyvalue.h"

#include <math.h>
#include <stdlib.h>

#include "base/scan.h"

/* Kept out of line: it is needed for one pair in three, and its memory would burden all. */
__attribute__((noinline)) static void load_block(struct keyvalue_reader *reader, const char *block)
{
    reader->block = block;
    reader->blanks = scan_block(reader->start, block, reader->end, ' ');
    reader->separators = reader->blanks | scan_block(reader->start, block, reader->end, '=');
    reader->quotes = scan_block(reader->start, block, reader->end, '"');
}

void keyvalue_start(struct keyvalue_reader *reader, struct slice text)
{
    reader->start = reader->at = text.at;
    reader->end = text.at + text.length;
    load_block(reader, text.at);
}

/* The first position from at on that has a bit in the mask of its block, or the end. */
static inline const char *find(struct keyvalue_reader *reader, const char *at, const uint64_t *mask)
{
    for (;;) {
        size_t offset = (size_t)(at - reader->block);
        uint64_t found = offset < SCAN_BLOCK ? *mask >> offset : 0;
        if (found != 0)
            return at + __builtin_ctzll(found);
        at = offset < SCAN_BLOCK ? reader->block + SCAN_BLOCK : at;
        if (at >= reader->end)
            return reader->end;
        load_block(reader, at);
    }
}

/* The quote that closes a value that starts at start, or the end. */
static const char *find_closing_quote(struct keyvalue_reader *reader, const char *start)
{
    const char *at = find(reader, start, &reader->quotes);
    while (at < reader->end) {
        const char *escape = at;
        while (escape > start && escape[-1] == '\\')
            escape--;
        if ((at - escape) % 2 == 0)
            break;
        at = find(reader, at + 1, &reader->quotes);
    }
    return at;
}

bool keyvalue_next(struct keyvalue_reader *reader, struct keyvalue *pair)
{
    const char *end = reader->end;
    const char *key = reader->at;
    while (key < end && *key == ' ')
        key++;
    if (key == end)
        return false;

    const char *at = find(reader, key, &reader->separators);
    pair->key = (struct slice){key, (size_t)(at - key)};
    pair->bare = at == end || *at == ' ';
    const char *value = pair->bare ? at : at + 1;
    if (!pair->bare && value < end && *value == '"') {
        value++;
        at = find_closing_quote(reader, value);
        reader->at = at < end ? at + 1 : end;
    } else {
        if (!pair->bare)
            at = find(reader, value, &reader->blanks);
        reader->at = at;
    }
    pair->value = (struct slice){value, (size_t)(at - value)};
    return true;
}

/* Letters and what stands in "%" and "req/s": not the rest of a date, a version or a number with separators. */
static bool is_unit(struct slice text)
{
    for (size_t i = 0; i < text.length; i++) {
        char byte = text.at[i];
        if (!(byte >= 'a' && byte <= 'z') && !(byte >= 'A' && byte <= 'Z') && byte != '%' && byte != '/')
            return false;
    }
    return true;
}

/* A unit is found by its first byte, which no other has: to compare with each took half of the time of a value. */
static bool read_unit(struct slice text, enum unit *unit, double *factor)
{
    static const struct {
        struct slice name;
        double factor;
        enum unit unit;
    } units[] = {
        {{"", 0}, 1, UNIT_NONE},
        {{"bytes", 5}, 1, UNIT_BYTES},
        {{"kB", 2}, 1024, UNIT_BYTES},
        {{"MB", 2}, 1048576, UNIT_BYTES},
        {{"GB", 2}, 1073741824, UNIT_BYTES},
        {{"TB", 2}, 1099511627776, UNIT_BYTES},
        {{"pages", 5}, 1, UNIT_NONE},
        {{"s", 1}, 1, UNIT_SECONDS},
        {{"ms", 2}, 0.001, UNIT_SECONDS},
        {{"us", 2}, 0.000001, UNIT_SECONDS},
    };
    static const unsigned char by_first_byte[256] = {
        ['b'] = 1, ['k'] = 2, ['M'] = 3, ['G'] = 4, ['T'] = 5, ['p'] = 6, ['s'] = 7, ['m'] = 8, ['u'] = 9};
    unsigned number = text.length == 0 ? 0 : by_first_byte[(unsigned char)text.at[0]];
    bool known = slice_equals(text, units[number].name);
    *factor = known ? units[number].factor : 1;
    *unit = known ? units[number].unit : UNIT_OTHER;
    return known || is_unit(text);
}

/* A plain decimal number of up to 15 digits at the start of text: as an integer it is an exact double, as is the power
 * of ten that makes a fraction of it, so that their quotient is what strtod would return.  How many bytes it takes; 0:
 * there is none, or more than that.  Not by number.h: most of the pairs' values come through here. */
static size_t read_plain(struct slice text, double *number)
{
    static const double powers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    enum { DIGITS = 15 };
    size_t start = text.length > 0 && text.at[0] == '-', at = start;
    uint64_t digits = 0;
    while (at < text.length && at - start < DIGITS && slice_is_digit(text.at[at]))
        digits = digits * 10 + (uint64_t)(text.at[at++] - '0');
    size_t point = at, count = at - start;
    if (count > 0 && at < text.length && text.at[at] == '.') {
        at++;
        while (at < text.length && count < DIGITS && slice_is_digit(text.at[at])) {
            digits = digits * 10 + (uint64_t)(text.at[at++] - '0');
            count++;
        }
    }
    char next = at < text.length ? text.at[at] : ' ';
    bool goes_on = slice_is_digit(next) || next == '.' || next == 'e' || next == '+' || next == '-' || next == '\0';
    if (count == 0 || goes_on)
        return 0;
    double result = (double)digits / powers[at > point ? at - point - 1 : 0];
    *number = start > 0 ? -result : result;
    return at;
}

/* Any other, by strtod; the digits are copied because that wants a NUL and would read "inf", "nan" and "0x10". */
static size_t read_any(struct slice text, double *number)
{
    char digits[64];
    size_t length = 0;
    while (length < text.length && length < sizeof digits - 1 &&
           (slice_is_digit(text.at[length]) || text.at[length] == '.' || text.at[length] == 'e' ||
            ((text.at[length] == '-' || text.at[length] == '+') && (length == 0 || digits[length - 1] == 'e')))) {
        digits[length] = text.at[length];
        length++;
    }
    digits[length] = '\0';
    char *end;
    *number = strtod(digits, &end);
    return (size_t)(end - digits);
}

bool keyvalue_quantity(struct slice value, struct quantity *quantity)
{
    double result, factor;
    enum unit unit;
    size_t length = read_plain(value, &result);
    if (length == 0)
        length = read_any(value, &result);
    if (length == 0 || !read_unit(slice_after(value, length), &unit, &factor))
        return false;
    /* ms and us are divided: 0.001 has no exact double, 1000 has one. */
    result = factor < 1 ? result / nearbyint(1 / factor) : result * factor;
    if (!isfinite(result))
        return false;
    *quantity = (struct quantity){result, unit};
    return true;
}

struct slice keyvalue_suffix(enum unit unit)
{
    return unit == UNIT_BYTES ? SLICE("_bytes") : unit == UNIT_SECONDS ? SLICE("_seconds") : SLICE("");
}

bool keyvalue_number(struct slice value, double *number)
{
    struct quantity quantity;
    if (!keyvalue_quantity(value, &quantity) || quantity.unit == UNIT_OTHER)
        return false;
    *number = quantity.number;
    return true;
}
