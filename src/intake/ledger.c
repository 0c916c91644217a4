#include "intake/ledger.h"

#include <stdatomic.h>
#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

/* Milliseconds that our metrics of what is configured outlive it. */
enum { DESCRIBED_LIFETIME = 10 * 60 * 1000 };

static const char *const family_labels[] = {
#define X(id, name) [id] = #name,
    FAMILIES(X)
#undef X
};

/* Who makes samples. */
static const char *const maker_labels[RECORDER_MAKERS] = {
#define X(id, name) [id] = #name,
    FAMILIES(X)
#undef X
        [RECORDER_LOG_VOLUME] = "log_volume",
};

static const char *const malformation_labels[] = {
#define X(id, label, meaning) [id] = label,
    MALFORMATIONS(X)
#undef X
};

static const char *const rejection_labels[] = {
#define X(id, label, meaning) [id] = label,
    SAMPLE_REJECTIONS(X)
#undef X
};

static const char *const refusal_labels[] = {
#define X(id, label, meaning) [(id)-1] = label,
    REFUSALS(X)
#undef X
};

static const char *const lost_labels[LOGPLEX_CODES] = {"L10", "L12", "L13", "LGR"};
_Static_assert(COUNT(malformation_labels) == MALFORMATION_COUNT && COUNT(rejection_labels) == REJECTED_REASONS,
               "there is a cell for each");
static const char *const batch_labels[] = {"taken", "duplicate", "foreign", "refused"};
static const char *const body_labels[] = {"received", "decoded"};
static const double lag_bounds[] = {0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600};

const struct metric ledger_messages_received =
    SELF_COUNTER("messages_received_total", "Log messages that arrived in batches.");
const struct metric ledger_messages_recognised =
    SELF_COUNTERS("messages_recognised_total", "Messages that a family read.", "family", family_labels);
const struct metric ledger_messages_ignored = SELF_COUNTER("messages_ignored_total", "Messages that carry no metric.");
const struct metric ledger_messages_malformed = SELF_COUNTERS(
    "messages_malformed_total", "Messages that could not be read, by reason.", "reason", malformation_labels);
const struct metric ledger_messages_duplicate =
    SELF_COUNTER("messages_duplicate_total", "Messages of batches that had been taken before.");
const struct metric ledger_messages_foreign =
    SELF_COUNTER("messages_foreign_total", "Messages whose sender may not speak for their app.");
const struct metric ledger_messages_mixed = SELF_COUNTER(
    "messages_mixed_total", "Messages of Cloud Foundry of another app than the first message of their batch.");
const struct metric ledger_messages_refused = SELF_COUNTERS(
    "messages_refused_total", "Messages of apps that are turned away, by reason.", "reason", refusal_labels);
const struct metric ledger_upstream_lost =
    SELF_COUNTERS("upstream_lost_messages_total",
                  "Messages that the log system says it lost before they could reach this drain, by its error code.",
                  "code", lost_labels);
const struct metric ledger_frames_repaired =
    SELF_COUNTER("frames_repaired_total", "Messages whose octet count was wrong and that were ended at a line start.");
const struct metric ledger_count_mismatches =
    SELF_COUNTER("count_mismatches_total", "Batches that held more or fewer messages than Logplex-Msg-Count says.");
const struct metric ledger_batches =
    SELF_COUNTERS("batches_total", "Batches answered with 204.", "result", batch_labels);
const struct metric ledger_body_bytes =
    SELF_COUNTERS("body_bytes_total", "Bytes of batches, as received and after decompression.", "stage", body_labels);
const struct metric ledger_samples_recorded =
    SELF_COUNTER("samples_recorded_total", "Samples that changed or confirmed a series.");
const struct metric ledger_samples_outdated = SELF_COUNTER(
    "samples_outdated_total", "Samples ignored because a later line had been read, or another metric has the name.");
const struct metric ledger_samples_rejected =
    SELF_COUNTERS("samples_rejected_total", "Samples of readable messages that could not be used, by reason.", "reason",
                  rejection_labels);
