/* Pages under threads that change what they show: series that turn from histogram to gauge and back, beside metrics
 * that have the names of the histogram's lines; series that expire; series whose process ends and starts again.  Every
 * page must be valid, and what lives throughout must stand on each.  Every second page is written in small pieces, with
 * sweeps between them.
 *
 *     stress_page [pages] */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "output/page.h"

enum {
    RECORDERS = 3,
    MAINTENANCE = RECORDERS,
    KEYS = 6,       /* label sets of what turns */
    PROCESSES = 8,  /* that come and go */
    BATCH = 16,     /* changes between two quiescent moments of a recorder */
    LIFETIME = 3,   /* milliseconds, of what expires */
    GRACE = 2,      /* of what has ended */
    SAMPLES = 4096, /* at most on a page; a power of two, twice as many as there are */
    FAMILIES = 64,
};

static const double bounds[] = {1, 2};
static const struct metric counted = {.name = "dyno_total",
                                      .help = "H.",
                                      .type = METRIC_COUNTER,
                                      .cells = 2,
                                      .label = "code",
                                      .label_values = (const char *const[]){"a", "b"}};
static const struct metric observed = {
    .name = "dyno_seconds", .help = "H.", .type = METRIC_HISTOGRAM, .cells = 4, .bounds = bounds};

static struct store *store;
static struct entities *entities;
static entity_id app;
static atomic_bool stopping;
static atomic_long next_time = 1; /* microseconds, of lines */
static unsigned long failures;

#define CHECK(condition, ...)                                              \
    do {                                                                   \
        if (!(condition)) {                                                \
            if (__atomic_fetch_add(&failures, 1, __ATOMIC_RELAXED) < 20) { \
                fprintf(stderr, "stress_page: " __VA_ARGS__);              \
                fputc('\n', stderr);                                       \
            }                                                              \
        }                                                                  \
    } while (0)

/* ---- what changes ---- */

static uint64_t next_random(uint64_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random;
}

static void identify(struct identity *identity, const char *name, const char *label_name, unsigned key)
{
    char text[24];
    int length = snprintf(text, sizeof text, "%u", key);
    struct label label = {slice_of(label_name), {text, (size_t)length}};
    identity_build(identity, SLICE(""), slice_of(name), &label, 1);
}

/* Set a series to a value of this type. */
static void set(unsigned slot, const char *name, unsigned key, enum value_type type, uint64_t lifetime)
{
    struct identity identity;
    identify(&identity, name, "key", key);
    _Alignas(struct value) char memory[sizeof(struct value) + 8 * sizeof(union value_word)] = {0};
    struct value *value = (struct value *)memory;
    value->type = (uint16_t)type;
    value->time = atomic_fetch_add(&next_time, 1);
    value->number = 3;
    if (type == VALUE_HISTOGRAM || type == VALUE_SUMMARY) {
        static const double words[] = {4.5, 0.5, 0.9, 1, 2};
        value->size = 2;
        for (size_t i = 0; i < COUNT(words); i++)
            value->words[i].number = words[i];
    }
    enum store_result result =
        store_update(store, slot, &identity, NULL, value, false,
                     &(struct store_terms){.now = clock_monotonic(), .lifetime = lifetime, .app = app});
    CHECK(result == STORE_RECORDED || result == STORE_CREATED || result == STORE_OUTDATED, "recording gave %d", result);
}

static void count(unsigned slot, const struct metric *metric, unsigned process, entity_id entity)
{
    struct identity identity;
    identify(&identity, metric->name, "process", process);
    store_count(store, slot, &identity, metric, process % 2, 1,
                &(struct store_terms){.now = clock_monotonic(), .entity = entity, .app = app});
}

static void run_process(unsigned slot, unsigned number, bool end)
{
    char name[24];
    int length = snprintf(name, sizeof name, "web.%u", number);
    uint64_t now = clock_monotonic();
    entity_id process = entities_process(entities, app, (struct slice){name, (size_t)length}, now);
    int64_t time = atomic_fetch_add(&next_time, 1);
    if (end) {
        entities_ended(entities, process, time, now);
        return;
    }
    entities_started(entities, process, time);
    count(slot, &counted, number, process);
    count(slot, &observed, number, process);
}

