#include "output/page.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/sketch.h"

/* The names of lines that a histogram or summary prints. */
static const struct slice suffixes[] = {{"_bucket", 7}, {"_sum", 4}, {"_count", 6}};

/* Does a series of this type print a line with the suffix of this index? */
static bool prints(enum metric_type type, size_t suffix)
{
    return type == METRIC_HISTOGRAM || (type == METRIC_SUMMARY && suffix > 0);
}

/* Which series of a metric are histograms or summaries: the hashes of their labels, the type in the lowest bit.  Two
 * series of a metric share one in no practical case, and nobody can choose labels that do: the hash has a seed. */
struct composites {
    uint64_t *hashes; /* owned */
    size_t count;
    size_t capacity;
    bool histogram; /* at least one */
    bool summary;
};

enum { IS_HISTOGRAM = 1 };

struct writer {
    const struct page_terms *terms;
    const struct encoder *encoder;
    uint64_t seed;
    struct encoding encoding;
    size_t hidden;
    /* All metrics, sorted by name; handle is NULL once one is written. */
    struct store_metric_view *metrics;
    size_t metric_count;
    /* The metric that is being walked. */
    const struct store_metric_view *metric;
    bool started; /* a series was written */
    bool mixed;   /* series of several types were met */
    enum metric_type type;
    size_t sibling;               /* it is a suffix sibling: which suffix it has; else NOT_SIBLING */
    bool has_siblings;            /* of the family: there are metrics of these names */
    struct composites composites; /* of the family */
};

#define NOT_SIBLING SIZE_MAX

/* ---- shadowed series ---- */

static uint64_t hash_labels(const struct writer *writer, struct slice labels, enum metric_type type)
{
    uint64_t hash = XXH3_64bits_withSeed(labels.at, labels.length, writer->seed);
    return (hash & ~(uint64_t)IS_HISTOGRAM) | (type == METRIC_HISTOGRAM ? IS_HISTOGRAM : 0);
}

static void note_composite(struct writer *writer, struct slice labels, enum metric_type type)
{
    struct composites *composites = &writer->composites;
    *(type == METRIC_HISTOGRAM ? &composites->histogram : &composites->summary) = true;
    if (!writer->has_siblings)
        return;
    if (composites->count == composites->capacity) {
        size_t capacity = composites->capacity == 0 ? 64 : composites->capacity * 2;
        uint64_t *larger = realloc(composites->hashes, capacity * sizeof *larger);
        if (larger == NULL) {
            writer->encoding.page->failed = true;
            return;
        }
        composites->hashes = larger;
        composites->capacity = capacity;
    }
    composites->hashes[composites->count++] = hash_labels(writer, labels, type);
}

