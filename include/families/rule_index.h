/* Which rules may want a line?  There is a list of rules for each first byte, with the first eight bytes that each rule
 * wants.  So most rules cost a line nothing, or one comparison. */
#ifndef RULE_INDEX_H
#define RULE_INDEX_H

#include <stdint.h>

#include "families/rule.h"

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

/* The list of a line. */
static inline unsigned rule_index_list(struct slice line)
{
    return line.length == 0 ? RULE_INDEX_LISTS - 1 : (unsigned char)line.at[0];
}

#endif
