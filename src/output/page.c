#include "output/page.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/reserved.h"
#include "base/sketch.h"

/* What write_series() calls for few series must not become a part of it: all would pay for its registers and stack. */
#define APART __attribute__((noinline))

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

/* A metric that the page is to show. */
struct listed {
    struct store_metric_view view; /* held */
    bool written;
};

struct page_writer {
    struct page_terms terms;
    struct state_page *state; /* NULL: it is a page */
    const struct encoder *encoder;
    uint64_t seed;
    struct encoding encoding;
    size_t hidden;
    struct listed *metrics; /* all of them, sorted by name */
    size_t metric_count;
    size_t next; /* of the metrics */
    /* The piece that is being written. */
    size_t size;  /* it is full */
    size_t begin; /* in it, of the family, if that is not fixed */
    size_t begin_lines;
    /* The family that is being written, and its siblings behind it. */
    size_t family; /* of the metrics */
    struct listed *siblings[COUNT(suffixes)];
    bool has_siblings;
    struct composites composites;
    enum metric_type type;
    bool mixed; /* series of several types were met */
    bool fixed; /* its begin is in a piece that was given away: the type stays */
    /* The metric that is being walked. */
    bool walking;
    struct store_walk walk;
    const struct store_metric_view *metric;
    struct encoded_series series; /* its name */
    bool is_reserved;             /* no app can choose its name */
    bool started;                 /* a series was written */
    size_t sibling;               /* it is a suffix sibling: which suffix it has; else NOT_SIBLING */
    bool again;                   /* the walk ended since the family must be written again, as mixed */
};

#define NOT_SIBLING SIZE_MAX

/* ---- shadowed series ---- */

static uint64_t hash_labels(const struct page_writer *writer, struct slice labels, enum metric_type type)
{
    uint64_t hash = XXH3_64bits_withSeed(labels.at, labels.length, writer->seed);
    return (hash & ~(uint64_t)IS_HISTOGRAM) | (type == METRIC_HISTOGRAM ? IS_HISTOGRAM : 0);
}

static APART void note_composite(struct page_writer *writer, struct slice labels, enum metric_type type)
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

static bool is_noted(const struct page_writer *writer, struct slice labels, enum metric_type type)
{
    uint64_t hash = hash_labels(writer, labels, type);
    const struct composites *composites = &writer->composites;
    return composites->count > 0 &&
           bsearch(&hash, composites->hashes, composites->count, sizeof hash, compare_hashes) != NULL;
}

/* Does the series of a sibling stand on the page already, as a line of a histogram or summary? */
static APART bool is_shadowed(const struct page_writer *writer, struct slice labels)
{
    return is_noted(writer, labels, METRIC_HISTOGRAM) ||
           (prints(METRIC_SUMMARY, writer->sibling) && is_noted(writer, labels, METRIC_SUMMARY));
}

/* ---- series ---- */

/* As what a reported value stands on the page. */
static const enum metric_type value_types[] = {
    [VALUE_COUNTER] = METRIC_COUNTER, [VALUE_EXTERNAL_COUNTER] = METRIC_COUNTER, [VALUE_GAUGE] = METRIC_GAUGE,
    [VALUE_SET] = METRIC_GAUGE,       [VALUE_HISTOGRAM] = METRIC_HISTOGRAM,      [VALUE_SUMMARY] = METRIC_SUMMARY,
    [VALUE_SKETCH] = METRIC_SUMMARY,
};

/* Counts, for what stands at 0. */
static const double zeros[VALUE_SIZE_MAX];
_Static_assert(COUNT(zeros) >= METRIC_CELLS_MAX, "zeros for all cells");

/* Is it a value that amounts are added to, as far as the page shows: one that Prometheus takes increases of? */
static bool accumulates(const struct value *value)
{
    return value->type == VALUE_COUNTER || value->type == VALUE_HISTOGRAM || value->type == VALUE_SKETCH;
}

