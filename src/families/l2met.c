#include "families/l2met.h"

#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/keyvalue.h"
#include "base/process.h"
#include "families/cf_series.h"

enum {
    NAME_BYTES_MAX = 128,
    SOURCE_MAX = 128,
    SUFFIX_MAX = 8, /* "_seconds" */
};

/* ---- metrics: how the series count whose names apps choose ---- */

#define HELP "Reported by the app on its log."
#define HISTOGRAM(limits)                                                                                    \
    {                                                                                                        \
        .help = HELP, .type = METRIC_HISTOGRAM, .cells = COUNT(limits) + 2, .bounds = limits, .chosen = true \
    }

static const double seconds_bounds[] = {0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60};
static const double other_bounds[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};
static const struct metric counts = {.help = HELP, .type = METRIC_COUNTER, .cells = 1, .chosen = true};
static const struct metric durations = HISTOGRAM(seconds_bounds);
static const struct metric others = HISTOGRAM(other_bounds);

enum kind { KIND_COUNT, KIND_MEASURE, KIND_SAMPLE, KIND_UNIQUE, KINDS };

/* The words before "#". */
static const struct slice words[KINDS] = {
    [KIND_COUNT] = {"count", 5},
    [KIND_MEASURE] = {"measure", 7},
    [KIND_SAMPLE] = {"sample", 6},
    [KIND_UNIQUE] = {"unique", 6},
};

/* ---- which lines ---- */

/* Does a pair's key end with its word at position, where the "#" is? */
static bool is_key_at(struct slice text, size_t position)
{
    for (size_t i = 0; i < KINDS; i++) {
        size_t length = words[i].length;
        if (position >= length && memcmp(text.at + position - length, words[i].at, length) == 0)
            return position == length || text.at[position - length - 1] == ' ';
    }
    return false;
}

/* Is there a pair's key from position on, where the first "#" is? */
static bool has_key(struct slice text, size_t position)
{
    while (position < text.length) {
        if (is_key_at(text, position))
            return true;
        position += 1 + slice_index(slice_after(text, position + 1), '#');
    }
    return false;
}

/* A line is not taken apart before there is a "#" with one of the words. */
static bool may_have_pairs(struct slice text, struct scan_ahead *hashes)
{
    size_t position;
    return l2met_might_own(text, hashes, &position) &&
           (has_key(text, position) || slice_starts_with(text, L2MET_LEGACY));
}

static bool hears(const struct line *line)
{
    struct process process;
    if (cf_is_author(line))
        return cf_is_printed(line);
    return slice_equals(line->appname, SLICE("app")) && process_read(line->procid, &process) &&
           !slice_equals(process.type, SLICE("postgres")); /* the log of a database server: SQL */
}

static bool owns(const struct line *line, const struct family_context *context)
{
    return may_have_pairs(line->message, context->hashes) && (context->cf != NULL || !cf_is_author(line)) &&
           !slice_starts_with(line->message, SLICE("{")); /* JSON: there are texts in it, no pairs */
}

/* ---- what a line yields ---- */

/* The length of what stands before the name in the key of a pair that is one of ours; 0 if it is none. */
static size_t read_kind(struct slice key, bool has_legacy, enum kind *kind)
{
    for (unsigned i = 0; i < KINDS; i++) {
        size_t length = words[i].length;
        if (key.length > length && key.at[length] == '#' && memcmp(key.at, words[i].at, length) == 0) {
            *kind = (enum kind)i;
            return length + 1;
        }
    }
    if (!has_legacy || !slice_starts_with(key, L2MET_LEGACY))
        return 0;
    *kind = KIND_MEASURE;
    return L2MET_LEGACY.length;
}

static bool is_name(struct slice text)
{
    static const bool allowed[256] = {['0' ... '9'] = true, ['a' ... 'z'] = true, ['A' ... 'Z'] = true, ['.'] = true,
                                      [':'] = true,         ['_'] = true,         ['-'] = true};
    for (size_t i = 0; i < text.length; i++)
        if (!allowed[(unsigned char)text.at[i]])
            return false;
    return text.length > 0 && text.length <= NAME_BYTES_MAX;
}

/* Does the name, made legal, end in this? "db.size.bytes" ends in "_bytes". */
static bool ends_in(struct slice name, struct slice suffix)
{
    struct slice word = slice_after(suffix, 1);
    if (name.length < word.length || !slice_equals(slice_after(name, name.length - word.length), word))
        return false;
    return name.length == word.length || strchr("._-", name.at[name.length - word.length - 1]) != NULL;
}

/* The name of what a pair yields, with its suffix; text is where it is put. */
static struct slice name_of(enum kind kind, struct slice name, enum unit unit, char text[NAME_BYTES_MAX + SUFFIX_MAX])
{
    struct slice suffix = kind == KIND_COUNT ? SLICE("_total") : keyvalue_suffix(unit);
    size_t length = name.length;
    memcpy(text, name.at, length);
    if (suffix.length > 0 && !ends_in(name, suffix)) {
        memcpy(text + length, suffix.at, suffix.length);
        length += suffix.length;
    }
    return (struct slice){text, length};
}

