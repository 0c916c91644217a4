#include "families/rule_index.h"

#include <stdlib.h>

enum { EMPTY = RULE_INDEX_LISTS - 1 };

static struct rule_head head_of(const struct rule *rule)
{
    static const char ones[RULE_INDEX_HEAD] = {-1, -1, -1, -1, -1, -1, -1, -1};
    if (rule->lines != RULE_MATCH)
        return (struct rule_head){0, 0};
    struct slice start = rule_pattern_start(rule->pattern);
    size_t length = start.length < RULE_INDEX_HEAD ? start.length : RULE_INDEX_HEAD;
    return (struct rule_head){rule_index_head((struct slice){start.at, length}),
                              rule_index_head((struct slice){ones, length})};
}

/* first: the first byte of a line, or EMPTY if it is empty. */
static bool may_take(const struct rule *rule, unsigned first)
{
    switch (rule->lines) {
    case RULE_MATCH:
        return first == EMPTY ? rule_pattern_may_be_empty(rule->pattern)
                              : rule_pattern_may_start(rule->pattern, (unsigned char)first);
    case RULE_LOGFMT: /* JSON holds texts, but no pairs */
        return first != EMPTY && first != '{';
    case RULE_JSON:
        return first == '{';
    }
    return false;
}

bool rule_index_open(struct rule_index *index, const struct rule *rules, size_t count)
{
    size_t length = 0;
    index->heads = calloc(count + 1, sizeof index->heads[0]);
    index->lists = calloc(RULE_INDEX_LISTS * count + 1, sizeof index->lists[0]);
    if (index->heads == NULL || index->lists == NULL)
        return false;
    for (size_t i = 0; i < count; i++)
        index->heads[i] = head_of(&rules[i]);
    for (unsigned first = 0; first < RULE_INDEX_LISTS; first++) {
        index->starts[first] = length;
        for (size_t i = 0; i < count; i++)
            if (may_take(&rules[i], first))
                index->lists[length++] = (uint16_t)i;
    }
    index->starts[RULE_INDEX_LISTS] = length;
    uint16_t *shorter = realloc(index->lists, (length + 1) * sizeof index->lists[0]);
    if (shorter != NULL)
        index->lists = shorter;
    return true;
}

void rule_index_close(struct rule_index *index)
{
    free(index->heads);
    free(index->lists);
}
