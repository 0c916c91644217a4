#include "base/structured_data.h"

#include "base/scan.h"

/* The quote that ends a value which starts at at; NULL if none does.  Every byte is looked at once: a run of
 * backslashes ends at a quote. */
static const char *end_of_value(const char *at, const char *end)
{
    for (const char *quote = at; quote < end; quote++) {
        quote = memchr(quote, '"', (size_t)(end - quote));
        if (quote == NULL)
            return NULL;
        const char *before = quote;
        while (before > at && before[-1] == '\\')
            before--;
        if ((quote - before) % 2 == 0)
            return quote;
        at = quote + 1;
    }
    return NULL;
}

/* For each byte, whether an odd number of those in mask stand up to it, itself included. */
static uint64_t odd_up_to(uint64_t mask)
{
    for (int shift = 1; shift < SCAN_BLOCK; shift *= 2)
        mask ^= mask << shift;
    return mask;
}

/* The same as below for the bytes from at up to stop or a little further, byte by byte. */
static size_t look_at_bytes(struct slice text, size_t at, size_t stop, bool *quoted, bool *ends)
{
    for (*ends = false; at < stop; at++) {
        char byte = text.at[at];
        if (byte == '"')
            *quoted = !*quoted;
        else if (byte == '\\' && *quoted)
            at++; /* with what it escapes, which may be the quote */
        else if (byte == ']' && !*quoted) {
            *ends = true;
            return at;
        }
    }
    return at < text.length ? at : text.length;
}

size_t structured_data_length(struct slice text)
{
    const char *end = text.at + text.length;
    bool quoted = false, ends;
    for (size_t at = 0; at < text.length;) {
        const char *block = text.at + at;
        if (scan_block(text.at, block, end, '\\') != 0) { /* values with escapes are rare */
            size_t stop = text.length - at < SCAN_BLOCK ? text.length : at + SCAN_BLOCK;
            at = look_at_bytes(text, at, stop, &quoted, &ends);
            if (ends)
                return at;
            continue;
        }
        uint64_t in_value = odd_up_to(scan_block(text.at, block, end, '"')) ^ (quoted ? UINT64_MAX : 0);
        uint64_t brackets = scan_block(text.at, block, end, ']') & ~in_value;
        if (brackets != 0)
            return at + (size_t)__builtin_ctzll(brackets);
        quoted = in_value >> (SCAN_BLOCK - 1);
        at += SCAN_BLOCK;
    }
    return text.length;
}

bool structured_data_next(struct slice *data, struct slice *id, struct slice *parameters)
{
    if (data->length == 0 || data->at[0] != '[')
        return false;
    size_t at = 1;
    while (at < data->length && data->at[at] != ' ' && data->at[at] != ']')
        at++;
    struct slice rest = slice_after(*data, at);
    size_t length = structured_data_length(rest);
    if (length == rest.length)
        return false;
    *id = (struct slice){data->at + 1, at - 1};
    *parameters = (struct slice){rest.at, length};
    *data = slice_after(rest, length + 1);
    return true;
}

/* Cut name="value" off text if it ends within the next 64 bytes and no backslash may escape its quote, as in nearly
 * all: half the instructions of what structured_data_parameter() does. */
static bool cut_short_parameter(struct slice *text, struct slice *name, struct slice *value)
{
    const char *end = text->at + text->length;
    uint64_t equals = scan_block(text->at, text->at, end, '=');
    if (equals == 0)
        return false;
    size_t length = (size_t)__builtin_ctzll(equals);
    uint64_t quotes = scan_block(text->at, text->at, end, '"') >> length; /* the lowest bit is that of the "=" */
    uint64_t closing = quotes & ~UINT64_C(3);
    if ((quotes & 2) == 0 || closing == 0)
        return false;
    size_t quote = length + (size_t)__builtin_ctzll(closing);
    if (text->at[quote - 1] == '\\')
        return false;
    *name = (struct slice){text->at, length};
    *value = (struct slice){text->at + length + 2, quote - length - 2};
    *text = slice_after(*text, quote + 1);
    return true;
}

bool structured_data_parameter(struct slice *parameters, struct slice *name, struct slice *value)
{
    struct slice rest = *parameters;
    while (rest.length > 0 && rest.at[0] == ' ')
        rest = slice_after(rest, 1);
    if (cut_short_parameter(&rest, name, value)) {
        *parameters = rest;
        return true;
    }
    size_t length = slice_index(rest, '=');
    if (rest.length - length < 2 || rest.at[length + 1] != '"')
        return false;
    const char *start = rest.at + length + 2, *end = rest.at + rest.length;
    const char *quote = end_of_value(start, end);
    if (quote == NULL)
        return false;
    *name = (struct slice){rest.at, length};
    *value = (struct slice){start, (size_t)(quote - start)};
    *parameters = (struct slice){quote + 1, (size_t)(end - quote - 1)};
    return true;
}

struct slice structured_data_find(struct slice parameters, struct slice wanted)
{
    struct slice name, value;
    while (structured_data_parameter(&parameters, &name, &value))
        if (slice_equals(name, wanted))
            return value;
    return (struct slice){"", 0};
}

/* Does a character of UTF-8 go on with this byte? */
static bool goes_on(char byte)
{
    return ((unsigned char)byte & 0xC0) == 0x80;
}

static bool is_escape(struct slice text, size_t i)
{
    return text.at[i] == '\\' && i + 1 < text.length &&
           (text.at[i + 1] == '"' || text.at[i + 1] == ']' || text.at[i + 1] == '\\');
}

struct slice structured_data_unescape(struct slice value, char *out, size_t size)
{
    if (slice_index(value, '\\') == value.length)
        return slice_beginning(value, size);
    size_t length = 0, i = 0;
    for (; i < value.length && length < size; i++) {
        i += is_escape(value, i);
        out[length++] = value.at[i];
    }
    if (i < value.length && goes_on(value.at[i])) /* that character does not fit: take its beginning back */
        while (length > 0 && goes_on(out[--length]))
            ;
    return (struct slice){out, length};
}