/* Does the series stand on this page at 0, whatever it has? */
static bool stands_at_zero(const struct page_writer *writer, const struct store_series_view *view)
{
    return view->starts_at_zero && view->born > writer->terms.all_saw &&
           (view->value == NULL || accumulates(view->value));
}

static void write_sketch(struct page_writer *writer, struct slice labels, const struct value *value, bool at_zero)
{
    const double *words = &value->words[0].number;
    double quantiles[VALUE_SKETCH_QUANTILES];
    for (unsigned i = 0; i < VALUE_SKETCH_QUANTILES; i++)
        quantiles[i] = sketch_quantile(value_sketch_quantiles[i], words + 3, words + 3 + value->size, value->size,
                                       value->number, words[1], words[2]);
    writer->encoder->summary(&writer->encoding, &writer->series, labels,
                             &(struct encoded_summary){.quantiles = value_sketch_quantiles,
                                                       .values = quantiles,
                                                       .size = VALUE_SKETCH_QUANTILES,
                                                       .count = at_zero ? 0 : value->number,
                                                       .sum = at_zero ? 0 : words[0]});
}

static APART void write_composite(struct page_writer *writer, struct slice labels, const struct value *value,
                                  bool at_zero)
{
    const double *words = &value->words[0].number;
    double count = at_zero ? 0 : value->number;
    if (value->type == VALUE_HISTOGRAM)
        writer->encoder->histogram(&writer->encoding, &writer->series, labels,
                                   &(struct encoded_histogram){.bounds = words + 1,
                                                               .counts = at_zero ? zeros : words + 1 + value->size,
                                                               .size = value->size,
                                                               .count = count,
                                                               .sum = at_zero ? 0 : words[0]});
    else if (value->type == VALUE_SUMMARY)
        writer->encoder->summary(&writer->encoding, &writer->series, labels,
                                 &(struct encoded_summary){.quantiles = words + 1,
                                                           .values = words + 1 + value->size,
                                                           .size = value->size,
                                                           .count = count,
                                                           .sum = words[0]});
    else
        write_sketch(writer, labels, value, at_zero);
}

static APART void write_counted_histogram(struct page_writer *writer, struct slice labels, const struct metric *metric,
                                          const double *cells)
{
    unsigned bounds = metric->cells - 2;
    double count = 0;
    for (unsigned i = 0; i <= bounds; i++)
        count += cells[i];
    writer->encoder->histogram(&writer->encoding, &writer->series, labels,
                               &(struct encoded_histogram){metric->bounds, cells, bounds, count, cells[bounds + 1]});
}

/* Each cell by its value of the label in which they differ. */
static APART void write_labelled(struct page_writer *writer, struct slice labels, const struct metric *metric,
                                 const double *cells)
{
    struct encoded_series series = {.name = writer->series.name, .label = slice_of(metric->label)};
    for (unsigned i = 0; i < metric->cells; i++) {
        series.label_value = slice_of(metric->label_values[i]);
        writer->encoder->number(&writer->encoding, &series, labels, cells[i]);
    }
}

static void write_cells(struct page_writer *writer, struct slice labels, const struct metric *metric,
                        const double *cells)
{
    if (metric->type == METRIC_HISTOGRAM)
        write_counted_histogram(writer, labels, metric, cells);
    else if (metric->label != NULL)
        write_labelled(writer, labels, metric, cells);
    else
        for (unsigned i = 0; i < metric->cells; i++)
            writer->encoder->number(&writer->encoding, &writer->series, labels, cells[i]);
}

/* counted: the metric of the first series, if that is a counted one; it is newer than what the name began with. */
static APART void begin_family(struct page_writer *writer, const struct metric *counted)
{
    const struct metric *metric = counted != NULL ? counted : writer->metric->metric;
    writer->encoder->family(
        &writer->encoding,
        &(struct encoded_family){writer->metric->name,
                                 slice_of(metric != NULL ? metric_help(metric) : "Reported by the app on its log."),
                                 writer->mixed ? METRIC_UNTYPED : writer->type});
}

