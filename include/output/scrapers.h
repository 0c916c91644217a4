/* Who fetches pages (of one selection, see audiences.h) regularly, and up to which time all of them have been shown
 * what there was.
 *
 * Prometheus cannot see the increase of a series that it meets with its value: it needs the 0 before.  So a newborn
 * counter stands on the page as 0 until each scraper has had a page with it, and for a scrape interval at least, since
 * two scrapers may look like one.
 *
 *     page at      10       20       30       40
 *     for          A        B        A        B           interval 20
 *     a counter             0        0        5           born at 15: at 40, A and B have seen it since 20
 *
 * One thread.  No I/O, no allocation. */
#ifndef SCRAPERS_H
#define SCRAPERS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    SCRAPERS_MAX = 32,     /* remembered; of more, the one that was quiet for longest is forgotten */
    SCRAPERS_PATIENCE = 5, /* half intervals without a page after which one is forgotten: what ends stays for longer */
    SCRAPERS_PUNCTUALITY = 20, /* a scrape may come this part of the interval early */
};

struct scraper {
    uint64_t key;
    uint64_t last_page; /* 0: a free entry */
    bool regular;       /* it came again, half an interval later or more: not somebody who just has a look */
};

struct scrapers {
    uint64_t interval; /* milliseconds; times as well, of the monotonic clock */
    struct scraper all[SCRAPERS_MAX];
};

/* A page that began at now has been sent in full to the scraper of this key, be it before or after one that began
 * later.  0: it is nobody's in particular. */
void scrapers_note(struct scrapers *scrapers, uint64_t key, uint64_t now);

/* What first stood on a page no later than this time has been shown for long enough: for an interval (less a
 * SCRAPERS_PUNCTUALITY-th), and on a page of each regular scraper.  For a page that begins at now.  It can go back, if
 * a page is sent slowly to one who becomes regular by it. */
uint64_t scrapers_all_saw(const struct scrapers *scrapers, uint64_t now);

/* Know those that another one knows. */
void scrapers_restore(struct scrapers *scrapers, const struct scrapers *known);

#endif
