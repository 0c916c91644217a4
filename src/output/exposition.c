#include "output/exposition.h"

#include <stdlib.h>

#include "base/number.h"
#include "base/sketch.h"

/* The longest that one line's own parts can be beside name and labels: suffix, a number as label, a number, braces. */
enum { LINE_ROOM = 2 * NUMBER_ROOM + 64 };

static const char *const type_names[] = {
    [METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge",     [METRIC_HISTOGRAM] = "histogram",
    [METRIC_SUMMARY] = "summary", [METRIC_UNTYPED] = "untyped",
};

/* Bounds repeat from histogram to histogram, so their spelling is kept. */
enum { SPELLED_COUNT = 256 };
struct spelled {
    double number;
    unsigned char length; /* 0: nothing is kept here */
    char text[31];
};

struct writer {
    struct store *store;
    unsigned slot;
    struct buffer *page;
    const struct store_metric_view *metric;
    enum metric_type type; /* of the series written so far */
    bool started;          /* a series was written */
    bool mixed;            /* series of several types were met */
    struct slice base; /* of "x_count", "x", where that is a histogram or summary; else empty: see write_neighbours() */
    size_t lines;
    size_t hidden;
    struct identity twin; /* scratch of is_twin() */
    struct spelled spelled[SPELLED_COUNT];
};

static char *put(char *at, struct slice text)
{
    if (text.length > 0)
        memcpy(at, text.at, text.length);
    return at + text.length;
}

/* Write a number that is likely to come again. */
static char *put_bound(struct writer *writer, char *at, double number)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    struct spelled *kept = &writer->spelled[(bits * 0x9E3779B97F4A7C15u) >> 56];
    if (kept->length == 0 || memcmp(&kept->number, &number, sizeof number) != 0) {
        size_t length = number_spell(number, at);
        if (length <= sizeof kept->text) {
            kept->number = number;
            kept->length = (unsigned char)length;
            memcpy(kept->text, at, length);
        }
        return at + length;
    }
    return put(at, (struct slice){kept->text, kept->length});
}

/* One line: name suffix { labels , extra = "text or number" } value.  extra.length is 0 where there is none. */
struct line_parts {
    struct slice suffix;
    struct slice labels;
    struct slice extra;
    struct slice extra_text; /* at is NULL: the number is the label's value */
    double extra_number;
    double value;
};

static void write_line(struct writer *writer, const struct line_parts *parts)
{
    size_t room = writer->metric->name.length + parts->labels.length + parts->extra.length + parts->extra_text.length;
    char *start = buffer_reserve(writer->page, room + LINE_ROOM);
    if (start == NULL)
        return;
    char *at = put(start, writer->metric->name);
    at = put(at, parts->suffix);
    if (parts->labels.length > 0 || parts->extra.length > 0) {
        *at++ = '{';
        at = put(at, parts->labels);
        if (parts->extra.length > 0) {
            if (parts->labels.length > 0)
                *at++ = ',';
            at = put(at, parts->extra);
            *at++ = '=';
            *at++ = '"';
            at = parts->extra_text.at != NULL ? put(at, parts->extra_text) : put_bound(writer, at, parts->extra_number);
            *at++ = '"';
        }
        *at++ = '}';
    }
    *at++ = ' ';
    at += number_spell(parts->value, at);
    *at++ = '\n';
    writer->page->length += (size_t)(at - start);
    writer->lines++;
}

/* A histogram's lines: buckets made cumulative, +Inf, sum, count. */
static void write_histogram(struct writer *writer, struct slice labels, const double *bounds, const double *counts,
                            unsigned size, double count, double sum)
{
    struct line_parts parts = {.suffix = SLICE("_bucket"), .labels = labels, .extra = SLICE("le")};
    for (unsigned i = 0; i < size; i++) {
        parts.extra_number = bounds[i];
        parts.value += counts[i];
        write_line(writer, &parts);
    }
    parts.extra_text = SLICE("+Inf");
    parts.value = count;
    write_line(writer, &parts);
    write_line(writer, &(struct line_parts){.suffix = SLICE("_sum"), .labels = labels, .value = sum});
    write_line(writer, &(struct line_parts){.suffix = SLICE("_count"), .labels = labels, .value = count});
}

static void write_summary(struct writer *writer, struct slice labels, const double *quantiles, const double *values,
                          unsigned size, double count, double sum)
{
    struct line_parts parts = {.labels = labels, .extra = SLICE("quantile")};
    for (unsigned i = 0; i < size; i++) {
        parts.extra_number = quantiles[i];
        parts.value = values[i];
        write_line(writer, &parts);
    }
    write_line(writer, &(struct line_parts){.suffix = SLICE("_sum"), .labels = labels, .value = sum});
    write_line(writer, &(struct line_parts){.suffix = SLICE("_count"), .labels = labels, .value = count});
}

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