static bool is_composite(enum metric_type type)
{
    return type == METRIC_HISTOGRAM || type == METRIC_SUMMARY;
}

static enum metric_type type_of(const struct store_series_view *view)
{
    return view->value != NULL ? value_types[view->value->type] : view->metric->type;
}

/* Is a series one of those that the page is about? */
static APART bool is_selected(const struct page_writer *writer, const struct store_series_view *view)
{
    const struct page_selection *selection = &writer->terms.selection;
    switch (selection->kind) {
    case PAGE_ALL:
    case PAGE_APP:
    case PAGE_STATE:
    case PAGE_STATE_WHOLE:
        return true;
    case PAGE_SELF:
        return view->maker != NULL && view->maker->self;
    case PAGE_REPORTED:
        /* A timer or an event of an app on Cloud Foundry has a descriptor of ours, but a name that is made of the
         * app's. */
        if (view->maker != NULL)
            return view->maker->of_rule || view->maker->chosen ||
                   slice_starts_with(writer->metric->name, SLICE("cf_app_"));
        return !writer->is_reserved;
    case PAGE_PROCESS:
        for (unsigned i = 0; i < selection->scope.count; i++)
            if (selection->processes[i] != ENTITY_NONE && entity_is_of(view->entity, selection->processes[i]))
                return true;
        return false;
    }
    return false;
}

enum fit { FITS, HIDDEN, UNFIT /* the family must be written again */ };

/* Can the series stand where the page is? */
static enum fit fit(struct page_writer *writer, const struct store_series_view *view, enum metric_type type)
{
    if (writer->sibling != NOT_SIBLING)
        return is_composite(type) || is_shadowed(writer, view->labels) ? HIDDEN : FITS;
    if (!writer->started || writer->mixed || type == writer->type)
        return FITS;
    if (!writer->fixed)
        return UNFIT;
    /* It changed after all of its family had been looked at.  A line of a number is the same in both. */
    return is_composite(type) || is_composite(writer->type) ? HIDDEN : FITS;
}

/* Returns whether there is room for more in the piece, and the family need not be written again. */
static bool write_series(void *context, const struct store_series_view *view)
{
    struct page_writer *writer = context;
    if (writer->terms.selection.kind != PAGE_ALL && !is_selected(writer, view))
        return true;
    enum metric_type type = type_of(view);
    switch (fit(writer, view, type)) {
    case HIDDEN:
        writer->hidden++;
        return true;
    case UNFIT:
        writer->again = true;
        return false;
    case FITS:
        break;
    }
    if (writer->sibling == NOT_SIBLING && !writer->started) {
        writer->type = type;
        begin_family(writer, view->metric);
    }
    writer->started = true;
    if (is_composite(type))
        note_composite(writer, view->labels, type);
    bool at_zero = stands_at_zero(writer, view);
    if (view->value == NULL)
        write_cells(writer, view->labels, view->metric, at_zero ? zeros : view->cells);
    else if (is_composite(type))
        write_composite(writer, view->labels, view->value, at_zero);
    else
        writer->encoder->number(&writer->encoding, &writer->series, view->labels, at_zero ? 0 : view->value->number);
    return writer->encoding.page->length < writer->size;
}

/* ---- metrics ---- */

static int compare_names(const void *a, const void *b)
{
    const struct slice *x = &((const struct listed *)a)->view.name;
    const struct slice *y = &((const struct listed *)b)->view.name;
    int order = memcmp(x->at, y->at, x->length < y->length ? x->length : y->length);
    return order != 0 ? order : (x->length > y->length) - (x->length < y->length);
}

