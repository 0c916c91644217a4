#include "drain.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "family/ingest.h"
#include "family/logplex.h"
#include "frame.h"
#include "own.h"

/* What we count for an app or a process stays for a day after its last line. */
enum { COUNTED_LIFETIME = 24 * 60 * 60 * 1000 };

/* How many apps get series about them of their own; the rest share one.  Apps come from URLs, and these from whoever
 * knows the password. */
enum { APPS_MAX = 1024 };

struct known_app {
    atomic_uint_least64_t hash; /* 0: free */
    atomic_uint_least64_t
        zeros; /* when all its counters were last recorded, milliseconds of the monotonic clock; 0: never */
};

/* How often the counters of an app that do not rise are recorded all the same, to be known and to stay. */
enum { ZEROS_INTERVAL = 60 * 1000 };

struct drain {
    struct store *store;
    struct drain_settings settings;
    struct duplicates *duplicates;
    struct ingest **ingest; /* for each slot */
    struct known_app apps[APPS_MAX];
};

struct drain *drain_create(struct store *store, const struct drain_settings *settings)
{
    struct drain *drain = calloc(1, sizeof *drain);
    if (drain == NULL)
        return NULL;
    drain->store = store;
    drain->settings = *settings;
    drain->duplicates = duplicates_create();
    drain->ingest = calloc(settings->slots, sizeof drain->ingest[0]);
    bool complete = drain->duplicates != NULL && drain->ingest != NULL;
    for (unsigned i = 0; complete && i < settings->slots; i++) {
        drain->ingest[i] = ingest_create();
        complete = drain->ingest[i] != NULL;
    }
    if (complete)
        return drain;
    drain_free(drain);
    return NULL;
}

void drain_free(struct drain *drain)
{
    if (drain == NULL)
        return;
    for (unsigned i = 0; drain->ingest != NULL && i < drain->settings.slots; i++)
        ingest_free(drain->ingest[i]);
    free(drain->ingest);
    duplicates_free(drain->duplicates);
    free(drain);
}

/* What became of a batch. */
struct tally {
    double messages;
    double recognised[FAMILY_COUNT];
    double ignored;
    double malformed[MALFORMATION_COUNT];
    double repaired;
    double recorded;
    double outdated;
    double rejected[REJECTED_REASONS];
    double refused[FAMILY_COUNT];
};

/* The counted series that a batch has met: a batch of router lines speaks of few.  What they are known by points into
 * the batch, and they may be added to until the batch is left. */
enum { MET_COUNT = 128, MET_LABELS = 3 };
struct met {
    const struct metric *metric; /* NULL: free */
    size_t label_count;
    struct slice values[MET_LABELS];
    struct series *counter;
};

/* Where the samples of one batch go. */
struct recorder {
    struct sample_output output; /* first: the families know only this */
    struct drain *drain;
    const struct drain_batch *batch;
    unsigned slot;
    const struct line *line; /* the one that is read now */
    enum family_id family;
    int64_t time; /* of that line; 0 until it is wanted */
    struct tally tally;
    struct met met[MET_COUNT];
};

/* ---- samples to the store ---- */

/* The line's own time, so that the newest line wins whatever order batches come in; not later than now, or one line
 * from a clock that is ahead would keep all others out. */
static int64_t time_of(const struct line *line, const struct drain_batch *batch)
{
    int64_t time;
    return syslog_time(line->timestamp, &time) && time < batch->time ? time : batch->time;
}

/* Names that an app may not choose, so that it cannot forge what others say. */
static bool is_reserved(const struct identity *identity)
{
    struct slice name = identity_name(identity);
    return slice_starts_with(name, SLICE("heroku_")) || slice_starts_with(name, SLICE("drain_exporter_")) ||
           (slice_starts_with(name, SLICE("process_")) && identity_labels(identity).length == 0);
}

/* Where a counted sample's series is kept for the rest of the batch; NULL where it has too many labels for that. */
static struct met *find_met(struct recorder *recorder, const struct sample *sample)
{
    if (sample->label_count > MET_LABELS)
        return NULL;
    uint64_t hash = (uintptr_t)sample->metric >> 4;
    for (size_t i = 0; i < sample->label_count; i++)
        hash = hash * 31 + XXH3_64bits(sample->labels[i].value.at, sample->labels[i].value.length);
    return &recorder->met[hash % MET_COUNT];
}

