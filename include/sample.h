/* What a line means: the samples that a family makes of it, on their way to the store.  Plain values; no I/O. */
#ifndef SAMPLE_H
#define SAMPLE_H

#include "identity.h"
#include "metric.h"
#include "value.h"

/* One sample.  All that it points to is valid during the call that hands it on; but label values of counted samples
 * (those whose metric has cells) for as long as the batch is: they are parts of its lines, or constants.  All samples
 * of one counted metric with the same number of labels have the same names of labels, in the same order. */
struct sample {
    const struct metric *metric; /* ours, or NULL where the app chose the name */
    struct slice namespace;      /* before the name, "_" between them; may be empty */
    struct slice name;
    const struct label *labels;
    size_t label_count;
    /* Where metric has cells, amount is added to one of them; else value is recorded and these are not used. */
    unsigned cell;
    double amount;
    struct value *value; /* its time and seen are filled in by who takes the sample */
    bool incremental;
};

/* Why a sample is not used: label value, meaning. */
#define SAMPLE_REJECTIONS(X)                                                    \
    X(REJECTED_ELEMENT, "element", "not an object with a metric in it")         \
    X(REJECTED_NAME, "name", "the metric's name is missing, empty or too long") \
    X(REJECTED_RESERVED, "reserved_name", "the name belongs to this program")   \
    X(REJECTED_LABELS, "labels", "too many or too long labels, or not text")    \
    X(REJECTED_KIND, "kind", "neither absolute nor incremental")                \
    X(REJECTED_VALUE, "value", "no value, or one that is not a finite number")  \
    X(REJECTED_TOO_LARGE, "too_large", "too many buckets, quantiles, members or bins")

enum sample_rejection {
#define X(id, label, meaning) id,
    SAMPLE_REJECTIONS(X)
#undef X
        REJECTED_REASONS
};

/* Where samples go.  The functions are called on the thread that reads the line. */
struct sample_output {
    void (*record)(struct sample_output *output, const struct sample *sample);
    void (*reject)(struct sample_output *output, enum sample_rejection reason);
};

#endif