/* The metric that has the family's name with this suffix and is not written yet; NULL if there is none. */
static struct listed *find_sibling(const struct page_writer *writer, struct slice family, size_t suffix)
{
    char name[IDENTITY_NAME_MAX + 16];
    memcpy(name, family.at, family.length);
    memcpy(name + family.length, suffixes[suffix].at, suffixes[suffix].length);
    struct listed wanted = {.view.name = {name, family.length + suffixes[suffix].length}};
    struct listed *found = bsearch(&wanted, writer->metrics, writer->metric_count, sizeof wanted, compare_names);
    return found != NULL && !found->written ? found : NULL;
}

static void forget_composites(struct page_writer *writer)
{
    writer->composites.count = 0;
    writer->composites.histogram = false;
    writer->composites.summary = false;
}

/* Begin the walk over the series of a metric. */
static void begin_walk(struct page_writer *writer, struct listed *metric, size_t sibling)
{
    metric->written = true;
    writer->metric = &metric->view;
    writer->series.name = metric->view.name;
    writer->sibling = sibling;
    writer->started = false;
    writer->is_reserved = reserved_metric(metric->view.name, RESERVED_FROM_APPS);
    writer->walking =
        store_walk_begin(writer->terms.store, &writer->walk, metric->view.handle, &writer->terms.selection.scope);
    /* A page without some of its series would be worse than none. */
    if (!writer->walking)
        writer->encoding.page->failed = true;
}

static void end_walk(struct page_writer *writer)
{
    if (writer->walking)
        store_walk_end(writer->terms.store, &writer->walk);
    writer->walking = false;
}

/* Cut the family off the page and write it as what has several types. */
static void begin_again(struct page_writer *writer)
{
    end_walk(writer);
    writer->again = false;
    writer->mixed = true;
    writer->encoding.page->length = writer->begin;
    writer->encoding.lines = writer->begin_lines;
    forget_composites(writer);
    begin_walk(writer, &writer->metrics[writer->family], NOT_SIBLING);
}

/* Begin a family, with a metric that is not written yet. */
static void begin_metric(struct page_writer *writer)
{
    struct listed *metric = &writer->metrics[writer->family];
    writer->has_siblings = false;
    for (size_t i = 0; i < COUNT(suffixes); i++) {
        writer->siblings[i] = find_sibling(writer, metric->view.name, i);
        writer->has_siblings |= writer->siblings[i] != NULL;
    }
    forget_composites(writer);
    writer->mixed = false;
    writer->fixed = false;
    writer->begin = writer->encoding.page->length;
    writer->begin_lines = writer->encoding.lines;
    begin_walk(writer, metric, NOT_SIBLING);
}

/* The walk is at its end: begin the next one, over a sibling or another metric.  False if there is none. */
static bool begin_next(struct page_writer *writer)
{
    const struct composites *composites = &writer->composites;
    size_t suffix = writer->sibling == NOT_SIBLING ? 0 : writer->sibling + 1;
    if (writer->sibling == NOT_SIBLING && composites->count > 0)
        qsort(composites->hashes, composites->count, sizeof composites->hashes[0], compare_hashes);
    for (; suffix < COUNT(suffixes); suffix++) {
        bool printed = (composites->histogram && prints(METRIC_HISTOGRAM, suffix)) ||
                       (composites->summary && prints(METRIC_SUMMARY, suffix));
        if (writer->siblings[suffix] != NULL && printed) {
            begin_walk(writer, writer->siblings[suffix], suffix);
            return true;
        }
    }
    /* A name sorts before those that begin with it, so a metric is reached before its siblings. */
    while (writer->next < writer->metric_count && writer->metrics[writer->next].written)
        writer->next++;
    if (writer->next == writer->metric_count)
        return false;
    writer->family = writer->next++;
    begin_metric(writer);
    return true;
}

/* Are all series ahead of the family's type? */
static bool is_uniform(const struct page_writer *writer)
{
    struct store_types types = store_walk_types(writer->terms.store, writer->terms.slot, &writer->walk);
    for (unsigned i = 0; i < COUNT(value_types); i++)
        if (types.values >> i & 1)
            types.metrics |= 1U << value_types[i];
    return (types.metrics & ~(1U << writer->type)) == 0;
}