const struct metric ledger_series_refused = SELF_COUNTERS(
    "series_refused_total", "Samples refused because their series would go over a bound.", "family", maker_labels);
const struct metric ledger_processes_refused = SELF_COUNTER(
    "processes_refused_total", "Processes in batches that are not known by themselves, because the app has too many.");
const struct metric ledger_self_drain =
    SELF_COUNTER("self_drain_messages_total", "Router lines about the requests that bring this drain's own batches.");
const struct metric ledger_rule_lines =
    SELF_COUNTER("rule_lines_total", "Messages that a rule of the configuration took.");
const struct metric ledger_rule_errors =
    SELF_COUNTER("rule_errors_total", "Messages that a rule gave up because its expression took too many steps.");
const struct metric ledger_rule_unread =
    SELF_COUNTER("rule_values_unread_total",
                 "Values that a rule could not use: missing, no number, negative, or of an unknown unit.");
const struct metric ledger_rule_disabled = {.name = "drain_exporter_rule_disabled",
                                            .help = "1 if a rule is switched off because of its errors.",
                                            .type = METRIC_GAUGE,
                                            .self = true};
const struct metric ledger_line_lag = {
    .name = "drain_exporter_line_lag_seconds",
    .help = "Time from a line's timestamp to its arrival, for the first line of each batch.",
    .type = METRIC_HISTOGRAM,
    .cells = COUNT(lag_bounds) + 2,
    .bounds = lag_bounds,
    .self = true,
};
const struct metric ledger_last_batch = {.name = "drain_exporter_last_batch_timestamp_seconds",
                                         .help = "When the last batch of the app arrived, in seconds since 1970.",
                                         .type = METRIC_GAUGE,
                                         .self = true};

/* ---- an app's series, from batch to batch ---- */

/* What is counted of each batch. */
enum counted {
    RECEIVED,
    RECOGNISED,
    IGNORED,
    MALFORMED,
    DUPLICATE,
    FOREIGN,
    MIXED,
    REFUSED,
    LOST,
    REPAIRED,
    MISMATCHES,
    BATCHES,
    BODY_BYTES,
    SAMPLES_RECORDED,
    SAMPLES_OUTDATED,
    SAMPLES_REJECTED,
    SERIES_REFUSED,
    PROCESSES_REFUSED,
    SELF_DRAIN,
    LAG,
    COUNTED
};

static const struct metric *const metrics[COUNTED] = {
    [RECEIVED] = &ledger_messages_received,
    [RECOGNISED] = &ledger_messages_recognised,
    [IGNORED] = &ledger_messages_ignored,
    [MALFORMED] = &ledger_messages_malformed,
    [DUPLICATE] = &ledger_messages_duplicate,
    [FOREIGN] = &ledger_messages_foreign,
    [MIXED] = &ledger_messages_mixed,
    [REFUSED] = &ledger_messages_refused,
    [LOST] = &ledger_upstream_lost,
    [REPAIRED] = &ledger_frames_repaired,
    [MISMATCHES] = &ledger_count_mismatches,
    [BATCHES] = &ledger_batches,
    [BODY_BYTES] = &ledger_body_bytes,
    [SAMPLES_RECORDED] = &ledger_samples_recorded,
    [SAMPLES_OUTDATED] = &ledger_samples_outdated,
    [SAMPLES_REJECTED] = &ledger_samples_rejected,
    [SERIES_REFUSED] = &ledger_series_refused,
    [PROCESSES_REFUSED] = &ledger_processes_refused,
    [SELF_DRAIN] = &ledger_self_drain,
    [LAG] = &ledger_line_lag,
};

enum {
    APPS_KEPT = 64, /* whose series are kept: a power of two */
    APP_MAX = 128,  /* bytes of their names; the series of longer ones are found anew */
    LABEL_TEXT = 2 * APP_MAX
};

