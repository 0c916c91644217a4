/* What a line means: the samples that a family makes of it, on their way to the store.  Plain values; no I/O. */
#ifndef SAMPLE_H
#define SAMPLE_H

#include "base/identity.h"
#include "base/metric.h"
#include "base/process.h"
#include "base/value.h"

/* One sample.  All that it points to is valid during the call that hands it on; but process, and label values of
 * counted samples (those whose metric has cells), for as long as the batch is: they are parts of its lines, or
 * constants.  All samples of one counted metric with the same number of labels have the same names of labels, in the
 * same order. */
struct sample {
    const struct metric *metric; /* ours; or, if the app chose the name, NULL or one that is chosen (metric.h) */
    struct slice namespace;      /* before the name, "_" between them; may be empty */
    struct slice name;
    const struct label *labels;
    size_t label_count;
    /* If metric has cells, amount is added to one of them; else value is recorded and these are not used. */
    unsigned cell;
    double amount;
    struct value *value; /* its time and seen are filled in by the output that records it */
    bool incremental;
    struct slice process; /* the process that the series ends with ("web.1"); empty: it ends with the app */
    bool of_position;     /* it is of the position of that process in the formation: it stays when the process ends */
    bool transient;       /* label values are valid during the call only, also those of a counted sample */
    bool labels_of_line;  /* the array of labels stays as it is while the line is read: samples with it have the same;
                             and their names are constants */
    bool no_expiry;       /* the series lives as long as its entity; else for the family's lifetime after a sample */
    bool name_limited;    /* the app may choose only so many names of this kind */
};

/* What a line says about a process. */
enum process_event {
    PROCESS_STARTED,   /* it starts or is up */
    PROCESS_RESTARTED, /* a new instance replaces the one before, whose reports are over */
    PROCESS_EXITED,    /* an instance has exited: its reports are over; maybe a new one is coming */
    PROCESS_ENDED,     /* it is down: nothing of it is left */
};

/* A counted series that can be added to without looking it up again. */
struct series;

/* Why a sample is not used: label value, meaning. */
#define SAMPLE_REJECTIONS(X)                                                                              \
    X(REJECTED_ELEMENT, "element", "not an object with a metric in it")                                   \
    X(REJECTED_NAME, "name", "the metric's name is missing, empty or too long")                           \
    X(REJECTED_RESERVED, "reserved_name", "the name belongs to this program")                             \
    X(REJECTED_NAMES, "names", "the app has chosen too many names already")                               \
    X(REJECTED_LABELS, "labels", "too many or too long labels, or not text")                              \
    X(REJECTED_KIND, "kind", "neither absolute nor incremental")                                          \
    X(REJECTED_VALUE, "value", "no value, one that is not a finite number, or less than 0 for a counter") \
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

    /* A shorter way for frequent lines: find a counted sample's series without adding to it; then add to it, or to a
     * histogram an observation, for as long as generation stays the same.  find returns NULL if the sample is refused,
     * which it has counted then. */
    struct series *(*find)(struct sample_output *output, const struct sample *sample);
    void (*add)(struct sample_output *output, struct series *counter, unsigned cell, double amount);
    void (*observe)(struct sample_output *output, struct series *histogram, const struct metric *metric,
                    double observation);
    uint64_t generation;

    /* What the line says about the app's processes, as of the line's own time. */
    void (*notify)(struct sample_output *output, struct slice process, enum process_event event);
    /* A new instance of the process starts, after another one.  False if instance() has said so already: then it is no
     * further restart. */
    bool (*restart)(struct sample_output *output, struct slice process);
    /* The process runs as this instance, a text that is another after each start.  Or, of a type ("web"): its processes
     * are of this app; if that is the NEXT one, all that there were have ended before this line. */
    enum process_instance (*instance)(struct sample_output *output, struct slice process, struct slice instance);
    /* Does the process run as this instance, or has nobody said as which it does?  Of a line that tells of an end: what
     * ends takes no other instance's place. */
    bool (*runs_as)(struct sample_output *output, struct slice process, struct slice instance);
    /* The app now runs this many processes of a type ("web"): those with a higher number have ended, and what was
     * reported with the type as its process is over at once. */
    void (*scale)(struct sample_output *output, struct slice type, unsigned count);

    /* Were this process's zeros recorded, and a route told of, by the lines of moments ago?  If not, that is now
     * expected of whoever asks.  NULL: nobody remembers. */
    bool (*knows)(struct sample_output *output, struct slice process);

    /* The app is reached by this host.  It need not be told of each line.  NULL: nobody wants to know. */
    void (*route)(struct sample_output *output, struct slice host);
};

#endif
