/* The gauges about this program that are read just before each page: its process, the store, the page before. */
#ifndef SELF_GAUGES_H
#define SELF_GAUGES_H

#include "store/store.h"

/* What only the writer of pages knows. */
struct self_gauges {
    double connections; /* that are open */
    double start_time;  /* of the process, seconds since 1970 */
    /* Of the page before. */
    double page_duration; /* seconds */
    double page_size;     /* bytes before compression */
    double page_samples;
    double page_hidden; /* series that were left out */
};

/* Record all of them, and build_info, at now (milliseconds of the monotonic clock).  Inside the store, on the thread
 * that owns the slot.  What cannot be known (without /proc) is left out. */
void self_gauges_record(struct store *store, unsigned slot, uint64_t now, const struct self_gauges *gauges);

#endif
