/* Process a batch: the whole way from the bytes of a request's body to the store, and the ledger of what became of it.
 */
#ifndef BATCH_H
#define BATCH_H

#include "base/cf_labels.h"
#include "base/state_format.h"
#include "families/rules.h"
#include "intake/cf_apps.h"
#include "intake/origin.h"
#include "intake/recorder.h"
#include "intake/refusals.h"
#include "intake/unmatched.h"

struct intake_settings {
    struct entities *entities;        /* those of the store; must outlive the intake */
    struct directory *directory;      /* for which names are learned; NULL: none, else it must outlive the intake */
    struct unmatched *unmatched;      /* looks at lines that give no metric; NULL: nobody does, else likewise */
    struct canary_token *canary;      /* learns when our own canary arrives; NULL: none is sent, else likewise */
    uint64_t lifetimes[FAMILY_COUNT]; /* milliseconds that a reported series of a family lives without an update; 0: as
                                         long as its entity */
    struct external_labels external_labels; /* of all pages: labels of these names are renamed */
    struct slice ingest_prefix;             /* with its final space; must live as long as the intake */
    bool leave_out_self_drain; /* do not count requests that bring this drain's own batches, see families/router.h */
    unsigned slots;            /* of the store, for recorders: 0 .. slots-1 */
};

struct intake;

/* NULL if memory is short.  The store must outlive the intake. */
struct intake *intake_create(struct store *store, const struct intake_settings *settings);
void intake_free(struct intake *intake);

/* From now on batch_process() does nothing, and says IN_PROGRESS.  False if a thread is still in it after so many
 * milliseconds. */
bool intake_stop(struct intake *intake, uint64_t timeout);

/* From one start of the program to the next: which batches are known, whose GUIDs are whose, and the arrival clock.
 * Append records to out, at the place *position (0 at first); false if there is none behind.  Any thread.
 * with_contents: also batches that are known by what they hold, and the key of their ids, which nobody else should
 * have. */
bool intake_save(struct intake *intake, uint64_t now, bool with_contents, size_t *position, struct buffer *out);

/* Take such a record in, saved so many milliseconds ago; false if it is another's.  Before batches are processed. */
bool intake_restore(struct intake *intake, unsigned char tag, struct state_fields *fields, uint64_t ago, uint64_t now);

/* What became of a message. */
struct batch_judgement {
    struct slice message;
    const struct line *line; /* its parts; empty ones if it was not read */
    enum family_id family;   /* which read it; FAMILY_COUNT: none */
    enum verdict verdict;
    const struct family_context *context;
};

/* Sees what becomes of each message, and why. */
struct batch_observer {
    /* A family is about to read a message.  Returns the output for its samples, which must hand them on to the
     * recorder's. */
    struct sample_output *(*on_line)(struct batch_observer *observer, struct recorder *recorder);
    /* A message was read.  Pointers are valid during the call. */
    void (*on_verdict)(struct batch_observer *observer, const struct batch_judgement *judgement);
};

struct batch;

/* Who posts a batch whose messages say whose they are, and may be of several apps. */
struct batch_sender {
    struct slice user;                /* whose password let the batch in */
    struct slice organization, space; /* to which the password is bound; empty: it is not */
    /* What is said of one app, in part: from foreign to addon_app, and cf_labels; all 0 and NULL at first. */
    void (*describe)(const struct batch_sender *sender, const struct cf_app *app, struct batch *part);
};

/* A batch as it was posted.  Slices are views that must be valid during batch_process(). */
struct batch {
    struct slice body;           /* decompressed */
    size_t received;             /* its size before decompression, in bytes */
    struct slice app;            /* whose batch it is; empty: unknown */
    bool goes_on;                /* it is counted as a batch of the app already: this is more of it */
    struct slice guid;           /* of that app; empty: it has none */
    bool foreign;                /* the sender may not speak for the app: only counted */
    enum refusal refused;        /* its app is turned away: only counted; or NOT */
    _Atomic int64_t *last_batch; /* of the app, to be set to time; NULL: it is not configured, see ledger.h */
    const struct label *labels;  /* of all series that it makes, beside those of the families; may be NULL */
    size_t label_count;          /* at most BATCH_LABELS_MAX */
    size_t identity_count;     /* of these, the first ones, which no configuration says: a Cloud Foundry app's names */
    const struct rules *rules; /* for its lines; may be NULL */
    bool router_by_process;    /* see struct family_context; so for the next one */
    bool addon_app;
    enum cf_labels cf_labels;
    const struct batch_sender *sender; /* NULL: all of these fields are right for all of Cloud Foundry's apps */
    struct origin origin;              /* who sent it */
    struct slice host;                 /* Host: our name, as the sender knows us; empty: unknown */
    int64_t time;                      /* of arrival by the wall clock, which may go back; microseconds since 1970 */
    uint64_t now;                      /* of arrival by the monotonic clock, milliseconds */
    struct batch_observer *observer;   /* NULL: nobody */
};

enum batch_result {
    BATCH_TAKEN,
    BATCH_FOREIGN,   /* as struct batch says; only counted */
    BATCH_REFUSED,   /* its app is turned away, because the batch says so or because there are too many; only counted */
    BATCH_DUPLICATE, /* it had been taken before; only counted */
    BATCH_IN_PROGRESS, /* another thread processes the same batch now: nothing was done or counted; try again later */
};

/* Process a batch on the thread that owns the slot; does not wait for other threads.  On TAKEN and DUPLICATE all that
 * the batch says stands in the store.  Nothing in a batch can make this fail: what cannot be used is counted. */
enum batch_result batch_process(struct intake *intake, unsigned slot, const struct batch *batch);

#endif
