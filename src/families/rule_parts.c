#include "families/rule_parts.h"

#include <stdlib.h>

enum { WINDOW = 4, FILTER_BITS = 16, HEAD_BITS = 11, WORD_BITS = 64 };

/* Fibonacci hashing; the filter takes all of it, the heads its upper part. */
static uint32_t hash_of(uint32_t bytes)
{
    return bytes * UINT32_C(0x9E3779B1) >> (32 - FILTER_BITS);
}

static uint32_t window_at(const char *text)
{
    uint32_t bytes;
    memcpy(&bytes, text, sizeof bytes);
    return bytes;
}

/* ---- making ---- */

static int compare(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

/* The windows of all texts, sorted. */
struct all_windows {
    uint32_t *list;
    size_t count;
};

static bool collect(struct all_windows *all, const struct rule_literal *list, size_t count)
{
    size_t length = 0;
    for (size_t i = 0; i < count; i++)
        length += list[i].text.length;
    all->list = calloc(length + 1, sizeof all->list[0]);
    if (all->list == NULL)
        return false;
    for (size_t i = 0; i < count; i++)
        for (size_t at = 0; at + WINDOW <= list[i].text.length; at++)
            all->list[all->count++] = window_at(list[i].text.at + at);
    qsort(all->list, all->count, sizeof all->list[0], compare);
    return true;
}

/* How many windows are less than this one. */
static size_t count_below(const struct all_windows *all, uint64_t bytes)
{
    size_t low = 0, high = all->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (all->list[middle] < bytes)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static size_t count_equal(const struct all_windows *all, uint32_t bytes)
{
    return count_below(all, (uint64_t)bytes + 1) - count_below(all, bytes);
}

/* The offset in a text of two windows, one behind the other, that are the rarest. */
static size_t rarest(const struct all_windows *all, struct slice text)
{
    size_t best = 0, least = SIZE_MAX;
    for (size_t at = 0; at + WINDOW + 1 <= text.length; at++) {
        size_t count = count_equal(all, window_at(text.at + at)) + count_equal(all, window_at(text.at + at + 1));
        if (count < least) {
            least = count;
            best = at;
        }
    }
    return best;
}

static void add(struct rule_parts *parts, uint32_t bytes, uint16_t rule)
{
    uint32_t hash = hash_of(bytes);
    uint16_t *head = &parts->heads[hash >> (FILTER_BITS - HEAD_BITS)];
    parts->filter[hash / WORD_BITS] |= UINT64_C(1) << hash % WORD_BITS;
    parts->windows[parts->window_count++] = (struct rule_window){.bytes = bytes, .rule = rule, .next = *head};
    *head = (uint16_t)parts->window_count;
}

bool rule_parts_open(struct rule_parts *parts, const struct rule_literal *list, size_t count)
{
    struct all_windows all = {0};
    *parts = (struct rule_parts){0};
    if (count == 0)
        return true;
    parts->windows = calloc(2 * count, sizeof parts->windows[0]);
    parts->filter = calloc((1u << FILTER_BITS) / WORD_BITS, sizeof parts->filter[0]);
    parts->heads = calloc(1u << HEAD_BITS, sizeof parts->heads[0]);
    if (parts->windows == NULL || parts->filter == NULL || parts->heads == NULL || !collect(&all, list, count))
        return false;
    for (size_t i = 0; i < count; i++) {
        const char *text = list[i].text.at + rarest(&all, list[i].text);
        add(parts, window_at(text), list[i].rule);
        add(parts, window_at(text + 1), list[i].rule);
    }
    free(all.list);
    return true;
}

void rule_parts_close(struct rule_parts *parts)
{
    free(parts->windows);
    free(parts->filter);
    free(parts->heads);
    *parts = (struct rule_parts){0};
}

/* ---- finding ---- */

/* Note the rules that have this window; have any been noted?  Out of line: it is rare. */
__attribute__((noinline)) static bool note(const struct rule_parts *parts, uint32_t bytes, uint64_t *rules,
                                           size_t words, bool noted)
{
    unsigned number = parts->heads[hash_of(bytes) >> (FILTER_BITS - HEAD_BITS)];
    while (number != 0) {
        const struct rule_window *window = &parts->windows[number - 1];
        number = window->next;
        if (window->bytes != bytes)
            continue;
        if (!noted)
            memset(rules, 0, words * sizeof rules[0]);
        noted = true;
        rules[window->rule / WORD_BITS] |= UINT64_C(1) << window->rule % WORD_BITS;
    }
    return noted;
}

bool rule_parts_find(const struct rule_parts *parts, struct slice line, uint64_t *rules, size_t words)
{
    bool noted = false;
    const uint64_t *filter = parts->filter;
    if (filter == NULL)
        return false;
    for (size_t at = 0; at + WINDOW <= line.length; at += 2) {
        uint32_t bytes = window_at(line.at + at), hash = hash_of(bytes);
        if ((filter[hash / WORD_BITS] >> hash % WORD_BITS & 1) != 0)
            noted = note(parts, bytes, rules, words, noted);
    }
    return noted;
}
