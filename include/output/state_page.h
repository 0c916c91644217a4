/* What stands in a state (base/state_format.h), which is written as a page is: in pieces, each when it is wanted, and
 * each a block.  First what others have records of, then the series, a metric after the other.
 *
 * ORDER  Batches that are known come before the series.  So a batch that is taken meanwhile is not known, or its values
 *        are there as well.
 * TIMES  All of the monotonic clock are written as how long ago they were when the state was begun, since that clock
 *        begins anew with the machine. */
#ifndef STATE_PAGE_H
#define STATE_PAGE_H

#include "base/state_format.h"
#include "output/scrapers.h"
#include "store/directory.h"

/* Where it comes from, beside the store. */
struct state_sources {
    struct entities *entities;
    struct directory *directory;
    /* Append records of others at *position (0 at first), as intake_save() does.  The maintenance thread, inside. */
    bool (*save)(void *context, uint64_t now, bool is_whole, size_t *position, struct buffer *out);
    /* What tells a metric of users' rules from others of its name and kind; "" of all others. */
    const char *(*variant_of)(const struct metric *metric);
    void *context;
};

struct state_terms {
    const struct state_sources *sources;
    struct store *store;
    unsigned slot; /* of the maintenance thread */
    uint64_t now;
    uint64_t all_saw;         /* see struct page_terms */
    struct scrapers scrapers; /* those of PAGE_ALL */
    bool is_whole;            /* for our own next start: with what nobody else should have */
    /* The metrics that have series, held. */
    const struct store_metric_view *(*metric_at)(const void *metrics, size_t number);
    const void *metrics;
    size_t metric_count;
};

struct state_page;

/* NULL if memory is short.  terms are copied.  The maintenance thread alone, as all of these. */
struct state_page *state_page_begin(const struct state_terms *terms);

/* Append the next block, of about size bytes.  False if that was the last one.  Ask piece->failed afterwards.  Inside.
 */
bool state_page_write(struct state_page *state, struct buffer *piece, size_t size);

void state_page_end(struct state_page *state); /* NULL is harmless */

#endif