static void write_value(struct writer *writer, struct slice labels, const struct value *value)
{
    /* The words of all but sets are doubles. */
    const double *words = &value->words[0].number;
    switch ((enum value_type)value->type) {
    case VALUE_COUNTER:
    case VALUE_GAUGE:
    case VALUE_SET:
    case VALUE_EXTERNAL_COUNTER:
        write_line(writer, &(struct line_parts){.labels = labels, .value = value->number});
        break;
    case VALUE_HISTOGRAM:
        write_histogram(writer, labels, words + 1, words + 1 + value->size, value->size, value->number, words[0]);
        break;
    case VALUE_SUMMARY:
        write_summary(writer, labels, words + 1, words + 1 + value->size, value->size, value->number, words[0]);
        break;
    case VALUE_SKETCH: {
        double quantiles[VALUE_SKETCH_QUANTILES];
        for (unsigned i = 0; i < VALUE_SKETCH_QUANTILES; i++)
            quantiles[i] = sketch_quantile(value_sketch_quantiles[i], words + 3, words + 3 + value->size, value->size,
                                           value->number, words[1], words[2]);
        write_summary(writer, labels, value_sketch_quantiles, quantiles, VALUE_SKETCH_QUANTILES, value->number,
                      words[0]);
        break;
    }
    }
}

static void write_cells(struct writer *writer, struct slice labels, const struct metric *metric, const double *cells)
{
    if (metric->type == METRIC_HISTOGRAM) {
        unsigned bounds = metric->cells - 2;
        double count = 0;
        for (unsigned i = 0; i <= bounds; i++)
            count += cells[i];
        write_histogram(writer, labels, metric->bounds, cells, bounds, count, cells[bounds + 1]);
        return;
    }
    struct line_parts parts = {.labels = labels};
    for (unsigned i = 0; i < metric->cells; i++) {
        if (metric->label != NULL) {
            parts.extra = slice_of(metric->label);
            parts.extra_text = slice_of(metric->label_values[i]);
        }
        parts.value = cells[i];
        write_line(writer, &parts);
    }
}

/* counted: the metric of the first series, where that is a counted one; it is newer than what the name began with. */
static void write_header(struct writer *writer, enum metric_type type, const struct metric *counted)
{
    const struct metric *metric = counted != NULL ? counted : writer->metric->metric;
    struct slice name = writer->metric->name;
    buffer_append(writer->page, SLICE("# HELP "));
    buffer_append(writer->page, name);
    buffer_append(writer->page, SLICE(" "));
    buffer_append(writer->page, slice_of(metric != NULL ? metric_help(metric) : "Reported by the app on its log."));
    buffer_append(writer->page, SLICE("\n# TYPE "));
    buffer_append(writer->page, name);
    buffer_append(writer->page, SLICE(" "));
    buffer_append(writer->page, slice_of(type_names[type]));
    buffer_append(writer->page, SLICE("\n"));
}

static enum metric_type type_of_series(const struct store_series_view *series)
{
    return series->value != NULL ? type_of_value(series->value) : series->metric->type;
}

/* Does a series of this type print a line with this suffix? */
static bool prints(enum metric_type type, struct slice suffix)
{
    return type == METRIC_HISTOGRAM || (type == METRIC_SUMMARY && !slice_equals(suffix, SLICE("_bucket")));
}

/* Does the series stand on the page already, as a line of the histogram or summary whose name it has? */
static bool is_twin(struct writer *writer, struct slice labels)
{
    struct identity *twin = &writer->twin;
    struct slice base = writer->base;
    if (base.length + labels.length > sizeof twin->text)
        return false;
    memcpy(twin->text, base.at, base.length);
    if (labels.length > 0)
        memcpy(twin->text + base.length, labels.at, labels.length);
    twin->name_length = base.length;
    twin->length = base.length + labels.length;
    struct store_series_view view;
    if (!store_look_up(writer->store, twin, &view))
        return false;
    return prints(type_of_series(&view), slice_after(writer->metric->name, base.length));
}

static bool write_series(void *context, const struct store_series_view *series)
{
    struct writer *writer = context;
    enum metric_type type = type_of_series(series);
    bool composite = type == METRIC_HISTOGRAM || type == METRIC_SUMMARY;
    if (writer->base.length > 0 && (composite || is_twin(writer, series->labels))) {
        writer->hidden++;
        return true;
    }
    if (!writer->started && writer->base.length == 0)
        write_header(writer, writer->mixed ? METRIC_UNTYPED : type, series->metric);
    else if (writer->started && type != writer->type && !writer->mixed) {
        writer->mixed = true;
        return false;
    }
    writer->started = true;
    writer->type = type;
    if (series->value != NULL)
        write_value(writer, series->labels, series->value);
    else
        write_cells(writer, series->labels, series->metric, series->cells);
    return true;
}

