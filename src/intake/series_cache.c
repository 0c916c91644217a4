#include "intake/series_cache.h"

#include <stdlib.h>
#include <sys/random.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define NOT_KEPT UINT64_MAX
#define MULTIPLIER UINT64_C(0x9E3779B97F4A7C15) /* Fibonacci hashing */

struct series_cache *series_cache_create(void)
{
    struct series_cache *cache = calloc(1, sizeof *cache); /* pages that no series is kept in are not used */
    if (cache != NULL && getrandom(&cache->seed, sizeof cache->seed, 0) != sizeof cache->seed) {
        free(cache);
        return NULL;
    }
    return cache;
}

void series_cache_begin(struct series_cache *cache, uint64_t removals)
{
    cache->generation++;
    cache->removals = removals;
}

uint64_t series_cache_fixed(const struct series_cache *cache, const struct label *labels, size_t count)
{
    uint64_t hash = cache->seed + count;
    for (size_t i = 0; i < count; i++) {
        hash = XXH3_64bits_withSeed(labels[i].name.at, labels[i].name.length, hash);
        hash = XXH3_64bits_withSeed(labels[i].value.at, labels[i].value.length, hash);
    }
    return hash;
}

/* The first eight bytes of a text and its last eight, which overlap in a short one: labels differ in either. */
static uint64_t ends_of(struct slice text)
{
    uint64_t first = 0, last = 0;
    uint32_t half;
    if (text.length >= sizeof first) {
        memcpy(&first, text.at, sizeof first);
        memcpy(&last, text.at + text.length - sizeof last, sizeof last);
        return first ^ last << 1;
    }
    if (text.length >= sizeof half) {
        memcpy(&half, text.at, sizeof half);
        memcpy(&last, text.at + text.length - sizeof half, sizeof half);
        return half | last << 32;
    }
    for (size_t i = 0; i < text.length; i++)
        first = first << 8 | (unsigned char)text.at[i];
    return first;
}

/* 32 bits for the values of a sample's labels, and the length of all of them. */
static inline uint64_t hash_values(const struct sample *sample, uint64_t hash, size_t *length)
{
    *length = 0;
    for (size_t i = 0; i < sample->label_count; i++) {
        struct slice value = sample->labels[i].value;
        *length += value.length;
        hash = (hash ^ ends_of(value) ^ value.length) * MULTIPLIER;
        hash ^= hash >> 32;
    }
    return hash * MULTIPLIER >> 32;
}

