/* Which kinds of lines are there?  The shape of a text is the text with what differs from line to line replaced;
 * counted in a table of fixed size.  One thread. */
#ifndef SHAPES_H
#define SHAPES_H

#include <stdint.h>

#include "base/slice.h"

enum { SHAPE_ROOM = 256, SHAPE_EXAMPLE_ROOM = 512 };

/* Write the shape of text: quoted strings, UUIDs, addresses, hexadecimal ids and numbers become <string>, <uuid>, <ip>,
 * <hex> and <n>.  Cut off where it does not fit; returns its length. */
size_t shape_of(struct slice text, char out[SHAPE_ROOM]);

struct shapes;

struct shapes *shapes_create(size_t capacity); /* how many shapes are told apart; NULL where memory is short */
void shapes_free(struct shapes *shapes);       /* NULL is harmless */

/* Count a text of this shape.  The first one is kept as an example, cut off where it does not fit. */
void shapes_add(struct shapes *shapes, struct slice shape, struct slice text);

struct shape_count {
    struct slice shape;
    struct slice example;
    uint64_t count;
};

/* Put the room most frequent shapes into counts, most frequent first; returns how many there are.  Valid until the next
 * change. */
size_t shapes_most(const struct shapes *shapes, struct shape_count *counts, size_t room);

struct shapes_total {
    size_t shapes;
    uint64_t counted;
    uint64_t without_room; /* texts of further shapes, for which there was no room */
};
struct shapes_total shapes_total(const struct shapes *shapes);

#endif
