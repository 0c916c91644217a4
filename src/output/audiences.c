#include "output/audiences.h"

#include <stdlib.h>

/* A batch notes when it began, and what it creates is to be seen a little later: for that long a page does not count as
 * one that has shown a series.  Milliseconds; of a short scrape interval, a 16th. */
enum { BATCH_TIME = 1000 };

void audiences_start(struct audiences *audiences, uint64_t interval)
{
    *audiences = (struct audiences){.all.scrapers.interval = interval};
}

void audiences_end(struct audiences *audiences)
{
    while (audiences->others != NULL) {
        struct audience *next = audiences->others->next;
        free(audiences->others);
        audiences->others = next;
    }
}

/* Those behind this one that nobody has asked for so long that their scrapers are forgotten, or that are too many. */
static void forget_old(struct audiences *audiences, uint64_t now)
{
    uint64_t patience = SCRAPERS_PATIENCE * audiences->all.scrapers.interval;
    size_t count = 0;
    struct audience **at = &audiences->others;
    while (*at != NULL && count < AUDIENCES_MAX - 1 && (*at)->last_page + patience >= now) {
        at = &(*at)->next;
        count++;
    }
    audiences->count = count;
    struct audience *old = *at;
    *at = NULL;
    while (old != NULL) {
        struct audience *next = old->next;
        free(old);
        old = next;
    }
}

/* The audience of a selection, which becomes the first one; a new one if it has none.  NULL if memory is short. */
static struct audience *audience_of(struct audiences *audiences, const struct page_selection *selection, uint64_t now)
{
    if (selection->kind == PAGE_ALL)
        return &audiences->all;
    struct audience **at = &audiences->others;
    while (*at != NULL && !page_selection_equals(&(*at)->selection, selection))
        at = &(*at)->next;
    struct audience *audience = *at;
    if (audience != NULL)
        *at = audience->next;
    else {
        forget_old(audiences, now);
        if ((audience = calloc(1, sizeof *audience)) == NULL)
            return NULL;
        audience->selection = *selection;
        audience->scrapers.interval = audiences->all.scrapers.interval;
        audiences->count++;
    }
    if (now > audience->last_page)
        audience->last_page = now;
    audience->next = audiences->others;
    audiences->others = audience;
    return audience;
}

void audiences_note(struct audiences *audiences, const struct page_selection *selection, uint64_t key, uint64_t now)
{
    struct audience *audience = audience_of(audiences, selection, now);
    if (audience != NULL)
        scrapers_note(&audience->scrapers, key, now);
}

uint64_t audiences_all_saw(struct audiences *audiences, const struct page_selection *selection, uint64_t now)
{
    struct audience unknown = {.scrapers.interval = audiences->all.scrapers.interval};
    struct audience *audience = audience_of(audiences, selection, now);
    if (audience == NULL)
        audience = &unknown;
    uint64_t margin = audience->scrapers.interval / 16;
    uint64_t seen = scrapers_all_saw(&audience->scrapers, now);
    margin = margin < BATCH_TIME ? margin : BATCH_TIME;
    seen = seen > margin ? seen - margin : 0;
    if (seen > audience->all_saw)
        audience->all_saw = seen;
    return audience->all_saw;
}
