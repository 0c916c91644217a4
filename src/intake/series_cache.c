#include "intake/series_cache.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

void series_cache_forget(struct series_cache *cache)
{
    memset(cache->used, 0, sizeof cache->used);
    cache->text_used = 0;
}

static struct cached_series *slot_of(struct series_cache *cache, const struct sample *sample)
{
    if (sample->label_count > SERIES_CACHE_LABELS || sample->metric->chosen)
        return NULL;
    uint64_t hash = (uintptr_t)sample->metric >> 4;
    for (size_t i = 0; i < sample->label_count; i++)
        hash = hash * 31 + XXH3_64bits(sample->labels[i].value.at, sample->labels[i].value.length);
    return &cache->slots[hash % SERIES_CACHE_SLOTS];
}

static bool is_series_of(const struct cached_series *slot, const struct sample *sample)
{
    if (slot->metric != sample->metric || slot->label_count != sample->label_count)
        return false;
    for (size_t i = 0; i < sample->label_count; i++)
        if (!slice_equals(slot->values[i], sample->labels[i].value))
            return false;
    return true;
}

static bool is_used(const struct series_cache *cache, const struct cached_series *slot)
{
    size_t number = (size_t)(slot - cache->slots);
    return (cache->used[number / 64] >> number % 64 & 1) != 0;
}

static void set_used(struct series_cache *cache, const struct cached_series *slot)
{
    size_t number = (size_t)(slot - cache->slots);
    cache->used[number / 64] |= UINT64_C(1) << number % 64;
}

struct cached_series *series_cache_find(struct series_cache *cache, const struct sample *sample)
{
    struct cached_series *slot = slot_of(cache, sample);
    if (slot != NULL && !(is_used(cache, slot) && is_series_of(slot, sample)))
        slot->series = NULL;
    return slot;
}

static size_t length_of_values(const struct sample *sample)
{
    size_t length = 0;
    for (size_t i = 0; i < sample->label_count; i++)
        length += sample->labels[i].value.length;
    return length;
}

/* A copy of text, for which there is room. */
static struct slice copy_of(struct series_cache *cache, struct slice text)
{
    char *copy = cache->text + cache->text_used;
    if (text.length == 0)
        return text;
    memcpy(copy, text.at, text.length);
    cache->text_used += text.length;
    return (struct slice){copy, text.length};
}

void series_cache_keep(struct series_cache *cache, struct cached_series *slot, const struct sample *sample,
                       struct series *series)
{
    if (sample->transient && length_of_values(sample) > sizeof cache->text - cache->text_used)
        series_cache_forget(cache);
    set_used(cache, slot);
    slot->metric = sample->metric;
    slot->label_count = sample->label_count;
    for (size_t i = 0; i < sample->label_count; i++) {
        struct slice value = sample->labels[i].value;
        slot->values[i] = sample->transient ? copy_of(cache, value) : value;
    }
    slot->series = series;
}
