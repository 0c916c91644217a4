#include "intake/ledger.h"

enum { RULE_LIFETIME = 10 * 60 * 1000 }; /* milliseconds that our metrics of a rule outlive it */

static const char *const family_labels[] = {
#define X(id, name) [id] = #name,
    FAMILIES(X)
#undef X
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

static const char *const lost_labels[LOGPLEX_CODES] = {"L10", "L12", "L13"};
static const char *const batch_labels[] = {"taken", "duplicate"};
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
    "series_refused_total", "Samples refused because their series would go over a bound.", "family", family_labels);
const struct metric ledger_self_drain =
    SELF_COUNTER("self_drain_messages_total", "Router lines about the requests that bring this drain's own batches.");
const struct metric ledger_rule_lines =
    SELF_COUNTER("rule_lines_total", "Messages that a rule of the configuration took.");
const struct metric ledger_rule_errors =
    SELF_COUNTER("rule_errors_total", "Messages that a rule gave up because its expression took too many steps.");
const struct metric ledger_rule_disabled = {.name = "drain_exporter_rule_disabled",
                                            .help = "1 where a rule is switched off because of its errors.",
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

struct ledger ledger_open(struct store *store, struct entities *entities, unsigned slot, struct slice app, uint64_t now)
{
    entity_id entity = entities_app(entities, app, NULL, 0, now);
    return (struct ledger){
        .terms = {.store = store, .slot = slot, .now = now, .lifetime = recorder_persistent(entity), .entity = entity},
        .app = {SLICE("app"), entity != ENTITY_NONE ? app : SLICE("__other__")},
        .zeros = entities_wants_zeros(entities, entity, ENTITY_LEDGER_ZEROS, now)};
}

static void count_cell(const struct ledger *ledger, const struct metric *metric, unsigned cell, double amount)
{
    self_count(&ledger->terms, metric, &ledger->app, 1, cell, amount);
}

/* The first cell makes the whole series, so it is recorded also where it is 0. */
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

void ledger_count_batch(const struct ledger *ledger, const struct ledger_batch *batch)
{
    const double batches[] = {!batch->duplicate, batch->duplicate};
    const double bytes[] = {batch->received_bytes, batch->decoded_bytes};
    count_one(ledger, &ledger_messages_received, batch->messages);
    count_one(ledger, &ledger_messages_duplicate, batch->duplicate ? batch->messages : 0);
    count_cells(ledger, &ledger_batches, batches);
    count_cells(ledger, &ledger_body_bytes, bytes);
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
    count_cells(ledger, &ledger_upstream_lost, messages->lost);
    count_lag(ledger, messages->lag);
}

void ledger_count_samples(const struct ledger *ledger, const struct recorder_tally *samples)
{
    count_one(ledger, &ledger_samples_recorded, samples->recorded);
    count_one(ledger, &ledger_samples_outdated, samples->outdated);
    count_cells(ledger, &ledger_samples_rejected, samples->rejected);
    count_cells(ledger, &ledger_series_refused, samples->refused);
}

void ledger_count_lost(const struct ledger *ledger, enum logplex_code code, double messages)
{
    count_cell(ledger, &ledger_upstream_lost, code, messages);
}

/* ---- rules ---- */

static struct self_terms terms_of_rules(struct store *store, unsigned slot, uint64_t now)
{
    return (struct self_terms){
        .store = store, .slot = slot, .now = now, .lifetime = RULE_LIFETIME, .entity = ENTITY_NONE};
}

void ledger_count_rules(struct rules_reader *reader, struct store *store, unsigned slot, uint64_t now)
{
    struct self_terms terms = terms_of_rules(store, slot, now);
    struct rules_tally tally;
    for (size_t rule = 0; rules_reader_tally(reader, &rule, &tally);) {
        struct label label = {SLICE("rule"), tally.name};
        self_count(&terms, &ledger_rule_lines, &label, 1, 0, tally.lines);
        self_count(&terms, &ledger_rule_errors, &label, 1, 0, tally.errors);
    }
}

void ledger_describe_rules(const struct rules *rules, struct store *store, unsigned slot, uint64_t now)
{
    struct self_terms terms = terms_of_rules(store, slot, now);
    for (size_t i = 0; i < rules_count(rules); i++) {
        struct label label = {SLICE("rule"), rules_name(rules, i)};
        self_count(&terms, &ledger_rule_lines, &label, 1, 0, 0);
        self_count(&terms, &ledger_rule_errors, &label, 1, 0, 0);
        self_set(&terms, &ledger_rule_disabled, &label, 1, rules_is_off(rules, i));
    }
}
