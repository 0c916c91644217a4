/* Who wrote the lines of a batch: each appname and procid gets a small number, once.  Other modules use the number as
 * an index of their arrays.
 *
 *     <158>1 2022-12-07T15:54:57+00:00 host heroku router - ...     0
 *     <190>1 2022-12-07T15:54:57+00:00 host app web.1 - ...         1
 *     <158>1 2022-12-07T15:54:58+00:00 host heroku router - ...     0
 *
 * A plain value; no I/O, no allocation. */
#ifndef PROCIDS_H
#define PROCIDS_H

#include <stdint.h>

#include "base/slice.h"

enum {
    PROCIDS_MAX = 192,
    PROCIDS_RESERVE = 32, /* for what a single line speaks of */
    PROCIDS_SLOTS = 256,  /* as many as a byte has values */
};

struct procid {
    struct slice appname; /* empty: only the procid is known */
    struct slice procid;
    bool is_asked;     /* which families hear them: */
    unsigned families; /* as families_hearing() says */
};

struct procids {
    unsigned count;
    uint8_t slots[PROCIDS_SLOTS]; /* number + 1 by hash; 0: free */
    struct procid list[PROCIDS_MAX];
};

/* Forget all. */
void procids_start(struct procids *procids);

/* They differ most at the end of the procid, "web.12". */
static inline uint8_t procids_hash(struct slice appname, struct slice procid)
{
    uint32_t end = 0;
    if (procid.length >= sizeof end)
        memcpy(&end, procid.at + procid.length - sizeof end, sizeof end);
    else
        for (size_t i = 0; i < procid.length; i++)
            end = end << 8 | (unsigned char)procid.at[i];
    end += (uint32_t)(appname.length + procid.length * 5);
    return (uint8_t)(end * UINT32_C(0x9E3779B1) >> 24); /* Fibonacci hashing */
}

/* Add what procids_find() did not find, in the slot that it came to. */
unsigned procids_add(struct procids *procids, struct slice appname, struct slice procid, uint8_t *slot);

/* The number, below PROCIDS_MAX, of an appname and procid; a new one is the count so far.  The slices must be valid
 * until procids_start().  PROCIDS_MAX: there are too many.  Once for each line. */
static inline unsigned procids_find(struct procids *procids, struct slice appname, struct slice procid)
{
    for (uint8_t at = procids_hash(appname, procid);; at++) {
        uint8_t *slot = &procids->slots[at];
        if (*slot == 0)
            return procids_add(procids, appname, procid, slot);
        const struct procid *known = &procids->list[*slot - 1];
        if (slice_equals(known->procid, procid) && slice_equals(known->appname, appname))
            return *slot - 1u;
    }
}

/* May there be too few numbers left for the next line?  Then record what is kept by numbers, and start again. */
static inline bool procids_is_full(const struct procids *procids)
{
    return procids->count > PROCIDS_MAX - PROCIDS_RESERVE;
}

#endif