static void change_something(unsigned slot, uint64_t *random)
{
    static const enum value_type types[] = {VALUE_HISTOGRAM, VALUE_GAUGE, VALUE_HISTOGRAM, VALUE_SUMMARY};
    static const char *const suffixed[] = {"x_count", "x_sum", "x_bucket", "x_count_sum"};
    uint64_t choice = next_random(random) >> 8;
    unsigned key = (unsigned)(choice >> 8) % KEYS;
    enum value_type type = types[(choice >> 16) % COUNT(types)];
    switch (choice % 8) {
    case 0:
    case 1:
    case 2:
        set(slot, "x", key, type, 0);
        break;
    case 3: /* a sibling, that may be a histogram as well */
        set(slot, suffixed[(choice >> 24) % COUNT(suffixed)], key, choice >> 32 & 7 ? VALUE_GAUGE : type, 0);
        break;
    case 4: /* one that expires, in both roles: it rests every now and then, for long enough */
        if (clock_monotonic() / 8 % 2 == 0)
            break;
        set(slot, "y", key, type, LIFETIME);
        set(slot, "y_count", key, VALUE_GAUGE, LIFETIME);
        break;
    case 5: /* a metric that leaves and comes again */
        set(slot, choice >> 32 & 1 ? "z" : "z_sum", 0, choice >> 33 & 1 ? VALUE_SUMMARY : VALUE_COUNTER, LIFETIME);
        break;
    default:
        run_process(slot, (unsigned)(choice >> 24) % PROCESSES, choice >> 32 & 1);
    }
}

static void *run_recorder(void *context)
{
    unsigned slot = (unsigned)(uintptr_t)context;
    uint64_t random = 88172645463325252u + slot * 1000003;
    while (!atomic_load_explicit(&stopping, memory_order_relaxed)) {
        store_enter(store, slot);
        for (int i = 0; i < BATCH; i++)
            change_something(slot, &random);
        store_leave(store, slot);
    }
    return NULL;
}

/* ---- the strict reader ---- */

struct family {
    struct slice name;
    struct slice type;
};

struct reader {
    struct family families[FAMILIES];
    size_t family_count;
    struct slice samples[SAMPLES]; /* name and labels, by their hash */
    size_t sample_count;
    double bucket; /* the last bucket's count; -1: none yet */
    bool infinite; /* the last bucket was +Inf */
};

static bool ends_with(struct slice text, struct slice end)
{
    return text.length >= end.length && memcmp(text.at + text.length - end.length, end.at, end.length) == 0;
}

/* Does a family of this type print samples of this name? */
static bool belongs(const struct family *family, struct slice name)
{
    bool histogram = slice_equals(family->type, SLICE("histogram"));
    bool summary = slice_equals(family->type, SLICE("summary"));
    bool untyped = slice_equals(family->type, SLICE("untyped"));
    if (!slice_starts_with(name, family->name))
        return false;
    struct slice suffix = slice_after(name, family->name.length);
    if (suffix.length == 0)
        return !histogram;
    if (slice_equals(suffix, SLICE("_sum")) || slice_equals(suffix, SLICE("_count")))
        return histogram || summary || untyped;
    return slice_equals(suffix, SLICE("_bucket")) && (histogram || untyped);
}

static void read_header(struct reader *reader, struct slice line)
{
    struct slice rest = slice_after(line, 7);
    struct slice name = {rest.at, slice_index(rest, ' ')};
    if (slice_starts_with(line, SLICE("# HELP "))) {
        CHECK(reader->family_count == 0 || reader->families[reader->family_count - 1].type.length > 0,
              "HELP without TYPE before %.*s", (int)name.length, name.at);
        for (size_t i = 0; i < reader->family_count; i++)
            CHECK(!slice_equals(reader->families[i].name, name), "family %.*s stands twice", (int)name.length, name.at);
        CHECK(reader->family_count < FAMILIES, "too many families");
        reader->families[reader->family_count++] = (struct family){.name = name};
        return;
    }
    CHECK(slice_starts_with(line, SLICE("# TYPE ")), "neither HELP nor TYPE");
    struct family *family = &reader->families[reader->family_count - 1];
    CHECK(reader->family_count > 0 && slice_equals(family->name, name) && family->type.length == 0,
          "TYPE of %.*s without its HELP", (int)name.length, name.at);
    family->type = slice_after(rest, name.length + 1);
}