/* The piece is full and is given away, with the begin of the family.  Whether it can be: the type that is said there
 * holds. */
static bool fix_family(struct page_writer *writer)
{
    bool open = writer->sibling == NOT_SIBLING && !writer->mixed && !writer->fixed;
    if (open && !is_uniform(writer))
        return false;
    writer->fixed = true;
    return true;
}

/* ---- pages ---- */

static void release_metrics(struct page_writer *writer)
{
    for (size_t i = 0; i < writer->metric_count; i++)
        store_release_metric(writer->metrics[i].view.handle);
    free(writer->metrics);
}

/* Metrics that may have series for the page; as store_metrics(). */
static size_t find_metrics(const struct page_writer *writer, struct store_metric_view *views, size_t capacity)
{
    const struct page_selection *selection = &writer->terms.selection;
    if (selection->kind == PAGE_ALL || page_is_state(selection))
        return store_metrics(writer->terms.store, views, capacity);
    return store_metrics_of(writer->terms.store, &selection->scope, views, capacity);
}

/* Let go of metrics that are listed twice. */
static void drop_repeated(struct page_writer *writer)
{
    size_t kept = 0;
    for (size_t i = 0; i < writer->metric_count; i++) {
        if (kept > 0 && writer->metrics[kept - 1].view.handle == writer->metrics[i].view.handle)
            store_release_metric(writer->metrics[i].view.handle);
        else
            writer->metrics[kept++] = writer->metrics[i];
    }
    writer->metric_count = kept;
}

/* List all metrics that have series, sorted, and hold them; false if memory is short. */
static bool list_metrics(struct page_writer *writer)
{
    struct store_metric_view *views = NULL;
    size_t capacity = 0;
    size_t count;
    /* Metrics may be created meanwhile, and the newest come first: with too little capacity an old one would be
     * missing. */
    while ((count = find_metrics(writer, views, capacity)) > capacity) {
        capacity = count + count / 8 + 64;
        free(views);
        views = malloc(capacity * sizeof *views);
        if (views == NULL)
            return false;
    }
    writer->metrics = calloc(count + 1, sizeof *writer->metrics);
    if (writer->metrics == NULL) {
        free(views);
        return false;
    }
    for (size_t i = 0; i < count; i++)
        if (store_hold_metric(views[i].handle))
            writer->metrics[writer->metric_count++] = (struct listed){views[i], false};
    free(views);
    qsort(writer->metrics, writer->metric_count, sizeof *writer->metrics, compare_names);
    drop_repeated(writer);
    return true;
}

bool page_selection_equals(const struct page_selection *a, const struct page_selection *b)
{
    if (a->kind != b->kind || a->scope.count != b->scope.count)
        return false;
    for (unsigned i = 0; i < a->scope.count; i++)
        if (a->scope.apps[i] != b->scope.apps[i] || a->processes[i] != b->processes[i])
            return false;
    return true;
}

static const struct store_metric_view *metric_at(const void *metrics, size_t number)
{
    return &((const struct listed *)metrics)[number].view;
}

static bool begin_state(struct page_writer *writer)
{
    const struct page_terms *terms = &writer->terms;
    writer->state = state_page_begin(&(struct state_terms){.sources = terms->sources,
                                                           .store = terms->store,
                                                           .slot = terms->slot,
                                                           .now = terms->now,
                                                           .all_saw = terms->all_saw,
                                                           .scrapers = *terms->scrapers,
                                                           .is_whole = terms->selection.kind == PAGE_STATE_WHOLE,
                                                           .metric_at = metric_at,
                                                           .metrics = writer->metrics,
                                                           .metric_count = writer->metric_count});
    return writer->state != NULL;
}

