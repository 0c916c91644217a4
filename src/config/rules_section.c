/* The section "rules" of the configuration. */
#include <math.h>
#include <stdlib.h>

#include "config/document.h"
#include "families/rules.h"

enum { TEXT_MAX = 1024, HELP_MAX = 512, GLOB_MAX = 128 };

/* What is being read. */
struct reading {
    struct rule *rule;
    struct rule_metric *metric; /* of it */
    bool has_fields;            /* it is known which fields the rule's lines have */
};

/* ---- values ---- */

static void read_truth(struct reader *reader, const yaml_node_t *node, const char *what, bool *truth)
{
    if (!config_is_kind(reader, node, YAML_SCALAR_NODE, what))
        return;
    *truth = slice_equals(config_text(node), SLICE("true"));
    if (!*truth && !slice_equals(config_text(node), SLICE("false")))
        config_note(reader, &node->start_mark, "%s must be true or false", what);
}

static bool read_number(struct reader *reader, const yaml_node_t *node, const char *what, double *number)
{
    char digits[64], *end = digits;
    *number = 0;
    if (!config_is_kind(reader, node, YAML_SCALAR_NODE, what))
        return false;
    struct slice text = config_text(node);
    if (text.length > 0 && text.length < sizeof digits) {
        memcpy(digits, text.at, text.length);
        digits[text.length] = '\0';
        if (strspn(digits, "0123456789.eE+-") == text.length)
            *number = strtod(digits, &end);
    }
    if (end == digits || *end != '\0' || !isfinite(*number)) {
        config_note(reader, &node->start_mark, "%s must be a number", what);
        return false;
    }
    return true;
}

static bool is_word(const char *text)
{
    for (const char *at = text; *at != '\0'; at++)
        if (!slice_is_digit(*at) && !(*at >= 'a' && *at <= 'z') && !(*at >= 'A' && *at <= 'Z') && *at != '_')
            return false;
    return *text != '\0';
}

/* "$name": does the rule have a field of this name? */
static void check_field(struct reader *reader, const yaml_node_t *node, const struct reading *reading, const char *name)
{
    const struct rule *rule = reading->rule;
    if (*name == '\0')
        config_note(reader, &node->start_mark, "there is no name behind the '$'");
    else if (!reading->has_fields)
        return; /* something is wrong with what would have them */
    else if (rule->lines != RULE_MATCH && strlen(name) > RULE_FIELD_MAX)
        config_note(reader, &node->start_mark, "no field has a name of more than %d bytes", RULE_FIELD_MAX);
    else if (rule->lines == RULE_MATCH && !is_word(name))
        config_note(reader, &node->start_mark,
                    "behind '$' must be the name of a group and nothing else: a text is either constant or $NAME");
    else if (rule->lines == RULE_MATCH && rule_pattern_group(rule->pattern, name) == 0)
        config_note(reader, &node->start_mark, "the expression has no group (?<%.32s>...)", name);
}

/* A constant or "$name". */
static bool read_source(struct reader *reader, const yaml_node_t *node, const char *what, const struct reading *reading,
                        struct rule_text *source)
{
    struct slice text;
    if (!config_read_text(reader, node, what, TEXT_MAX, &text))
        return false;
    bool is_field = text.at[0] == '$';
    if (!is_field && slice_index(text, '$') < text.length) {
        config_note(reader, &node->start_mark, "%s is either constant or $NAME alone", what);
        return false;
    }
    *source = (struct rule_text){config_keep(reader, slice_after(text, is_field)), is_field, 0};
    if (is_field && source->text != NULL)
        check_field(reader, node, reading, source->text);
    return true;
}

/* ---- a metric ---- */

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

/* Names that mean something else, or will. */
static bool is_taken_name(struct slice name)
{
    static const char *const taken[] = {"heroku_", "drain_exporter_", "process_", "l2met_"};
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++)
        if (slice_starts_with(name, slice_of(taken[i])))
            return true;
    return false;
}

static void read_metric_name(struct reader *reader, struct reading *reading, const yaml_node_t *value,
                             enum rule_action action)
{
    struct slice name;
    struct rule_metric *metric = reading->metric;
    if (metric->name != NULL || !config_read_text(reader, value, "a metric's name", IDENTITY_NAME_MAX - 2, &name))
        return;
    if (!is_metric_name(name))
        config_note(reader, &value->start_mark,
                    "a metric's name must be letters, digits, \"_\" and \":\", and not start with a digit");
    else if (is_taken_name(name))
        config_note(reader, &value->start_mark,
                    "a metric's name cannot start with heroku_, drain_exporter_, process_ or l2met_");
    else {
        metric->action = action;
        metric->name = config_keep(reader, name);
        config_remember(reader, &reader->metrics, name, &value->start_mark, metric);
    }
}