static int compare_hashes(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static bool is_noted(const struct writer *writer, struct slice labels, enum metric_type type)
{
    uint64_t hash = hash_labels(writer, labels, type);
    const struct composites *composites = &writer->composites;
    return composites->count > 0 &&
           bsearch(&hash, composites->hashes, composites->count, sizeof hash, compare_hashes) != NULL;
}

/* Does the series of a sibling stand on the page already, as a line of a histogram or summary? */
static bool is_shadowed(const struct writer *writer, struct slice labels)
{
    return is_noted(writer, labels, METRIC_HISTOGRAM) ||
           (prints(METRIC_SUMMARY, writer->sibling) && is_noted(writer, labels, METRIC_SUMMARY));
}

/* ---- series ---- */

static enum metric_type type_of_value(const struct value *value)
{
    switch ((enum value_type)value->type) {
    case VALUE_COUNTER:
    case VALUE_EXTERNAL_COUNTER:
        return METRIC_COUNTER;
    case VALUE_GAUGE:
    case VALUE_SET:
        return METRIC_GAUGE;
    case VALUE_HISTOGRAM:
        return METRIC_HISTOGRAM;
    case VALUE_SUMMARY:
    case VALUE_SKETCH:
        return METRIC_SUMMARY;
    }
    return METRIC_UNTYPED;
}

/* Counts, for what stands at 0. */
static const double zeros[VALUE_SIZE_MAX];
_Static_assert(COUNT(zeros) >= METRIC_CELLS_MAX, "zeros for all cells");

/* Is it a value that amounts are added to, as far as the page shows: one that Prometheus takes increases of? */
static bool accumulates(const struct value *value)
{
    return value->type == VALUE_COUNTER || value->type == VALUE_HISTOGRAM || value->type == VALUE_SKETCH;
}

/* Does the series stand on this page at 0, whatever it has? */
static bool stands_at_zero(const struct writer *writer, const struct store_series_view *view)
{
    return view->starts_at_zero && view->born > writer->terms->all_saw &&
           (view->value == NULL || accumulates(view->value));
}

static void write_value(struct writer *writer, const struct encoded_series *series, const struct value *value,
                        bool at_zero)
{
    /* The words of all but sets are doubles. */
    const double *words = &value->words[0].number;
    double number = at_zero ? 0 : value->number;
    double quantiles[VALUE_SKETCH_QUANTILES];
    switch ((enum value_type)value->type) {
    case VALUE_COUNTER:
    case VALUE_GAUGE:
    case VALUE_SET:
    case VALUE_EXTERNAL_COUNTER:
        writer->encoder->number(&writer->encoding, series, number);
        break;
    case VALUE_HISTOGRAM:
        writer->encoder->histogram(&writer->encoding, series,
                                   &(struct encoded_histogram){.bounds = words + 1,
                                                               .counts = at_zero ? zeros : words + 1 + value->size,
                                                               .size = value->size,
                                                               .count = number,
                                                               .sum = at_zero ? 0 : words[0]});
        break;
    case VALUE_SUMMARY:
        writer->encoder->summary(&writer->encoding, series,
                                 &(struct encoded_summary){.quantiles = words + 1,
                                                           .values = words + 1 + value->size,
                                                           .size = value->size,
                                                           .count = number,
                                                           .sum = words[0]});
        break;
    case VALUE_SKETCH:
        for (unsigned i = 0; i < VALUE_SKETCH_QUANTILES; i++)
            quantiles[i] = sketch_quantile(value_sketch_quantiles[i], words + 3, words + 3 + value->size, value->size,
                                           value->number, words[1], words[2]);
        writer->encoder->summary(&writer->encoding, series,
                                 &(struct encoded_summary){.quantiles = value_sketch_quantiles,
                                                           .values = quantiles,
                                                           .size = VALUE_SKETCH_QUANTILES,
                                                           .count = number,
                                                           .sum = at_zero ? 0 : words[0]});
        break;
    }
}

static void write_cells(struct writer *writer, struct encoded_series *series, const struct metric *metric,
                        const double *cells)
{
    if (metric->type == METRIC_HISTOGRAM) {
        unsigned bounds = metric->cells - 2;
        double count = 0;
        for (unsigned i = 0; i <= bounds; i++)
            count += cells[i];
        writer->encoder->histogram(
            &writer->encoding, series,
            &(struct encoded_histogram){metric->bounds, cells, bounds, count, cells[bounds + 1]});
        return;
    }
    for (unsigned i = 0; i < metric->cells; i++) {
        if (metric->label != NULL) {
            series->label = slice_of(metric->label);
            series->label_value = slice_of(metric->label_values[i]);
        }
        writer->encoder->number(&writer->encoding, series, cells[i]);
    }
}

/* counted: the metric of the first series, if that is a counted one; it is newer than what the name began with. */
static void begin_family(struct writer *writer, const struct metric *counted)
{
    const struct metric *metric = counted != NULL ? counted : writer->metric->metric;
    writer->encoder->family(
        &writer->encoding,
        &(struct encoded_family){writer->metric->name,
                                 slice_of(metric != NULL ? metric_help(metric) : "Reported by the app on its log."),
                                 writer->mixed ? METRIC_UNTYPED : writer->type});
}

static bool write_series(void *context, const struct store_series_view *view)
{
    struct writer *writer = context;
    enum metric_type type = view->value != NULL ? type_of_value(view->value) : view->metric->type;
    bool composite = type == METRIC_HISTOGRAM || type == METRIC_SUMMARY;
    if (writer->sibling != NOT_SIBLING) {
        if (composite || is_shadowed(writer, view->labels)) {
            writer->hidden++;
            return true;
        }
    } else if (!writer->started) {
        writer->started = true;
        writer->type = type;
        begin_family(writer, view->metric);
    } else if (type != writer->type && !writer->mixed) {
        writer->mixed = true;
        return false;
    }
    if (composite)
        note_composite(writer, view->labels, type);
    struct encoded_series series = {.name = writer->metric->name, .labels = view->labels};
    if (view->value != NULL)
        write_value(writer, &series, view->value, stands_at_zero(writer, view));
    else
        write_cells(writer, &series, view->metric, stands_at_zero(writer, view) ? zeros : view->cells);
    return true;
}

/* ---- metrics ---- */

static int compare_names(const void *a, const void *b)
{
    const struct slice *x = &((const struct store_metric_view *)a)->name;
    const struct slice *y = &((const struct store_metric_view *)b)->name;
    int order = memcmp(x->at, y->at, x->length < y->length ? x->length : y->length);
    return order != 0 ? order : (x->length > y->length) - (x->length < y->length);
}

/* The metric that has the family's name with this suffix and is not written yet; NULL if there is none. */
static struct store_metric_view *find_sibling(const struct writer *writer, struct slice family, size_t suffix)
{
    char name[IDENTITY_NAME_MAX + 16];
    memcpy(name, family.at, family.length);
    memcpy(name + family.length, suffixes[suffix].at, suffixes[suffix].length);
    struct store_metric_view wanted = {.name = {name, family.length + suffixes[suffix].length}};
    struct store_metric_view *found =
        bsearch(&wanted, writer->metrics, writer->metric_count, sizeof wanted, compare_names);
    return found != NULL && found->handle != NULL ? found : NULL;
}

/* Walk over the series of a metric and write them; false if memory is short, or if a second type was met (then it is
 * mixed): the walk ended there. */
static bool walk(struct writer *writer, struct store_metric_view *metric, size_t sibling)
{
    writer->metric = metric;
    writer->sibling = sibling;
    writer->started = false;
    return store_each_series(writer->terms->store, writer->terms->slot, metric->handle, writer->terms->now,
                             write_series, writer);
}

static void forget_composites(struct writer *writer)
{
    writer->composites.count = 0;
    writer->composites.histogram = false;
    writer->composites.summary = false;
}

static void write_family(struct writer *writer, struct store_metric_view *metric)
{
    size_t length = writer->encoding.page->length;
    size_t lines = writer->encoding.lines;
    writer->mixed = false;
    forget_composites(writer);
    if (walk(writer, metric, NOT_SIBLING))
        return;
    if (writer->mixed) {
        writer->encoding.page->length = length;
        writer->encoding.lines = lines;
        forget_composites(writer);
        if (walk(writer, metric, NOT_SIBLING))
            return;
    }
    /* A page without some of its series would be worse than none. */
    writer->encoding.page->failed = true;
}

/* Write a metric as a family of its own, and behind it its suffix siblings. */
static void write_metric(struct writer *writer, struct store_metric_view *metric)
{
    struct store_metric_view *siblings[COUNT(suffixes)];
    writer->has_siblings = false;
    for (size_t i = 0; i < COUNT(suffixes); i++) {
        siblings[i] = find_sibling(writer, metric->name, i);
        writer->has_siblings |= siblings[i] != NULL;
    }
    write_family(writer, metric);
    const struct composites *composites = &writer->composites;
    if (composites->count > 0)
        qsort(composites->hashes, composites->count, sizeof composites->hashes[0], compare_hashes);
    for (size_t i = 0; i < COUNT(suffixes); i++) {
        bool printed = (composites->histogram && prints(METRIC_HISTOGRAM, i)) ||
                       (composites->summary && prints(METRIC_SUMMARY, i));
        if (siblings[i] == NULL || !printed)
            continue;
        if (!walk(writer, siblings[i], i))
            writer->encoding.page->failed = true;
        siblings[i]->handle = NULL;
    }
}

/* List all metrics, sorted; false if memory is short. */
static bool list_metrics(struct writer *writer)
{
    size_t capacity = 0;
    size_t count;
    /* Metrics may be created meanwhile, and the newest come first: with too little capacity an old one would be
     * missing. */
    while ((count = store_metrics(writer->terms->store, writer->metrics, capacity)) > capacity) {
        capacity = count + count / 8 + 64;
        free(writer->metrics);
        writer->metrics = malloc(capacity * sizeof *writer->metrics);
        if (writer->metrics == NULL)
            return false;
    }
    writer->metric_count = count;
    if (count > 0)
        qsort(writer->metrics, count, sizeof *writer->metrics, compare_names);
    return true;
}

bool page_selection_equals(const struct page_selection *a, const struct page_selection *b)
{
    return a->scope == b->scope && a->entity == b->entity;
}

struct page_result page_write(const struct page_terms *terms, struct buffer *page)
{
    struct writer writer = {.terms = terms, .encoder = terms->encoder};
    writer.encoding = (struct encoding){.page = page, .memory = calloc(1, terms->encoder->memory)};
    bool random = getrandom(&writer.seed, sizeof writer.seed, 0) == sizeof writer.seed;
    if (!random || writer.encoding.memory == NULL || !list_metrics(&writer)) {
        page->failed = true;
        goto done;
    }
    /* A name sorts before those that begin with it, so a metric is reached before its siblings. */
    for (size_t i = 0; i < writer.metric_count; i++)
        if (writer.metrics[i].handle != NULL)
            write_metric(&writer, &writer.metrics[i]);
done:
    free(writer.composites.hashes);
    free(writer.metrics);
    free(writer.encoding.memory);
    return (struct page_result){writer.encoding.lines, writer.hidden};
}
