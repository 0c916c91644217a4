/* Take the samples of one batch to the store: find or make their series, within the bounds, and notify the entities of
 * what the lines say about processes.  On the thread that owns the slot, between store_enter() and store_leave(). */
#ifndef RECORDER_H
#define RECORDER_H

#include "base/external_labels.h"
#include "families/family.h"
#include "intake/overflow.h"
#include "intake/procids.h"
#include "intake/series_cache.h"
#include "intake/syslog.h"
#include "store/directory.h"
#include "store/store.h"

/* Milliseconds that a batch waits at most until the values that it has replaced can be freed, if these are many. */
enum { RECORDER_WAIT_MAX = 100 };

struct recorder_settings {
    struct store *store;
    struct entities *entities;
    struct directory *directory;                   /* NULL: nobody asks by name */
    const struct external_labels *external_labels; /* of all pages: labels of these names are renamed; may be NULL */
    struct overflow_names *overflow_names;
    struct series_cache *series; /* the slot's own */
    unsigned slot;
    const uint64_t *lifetimes; /* for each family_id: milliseconds that a reported series lives without an update; 0: as
                                  long as its entity */
};

/* The batch, as far as samples depend on it. */
struct recorder_batch {
    struct slice app;
    const struct label *labels; /* of all its series; they win over labels of these names */
    size_t label_count;         /* at most BATCH_LABELS_MAX */
    entity_id entity;           /* of the series that have app and labels; NONE: there are too many apps */
    struct label ledger_app;    /* the label app of metrics of ours */
    int64_t time;               /* of arrival, see arrival_clock.h; no line is later */
    uint64_t now;               /* of arrival, milliseconds of the monotonic clock; goes on while the batch is read */
};

/* Samples that no family makes: how much an app logs. */
enum { RECORDER_LOG_VOLUME = FAMILY_COUNT, RECORDER_MAKERS };

/* What became of the samples. */
struct recorder_tally {
    double recorded;
    double outdated;
    double rejected[REJECTED_REASONS];
    double refused[RECORDER_MAKERS];
    double processes_refused; /* of which the batch spoke, and for which there is no entity */
};

/* The labels that the line's last reported sample had.  A line has up to 30 samples with the same labels: to build
 * their text for each took a quarter of the time of such lines. */
struct recorder_labels {
    const struct label *labels; /* NULL: none that the next sample may have as well */
    size_t count;
    bool app_chose;          /* the name */
    struct label_text *text; /* NULL: it cannot be kept */
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
    int64_t line_time;           /* of that line; 0: not read yet */
    struct syslog_minute minute; /* of the last line whose time was read */
    uint64_t
        started; /* when the batch began by the clock, of which batch.now is a reading; see recorder_look_at_clock()*/
    unsigned lines_until_clock;
    struct recorder_labels written;
    uint64_t fixed; /* what tells the batch's fixed labels apart: see series_cache.h */
    struct procids *procids;
    unsigned procid;                 /* of that line, or PROCIDS_MAX */
    unsigned entity_count;           /* entities that are used */
    unsigned waited;                 /* milliseconds, up to RECORDER_WAIT_MAX */
    unsigned values_until_quiesce;   /* 0: as soon as there is need */
    unsigned reports;                /* in series that were known; see record_again() */
    entity_id entities[PROCIDS_MAX]; /* those of processes, by the number of the procid; NONE: not looked up yet */
};

/* Begin a batch; context and procids must be valid for as long as the recorder is used. */
void recorder_start(struct recorder *recorder, const struct recorder_settings *settings,
                    const struct recorder_batch *batch, struct family_context *context, struct procids *procids);

/* The samples to come are of this line, which the family reads.  procid: the number of its appname and procid. */
void recorder_line(struct recorder *recorder, const struct line *line, unsigned procid, enum family_id family);

/* Let now go on as the clock does: a batch may take seconds, and what it creates at their end is not as old as the
 * batch is.  Every few lines by itself. */
void recorder_look_at_clock(struct recorder *recorder);

/* The numbers of procids are about to begin anew. */
void recorder_forget_procids(struct recorder *recorder);

/* The identity that a sample's series has: with the fixed labels of the batch. */
enum identity_result recorder_identity(const struct recorder *recorder, const struct sample *sample,
                                       struct identity *identity);

/* The lifetime of a series that lives as long as its entity: 0, which says so; or a day (milliseconds), if it has no
 * entity. */
uint64_t recorder_persistent(entity_id entity);

/* Record the app's counters that are 0 at first, if it is time to. */
void recorder_start_app(struct recorder *recorder);

#endif
