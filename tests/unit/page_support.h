/* What unit tests share that look at the page of a store. */
#ifndef PAGE_SUPPORT_H
#define PAGE_SUPPORT_H

#include "output/maintenance.h"

/* The page that page_take() has written last. */
extern char page_text[8 << 20];

/* Write the page of a store as of now.  slot: that of its maintenance thread. */
void page_take(struct store *store, unsigned slot, uint64_t now);

/* Fails the test unless the page has this line, or if it has this text. */
void page_has(const char *line);
void page_has_not(const char *text);

/* How often it has this text. */
unsigned page_count(const char *text);

/* ---- pages of a maintenance thread, read piece by piece ---- */

/* Who reads a page. */
struct page_reader {
    struct page_request request; /* first */
    struct maintenance *maintenance;
    bool waits; /* for a piece */
    bool released;
    bool refused;  /* he got no piece */
    bool complete; /* he has the last one */
    unsigned pieces;
    struct buffer text; /* of all of them */
};

/* Ask for the first piece of a page.  The reader must stay where it is until page_reader_end(). */
void page_reader_begin(struct page_reader *reader, struct maintenance *maintenance, bool gzip, uint64_t scraper);

/* Ask for another piece. */
void page_reader_ask(struct page_reader *reader);

/* Wait for the piece that was asked for, and take it.  False if there was none. */
bool page_reader_await(struct page_reader *reader);

/* Wait, and read on until the last piece.  False if the page has no end. */
bool page_reader_finish(struct page_reader *reader);

/* End the request, as complete if all was read, and wait until it is released.  The text stays: buffer_free() it. */
void page_reader_end(struct page_reader *reader);

#endif
