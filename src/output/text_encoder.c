#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/number.h"
#include "output/encoder.h"

/* The longest that one line's own parts can be beside name and labels: suffix, a number as label, a number, braces. */
enum { LINE_PARTS_MAX = 2 * NUMBER_TEXT_MAX + 64 };

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

static char *put(char *at, struct slice text)
{
    if (text.length > 0)
        memcpy(at, text.at, text.length);
    return at + text.length;
}

/* Write a number that is likely to come again. */
static char *put_bound(struct encoding *encoding, char *at, double number)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    struct spelled *kept = (struct spelled *)encoding->memory + ((bits * 0x9E3779B97F4A7C15u) >> 56);
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

/* Room for a line of these labels, and of as many bytes more, with its begin: name, suffix, "{" and labels, without
 * what closes them.  NULL if memory is short. */
static inline char *begin_line(struct encoding *encoding, const struct encoded_series *series, struct slice suffix,
                               struct slice labels, size_t more)
{
    struct slice external = encoding->external;
    size_t length = series->name.length + external.length + labels.length + more + LINE_PARTS_MAX;
    char *at = buffer_reserve(encoding->page, length);
    if (at == NULL)
        return NULL;
    at = put(at, series->name);
    at = put(at, suffix);
    *at++ = '{';
    at = put(at, external);
    if (external.length > 0 && labels.length > 0)
        *at++ = ',';
    return put(at, labels);
}

static inline bool has_labels(const struct encoding *encoding, struct slice labels)
{
    return encoding->external.length + labels.length > 0;
}

/* What closes the labels, and the value. */
static inline void end_line(struct encoding *encoding, char *at, bool has_labels, double value)
{
    at -= !has_labels; /* "{" is too much */
    if (has_labels)
        *at++ = '}';
    *at++ = ' ';
    at += number_spell(value, at);
    *at++ = '\n';
    encoding->page->length = (size_t)(at - encoding->page->at);
    encoding->lines++;
}

/* One more label, up to its value. */
static char *put_label(char *at, bool is_first, struct slice label)
{
    if (!is_first)
        *at++ = ',';
    at = put(at, label);
    *at++ = '=';
    *at++ = '"';
    return at;
}

static void write_family(struct encoding *encoding, const struct encoded_family *family)
{
    struct buffer *page = encoding->page;
    buffer_append(page, SLICE("# HELP "));
    buffer_append(page, family->name);
    buffer_append(page, SLICE(" "));
    buffer_append(page, family->help);
    buffer_append(page, SLICE("\n# TYPE "));
    buffer_append(page, family->name);
    buffer_append(page, SLICE(" "));
    buffer_append(page, slice_of(type_names[family->type]));
    buffer_append(page, SLICE("\n"));
}

static inline void write_part(struct encoding *encoding, const struct encoded_series *series, struct slice suffix,
                              struct slice labels, double number)
{
    char *at = begin_line(encoding, series, suffix, labels, 0);
    if (at != NULL)
        end_line(encoding, at, has_labels(encoding, labels), number);
}

static void write_labelled(struct encoding *encoding, const struct encoded_series *series, struct slice labels,
                           double number)
{
    char *at = begin_line(encoding, series, SLICE(""), labels, series->label.length + series->label_value.length);
    if (at == NULL)
        return;
    at = put(put_label(at, !has_labels(encoding, labels), series->label), series->label_value);
    *at++ = '"';
    end_line(encoding, at, true, number);
}

static void write_number(struct encoding *encoding, const struct encoded_series *series, struct slice labels,
                         double number)
{
    if (series->label.length > 0)
        write_labelled(encoding, series, labels, number);
    else
        write_part(encoding, series, SLICE(""), labels, number);
}

static void write_sum_and_count(struct encoding *encoding, const struct encoded_series *series, struct slice labels,
                                double sum, double count)
{
    write_part(encoding, series, SLICE("_sum"), labels, sum);
    write_part(encoding, series, SLICE("_count"), labels, count);
}

/* Lines that differ in the last label alone.  All up to its value is taken from the line before. */
struct alike {
    size_t begin;  /* of the line before, on the page */
    size_t length; /* up to the value; 0: this is the first line */
};

/* Write a line whose last label is a number, or +Inf. */
static void write_alike(struct encoding *encoding, struct alike *alike, const struct encoded_series *series,
                        struct slice suffix, struct slice labels, double label, double value)
{
    struct buffer *page = encoding->page;
    size_t begin = page->length;
    char *at;
    if (alike->length == 0) {
        at = begin_line(encoding, series, suffix, labels, series->label.length);
        if (at == NULL)
            return;
        at = put_label(at, !has_labels(encoding, labels), series->label);
        alike->length = (size_t)(at - page->at) - begin;
    } else {
        at = buffer_reserve(page, alike->length + LINE_PARTS_MAX);
        if (at == NULL)
            return;
        at = put(at, (struct slice){page->at + alike->begin, alike->length});
    }
    alike->begin = begin;
    at = put_bound(encoding, at, label);
    *at++ = '"';
    end_line(encoding, at, true, value);
}

/* Buckets made cumulative, +Inf, sum, count. */
static void write_histogram(struct encoding *encoding, const struct encoded_series *series, struct slice labels,
                            const struct encoded_histogram *histogram)
{
    const struct encoded_series bucket = {.name = series->name, .label = SLICE("le")};
    struct alike alike = {0};
    double sum = 0;
    for (unsigned i = 0; i < histogram->size; i++) {
        sum += histogram->counts[i];
        write_alike(encoding, &alike, &bucket, SLICE("_bucket"), labels, histogram->bounds[i], sum);
    }
    write_alike(encoding, &alike, &bucket, SLICE("_bucket"), labels, INFINITY, histogram->count);
    write_sum_and_count(encoding, series, labels, histogram->sum, histogram->count);
}

static void write_summary(struct encoding *encoding, const struct encoded_series *series, struct slice labels,
                          const struct encoded_summary *summary)
{
    const struct encoded_series quantile = {.name = series->name, .label = SLICE("quantile")};
    struct alike alike = {0};
    for (unsigned i = 0; i < summary->size; i++)
        write_alike(encoding, &alike, &quantile, SLICE(""), labels, summary->quantiles[i], summary->values[i]);
    write_sum_and_count(encoding, series, labels, summary->sum, summary->count);
}

const struct encoder text_encoder = {
    .content_type = "text/plain; version=0.0.4; charset=utf-8",
    .memory = SPELLED_COUNT * sizeof(struct spelled),
    .family = write_family,
    .number = write_number,
    .histogram = write_histogram,
    .summary = write_summary,
};
