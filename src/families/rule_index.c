#include "families/rule_index.h"

#include <stdlib.h>

enum { EMPTY = RULE_INDEX_LISTS - 1 };

static struct rule_head head_of(const struct rule *rule)
{
    static const char ones[RULE_INDEX_HEAD] = {-1, -1, -1, -1, -1, -1, -1, -1};
    const struct rule_pattern *pattern = rule->pattern != NULL ? rule->pattern : rule->after;
    if (pattern == NULL)
        return (struct rule_head){0, 0};
    struct slice start = rule_pattern_start(pattern);
    size_t length = start.length < RULE_INDEX_HEAD ? start.length : RULE_INDEX_HEAD;
    return (struct rule_head){rule_index_head((struct slice){start.at, length}),
                              rule_index_head((struct slice){ones, length})};
}

/* first: the first byte of a line, or EMPTY. */
static bool may_match(const struct rule_pattern *pattern, unsigned first)
{
    return first == EMPTY ? rule_pattern_may_be_empty(pattern) : rule_pattern_may_start(pattern, (unsigned char)first);
}

static bool may_take(const struct rule *rule, unsigned first)
{
    if ((rule->pattern != NULL && !may_match(rule->pattern, first)) ||
        (rule->after != NULL && !may_match(rule->after, first)))
        return false;
    if (rule->fields == RULE_NO_FIELDS || rule->after != NULL)
        return true;
    return rule->fields == RULE_JSON ? first == '{'
                                     : first != '{' && first != EMPTY /* JSON holds texts, but no pairs */;
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