struct app_series {
    uint64_t removals; /* of the store when they were found: see store_removals() */
    struct series *counted[COUNTED];
    struct series *last_batch;
    size_t app_length;
    size_t text_length; /* of the label text, which a reported series is known by; 0: it is too long */
    char app[APP_MAX];
    char text[LABEL_TEXT];
};

struct ledger_series {
    struct app_series apps[APPS_KEPT];
};

struct ledger_series *ledger_series_create(void)
{
    return calloc(1, sizeof(struct ledger_series)); /* pages that no app is kept in are not used */
}

void ledger_series_free(struct ledger_series *series)
{
    free(series);
}

/* Give a place to another app. */
static void start_app(struct app_series *kept, const struct label *app)
{
    struct identity identity;
    memset(kept, 0, offsetof(struct app_series, app));
    identity_build(&identity, SLICE(""), slice_of(ledger_last_batch.name), app, 1);
    struct slice text = identity_labels(&identity);
    kept->text_length = text.length <= LABEL_TEXT ? text.length : 0;
    memcpy(kept->text, text.at, kept->text_length);
    kept->app_length = app->value.length;
    memcpy(kept->app, app->value.at, app->value.length);
}

void ledger_remember(struct ledger *ledger, struct ledger_series *series)
{
    struct slice app = ledger->app.value;
    if (app.length == 0 || app.length > APP_MAX)
        return;
    struct app_series *kept = &series->apps[XXH3_64bits(app.at, app.length) % APPS_KEPT];
    if (!slice_equals((struct slice){kept->app, kept->app_length}, app))
        start_app(kept, &ledger->app);
    ledger->kept = kept;
}

/* Forget what may have been freed. */
static void check_removals(const struct ledger *ledger)
{
    struct app_series *kept = ledger->kept;
    uint64_t removals = store_removals(ledger->terms.store);
    if (kept->removals == removals)
        return;
    kept->removals = removals;
    memset(kept->counted, 0, sizeof kept->counted);
    kept->last_batch = NULL;
}

struct ledger ledger_of_others(struct store *store, unsigned slot, uint64_t now)
{
    return (struct ledger){.terms = {.store = store,
                                     .slot = slot,
                                     .now = now,
                                     .lifetime = recorder_persistent(ENTITY_NONE),
                                     .entity = ENTITY_NONE},
                           .app = {SLICE("app"), SLICE("__other__")}};
}

struct ledger ledger_open(struct store *store, struct entities *entities, unsigned slot, struct slice app, uint64_t now)
{
    entity_id entity = entities_app(entities, app, NULL, 0, now);
    if (entity == ENTITY_NONE)
        return ledger_of_others(store, slot, now);
    return (struct ledger){
        .terms = {.store = store, .slot = slot, .now = now, .lifetime = recorder_persistent(entity), .entity = entity},
        .app = {SLICE("app"), app},
        .zeros = entities_wants_zeros(entities, entity, ENTITY_LEDGER_ZEROS, now)};
}

static struct series *find_series(const struct ledger *ledger, enum counted counted)
{
    return self_find(&ledger->terms, metrics[counted], &ledger->app, 1);
}

/* The same through what was looked up already: a batch counts in a dozen series, and so does the next one of the app.
 * To find each by its name was the eighth part of a request of one line. */
static struct series *lookup_series(const struct ledger *ledger, enum counted counted)
{
    if (ledger->kept == NULL)
        return find_series(ledger, counted);
    check_removals(ledger);
    struct series **kept = &ledger->kept->counted[counted];
    if (*kept == NULL || !self_counts_again(&ledger->terms, metrics[counted], *kept))
        *kept = find_series(ledger, counted);
    return *kept;
}

/* When the last batch arrived. */
static void set_last_batch(const struct ledger *ledger, double seconds)
{
    struct app_series *kept = ledger->kept;
    if (kept == NULL || kept->text_length == 0) {
        self_set(&ledger->terms, &ledger_last_batch, &ledger->app, 1, seconds);
        return;
    }
    check_removals(ledger);
    struct slice text = {kept->text, kept->text_length};
    if (kept->last_batch == NULL ||
        !self_set_again(&ledger->terms, &ledger_last_batch, kept->last_batch, text, seconds))
        kept->last_batch = self_set(&ledger->terms, &ledger_last_batch, &ledger->app, 1, seconds);
}

