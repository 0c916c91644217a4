/* Which batches were taken lately.  A sender that got no answer in time sends a batch again under the same id.
 * Any number of threads; a short lock once or twice a batch.  Memory is fixed: the last 32,768 ids, and none longer
 * than a lifetime. */
#ifndef DEDUP_H
#define DEDUP_H

#include <stdint.h>

#include "base/slice.h"

struct dedup;

/* Lifetimes, milliseconds.  Of ids of senders: a retry comes within seconds, and some senders count their ids from 1 at
 * each start.  Of what batches hold: Cloud Foundry's agents try for an hour. */
enum { DEDUP_IDS = 5 * 60 * 1000, DEDUP_CONTENTS = 60 * 60 * 1000 };

struct dedup *dedup_create(uint64_t lifetime); /* NULL if memory is short */
void dedup_free(struct dedup *dedup);

struct batch_id {
    uint64_t high;
    uint64_t low;
};

/* The id of a batch that nothing names, from the user who posts it and the bytes that it holds.  For batches whose
 * messages all have times, in microseconds, said by who saw them happen: two that are equal byte for byte would hold
 * messages of the same microsecond and the same text, cut at the same places.  They are one batch, sent again.  Nobody
 * can make another user's batch seem to be known: the user is part of the id, and the hash has a secret of ours. */
struct batch_id batch_id_of_content(const struct dedup *dedup, struct slice user, struct slice body);

/* The id of a batch from what names it: the app, its drain, the sender's own id for it. */
struct batch_id batch_id_of(struct slice app, struct slice drain, struct slice id);

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

/* ---- from one start of the program to the next ---- */

/* A batch that was taken. */
struct dedup_taken {
    struct batch_id id;
    uint64_t ago; /* milliseconds */
    double lost;
};

/* Those that are known of the set at *set (0 at first), which goes on to the next one; returns how many. */
enum { DEDUP_SET = 8 };
size_t dedup_save(struct dedup *dedup, size_t *set, uint64_t now, struct dedup_taken taken[DEDUP_SET]);
bool dedup_has_set(size_t set); /* false behind the last one */

/* What ids of content are made with; and to make them as before. */
uint64_t dedup_key(const struct dedup *dedup);
void dedup_set_key(struct dedup *dedup, uint64_t key);

/* Know a batch that was taken, unless that is too long ago. */
void dedup_restore(struct dedup *dedup, const struct dedup_taken *taken, uint64_t now);

#endif
