#include "families/rules.h"

#include <stdlib.h>

#include "families/rule_metric.h"
#include "families/rule_set.h"

/* ---- where values of fields are found ---- */

static bool is_same_scope(const struct rule_scope *scope, const struct rule *rule)
{
    if (scope->kind != rule->fields || (scope->after_text == NULL) != (rule->after_text == NULL))
        return false;
    return scope->after_text == NULL || strcmp(scope->after_text, rule->after_text) == 0;
}

/* At most so many fields does a rule want. */
static size_t count_fields(const struct rule *rule)
{
    size_t count = rule->condition_count;
    for (size_t i = 0; i < rule->metric_count; i++) {
        count++;
        for (size_t j = 0; j < rule->metrics[i].label_count; j++)
            count += rule->metrics[i].labels[j].part_count;
    }
    return count;
}

static void find_scope(struct rules *rules, struct rule *rule)
{
    size_t i = 0;
    while (i < rules->scope_count && !is_same_scope(&rules->scopes[i], rule))
        i++;
    if (i == rules->scope_count)
        rules->scopes[rules->scope_count++] =
            (struct rule_scope){.kind = rule->fields, .after_text = rule->after_text, .after = rule->after};
    rules->scopes[i].name_max += count_fields(rule);
    rule->scope = (unsigned)i;
}

static bool open_scopes(struct rules *rules)
{
    rules->scopes = calloc(rules->count + 1, sizeof rules->scopes[0]);
    if (rules->scopes == NULL)
        return false;
    for (size_t i = 0; i < rules->count; i++)
        if (rules->list[i].fields != RULE_NO_FIELDS)
            find_scope(rules, &rules->list[i]);
    for (size_t i = 0; i < rules->scope_count; i++)
        if (!rule_names_open(&rules->scopes[i].names, rules->scopes[i].name_max))
            return false;
    return true;
}

/* Say where the field's value will be found. */
static void number_field(struct rules *rules, const struct rule *rule, struct rule_field *field)
{
    if (field->name == NULL)
        return;
    if (field->source == RULE_OF_GROUP) {
        field->number = rule_pattern_group(rule->pattern, field->name);
        return;
    }
    struct slice name = slice_of(field->name);
    if (field->source == RULE_OF_ELEMENT)
        name.length = rule_array_length(field->name);
    field->number = rule_names_add(&rules->scopes[rule->scope].names, name, rules->field_count);
    rules->field_count += field->number == rules->field_count;
}

static enum rule_label_kind kind_of(const struct rule_label *label)
{
    if (label->part_count > 1 || label->parts[0].spelling != RULE_AS_IS)
        return RULE_LABEL_MADE;
    return label->parts[0].text != NULL ? RULE_LABEL_CONSTANT : RULE_LABEL_FIELD;
}

static void prepare_label(struct rule_label *label)
{
    label->kind = kind_of(label);
    label->name_text = slice_of(label->name);
    if (label->kind == RULE_LABEL_CONSTANT)
        label->constant = slice_of(label->parts[0].text);
}

static void prepare_metric(struct rules *rules, const struct rule *rule, struct rule_metric *metric)
{
    number_field(rules, rule, &metric->value);
    metric->is_transient = rule->fields == RULE_JSON;
    if (metric->value.source == RULE_OF_ELEMENT)
        metric->array = &metric->value;
    for (size_t i = 0; i < metric->label_count; i++) {
        struct rule_label *label = &metric->labels[i];
        prepare_label(label);
        metric->is_transient |= label->kind == RULE_LABEL_MADE;
        for (size_t j = 0; j < label->part_count; j++) {
            number_field(rules, rule, &label->parts[j].field);
            if (label->parts[j].field.source == RULE_OF_ELEMENT)
                metric->array = &label->parts[j].field;
        }
    }
}

static void prepare_pattern(struct rule *rule)
{
    rule->start = rule_pattern_start(rule->pattern);
    rule->part = rule_pattern_part(rule->pattern);
    if (rule->start.length <= RULE_INDEX_HEAD)
        rule->start.length = 0;
}

static void prepare_rules(struct rules *rules)
{
    for (size_t i = 0; i < rules->count; i++) {
        struct rule *rule = &rules->list[i];
        if (rule->pattern != NULL)
            prepare_pattern(rule);
        for (size_t j = 0; j < rule->condition_count; j++)
            number_field(rules, rule, &rule->conditions[j].field);
        for (size_t j = 0; j < rule->metric_count; j++)
            prepare_metric(rules, rule, &rule->metrics[j]);
    }
}

/* ---- metrics ---- */

static enum metric_type type_of(enum rule_action action)
{
    switch (action) {
    case RULE_GAUGE:
        return METRIC_GAUGE;
    case RULE_HISTOGRAM:
        return METRIC_HISTOGRAM;
    default:
        return METRIC_COUNTER;
    }
}