static void count_cell(const struct ledger *ledger, enum counted counted, unsigned cell, double amount)
{
    struct series *series = lookup_series(ledger, counted);
    if (series != NULL)
        store_add(series, ledger->terms.slot, cell, amount);
}

/* An amount for each cell.  The first cell makes the whole series, so it is recorded also if it is 0. */
static void count_cells(const struct ledger *ledger, enum counted counted, const double *amounts, unsigned count)
{
    struct series *series = ledger->zeros ? lookup_series(ledger, counted) : NULL;
    for (unsigned i = 0; i < count; i++) {
        if (amounts[i] == 0)
            continue;
        if (series == NULL && (series = lookup_series(ledger, counted)) == NULL)
            return;
        store_add(series, ledger->terms.slot, i, amounts[i]);
    }
}

static void count_one(const struct ledger *ledger, enum counted counted, double amount)
{
    if (amount != 0 || ledger->zeros)
        count_cell(ledger, counted, 0, amount);
}

static void count_messages_and_bytes(const struct ledger *ledger, const struct ledger_batch *batch,
                                     const double *batches)
{
    const double bytes[] = {batch->received_bytes, batch->decoded_bytes};
    count_one(ledger, RECEIVED, batch->messages);
    count_one(ledger, DUPLICATE, batch->duplicate ? batch->messages : 0);
    count_one(ledger, FOREIGN, batch->foreign ? batch->messages : 0);
    count_cells(ledger, BATCHES, batches, COUNT(batch_labels));
    count_cells(ledger, BODY_BYTES, bytes, COUNT(bytes));
}

void ledger_count_batch(const struct ledger *ledger, const struct ledger_batch *batch)
{
    bool taken = !batch->duplicate && !batch->foreign && !batch->refused;
    double begun = !batch->goes_on;
    const double batches[] = {taken * begun, batch->duplicate * begun, batch->foreign * begun, batch->refused * begun};
    count_messages_and_bytes(ledger, batch, batches);
    if (batch->foreign || batch->refused)
        return;
    if (batch->last_batch != NULL)
        atomic_store_explicit(batch->last_batch, batch->time, memory_order_relaxed);
    else
        set_last_batch(ledger, (double)batch->time / 1e6);
}

static void count_lag(const struct ledger *ledger, double lag)
{
    struct series *series = lag >= 0 || ledger->zeros ? lookup_series(ledger, LAG) : NULL;
    if (series != NULL && lag >= 0)
        store_observe(series, ledger->terms.slot, metric_bucket(&ledger_line_lag, lag), ledger_line_lag.cells - 1, lag);
}

void ledger_count_messages(const struct ledger *ledger, const struct ledger_messages *messages)
{
    count_cells(ledger, RECOGNISED, messages->recognised, COUNT(messages->recognised));
    count_one(ledger, IGNORED, messages->ignored);
    count_cells(ledger, MALFORMED, messages->malformed, COUNT(messages->malformed));
    count_one(ledger, REPAIRED, messages->repaired);
    count_one(ledger, MISMATCHES, messages->mismatched);
    count_one(ledger, SELF_DRAIN, messages->self_drain);
    count_one(ledger, MIXED, messages->mixed);
    count_cells(ledger, LOST, messages->lost, COUNT(messages->lost));
    count_lag(ledger, messages->lag);
}

void ledger_count_samples(const struct ledger *ledger, const struct recorder_tally *samples)
{
    count_one(ledger, SAMPLES_RECORDED, samples->recorded);
    count_one(ledger, SAMPLES_OUTDATED, samples->outdated);
    count_cells(ledger, SAMPLES_REJECTED, samples->rejected, COUNT(samples->rejected));
    count_cells(ledger, SERIES_REFUSED, samples->refused, COUNT(samples->refused));
    count_one(ledger, PROCESSES_REFUSED, samples->processes_refused);
}