static bool is_same_series(const struct met *met, const struct sample *sample)
{
    if (met->metric != sample->metric || met->label_count != sample->label_count)
        return false;
    for (size_t i = 0; i < sample->label_count; i++)
        if (!slice_equals(met->values[i], sample->labels[i].value))
            return false;
    return true;
}

static void keep_met(struct met *met, const struct sample *sample, struct series *counter)
{
    met->metric = sample->metric;
    met->label_count = sample->label_count;
    for (size_t i = 0; i < sample->label_count; i++)
        met->values[i] = sample->labels[i].value;
    met->counter = counter;
}

static void count_result(struct recorder *recorder, const struct sample *sample, enum store_result result)
{
    struct tally *tally = &recorder->tally;
    switch (result) {
    case STORE_RECORDED:
    case STORE_CREATED:
        tally->recorded += sample->value != NULL || sample->amount != 0;
        break;
    case STORE_OUTDATED:
        tally->outdated++;
        break;
    case STORE_TOO_LARGE:
        tally->rejected[REJECTED_TOO_LARGE]++;
        break;
    case STORE_FULL:
    case STORE_NO_MEMORY:
        tally->refused[recorder->family]++;
        break;
    }
}

static void append_labels(struct label *out, size_t *count, const struct label *labels, size_t more)
{
    for (size_t i = 0; i < more; i++)
        out[(*count)++] = labels[i];
}

/* The sample's labels and the fixed ones of the batch, in out; of two with one name the later one counts.  A fixed
 * label wins over an app's tag.  Where we choose the name, our own labels win: they tell series apart, which would
 * otherwise be mixed up.  What is told about ourselves has no fixed labels. */
static size_t add_fixed_labels(const struct drain_batch *batch, const struct sample *sample,
                               struct label out[IDENTITY_LABELS_MAX + DRAIN_LABELS_MAX])
{
    const struct metric *metric = sample->metric;
    size_t count = 0;
    if (sample->label_count > IDENTITY_LABELS_MAX)
        return sample->label_count; /* too many anyway */
    if (metric == NULL)
        append_labels(out, &count, sample->labels, sample->label_count);
    for (size_t i = 0; i < batch->label_count && (metric == NULL || !metric->own); i++)
        if (metric == NULL || metric->label == NULL || !slice_equals(batch->labels[i].name, slice_of(metric->label)))
            append_labels(out, &count, &batch->labels[i], 1);
    if (metric != NULL)
        append_labels(out, &count, sample->labels, sample->label_count);
    return count;
}

/* Build the sample's identity; false where it has none that we accept. */
static bool identify(struct recorder *recorder, const struct sample *sample, struct identity *identity)
{
    double *rejected = recorder->tally.rejected;
    struct label labels[IDENTITY_LABELS_MAX + DRAIN_LABELS_MAX];
    size_t count = add_fixed_labels(recorder->batch, sample, labels);
    switch (identity_build(identity, sample->namespace, sample->name, labels, count)) {
    case IDENTITY_OK:
        break;
    case IDENTITY_BAD_NAME:
        rejected[REJECTED_NAME]++;
        return false;
    case IDENTITY_BAD_LABELS:
        rejected[REJECTED_LABELS]++;
        return false;
    }
    if (sample->metric == NULL && is_reserved(identity)) {
        rejected[REJECTED_RESERVED]++;
        return false;
    }
    return true;
}

static void record_count(struct recorder *recorder, const struct sample *sample)
{
    struct met *met = find_met(recorder, sample);
    if (met != NULL && is_same_series(met, sample)) {
        store_add(met->counter, recorder->slot, sample->cell, sample->amount);
        count_result(recorder, sample, STORE_RECORDED);
        return;
    }
    struct identity identity;
    if (!identify(recorder, sample, &identity))
        return;
    struct store_terms terms = {
        .now = recorder->batch->now, .lifetime = COUNTED_LIFETIME, .exempt = sample->metric->own};
    struct series *counter;
    enum store_result result = store_counter(recorder->drain->store, &identity, sample->metric, &terms, &counter);
    if (result == STORE_RECORDED || result == STORE_CREATED) {
        store_add(counter, recorder->slot, sample->cell, sample->amount);
        if (met != NULL)
            keep_met(met, sample, counter);
    }
    count_result(recorder, sample, result);
}