/* The first of the two slots that a sample may have; NULL if it may have none. */
static struct cached_series *slots_of(struct series_cache *cache, const struct sample *sample)
{
    if (sample->label_count > SERIES_CACHE_LABELS || sample->metric->chosen)
        return NULL;
    size_t length;
    uint64_t hash = hash_values(sample, (uintptr_t)sample->metric, &length);
    return length > SERIES_CACHE_TEXT ? NULL : &cache->slots[hash % SERIES_CACHE_SLOTS & ~UINT64_C(1)];
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

static bool is_held(const struct series_cache *cache, const struct cached_series *slot)
{
    return slot->generation == cache->generation || slot->removals == cache->removals;
}

struct cached_series *series_cache_find(struct series_cache *cache, const struct sample *sample, uint64_t fixed)
{
    struct cached_series *slots = slots_of(cache, sample);
    if (slots == NULL)
        return NULL;
    for (unsigned i = 0; i < 2; i++)
        if (is_series_of(&slots[i], sample, fixed) && is_held(cache, &slots[i]))
            return &slots[i];
    struct cached_series *older = &slots[slots[1].generation < slots[0].generation];
    older->series = NULL;
    older->metric = NULL; /* until it is kept it is nobody's */
    return older;
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

/* ---- reported series ---- */

static bool has_labels(const struct label_text *kept, const struct sample *sample, uint64_t fixed)
{
    const char *value = kept->values;
    if (kept->length == 0 || kept->label_count != sample->label_count || kept->fixed != fixed ||
        kept->chosen != metric_is_chosen(sample->metric))
        return false;
    for (size_t i = 0; i < sample->label_count; value += kept->lengths[i], i++) {
        /* Names are constants, so that they need not be read. */
        if (kept->names[i].at != sample->labels[i].name.at || kept->names[i].length != sample->labels[i].name.length ||
            !slice_equals((struct slice){value, kept->lengths[i]}, sample->labels[i].value))
            return false;
    }
    return true;
}

struct label_text *series_cache_labels(struct series_cache *cache, const struct sample *sample, uint64_t fixed)
{
    size_t length;
    if (sample->label_count > LABEL_TEXT_LABELS)
        return NULL;
    uint64_t hash = hash_values(sample, 0, &length); /* without fixed, so that counts of instructions repeat */
    if (length > LABEL_TEXT_VALUES)
        return NULL;
    struct label_text *kept = &cache->label_texts[hash % LABEL_TEXT_SLOTS];
    if (!has_labels(kept, sample, fixed))
        kept->length = 0;
    return kept;
}

void series_cache_keep_labels(struct label_text *kept, const struct sample *sample, uint64_t fixed, struct slice text)
{
    char *value = kept->values;
    kept->hash = XXH3_64bits(text.at, text.length);
    kept->fixed = fixed;
    kept->chosen = metric_is_chosen(sample->metric);
    kept->label_count = (uint16_t)sample->label_count;
    for (size_t i = 0; i < sample->label_count; i++) {
        const struct label *label = &sample->labels[i];
        kept->names[i] = label->name;
        kept->lengths[i] = (uint16_t)label->value.length;
        if (label->value.length > 0)
            memcpy(value, label->value.at, label->value.length);
        value += label->value.length;
    }
    kept->length = (uint16_t)text.length;
    memcpy(kept->text, text.at, text.length);
}

static bool is_report_of(const struct cached_report *slot, const struct sample *sample, const struct label_text *labels)
{
    struct slice namespace = {slot->text, slot->namespace_length};
    struct slice name = {slot->text + slot->namespace_length, slot->name_length};
    return slot->metric == sample->metric && slot->labels == labels->hash && slice_equals(name, sample->name) &&
           slice_equals(namespace, sample->namespace);
}

struct cached_report *series_cache_find_report(struct series_cache *cache, const struct sample *sample,
                                               const struct label_text *labels)
{
    if (sample->name.length + sample->namespace.length > REPORT_TEXT)
        return NULL;
    uint64_t hash = ((uintptr_t)sample->metric ^ ends_of(sample->name) ^ sample->name.length) * MULTIPLIER;
    hash = (hash ^ hash >> 32 ^ labels->hash) * MULTIPLIER;
    struct cached_report *slots = &cache->reports[(hash >> 32) % REPORT_SLOTS & ~UINT64_C(1)];
    for (unsigned i = 0; i < 2; i++) {
        struct cached_report *slot = &slots[i];
        if (slot->series == NULL || !is_report_of(slot, sample, labels) ||
            (slot->generation != cache->generation && slot->removals != cache->removals))
            continue;
        slot->generation = cache->generation;
        return slot;
    }
    struct cached_report *older = &slots[slots[1].generation < slots[0].generation];
    older->series = NULL;
    return older;
}

void series_cache_keep_report(const struct series_cache *cache, struct cached_report *slot, const struct sample *sample,
                              const struct label_text *labels, struct series *series)
{
    slot->series = series;
    slot->metric = sample->metric;
    slot->generation = cache->generation;
    slot->removals = cache->removals;
    slot->labels = labels->hash;
    slot->namespace_length = (uint16_t)sample->namespace.length;
    slot->name_length = (uint16_t)sample->name.length;
    if (sample->namespace.length > 0)
        memcpy(slot->text, sample->namespace.at, sample->namespace.length);
    memcpy(slot->text + sample->namespace.length, sample->name.at, sample->name.length);
}

/* ---- processes ---- */

static bool is_moments_ago(const struct known_process *known, uint64_t now, int64_t line_time)
{
    int64_t apart = line_time - known->line_time;
    return now - known->now < KNOWN_FOR && apart > -KNOWN_FOR * 1000 && apart < KNOWN_FOR * 1000;
}

bool series_cache_knows(struct series_cache *cache, entity_id app, uint64_t fixed, struct slice process, uint64_t now,
                        int64_t line_time)
{
    if (app == ENTITY_NONE || process.length > KNOWN_NAME)
        return false;
    uint64_t hash = ((uint64_t)app ^ ends_of(process) ^ process.length) * MULTIPLIER;
    struct known_process *known = &cache->processes[(hash >> 32) % KNOWN_PROCESSES];
    bool is_same = known->app == app && known->fixed == fixed && known->removals == cache->removals &&
                   slice_equals((struct slice){known->name, known->length}, process);
    if (is_same && is_moments_ago(known, now, line_time))
        return true;
    *known = (struct known_process){.removals = cache->removals,
                                    .fixed = fixed,
                                    .now = now,
                                    .line_time = line_time,
                                    .app = app,
                                    .length = (uint8_t)process.length};
    if (process.length > 0)
        memcpy(known->name, process.at, process.length);
    return false;
}