static void read_counter(struct reader *reader, void *into, const yaml_node_t *value)
{
    read_metric_name(reader, into, value, RULE_COUNTER);
}

static void read_gauge(struct reader *reader, void *into, const yaml_node_t *value)
{
    read_metric_name(reader, into, value, RULE_GAUGE);
}

static void read_histogram(struct reader *reader, void *into, const yaml_node_t *value)
{
    read_metric_name(reader, into, value, RULE_HISTOGRAM);
}

static void read_total(struct reader *reader, void *into, const yaml_node_t *value)
{
    read_metric_name(reader, into, value, RULE_EXTERNAL_COUNTER);
}

static void read_help(struct reader *reader, void *into, const yaml_node_t *value)
{
    struct reading *reading = into;
    struct slice help;
    if (!config_read_text(reader, value, "help", HELP_MAX, &help))
        return;
    if (config_has_control(help) || slice_index(help, '\\') < help.length)
        config_note(reader, &value->start_mark, "help holds a backslash or a control character");
    else
        reading->metric->help = config_keep(reader, help);
}

static void read_value(struct reader *reader, void *into, const yaml_node_t *value)
{
    struct reading *reading = into;
    struct rule_text *source = &reading->metric->value;
    if (read_source(reader, value, "value", reading, source) && !source->is_field)
        config_note(reader, &value->start_mark, "value must be $NAME: a number that the line has");
}

static void read_scale(struct reader *reader, void *into, const yaml_node_t *value)
{
    struct reading *reading = into;
    double scale;
    if (!read_number(reader, value, "scale", &scale))
        return;
    if (scale <= 0)
        config_note(reader, &value->start_mark, "scale must be greater than 0");
    else
        reading->metric->scale = scale;
}

/* Ours, or Prometheus's. */
static const char *const taken_labels[] = {"app", "process", "process_type", "le", "quantile"};

static bool has_label(const struct rule_metric *metric, struct slice name)
{
    for (size_t i = 0; i < metric->label_count; i++)
        if (slice_equals(slice_of(metric->labels[i].name), name))
            return true;
    return false;
}

static void read_label(struct reader *reader, const struct reading *reading, const yaml_node_t *key,
                       const yaml_node_t *value)
{
    struct slice name;
    struct rule_metric *metric = reading->metric;
    struct rule_label *label = &metric->labels[metric->label_count];
    if (!config_read_label_name(reader, key, taken_labels, COUNT(taken_labels), &name))
        return;
    if (has_label(metric, name))
        config_note(reader, &key->start_mark, "this label is given twice");
    else if (read_source(reader, value, "a label's value", reading, &label->value)) {
        label->name = config_keep(reader, name);
        metric->label_count++;
    }
}

static int compare_labels(const void *left, const void *right)
{
    return strcmp(((const struct rule_label *)left)->name, ((const struct rule_label *)right)->name);
}

static void read_labels(struct reader *reader, void *into, const yaml_node_t *value)
{
    struct reading *reading = into;
    struct rule_metric *metric = reading->metric;
    if (!config_is_kind(reader, value, YAML_MAPPING_NODE, "labels"))
        return;
    const yaml_node_pair_t *start = value->data.mapping.pairs.start, *top = value->data.mapping.pairs.top;
    if (top - start > RULE_LABELS_MAX) {
        config_note(reader, &value->start_mark, "there are more than %d labels", RULE_LABELS_MAX);
        return;
    }
    metric->labels = config_allocate(reader, RULE_LABELS_MAX, sizeof metric->labels[0]);
    for (const yaml_node_pair_t *pair = start; metric->labels != NULL && pair < top; pair++)
        read_label(reader, reading, config_node(reader, pair->key), config_node(reader, pair->value));
    if (metric->label_count > 1 && !reader->no_memory)
        qsort(metric->labels, metric->label_count, sizeof metric->labels[0], compare_labels);
}

