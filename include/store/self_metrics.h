/* Our own metrics, drain_exporter_* and process_*: names, help texts, label values.  They stand in the store and leave
 * by the same page as all others.  Names once published do not change. */
#ifndef SELF_METRICS_H
#define SELF_METRICS_H

#include "families/family.h"
#include "store/store.h"

/* The ledger, for each app: received = recognised + ignored + malformed + duplicate. */
extern const struct metric self_messages_received;
extern const struct metric self_messages_recognised; /* a cell for each family_id */
extern const struct metric self_messages_ignored;
extern const struct metric self_messages_malformed; /* a cell for each malformation */
extern const struct metric self_messages_duplicate;
extern const struct metric self_upstream_lost; /* a cell for each logplex_code */
extern const struct metric self_frames_repaired;
extern const struct metric self_count_mismatches;
extern const struct metric self_batches;    /* cells: taken, duplicate */
extern const struct metric self_body_bytes; /* cells: received, decoded */
extern const struct metric self_samples_recorded;
extern const struct metric self_samples_outdated;
extern const struct metric self_samples_rejected;  /* a cell for each sample_rejection */
extern const struct metric self_series_refused;    /* a cell for each family_id */
extern const struct metric self_series_overflowed; /* labels: app, metric, label */
extern const struct metric self_drain_messages;
extern const struct metric self_rule_lines; /* labels: rule, as of the next two */
extern const struct metric self_rule_errors;
extern const struct metric self_rule_disabled; /* gauge */
extern const struct metric self_line_lag;      /* histogram, seconds */
extern const struct metric self_last_batch;    /* gauge, seconds since 1970 */

/* Requests, for each path; a cell for each of self_statuses. */
enum { SELF_STATUS_COUNT = 12 };
extern const struct metric self_http_requests;
unsigned self_status_cell(int status); /* a status that is not in the list is counted as "other" */

extern const struct metric self_connections_refused;
extern const struct metric self_connections_timed_out;

/* Gauges and absolute counters without labels but where named, written just before each scrape. */
#define SELF_READINGS(X)                                                                                              \
    X(SELF_CONNECTIONS, GAUGE, "drain_exporter_connections", "Open connections.")                                     \
    X(SELF_SERIES, GAUGE, "drain_exporter_series",                                                                    \
      "Lines that the series bound by the limit print; a large value counts as several.")                             \
    X(SELF_SERIES_LIMIT, GAUGE, "drain_exporter_series_limit", "The bound of drain_exporter_series (MAX_SERIES).")    \
    X(SELF_SERIES_EXPIRED, COUNTER, "drain_exporter_series_expired_total",                                            \
      "Series that left because nothing updated them.")                                                               \
    X(SELF_SERIES_HIDDEN, GAUGE, "drain_exporter_series_hidden",                                                      \
      "Series left out of the last page because a histogram or summary prints the same line.")                        \
    X(SELF_SCRAPE_DURATION, GAUGE, "drain_exporter_scrape_duration_seconds",                                          \
      "How long it took to write the last page.")                                                                     \
    X(SELF_SCRAPE_SIZE, GAUGE, "drain_exporter_scrape_size_bytes", "Size of the last page before compression.")       \
    X(SELF_SCRAPE_SAMPLES, GAUGE, "drain_exporter_scrape_samples", "Lines with a value on the last page.")            \
    X(SELF_MEMORY_ALLOCATED, GAUGE, "drain_exporter_memory_allocated_bytes",                                          \
      "Memory that the program holds from the allocator.")                                                            \
    X(SELF_CPU, COUNTER, "process_cpu_seconds_total", "Total user and system CPU time spent in seconds.")             \
    X(SELF_RESIDENT, GAUGE, "process_resident_memory_bytes", "Resident memory size in bytes.")                        \
    X(SELF_VIRTUAL, GAUGE, "process_virtual_memory_bytes", "Virtual memory size in bytes.")                           \
    X(SELF_START_TIME, GAUGE, "process_start_time_seconds", "Start time of the process since unix epoch in seconds.") \
    X(SELF_OPEN_FDS, GAUGE, "process_open_fds", "Number of open file descriptors.")                                   \
    X(SELF_MAX_FDS, GAUGE, "process_max_fds", "Maximum number of open file descriptors.")                             \
    X(SELF_THREADS, GAUGE, "process_threads", "Number of OS threads in the process.")

enum self_reading {
#define X(id, type, name, help) id,
    SELF_READINGS(X)
#undef X
        SELF_READING_COUNT
};

/* Who records a metric of ours, and how long it lives. */
struct self_terms {
    struct store *store;
    unsigned slot;
    uint64_t now;
    uint64_t lifetime; /* as in struct store_terms */
    entity_id entity;
};

/* Count in a metric of ours with these labels (those with an empty value are left out).  Inside the store only. */
enum store_result self_count(const struct self_terms *terms, const struct metric *metric, const struct label *labels,
                             size_t label_count, unsigned cell, double amount);

/* Set a gauge of ours, likewise. */
void self_set(const struct self_terms *terms, const struct metric *metric, const struct label *labels,
              size_t label_count, double number);

/* Write a reading, and build_info. */
void self_read(struct store *store, unsigned slot, enum self_reading reading, double number, uint64_t now);
void self_build_info(struct store *store, unsigned slot, uint64_t now);

#endif