/* Put a sample into the table; false if it is there. */
static bool add_sample(struct reader *reader, struct slice sample)
{
    size_t at = 5381;
    for (size_t i = 0; i < sample.length; i++)
        at = at * 33 + (unsigned char)sample.at[i];
    for (;; at++) {
        struct slice *place = &reader->samples[at % SAMPLES];
        if (place->at == NULL) {
            *place = sample;
            return ++reader->sample_count < SAMPLES;
        }
        if (slice_equals(*place, sample))
            return false;
    }
}

static void read_buckets(struct reader *reader, struct slice sample, struct slice name, double value)
{
    bool bounded = memmem(sample.at, sample.length, ",le=\"", 5) != NULL;
    if (ends_with(name, SLICE("_bucket")) && bounded) {
        CHECK(value >= reader->bucket, "the buckets fall: %.*s", (int)sample.length, sample.at);
        reader->bucket = value;
        reader->infinite = ends_with(sample, SLICE("le=\"+Inf\"}"));
        return;
    }
    if (reader->bucket < 0)
        return;
    CHECK(reader->infinite, "a histogram without +Inf before %.*s", (int)sample.length, sample.at);
    if (ends_with(name, SLICE("_count"))) {
        CHECK(value == reader->bucket, "count is not the last bucket's: %.*s", (int)sample.length, sample.at);
        reader->bucket = -1;
    } else
        CHECK(ends_with(name, SLICE("_sum")), "a histogram without sum before %.*s", (int)sample.length, sample.at);
}

static void read_sample(struct reader *reader, struct slice line)
{
    struct slice sample = {line.at, slice_index(line, ' ')};
    struct slice name = {line.at, slice_index(sample, '{')};
    CHECK(reader->family_count > 0 && belongs(&reader->families[reader->family_count - 1], name),
          "%.*s stands in another metric's family", (int)sample.length, sample.at);
    for (size_t i = 0; i + 1 < reader->family_count; i++)
        CHECK(!slice_equals(reader->families[i].name, name), "%.*s is also a family", (int)name.length, name.at);
    CHECK(add_sample(reader, sample), "%.*s stands twice", (int)sample.length, sample.at);
    read_buckets(reader, sample, name, strtod(line.at + sample.length, NULL));
}

static bool has_sample(const struct reader *reader, const char *format, unsigned key)
{
    char text[64];
    struct slice wanted = {text, (size_t)snprintf(text, sizeof text, format, key)};
    for (size_t i = 0; i < SAMPLES; i++)
        if (reader->samples[i].at != NULL && slice_equals(reader->samples[i], wanted))
            return true;
    return false;
}

/* What lives throughout. */
static void check_presence(const struct reader *reader, bool pieces)
{
    CHECK(has_sample(reader, "stays{key=\"%u\"}", 0), "the gauge that stays is missing");
    CHECK(has_sample(reader, "x_count{key=\"%u\"}", KEYS), "x_count of a series that no histogram has is missing");
    for (unsigned key = 0; key < KEYS; key++) {
        bool number = has_sample(reader, "x{key=\"%u\"}", key);
        bool summary = has_sample(reader, "x{key=\"%u\",quantile=\"0.5\"}", key);
        bool histogram = has_sample(reader, "x_bucket{key=\"%u\",le=\"1\"}", key) ||
                         has_sample(reader, "x_bucket{key=\"%u\",le=\"0.5\"}", key);
        /* In pieces, what has just changed may be left out. */
        CHECK(number + summary + histogram == 1 || (pieces && number + summary + histogram == 0),
              "x %u stands %d times", key, number + summary + histogram);
        CHECK(has_sample(reader, "x_count{key=\"%u\"}", key) || !(summary || histogram), "x %u has no count", key);
    }
}

static void check_page(struct slice page, bool pieces)
{
    static struct reader reader;
    unsigned long before = failures;
    struct slice rest = page;
    memset(&reader, 0, sizeof reader);
    reader.bucket = -1;
    while (rest.length > 0) {
        struct slice line = {rest.at, slice_index(rest, '\n')};
        rest = slice_after(rest, line.length + 1);
        if (line.length > 0 && line.at[0] == '#') {
            CHECK(reader.bucket < 0, "a histogram without count");
            read_header(&reader, line);
        } else
            read_sample(&reader, line);
    }
    for (size_t i = 1; i < reader.family_count; i++) {
        struct slice first = reader.families[i - 1].name;
        struct slice second = reader.families[i].name;
        size_t shorter = first.length < second.length ? first.length : second.length;
        int order = memcmp(first.at, second.at, shorter);
        CHECK(order < 0 || (order == 0 && first.length < second.length), "the families are not sorted");
    }
    check_presence(&reader, pieces);
    if (failures > before && before == 0)
        fwrite(page.at, 1, page.length, stderr);
}

