/* The thread that keeps the store: it removes what is over its lifetime, also in silence, and writes pages.  So a
 * scrape stalls no thread that takes batches.
 *
 * A page is written in pieces, each when it is wanted or one ahead of that, so that none is ever whole in memory:
 *
 *     A and B ask    a page is begun, and its piece 1 written    both get it, and piece 2 is written
 *     A asks                                                     A gets 2, which is kept for B
 *     A asks         piece 3 is written                          A gets it
 *     B asks                                                     B gets 2
 *
 * SHARING  Who asks for the same selection in the same encoding before a page of it is begun shares it.  If one is
 *          being written, the next is begun no sooner than writing one takes, a second at most, so that many who ask at
 *          once cost little more than one.
 * SLOW     A page goes as fast as its fastest reader.  Those who have fallen MAINTENANCE_AHEAD pieces behind go on with
 *          a page of their own from where the fastest is; what lies between is kept for them.  So a page that nobody
 *          reads holds some pieces, and delays no other.
 * BUDGET   All pages together hold MAINTENANCE_BUDGET.  Beyond it no page is begun, and each holds one piece. */
#ifndef MAINTENANCE_H
#define MAINTENANCE_H

#include "base/buffer.h"
#include "output/page.h"
#include "store/store.h"

enum {
    /* Bytes of a piece, or more by one series: small ones hold little for those who do not read, large ones cost less,
     * since each wakes a worker (20 us of both threads). */
    MAINTENANCE_PIECE = 120 * 1024,
    MAINTENANCE_LARGE_PIECE = 480 * 1024,
    MAINTENANCE_AHEAD = 4,                 /* pieces of a page that are kept for its readers */
    MAINTENANCE_BUDGET = 16 * 1024 * 1024, /* bytes */
    MAINTENANCE_WATCH = 5000,              /* milliseconds */
};

/* A part of a page.  Counted: page_piece_unref() each reference, on any thread. */
struct page_piece {
    struct buffer text;
    bool last;      /* of its page */
    size_t held;    /* bytes, as they are counted */
    int references; /* atomic */
};
void page_piece_unref(struct page_piece *piece); /* NULL is harmless */

/* Somebody reads a page.  Owned by who asks, and valid until release was called. */
struct page_request {
    struct page_selection selection;
    bool gzip;
    uint64_t scraper; /* who asks, as a hash; the same for each of his pages; 0: nobody who will ask again */
    /* Called once for each time that was asked, on the maintenance thread, with a reference to the next piece.  NULL:
     * there is none, and will be none, since memory was short or, if busy is set, the budget is used up. */
    void (*deliver)(struct page_request *request, struct page_piece *piece);
    /* Called once after maintenance_end_page(), on the maintenance thread: the request is not used any more. */
    void (*release)(struct page_request *request);
    bool busy;
    /* The rest is the maintenance thread's, and 0 at first. */
    struct page_request *queued; /* the next one in the queue */
    bool is_queued, asks, ends, complete;
    struct page *page;
    struct page_request *next; /* of the readers of the page */
    uint64_t taken;            /* pieces */
    bool waits;
};

struct maintenance_settings {
    struct store *store;
    unsigned slot;            /* of the store; the maintenance thread's own */
    uint64_t scrape_interval; /* milliseconds; see scrapers.h */
    struct slice external;    /* labels of all series, see encoder.h; must outlive the thread */
    uint64_t shortest_life;   /* milliseconds after which a series may leave: how fine the sweeping must be; 0: never */
    /* What the store cannot know about us: asked before each page.  describe records it itself, inside the store; it
     * may be NULL. */
    size_t (*count_connections)(void *context);
    void (*describe)(void *context, struct store *store, unsigned slot, uint64_t now);
    /* Called when the thread begins, and every MAINTENANCE_WATCH from then on, inside the store: for what follows how
     * the store changes.  NULL: nothing does. */
    void (*watch)(void *context, struct store *store, unsigned slot, uint64_t now);
    void *context;
    struct state_sources state;      /* what a state is made of */
    const struct scrapers *scrapers; /* of PAGE_ALL, those that a former start knew; NULL: none */
};

struct maintenance;

/* Start the thread; NULL if that fails. */
struct maintenance *maintenance_start(const struct maintenance_settings *settings);

/* When it last looked for what is over its lifetime, or was started: milliseconds of the monotonic clock.  Any thread.
 */
uint64_t maintenance_last_sweep(const struct maintenance *maintenance);

/* Ask for the next piece, the first time for the first one.  Not while a piece that was asked for has not been
 * delivered, nor after the last one.  Any thread. */
void maintenance_ask(struct maintenance *maintenance, struct page_request *request);

/* Once for each request that has asked, when no piece that was asked for is missing: no more is wanted.  complete: the
 * page was read to its end, which is what scrapers.h is about.  Any thread. */
void maintenance_end_page(struct maintenance *maintenance, struct page_request *request, bool complete);

/* Something else that looks at the whole store.  It is done in steps, the first one first, each between two pieces of
 * pages; so a step must be short: a millisecond or less. */
struct maintenance_task {
    /* On the maintenance thread, inside the store; what it points to there is not valid in the next step.  Returns
     * whether there is more to do. */
    bool (*step)(struct maintenance_task *task, uint64_t now);
    /* Once, after the last step, on the maintenance thread, outside: the task is not used any more. */
    void (*done)(struct maintenance_task *task);
    struct maintenance_task *next; /* the maintenance thread's */
};
void maintenance_run(struct maintenance *maintenance, struct maintenance_task *task); /* any thread */

/* Deliver what is asked for, do what is to be done and release what has ended, stop the thread and free the
 * maintenance.  Nobody may ask any more, and each request must have ended. */
void maintenance_stop(struct maintenance *maintenance);

#endif
