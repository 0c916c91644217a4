/* Which rules may want a line?  There is a list of rules for each first byte, with the first eight bytes that each rule
 * wants.  So most rules cost a line nothing, or one comparison.  Rules that look for a text anywhere are in no list, if
 * they are many: see rule_parts.h. */
#ifndef RULE_INDEX_H
#define RULE_INDEX_H

#include <stdint.h>

#include "families/rule.h"
#include "families/rule_parts.h"

enum {
    RULE_INDEX_LISTS = 257,             /* of each first byte, and of the empty line */
    RULE_INDEX_HEAD = sizeof(uint64_t), /* bytes that are compared */
};

/* What a line must start with for a rule to see it: (its first bytes ^ bytes) & mask is 0. */
struct rule_head {
    uint64_t bytes;
    uint64_t mask;
};

struct rule_index {
    struct rule_head *heads; /* of each rule */
    uint16_t *lists;         /* the numbers of rules, one list behind the other */
    size_t starts[RULE_INDEX_LISTS + 1];
    struct rule_parts parts;
    size_t words; /* of 64 bits, for a bit for each rule */
};

/* False if memory is short.  Close it in both cases. */
bool rule_index_open(struct rule_index *index, const struct rule *rules, size_t count);
void rule_index_close(struct rule_index *index);

static inline uint64_t rule_index_head(struct slice text)
{
    uint64_t head = 0;
    memcpy(&head, text.at, text.length < RULE_INDEX_HEAD ? text.length : RULE_INDEX_HEAD);
    return head;
}

/* The rules that may want a line, in their order. */
struct rule_candidates {
    const uint16_t *list, *end; /* by the first byte */
    const uint64_t *found;      /* by their parts */
    size_t next;                /* of found; RULE_INDEX_NONE: there is none */
    size_t words;
};

#define RULE_INDEX_NONE SIZE_MAX

/* Find the candidates of a line; found: index->words for them.  The candidates are valid as long as it is. */
struct rule_candidates rule_index_find(const struct rule_index *index, struct slice line, uint64_t *found);

/* The first bit from this one on; RULE_INDEX_NONE: there is none. */
size_t rule_index_next_found(const struct rule_candidates *candidates, size_t from);

/* The next candidate; RULE_INDEX_NONE: that were all. */
static inline size_t rule_index_next(struct rule_candidates *candidates)
{
    size_t found = candidates->next;
    if (candidates->list < candidates->end && *candidates->list < found)
        return *candidates->list++;
    if (found != RULE_INDEX_NONE)
        candidates->next = rule_index_next_found(candidates, found + 1);
    return found;
}

/* The list of a line. */
static inline unsigned rule_index_list(struct slice line)
{
    return line.length == 0 ? RULE_INDEX_LISTS - 1 : (unsigned char)line.at[0];
}

#endif
