#include "store/epoch.h"

#include <stdlib.h>
#include <string.h>

/* What a slot may have retired (bytes, these records included) before epoch_should_quiesce() says so. */
enum { QUIESCE_BYTES = 4 << 20 };

/* Blocks that a slot keeps at most: what a batch of 100 KB of the densest lines replaces.  None where memory is looked
 * after, or a use after its end would not be seen. */
#ifdef __SANITIZE_ADDRESS__
enum { BLOCKS_MAX = 0 };
#else
enum { BLOCKS_MAX = 4096 };
#endif

/* See FENCES. */
static void full_fence(void)
{
#ifdef __SANITIZE_THREAD__
    /* ThreadSanitizer knows no fences.  This is one if it runs, and orders nothing that it could mistake for more.
     */
    static _Thread_local atomic_int nobody_elses;
    atomic_fetch_add_explicit(&nobody_elses, 1, memory_order_seq_cst);
#else
    atomic_thread_fence(memory_order_seq_cst);
#endif
}

bool epochs_start(struct epochs *epochs, unsigned slot_count)
{
    epochs->slots = aligned_alloc(64, slot_count * sizeof epochs->slots[0]);
    if (epochs->slots == NULL)
        return false;
    memset(epochs->slots, 0, slot_count * sizeof epochs->slots[0]);
    epochs->slot_count = slot_count;
    atomic_store(&epochs->epoch, 1);
    return true;
}

/* ---- blocks ---- */

static void keep_block(struct epoch_slot *own, struct epoch_block *block)
{
    if (own->block_count == BLOCKS_MAX) {
        free(block);
        return;
    }
    block->next = own->blocks;
    own->blocks = block;
    own->block_count++;
}

void epoch_give_block(struct epochs *epochs, unsigned slot, void *block)
{
    keep_block(&epochs->slots[slot], block);
}

/* ---- epochs ---- */

static void release_one(struct epoch_slot *own, const struct epoch_retired *retired)
{
    if (retired->release == NULL)
        keep_block(own, retired->item);
    else
        retired->release(retired->item);
}

void epochs_stop(struct epochs *epochs)
{
    for (unsigned i = 0; i < epochs->slot_count; i++) {
        struct epoch_slot *slot = &epochs->slots[i];
        for (size_t j = 0; j < slot->retired_count; j++)
            release_one(slot, &slot->retired[j]);
        free(slot->retired);
        for (struct epoch_block *block = slot->blocks, *next; block != NULL; block = next) {
            next = block->next;
            free(block);
        }
    }
    free(epochs->slots);
}

void epoch_enter(struct epochs *epochs, unsigned slot)
{
    uint64_t epoch = atomic_load_explicit(&epochs->epoch, memory_order_relaxed);
    /* Release: entering again while inside, too, says that what was read before is read. */
    atomic_store_explicit(&epochs->slots[slot].epoch, epoch, memory_order_release);
    full_fence(); /* R */
}

/* Move the global epoch on by one, if all threads inside have seen the present one. */
static void advance(struct epochs *epochs)
{
    uint64_t epoch = atomic_load_explicit(&epochs->epoch, memory_order_acquire);
    full_fence(); /* A */
    for (unsigned i = 0; i < epochs->slot_count; i++) {
        uint64_t seen = atomic_load_explicit(&epochs->slots[i].epoch, memory_order_acquire);
        if (seen != 0 && seen != epoch)
            return;
    }
    atomic_compare_exchange_strong_explicit(&epochs->epoch, &epoch, epoch + 1, memory_order_acq_rel,
                                            memory_order_relaxed);
}

/* Stamp what was retired since the slot entered: one fence for all of it, and a later epoch is never wrong. */
static void stamp(struct epochs *epochs, struct epoch_slot *own)
{
    full_fence(); /* U */
    uint32_t epoch = (uint32_t)atomic_load_explicit(&epochs->epoch, memory_order_relaxed);
    for (; own->stamped_count < own->retired_count; own->stamped_count++)
        own->retired[own->stamped_count].epoch = epoch;
}

static void release_old(struct epochs *epochs, struct epoch_slot *own)
{
    uint32_t epoch = (uint32_t)atomic_load_explicit(&epochs->epoch, memory_order_acquire);
    size_t count = 0;
    /* The difference of low halves is not larger than the true one, so nothing is released too early. */
    for (; count < own->retired_count && epoch - own->retired[count].epoch >= 2; count++) {
        own->retired_size -= own->retired[count].size;
        release_one(own, &own->retired[count]);
    }
    if (count == 0)
        return;
    own->retired_count -= count;
    own->stamped_count -= count;
    memmove(own->retired, own->retired + count, own->retired_count * sizeof own->retired[0]);
    /* After a peak the list itself is given back too. */
    if (own->retired_count == 0 && own->retired_capacity > 4096) {
        free(own->retired);
        own->retired = NULL;
        own->retired_capacity = 0;
    }
}

void epoch_leave(struct epochs *epochs, unsigned slot)
{
    struct epoch_slot *own = &epochs->slots[slot];
    atomic_store_explicit(&own->epoch, 0, memory_order_release);
    if (own->retired_count == 0)
        return;
    stamp(epochs, own);
    advance(epochs);
    advance(epochs);
    release_old(epochs, own);
}

bool epoch_grow(struct epochs *epochs, unsigned slot)
{
    struct epoch_slot *own = &epochs->slots[slot];
    size_t capacity = own->retired_capacity == 0 ? 64 : own->retired_capacity * 2;
    struct epoch_retired *larger = realloc(own->retired, capacity * sizeof *larger);
    if (larger == NULL)
        return false;
    own->retired = larger;
    own->retired_capacity = capacity;
    return true;
}

bool epoch_should_quiesce(const struct epochs *epochs, unsigned slot)
{
    return epochs->slots[slot].retired_size > QUIESCE_BYTES;
}
