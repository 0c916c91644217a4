/* Which batches were taken lately.  A sender that got no answer in time sends a batch again under the same id.
 * Any number of threads; a short lock once or twice a batch.  Memory is fixed: the last 32,768 ids, and none longer
 * than five minutes, since a retry comes within seconds and some senders count their ids from 1 at each start. */
#ifndef DEDUP_H
#define DEDUP_H

#include <stdint.h>

#include "base/slice.h"

struct dedup;

struct dedup *dedup_create(void); /* NULL if memory or randomness is short */
void dedup_free(struct dedup *dedup);

struct batch_id {
    uint64_t high;
    uint64_t low;
};

/* The id of a batch from what names it: the app, its drain, the sender's own id for it. */
struct batch_id batch_id_of(struct slice app, struct slice drain, struct slice id);

/* The id of a batch that nothing names: of all its bytes, and of what its sender has shown to be let in.
 *
 * For senders that send the same bytes again if they got no answer: Cloud Foundry, log-shuttle, Private Spaces.  And
 * only for a body whose first message has a time with a fraction of a second, see batch_process().  Then two honest
 * bodies cannot be equal: to be so, their first messages would have to come from the same process of the same app, at
 * the same microsecond, with the same text, and so would all that follow.  A process writes its lines one after the
 * other, and what stamps them takes longer than that for one.  Metrics of one moment differ in their names, and
 * requests in their ids.  A sender that stamps two equal lines alike all the same loses the second one, and no other
 * sender does: its credential is part of the id.
 *
 * 128 bits under a key that is drawn at start, so that no body can be made to have another one's id: of 32,768 that are
 * remembered, one is met by chance in 10^34. */
struct batch_id batch_id_of_body(const struct dedup *dedup, struct slice credential, struct slice body);

enum claim {
    CLAIM_NEW,         /* it is the caller's now: process the batch, then call dedup_taken() */
    CLAIM_IN_PROGRESS, /* another thread is processing it: ask again later */
    CLAIM_TAKEN,       /* it was taken in full */
};

/* now: milliseconds of the monotonic clock.  Never waits for another batch. */
enum claim dedup_claim(struct dedup *dedup, struct batch_id id, uint64_t now);

/* The batch was taken in full, and has reported so many lost messages. */
void dedup_taken(struct dedup *dedup, struct batch_id id, uint64_t now, double lost);

/* A batch that was taken is sent again and now reports so many lost messages.  Returns how much that is above the most
 * reported for it before, which the caller must count: of two threads that report the same growth, one gets it and the
 * other one 0.  0 also if the batch is no longer known. */
double dedup_raise_lost(struct dedup *dedup, struct batch_id id, double lost);

#endif