/* The line's labels, for two kinds of samples. */
struct labels {
    struct label of_type[3];
    struct label of_process[7]; /* on Cloud Foundry 5, or 7 with Promfetcher's; else 3 */
    size_t of_process_count;
    struct slice process; /* empty for a one-off dyno */
};

/* What is not used is left as it is: to clear it cost each line something. */
static void read_labels(const struct line *line, const struct family_context *context, struct slice source_of_line,
                        struct labels *labels)
{
    struct label source = {SLICE("source"), source_of_line};
    struct process process = {0};
    labels->of_type[0] = labels->of_process[0] = (struct label){SLICE("app"), context->app};
    labels->of_type[2] = labels->of_process[2] = source;
    labels->of_process_count = 3;
    if (context->cf != NULL) {
        struct cf_process of_line = cf_process_of(line, context);
        labels->process = of_line.name;
        labels->of_type[1] = labels->of_process[3] = (struct label){SLICE("process_type"), of_line.type};
        labels->of_process[1] = (struct label){SLICE("process"), of_line.name};
        labels->of_process[4] = (struct label){SLICE("instance_index"), context->cf->instance};
        cf_promfetcher_labels(context->cf->instance, labels->of_process + 5);
        labels->of_process_count = context->cf_instance_labels ? 7 : 5;
        return;
    }
    process_read(line->procid, &process);
    labels->process = process.one_off ? (struct slice){0} : line->procid;
    labels->of_type[1] = (struct label){SLICE("process_type"), process.type};
    labels->of_process[1] = process.one_off ? labels->of_type[1] : (struct label){SLICE("process"), line->procid};
}

/* ---- memory: the counted series that the batch's lines speak of ---- */

/* A series is known again by what its pair says, without making its name and labels, which took 2000 instructions. */
struct known_series {
    struct series *series; /* NULL: none */
    const struct metric *metric;
    uint64_t generation; /* of the output that gave the series */
    enum kind kind;
    enum unit unit;
    struct slice name; /* as the pair has it */
    struct slice type;
    struct slice source;
};
enum { KNOWN_SLOTS = 128 };

static void *create_state(void)
{
    return calloc(KNOWN_SLOTS, sizeof(struct known_series));
}

/* What a pair says, that can be used. */
struct measurement {
    enum kind kind;
    struct slice name;
    struct quantity quantity;
};

static bool is_of(const struct known_series *known, const struct measurement *of, const struct labels *labels)
{
    return known->kind == of->kind && known->unit == of->quantity.unit && slice_equals(known->name, of->name) &&
           slice_equals(known->type, labels->of_type[1].value) && slice_equals(known->source, labels->of_type[2].value);
}

/* A name decides about the bounds, so that "a=1s" and "a_seconds=1" are observed in one histogram. */
static const struct metric *metric_of(enum kind kind, struct slice name)
{
    return kind == KIND_COUNT ? &counts : ends_in(name, SLICE("_seconds")) ? &durations : &others;
}

static struct known_series find_series(const struct measurement *measurement, const struct labels *labels,
                                       struct sample_output *output)
{
    char text[NAME_BYTES_MAX + SUFFIX_MAX];
    struct slice name = name_of(measurement->kind, measurement->name, measurement->quantity.unit, text);
    struct sample sample = {.metric = metric_of(measurement->kind, name),
                            .namespace = SLICE("l2met"),
                            .name = name,
                            .labels = labels->of_type,
                            .label_count = COUNT(labels->of_type),
                            .amount = measurement->quantity.number, /* if it is refused, explain shows it */
                            .name_limited = true};
    struct series *series = output->find(output, &sample);
    return (struct known_series){.series = series,
                                 .metric = sample.metric,
                                 .generation = output->generation,
                                 .kind = measurement->kind,
                                 .unit = measurement->quantity.unit,
                                 .name = measurement->name,
                                 .type = labels->of_type[1].value,
                                 .source = labels->of_type[2].value};
}

/* The series that the pair is counted in; its series is NULL if it was refused.  NULL if the name was rejected. */
static const struct known_series *lookup(const struct measurement *measurement, const struct labels *labels,
                                         const struct family_context *context, struct sample_output *output)
{
    struct known_series *all = context->states[FAMILY_L2MET];
    struct known_series *known = &all[XXH3_64bits(measurement->name.at, measurement->name.length) % KNOWN_SLOTS];
    if (known->series != NULL && known->generation == output->generation && is_of(known, measurement, labels))
        return known;
    /* What is known has such a name: to look at each of its bytes again took 100 instructions. */
    if (!is_name(measurement->name)) {
        output->reject(output, REJECTED_NAME);
        return NULL;
    }
    *known = find_series(measurement, labels, output);
    return known;
}

