/* Where counted series count: cells, a double each, of which every slot has its own.
 *
 *     slab   slot 0: | series a | series b | series c | ...   128 cells, written by slot 0 alone
 *            slot 1: | series a | series b | series c | ...   128 cells, written by slot 1 alone
 *
 * A series has the same position in all rows.  So cells of many series share a cache line, but none is written by two
 * threads, and to find a slot's cell takes one addition.  All series of a slab have the same number of cells.
 *
 * TAKING: Each number of cells has a list of slabs.  A taker goes along it from where cells were taken last.  It raises
 * a slab's count (if it is not full, and not removed: -1) and then has a right to one of its bits, which it takes by
 * compare-and-swap (acquire; pairs with the release in cells_free(), so that it finds zeroes).  Who finds a few slabs
 * full, one after the other, pushes a new one.
 * SWEEPING: The maintenance thread alone cuts slabs out: those that are empty, whose count it moves from 0 to -1, for
 * good; and those that have gaps behind full ones, to put them in front again.  Takers are inside (epoch.h), and leave
 * in `last` only what they have cells of, so a removed slab does not come back there. */
#ifndef CELLS_H
#define CELLS_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/metric.h"
#include "store/epoch.h"

enum { CELLS_ROW = METRIC_CELLS_MAX };

struct cell_slab;

struct cell_pool {
    unsigned slots;
    struct cell_list {
        _Atomic(struct cell_slab *) slabs;
        _Atomic(struct cell_slab *) last; /* from which cells were taken; NULL: begin with the first */
    } lists[METRIC_CELLS_MAX + 1];        /* for each number of cells of a series */
};

/* The cells of a series. */
struct cells {
    _Atomic(double) *first; /* of slot 0 */
    unsigned position;      /* in its slab: below CELLS_ROW */
};

/* Free all slabs.  No thread may be inside. */
void cell_pool_free(struct cell_pool *pool);

/* Take count cells for each slot, all 0; false if memory is short.  Inside only. */
bool cells_take(struct cell_pool *pool, unsigned count, struct cells *cells);

/* Give them back.  Nobody may hold them any more. */
void cells_free(struct cells cells, unsigned count);

/* Give empty slabs back, and order the others so that gaps are found.  The maintenance thread alone, inside. */
void cells_sweep(struct cell_pool *pool, struct epochs *epochs, unsigned slot);

static inline _Atomic(double) *cells_of_slot(_Atomic(double) *first, unsigned slot)
{
    return first + (size_t)slot * CELLS_ROW;
}

#endif
