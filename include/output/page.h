/* What stands on a page.  How it is spelled is the encoder's (encoder.h).  No I/O.
 *
 * FAMILIES  Metrics are sorted by name, each with its series as one family.  If the series of one name are of several
 *           types (two apps, or a deploy under way), the family is untyped.
 * SIBLINGS  A histogram or summary "x" prints lines of the names "x_sum" and "x_count", a histogram "x_bucket" as well.
 *           A metric that has one of these names itself is a suffix sibling of x: it follows x at once and has no
 *           family of its own, since parsers count its lines to x.  Of its series are left out, and counted as hidden,
 *           those that x prints a line of (they are shadowed: x_count{app="a"} beside a histogram x{app="a"}) and those
 *           that are histograms or summaries themselves.
 * ONE LOOK  Threads record while a page is written, so all that is decided of a metric is decided by the one walk over
 *           its series that also prints them.  Its type is that of the first series; when a second type is met, the
 *           family is cut off the page again and written by a second walk, as untyped, whatever that walk meets.  The
 *           walk notes the labels of the histograms and summaries that it prints, and by these notes, not by what the
 *           store holds a moment later, its siblings are siblings and their series shadowed.  A metric is walked as a
 *           sibling or as a family, never as both.  So whatever changes meanwhile, no line stands twice, and no series
 *           that lives throughout is left out because of another one's type.  One that is born after the walk of its
 *           metric began stands on the next page.
 * PIECES    A page is written in pieces, each when it is wanted, so none is ever whole in memory.  Between two of them
 *           the thread may leave the store and sweep it.  Once the begin of a family is given away it cannot be cut
 *           off, so before that all of its series are looked at, and if there are two types, it is untyped.  A series
 *           that then turns from a number into a histogram or summary, or back, before its place is reached, cannot
 *           stand in its family: it is left out of this page, and counted as hidden.
 * NEWBORN   Prometheus cannot see the increase of a series that it meets with its value.  So a series that starts at
 * zero (store_note_page()) stands there with all its counts at 0, buckets and sum included, until every scraper has
 *           seen it (scrapers.h); what has no 0, a summary's quantiles, stands as it is.
 * MEMORY    The list of the metrics, which stay in the store for as long, and 8 bytes for each histogram and summary of
 * a metric that has siblings.  Nothing else of the store is held beyond the view of one series, so values that are
 * replaced can be freed meanwhile. */
#ifndef PAGE_H
#define PAGE_H

#include "output/encoder.h"
#include "output/state_page.h"
#include "store/store.h"

/* Which series a page is about.  Two requests for the same may share a page. */
enum page_kind {
    PAGE_ALL,
    PAGE_SELF, /* the metrics about ourselves; they are of no app */
    /* Of the apps in scope, and these cost what their series cost: */
    PAGE_APP,
    PAGE_REPORTED, /* what the apps print: the names that they choose, and the users' rules; nothing of the platform */
    PAGE_PROCESS,  /* what one process of them has */
    /* No page to read, but what the next start of a program goes on from: see state_page.h. */
    PAGE_STATE,       /* of another program */
    PAGE_STATE_WHOLE, /* of this one */
};

/* A plain value: copy it.  What is not used is 0. */
struct page_selection {
    enum page_kind kind;
    struct store_scope scope;
    entity_id processes[STORE_SCOPE_MAX]; /* of the process, for each app in scope; NONE: that has no such process */
};

bool page_selection_equals(const struct page_selection *a, const struct page_selection *b);

struct page_result {
    size_t lines;  /* samples written */
    size_t hidden; /* series left out because of their names */
};

struct page_terms {
    struct store *store;
    unsigned slot;    /* of the maintenance thread */
    uint64_t now;     /* milliseconds of the monotonic clock */
    uint64_t all_saw; /* what starts at zero and was born later than this stands there at 0; UINT64_MAX: nothing does */
    const struct encoder *encoder;
    struct slice external; /* labels of all series, see encoder.h; must live as long as the page */
    struct page_selection selection;
    /* For a state alone: */
    const struct state_sources *sources;
    const struct scrapers *scrapers; /* those of PAGE_ALL */
};

static inline bool page_is_state(const struct page_selection *selection)
{
    return selection->kind >= PAGE_STATE;
}

/* A page that is being written.  The maintenance thread alone; page_begin() and
 * page_write_piece() inside. */
struct page_writer;

/* NULL if memory is short.  terms are copied. */
struct page_writer *page_begin(const struct page_terms *terms);

/* Append the next piece, of about size bytes, or more by one series.  False if that was the last one, and was less. Ask
 * piece->failed afterwards: then the page cannot be gone on with.  A piece ends with a line. */
bool page_write_piece(struct page_writer *writer, struct buffer *piece, size_t size);

/* A second one that goes on from the same place.  NULL if memory is short, or it is a state. */
struct page_writer *page_copy(const struct page_writer *writer);

/* Bytes that it holds. */
size_t page_memory(const struct page_writer *writer);

/* Of what was written so far. */
struct page_result page_result(const struct page_writer *writer);

void page_end(struct page_writer *writer); /* NULL is harmless */

/* All of this in one: append all that is alive at now to page.  The maintenance thread alone, inside.  Ask page->failed
 * afterwards. */
struct page_result page_write(const struct page_terms *terms, struct buffer *page);

#endif
