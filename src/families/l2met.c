#include "families/l2met.h"

#include "base/keyvalue.h"
#include "base/process.h"

enum {
    NAME_BYTES_MAX = 128,
    SOURCE_MAX = 128,
    SUFFIX_MAX = 8, /* "_seconds" */
    BOUNDS_MAX = 16,
};

static const double seconds_bounds[] = {0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60};
static const double other_bounds[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};

_Static_assert(COUNT(seconds_bounds) <= BOUNDS_MAX && COUNT(other_bounds) <= BOUNDS_MAX,
               "a measurement holds all bounds");

enum kind { KIND_COUNT, KIND_MEASURE, KIND_SAMPLE, KIND_UNIQUE, KINDS };

/* The words before "#". */
static const struct slice words[KINDS] = {
    [KIND_COUNT] = {"count", 5},
    [KIND_MEASURE] = {"measure", 7},
    [KIND_SAMPLE] = {"sample", 6},
    [KIND_UNIQUE] = {"unique", 6},
};

/* How older versions of l2met spell measure#. */
static const struct slice legacy = {"measure.", 8};

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

/* Every line that an app prints comes by here, so it is not taken apart before there is a "#" with one of the words;
 * and as few have any "#", it is looked for in the whole batch at once, which saves 20 instructions a line. */
static bool may_have_pairs(struct slice text, struct scan_ahead *hashes)
{
    size_t position = hashes != NULL ? scan_ahead(hashes, text, '#') : slice_index(text, '#');
    return has_key(text, position) || slice_starts_with(text, legacy);
}

static bool owns(const struct line *line, const struct family_context *context)
{
    struct process process;
    return slice_equals(line->appname, SLICE("app")) && may_have_pairs(line->message, context->hashes) &&
           !slice_starts_with(line->message, SLICE("{")) && /* JSON: there are texts in it, no pairs */
           process_read(line->procid, &process) &&
           !slice_equals(process.type, SLICE("postgres")); /* the log of a database server: SQL */
}

/* ---- what a line yields ---- */

/* Is the pair one of ours?  Then its name follows; "count#" alone is a word of a sentence. */
static bool read_key(const struct keyvalue *pair, bool has_legacy, enum kind *kind, struct slice *name)
{
    size_t start = 0;
    for (unsigned i = 0; i < KINDS && start == 0; i++) {
        size_t length = words[i].length;
        if (slice_starts_with(pair->key, words[i]) && pair->key.length > length && pair->key.at[length] == '#') {
            *kind = (enum kind)i;
            start = length + 1;
        }
    }
    if (start == 0 && has_legacy && slice_starts_with(pair->key, legacy)) {
        *kind = KIND_MEASURE;
        start = legacy.length;
    }
    *name = slice_after(pair->key, start);
    return start > 0 && (name->length > 0 || !pair->bare);
}

