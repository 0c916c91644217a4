#include "base/structured_data.h"

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

/* The bracket that ends an element whose parameters start at at; NULL if none does. */
static const char *end_of_element(const char *at, const char *end)
{
    for (; at < end; at++) {
        if (*at == ']')
            return at;
        if (*at == '"') {
            at = end_of_value(at + 1, end);
            if (at == NULL)
                return NULL;
        }
    }
    return NULL;
}

bool structured_data_next(struct slice *data, struct slice *id, struct slice *parameters)
{
    const char *end = data->at + data->length;
    if (data->length == 0 || data->at[0] != '[')
        return false;
    const char *at = data->at + 1;
    while (at < end && *at != ' ' && *at != ']')
        at++;
    const char *bracket = end_of_element(at, end);
    if (bracket == NULL)
        return false;
    *id = (struct slice){data->at + 1, (size_t)(at - data->at - 1)};
    *parameters = (struct slice){at, (size_t)(bracket - at)};
    *data = (struct slice){bracket + 1, (size_t)(end - bracket - 1)};
    return true;
}

bool structured_data_parameter(struct slice *parameters, struct slice *name, struct slice *value)
{
    const char *at = parameters->at, *end = parameters->at + parameters->length;
    while (at < end && *at == ' ')
        at++;
    const char *start = at;
    while (at < end && *at != '=')
        at++;
    if (end - at < 2 || at[1] != '"')
        return false;
    const char *quote = end_of_value(at + 2, end);
    if (quote == NULL)
        return false;
    *name = (struct slice){start, (size_t)(at - start)};
    *value = (struct slice){at + 2, (size_t)(quote - at - 2)};
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
