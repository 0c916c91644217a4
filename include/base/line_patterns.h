/* Which kinds of lines are there?  The pattern of a text is the text with what differs from line to line replaced;
 * counted in a table of fixed size.  One thread. */
#ifndef LINE_PATTERNS_H
#define LINE_PATTERNS_H

#include <stdint.h>

#include "base/line.h"

enum {
    LINE_PATTERN_MAX = 256,
    LINE_PATTERN_EXAMPLE_MAX = 2048,
    LINE_AUTHOR_MAX = 128,
    LINE_SHAPE_MAX = LINE_AUTHOR_MAX + LINE_PATTERN_MAX,
};

enum line_piece_kind {
    LINE_PIECE_PLAIN,
    LINE_PIECE_STRING, /* quoted; but the name of a member of a JSON object is plain */
    LINE_PIECE_EMAIL,  /* this and secrets: see redaction.h */
    LINE_PIECE_SECRET,
    LINE_PIECE_UUID,
    LINE_PIECE_ADDRESS,
    LINE_PIECE_HEX,
    LINE_PIECE_NUMBER,
};

/* A piece of a text, and what stands for it in the text's pattern: itself, or "<n>". */
struct line_piece {
    enum line_piece_kind kind;
    struct slice text;
    struct slice shown;
};

struct line_pieces {
    struct slice text;
    struct slice rest; /* what is left of it */
    bool starts_word;
};

/* The pieces of a text, one after the other; false at the end. */
struct line_pieces line_pieces_of(struct slice text);
bool line_pieces_next(struct line_pieces *pieces, struct line_piece *piece);

/* Write the pattern of text: quoted strings, e-mail addresses, secrets, UUIDs, addresses, hexadecimal ids and numbers
 * become <string>, <email>, <secret>, <uuid>, <ip>, <hex> and <n>.  Cut off if it does not fit; returns its length. */
size_t line_pattern_of(struct slice text, char out[LINE_PATTERN_MAX]);

/* Write the shape of a line: "app[web]: ", or "[APP/PROC/WEB]: ", and the pattern of its message.  Who says it is part
 * of it, but not which dyno.  Returns its length. */
size_t line_shape_of(const struct line *line, char out[LINE_SHAPE_MAX]);

struct line_patterns;

/* capacity: how many patterns are counted each by itself.  NULL if memory is short. */
struct line_patterns *line_patterns_create(size_t capacity);
void line_patterns_free(struct line_patterns *patterns); /* NULL is harmless */

/* Count a text of this pattern.  The first one, and the next one that differs, are kept as examples, cut off if they do
 * not fit. */
void line_patterns_add(struct line_patterns *patterns, struct slice pattern, struct slice text);

struct line_pattern_count {
    struct slice pattern;
    struct slice example;
    struct slice other; /* example; empty: there is none */
    uint64_t count;
};

/* Put the most frequent patterns, at most capacity, into counts, most frequent first; returns how many there are. Valid
 * until the next change. */
size_t line_patterns_most(const struct line_patterns *patterns, struct line_pattern_count *counts, size_t capacity);

struct line_patterns_total {
    size_t patterns;
    uint64_t counted;
    uint64_t not_told_apart; /* texts of further patterns: the table was full */
};
struct line_patterns_total line_patterns_total(const struct line_patterns *patterns);

#endif
