/* The thread that keeps the store: it removes what is over its lifetime, also in silence, and writes pages.  So a
 * scrape stalls no thread that takes batches, and several scrapes at a time share one writing. */
#ifndef MAINTENANCE_H
#define MAINTENANCE_H

#include "base/buffer.h"
#include "output/page.h"
#include "store/store.h"

/* A finished page.  Counted: page_unref() each reference. */
struct page {
    struct buffer text;
    bool gzip;
    int references; /* atomic */
};
void page_unref(struct page *page);

/* Somebody waits for a page.  Owned by who asks, and valid until deliver was called. */
struct page_request {
    struct page_selection selection;
    bool gzip;
    uint64_t scraper; /* who asks, as a hash; the same for each of his pages; 0: nobody who will ask again */
    /* Called once, on the maintenance thread, with a reference to the page, or NULL if memory was short. */
    void (*deliver)(struct page_request *request, struct page *page);
    struct page_request *next; /* the maintenance thread's */
};

struct maintenance_settings {
    struct store *store;
    unsigned slot;            /* of the store; the maintenance thread's own */
    uint64_t scrape_interval; /* milliseconds; see scrapers.h */
    uint64_t shortest_life;   /* milliseconds after which a series may leave: how fine the sweeping must be; 0: never */
    /* What the store cannot know about us: asked before each page.  describe records it itself, inside the store; it
     * may be NULL. */
    size_t (*count_connections)(void *context);
    void (*describe)(void *context, struct store *store, unsigned slot, uint64_t now);
    void *context;
};

struct maintenance;

/* Start the thread; NULL if that fails. */
struct maintenance *maintenance_start(const struct maintenance_settings *settings);

/* Ask for a page.  Any thread. */
void maintenance_request_page(struct maintenance *maintenance, struct page_request *request);

/* Deliver what is asked for, stop the thread and free the maintenance.  Nobody may ask any more. */
void maintenance_stop(struct maintenance *maintenance);

#endif