static void read_buckets(struct reader *reader, void *into, const yaml_node_t *value)
{
    struct reading *reading = into;
    struct rule_metric *metric = reading->metric;
    if (!config_is_kind(reader, value, YAML_SEQUENCE_NODE, "buckets"))
        return;
    size_t count = config_list_length(value);
    if (count == 0 || count > RULE_BUCKETS_MAX) {
        config_note(reader, &value->start_mark, "there must be 1 to %d buckets", RULE_BUCKETS_MAX);
        return;
    }
    metric->bounds = config_allocate(reader, count, sizeof metric->bounds[0]);
    for (size_t i = 0; metric->bounds != NULL && i < count; i++) {
        const yaml_node_t *item = config_list_item(reader, value, i);
        double bound;
        if (!read_number(reader, item, "a bucket", &bound))
            continue;
        bound += 0.0; /* no -0 */
        if (metric->bound_count > 0 && bound <= metric->bounds[metric->bound_count - 1])
            config_note(reader, &item->start_mark, "a bucket must be greater than the one before it");
        metric->bounds[metric->bound_count++] = bound;
    }
}

static void read_with(struct reader *reader, void *into, const yaml_node_t *value)
{
    static const struct {
        struct slice name;
        unsigned bit;
    } labels[] = {{{"app", 3}, RULE_WITH_APP},
                  {{"process", 7}, RULE_WITH_PROCESS},
                  {{"process_type", 12}, RULE_WITH_PROCESS_TYPE}};
    struct reading *reading = into;
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

static void read_add(struct reader *reader, void *into, const yaml_node_t *value)
{
    read_truth(reader, value, "add", &((struct reading *)into)->metric->add);
}

enum { COUNTER, GAUGE, HISTOGRAM, TOTAL, HELP, VALUE, SCALE, LABELS, BUCKETS, WITH, ADD, METRIC_KEYS };
static const struct config_key metric_keys[METRIC_KEYS] = {
    [COUNTER] = {"counter", read_counter},
    [GAUGE] = {"gauge", read_gauge},
    [HISTOGRAM] = {"histogram", read_histogram},
    [TOTAL] = {"total", read_total},
    [HELP] = {"help", read_help},
    [VALUE] = {"value", read_value},
    [SCALE] = {"scale", read_scale},
    [LABELS] = {"labels", read_labels},
    [BUCKETS] = {"buckets", read_buckets},
    [WITH] = {"with", read_with},
    [ADD] = {"add", read_add},
};

/* Note a key that has no meaning here; seen: the keys that are there. */
static void check_key(struct reader *reader, const yaml_node_t *node, const struct config_key *keys, unsigned seen,
                      int key, const char *why)
{
    if (seen & 1U << key)
        config_note(reader, &config_value(reader, node, keys[key].name)->start_mark, "%s %s", keys[key].name, why);
}

/* What one key alone cannot tell. */
static void check_metric(struct reader *reader, const yaml_node_t *node, unsigned seen)
{
    unsigned kinds = seen & (1U << COUNTER | 1U << GAUGE | 1U << HISTOGRAM | 1U << TOTAL);
    if (kinds == 0)
        config_note(reader, &node->start_mark, "a metric is one of counter, gauge, histogram and total");
    else if (kinds & (kinds - 1))
        config_note(reader, &node->start_mark, "a metric is one of counter, gauge, histogram and total, not several");
    else if (kinds != 1U << COUNTER && !(seen & 1U << VALUE))
        config_note(reader, &node->start_mark, "there is no value");
    if (!(seen & 1U << VALUE))
        check_key(reader, node, metric_keys, seen, SCALE, "has no value to scale");
    if (!(kinds & 1U << HISTOGRAM))
        check_key(reader, node, metric_keys, seen, BUCKETS, "are for a histogram");
    if (!(kinds & 1U << GAUGE))
        check_key(reader, node, metric_keys, seen, ADD, "is for a gauge");
}

/* What the metric has where nothing is said. */
static void add_defaults(struct reader *reader, struct rule_metric *metric)
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

static void read_metrics(struct reader *reader, void *into, const yaml_node_t *value)
{
    struct reading *reading = into;
    struct rule *rule = reading->rule;
    if (!config_is_kind(reader, value, YAML_SEQUENCE_NODE, "metrics"))
        return;
    size_t count = config_list_length(value);
    if (count == 0 || count > RULE_METRICS_MAX) {
        config_note(reader, &value->start_mark, "there must be 1 to %d metrics", RULE_METRICS_MAX);
        return;
    }
    rule->metrics = config_allocate(reader, count, sizeof rule->metrics[0]);
    for (size_t i = 0; rule->metrics != NULL && i < count; i++) {
        const yaml_node_t *item = config_list_item(reader, value, i);
        if (!config_is_kind(reader, item, YAML_MAPPING_NODE, "a metric"))
            continue;
        reading->metric = &rule->metrics[rule->metric_count++];
        *reading->metric = (struct rule_metric){.scale = 1, .with = RULE_WITH_APP};
        unsigned seen = config_read_mapping(
            reader, item, metric_keys, METRIC_KEYS,
            "counter, gauge, histogram, total, help, value, scale, labels, buckets, with and add", reading);
        if (reading->metric->action == RULE_EXTERNAL_COUNTER && !(seen & 1U << WITH))
            reading->metric->with |= RULE_WITH_PROCESS; /* each process counts for itself */
        check_metric(reader, item, seen);
        add_defaults(reader, reading->metric);
    }
}

/* ---- a rule ---- */

static void read_name(struct reader *reader, void *into, const yaml_node_t *value)
{
    struct slice name;
    if (!config_read_text(reader, value, "name", USER_MAX, &name))
        return;
    if (config_has_control(name)) {
        config_note(reader, &value->start_mark, "name holds a control character");
        return;
    }
    ((struct reading *)into)->rule->name = config_keep(reader, name);
    config_remember(reader, &reader->rules, name, &value->start_mark, NULL);
}

static void read_app(struct reader *reader, void *into, const yaml_node_t *value)
{
    struct slice app;
    if (config_read_text(reader, value, "app", CONFIG_FILE_APP_MAX, &app))
        ((struct reading *)into)->rule->app = config_keep(reader, app);
}

static void read_process(struct reader *reader, void *into, const yaml_node_t *value)
{
    struct slice process;
    if (config_read_text(reader, value, "process", GLOB_MAX, &process))
        ((struct reading *)into)->rule->process = config_keep(reader, process);
}

static void read_match(struct reader *reader, struct reading *reading, const yaml_node_t *value)
{
    char problem[RULE_PATTERN_PROBLEM];
    struct slice text;
    reading->rule->lines = RULE_MATCH;
    reading->has_fields = false;
    if (!config_read_text(reader, value, "match", RULE_PATTERN_MAX, &text))
        return;
    reading->rule->pattern = rule_pattern_create(text, problem);
    reading->has_fields = reading->rule->pattern != NULL;
    if (!reading->has_fields)
        config_note(reader, &value->start_mark, "the expression cannot be used: %s", problem);
}

static void read_fields(struct reader *reader, struct reading *reading, const yaml_node_t *value)
{
    if (!config_is_kind(reader, value, YAML_SCALAR_NODE, "fields"))
        return;
    reading->rule->lines = slice_equals(config_text(value), SLICE("json")) ? RULE_JSON : RULE_LOGFMT;
    reading->has_fields = reading->rule->lines == RULE_JSON || slice_equals(config_text(value), SLICE("logfmt"));
    if (!reading->has_fields)
        config_note(reader, &value->start_mark, "fields must be logfmt or json");
}

/* Which lines a rule is for is read before all else, since the rest speaks of their fields. */
static void skip(struct reader *reader, void *into, const yaml_node_t *value)
{
    (void)reader, (void)into, (void)value;
}

static void read_condition(struct reader *reader, struct rule *rule, const yaml_node_t *key, const yaml_node_t *value)
{
    struct slice name, text;
    struct rule_condition *condition = &rule->conditions[rule->condition_count];
    if (!config_read_text(reader, key, "a field's name", RULE_FIELD_MAX, &name) ||
        !config_read_text(reader, value, "a field's value", TEXT_MAX, &text))
        return;
    rule->condition_count++;
    condition->field = (struct rule_text){config_keep(reader, name), true, 0};
    if (!slice_equals(text, SLICE("*")))
        condition->value = config_keep(reader, text);
}

static void read_when(struct reader *reader, void *into, const yaml_node_t *value)
{
    struct rule *rule = ((struct reading *)into)->rule;
    if (!config_is_kind(reader, value, YAML_MAPPING_NODE, "when"))
        return;
    const yaml_node_pair_t *start = value->data.mapping.pairs.start, *top = value->data.mapping.pairs.top;
    if (top == start || top - start > RULE_CONDITIONS_MAX) {
        config_note(reader, &value->start_mark, "when must name 1 to %d fields", RULE_CONDITIONS_MAX);
        return;
    }
    rule->conditions = config_allocate(reader, RULE_CONDITIONS_MAX, sizeof rule->conditions[0]);
    for (const yaml_node_pair_t *pair = start; rule->conditions != NULL && pair < top; pair++)
        read_condition(reader, rule, config_node(reader, pair->key), config_node(reader, pair->value));
}

static void read_drop(struct reader *reader, void *into, const yaml_node_t *value)
{
    read_truth(reader, value, "drop", &((struct reading *)into)->rule->drop);
}

static void read_continue(struct reader *reader, void *into, const yaml_node_t *value)
{
    read_truth(reader, value, "continue", &((struct reading *)into)->rule->continues);
}

enum { NAME, APP, PROCESS, MATCH, FIELDS, WHEN, METRICS, DROP, CONTINUE, RULE_KEYS };
static const struct config_key rule_keys[RULE_KEYS] = {
    [NAME] = {"name", read_name},
    [APP] = {"app", read_app},
    [PROCESS] = {"process", read_process},
    [MATCH] = {"match", skip},
    [FIELDS] = {"fields", skip},
    [WHEN] = {"when", read_when},
    [METRICS] = {"metrics", read_metrics},
    [DROP] = {"drop", read_drop},
    [CONTINUE] = {"continue", read_continue},
};

static void check_rule(struct reader *reader, const yaml_node_t *node, const struct rule *rule, unsigned seen)
{
    bool has_match = seen & 1U << MATCH, has_fields = seen & 1U << FIELDS;
    if (!(seen & 1U << NAME))
        config_note(reader, &node->start_mark, "a rule has no name");
    if (has_match == has_fields)
        config_note(reader, &node->start_mark, "a rule has match or fields, one of the two");
    else if (has_fields && !(seen & 1U << WHEN))
        config_note(reader, &node->start_mark, "there is no when: which fields the lines have that the rule is for");
    if (!has_fields)
        check_key(reader, node, rule_keys, seen, WHEN, "is for fields");
    if (rule->drop && seen & 1U << METRICS)
        config_note(reader, &node->start_mark, "a rule has metrics or drops the line, one of the two");
    else if (!rule->drop && !(seen & 1U << METRICS))
        config_note(reader, &node->start_mark, "a rule has no metrics");
    if (rule->drop && rule->continues)
        config_note(reader, &node->start_mark, "no rule can go on with a line that is dropped");
}

static void read_rule(struct reader *reader, struct rule *rule, const yaml_node_t *node)
{
    struct reading reading = {.rule = rule};
    if (!config_is_kind(reader, node, YAML_MAPPING_NODE, "a rule"))
        return;
    const yaml_node_t *name = config_value(reader, node, "name");
    const yaml_node_t *match = config_value(reader, node, "match");
    const yaml_node_t *fields = config_value(reader, node, "fields");
    reader->kind = "rule";
    if (name != NULL && config_is_name(config_text(name)))
        reader->entry = config_text(name);
    if (fields != NULL)
        read_fields(reader, &reading, fields);
    if (match != NULL)
        read_match(reader, &reading, match);
    unsigned seen =
        config_read_mapping(reader, node, rule_keys, RULE_KEYS,
                            "name, app, process, match, fields, when, metrics, drop and continue", &reading);
    check_rule(reader, node, rule, seen);
    reader->entry = (struct slice){"", 0};
}

/* ---- the list of rules ---- */

static bool has_same_bounds(const struct rule_metric *a, const struct rule_metric *b)
{
    return a->bound_count == b->bound_count &&
           (a->bound_count == 0 || memcmp(a->bounds, b->bounds, a->bound_count * sizeof a->bounds[0]) == 0);
}

/* A metric of several rules is one metric. */
static void check_metrics(struct reader *reader)
{
    struct places *metrics = &reader->metrics;
    config_sort_places(metrics);
    for (size_t i = 1; i < metrics->count; i++) {
        const struct place *first = &metrics->list[i - 1], *second = &metrics->list[i];
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

void config_read_rules(struct reader *reader, void *none, const yaml_node_t *node)
{
    (void)none;
    if (!config_is_kind(reader, node, YAML_SEQUENCE_NODE, "rules"))
        return;
    size_t count = config_list_length(node);
    if (count > RULES_MAX) {
        config_note(reader, &node->start_mark, "there are more than %d rules", RULES_MAX);
        return;
    }
    reader->rule_list = config_allocate(reader, count, sizeof reader->rule_list[0]);
    if (reader->rule_list == NULL)
        return;
    reader->rule_count = count;
    for (size_t i = 0; i < count; i++)
        read_rule(reader, &reader->rule_list[i], config_list_item(reader, node, i));
    config_check_places(reader, &reader->rules, "this name");
    check_metrics(reader);
}
