/* Who fetches which page: scrapers.h, for each selection.  Who scrapes the page of one app has seen nothing of another
 * one, so a newborn counter of that must not count as seen by him.
 *
 *     page of      shop        blog       shop
 *     by           A           A          A
 *     a counter                0          5        of shop, born after its first page: 5 only if all who scrape shop
 * saw 0
 *
 * One thread.  No I/O. */
#ifndef AUDIENCES_H
#define AUDIENCES_H

#include "output/page.h"
#include "output/scrapers.h"

/* Selections that are remembered beside PAGE_ALL: beyond that the one that was not asked for longest is forgotten. Then
 * what was born an interval ago counts as seen, which is right for who scrapes on time. */
enum { AUDIENCES_MAX = 1024 };

struct audience {
    struct audience *next;
    struct page_selection selection;
    struct scrapers scrapers;
    uint64_t all_saw;
    uint64_t last_page;
};

struct audiences {
    struct audience all;     /* of PAGE_ALL */
    struct audience *others; /* the one that had a page last is the first */
    size_t count;
};

/* interval: milliseconds; see scrapers.h. */
void audiences_start(struct audiences *audiences, uint64_t interval);
void audiences_end(struct audiences *audiences);

/* As scrapers_note(), of a page of this selection. */
void audiences_note(struct audiences *audiences, const struct page_selection *selection, uint64_t key, uint64_t now);

/* What was born by then has been seen by all who scrape this selection.  For a page that begins at now.  It never goes
 * back, or a counter would fall to 0 again. */
uint64_t audiences_all_saw(struct audiences *audiences, const struct page_selection *selection, uint64_t now);

#endif
