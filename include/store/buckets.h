/* The array of buckets that series are found by, and how it is given back.
 *
 * A bucket is the head of a list, NULL at first.  After a peak most of them are NULL again, and their memory is of no
 * use: the system gets it back by regions, as large as a page of memory or some.  A region counts the series in its
 * buckets.
 *
 *     recorder             raises the count, puts the series in front of its bucket
 *     maintenance thread   cuts a series out, lowers the count
 *                          moves the count from 0 to CLOSED, gives the region back, opens it again
 *
 * A region that is given back reads as NULLs, before and after, so nobody has to know who only looks.  Who wants to put
 * a series into a closed region waits for it, for the time of one system call. */
#ifndef BUCKETS_H
#define BUCKETS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct series;

struct buckets {
    _Atomic(struct series *) *heads;
    size_t mask;                    /* how many there are, less one */
    atomic_uint_least32_t *regions; /* twice the count of series, and 1 if it was used since it was given back */
    size_t region_count;
    unsigned region_shift; /* which region a bucket is in: its number shifted by that */
};

/* As many buckets as series may exist, about; false if memory is short.  buckets must be zeroed. */
bool buckets_create(struct buckets *buckets, size_t series);

void buckets_free(struct buckets *buckets); /* after a creation that failed as well */

/* One more series is about to be put into the bucket that a hash means, or one less is in it. */
void buckets_hold(struct buckets *buckets, uint32_t hash);
void buckets_release(struct buckets *buckets, uint32_t hash);

/* Give back what is empty.  The maintenance thread alone. */
void buckets_give_back(struct buckets *buckets);

static inline _Atomic(struct series *) *bucket_of(const struct buckets *buckets, uint32_t hash)
{
    return &buckets->heads[hash & buckets->mask];
}

#endif