static void record_value(struct recorder *recorder, const struct sample *sample)
{
    struct identity identity;
    if (!identify(recorder, sample, &identity))
        return;
    if (recorder->time == 0)
        recorder->time = time_of(recorder->line, recorder->batch);
    sample->value->time = recorder->time;
    struct store_terms terms = {.now = recorder->batch->now, .lifetime = recorder->drain->settings.expire_after};
    struct store *store = recorder->drain->store;
    count_result(
        recorder, sample,
        store_update(store, recorder->slot, &identity, sample->metric, sample->value, sample->incremental, &terms));
    if (store_is_heavy(store, recorder->slot)) {
        memset(recorder->met, 0, sizeof recorder->met); /* these may not be held outside */
        store_leave(store, recorder->slot);
        store_enter(store, recorder->slot);
    }
}

static void record(struct sample_output *output, const struct sample *sample)
{
    if (sample->metric != NULL && sample->metric->cells > 0)
        record_count((struct recorder *)output, sample);
    else
        record_value((struct recorder *)output, sample);
}

static void reject(struct sample_output *output, enum sample_rejection reason)
{
    ((struct recorder *)output)->tally.rejected[reason]++;
}

static struct series *find(struct sample_output *output, const struct sample *sample)
{
    (void)output;
    (void)sample;
    return NULL;
}

static void add(struct sample_output *output, struct series *counter, unsigned cell, double amount)
{
    store_add(counter, ((struct recorder *)output)->slot, cell, amount);
}

static void tell(struct sample_output *output, struct slice process, enum process_news news)
{
    (void)output;
    (void)process;
    (void)news;
}

static bool instance(struct sample_output *output, struct slice process, struct slice instance)
{
    (void)output;
    (void)process;
    (void)instance;
    return false;
}

static void scale(struct sample_output *output, struct slice type, unsigned count)
{
    (void)output;
    (void)type;
    (void)count;
}

/* ---- messages ---- */

static void count_verdict(struct tally *tally, enum family_id family, enum verdict verdict)
{
    if (verdict == VERDICT_RECOGNISED)
        tally->recognised[family]++;
    else if (verdict == VERDICT_NOT_A_METRIC)
        tally->ignored++;
    else
        tally->malformed[verdict - VERDICT_MALFORMED]++;
}

static void take_message(struct recorder *recorder, struct family_context *context, const struct line *line,
                         bool has_header)
{
    struct tally *tally = &recorder->tally;
    enum family_id family = family_of(line, context);
    if (family == FAMILY_COUNT) {
        count_verdict(tally, family, has_header ? VERDICT_NOT_A_METRIC : verdict_malformed(MALFORMED_HEADER));
        return;
    }
    recorder->family = family;
    recorder->line = line;
    recorder->time = 0;
    count_verdict(tally, family, families[family]->read(line, context, &recorder->output));
}

/* Logplex leaves the structured data out; log-shuttle, Cloud Foundry and hand-made senders write it. */
static enum syslog_shape shape_of(const struct drain_batch *batch)
{
    bool logplex = batch->drain_token.length > 0 || batch->frame_id.length > 0;
    return logplex && !slice_starts_with(batch->user_agent, SLICE("log-shuttle/")) ? SYSLOG_LOGPLEX : SYSLOG_RFC5424;
}