/* Write all series of one metric.  When series of several types are met, it is written again. */
static void write_metric(struct writer *writer, const struct store_metric_view *metric, uint64_t now)
{
    size_t page = writer->page->length;
    size_t lines = writer->lines;
    size_t hidden = writer->hidden;
    writer->metric = metric;
    writer->started = false;
    writer->mixed = false;
    if (!store_each_series(writer->store, writer->slot, metric->handle, now, write_series, writer)) {
        writer->page->length = page;
        writer->lines = lines;
        writer->hidden = hidden;
        writer->started = false;
        store_each_series(writer->store, writer->slot, metric->handle, now, write_series, writer);
    }
}

static int compare_names(const void *a, const void *b)
{
    const struct slice *x = &((const struct store_metric_view *)a)->name;
    const struct slice *y = &((const struct store_metric_view *)b)->name;
    int order = memcmp(x->at, y->at, x->length < y->length ? x->length : y->length);
    return order != 0 ? order : (x->length > y->length) - (x->length < y->length);
}

static bool prints_not(void *context, const struct store_series_view *series)
{
    return !prints(type_of_series(series), *(const struct slice *)context);
}

/* The names of lines that a histogram or summary prints. */
static const struct slice suffixes[] = {{"_bucket", 7}, {"_sum", 4}, {"_count", 6}};
enum { SUFFIX_COUNT = sizeof suffixes / sizeof suffixes[0] };

/* All metrics of a page, sorted by name. */
struct metrics {
    struct store_metric_view *views;
    size_t count;
};

static const struct store_metric_view *find_metric(const struct metrics *metrics, struct slice name)
{
    struct store_metric_view wanted = {.name = name};
    return bsearch(&wanted, metrics->views, metrics->count, sizeof wanted, compare_names);
}

/* Does a metric print lines with this suffix? */
static bool prints_any(const struct writer *writer, const struct store_metric_view *metric, struct slice suffix,
                       uint64_t now)
{
    return !store_each_series(writer->store, writer->slot, metric->handle, now, prints_not, &suffix);
}

/* Is this the name of lines that another metric prints ("x_count", where "x" is a histogram)?  Then it is written with
 * that one. */
static bool is_neighbour(const struct writer *writer, const struct metrics *metrics, struct slice name, uint64_t now)
{
    for (size_t i = 0; i < SUFFIX_COUNT; i++) {
        if (name.length <= suffixes[i].length)
            continue;
        struct slice base = {name.at, name.length - suffixes[i].length};
        if (!slice_equals(slice_after(name, base.length), suffixes[i]))
            continue;
        const struct store_metric_view *found = find_metric(metrics, base);
        if (found != NULL && prints_any(writer, found, suffixes[i], now))
            return true;
    }
    return false;
}

/* Write the metrics whose names are those of lines that this one prints, but for those lines themselves and for what is
 * more than one line.  They follow at once and have no header, since parsers count them to this metric. */
static void write_neighbours(struct writer *writer, const struct metrics *metrics,
                             const struct store_metric_view *metric, uint64_t now)
{
    for (size_t i = 0; i < SUFFIX_COUNT; i++) {
        char name[IDENTITY_NAME_MAX + 16];
        memcpy(name, metric->name.at, metric->name.length);
        memcpy(name + metric->name.length, suffixes[i].at, suffixes[i].length);
        const struct store_metric_view *neighbour =
            find_metric(metrics, (struct slice){name, metric->name.length + suffixes[i].length});
        if (neighbour == NULL || !prints_any(writer, metric, suffixes[i], now))
            continue;
        writer->base = metric->name;
        write_metric(writer, neighbour, now);
        writer->base = (struct slice){NULL, 0};
        write_neighbours(writer, metrics, neighbour, now); /* it may be a histogram too */
    }
}

struct exposition_result exposition_write(struct store *store, unsigned slot, uint64_t now, struct buffer *page)
{
    struct exposition_result result = {0};
    struct store_metric_view *metrics = NULL;
    struct writer *writer = calloc(1, sizeof *writer);
    size_t room = 0;
    size_t count;
    /* Metrics may be created meanwhile, and the newest come first: with too little room an old one would be missing. */
    while ((count = store_metrics(store, metrics, room)) > room) {
        room = count + count / 8 + 64;
        free(metrics);
        metrics = malloc(room * sizeof *metrics);
        if (metrics == NULL)
            break;
    }
    if (metrics == NULL || writer == NULL) {
        page->failed = count > 0 || writer == NULL;
        goto done;
    }
    qsort(metrics, count, sizeof *metrics, compare_names);
    writer->store = store;
    writer->slot = slot;
    writer->page = page;
    struct metrics all = {metrics, count};
    for (size_t i = 0; i < count; i++) {
        if (is_neighbour(writer, &all, metrics[i].name, now))
            continue;
        write_metric(writer, &metrics[i], now);
        write_neighbours(writer, &all, &metrics[i], now);
    }
    result.lines = writer->lines;
    result.hidden = writer->hidden;
done:
    free(writer);
    free(metrics);
    return result;
}
