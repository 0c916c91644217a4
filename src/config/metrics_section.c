/* The metrics of rules of the configuration. */
#include <stdlib.h>

#include "base/reserved.h"
#include "config/rules_section.h"

enum { HELP_MAX = 512 };

static bool is_metric_name(struct slice name)
{
    for (size_t i = 0; i < name.length; i++) {
        char byte = name.at[i];
        if (!((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' || byte == ':' ||
              (i > 0 && slice_is_digit(byte))))
            return false;
    }
    return name.length > 0;
}

static void read_metric_name(struct document_reader *reader, struct rule_reading *reading, const yaml_node_t *value,
                             enum rule_action action)
{
    struct slice name;
    struct rule_metric *metric = reading->metric;
    if (metric->name != NULL || !config_read_text(reader, value, "a metric's name", IDENTITY_NAME_MAX - 2, &name))
        return;
    if (!is_metric_name(name))
        config_note(reader, &value->start_mark,
                    "a metric's name must be letters, digits, \"_\" and \":\", and not start with a digit");
    else if (reserved_metric(name, RESERVED_FROM_RULES))
        config_note(reader, &value->start_mark,
                    "a metric's name cannot be up, nor start with heroku_, drain_exporter_, process_, l2met_, "
                    "cf_app_, cf_container_, cf_http_, cf_instance_, cf_router_, scrape_ or ALERTS");
    else {
        metric->action = action;
        metric->name = config_keep(reader, name);
        config_remember(reader, &reader->metrics, name, &value->start_mark, metric);
    }
}

static void read_counter(struct document_reader *reader, void *into, const yaml_node_t *value)
{
    read_metric_name(reader, into, value, RULE_COUNTER);
}

static void read_gauge(struct document_reader *reader, void *into, const yaml_node_t *value)
{
    read_metric_name(reader, into, value, RULE_GAUGE);
}

static void read_histogram(struct document_reader *reader, void *into, const yaml_node_t *value)
{
    read_metric_name(reader, into, value, RULE_HISTOGRAM);
}

static void read_total(struct document_reader *reader, void *into, const yaml_node_t *value)
{
    read_metric_name(reader, into, value, RULE_EXTERNAL_COUNTER);
}

static void read_help(struct document_reader *reader, void *into, const yaml_node_t *value)
{
    struct rule_reading *reading = into;
    struct slice help;
    if (!config_read_text(reader, value, "help", HELP_MAX, &help))
        return;
    if (config_has_control(help) || slice_index(help, '\\') < help.length)
        config_note(reader, &value->start_mark, "help holds a backslash or a control character");
    else
        reading->metric->help = config_keep(reader, help);
}

static void read_scale(struct document_reader *reader, void *into, const yaml_node_t *value)
{
    struct rule_reading *reading = into;
    double scale;
    if (!rules_read_number(reader, value, "scale", &scale))
        return;
    if (scale <= 0)
        config_note(reader, &value->start_mark, "scale must be greater than 0");
    else
        reading->metric->scale = scale;
}

static bool has_label(const struct rule_metric *metric, struct slice name)
{
    for (size_t i = 0; i < metric->label_count; i++)
        if (metric->labels[i].name != NULL && slice_equals(slice_of(metric->labels[i].name), name))
            return true;
    return false;
}

static void read_label(struct document_reader *reader, const struct rule_reading *reading, const yaml_node_t *key,
                       const yaml_node_t *value)
{
    struct slice name;
    struct rule_metric *metric = reading->metric;
    struct rule_label *label = &metric->labels[metric->label_count];
    if (!config_read_label_name(reader, key, RESERVED_FROM_RULES, &name))
        return;
    if (has_label(metric, name))
        config_note(reader, &key->start_mark, "this label is given twice");
    else {
        metric->label_count++; /* also with a mistake, so that it is freed */
        if (rules_read_label_value(reader, value, reading, label))
            label->name = config_keep(reader, name);
    }
}

static int compare_labels(const void *left, const void *right)
{
    return strcmp(((const struct rule_label *)left)->name, ((const struct rule_label *)right)->name);
}

static void read_labels(struct document_reader *reader, void *into, const yaml_node_t *value)
{
    struct rule_reading *reading = into;
    struct rule_metric *metric = reading->metric;
    if (!config_is_kind(reader, value, YAML_MAPPING_NODE, "labels"))
        return;
    const yaml_node_pair_t *start = value->data.mapping.pairs.start, *top = value->data.mapping.pairs.top;
    if (top - start > RULE_LABELS_MAX) {
        config_note(reader, &value->start_mark, "there are more than %d labels", RULE_LABELS_MAX);
        return;
    }
    metric->labels = config_allocate(reader, RULE_LABELS_MAX, sizeof metric->labels[0]);
    if (metric->labels == NULL)
        return;
    for (const yaml_node_pair_t *pair = start; pair < top; pair++)
        read_label(reader, reading, config_node(reader, pair->key), config_node(reader, pair->value));
    if (metric->label_count > 1 && reader->mistake_count == 0 && !reader->no_memory)
        qsort(metric->labels, metric->label_count, sizeof metric->labels[0], compare_labels);
}

static void read_buckets(struct document_reader *reader, void *into, const yaml_node_t *value)
{
    struct rule_reading *reading = into;
    struct rule_metric *metric = reading->metric;
    size_t count;
    metric->bounds =
        config_allocate_list(reader, value, "buckets", 1, RULE_BUCKETS_MAX, sizeof metric->bounds[0], &count);
    for (size_t i = 0; metric->bounds != NULL && i < count; i++) {
        const yaml_node_t *item = config_list_item(reader, value, i);
        double bound;
        if (!rules_read_number(reader, item, "a bucket", &bound))
            continue;
        bound += 0.0; /* no -0 */
        if (metric->bound_count > 0 && bound <= metric->bounds[metric->bound_count - 1])
            config_note(reader, &item->start_mark, "a bucket must be greater than the one before it");
        metric->bounds[metric->bound_count++] = bound;
    }
}

static void read_unit(struct document_reader *reader, void *into, const yaml_node_t *value)
{
    struct rule_reading *reading = into;
    struct slice unit;
    if (!config_read_text(reader, value, "unit", RULES_TEXT_MAX, &unit))
        return;
    if (slice_equals(unit, SLICE("bytes")))
        reading->metric->unit = AMOUNT_BYTES;
    else if (slice_equals(unit, SLICE("seconds")))
        reading->metric->unit = AMOUNT_SECONDS;
    else
        config_note(reader, &value->start_mark, "unit must be bytes or seconds");
}

static void read_with(struct document_reader *reader, void *into, const yaml_node_t *value)
{
    static const struct {
        struct slice name;
        unsigned bit;
    } labels[] = {{{"app", 3}, RULE_WITH_APP},
                  {{"process", 7}, RULE_WITH_PROCESS},
                  {{"process_type", 12}, RULE_WITH_PROCESS_TYPE}};
    struct rule_reading *reading = into;
    if (!config_is_kind(reader, value, YAML_SEQUENCE_NODE, "with"))
        return;
    reading->metric->with = 0;
    for (size_t i = 0; i < config_list_length(value); i++) {
        const yaml_node_t *item = config_list_item(reader, value, i);
        size_t label = 0;
        while (label < 3 && !slice_equals(config_text(item), labels[label].name))
            label++;
        if (label < 3)
            reading->metric->with |= labels[label].bit;
        else
            config_note(reader, &item->start_mark, "with may hold app, process and process_type");
    }
}

static void read_add(struct document_reader *reader, void *into, const yaml_node_t *value)
{
    config_read_truth(reader, value, "add", &((struct rule_reading *)into)->metric->add);
}

enum { COUNTER, GAUGE, HISTOGRAM, TOTAL, HELP, VALUE, SCALE, UNIT, LABELS, BUCKETS, WITH, ADD, METRIC_KEYS };
static const struct config_key metric_keys[METRIC_KEYS] = {
    [COUNTER] = {"counter", read_counter}, [GAUGE] = {"gauge", read_gauge}, [HISTOGRAM] = {"histogram", read_histogram},
    [TOTAL] = {"total", read_total},       [HELP] = {"help", read_help},    [VALUE] = {"value", rules_read_value},
    [SCALE] = {"scale", read_scale},       [UNIT] = {"unit", read_unit},    [LABELS] = {"labels", read_labels},
    [BUCKETS] = {"buckets", read_buckets}, [WITH] = {"with", read_with},    [ADD] = {"add", read_add},
};

/* What one key alone cannot tell. */
static void check_metric(struct document_reader *reader, const yaml_node_t *node, const struct rule_metric *metric,
                         unsigned seen)
{
    unsigned kinds = seen & (1U << COUNTER | 1U << GAUGE | 1U << HISTOGRAM | 1U << TOTAL);
    if (kinds == 0)
        config_note(reader, &node->start_mark, "a metric is one of counter, gauge, histogram and total");
    else if (kinds & (kinds - 1))
        config_note(reader, &node->start_mark, "a metric is one of counter, gauge, histogram and total, not several");
    else if (kinds != 1U << COUNTER && !(seen & 1U << VALUE))
        config_note(reader, &node->start_mark, "there is no value");
    if (metric->value.name == NULL) {
        rules_check_key(reader, node, metric_keys, seen, SCALE, "has no value to scale");
        rules_check_key(reader, node, metric_keys, seen, UNIT, "is for a value that the line has");
    }
    if (!(kinds & 1U << HISTOGRAM))
        rules_check_key(reader, node, metric_keys, seen, BUCKETS, "are for a histogram");
    if (!(kinds & 1U << GAUGE))
        rules_check_key(reader, node, metric_keys, seen, ADD, "is for a gauge");
}

/* A value that is not of the line. */
static void check_constant(struct document_reader *reader, const yaml_node_t *node, const struct rule_metric *metric,
                           unsigned seen)
{
    if (!(seen & 1U << VALUE) || metric->value.name != NULL)
        return;
    if (metric->action == RULE_EXTERNAL_COUNTER)
        rules_check_key(reader, node, metric_keys, seen, VALUE, "of a total must be $NAME: what the app has counted");
    else if (metric->action != RULE_GAUGE && metric->constant < 0)
        rules_check_key(reader, node, metric_keys, seen, VALUE, "must not be negative");
}

static bool is_other_array(const struct rule_field *field, const char **array)
{
    if (field->name == NULL || field->source != RULE_OF_ELEMENT)
        return false;
    size_t length = rule_array_length(field->name);
    bool is_other =
        *array != NULL && (rule_array_length(*array) != length || strncmp(*array, field->name, length) != 0);
    *array = field->name;
    return is_other;
}

/* A sample is of one element. */
static void check_arrays(struct document_reader *reader, const yaml_node_t *node, const struct rule_metric *metric)
{
    const char *array = NULL;
    bool several = is_other_array(&metric->value, &array);
    for (size_t i = 0; i < metric->label_count; i++)
        for (size_t j = 0; j < metric->labels[i].part_count; j++)
            several |= is_other_array(&metric->labels[i].parts[j].field, &array);
    if (several)
        config_note(reader, &node->start_mark, "a metric is of the elements of one array, not of several");
}

/* What the metric has if nothing is said. */
static void add_defaults(struct document_reader *reader, struct rule_metric *metric)
{
    if (metric->help == NULL)
        metric->help = config_keep(reader, SLICE(RULE_HELP));
    if (metric->action != RULE_HISTOGRAM || metric->bounds != NULL)
        return;
    metric->bounds = config_allocate(reader, RULE_DEFAULT_BOUNDS, sizeof metric->bounds[0]);
    if (metric->bounds == NULL)
        return;
    memcpy(metric->bounds, rule_default_bounds, sizeof rule_default_bounds);
    metric->bound_count = RULE_DEFAULT_BOUNDS;
}

void rules_read_metrics(struct document_reader *reader, void *into, const yaml_node_t *value)
{
    struct rule_reading *reading = into;
    struct rule *rule = reading->rule;
    size_t count;
    rule->metrics =
        config_allocate_list(reader, value, "metrics", 1, RULE_METRICS_MAX, sizeof rule->metrics[0], &count);
    for (size_t i = 0; rule->metrics != NULL && i < count; i++) {
        const yaml_node_t *item = config_list_item(reader, value, i);
        if (!config_is_kind(reader, item, YAML_MAPPING_NODE, "a metric"))
            continue;
        reading->metric = &rule->metrics[rule->metric_count++];
        *reading->metric = (struct rule_metric){.scale = 1, .constant = 1, .with = RULE_WITH_APP};
        unsigned seen = config_read_mapping(
            reader, item, metric_keys, METRIC_KEYS,
            "counter, gauge, histogram, total, help, value, scale, unit, labels, buckets, with and add", reading);
        if (reading->metric->action == RULE_EXTERNAL_COUNTER && !(seen & 1U << WITH))
            reading->metric->with |= RULE_WITH_PROCESS; /* each process counts for itself */
        check_metric(reader, item, reading->metric, seen);
        check_constant(reader, item, reading->metric, seen);
        check_arrays(reader, item, reading->metric);
        add_defaults(reader, reading->metric);
    }
}

/* ---- metrics of all rules ---- */

static bool has_same_bounds(const struct rule_metric *a, const struct rule_metric *b)
{
    return a->bound_count == b->bound_count &&
           (a->bound_count == 0 || memcmp(a->bounds, b->bounds, a->bound_count * sizeof a->bounds[0]) == 0);
}

void rules_check_metrics(struct document_reader *reader)
{
    struct locations *metrics = &reader->metrics;
    config_sort_locations(metrics);
    for (size_t i = 1; i < metrics->count; i++) {
        const struct location *first = &metrics->list[i - 1], *second = &metrics->list[i];
        const struct rule_metric *a = first->item, *b = second->item;
        const char *other = NULL;
        if (!slice_equals(first->text, second->text) || reader->no_memory)
            continue;
        if (a->action != b->action)
            other = "is of another type";
        else if (strcmp(a->help, b->help) != 0)
            other = "has another help";
        else if (!has_same_bounds(a, b))
            other = "has other buckets";
        if (other != NULL)
            config_note(reader, &second->mark, "this metric %s in line %zu", other, first->mark.line + 1);
    }
}