/* ---- pairs and lines ---- */

static void record_level(const struct measurement *measurement, const struct labels *labels,
                         struct sample_output *output)
{
    char text[NAME_BYTES_MAX + SUFFIX_MAX];
    struct value value = {.type = VALUE_GAUGE, .number = measurement->quantity.number};
    struct sample sample = {.namespace = SLICE("l2met"),
                            .name = name_of(KIND_SAMPLE, measurement->name, measurement->quantity.unit, text),
                            .labels = labels->of_process,
                            .label_count = labels->of_process_count,
                            .labels_of_line = true,
                            .process = labels->process,
                            .name_limited = true,
                            .value = &value};
    output->record(output, &sample);
}

static void record(const struct measurement *measurement, const struct labels *labels,
                   const struct family_context *context, struct sample_output *output)
{
    if (measurement->kind == KIND_SAMPLE) {
        if (is_name(measurement->name))
            record_level(measurement, labels, output);
        else
            output->reject(output, REJECTED_NAME);
        return;
    }
    const struct known_series *known = lookup(measurement, labels, context, output);
    if (known == NULL || known->series == NULL)
        return;
    if (measurement->kind == KIND_COUNT)
        output->add(output, known->series, 0, measurement->quantity.number);
    else
        output->observe(output, known->series, known->metric, measurement->quantity.number);
}

/* Some pairs of a line that are ours.  They are kept until its source is known, which may stand at its end: to read
 * the line twice took a tenth of its time. */
enum { PAIRS_MAX = 16 };
struct pairs {
    unsigned count;
    struct pair {
        enum kind kind;
        bool bare;
        struct slice name;
        struct slice value;
    } list[PAIRS_MAX];
    bool has_source; /* the line's first */
    struct slice source;
};

static void read_source(struct pairs *pairs, const struct keyvalue *pair)
{
    if (pairs->has_source || !slice_equals(pair->key, SLICE("source")))
        return;
    pairs->has_source = true;
    pairs->source = slice_beginning(pair->value, SOURCE_MAX);
}

/* Read pairs until the line's end, or until there are PAIRS_MAX of ours. */
static void collect(struct pairs *pairs, struct keyvalue_reader *reader, bool has_legacy)
{
    struct keyvalue pair;
    enum kind kind = KIND_COUNT;
    pairs->count = 0;
    while (pairs->count < PAIRS_MAX && keyvalue_next(reader, &pair)) {
        size_t start = read_kind(pair.key, has_legacy, &kind);
        struct slice name = slice_after(pair.key, start);
        if (start == 0)
            read_source(pairs, &pair);
        else if (name.length > 0 || !pair.bare) /* "count#" alone is a word of a sentence */
            pairs->list[pairs->count++] = (struct pair){kind, pair.bare, name, pair.value};
    }
}

static void record_pair(const struct pair *pair, const struct labels *labels, const struct family_context *context,
                        struct sample_output *output)
{
    struct measurement measurement = {pair->kind, pair->name, {1, UNIT_NONE}};
    struct quantity *quantity = &measurement.quantity;
    if (pair->kind == KIND_UNIQUE)
        return;
    if ((!pair->bare && !keyvalue_quantity(pair->value, quantity)) ||
        (pair->kind != KIND_SAMPLE && quantity->number < 0))
        output->reject(output, is_name(pair->name) ? REJECTED_VALUE : REJECTED_NAME);
    else
        record(&measurement, labels, context, output);
}

static enum verdict read_line(const struct line *line, struct family_context *context, struct sample_output *output)
{
    bool has_legacy = slice_starts_with(line->message, L2MET_LEGACY);
    struct keyvalue_reader reader;
    struct pairs pairs;
    pairs.has_source = false;
    pairs.source = (struct slice){0};
    keyvalue_start(&reader, line->message);
    collect(&pairs, &reader, has_legacy);
    if (pairs.count == 0)
        return VERDICT_NOT_A_METRIC;
    struct keyvalue_reader ahead = reader;
    struct keyvalue pair;
    while (!pairs.has_source && keyvalue_next(&ahead, &pair))
        read_source(&pairs, &pair);
    struct labels labels;
    read_labels(line, context, pairs.source, &labels);
    for (; pairs.count > 0; collect(&pairs, &reader, has_legacy))
        for (unsigned i = 0; i < pairs.count; i++)
            record_pair(&pairs.list[i], &labels, context, output);
    return VERDICT_RECOGNISED;
}

const struct family l2met_family = {.prefixes = {"l2met"},
                                    .rules_after = true,
                                    .create_state = create_state,
                                    .free_state = free,
                                    .hears = hears,
                                    .owns = owns,
                                    .read = read_line};
