/* What unit tests share that look at the page of a store. */
#ifndef PAGE_SUPPORT_H
#define PAGE_SUPPORT_H

#include "store/store.h"

/* The page that page_take() has written last. */
extern char page_text[8 << 20];

/* Write the page of a store as of now.  slot: that of its maintenance thread. */
void page_take(struct store *store, unsigned slot, uint64_t now);

/* Fails the test unless the page has this line, or if it has this text. */
void page_has(const char *line);
void page_has_not(const char *text);

/* How often it has this text. */
unsigned page_count(const char *text);

#endif
