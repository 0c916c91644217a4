#include "store/self_metrics.h"

#include "base/version.h"

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
static const char *const status_labels[SELF_STATUS_COUNT] = {"200", "204", "400", "401", "404", "405",
                                                             "413", "415", "417", "422", "503", "other"};

static const double lag_bounds[] = {0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600};

#define COUNTER(suffix, text)                                                                            \
    {                                                                                                    \
        .name = "drain_exporter_" suffix, .help = text, .type = METRIC_COUNTER, .cells = 1, .self = true \
    }
#define COUNTERS(suffix, text, by, values)                                                                           \
    {                                                                                                                \
        .name = "drain_exporter_" suffix, .help = text, .type = METRIC_COUNTER, .cells = COUNT(values), .label = by, \
        .label_values = values, .self = true                                                                         \
    }

const struct metric self_messages_received =
    COUNTER("messages_received_total", "Log messages that arrived in batches.");
const struct metric self_messages_recognised =
    COUNTERS("messages_recognised_total", "Messages that a family read.", "family", family_labels);
const struct metric self_messages_ignored = COUNTER("messages_ignored_total", "Messages that carry no metric.");
const struct metric self_messages_malformed =
    COUNTERS("messages_malformed_total", "Messages that could not be read, by reason.", "reason", malformation_labels);
const struct metric self_messages_duplicate =
    COUNTER("messages_duplicate_total", "Messages of batches that had been taken before.");
const struct metric self_upstream_lost =
    COUNTERS("upstream_lost_messages_total",
             "Messages that the log system says it lost before they could reach this drain, by its error code.", "code",
             lost_labels);
const struct metric self_frames_repaired =
    COUNTER("frames_repaired_total", "Messages whose octet count was wrong and that were ended at a line start.");
const struct metric self_count_mismatches =
    COUNTER("count_mismatches_total", "Batches that held more or fewer messages than Logplex-Msg-Count says.");
const struct metric self_batches = COUNTERS("batches_total", "Batches answered with 204.", "result", batch_labels);
const struct metric self_body_bytes =
    COUNTERS("body_bytes_total", "Bytes of batches, as received and after decompression.", "stage", body_labels);
const struct metric self_samples_recorded =
    COUNTER("samples_recorded_total", "Samples that changed or confirmed a series.");
const struct metric self_samples_outdated = COUNTER(
    "samples_outdated_total", "Samples ignored because a later line had been read, or another metric has the name.");
const struct metric self_samples_rejected =
    COUNTERS("samples_rejected_total", "Samples of readable messages that could not be used, by reason.", "reason",
             rejection_labels);
const struct metric self_series_refused = COUNTERS(
    "series_refused_total", "Samples refused because their series would go over a bound.", "family", family_labels);
const struct metric self_series_overflowed =
    COUNTER("series_overflowed_total",
            "Attempts to make a series over MAX_APP_SERIES or MAX_METRIC_SERIES, by the label with the most values.");
const struct metric self_drain_messages =
    COUNTER("self_drain_messages_total", "Router lines about the requests that bring this drain's own batches.");
const struct metric self_rule_lines = COUNTER("rule_lines_total", "Messages that a rule of the configuration took.");
const struct metric self_rule_errors =
    COUNTER("rule_errors_total", "Messages that a rule gave up because its expression took too many steps.");
const struct metric self_rule_disabled = {.name = "drain_exporter_rule_disabled",
                                          .help = "1 where a rule is switched off because of its errors.",
                                          .type = METRIC_GAUGE,
                                          .self = true};
const struct metric self_line_lag = {
    .name = "drain_exporter_line_lag_seconds",
    .help = "Time from a line's timestamp to its arrival, for the first line of each batch.",
    .type = METRIC_HISTOGRAM,
    .cells = COUNT(lag_bounds) + 2,
    .bounds = lag_bounds,
    .self = true,
};
const struct metric self_last_batch = {.name = "drain_exporter_last_batch_timestamp_seconds",
                                       .help = "When the last batch of the app arrived, in seconds since 1970.",
                                       .type = METRIC_GAUGE,
                                       .self = true};
const struct metric self_http_requests =
    COUNTERS("http_requests_total", "HTTP requests by path and status of the answer.", "status", status_labels);
const struct metric self_connections_refused =
    COUNTER("connections_refused_total", "Connections closed at once because MAX_CONNECTIONS were open.");
const struct metric self_connections_timed_out =
    COUNTER("connections_timed_out_total", "Connections closed because a request or an answer took too long.");

#define GAUGE METRIC_GAUGE
#undef COUNTER
#define COUNTER METRIC_COUNTER
static const struct metric readings[SELF_READING_COUNT] = {
#define X(id, kind, text, meaning) [id] = {.name = text, .help = meaning, .type = kind, .self = true},
    SELF_READINGS(X)
#undef X
};

static const struct metric build_info = {
    .name = "drain_exporter_build_info", .help = "1, with the version as a label.", .type = METRIC_GAUGE, .self = true};

unsigned self_status_cell(int status)
{
    char text[3] = {(char)('0' + status / 100 % 10), (char)('0' + status / 10 % 10), (char)('0' + status % 10)};
    unsigned cell = 0;
    while (cell < SELF_STATUS_COUNT - 1 && memcmp(status_labels[cell], text, 3) != 0)
        cell++;
    return cell;
}

static struct store_terms store_terms_of(const struct self_terms *terms)
{
    return (struct store_terms){
        .now = terms->now, .lifetime = terms->lifetime, .entity = terms->entity, .app = ENTITY_NONE, .exempt = true};
}

enum store_result self_count(const struct self_terms *terms, const struct metric *metric, const struct label *labels,
                             size_t label_count, unsigned cell, double amount)
{
    struct identity identity;
    struct store_terms store_terms = store_terms_of(terms);
    identity_build(&identity, SLICE(""), slice_of(metric->name), labels, label_count);
    return store_count(terms->store, terms->slot, &identity, metric, cell, amount, &store_terms);
}

void self_set(const struct self_terms *terms, const struct metric *metric, const struct label *labels,
              size_t label_count, double number)
{
    struct identity identity;
    struct store_terms store_terms = store_terms_of(terms);
    identity_build(&identity, SLICE(""), slice_of(metric->name), labels, label_count);
    struct value value = {.type = metric->type == METRIC_COUNTER ? VALUE_COUNTER : VALUE_GAUGE, .number = number};
    store_update(terms->store, terms->slot, &identity, metric, &value, false, &store_terms);
}

void self_read(struct store *store, unsigned slot, enum self_reading reading, double number, uint64_t now)
{
    struct self_terms terms = {.store = store, .slot = slot, .now = now, .entity = ENTITY_NONE};
    self_set(&terms, &readings[reading], NULL, 0, number);
}

void self_build_info(struct store *store, unsigned slot, uint64_t now)
{
    struct self_terms terms = {.store = store, .slot = slot, .now = now, .entity = ENTITY_NONE};
    self_set(&terms, &build_info, &(struct label){SLICE("version"), SLICE(VERSION)}, 1, 1);
}
