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

/* Are the first count bytes (a fixed number) and the last count bytes of two texts the same? */
#define SLICE_SAME_ENDS(a, b, length, count) \
    (memcmp((a), (b), (count)) == 0 && memcmp((a) + (length) - (count), (b) + (length) - (count), (count)) == 0)

/* Most texts are short, and these need no call: it is enough to compare two overlapping pieces of a fixed size. */
static inline bool slice_same_bytes(const char *a, const char *b, size_t length)
{
    if (length > 16)
        return memcmp(a, b, length) == 0;
    if (length >= 8)
        return SLICE_SAME_ENDS(a, b, length, 8);
    if (length >= 4)
        return SLICE_SAME_ENDS(a, b, length, 4);
    return length == 0 || (a[0] == b[0] && a[length / 2] == b[length / 2] && a[length - 1] == b[length - 1]);
}

static inline bool slice_equals(struct slice a, struct slice b)
{
    return a.length == b.length && slice_same_bytes(a.at, b.at, a.length);
}

static inline bool slice_starts_with(struct slice text, struct slice start)
{
    /* Most texts differ in their first byte, and need no call. */
    return text.length >= start.length &&
           (start.length == 0 || (text.at[0] == start.at[0] && slice_same_bytes(text.at, start.at, start.length)));
}

/* What is left of text after its first count bytes; count must not exceed text.length. */
static inline struct slice slice_after(struct slice text, size_t count)
{
    return (struct slice){text.at + count, text.length - count};
}

/* The offset of the first such byte, or text.length if there is none. */
static inline size_t slice_index(struct slice text, char byte)
{
    const char *found = text.length == 0 ? NULL : memchr(text.at, byte, text.length);
    return found == NULL ? text.length : (size_t)(found - text.at);
}

/* Cut the first line off text, which must not be empty; the line is without its newline, which is gone as well. */
static inline struct slice slice_cut_line(struct slice *text)
{
    struct slice line = {text->at, slice_index(*text, '\n')};
    *text = slice_after(*text, line.length < text->length ? line.length + 1 : line.length);
    return line;
}

/* At most so many bytes from the start of text, and whole characters if it is UTF-8. */
static inline struct slice slice_beginning(struct slice text, size_t most)
{
    if (text.length <= most)
        return text;
    while (most > 0 && ((unsigned char)text.at[most] & 0xC0) == 0x80)
        most--;
    return (struct slice){text.at, most};
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
