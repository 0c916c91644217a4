/* The series that a worker has looked up: a batch of similar lines speaks of few, and the next batch of the app of the
 * same.
 *
 *     heroku_dyno_errors_total, "my-app", "R14", "web"     the series, to add to
 *
 * A series is found by its metric and the values of its labels, without making its identity.  Until
 * series_cache_begin() it may be added to as it is.  After that it must be asked about once (store_counts_again())
 * before it is added to again; and if the store has removed any series meanwhile, it is forgotten: see
 * store_removals().
 *
 *     heroku_postgres, db_size, the label text addon="a",app="my-app"     the series, to report to
 *
 * A reported series is found by its name, as it was before it was made legal, and the text of its labels, which is
 * written out once for labels with the same values.  For one thread, inside the store. */
#ifndef SERIES_CACHE_H
#define SERIES_CACHE_H

#include <stdint.h>

#include "base/sample.h"
#include "store/entity.h"

enum {
    SERIES_CACHE_SLOTS = 2048,
    SERIES_CACHE_LABELS = 4, /* series of more labels are not kept, */
    SERIES_CACHE_TEXT = 206, /* nor those whose values are longer together */
};

/* 256 bytes, four cache lines. */
struct cached_series {
    struct series *series; /* NULL: none */
    const struct metric *metric;
    uint64_t fixed;      /* of the fixed labels that it has besides, see below */
    uint64_t generation; /* in which it was found, or asked about */
    uint64_t removals;   /* of the store when it was found; or NOT_KEPT: it is forgotten at series_cache_begin() */
    uint16_t label_count;
    uint16_t lengths[SERIES_CACHE_LABELS];
    char text[SERIES_CACHE_TEXT]; /* the values, one behind the other */
};

enum {
    LABEL_TEXT_SLOTS = 64,   /* label texts that are kept: few processes speak at a time; a power of two */
    LABEL_TEXT_LABELS = 4,   /* of more labels none is, */
    LABEL_TEXT_VALUES = 192, /* nor of values that are longer together, */
    LABEL_TEXT_MAX = 512,    /* nor one that is longer */
    REPORT_SLOTS = 4096,     /* a power of two */
    REPORT_TEXT = 84,        /* of longer names, namespace included, no series is kept */
};

/* Labels, and the text that they have in an identity. */
struct label_text {
    uint64_t hash;  /* of text */
    uint64_t fixed; /* of the fixed labels that are in it */
    struct slice names[LABEL_TEXT_LABELS];
    uint16_t label_count;
    uint16_t lengths[LABEL_TEXT_LABELS];
    uint16_t length; /* of text; 0: none is kept here */
    bool chosen;     /* for names that apps choose: fixed labels are others there */
    char values[LABEL_TEXT_VALUES];
    char text[LABEL_TEXT_MAX];
};

/* 128 bytes, two cache lines. */
struct cached_report {
    struct series *series; /* NULL: none */
    const struct metric *metric;
    uint64_t generation; /* as above */
    uint64_t removals;
    uint64_t labels; /* the hash of the label text: the store compares the text itself */
    uint16_t namespace_length;
    uint16_t name_length;
    char text[REPORT_TEXT]; /* the namespace, then the name */
};

enum {
    KNOWN_PROCESSES = 256, /* a power of two */
    KNOWN_NAME = 23,       /* bytes of their names; who has a longer one is not known */
    KNOWN_FOR = 5000       /* milliseconds, by the clock and by the times of lines */
};

/* A process that lines spoke of, as long as the store removes nothing.  64 bytes, a cache line. */
struct known_process {
    uint64_t removals; /* as above */
    uint64_t fixed;
    uint64_t now;
    int64_t line_time;
    entity_id app; /* ENTITY_NONE: nobody stands here */
    uint8_t length;
    char name[KNOWN_NAME];
};

/* All 0 before the first series_cache_begin(). */
struct series_cache {
    uint64_t seed; /* so that nobody can choose fixed labels that are taken for others */
    uint64_t generation;
    uint64_t removals;
    struct cached_series slots[SERIES_CACHE_SLOTS];
    struct label_text label_texts[LABEL_TEXT_SLOTS];
    struct cached_report reports[REPORT_SLOTS];
    struct known_process processes[KNOWN_PROCESSES];
};

/* NULL if memory is short, or without randomness; free() it. */
struct series_cache *series_cache_create(void);

/* The store was entered, perhaps again.  removals: what store_removals() has said since. */
void series_cache_begin(struct series_cache *cache, uint64_t removals);

/* What tells fixed labels apart, which are no part of a sample. */
uint64_t series_cache_fixed(const struct series_cache *cache, const struct label *labels, size_t count);

/* The slot of a counted sample; NULL if it cannot have one.  If the slot's series is NULL, find the series in the store
 * and hand it to series_cache_keep(). */
struct cached_series *series_cache_find(struct series_cache *cache, const struct sample *sample, uint64_t fixed);

/* May the series of a slot be added to as it is?  If not, ask the store, and say so by series_cache_renew(). */
static inline bool series_cache_is_present(const struct series_cache *cache, const struct cached_series *slot)
{
    return slot->generation == cache->generation;
}

static inline void series_cache_renew(const struct series_cache *cache, struct cached_series *slot)
{
    slot->generation = cache->generation;
}

/* Keep a series in the slot that was found for its sample and these fixed labels; lasts: also after
 * series_cache_begin(). */
void series_cache_keep(struct series_cache *cache, struct cached_series *slot, const struct sample *sample,
                       uint64_t fixed, struct series *series, bool lasts);

/* The text of the sample's labels, with these fixed labels; if none is kept, where to keep it: length is 0 then.  NULL
 * if it cannot be kept.  Valid until the next call.  sample->labels_of_line must be set. */
struct label_text *series_cache_labels(struct series_cache *cache, const struct sample *sample, uint64_t fixed);

/* Keep a text of 1 to LABEL_TEXT_MAX bytes there. */
void series_cache_keep_labels(struct label_text *kept, const struct sample *sample, uint64_t fixed, struct slice text);

/* The slot of a reported sample whose labels have this text; NULL if it cannot have one.  If the slot's series is NULL,
 * or the store refuses it (store_report_again()), find the series in the store and hand it to
 * series_cache_keep_report(). */
struct cached_report *series_cache_find_report(struct series_cache *cache, const struct sample *sample,
                                               const struct label_text *labels);

/* Keep a series in the slot that was found for its sample. */
void series_cache_keep_report(const struct series_cache *cache, struct cached_report *slot, const struct sample *sample,
                              const struct label_text *labels, struct series *series);

/* Was this asked moments ago about a process of an app with these fixed labels, and has the store removed no series
 * since then?  If not, it is noted now.  now: milliseconds of the monotonic clock; line_time: microseconds since 1970.
 */
bool series_cache_knows(struct series_cache *cache, entity_id app, uint64_t fixed, struct slice process, uint64_t now,
                        int64_t line_time);

#endif
