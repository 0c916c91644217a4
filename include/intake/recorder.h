/* Take the samples of one batch to the store: find or make their series, within the bounds, and tell the entities what
 * the lines say about processes.  On the thread that owns the slot, between store_enter() and store_leave(). */
#ifndef RECORDER_H
#define RECORDER_H

#include "families/family.h"
#include "store/store.h"

enum {
    RECORDER_MET = 128,
    RECORDER_MET_LABELS = 4,
    RECORDER_MET_TEXT = 16 * 1024,
    RECORDER_PROCESSES = 16,
};

struct recorder_settings {
    struct store *store;
    struct entities *entities;
    unsigned slot;
    const uint64_t *lifetimes; /* for each family_id: milliseconds that a reported series lives without an update; 0: as
                                  long as its entity */
};

/* The batch, as far as samples depend on it. */
struct recorder_batch {
    struct slice app;
    const struct label *labels; /* of all its series; they win over labels of these names */
    size_t label_count;         /* at most FIXED_LABELS_MAX */
    entity_id entity;           /* of the series that have app and labels; NONE: there are too many apps */
    struct label ledger_app;    /* the label app of metrics of ours */
    int64_t time;               /* of arrival, microseconds since 1970 */
    uint64_t now;               /* of arrival, milliseconds of the monotonic clock */
};

/* What became of the samples. */
struct recorder_tally {
    double recorded;
    double outdated;
    double rejected[REJECTED_REASONS];
    double refused[FAMILY_COUNT];
};

/* The counted series that a batch has met: a batch of similar lines speaks of few.  What they are known by points into
 * the batch, and they may be added to until the store is left. */
struct recorder_met {
    const struct metric *metric; /* NULL: free */
    size_t label_count;
    struct slice values[RECORDER_MET_LABELS];
    struct series *counter;
};

/* The processes that it has met. */
struct recorder_process {
    struct slice name; /* empty: free */
    entity_id entity;
};

/* A batch's way to the store.  Only output, tally and batch are for others to see. */
struct recorder {
    struct sample_output output; /* first: the families know only this */
    struct recorder_tally tally;
    struct recorder_settings settings;
    struct recorder_batch batch;
    struct family_context *context; /* for the families' zeros */
    const struct line *line;        /* the one that is read now */
    enum family_id family;
    int64_t line_time; /* of that line; 0 until it is wanted */
    struct recorder_process processes[RECORDER_PROCESSES];
    struct recorder_met met[RECORDER_MET];
    size_t met_used;                  /* of the next, which is not cleared */
    char met_text[RECORDER_MET_TEXT]; /* copies of transient label values */
};

/* Begin a batch; context must be valid for as long as the recorder is used. */
void recorder_start(struct recorder *recorder, const struct recorder_settings *settings,
                    const struct recorder_batch *batch, struct family_context *context);

/* The samples to come are of this line, which the family reads. */
void recorder_line(struct recorder *recorder, const struct line *line, enum family_id family);

/* The identity that a sample's series has: with the fixed labels of the batch. */
enum identity_result recorder_identity(const struct recorder *recorder, const struct sample *sample,
                                       struct identity *identity);

/* How long a series that lives with its entity lives, where it has none: a day (milliseconds). */
uint64_t recorder_persistent(entity_id entity);

/* Record the app's counters that are 0 at first, where it is time to. */
void recorder_start_app(struct recorder *recorder);

#endif