/* ---- the writer of pages ---- */

/* Write a page in pieces of all sizes, the smallest of one series, and leave and sweep between them. */
static struct page_result write_pieces(const struct page_terms *terms, struct buffer *page)
{
    static uint64_t random = 2463534242u;
    struct page_writer *writer = page_begin(terms);
    struct page_writer *dropped = NULL;
    for (bool more = true; more && !page->failed;) {
        size_t size = page->length + (1U << next_random(&random) % 12);
        more = page_write_piece(writer, page, size);
        store_leave(store, MAINTENANCE);
        store_enter(store, MAINTENANCE);
        uint64_t choice = next_random(&random) >> 8;
        if (choice % 8 == 0)
            store_sweep(store, MAINTENANCE, clock_monotonic());
        if (choice % 16 == 1) { /* the copy goes on, or is thrown away */
            page_end(dropped);
            dropped = page_copy(writer);
            struct page_writer *other = writer;
            if (choice >> 8 & 1) {
                writer = dropped;
                dropped = other;
            }
        }
    }
    struct page_result result = page_result(writer);
    page_end(writer);
    page_end(dropped);
    return result;
}

int main(int argc, char **argv)
{
    unsigned long pages = argc > 1 ? strtoul(argv[1], NULL, 10) : 20000;
    entities = entities_create(&(struct entities_settings){.app_silence = 3600 * 1000, .grace = GRACE});
    store = store_create(&(struct store_settings){.max_series = 10000, .slots = RECORDERS + 1, .entities = entities});
    if (entities == NULL || store == NULL)
        return 1;
    app = entities_app(entities, SLICE("app"), NULL, 0, clock_monotonic());
    store_enter(store, 0);
    set(0, "stays", 0, VALUE_GAUGE, 0);
    set(0, "x_count", KEYS, VALUE_GAUGE, 0);
    for (unsigned key = 0; key < KEYS; key++)
        set(0, "x", key, VALUE_GAUGE, 0);
    store_leave(store, 0);

    pthread_t threads[RECORDERS];
    for (unsigned i = 0; i < RECORDERS; i++)
        if (pthread_create(&threads[i], NULL, run_recorder, (void *)(uintptr_t)i) != 0)
            return 1;
    struct buffer page = {0};
    size_t lines = 0;
    size_t hidden = 0;
    unsigned long written = 0;
    for (; written < pages && failures == 0; written++) {
        uint64_t now = clock_monotonic();
        page.length = 0;
        store_note_page(store);
        store_enter(store, MAINTENANCE);
        struct page_terms terms = {
            .store = store, .slot = MAINTENANCE, .now = now, .all_saw = now - LIFETIME, .encoder = &text_encoder};
        bool pieces = written % 2 == 1;
        struct page_result result = pieces ? write_pieces(&terms, &page) : page_write(&terms, &page);
        if (written % 4 == 0)
            store_sweep(store, MAINTENANCE, now);
        store_leave(store, MAINTENANCE);
        lines += result.lines;
        hidden += result.hidden;
        CHECK(!page.failed, "memory was short");
        check_page((struct slice){page.at, page.length}, pieces);
    }
    atomic_store(&stopping, true);
    for (unsigned i = 0; i < RECORDERS; i++)
        pthread_join(threads[i], NULL);
    struct store_usage usage;
    store_usage(store, &usage);
    CHECK(hidden > 0 && usage.expired > 0, "nothing was hidden or nothing expired: nothing was tested");
    buffer_free(&page);
    store_free(store);
    entities_free(entities);
    printf("stress_page: %lu pages, %zu lines, %zu series hidden, %llu expired, %lu changes\n", written, lines, hidden,
           (unsigned long long)usage.expired, (unsigned long)next_time);
    printf("%d passed, %d failed\n", failures == 0, failures != 0);
    return failures != 0;
}
