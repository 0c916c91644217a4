/* Series from one start of the program to the next.
 *
 * METRICS  What a former start says of a metric is enough to show its series: a copy of the descriptor, marked
 * restored, stands for it.  With the first sample our own metric takes its place, if the two count alike; if not, the
 *          series ends and one of ours begins at 0.  Until then the copy stands as high as ours would (see PRECEDENCE),
 *          but gives way to it.
 * LIMITS   A series is restored as a new one is made: what is over a bound of today is refused.  But if max_app_series
 *          and max_metric_series are not lower than they were, all that was within them is so again: some series may
 *          be made beyond them, once they are reached, and series come back in another order. */
#ifndef RESTORE_H
#define RESTORE_H

#include "store/store.h"

/* What there is to know of a series. */
struct saved_series {
    const struct metric *metric; /* of a counted series, its metric; else whose samples were recorded last, or NULL */
    const struct value *value;   /* of a reported series, else NULL */
    const double *cells;         /* of a counted one: metric->cells sums */
    entity_id entity;
    entity_id app; /* whose bounds it counts for */
    uint64_t lifetime;
    uint64_t seen_ago; /* milliseconds since the last update */
    uint64_t born_ago; /* likewise */
    bool was_seen;     /* all scrapers have seen it with what it has: it does not stand at 0 any more */
    bool starts_at_zero, exempt, name_limited, overflow, zero;
    bool was_within_bounds; /* see LIMITS */
};

/* Fill it in from a view of a walk at now.  What was born later than all_saw is not seen yet, if it starts at zero. */
void restore_describe(const struct store_series_view *view, uint64_t now, uint64_t all_saw, struct saved_series *saved);

/* Make a series as it was saved: its value is copied.  RECORDED: there is one of this identity, which stays as it is.
 * Inside, before other threads record. */
enum store_result restore_series(struct store *store, unsigned slot, const struct identity *identity,
                                 const struct saved_series *saved, uint64_t now);

/* The copy that stands for a metric of a former start, for as long as the process lives; the same one for what is the
 * same.  NULL if memory is short, there are too many or it is none that series can have.  One thread at a time. */
const struct metric *restore_metric(const struct metric *described);

/* Let a counted series of a restored metric be one of metric from now on; false if they do not count alike.  Inside. */
bool restored_becomes(struct series *series, const struct metric *metric);

#endif
