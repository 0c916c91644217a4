/* When memory that others may still read can be freed.  A thread is inside between enter and leave; what it can reach
 * while inside is not freed before it has left.
 *
 * A thread inside publishes the global epoch that it entered at.  The epoch moves on when all who are inside have seen
 * it; what was retired at epoch e is freed at e + 2, when no thread can hold it.  A thread that stays inside delays
 * freeing, nothing else.  Each slot has one thread at a time. */
#ifndef EPOCH_H
#define EPOCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct epoch_slot;

struct epochs {
    struct epoch_slot *slots;
    unsigned slot_count;
    _Alignas(64) atomic_uint_least64_t epoch;
};

/* False if memory is short.  epochs must be zeroed. */
bool epochs_start(struct epochs *epochs, unsigned slot_count);

/* Free all that was retired.  No thread may be inside; after a start that failed as well. */
void epochs_stop(struct epochs *epochs);

void epoch_enter(struct epochs *epochs, unsigned slot);

/* Also frees what this slot retired, as far as no other thread can hold it. */
void epoch_leave(struct epochs *epochs, unsigned slot);

/* Free memory (of malloc) that was unlinked before, when nobody can hold it any more.  size: its bytes, if it is large
 * enough to matter to epoch_should_quiesce(), else 0.  Inside only. */
void epoch_retire(struct epochs *epochs, unsigned slot, void *memory, size_t size);

/* Has the slot retired so much, since it entered, that it should leave and enter again? */
bool epoch_should_quiesce(const struct epochs *epochs, unsigned slot);

#endif
