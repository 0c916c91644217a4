#include "store/epoch.h"

#include <stdlib.h>
#include <string.h>

/* Something unlinked, to be freed when no thread can hold it. */
struct retired {
    void *memory;
    size_t size; /* bytes, where it is a value: nothing else is large */
    uint64_t epoch;
};

/* What a slot may have retired (bytes) before epoch_should_quiesce() says so. */
enum { QUIESCE_BYTES = 4 << 20 };

struct epoch_slot {
    _Alignas(64) atomic_uint_least64_t epoch; /* 0: outside */
    struct retired *retired;                  /* oldest first; only the slot's thread touches these four */
    size_t retired_count;
    size_t retired_capacity;
    size_t retired_size; /* the sizes of all of them */
};

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

void epochs_stop(struct epochs *epochs)
{
    for (unsigned i = 0; i < epochs->slot_count; i++) {
        for (size_t j = 0; j < epochs->slots[i].retired_count; j++)
            free(epochs->slots[i].retired[j].memory);
        free(epochs->slots[i].retired);
    }
    free(epochs->slots);
}

void epoch_enter(struct epochs *epochs, unsigned slot)
{
    /* The exchange makes the epoch visible before anything is read (pairs with the loads in advance()). */
    uint64_t epoch = atomic_load_explicit(&epochs->epoch, memory_order_seq_cst);
    atomic_exchange_explicit(&epochs->slots[slot].epoch, epoch, memory_order_seq_cst);
}

/* Move the global epoch on by one, if all threads inside have seen the present one. */
static void advance(struct epochs *epochs)
{
    uint64_t epoch = atomic_load_explicit(&epochs->epoch, memory_order_seq_cst);
    for (unsigned i = 0; i < epochs->slot_count; i++) {
        uint64_t seen = atomic_load_explicit(&epochs->slots[i].epoch, memory_order_seq_cst);
        if (seen != 0 && seen != epoch)
            return;
    }
    atomic_compare_exchange_strong_explicit(&epochs->epoch, &epoch, epoch + 1, memory_order_seq_cst,
                                            memory_order_relaxed);
}

void epoch_leave(struct epochs *epochs, unsigned slot)
{
    struct epoch_slot *own = &epochs->slots[slot];
    atomic_store_explicit(&own->epoch, 0, memory_order_seq_cst);
    if (own->retired_count == 0)
        return;
    advance(epochs);
    advance(epochs);
    uint64_t epoch = atomic_load_explicit(&epochs->epoch, memory_order_seq_cst);
    size_t freed = 0;
    for (; freed < own->retired_count && own->retired[freed].epoch + 2 <= epoch; freed++) {
        own->retired_size -= own->retired[freed].size;
        free(own->retired[freed].memory);
    }
    own->retired_count -= freed;
    memmove(own->retired, own->retired + freed, own->retired_count * sizeof own->retired[0]);
    /* After a peak the list itself is given back too. */
    if (own->retired_count == 0 && own->retired_capacity > 4096) {
        free(own->retired);
        own->retired = NULL;
        own->retired_capacity = 0;
    }
}

void epoch_retire(struct epochs *epochs, unsigned slot, void *memory, size_t size)
{
    struct epoch_slot *own = &epochs->slots[slot];
    if (own->retired_count == own->retired_capacity) {
        size_t capacity = own->retired_capacity == 0 ? 64 : own->retired_capacity * 2;
        struct retired *larger = realloc(own->retired, capacity * sizeof *larger);
        if (larger == NULL)
            return; /* to lose the memory is the only safe thing left */
        own->retired = larger;
        own->retired_capacity = capacity;
    }
    own->retired[own->retired_count++] =
        (struct retired){memory, size, atomic_load_explicit(&epochs->epoch, memory_order_seq_cst)};
    own->retired_size += size;
}

bool epoch_should_quiesce(const struct epochs *epochs, unsigned slot)
{
    return epochs->slots[slot].retired_size > QUIESCE_BYTES;
}
