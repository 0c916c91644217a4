/* A page without HTTP: fill a store with series of one kind and write the page of them again and again.
 *
 *     pages KIND SERIES TIMES
 *
 * KIND: "gauge" and "counter" are 50 metrics that have as many series each, born in turn, as when a process reports all
 * of them in a line; a gauge is reported, one half of them with three decimals, and a counter counted.  "histogram" is
 * one of ours with 11 bounds.
 *
 * Under callgrind, runs with 1 and with 11 times tell what 10 pages cost, as those of lines do. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "output/encoder.h"
#include "output/page.h"

enum { NAMES = 50, DAY = 24 * 60 * 60 * 1000, PROCESSES = 8, NOW = 1000, PIECE = 128 * 1024 };

static const double bounds[] = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0};
static const struct metric counter = {"", "Counted.", METRIC_COUNTER, .cells = 1, .chosen = true};
static const struct metric histogram = {"bench_histogram", "Observed.", METRIC_HISTOGRAM, .cells = COUNT(bounds) + 2,
                                        .bounds = bounds};

static uint64_t random_state = 3;

static uint64_t any(uint64_t below)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (random_state >> 33) % below;
}

static void identify(struct identity *identity, const char *name, size_t instance, size_t process)
{
    char worker[32], web[16];
    snprintf(worker, sizeof worker, "worker-%06zu", instance);
    snprintf(web, sizeof web, "web.%zu", process + 1);
    const struct label labels[] = {{SLICE("app"), SLICE("bench")},
                                   {SLICE("instance"), slice_of(worker)},
                                   {SLICE("process"), slice_of(web)},
                                   {SLICE("region"), SLICE("eu")}};
    if (identity_build(identity, SLICE(""), slice_of(name), labels, COUNT(labels)) != IDENTITY_OK)
        abort();
}

static void report(struct store *store, const struct identity *identity, const struct store_terms *terms)
{
    struct value value = {
        .type = VALUE_GAUGE, .time = 1, .number = any(2) == 0 ? (double)any(1000000) : (double)any(1000000) / 1000};
    if (store_update(store, 0, identity, NULL, &value, false, terms) != STORE_CREATED)
        abort();
}

static void count(struct store *store, const struct identity *identity, const struct store_terms *terms)
{
    if (store_count(store, 0, identity, &counter, 0, (double)any(1000000), terms) != STORE_CREATED)
        abort();
}

static void observe(struct store *store, const struct identity *identity, const struct store_terms *terms)
{
    struct series *series;
    if (store_counter(store, 0, identity, &histogram, terms, &series) != STORE_CREATED)
        abort();
    for (unsigned i = 0; i < histogram.cells; i++)
        store_add(series, 0, i, (double)any(50000));
}

static const struct kind {
    const char *name;
    size_t names; /* how many metrics */
    void (*make)(struct store *store, const struct identity *identity, const struct store_terms *terms);
} kinds[] = {{"gauge", NAMES, report}, {"counter", NAMES, count}, {"histogram", 1, observe}};

static const struct kind *kind_of(const char *name)
{
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    return NULL;
}

static void fill(struct store *store, struct entities *entities, const struct kind *kind, size_t series)
{
    entity_id app = entities_app(entities, SLICE("bench"), NULL, 0, NOW);
    store_enter(store, 0);
    for (size_t i = 0; i < series; i++) {
        size_t process = i / kind->names % PROCESSES;
        char name[32], web[16];
        snprintf(name, sizeof name, "bench_%s_%zu", kind->name, i % kind->names);
        snprintf(web, sizeof web, "web.%zu", process + 1);
        struct identity identity;
        identify(&identity, kind->names == 1 ? histogram.name : name, i / kind->names, process);
        struct store_terms terms = {
            .now = NOW, .lifetime = DAY, .entity = entities_process(entities, app, slice_of(web), NOW), .app = app};
        kind->make(store, &identity, &terms);
    }
    store_leave(store, 0);
}

/* As the maintenance thread does, in pieces. */
static struct page_result write_pages(struct store *store, unsigned long times, size_t *bytes)
{
    struct page_result result = {0};
    struct buffer piece = {0};
    for (unsigned long i = 0; i < times; i++) {
        store_enter(store, 1);
        struct page_writer *writer = page_begin(&(struct page_terms){
            .store = store, .slot = 1, .now = NOW, .all_saw = UINT64_MAX, .encoder = &text_encoder});
        if (writer == NULL)
            abort();
        *bytes = 0;
        for (bool more = true; more && !piece.failed; *bytes += piece.length) {
            piece.length = 0;
            more = page_write_piece(writer, &piece, PIECE);
        }
        result = page_result(writer);
        page_end(writer);
        store_leave(store, 1);
    }
    if (piece.failed)
        abort();
    buffer_free(&piece);
    return result;
}

static double cpu(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    const struct kind *kind = argc == 4 ? kind_of(argv[1]) : NULL;
    size_t series = argc == 4 ? strtoul(argv[2], NULL, 10) : 0;
    unsigned long times = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;
    if (kind == NULL || series == 0 || times == 0) {
        fprintf(stderr, "usage: pages gauge|counter|histogram SERIES TIMES\n");
        return 2;
    }
    struct entities *entities = entities_create(&(struct entities_settings){.app_silence = DAY, .grace = DAY});
    struct store *store =
        store_create(&(struct store_settings){.max_series = 100 * series, .slots = 2, .entities = entities});
    if (entities == NULL || store == NULL)
        abort();
    fill(store, entities, kind, series);
    size_t bytes;
    write_pages(store, 1, &bytes); /* the first one lists what is new */
    double begin = cpu();
    struct page_result result = write_pages(store, times, &bytes);
    printf("{\"series\": %zu, \"lines\": %zu, \"bytes\": %zu, \"pages\": %lu, \"cpu\": %.6f}\n", series, result.lines,
           bytes, times, cpu() - begin);
    store_free(store);
    entities_free(entities);
    return 0;
}
