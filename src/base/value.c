#include "base/value.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const double value_sketch_quantiles[VALUE_SKETCH_QUANTILES] = {0.5, 0.75, 0.9, 0.95, 0.99};

size_t value_word_count(enum value_type type, uint32_t size)
{
    switch (type) {
    case VALUE_COUNTER:
    case VALUE_GAUGE:
        return 0;
    case VALUE_SET:
        return size;
    case VALUE_EXTERNAL_COUNTER:
        return 1;
    case VALUE_HISTOGRAM:
    case VALUE_SUMMARY:
        return 1 + 2 * (size_t)size;
    case VALUE_SKETCH:
        return 3 + 2 * (size_t)size;
    }
    return 0;
}

size_t value_bytes(const struct value *value)
{
    return sizeof *value + value_word_count(value->type, value->size) * sizeof value->words[0];
}

unsigned value_weight(const struct value *value)
{
    unsigned lines = 1;
    if (value->type == VALUE_HISTOGRAM)
        lines = value->size + 3;
    else if (value->type == VALUE_SUMMARY)
        lines = value->size + 2;
    else if (value->type == VALUE_SKETCH)
        lines = VALUE_SKETCH_QUANTILES + 2;
    unsigned memory = (unsigned)(value_bytes(value) / 200);
    return lines > memory ? lines : memory;
}

static struct value *allocate(enum value_type type, size_t size)
{
    struct value *value = malloc(sizeof *value + value_word_count(type, (uint32_t)size) * sizeof value->words[0]);
    if (value != NULL) {
        value->type = (uint16_t)type;
        value->size = (uint32_t)size;
    }
    return value;
}

static struct value *copy(const struct value *value)
{
    struct value *result = allocate(value->type, value->size);
    if (result != NULL)
        memcpy(result, value, value_bytes(value));
    return result;
}

static struct value *unite_sets(const struct value *a, const struct value *b)
{
    struct value *result = allocate(VALUE_SET, (size_t)a->size + b->size);
    if (result == NULL)
        return NULL;
    size_t i = 0, j = 0, count = 0;
    while (i < a->size || j < b->size) {
        uint64_t member;
        if (j == b->size || (i < a->size && a->words[i].member <= b->words[j].member)) {
            member = a->words[i++].member;
            if (j < b->size && b->words[j].member == member)
                j++;
        } else
            member = b->words[j++].member;
        result->words[count++].member = member;
    }
    result->size = (uint32_t)count;
    result->number = (double)count;
    return result;
}

static bool same_bounds(const struct value *a, const struct value *b)
{
    return a->size == b->size && memcmp(a->words + 1, b->words + 1, a->size * sizeof a->words[0]) == 0;
}

static struct value *add_histograms(const struct value *a, const struct value *b)
{
    struct value *result = copy(a);
    if (result == NULL)
        return NULL;
    result->number += b->number;
    result->words[0].number += b->words[0].number;
    for (size_t i = 1 + a->size; i < 1 + 2 * (size_t)a->size; i++)
        result->words[i].number += b->words[i].number;
    return result;
}

static struct value *merge_sketches(const struct value *a, const struct value *b)
{
    if (a->number == 0)
        return copy(b);
    if (b->number == 0)
        return copy(a);
    size_t most = (size_t)a->size + b->size;
    struct value *result = allocate(VALUE_SKETCH, most);
    if (result == NULL)
        return NULL;
    union value_word *keys = result->words + 3;
    union value_word *numbers = keys + most;
    size_t i = 0, j = 0, count = 0;
    while (i < a->size || j < b->size) {
        const struct value *from;
        size_t at;
        if (j == b->size || (i < a->size && a->words[3 + i].number <= b->words[3 + j].number)) {
            from = a;
            at = i++;
        } else {
            from = b;
            at = j++;
        }
        double key = from->words[3 + at].number;
        double number = from->words[3 + from->size + at].number;
        if (count > 0 && keys[count - 1].number == key)
            numbers[count - 1].number += number;
        else {
            keys[count].number = key;
            numbers[count].number = number;
            count++;
        }
    }
    memmove(keys + count, numbers, count * sizeof numbers[0]);
    result->size = (uint32_t)count;
    result->number = a->number + b->number;
    result->words[0].number = a->words[0].number + b->words[0].number;
    result->words[1].number = a->words[1].number < b->words[1].number ? a->words[1].number : b->words[1].number;
    result->words[2].number = a->words[2].number > b->words[2].number ? a->words[2].number : b->words[2].number;
    return result;
}

bool value_adds(const struct value *old, const struct value *update)
{
    if (old->type != update->type || update->type == VALUE_SUMMARY)
        return false;
    return update->type != VALUE_HISTOGRAM || same_bounds(old, update);
}

bool value_continues(const struct value *old, const struct value *update)
{
    return old->type == VALUE_EXTERNAL_COUNTER && update->type == VALUE_EXTERNAL_COUNTER;
}

bool value_is_level(const struct value *value)
{
    return value->type == VALUE_GAUGE || value->type == VALUE_SET;
}

static bool is_finite(double number)
{
    return number >= -DBL_MAX && number <= DBL_MAX;
}

