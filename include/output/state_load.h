/* Read a state (base/state_format.h) and go on from it, before anything else is recorded.  Bytes come in pieces of any
 * size; none is kept but those of the block that they end in.  Hostile bytes cost what is in them.
 *
 *     ORDERLY  The state says that its program has stopped after it was written: all goes on.
 *     CRASHED  It does not, so scrapers have seen more than it has.  Values and known batches are as they were.  What
 * is counted is there, but begins at 0: a counter that was restored to less than was scraped last would look like one
 * that had been reset, and had risen again to all that it has.  For the same reason counters are left out that the app
 * itself adds up (it will say how many it has), and what others count since their last start begins with the next
 * number that they tell. ANOTHERS It is of a program that goes on: likewise.
 *
 * What is over by the wall clock is left out, and so is what today's configuration does not allow: see the functions of
 * struct state_load_settings. */
#ifndef STATE_LOAD_H
#define STATE_LOAD_H

#include "base/error.h"
#include "base/external_labels.h"
#include "base/state_format.h"
#include "output/scrapers.h"
#include "store/directory.h"

struct state_load_settings {
    struct store *store; /* NULL: the state is only looked at, and nothing of what follows is needed */
    unsigned slot;
    struct entities *entities;
    struct directory *directory;
    const struct external_labels *external; /* labels of these names are renamed, as those of samples are; NULL: none */
    bool orderly;
    int64_t wall; /* microseconds since 1970 */
    uint64_t now; /* milliseconds of the monotonic clock */
    /* Take in a record of others, which was saved so long ago; as intake_restore(). */
    bool (*restore)(void *context, unsigned char tag, struct state_fields *fields, uint64_t ago, uint64_t now);
    /* May this app still be here? */
    bool (*allows_app)(void *context, struct slice name);
    /* The metric of users' rules that counts as this one does; NULL: there is none any more. */
    const struct metric *(*rule_metric)(void *context, const struct metric *described, const char *variant);
    /* How long a reported series of this name lives today without an update. */
    uint64_t (*lifetime_of)(void *context, struct slice name);
    void *context;
};

enum state_load_result {
    STATE_LOAD_GOES_ON, /* it has no end yet */
    STATE_LOAD_ENDED,
    STATE_LOAD_DAMAGED, /* or foreign */
    STATE_LOAD_LATER,   /* of another format than ours */
    STATE_LOAD_NO_MEMORY,
};

/* What came of it. */
struct state_load_tally {
    bool orderly;       /* says the end */
    uint64_t end_block; /* its number */
    uint64_t end_at;    /* bytes before it */
    uint64_t ago;       /* milliseconds since it was written */
    size_t restored;    /* series */
    size_t expired;     /* left out since they are over, or their app or metric is not there any more */
    size_t refused;     /* left out because of a bound */
    size_t bad;         /* records that are no series */
    struct scrapers scrapers;
};

struct state_load;

/* NULL if memory is short. */
struct state_load *state_load_create(const struct state_load_settings *settings);
void state_load_free(struct state_load *load); /* NULL is harmless */

/* Read on.  After any result but GOES_ON nothing more is read.  Inside the store, if there is one. */
enum state_load_result state_load_add(struct state_load *load, struct slice bytes);

const struct state_load_tally *state_load_tally(const struct state_load *load);

#endif
