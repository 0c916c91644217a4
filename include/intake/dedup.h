/* Which batches were taken lately.  A sender that got no answer in time sends a batch again under the same id.
 * Any number of threads; a short lock once per batch.  Memory is fixed: the last 32,768 ids, and none longer than five
 * minutes, since a retry comes within seconds and some senders count their ids from 1 at each start. */
#ifndef DEDUP_H
#define DEDUP_H

#include <stdint.h>

#include "base/slice.h"

struct dedup;

struct dedup *dedup_create(void); /* NULL where memory is short */
void dedup_free(struct dedup *dedup);

struct batch_id {
    uint64_t high;
    uint64_t low;
};

/* The id of a batch from what names it: the app, its drain, the sender's own id for it. */
struct batch_id batch_id_of(struct slice app, struct slice drain, struct slice id);

enum claim {
    CLAIM_NEW,     /* it is the caller's now: take the batch, then call dedup_taken() */
    CLAIM_RUNNING, /* another thread is taking it: ask again */
    CLAIM_TAKEN,   /* it was taken in full */
};

/* now: milliseconds of the monotonic clock.  lost: the losses that the batch told of when it was taken; a second
 * sending may tell of more, and who counts these says so by dedup_taken() again.  On TAKEN *lost is filled in. */
enum claim dedup_claim(struct dedup *dedup, struct batch_id id, uint64_t now, double *lost);
void dedup_taken(struct dedup *dedup, struct batch_id id, uint64_t now, double lost);

#endif