static bool is_count(double number)
{
    return number >= 0 && number <= DBL_MAX;
}

/* Are all of them counts?  Their bits as integers show it, two at a time: the highest is set if a number is negative
 * and, when the lowest bit of the exponent is added, if the exponent was all ones. */
static bool are_counts(const union value_word *words, size_t count)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < count; i++) {
        union value_word word = {.number = words[i].number + 0.0}; /* -0 is 0 */
        bits |= word.member | (word.member + (UINT64_C(1) << 52));
    }
    return bits >> 63 == 0;
}

bool value_is_fit(const struct value *value, bool incremental)
{
    if (value->type == VALUE_EXTERNAL_COUNTER)
        return is_count(value->words[0].number);
    if (!incremental)
        return true;
    switch ((enum value_type)value->type) {
    case VALUE_COUNTER:
        return is_count(value->number);
    case VALUE_GAUGE:
        return is_finite(value->number);
    case VALUE_HISTOGRAM:
        return is_count(value->number) && is_finite(value->words[0].number) &&
               are_counts(value->words + 1 + value->size, value->size);
    case VALUE_SKETCH:
        return is_count(value->number) && is_finite(value->words[0].number) &&
               are_counts(value->words + 3 + value->size, value->size);
    default:
        return true;
    }
}

/* The sum of both, or of what was counted since; see value_merge(). */
static struct value *add(const struct value *old, const struct value *update)
{
    struct value *result;
    switch ((enum value_type)update->type) {
    case VALUE_COUNTER:
    case VALUE_GAUGE:
        result = copy(update);
        if (result != NULL)
            result->number += old->number;
        return result;
    case VALUE_EXTERNAL_COUNTER: {
        double last = old->words[0].number, told = update->words[0].number;
        result = copy(update);
        if (result != NULL)
            result->number = old->number + (told >= last ? told - last : isinf(last) ? 0 : told);
        return result;
    }
    case VALUE_SET:
        return unite_sets(old, update);
    case VALUE_HISTOGRAM:
        return add_histograms(old, update);
    case VALUE_SKETCH:
        return merge_sketches(old, update);
    default:
        return copy(update);
    }
}

static bool is_within_bounds(const struct value *value)
{
    return value->size <= (value->type == VALUE_SET ? VALUE_SET_MAX : VALUE_SIZE_MAX);
}

static bool has_finite_sums(const struct value *value)
{
    bool has_sum = value->type == VALUE_HISTOGRAM || value->type == VALUE_SKETCH;
    return is_finite(value->number) && (!has_sum || is_finite(value->words[0].number));
}

struct value *value_merge(const struct value *old, const struct value *update, bool *too_large)
{
    *too_large = false;
    bool added = old != NULL && value_adds(old, update);
    struct value *result = added ? add(old, update) : copy(update);
    if (result == NULL)
        return NULL;
    *too_large = !is_within_bounds(result) || (added && !has_finite_sums(result));
    if (*too_large) {
        free(result);
        return NULL;
    }
    result->time = old != NULL && old->time > update->time ? old->time : update->time;
    result->seen = update->seen;
    result->added = update->added;
    return result;
}

/* ---- from one start of the program to the next ---- */

static bool are_finite(const union value_word *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!is_finite(words[i].number))
            return false;
    return true;
}

static bool is_ascending(const union value_word *words, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (!(words[i - 1].number < words[i].number))
            return false;
    return true;
}

static bool is_set(const struct value *value)
{
    for (size_t i = 1; i < value->size; i++)
        if (value->words[i - 1].member >= value->words[i].member)
            return false;
    return value->number == value->size;
}

bool value_is_sound(const struct value *value)
{
    if (!is_finite(value->number) || value->type > VALUE_EXTERNAL_COUNTER || !is_within_bounds(value))
        return false;
    const union value_word *words = value->words;
    switch ((enum value_type)value->type) {
    case VALUE_SET:
        return is_set(value);
    case VALUE_HISTOGRAM:
        return are_finite(words, 1 + 2 * (size_t)value->size) && is_ascending(words + 1, value->size);
    case VALUE_SUMMARY:
        return are_finite(words, 1 + 2 * (size_t)value->size);
    case VALUE_SKETCH:
        return are_finite(words, 3 + 2 * (size_t)value->size) && is_ascending(words + 3, value->size) &&
               words[1].number <= words[2].number;
    case VALUE_EXTERNAL_COUNTER:
        return words[0].number >= 0;
    default:
        return value->size == 0;
    }
}

bool value_start_anew(struct value *value)
{
    bool is_external = value->type == VALUE_EXTERNAL_COUNTER;
    if ((!value->added && !is_external) || value->type == VALUE_SUMMARY || value_is_level(value))
        return false;
    value->number = 0;
    if (is_external)
        value->words[0].number = INFINITY;
    else if (value->type == VALUE_HISTOGRAM) {
        value->words[0].number = 0;
        memset(value->words + 1 + value->size, 0, value->size * sizeof value->words[0]);
    } else if (value->type == VALUE_SKETCH) {
        value->size = 0;
        memset(value->words, 0, 3 * sizeof value->words[0]);
    }
    return true;
}
