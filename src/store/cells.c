#include "store/cells.h"

#include <stdlib.h>
#include <string.h>

#include "store/list.h"

/* How many slabs in a row are looked at for a gap. */
enum { LOOKED_AT = 8 };

enum { WORD_BITS = 64 };

struct cell_slab {
    _Atomic(struct cell_slab *) next;
    unsigned slots;
    atomic_long count;                                  /* how many series have cells here, or will; -1: removed */
    atomic_uint_least64_t taken[CELLS_ROW / WORD_BITS]; /* a bit for each position */
    _Alignas(64) _Atomic(double) rows[];                /* CELLS_ROW for each slot */
};

static unsigned capacity_of(unsigned count)
{
    return CELLS_ROW / count;
}

void cell_pool_free(struct cell_pool *pool)
{
    for (unsigned count = 0; count <= METRIC_CELLS_MAX; count++) {
        struct cell_slab *slab = atomic_load(&pool->lists[count].slabs);
        while (slab != NULL) {
            struct cell_slab *next = atomic_load(&slab->next);
            free(slab);
            slab = next;
        }
    }
}

/* Get a right to one position of a slab; false if it is full or removed. */
static bool hold_position(struct cell_slab *slab, unsigned capacity)
{
    long held = atomic_load_explicit(&slab->count, memory_order_relaxed);
    while (held >= 0 && held < (long)capacity)
        if (atomic_compare_exchange_weak_explicit(&slab->count, &held, held + 1, memory_order_acq_rel,
                                                  memory_order_relaxed))
            return true;
    return false;
}

/* Take a bit of a word that has one to spare; WORD_BITS if it has none. */
static unsigned take_bit(atomic_uint_least64_t *word, unsigned bits)
{
    uint64_t all = bits >= WORD_BITS ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
    uint64_t taken = atomic_load_explicit(word, memory_order_relaxed);
    while ((taken & all) != all) {
        unsigned bit = (unsigned)__builtin_ctzll(~taken);
        if (atomic_compare_exchange_weak_explicit(word, &taken, taken | UINT64_C(1) << bit, memory_order_acquire,
                                                  memory_order_relaxed))
            return bit;
    }
    return WORD_BITS;
}

/* The position that a right was got to.  There is one: bits are given back before the count is lowered. */
static unsigned take_position(struct cell_slab *slab, unsigned capacity)
{
    for (;;) {
        for (unsigned first = 0; first < capacity; first += WORD_BITS) {
            unsigned bit = take_bit(&slab->taken[first / WORD_BITS], capacity - first);
            if (bit < WORD_BITS)
                return first + bit;
        }
    }
}

static struct cell_slab *create_slab(struct cell_pool *pool)
{
    size_t size = sizeof(struct cell_slab) + pool->slots * CELLS_ROW * sizeof(double);
    struct cell_slab *slab = aligned_alloc(64, size);
    if (slab == NULL)
        return NULL;
    memset(slab, 0, size);
    slab->slots = pool->slots;
    return slab;
}

static struct cells cells_at(struct cell_slab *slab, unsigned count, unsigned position)
{
    return (struct cells){slab->rows + (size_t)position * count, position};
}

bool cells_take(struct cell_pool *pool, unsigned count, struct cells *cells)
{
    struct cell_list *list = &pool->lists[count];
    unsigned capacity = capacity_of(count);
    struct cell_slab *last = atomic_load_explicit(&list->last, memory_order_acquire);
    struct cell_slab *slab = last != NULL ? last : atomic_load_explicit(&list->slabs, memory_order_acquire);
    for (unsigned i = 0; slab != NULL && i < LOOKED_AT; i++) {
        if (hold_position(slab, capacity)) {
            *cells = cells_at(slab, count, take_position(slab, capacity));
            if (slab != last)
                atomic_store_explicit(&list->last, slab, memory_order_release);
            return true;
        }
        slab = atomic_load_explicit(&slab->next, memory_order_acquire);
    }
    slab = create_slab(pool);
    if (slab == NULL)
        return false;
    atomic_store_explicit(&slab->count, 1, memory_order_relaxed);
    atomic_store_explicit(&slab->taken[0], 1, memory_order_relaxed);
    *cells = cells_at(slab, count, 0);
    LIST_PUSH(&list->slabs, slab, next);
    atomic_store_explicit(&list->last, slab, memory_order_release);
    return true;
}

void cells_free(struct cells cells, unsigned count)
{
    _Atomic(double) *rows = cells.first - (size_t)cells.position * count;
    struct cell_slab *slab = (struct cell_slab *)((char *)rows - offsetof(struct cell_slab, rows));
    for (unsigned slot = 0; slot < slab->slots; slot++)
        for (unsigned cell = 0; cell < count; cell++)
            atomic_store_explicit(&cells_of_slot(cells.first, slot)[cell], 0, memory_order_relaxed);
    atomic_fetch_and_explicit(&slab->taken[cells.position / WORD_BITS], ~(UINT64_C(1) << cells.position % WORD_BITS),
                              memory_order_release);
    atomic_fetch_sub_explicit(&slab->count, 1, memory_order_acq_rel);
}

static void sweep_list(struct cell_list *list, unsigned capacity, struct epochs *epochs, unsigned slot)
{
    struct cell_slab *previous = NULL;
    struct cell_slab *slab = atomic_load_explicit(&list->slabs, memory_order_acquire);
    bool behind_full = false, moved = false;
    while (slab != NULL) {
        struct cell_slab *next = atomic_load_explicit(&slab->next, memory_order_acquire);
        long held = 0;
        if (!epoch_reserve(epochs, slot, 1))
            break; /* memory is short: the next sweep goes on */
        if (atomic_compare_exchange_strong_explicit(&slab->count, &held, -1, memory_order_acq_rel,
                                                    memory_order_relaxed)) {
            LIST_CUT_AFTER(&list->slabs, previous, slab, next);
            struct cell_slab *removed = slab;
            atomic_compare_exchange_strong_explicit(&list->last, &removed, NULL, memory_order_acq_rel,
                                                    memory_order_relaxed);
            epoch_retire(epochs, slot, slab, sizeof *slab, free);
        } else if (held < (long)capacity && behind_full) {
            LIST_CUT_AFTER(&list->slabs, previous, slab, next);
            LIST_PUSH(&list->slabs, slab, next);
            moved = true;
        } else {
            behind_full = behind_full || held >= (long)capacity;
            previous = slab;
        }
        slab = next;
    }
    if (moved)
        atomic_store_explicit(&list->last, NULL, memory_order_relaxed);
}

void cells_sweep(struct cell_pool *pool, struct epochs *epochs, unsigned slot)
{
    for (unsigned count = 1; count <= METRIC_CELLS_MAX; count++)
        sweep_list(&pool->lists[count], capacity_of(count), epochs, slot);
}