struct page_writer *page_begin(const struct page_terms *terms)
{
    struct page_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL)
        return NULL;
    writer->terms = *terms;
    if (terms->selection.kind == PAGE_SELF) /* these are of no app */
        writer->terms.selection.scope = (struct store_scope){{ENTITY_NONE}, 1};
    writer->encoder = terms->encoder;
    writer->encoding.external = terms->external;
    writer->sibling = COUNT(suffixes); /* of no metric: all is behind it */
    writer->encoding.memory = calloc(1, terms->encoder->memory);
    bool random = getrandom(&writer->seed, sizeof writer->seed, 0) == sizeof writer->seed;
    if (random && writer->encoding.memory != NULL && list_metrics(writer) &&
        (!page_is_state(&terms->selection) || begin_state(writer)))
        return writer;
    page_end(writer);
    return NULL;
}

struct page_writer *page_copy(const struct page_writer *from)
{
    struct page_writer *writer = from->state == NULL ? malloc(sizeof *writer) : NULL;
    if (writer == NULL)
        return NULL;
    *writer = *from;
    writer->walking = false;
    writer->encoding.memory = calloc(1, from->encoder->memory);
    writer->metrics = malloc((from->metric_count + 1) * sizeof *writer->metrics);
    writer->composites.capacity = from->composites.count;
    writer->composites.hashes = malloc((from->composites.count + 1) * sizeof *writer->composites.hashes);
    if (writer->metrics == NULL || writer->encoding.memory == NULL || writer->composites.hashes == NULL) {
        writer->metric_count = 0;
        page_end(writer);
        return NULL;
    }
    if (from->composites.count > 0)
        memcpy(writer->composites.hashes, from->composites.hashes,
               from->composites.count * sizeof *writer->composites.hashes);
    memcpy(writer->metrics, from->metrics, from->metric_count * sizeof *writer->metrics);
    for (size_t i = 0; i < writer->metric_count; i++)
        store_hold_metric(writer->metrics[i].view.handle);
    for (size_t i = 0; i < COUNT(suffixes); i++)
        if (from->siblings[i] != NULL)
            writer->siblings[i] = &writer->metrics[from->siblings[i] - from->metrics];
    if (from->walking) {
        size_t walked =
            from->sibling == NOT_SIBLING ? from->family : (size_t)(from->siblings[from->sibling] - from->metrics);
        writer->metric = &writer->metrics[walked].view; /* of the same name */
        store_walk_copy(writer->terms.store, &writer->walk, &from->walk);
        writer->walking = true;
    }
    return writer;
}

void page_end(struct page_writer *writer)
{
    if (writer == NULL)
        return;
    end_walk(writer);
    state_page_end(writer->state);
    release_metrics(writer);
    free(writer->composites.hashes);
    free(writer->encoding.memory);
    free(writer);
}

size_t page_memory(const struct page_writer *writer)
{
    return sizeof *writer + writer->encoder->memory + writer->metric_count * sizeof *writer->metrics +
           writer->composites.capacity * sizeof *writer->composites.hashes;
}

struct page_result page_result(const struct page_writer *writer)
{
    return (struct page_result){writer->encoding.lines, writer->hidden};
}

bool page_write_piece(struct page_writer *writer, struct buffer *piece, size_t size)
{
    if (writer->state != NULL)
        return state_page_write(writer->state, piece, size);
    writer->encoding.page = piece;
    writer->size = size;
    while (!piece->failed) {
        if (!writer->walking && !begin_next(writer))
            return false;
        if (!writer->walking)
            break;
        if (store_walk_on(writer->terms.store, writer->terms.slot, &writer->walk, writer->terms.now, write_series,
                          writer))
            end_walk(writer);
        else if (writer->again || !fix_family(writer))
            begin_again(writer);
        if (piece->length >= size)
            break;
    }
    return true;
}

struct page_result page_write(const struct page_terms *terms, struct buffer *page)
{
    struct page_writer *writer = page_begin(terms);
    if (writer == NULL) {
        page->failed = true;
        return (struct page_result){0};
    }
    while (page_write_piece(writer, page, SIZE_MAX) && !page->failed)
        continue;
    struct page_result result = page_result(writer);
    page_end(writer);
    return result;
}
