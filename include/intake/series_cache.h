/* The counted series that a batch has looked up: a batch of similar lines speaks of few.
 *
 *     heroku_dyno_errors_total, "my-app", "R14", "web"     the series, to add to
 *
 * A series is found by its metric and the values of its labels, without making its identity.  It may be added to until
 * the store is left.  Forget all then, and at the end of the batch: the values point into it. */
#ifndef SERIES_CACHE_H
#define SERIES_CACHE_H

#include "base/sample.h"

enum {
    SERIES_CACHE_SLOTS = 128,
    SERIES_CACHE_LABELS = 4, /* series of more labels are not kept */
    SERIES_CACHE_TEXT = 16 * 1024,
};

struct cached_series {
    const struct metric *metric; /* NULL: it was never used */
    size_t label_count;
    struct slice values[SERIES_CACHE_LABELS];
    struct series *series; /* NULL: free */
};

/* Begin with series_cache_forget(). */
struct series_cache {
    struct cached_series slots[SERIES_CACHE_SLOTS];
    size_t text_used;
    char text[SERIES_CACHE_TEXT]; /* copies of transient label values; not cleared */
};

void series_cache_forget(struct series_cache *cache);

/* The slot of a counted sample; NULL if it cannot have one.  If the slot's series is NULL, find the series in the store
 * and hand it to series_cache_keep(). */
struct cached_series *series_cache_find(struct series_cache *cache, const struct sample *sample);

/* Keep a series in the slot that was found for it.  The sample's label values must be valid until all is
 * forgotten, unless it says that they are transient: then they are copied, and are of lengths that an identity can
 * have.
 */
void series_cache_keep(struct series_cache *cache, struct cached_series *slot, const struct sample *sample,
                       struct series *series);

#endif
