/* How metrics about ourselves, drain_exporter_* and process_*, are recorded.  They stand in the store and leave by the
 * same page as all others, but no bound refuses them.  Each module defines those that it counts.  Names once published
 * do not change. */
#ifndef SELF_METRICS_H
#define SELF_METRICS_H

#include "store/store.h"

/* The initialiser of a counter of ours; SELF_COUNTERS has a cell for each of values, told apart by the label by. */
#define SELF_COUNTER(suffix, text)                                                                       \
    {                                                                                                    \
        .name = "drain_exporter_" suffix, .help = text, .type = METRIC_COUNTER, .cells = 1, .self = true \
    }
#define SELF_COUNTERS(suffix, text, by, values)                                                                      \
    {                                                                                                                \
        .name = "drain_exporter_" suffix, .help = text, .type = METRIC_COUNTER, .cells = COUNT(values), .label = by, \
        .label_values = values, .self = true                                                                         \
    }

/* Who records a metric of ours, and how long it lives. */
struct self_terms {
    struct store *store;
    unsigned slot;
    uint64_t now;
    uint64_t lifetime; /* as in struct store_terms */
    entity_id entity;
};

/* Count in a metric of ours with these labels (those with an empty value are left out).  Inside the store only. */
enum store_result self_count(const struct self_terms *terms, const struct metric *metric, const struct label *labels,
                             size_t label_count, unsigned cell, double amount);

/* Find what self_count() counts in, to add to it by store_add().  NULL if memory is short. */
struct series *self_find(const struct self_terms *terms, const struct metric *metric, const struct label *labels,
                         size_t label_count);

/* May what self_find() found before still be added to?  See store_counts_again(). */
bool self_counts_again(const struct self_terms *terms, const struct metric *metric, struct series *counter);

/* Set a gauge of ours, likewise.  Returns the series that it stands in; NULL if it could not be recorded. */
struct series *self_set(const struct self_terms *terms, const struct metric *metric, const struct label *labels,
                        size_t label_count, double number);

/* The same in a series that self_set() returned before, and whose labels have this text in an identity.  Returns false,
 * with nothing done, if it must be set by its labels again: see store_report_again(). */
bool self_set_again(const struct self_terms *terms, const struct metric *metric, struct series *series,
                    struct slice labels, double number);

#endif