void ledger_count_refused(const struct ledger *ledger, enum refusal reason, double messages)
{
    count_cell(ledger, REFUSED, reason - 1, messages);
}

void ledger_count_lost(const struct ledger *ledger, enum logplex_code code, double messages)
{
    count_cell(ledger, LOST, code, messages);
}

/* ---- apps that are configured ---- */

/* What the store knows of it from before it was configured. */
static void adopt_last_batch(const struct store *store, const struct label *app, _Atomic int64_t *last_batch)
{
    struct identity identity;
    struct store_series_view view;
    identity_build(&identity, SLICE(""), slice_of(ledger_last_batch.name), app, 1);
    int64_t never = 0; /* or a batch has arrived meanwhile */
    if (store_look_up(store, &identity, &view) && view.value != NULL)
        atomic_compare_exchange_strong_explicit(last_batch, &never, (int64_t)(view.value->number * 1e6),
                                                memory_order_relaxed, memory_order_relaxed);
}

static void record_zeros(const struct ledger *ledger)
{
    static const struct ledger_batch no_batch;
    static const double no_batches[COUNT(batch_labels)];
    static const struct ledger_messages none = {.lag = -1};
    static const struct recorder_tally nothing;
    if (!ledger->zeros)
        return;
    count_messages_and_bytes(ledger, &no_batch, no_batches);
    ledger_count_messages(ledger, &none);
    ledger_count_samples(ledger, &nothing);
}

void ledger_describe_app(struct store *store, struct entities *entities, unsigned slot, struct slice app,
                         _Atomic int64_t *last_batch, uint64_t now)
{
    struct label label = {SLICE("app"), app};
    struct self_terms terms = {
        .store = store, .slot = slot, .now = now, .lifetime = DESCRIBED_LIFETIME, .entity = ENTITY_NONE};
    if (atomic_load_explicit(last_batch, memory_order_relaxed) == 0)
        adopt_last_batch(store, &label, last_batch);
    int64_t last = atomic_load_explicit(last_batch, memory_order_relaxed);
    self_set(&terms, &ledger_last_batch, &label, 1, (double)last / 1e6);
    if (last == 0) {
        struct ledger ledger = ledger_open(store, entities, slot, app, now);
        record_zeros(&ledger);
    }
}

/* ---- rules ---- */

static struct self_terms terms_of_rules(struct store *store, unsigned slot, uint64_t now)
{
    return (struct self_terms){
        .store = store, .slot = slot, .now = now, .lifetime = DESCRIBED_LIFETIME, .entity = ENTITY_NONE};
}

void ledger_count_rules(struct rules_reader *reader, struct store *store, unsigned slot, uint64_t now)
{
    struct self_terms terms = terms_of_rules(store, slot, now);
    struct rules_tally tally;
    for (size_t rule = 0; rules_reader_tally(reader, &rule, &tally);) {
        struct label label = {SLICE("rule"), tally.name};
        self_count(&terms, &ledger_rule_lines, &label, 1, 0, tally.lines);
        self_count(&terms, &ledger_rule_errors, &label, 1, 0, tally.errors);
        self_count(&terms, &ledger_rule_unread, &label, 1, 0, tally.unread);
    }
}

void ledger_describe_rules(const struct rules *rules, struct store *store, unsigned slot, uint64_t now)
{
    struct self_terms terms = terms_of_rules(store, slot, now);
    for (size_t i = 0; i < rules_count(rules); i++) {
        struct label label = {SLICE("rule"), rules_name(rules, i)};
        self_count(&terms, &ledger_rule_lines, &label, 1, 0, 0);
        self_count(&terms, &ledger_rule_errors, &label, 1, 0, 0);
        self_count(&terms, &ledger_rule_unread, &label, 1, 0, 0);
        self_set(&terms, &ledger_rule_disabled, &label, 1, rules_is_off(rules, i));
    }
}
