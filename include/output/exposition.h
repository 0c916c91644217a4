/* Write the store as a page in the Prometheus text exposition format 0.0.4.  No I/O.
 *
 * A page is valid whatever the series are: metrics are sorted by name, each with one HELP and one TYPE line; where the
 * series of one name are of several types (two apps, or a deploy under way), the TYPE is untyped; a series that a
 * histogram or summary prints a line of ("x_count" beside a histogram "x" with the same labels) is left out and counted
 * as hidden, and its neighbours with other labels have no header, since parsers count them to the histogram. */
#ifndef EXPOSITION_H
#define EXPOSITION_H

#include "base/buffer.h"
#include "store/store.h"

#define EXPOSITION_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct exposition_result {
    size_t lines;  /* samples written */
    size_t hidden; /* series left out because of their names */
};

/* Append all that is alive at now (milliseconds of the monotonic clock) to page.  The maintenance thread alone, inside,
 * with its slot.  Ask page->failed afterwards. */
struct exposition_result exposition_write(struct store *store, unsigned slot, uint64_t now, struct buffer *page);

#endif
