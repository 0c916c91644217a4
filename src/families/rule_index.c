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

/* Is the rule one of those that look for a text anywhere, in whatever line? */
static bool looks_for_part(const struct rule *rule)
{
    return rule->pattern != NULL && rule_pattern_part(rule->pattern).length >= RULE_PARTS_LENGTH_MIN &&
           rule->after == NULL && rule->fields == RULE_NO_FIELDS;
}

/* Put the rules that look for a text into index->parts, if they are many.  False if memory is short. */
static bool open_parts(struct rule_index *index, const struct rule *rules, size_t count)
{
    struct rule_literal *list = calloc(count + 1, sizeof *list);
    size_t length = 0;
    if (list == NULL)
        return false;
    for (size_t i = 0; i < count; i++)
        if (looks_for_part(&rules[i]))
            list[length++] = (struct rule_literal){rule_pattern_part(rules[i].pattern), (uint16_t)i};
    bool opened = rule_parts_open(&index->parts, list, length < RULE_PARTS_MIN ? 0 : length);
    free(list);
    return opened;
}

bool rule_index_open(struct rule_index *index, const struct rule *rules, size_t count)
{
    size_t length = 0;
    index->heads = calloc(count + 1, sizeof index->heads[0]);
    index->lists = calloc(RULE_INDEX_LISTS * count + 1, sizeof index->lists[0]);
    index->words = (count + 63) / 64;
    if (index->heads == NULL || index->lists == NULL || !open_parts(index, rules, count))
        return false;
    bool has_parts = index->parts.window_count > 0;
    for (size_t i = 0; i < count; i++)
        index->heads[i] = head_of(&rules[i]);
    for (unsigned first = 0; first < RULE_INDEX_LISTS; first++) {
        index->starts[first] = length;
        for (size_t i = 0; i < count; i++)
            if (!(has_parts && looks_for_part(&rules[i])) && may_take(&rules[i], first))
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
    rule_parts_close(&index->parts);
}

size_t rule_index_next_found(const struct rule_candidates *candidates, size_t from)
{
    for (size_t word = from / 64; word < candidates->words; word++) {
        uint64_t bits = candidates->found[word];
        if (word == from / 64)
            bits &= UINT64_MAX << from % 64;
        if (bits != 0)
            return word * 64 + (size_t)__builtin_ctzll(bits);
    }
    return RULE_INDEX_NONE;
}

struct rule_candidates rule_index_find(const struct rule_index *index, struct slice line, uint64_t *found)
{
    unsigned list = rule_index_list(line);
    struct rule_candidates candidates = {.list = index->lists + index->starts[list],
                                         .end = index->lists + index->starts[list + 1],
                                         .found = found,
                                         .next = RULE_INDEX_NONE,
                                         .words = index->words};
    if (index->parts.window_count > 0 && rule_parts_find(&index->parts, line, found, index->words))
        candidates.next = rule_index_next_found(&candidates, 0);
    return candidates;
}
