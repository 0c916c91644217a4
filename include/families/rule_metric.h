/* The descriptors of the metrics that rules make.  The store keeps pointers to them, so they live as long as the
 * process, and a metric that is the same after a reload has the same one: its series go on. */
#ifndef RULE_METRIC_H
#define RULE_METRIC_H

#include <stddef.h>

#include "base/metric.h"

/* What identifies a metric; and its help, which may differ. */
struct rule_metric_key {
    const char *name;
    const char *help;
    enum metric_type type;
    bool counted;         /* its series have cells; else they are set */
    const double *bounds; /* of a histogram */
    unsigned bound_count;
    const char *labels; /* the names of all of its labels, in their order, as one text */
};

/* The descriptor; NULL if memory is short.  One thread at a time. */
const struct metric *rule_metric_of(const struct rule_metric_key *key);

/* One for rules that are only tried, and record nothing: nobody else has it, and it is freed at last.  Any thread. */
const struct metric *rule_metric_on_trial(const struct rule_metric_key *key);
void rule_metric_end_trial(const struct metric *metric);

/* These metrics live from now on, and all others that rules have made have ended.  One thread at a time. */
void rule_metrics_keep(const struct metric *const *metrics, size_t count);

/* The key's labels of a metric that rules have made; "" of any other.  Any thread. */
const char *rule_metric_labels(const struct metric *metric);

/* The metric that rules make now with the name, type, cells and bounds of this one, and these labels; NULL: none.  One
 * thread at a time. */
const struct metric *rule_metric_find(const struct metric *described, const char *labels);

#endif
