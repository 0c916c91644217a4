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

/* One line: name suffix { labels , label = "text or number" } value. */
struct line_parts {
    const struct encoded_series *series;
    struct slice suffix;
    struct slice label;      /* empty: there is none */
    struct slice label_text; /* at is NULL: the number is the label's value */
    double label_number;
    double value;
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

static void write_line(struct encoding *encoding, const struct line_parts *parts)
{
    struct slice name = parts->series->name;
    struct slice labels = parts->series->labels;
    struct slice external = encoding->external;
    size_t length = name.length + external.length + labels.length + parts->label.length + parts->label_text.length;
    char *start = buffer_reserve(encoding->page, length + LINE_PARTS_MAX);
    if (start == NULL)
        return;
    char *at = put(put(start, name), parts->suffix);
    if (external.length + labels.length + parts->label.length > 0) {
        *at++ = '{';
        at = put(at, external);
        if (external.length > 0 && labels.length > 0)
            *at++ = ',';
        at = put(at, labels);
        if (parts->label.length > 0) {
            if (external.length + labels.length > 0)
                *at++ = ',';
            at = put(at, parts->label);
            *at++ = '=';
            *at++ = '"';
            at = parts->label_text.at != NULL ? put(at, parts->label_text)
                                              : put_bound(encoding, at, parts->label_number);
            *at++ = '"';
        }
        *at++ = '}';
    }
    *at++ = ' ';
    at += number_spell(parts->value, at);
    *at++ = '\n';
    encoding->page->length += (size_t)(at - start);
    encoding->lines++;
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

static void write_number(struct encoding *encoding, const struct encoded_series *series, double number)
{
    write_line(encoding,
               &(struct line_parts){
                   .series = series, .label = series->label, .label_text = series->label_value, .value = number});
}

static void write_sum_and_count(struct encoding *encoding, const struct encoded_series *series, double sum,
                                double count)
{
    write_line(encoding, &(struct line_parts){.series = series, .suffix = SLICE("_sum"), .value = sum});
    write_line(encoding, &(struct line_parts){.series = series, .suffix = SLICE("_count"), .value = count});
}

/* Buckets made cumulative, +Inf, sum, count. */
static void write_histogram(struct encoding *encoding, const struct encoded_series *series,
                            const struct encoded_histogram *histogram)
{
    struct line_parts parts = {.series = series, .suffix = SLICE("_bucket"), .label = SLICE("le")};
    for (unsigned i = 0; i < histogram->size; i++) {
        parts.label_number = histogram->bounds[i];
        parts.value += histogram->counts[i];
        write_line(encoding, &parts);
    }
    parts.label_text = SLICE("+Inf");
    parts.value = histogram->count;
    write_line(encoding, &parts);
    write_sum_and_count(encoding, series, histogram->sum, histogram->count);
}

static void write_summary(struct encoding *encoding, const struct encoded_series *series,
                          const struct encoded_summary *summary)
{
    struct line_parts parts = {.series = series, .label = SLICE("quantile")};
    for (unsigned i = 0; i < summary->size; i++) {
        parts.label_number = summary->quantiles[i];
        parts.value = summary->values[i];
        write_line(encoding, &parts);
    }
    write_sum_and_count(encoding, series, summary->sum, summary->count);
}

const struct encoder text_encoder = {
    .content_type = "text/plain; version=0.0.4; charset=utf-8",
    .memory = SPELLED_COUNT * sizeof(struct spelled),
    .family = write_family,
    .number = write_number,
    .histogram = write_histogram,
    .summary = write_summary,
};
