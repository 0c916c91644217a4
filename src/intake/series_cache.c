#include "intake/series_cache.h"

#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define NOT_KEPT UINT64_MAX

struct series_cache *series_cache_create(void)
{
    return calloc(1, sizeof(struct series_cache)); /* pages that no series is kept in are not used */
}

void series_cache_begin(struct series_cache *cache, uint64_t removals)
{
    cache->generation++;
    cache->removals = removals;
}

uint64_t series_cache_fixed(const struct label *labels, size_t count)
{
    uint64_t hash = count;
    for (size_t i = 0; i < count; i++) {
        hash = XXH3_64bits_withSeed(labels[i].name.at, labels[i].name.length, hash);
        hash = XXH3_64bits_withSeed(labels[i].value.at, labels[i].value.length, hash);
    }
    return hash;
}

static size_t length_of_values(const struct sample *sample)
{
    size_t length = 0;
    for (size_t i = 0; i < sample->label_count; i++)
        length += sample->labels[i].value.length;
    return length;
}

static bool can_have_slot(const struct sample *sample)
{
    return sample->label_count <= SERIES_CACHE_LABELS && !sample->metric->chosen &&
           length_of_values(sample) <= SERIES_CACHE_TEXT;
}

static struct cached_series *slot_of(struct series_cache *cache, const struct sample *sample)
{
    uint64_t hash = (uintptr_t)sample->metric >> 4;
    for (size_t i = 0; i < sample->label_count; i++)
        hash = hash * 31 + XXH3_64bits(sample->labels[i].value.at, sample->labels[i].value.length);
    return &cache->slots[hash % SERIES_CACHE_SLOTS];
}

/* Is the slot's series that of the sample? */
static bool is_series_of(const struct cached_series *slot, const struct sample *sample, uint64_t fixed)
{
    const char *text = slot->text;
    if (slot->metric != sample->metric || slot->label_count != sample->label_count || slot->fixed != fixed)
        return false;
    for (size_t i = 0; i < sample->label_count; text += slot->lengths[i], i++)
        if (!slice_equals((struct slice){text, slot->lengths[i]}, sample->labels[i].value))
            return false;
    return true;
}

struct cached_series *series_cache_find(struct series_cache *cache, const struct sample *sample, uint64_t fixed)
{
    if (!can_have_slot(sample))
        return NULL;
    struct cached_series *slot = slot_of(cache, sample);
    bool held = slot->generation == cache->generation || slot->removals == cache->removals;
    if (!held || !is_series_of(slot, sample, fixed))
        slot->series = NULL;
    return slot;
}

void series_cache_keep(struct series_cache *cache, struct cached_series *slot, const struct sample *sample,
                       uint64_t fixed, struct series *series, bool lasts)
{
    char *text = slot->text;
    slot->series = series;
    slot->metric = sample->metric;
    slot->fixed = fixed;
    slot->generation = cache->generation;
    slot->removals = lasts ? cache->removals : NOT_KEPT;
    slot->label_count = (uint16_t)sample->label_count;
    for (size_t i = 0; i < sample->label_count; i++) {
        struct slice value = sample->labels[i].value;
        slot->lengths[i] = (uint16_t)value.length;
        if (value.length > 0)
            memcpy(text, value.at, value.length);
        text += value.length;
    }
}
