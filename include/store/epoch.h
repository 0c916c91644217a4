/* When memory that others may still read can be freed.  A thread is inside between enter and leave; what it can reach
 * while inside is not freed before it has left.
 *
 * EPOCHS  A thread inside publishes the global epoch that it entered at.  The epoch moves on when all who are inside
 *         have seen it; what was retired at epoch e is released at e + 2, when no thread can hold it.  A thread that
 *         stays inside delays releasing, nothing else.  Each slot has one thread at a time.
 *
 * FENCES  A processor may let a load overtake a store before it, x86 and arm64 alike, and no ordering of single
 *         operations forbids that.  So there are three full fences; of any two, one comes first:
 *
 *             reader     publishes its epoch     fence R   reads pointers
 *             retirer    unlinks the item        fence U   reads the epoch, stamps the item with it
 *             advancer   reads the epoch         fence A   reads what all slots published, moves the epoch on
 *
 *         R, U: a reader whose fence comes after U does not find the item.  So who holds it has R before U.
 *         R, A: an advancer whose fence comes after R sees the reader, and does not move the epoch past the one that
 *               it published.  So who moves it past a reader that it does not see has A before R.
 *         A, U: if A comes before R, and R before U, then the epoch that the advancer read is not newer than the one
 *               that the item is stamped with.  So that advancer moved the epoch to e + 1 at most, and the next one,
 *               which read e + 1, must see the reader.  The item is safe until the reader leaves.
 *
 *         A reader that loses time between reading the epoch and publishing it publishes an old one, and holds the
 *         epoch back for as long as it is inside.  Leaving is a release, and the advancer's reading of it an acquire:
 *         what was read inside was read before the memory is freed. */
#ifndef EPOCH_H
#define EPOCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* A block that can be used again. */
struct epoch_block {
    struct epoch_block *next;
};

/* Something unlinked, to be released when no thread can hold it. */
struct epoch_retired {
    void *item;
    void (*release)(void *item); /* NULL: keep the block */
    uint32_t size;
    uint32_t epoch; /* the low half of the one that it was retired at */
};

/* Nobody else's; here so that what each sample does is compiled into its caller. */
struct epoch_slot {
    _Alignas(64) atomic_uint_least64_t epoch; /* 0: outside */
    struct epoch_retired *retired;            /* oldest first; only the slot's thread touches these seven */
    size_t retired_count;
    size_t stamped_count; /* those of them that have their epoch */
    size_t retired_capacity;
    size_t retired_size;        /* the sizes of all of them, and of their records */
    struct epoch_block *blocks; /* to be used again */
    unsigned block_count;
};

struct epochs {
    struct epoch_slot *slots;
    unsigned slot_count;
    _Alignas(64) atomic_uint_least64_t epoch;
};

/* False if memory is short.  epochs must be zeroed. */
bool epochs_start(struct epochs *epochs, unsigned slot_count);

/* Release all that was retired.  No thread may be inside; after a start that failed as well. */
void epochs_stop(struct epochs *epochs);

/* Also while inside: then what was reached before may be held no more. */
void epoch_enter(struct epochs *epochs, unsigned slot);

/* Also releases what this slot retired, as far as no other thread can hold it. */
void epoch_leave(struct epochs *epochs, unsigned slot);

/* Make room for more; for epoch_reserve(). */
bool epoch_grow(struct epochs *epochs, unsigned slot);

/* Make sure that epoch_retire() can be called count more times: to be asked before the items are unlinked, as there is
 * no way back then.  count: at most 64.  False if memory is short. */
static inline bool epoch_reserve(struct epochs *epochs, unsigned slot, size_t count)
{
    const struct epoch_slot *own = &epochs->slots[slot];
    return own->retired_count + count <= own->retired_capacity || epoch_grow(epochs, slot);
}

/* Call release, on this slot's thread, for an item that was unlinked before, when nobody can hold it any more.  size:
 * about how many bytes that frees, below 2^31; see epoch_should_quiesce().  Inside only, and after epoch_reserve(). */
static inline void epoch_retire(struct epochs *epochs, unsigned slot, void *item, size_t size,
                                void (*release)(void *item))
{
    struct epoch_slot *own = &epochs->slots[slot];
    size += sizeof(struct epoch_retired);
    own->retired[own->retired_count++] =
        (struct epoch_retired){.item = item, .release = release, .size = (uint32_t)size};
    own->retired_size += size;
}

/* The same for a block of EPOCH_BLOCK bytes that malloc() gave: when nobody can hold it, the slot keeps it, and
 * epoch_take_block() gives it again.  To free it and to ask for another one took 250 instructions. */
enum { EPOCH_BLOCK = 32 };
static inline void epoch_retire_block(struct epochs *epochs, unsigned slot, void *block)
{
    epoch_retire(epochs, slot, block, EPOCH_BLOCK, NULL);
}

/* Another such block, which the caller may free(), retire or give back; NULL if memory is short.  This slot's thread.
 */
static inline void *epoch_take_block(struct epochs *epochs, unsigned slot)
{
    struct epoch_slot *own = &epochs->slots[slot];
    struct epoch_block *block = own->blocks;
    if (block == NULL)
        return malloc(EPOCH_BLOCK);
    own->blocks = block->next;
    own->block_count--;
    return block;
}

/* Give back a block that nobody else has seen. */
void epoch_give_block(struct epochs *epochs, unsigned slot, void *block);

/* Has the slot retired so much, since it entered, that it should leave and enter again? */
bool epoch_should_quiesce(const struct epochs *epochs, unsigned slot);

#endif
