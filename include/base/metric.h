/* Metrics whose names, help texts and types are chosen by us or by the configuration.  They live as long as the
 * process. */
#ifndef METRIC_H
#define METRIC_H

#include <stdbool.h>
#include <stddef.h>

/* How many elements an array has. */
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

enum metric_type {
    METRIC_COUNTER,
    METRIC_GAUGE,
    METRIC_HISTOGRAM,
    METRIC_SUMMARY,
    METRIC_UNTYPED,
};

/* The most cells that one series may have. */
enum { METRIC_CELLS_MAX = 128 };

/* A metric of ours.  Gauges and absolute counters of one number per series have cells 0: they are set, not counted.
 * All others are counted: a series is born with all its cells at 0.
 *   counter:   cells 1; or, if there is a label, one cell for each of its values: the series is then the group
 *              of lines that differ in this label alone
 *   histogram: one cell for each of the bounds, one for what lies above them and one for the sum */
struct metric {
    const char *name;
    const char *help;
    enum metric_type type;
    unsigned cells;
    const char *label;               /* NULL, or the label in which the cells differ */
    const char *const *label_values; /* cells of them */
    const double *bounds;            /* of a histogram: cells - 2 of them, ascending */
    bool self;                       /* says something about ourselves: not bound by the limit on series */
    bool of_rule;                    /* is made by users' rules */
    bool volume;                     /* says how much is logged: not what a message says */
    bool chosen;                     /* says how series count whose names an app chooses: it has no name itself */
    bool failure;                    /* counts what went wrong for the app's users, for whoever looks at its last hour */
    bool ended;                      /* nobody makes it any more, so its counted series are over; see below */
    bool restored;                   /* a former start of the program had it: it stands for ours, see store/restore.h */
};

/* Did an app choose the name?  metric: of the sample or series, may be NULL. */
static inline bool metric_is_chosen(const struct metric *metric)
{
    return metric == NULL || metric->chosen;
}

/* A metric of the configuration can end, and get another help text, while other threads read it.  Hence the atomics. */
static inline bool metric_has_ended(const struct metric *metric)
{
    return __atomic_load_n(&metric->ended, __ATOMIC_RELAXED);
}

static inline const char *metric_help(const struct metric *metric)
{
    return __atomic_load_n(&metric->help, __ATOMIC_ACQUIRE); /* pairs with the release in rule_metric_of() */
}

/* The cell of a histogram that an observation is counted in. */
static inline unsigned metric_bucket(const struct metric *metric, double observation)
{
    unsigned bucket = 0;
    while (bucket < metric->cells - 2 && observation > metric->bounds[bucket])
        bucket++;
    return bucket;
}

#endif