/* Take all messages of a batch.  The seconds that its first line with a time needed to reach us, or -1. */
static double take_messages(struct recorder *recorder, struct slice ledger_app)
{
    const struct drain_batch *batch = recorder->batch;
    struct family_context context = {.app = batch->app,
                                     .ledger_app = ledger_app,
                                     .drain_token = batch->drain_token,
                                     .ingest_prefix = recorder->drain->settings.ingest_prefix,
                                     .ingest = recorder->drain->ingest[recorder->slot]};
    enum syslog_shape shape = shape_of(batch);
    struct slice body = batch->body;
    struct slice message;
    enum frame_result frame;
    double lag = -1;
    while ((frame = frame_next(&body, &message)) != FRAME_END) {
        recorder->tally.messages++;
        recorder->tally.repaired += frame == FRAME_REPAIRED;
        if (message.length == 0) {
            recorder->tally.ignored++;
            continue;
        }
        if (message.length > FAMILY_MESSAGE_MAX) {
            recorder->tally.malformed[MALFORMED_TOO_LONG]++;
            continue;
        }
        struct line line;
        bool has_header = syslog_parse(message, shape, &line);
        int64_t time;
        if (lag < 0 && syslog_time(line.timestamp, &time))
            lag = time < batch->time ? (double)(batch->time - time) / 1e6 : 0;
        take_message(recorder, &context, &line, has_header);
    }
    return lag;
}

/* ---- the ledger ---- */

/* The app's place in the table, or NULL where there is none left.  A place belongs to an app for as long as its series
 * live. */
static struct known_app *know_app(struct drain *drain, struct slice app, uint64_t now)
{
    uint64_t hash = XXH3_64bits(app.at, app.length) | 1;
    for (unsigned i = 0; i < APPS_MAX; i++) {
        struct known_app *known = &drain->apps[(hash + i) % APPS_MAX];
        uint64_t holder = atomic_load_explicit(&known->hash, memory_order_relaxed);
        if (holder == hash)
            return known;
        uint64_t zeros = atomic_load_explicit(&known->zeros, memory_order_relaxed);
        if (holder != 0 && zeros + ZEROS_INTERVAL + COUNTED_LIFETIME >= now)
            continue;
        if (atomic_compare_exchange_strong_explicit(&known->hash, &holder, hash, memory_order_relaxed,
                                                    memory_order_relaxed)) {
            atomic_store_explicit(&known->zeros, 0, memory_order_relaxed);
            return known;
        }
        if (holder == hash)
            return known;
    }
    return NULL;
}

/* Is it time to record all counters of an app? */
static bool wants_zeros(struct known_app *known, uint64_t now)
{
    if (known == NULL)
        return true;
    uint64_t zeros = atomic_load_explicit(&known->zeros, memory_order_relaxed);
    if (zeros != 0 && zeros + ZEROS_INTERVAL > now)
        return false;
    atomic_store_explicit(&known->zeros, now, memory_order_relaxed);
    return true;
}

struct ledger {
    struct drain *drain;
    unsigned slot;
    struct label app;
    uint64_t now;
    bool zeros; /* record also what is 0 */
};

static struct ledger open_ledger(struct drain *drain, unsigned slot, const struct drain_batch *batch)
{
    struct known_app *known = know_app(drain, batch->app, batch->now);
    return (struct ledger){.drain = drain,
                           .slot = slot,
                           .app = {SLICE("app"), known != NULL ? batch->app : SLICE("__other__")},
                           .now = batch->now,
                           .zeros = wants_zeros(known, batch->now)};
}

static void enter(const struct ledger *ledger, const struct metric *metric, unsigned cell, double amount)
{
    own_count(ledger->drain->store, ledger->slot, metric, ledger->app, cell, amount, ledger->now, COUNTED_LIFETIME);
}

static void enter_cells(const struct ledger *ledger, const struct metric *metric, const double *amounts)
{
    for (unsigned i = 0; i < metric->cells; i++)
        if (amounts[i] != 0 || (i == 0 && ledger->zeros))
            enter(ledger, metric, i, amounts[i]);
}

static void enter_one(const struct ledger *ledger, const struct metric *metric, double amount)
{
    if (amount != 0 || ledger->zeros)
        enter(ledger, metric, 0, amount);
}

static bool announced_other_count(const struct drain_batch *batch, double messages)
{
    double announced = 0;
    for (size_t i = 0; i < batch->message_count.length; i++) {
        if (!slice_is_digit(batch->message_count.at[i]))
            return true;
        announced = announced * 10 + (batch->message_count.at[i] - '0');
    }
    return batch->message_count.length > 0 && announced != messages;
}

