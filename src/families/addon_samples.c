#include "families/addon_samples.h"

#include "base/keyvalue.h"

/* Find a key.  Lines list their keys in one order, so the search goes on where the last one ended. */
static const struct addon_key *find_key(const struct addon *addon, struct slice key, size_t *next)
{
    for (size_t i = 0; i < addon->key_count; i++) {
        size_t at = *next + i < addon->key_count ? *next + i : *next + i - addon->key_count;
        if (slice_equals(addon->keys[at].key, key)) {
            *next = at + 1;
            return &addon->keys[at];
        }
    }
    return NULL;
}

/* Record a line's pairs as samples that have all but their own parts already; returns how many there are. */
static size_t read_pairs(struct slice text, const struct addon *addon, struct sample *sample,
                         struct sample_output *output)
{
    struct slice start = SLICE("sample#");
    struct keyvalue_reader reader;
    struct keyvalue pair;
    size_t count = 0;
    size_t next = 0;
    keyvalue_start(&reader, text);
    while (keyvalue_next(&reader, &pair)) {
        if (!slice_starts_with(pair.key, start))
            continue;
        count++;
        struct quantity quantity;
        if (!keyvalue_quantity(pair.value, &quantity) || quantity.unit == UNIT_OTHER) {
            output->reject(output, REJECTED_VALUE);
            continue;
        }
        struct slice key = slice_after(pair.key, start.length);
        const struct addon_key *known = find_key(addon, key, &next);
        if (known != NULL && known->divisor != 0 && quantity.unit == UNIT_NONE)
            quantity.number /= known->divisor;
        struct value value = {.type = VALUE_GAUGE, .number = quantity.number};
        sample->metric = known != NULL ? &known->metric : addon->unknown;
        sample->name = known != NULL && known->name.length > 0 ? known->name : key;
        sample->value = &value;
        output->record(output, sample);
    }
    return count;
}

enum verdict addon_samples_read(const struct line *line, const struct family_context *context,
                                const struct addon *addon, struct sample_output *output)
{
    struct label by_addon = {.name = SLICE("addon")};
    struct label by_source[] = {{SLICE("app"), context->app}, {.name = SLICE("source")}};
    struct keyvalue_reader reader;
    struct keyvalue pair;
    keyvalue_start(&reader, line->message);
    while (by_addon.value.length == 0 && keyvalue_next(&reader, &pair)) {
        if (slice_equals(pair.key, by_addon.name))
            by_addon.value = pair.value;
        else if (slice_equals(pair.key, by_source[1].name) && by_source[1].value.length == 0)
            by_source[1].value = pair.value;
    }
    bool has_addon = by_addon.value.length > 0;
    struct sample sample = {
        .namespace = addon->namespace, .labels = has_addon ? &by_addon : by_source, .label_count = has_addon ? 1 : 2};
    return read_pairs(line->message, addon, &sample, output) > 0 ? VERDICT_RECOGNISED : VERDICT_NOT_A_METRIC;
}
