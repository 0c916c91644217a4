#include "intake/ledger.h"

#include <stdatomic.h>

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

static struct series *find_series(const struct ledger *ledger, const struct metric *metric)
{
    return self_find(&ledger->terms, metric, &ledger->app, 1);
}

/* The same through what was looked up already: a batch counts in a dozen series, and so does the next one of the app.
 */
static struct series *lookup_series(const struct ledger *ledger, const struct metric *metric)
{
    const struct sample sample = {.metric = metric, .labels = &ledger->app, .label_count = 1};
    struct cached_series *slot = ledger->series == NULL ? NULL : series_cache_find(ledger->series, &sample, 0);
    if (slot == NULL)
        return find_series(ledger, metric);
    if (slot->series != NULL && !series_cache_is_present(ledger->series, slot) &&
        !self_counts_again(&ledger->terms, metric, slot->series))
        slot->series = NULL;
    if (slot->series != NULL) {
        series_cache_renew(ledger->series, slot);
        return slot->series;
    }
    struct series *series = find_series(ledger, metric);
    if (series != NULL)
        series_cache_keep(ledger->series, slot, &sample, 0, series, true);
    return series;
}

static void count_cell(const struct ledger *ledger, const struct metric *metric, unsigned cell, double amount)
{
    struct series *series = lookup_series(ledger, metric);
    if (series != NULL)
        store_add(series, ledger->terms.slot, cell, amount);
}

/* The first cell makes the whole series, so it is recorded also if it is 0. */
static void count_cells(const struct ledger *ledger, const struct metric *metric, const double *amounts)
{
    for (unsigned i = 0; i < metric->cells; i++)
        if (amounts[i] != 0 || (i == 0 && ledger->zeros))
            count_cell(ledger, metric, i, amounts[i]);
}

static void count_one(const struct ledger *ledger, const struct metric *metric, double amount)
{
    if (amount != 0 || ledger->zeros)
        count_cell(ledger, metric, 0, amount);
}

static void count_messages_and_bytes(const struct ledger *ledger, const struct ledger_batch *batch,
                                     const double *batches)
{
    const double bytes[] = {batch->received_bytes, batch->decoded_bytes};
    count_one(ledger, &ledger_messages_received, batch->messages);
    count_one(ledger, &ledger_messages_duplicate, batch->duplicate ? batch->messages : 0);
    count_one(ledger, &ledger_messages_foreign, batch->foreign ? batch->messages : 0);
    count_cells(ledger, &ledger_batches, batches);
    count_cells(ledger, &ledger_body_bytes, bytes);
}

void ledger_count_batch(const struct ledger *ledger, const struct ledger_batch *batch)
{
    bool taken = !batch->duplicate && !batch->foreign && !batch->refused;
    const double batches[] = {taken, batch->duplicate, batch->foreign, batch->refused};
    count_messages_and_bytes(ledger, batch, batches);
    if (batch->foreign || batch->refused)
        return;
    if (batch->last_batch != NULL)
        atomic_store_explicit(batch->last_batch, batch->time, memory_order_relaxed);
    else
        self_set(&ledger->terms, &ledger_last_batch, &ledger->app, 1, (double)batch->time / 1e6);
}

static void count_lag(const struct ledger *ledger, double lag)
{
    double cells[METRIC_CELLS_MAX] = {0};
    cells[metric_bucket(&ledger_line_lag, lag)] = lag >= 0;
    cells[ledger_line_lag.cells - 1] = lag >= 0 ? lag : 0;
    count_cells(ledger, &ledger_line_lag, cells);
}

void ledger_count_messages(const struct ledger *ledger, const struct ledger_messages *messages)
{
    count_cells(ledger, &ledger_messages_recognised, messages->recognised);
    count_one(ledger, &ledger_messages_ignored, messages->ignored);
    count_cells(ledger, &ledger_messages_malformed, messages->malformed);
    count_one(ledger, &ledger_frames_repaired, messages->repaired);
    count_one(ledger, &ledger_count_mismatches, messages->mismatched);
    count_one(ledger, &ledger_self_drain, messages->self_drain);
    count_one(ledger, &ledger_messages_mixed, messages->mixed);
    count_cells(ledger, &ledger_upstream_lost, messages->lost);
    count_lag(ledger, messages->lag);
}

void ledger_count_samples(const struct ledger *ledger, const struct recorder_tally *samples)
{
    count_one(ledger, &ledger_samples_recorded, samples->recorded);
    count_one(ledger, &ledger_samples_outdated, samples->outdated);
    count_cells(ledger, &ledger_samples_rejected, samples->rejected);
    count_cells(ledger, &ledger_series_refused, samples->refused);
    count_one(ledger, &ledger_processes_refused, samples->processes_refused);
}

void ledger_count_refused(const struct ledger *ledger, enum refusal reason, double messages)
{
    count_cell(ledger, &ledger_messages_refused, reason - 1, messages);
}

void ledger_count_lost(const struct ledger *ledger, enum logplex_code code, double messages)
{
    count_cell(ledger, &ledger_upstream_lost, code, messages);
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