static bool is_name(struct slice text)
{
    for (size_t i = 0; i < text.length; i++) {
        char byte = text.at[i];
        if (!slice_is_digit(byte) && !(byte >= 'a' && byte <= 'z') && !(byte >= 'A' && byte <= 'Z') && byte != '.' &&
            byte != ':' && byte != '_' && byte != '-')
            return false;
    }
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

/* A histogram of one observation. */
union measurement {
    struct value value;
    union value_word words[sizeof(struct value) / sizeof(union value_word) + 1 + 2 * BOUNDS_MAX];
};

static void measure(union measurement *measurement, struct quantity quantity)
{
    bool seconds = quantity.unit == UNIT_SECONDS;
    const double *bounds = seconds ? seconds_bounds : other_bounds;
    unsigned size = seconds ? COUNT(seconds_bounds) : COUNT(other_bounds);
    struct value *value = &measurement->value;
    value->type = VALUE_HISTOGRAM;
    value->number = 1;
    value->size = size;
    value->words[0].number = quantity.number;
    for (unsigned i = 0; i < size; i++) {
        bool within = quantity.number <= bounds[i] && (i == 0 || quantity.number > bounds[i - 1]);
        value->words[1 + i].number = bounds[i];
        value->words[1 + size + i].number = within;
    }
}

/* Record a pair; sample has the labels already. */
static void record_pair(struct sample *sample, enum kind kind, struct slice name, struct quantity quantity,
                        struct sample_output *output)
{
    char text[NAME_BYTES_MAX + SUFFIX_MAX];
    union measurement measurement = {0};
    struct slice suffix = kind == KIND_COUNT ? SLICE("_total") : keyvalue_suffix(quantity.unit);
    memcpy(text, name.at, name.length);
    sample->name = (struct slice){text, name.length};
    if (suffix.length > 0 && !ends_in(name, suffix)) {
        memcpy(text + name.length, suffix.at, suffix.length);
        sample->name.length += suffix.length;
    }
    if (kind == KIND_MEASURE)
        measure(&measurement, quantity);
    else {
        measurement.value.type = kind == KIND_COUNT ? VALUE_COUNTER : VALUE_GAUGE;
        measurement.value.number = quantity.number;
    }
    sample->value = &measurement.value;
    sample->incremental = kind != KIND_SAMPLE;
    sample->no_expiry = kind != KIND_SAMPLE;
    output->record(output, sample);
}

/* The line's labels, for two kinds of samples. */
struct labels {
    struct label of_type[3];
    struct label of_process[3];
    struct slice process; /* empty for a one-off dyno */
};

static struct slice find_source(struct slice text)
{
    struct keyvalue_reader reader;
    struct keyvalue pair;
    keyvalue_start(&reader, text);
    while (keyvalue_next(&reader, &pair))
        if (slice_equals(pair.key, SLICE("source")))
            return slice_beginning(pair.value, SOURCE_MAX);
    return (struct slice){0};
}

static struct labels labels_of(const struct line *line, struct slice app)
{
    struct process process = {0};
    process_read(line->procid, &process);
    struct label source = {SLICE("source"), find_source(line->message)};
    struct label by_type = {SLICE("process_type"), process.type};
    struct label by_process = {SLICE("process"), line->procid};
    return (struct labels){.of_type = {{SLICE("app"), app}, by_type, source},
                           .of_process = {{SLICE("app"), app}, process.one_off ? by_type : by_process, source},
                           .process = process.one_off ? (struct slice){0} : line->procid};
}

static void read_pair(const struct keyvalue *pair, enum kind kind, struct slice name, const struct labels *labels,
                      struct sample_output *output)
{
    struct quantity quantity = {1, UNIT_NONE};
    if (kind == KIND_UNIQUE)
        return;
    if (!is_name(name)) {
        output->reject(output, REJECTED_NAME);
        return;
    }
    if ((!pair->bare && !keyvalue_quantity(pair->value, &quantity)) || (kind != KIND_SAMPLE && quantity.number < 0)) {
        output->reject(output, REJECTED_VALUE);
        return;
    }
    bool of_process = kind == KIND_SAMPLE;
    struct sample sample = {.namespace = SLICE("l2met"),
                            .labels = of_process ? labels->of_process : labels->of_type,
                            .label_count = COUNT(labels->of_type),
                            .labels_of_line = true,
                            .process = of_process ? labels->process : (struct slice){0},
                            .name_limited = true};
    record_pair(&sample, kind, name, quantity, output);
}

static enum verdict read_line(const struct line *line, struct family_context *context, struct sample_output *output)
{
    struct labels labels = labels_of(line, context->app);
    bool has_legacy = slice_starts_with(line->message, legacy);
    enum verdict verdict = VERDICT_NOT_A_METRIC;
    struct keyvalue_reader reader;
    struct keyvalue pair;
    enum kind kind;
    struct slice name;
    keyvalue_start(&reader, line->message);
    while (keyvalue_next(&reader, &pair)) {
        if (!read_key(&pair, has_legacy, &kind, &name))
            continue;
        read_pair(&pair, kind, name, &labels, output);
        verdict = VERDICT_RECOGNISED;
    }
    return verdict;
}

const struct family l2met_family = {.prefixes = {"l2met"}, .rules_after = true, .owns = owns, .read = read_line};
