/* Which rules a line may be for that look for a text anywhere in it: in one pass for all of them.
 *
 *     match: '^.*? took=(?<ms>\d+)'      only lines with " took=" are for it
 *
 * Of each text four bytes are looked for, those that the fewest other texts have; and of these both the ones from an
 * even and from an odd offset on, so that every second position in the line is enough.  A line costs the same with
 * 20 rules and with 200, until one of the texts is there. */
#ifndef RULE_PARTS_H
#define RULE_PARTS_H

#include <stdint.h>

#include "base/slice.h"

enum {
    RULE_PARTS_LENGTH_MIN = 5, /* bytes of a text */
    RULE_PARTS_MIN = 8,        /* as long as they are fewer, to look for each is quicker */
};

/* One of the windows of a text. */
struct rule_window {
    uint32_t bytes;
    uint16_t rule;
    uint16_t next; /* with the same hash: number + 1; 0: none */
};

struct rule_parts {
    struct rule_window *windows;
    size_t window_count;
    uint64_t *filter; /* a bit for each hash that a window has; NULL: there are no parts */
    uint16_t *heads;  /* for each hash, coarser: number of a window + 1; 0: none */
};

/* What a rule looks for. */
struct rule_literal {
    struct slice text; /* at least RULE_PARTS_LENGTH_MIN bytes */
    uint16_t rule;
};

/* At most 30000 parts; false if memory is short.  Close it in both cases. */
bool rule_parts_open(struct rule_parts *parts, const struct rule_literal *list, size_t count);
void rule_parts_close(struct rule_parts *parts);

/* Set the bit of each rule whose text the line may hold, in words of 64 bits that are cleared first; false if there is
 * none: then they are left as they are. */
bool rule_parts_find(const struct rule_parts *parts, struct slice line, uint64_t *rules, size_t words);

#endif
