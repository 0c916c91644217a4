/* The thread that keeps the store: it removes what is over its lifetime, also in silence, and writes pages.  So a
 * scrape stalls no thread that takes batches, and several scrapes at a time share one writing. */
#ifndef KEEPER_H
#define KEEPER_H

#include "base/buffer.h"
#include "store/store.h"

/* A finished page.  Shared: page_release() each share.  */
struct page {
    struct buffer text;
    bool gzip;
    int shares; /* atomic */
};
void page_release(struct page *page);

/* Somebody waits for a page.  Owned by who asks, and valid until deliver was called. */
struct page_order {
    bool gzip;
    /* Called once on the keeper's thread, with a share of the page, or NULL where memory was short. */
    void (*deliver)(struct page_order *order, struct page *page);
    struct page_order *next; /* the keeper's */
};

struct keeper_settings {
    struct store *store;
    unsigned slot;          /* of the store; the keeper's own */
    uint64_t shortest_life; /* milliseconds after which a series may leave: how fine the sweeping must be; 0: never */
    /* What the store cannot know about us: asked before each page.  describe records it itself, inside the store; it
     * may be NULL. */
    size_t (*count_connections)(void *context);
    void (*describe)(void *context, struct store *store, unsigned slot, uint64_t now);
    void *context;
};

struct keeper;

/* Start the thread; NULL where that fails. */
struct keeper *keeper_start(const struct keeper_settings *settings);

/* Ask for a page.  Any thread. */
void keeper_order(struct keeper *keeper, struct page_order *order);

/* Deliver what is ordered, stop the thread and free the keeper.  Nothing may be ordered any more. */
void keeper_stop(struct keeper *keeper);

#endif