static void enter_lag(const struct ledger *ledger, double lag)
{
    double cells[METRIC_CELLS_MAX] = {0};
    unsigned bucket = 0;
    while (bucket < own_line_lag.cells - 2 && lag > own_line_lag.bounds[bucket])
        bucket++;
    cells[bucket] = lag >= 0;
    cells[own_line_lag.cells - 1] = lag >= 0 ? lag : 0;
    enter_cells(ledger, &own_line_lag, cells);
}

/* Write what became of a batch to the app's series.  duplicates: its messages, where the whole batch was one. */
static void write_ledger(struct ledger ledger, const struct drain_batch *batch, enum drain_result result,
                         const struct tally *tally, double duplicates, double lag)
{
    const double batches[] = {result == DRAIN_TAKEN, result == DRAIN_DUPLICATE};
    const double bytes[] = {(double)batch->received, (double)batch->body.length};
    enter_one(&ledger, &own_messages_received, tally->messages + duplicates);
    enter_cells(&ledger, &own_messages_recognised, tally->recognised);
    enter_one(&ledger, &own_messages_ignored, tally->ignored);
    enter_cells(&ledger, &own_messages_malformed, tally->malformed);
    enter_one(&ledger, &own_messages_duplicate, duplicates);
    enter_one(&ledger, &own_frames_repaired, tally->repaired);
    enter_one(&ledger, &own_count_mismatches, result == DRAIN_TAKEN && announced_other_count(batch, tally->messages));
    enter_cells(&ledger, &own_batches, batches);
    enter_cells(&ledger, &own_body_bytes, bytes);
    enter_one(&ledger, &own_samples_recorded, tally->recorded);
    enter_one(&ledger, &own_samples_outdated, tally->outdated);
    enter_cells(&ledger, &own_samples_rejected, tally->rejected);
    enter_cells(&ledger, &own_series_refused, tally->refused);
    enter_one(&ledger, &logplex_lost_messages, 0);
    enter_lag(&ledger, lag);
    own_set(ledger.drain->store, ledger.slot, &own_last_batch, ledger.app, (double)batch->time / 1e6, batch->now,
            COUNTED_LIFETIME);
}

static double count_messages(struct slice body)
{
    struct slice message;
    double count = 0;
    while (frame_next(&body, &message) != FRAME_END)
        count++;
    return count;
}

/* Does the request name its batch, so that a second sending can be known?  Logplex names drain and frame; log-shuttle,
 * which has neither, sets a request id that stays the same when it tries again. */
static bool names_itself(const struct drain_batch *batch, struct batch_id *id)
{
    if (batch->drain_token.length > 0 && batch->frame_id.length > 0)
        *id = batch_id_of(batch->app, batch->drain_token, batch->frame_id);
    else if (batch->frame_id.length == 0 && batch->request_id.length > 0)
        *id = batch_id_of(batch->app, SLICE(""), batch->request_id);
    else
        return false;
    return true;
}

enum drain_result drain_take(struct drain *drain, unsigned slot, const struct drain_batch *batch)
{
    struct batch_id id;
    bool identified = names_itself(batch, &id);
    enum claim claim = CLAIM_NEW;
    /* While another thread takes the same batch, wait: the answer to a duplicate must not come before it is taken in
     * full. */
    while (identified && (claim = duplicates_claim(drain->duplicates, id, batch->now)) == CLAIM_RUNNING)
        sched_yield();
    if (claim == CLAIM_TAKEN) {
        static const struct tally nothing;
        store_enter(drain->store, slot);
        write_ledger(open_ledger(drain, slot, batch), batch, DRAIN_DUPLICATE, &nothing, count_messages(batch->body),
                     -1);
        store_leave(drain->store, slot);
        return DRAIN_DUPLICATE;
    }

    struct recorder recorder = {.output = {.record = record, .reject = reject, .find = find, .add = add, .tell = tell, .instance = instance, .scale = scale}, .drain = drain, .batch = batch, .slot = slot};
    store_enter(drain->store, slot);
    struct ledger ledger = open_ledger(drain, slot, batch);
    double lag = take_messages(&recorder, ledger.app.value);
    write_ledger(ledger, batch, DRAIN_TAKEN, &recorder.tally, 0, lag);
    store_leave(drain->store, slot);
    if (identified)
        duplicates_taken(drain->duplicates, id, batch->now);
    return DRAIN_TAKEN;
}
