/* The time at which batches arrive, as their lines are compared with it: the wall clock, but one that never goes back.
 *
 *     wall clock       12:00:00  12:00:10  11:00:20 (set back)  11:00:30 ...  13:00:10
 *     arrival clock    12:00:00  12:00:10  12:00:15             12:00:20 ...  13:00:10
 *
 * While the wall clock is behind, the arrival clock goes on at half the speed of the monotonic clock, until the two
 * agree again.  A line's time is held to be that of its arrival at most.  So a later line can always replace what
 * stands in the store: neither a wall clock that is set back nor a line that is dated in the future keeps others out.
 *
 * Any number of threads; a short lock once per batch. */
#ifndef ARRIVAL_CLOCK_H
#define ARRIVAL_CLOCK_H

#include <pthread.h>
#include <stdint.h>

/* Begin with all zero, but lock as PTHREAD_MUTEX_INITIALIZER. */
struct arrival_clock {
    pthread_mutex_t lock;
    int64_t time; /* the last that was returned, microseconds since 1970 */
    uint64_t now; /* when that was, milliseconds of the monotonic clock */
};

/* Microseconds since 1970: wall is what the wall clock says (likewise), now the monotonic clock (milliseconds).  What
 * this returns never becomes less from call to call. */
int64_t arrival_clock_read(struct arrival_clock *clock, int64_t wall, uint64_t now);

/* What was returned last, to begin with at the next start of the program; 0: nothing was. */
int64_t arrival_clock_last(struct arrival_clock *clock);
void arrival_clock_go_on(struct arrival_clock *clock, int64_t last, uint64_t now);

#endif
