/* Samples whose series would go over the bounds of their app or metric: the metric that reports them.
 *
 *     drain_exporter_series_overflowed_total{app="my-app",metric="hits",label="user"} 400
 *
 * Of the names that an app chooses, of metrics and labels, only the first OVERFLOW_NAMES pairs appear as labels.  The
 * others are "__other__", since nothing else bounds how many there can be over time. */
#ifndef OVERFLOW_H
#define OVERFLOW_H

#include "store/self_metrics.h"

enum { OVERFLOW_NAMES = 16 };

/* The pairs that appear, for all apps.  Any number of threads; a lock once in the life of an app. */
struct overflow_names;

struct overflow_names *overflow_names_create(void); /* NULL if memory is short */
void overflow_names_free(struct overflow_names *names);

/* A sample that was refused. */
struct overflow {
    const struct identity *identity; /* that it would have had */
    bool app_chose;                  /* the app has chosen its names; else they are ours or the configuration's */
    bool app_full;                   /* the bound was the app's; else the metric's */
};

/* Count it.  terms->entity is the app whose bound it was, and app our label for it.  Inside the store. */
void overflow_count(struct overflow_names *names, struct entities *entities, const struct self_terms *terms,
                    struct label app, const struct overflow *overflow);

#endif
