/* The ledger of an app: what became of each message that arrived for it.  It balances:
 *
 *     received = recognised + ignored + malformed + duplicate + foreign + refused
 *
 * and beside it stands what upstream says that it lost. */
#ifndef LEDGER_H
#define LEDGER_H

#include "families/family.h"
#include "families/rules.h"
#include "intake/recorder.h"
#include "intake/refusals.h"
#include "store/self_metrics.h"

extern const struct metric ledger_messages_received;
extern const struct metric ledger_messages_recognised; /* a cell for each family_id */
extern const struct metric ledger_messages_ignored;
extern const struct metric ledger_messages_malformed; /* a cell for each malformation */
extern const struct metric ledger_messages_duplicate;
extern const struct metric ledger_messages_foreign;
extern const struct metric ledger_messages_mixed;
extern const struct metric ledger_messages_refused; /* a cell for each refusal */
extern const struct metric ledger_upstream_lost;    /* a cell for each logplex_code */
extern const struct metric ledger_frames_repaired;
extern const struct metric ledger_count_mismatches;
extern const struct metric ledger_batches;    /* cells: taken, duplicate, foreign */
extern const struct metric ledger_body_bytes; /* cells: received, decoded */
extern const struct metric ledger_samples_recorded;
extern const struct metric ledger_samples_outdated;
extern const struct metric ledger_samples_rejected; /* a cell for each sample_rejection */
extern const struct metric ledger_series_refused;   /* a cell for each family_id */
extern const struct metric ledger_processes_refused;
extern const struct metric ledger_self_drain;
extern const struct metric ledger_rule_lines; /* label: rule; so of the next three */
extern const struct metric ledger_rule_errors;
extern const struct metric ledger_rule_unread;
extern const struct metric ledger_rule_disabled; /* gauge */
extern const struct metric ledger_line_lag;      /* histogram, seconds */
extern const struct metric ledger_last_batch;    /* gauge, seconds since 1970 */

/* The ledger that a batch is counted in.  A plain value, valid as long as its app's name is. */
struct ledger {
    struct self_terms terms;
    struct app_series *kept; /* NULL: each series is found anew */
    struct label app;        /* "__other__" if there are too many apps */
    bool zeros;              /* record also what is 0 */
};

/* These functions are for a thread that is inside the store: store_enter(). */
struct ledger ledger_open(struct store *store, struct entities *entities, unsigned slot, struct slice app,
                          uint64_t now);

/* The series that a worker has looked up already, for the ledgers of some apps.  For one thread.  NULL if memory is
 * short. */
struct ledger_series *ledger_series_create(void);
void ledger_series_free(struct ledger_series *series); /* NULL is harmless */

/* Use them from now on for a ledger that was just opened.  They are the thread's own, and live longer than it. */
void ledger_remember(struct ledger *ledger, struct ledger_series *series);

/* The ledger of all apps that are turned away: "__other__". */
struct ledger ledger_of_others(struct store *store, unsigned slot, uint64_t now);

/* What every batch has. */
struct ledger_batch {
    bool duplicate;              /* it had been taken before */
    bool foreign;                /* its sender may not speak for the app */
    bool refused;                /* its app is turned away */
    bool goes_on;                /* it is counted as a batch already: this is more of it */
    _Atomic int64_t *last_batch; /* its time is noted there, for ledger_describe_app(); NULL: in the store at once */
    double messages;
    double received_bytes;
    double decoded_bytes;
    int64_t time; /* of arrival, microseconds since 1970 */
};
void ledger_count_batch(const struct ledger *ledger, const struct ledger_batch *batch);

/* What became of the messages of a batch that was not a duplicate. */
struct ledger_messages {
    double recognised[FAMILY_COUNT];
    double ignored;
    double malformed[MALFORMATION_COUNT];
    double repaired;
    double mismatched; /* 1: the batch held more or fewer messages than its header says */
    double self_drain;
    double mixed; /* of another app than the first message of their batch */
    double lost[LOGPLEX_CODES];
    double lag; /* seconds from the first line's time to its arrival; -1: no line has a time */
};
void ledger_count_messages(const struct ledger *ledger, const struct ledger_messages *messages);

void ledger_count_samples(const struct ledger *ledger, const struct recorder_tally *samples);

/* Messages of an app that is turned away. */
void ledger_count_refused(const struct ledger *ledger, enum refusal reason, double messages);

/* Further losses, reported by a batch that was sent again. */
void ledger_count_lost(const struct ledger *ledger, enum logplex_code code, double messages);

/* Record what is known of an app that is configured, whether it was ever heard of or not: when its last batch arrived
 * (*last_batch, or 0 for never), which stays as long as this is called, and, if it never was, its whole ledger as 0.
 * Before each page, on the maintenance thread. */
void ledger_describe_app(struct store *store, struct entities *entities, unsigned slot, struct slice app,
                         _Atomic int64_t *last_batch, uint64_t now);

/* What each rule took, and how often it was given up, since the reader was asked last. */
void ledger_count_rules(struct rules_reader *reader, struct store *store, unsigned slot, uint64_t now);

/* Record what is known of each rule, whether it takes lines or not.  rules may be NULL. */
void ledger_describe_rules(const struct rules *rules, struct store *store, unsigned slot, uint64_t now);

#endif