/* The names of all labels that samples of a metric have, in their order. */
static char *spell_labels(const struct rule_metric *metric)
{
    size_t length = 32;
    for (size_t i = 0; i < metric->label_count; i++)
        length += strlen(metric->labels[i].name) + 1;
    char *text = malloc(length);
    if (text == NULL)
        return NULL;
    char *at = text;
    *at = '\0';
    for (size_t i = 0; i < metric->label_count; i++)
        at = stpcpy(stpcpy(at, metric->labels[i].name), ",");
    at = stpcpy(at, metric->with & RULE_WITH_APP ? "1" : "0");
    at = stpcpy(at, metric->with & RULE_WITH_PROCESS ? "1" : "0");
    stpcpy(at, metric->with & RULE_WITH_PROCESS_TYPE ? "1" : "0");
    return text;
}

static bool describe_metric(struct rule_metric *metric, bool on_trial)
{
    char *labels = spell_labels(metric);
    if (labels == NULL)
        return false;
    const struct rule_metric_key key = {.name = metric->name,
                                        .help = metric->help,
                                        .type = type_of(metric->action),
                                        .counted = metric->action == RULE_COUNTER || metric->bound_count > 0,
                                        .bounds = metric->bounds,
                                        .bound_count = metric->bound_count,
                                        .labels = labels};
    metric->metric = on_trial ? rule_metric_on_trial(&key) : rule_metric_of(&key);
    free(labels);
    return metric->metric != NULL;
}

static bool describe_metrics(struct rules *rules)
{
    size_t count = 0;
    for (size_t i = 0; i < rules->count; i++)
        count += rules->list[i].metric_count;
    rules->metrics = calloc(count + 1, sizeof rules->metrics[0]);
    if (rules->metrics == NULL)
        return false;
    if (!rule_names_open(&rules->made, count))
        return false;
    for (size_t i = 0; i < rules->count; i++) {
        struct rule *rule = &rules->list[i];
        for (size_t j = 0; j < rule->metric_count; j++) {
            rule_names_add(&rules->made, slice_of(rule->metrics[j].name), 0);
            if (!describe_metric(&rule->metrics[j], rules->on_trial))
                return false;
            rules->metrics[rules->metric_count++] = rule->metrics[j].metric;
        }
    }
    return true;
}

/* ---- creation ---- */

static struct rules *create(struct rule *list, size_t count, bool on_trial)
{
    struct rules *rules = calloc(1, sizeof *rules);
    if (rules == NULL) {
        rules_free_array(list, count);
        return NULL;
    }
    atomic_init(&rules->references, 1);
    rules->list = list;
    rules->count = count;
    rules->on_trial = on_trial;
    rules->states = calloc(count + 1, sizeof rules->states[0]);
    if (rules->states == NULL || !open_scopes(rules) || !rule_index_open(&rules->index, list, count) ||
        !describe_metrics(rules)) {
        rules_unref(rules);
        return NULL;
    }
    prepare_rules(rules);
    return rules;
}

struct rules *rules_create(struct rule *list, size_t count)
{
    return create(list, count, false);
}

struct rules *rules_create_on_trial(struct rule *list, size_t count)
{
    return create(list, count, true);
}

struct rules *rules_ref(struct rules *rules)
{
    /* Relaxed: who references it has a reference, so nothing can be freed meanwhile. */
    if (rules != NULL)
        atomic_fetch_add_explicit(&rules->references, 1, memory_order_relaxed);
    return rules;
}

void rules_unref(struct rules *rules)
{
    /* Release what was done with this reference to who frees, and acquire what was done with all others. */
    if (rules == NULL || atomic_fetch_sub_explicit(&rules->references, 1, memory_order_acq_rel) > 1)
        return;
    rules_free_array(rules->list, rules->count);
    for (size_t i = 0; i < rules->scope_count; i++)
        rule_names_close(&rules->scopes[i].names);
    free(rules->scopes);
    rule_names_close(&rules->made);
    free(rules->states);
    rule_index_close(&rules->index);
    for (size_t i = 0; rules->on_trial && i < rules->metric_count; i++)
        rule_metric_end_trial(rules->metrics[i]);
    free(rules->metrics);
    free(rules);
}

size_t rules_count(const struct rules *rules)
{
    return rules == NULL ? 0 : rules->count;
}

bool rules_make(const struct rules *rules, struct slice name)
{
    return rules != NULL && rule_names_find(&rules->made, name) != RULE_NAMES_NONE;
}

void rules_enforce(const struct rules *rules)
{
    rule_metrics_keep(rules == NULL ? NULL : rules->metrics, rules == NULL ? 0 : rules->metric_count);
}

struct slice rules_name(const struct rules *rules, size_t rule)
{
    return slice_of(rules->list[rule].name);
}

bool rules_is_off(const struct rules *rules, size_t rule)
{
    return atomic_load_explicit(&rules->states[rule].errors, memory_order_relaxed) >= RULES_ERRORS_MAX;
}
