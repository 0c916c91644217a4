/* Take a batch: the whole way from the bytes of a request's body to the store, and the ledger of what became of it. */
#ifndef BATCH_H
#define BATCH_H

#include "families/rules.h"
#include "intake/dedup.h"
#include "intake/recorder.h"

struct intake_settings {
    struct entities *entities;        /* those of the store; must outlive the intake */
    uint64_t lifetimes[FAMILY_COUNT]; /* milliseconds that a reported series of a family lives without an update; 0: as
                                         long as its entity */
    struct slice ingest_prefix;       /* with its final space; must live as long as the intake */
    bool leave_out_self_drain; /* do not count requests that bring this drain's own batches, see families/router.h */
    unsigned slots;            /* of the store, for recorders: 0 .. slots-1 */
};

struct intake;

/* NULL where memory is short.  The store must outlive the intake. */
struct intake *intake_create(struct store *store, const struct intake_settings *settings);
void intake_free(struct intake *intake);

/* What became of a message. */
struct batch_judgement {
    struct slice message;
    const struct line *line; /* its parts; empty ones where it was not read */
    enum family_id family;   /* which read it; FAMILY_COUNT: none */
    enum verdict verdict;
    const struct family_context *context;
};

/* Who wants to see what becomes of each message, and why. */
struct batch_observer {
    /* A family is about to read a message; where its samples shall go, which must hand them on to the recorder's
     * output.
     */
    struct sample_output *(*on_line)(struct batch_observer *observer, struct recorder *recorder);
    /* A message was read.  Pointers are valid during the call. */
    void (*on_verdict)(struct batch_observer *observer, const struct batch_judgement *judgement);
};

/* A batch as it was posted.  Slices are views that must be valid during batch_process(); what the request did not have
 * is empty. */
struct batch {
    struct slice body;          /* decompressed */
    size_t received;            /* its size before decompression, in bytes */
    struct slice app;           /* whose batch it is; empty where that is unknown */
    const struct label *labels; /* of all series that it makes, beside those that the families give; may be NULL */
    size_t label_count;         /* at most FIXED_LABELS_MAX */
    const struct rules *rules;  /* for its lines; may be NULL */
    struct slice drain_token;   /* Logplex-Drain-Token */
    struct slice frame_id;      /* Logplex-Frame-Id */
    struct slice request_id;    /* X-Request-Id */
    struct slice user_agent;
    struct slice host;               /* Host: where the sender thinks that we are */
    struct slice message_count;      /* Logplex-Msg-Count */
    struct slice drop_count;         /* Logplex-Drop-Count: what log-shuttle dropped before this batch */
    struct slice lost_count;         /* Logplex-Lost-Count: what it could not deliver */
    int64_t time;                    /* of arrival, microseconds since 1970 */
    uint64_t now;                    /* of arrival, milliseconds of the monotonic clock */
    struct batch_observer *observer; /* NULL: nobody */
};

enum batch_result {
    BATCH_TAKEN,
    BATCH_DUPLICATE, /* it had been taken before; only counted */
};

/* Take a batch on the thread that owns the slot.  When it returns, all that the batch says stands in the store. Nothing
 * in a batch can make this fail: what cannot be used is counted. */
enum batch_result batch_process(struct intake *intake, unsigned slot, const struct batch *batch);

#endif
