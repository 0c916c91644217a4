#include "output/self_gauges.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "allocator.h"
#include "base/version.h"
#include "store/self_metrics.h"

/* Gauges and absolute counters without labels. */
#define GAUGES(X)                                                                                                   \
    X(CONNECTIONS, GAUGE, "drain_exporter_connections", "Open connections.")                                        \
    X(SERIES, GAUGE, "drain_exporter_series",                                                                       \
      "Lines that the series bound by the limit print; a large value counts as several.")                           \
    X(SERIES_LIMIT, GAUGE, "drain_exporter_series_limit", "The bound of drain_exporter_series (MAX_SERIES).")       \
    X(SERIES_EXPIRED, COUNTER, "drain_exporter_series_expired_total",                                               \
      "Series that left because nothing updated them.")                                                             \
    X(SERIES_HIDDEN, GAUGE, "drain_exporter_series_hidden",                                                         \
      "Series left out of the last page because a histogram or summary prints the same line.")                      \
    X(SCRAPE_DURATION, GAUGE, "drain_exporter_scrape_duration_seconds", "How long it took to write the last page.") \
    X(SCRAPE_SIZE, GAUGE, "drain_exporter_scrape_size_bytes", "Size of the last page before compression.")          \
    X(SCRAPE_SAMPLES, GAUGE, "drain_exporter_scrape_samples", "Lines with a value on the last page.")               \
    X(MEMORY_ALLOCATED, GAUGE, "drain_exporter_memory_allocated_bytes",                                             \
      "Memory that the program holds from the allocator.")                                                          \
    X(CPU, COUNTER, "process_cpu_seconds_total", "Total user and system CPU time spent in seconds.")                \
    X(RESIDENT, GAUGE, "process_resident_memory_bytes", "Resident memory size in bytes.")                           \
    X(VIRTUAL, GAUGE, "process_virtual_memory_bytes", "Virtual memory size in bytes.")                              \
    X(START_TIME, GAUGE, "process_start_time_seconds", "Start time of the process since unix epoch in seconds.")    \
    X(OPEN_FDS, GAUGE, "process_open_fds", "Number of open file descriptors.")                                      \
    X(MAX_FDS, GAUGE, "process_max_fds", "Maximum number of open file descriptors.")                                \
    X(THREADS, GAUGE, "process_threads", "Number of OS threads in the process.")

enum {
#define X(id, type, name, help) id,
    GAUGES(X)
#undef X
        GAUGE_COUNT
};

#define GAUGE METRIC_GAUGE
#define COUNTER METRIC_COUNTER
static const struct metric metrics[GAUGE_COUNT] = {
#define X(id, kind, text, meaning) [id] = {.name = text, .help = meaning, .type = kind, .self = true},
    GAUGES(X)
#undef X
};

static const struct metric build_info = {
    .name = "drain_exporter_build_info", .help = "1, with the version as a label.", .type = METRIC_GAUGE, .self = true};

/* ---- the process ---- */

static double count_entries(const char *path)
{
    DIR *directory = opendir(path);
    if (directory == NULL)
        return NAN;
    double count = -1; /* the directory itself is open */
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

struct process_status {
    double virtual_memory;
    double resident;
    double threads;
};

/* proc_pid_stat(5): field 20 is num_threads, 23 vsize in bytes, 24 rss in pages; the name, field 2, may hold blanks. */
static struct process_status read_status(void)
{
    struct process_status status = {NAN, NAN, NAN};
    char text[1024];
    FILE *file = fopen("/proc/self/stat", "re");
    if (file == NULL)
        return status;
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = '\0';
    char *at = strrchr(text, ')');
    if (at == NULL)
        return status;
    double fields[25] = {0};
    char *rest = NULL;
    int field = 3;
    for (char *word = strtok_r(at + 1, " ", &rest); word != NULL && field < 25; word = strtok_r(NULL, " ", &rest))
        fields[field++] = strtod(word, NULL);
    status.threads = fields[20];
    status.virtual_memory = fields[23];
    status.resident = fields[24] * (double)sysconf(_SC_PAGESIZE);
    return status;
}

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

/* ---- all of them ---- */

void self_gauges_record(struct store *store, unsigned slot, uint64_t now, const struct self_gauges *gauges)
{
    struct self_terms terms = {.store = store, .slot = slot, .now = now, .entity = ENTITY_NONE};
    struct store_usage usage;
    store_usage(store, &usage);
    struct rusage resources = {0};
    getrusage(RUSAGE_SELF, &resources);
    struct rlimit files = {0};
    getrlimit(RLIMIT_NOFILE, &files);
    struct process_status process = read_status();
    const double numbers[GAUGE_COUNT] = {
        [CONNECTIONS] = gauges->connections,
        [SERIES] = (double)usage.series,
        [SERIES_LIMIT] = (double)usage.limit,
        [SERIES_EXPIRED] = (double)usage.expired,
        [SERIES_HIDDEN] = gauges->page_hidden,
        [SCRAPE_DURATION] = gauges->page_duration,
        [SCRAPE_SIZE] = gauges->page_size,
        [SCRAPE_SAMPLES] = gauges->page_samples,
        [MEMORY_ALLOCATED] = (double)allocator_allocated(),
        [CPU] = seconds_of(resources.ru_utime) + seconds_of(resources.ru_stime),
        [RESIDENT] = process.resident,
        [VIRTUAL] = process.virtual_memory,
        [START_TIME] = gauges->start_time,
        [OPEN_FDS] = count_entries("/proc/self/fd"),
        [MAX_FDS] = (double)files.rlim_cur,
        [THREADS] = process.threads,
    };
    for (int i = 0; i < GAUGE_COUNT; i++)
        if (!isnan(numbers[i]))
            self_set(&terms, &metrics[i], NULL, 0, numbers[i]);
    self_set(&terms, &build_info, &(struct label){SLICE("version"), SLICE(VERSION)}, 1, 1);
}
