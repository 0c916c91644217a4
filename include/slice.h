/* A view of bytes that somebody else owns.  Not NUL-terminated; any byte may occur. */
#ifndef SLICE_H
#define SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
    const char *at;
    size_t length;
};

/* The view of a string literal (or any array of characters with its NUL). */
#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})

static inline struct slice slice_of(const char *text)
{
    return (struct slice){text, strlen(text)};
}

static inline bool slice_equals(struct slice a, struct slice b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.at, b.at, a.length) == 0);
}

static inline bool slice_starts_with(struct slice text, struct slice start)
{
    /* Most texts differ in their first byte, and need no call. */
    return text.length >= start.length &&
           (start.length == 0 || (text.at[0] == start.at[0] && memcmp(text.at, start.at, start.length) == 0));
}

/* What is left of text after its first count bytes; count must not exceed text.length. */
static inline struct slice slice_after(struct slice text, size_t count)
{
    return (struct slice){text.at + count, text.length - count};
}

/* The offset of the first such byte, or text.length when there is none. */
static inline size_t slice_index(struct slice text, char byte)
{
    const char *found = text.length == 0 ? NULL : memchr(text.at, byte, text.length);
    return found == NULL ? text.length : (size_t)(found - text.at);
}

/* Without the blanks around it that HTTP allows (OWS, RFC 9110, 5.6.3). */
static inline struct slice slice_trim(struct slice text)
{
    while (text.length > 0 && (text.at[0] == ' ' || text.at[0] == '\t'))
        text = slice_after(text, 1);
    while (text.length > 0 && (text.at[text.length - 1] == ' ' || text.at[text.length - 1] == '\t'))
        text.length--;
    return text;
}

static inline bool slice_is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

#endif
