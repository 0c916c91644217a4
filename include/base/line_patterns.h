/* Which kinds of lines are there?  The shape of a text is the text with what differs from line to line replaced;
 * counted in a table of fixed size.  One thread. */
#ifndef LINE_PATTERNS_H
#define LINE_PATTERNS_H

#include <stdint.h>

#include "base/slice.h"

enum { LINE_PATTERN_MAX = 256, LINE_PATTERN_EXAMPLE_MAX = 512 };

/* Write the shape of text: quoted strings, UUIDs, addresses, hexadecimal ids and numbers become <string>, <uuid>, <ip>,
 * <hex> and <n>.  Cut off where it does not fit; returns its length. */
size_t line_pattern_of(struct slice text, char out[LINE_PATTERN_MAX]);

struct line_patterns;

struct line_patterns *
line_patterns_create(size_t capacity);                 /* how many shapes are told apart; NULL where memory is short */
void line_patterns_free(struct line_patterns *shapes); /* NULL is harmless */

/* Count a text of this shape.  The first one is kept as an example, cut off where it does not fit. */
void line_patterns_add(struct line_patterns *shapes, struct slice shape, struct slice text);

struct line_pattern_count {
    struct slice shape;
    struct slice example;
    uint64_t count;
};

/* Put the room most frequent shapes into counts, most frequent first; returns how many there are.  Valid until the next
 * change. */
size_t line_patterns_most(const struct line_patterns *shapes, struct line_pattern_count *counts, size_t room);

struct line_patterns_total {
    size_t shapes;
    uint64_t counted;
    uint64_t without_room; /* texts of further shapes, for which there was no room */
};
struct line_patterns_total line_patterns_total(const struct line_patterns *shapes);

#endif
