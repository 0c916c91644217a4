/* How a page is spelled.  page.h decides what stands on it and hands that over family by family; an encoder turns it
 * into bytes.  A further format is a further table of these functions.
 *
 *     # HELP hits Reported by the app on its log.     family()
 *     # TYPE hits counter                             family()
 *     hits{app="a"} 5                                 number()
 *
 * An encoder appends to the page and does nothing else: no store, no I/O, no allocation but the buffer's.  A family may
 * be taken back (the page is cut off before it) and written again, so what it keeps in memory must not depend on what
 * was written.  One thread writes a page from its start to its end. */
#ifndef ENCODER_H
#define ENCODER_H

#include "base/buffer.h"
#include "base/metric.h"

/* A page that is being written. */
struct encoding {
    struct buffer *page;
    struct slice external; /* labels of every sample, in the form of a series' labels; not those of any series */
    size_t lines;          /* samples written so far */
    void *memory;          /* encoder->memory bytes, zeroes at the start of the page */
};

struct encoded_family {
    struct slice name;
    struct slice help;
    enum metric_type type;
};

/* Whose sample it is, beside its labels: the same for many. */
struct encoded_series {
    struct slice name;        /* the family's, or one of a suffix sibling: see page.h */
    struct slice label;       /* one more label behind the others: its name; empty: there is none */
    struct slice label_value; /* needs no escape */
};

struct encoded_histogram {
    const double *bounds; /* size of them, ascending, finite */
    const double *counts; /* of each bucket by itself */
    unsigned size;
    double count; /* of all observations, those above the last bound included */
    double sum;
};

struct encoded_summary {
    const double *quantiles;
    const double *values;
    unsigned size;
    double count;
    double sum;
};

struct encoder {
    const char *content_type;
    size_t memory; /* bytes that it may use while it writes a page */
    /* A family begins.  The samples that follow are its own; a family of type METRIC_UNTYPED may hold all three kinds.
     */
    void (*family)(struct encoding *encoding, const struct encoded_family *family);
    /* labels: in the form of struct identity: escaped, without braces.  A slice by itself, since it is another one for
     * each call: to be copied as a part of something, its two words would be waited for. */
    /* A counter, gauge or untyped number. */
    void (*number)(struct encoding *encoding, const struct encoded_series *series, struct slice labels, double number);
    void (*histogram)(struct encoding *encoding, const struct encoded_series *series, struct slice labels,
                      const struct encoded_histogram *histogram);
    void (*summary)(struct encoding *encoding, const struct encoded_series *series, struct slice labels,
                    const struct encoded_summary *summary);
};

/* The Prometheus text exposition format 0.0.4. */
extern const struct encoder text_encoder;

#endif
