#include "families/rules.h"

#include <stdlib.h>

#include "families/rule_metric.h"
#include "families/rule_set.h"

/* ---- where values of fields are found ---- */

/* Say where the field's value will be found. */
static void place_field(struct rules *rules, const struct rule *rule, struct rule_text *text)
{
    if (text->text == NULL || !text->is_field)
        return;
    if (rule->lines == RULE_MATCH) {
        text->field = rule_pattern_group(rule->pattern, text->text);
        return;
    }
    struct rule_names *names = rule->lines == RULE_JSON ? &rules->members : &rules->pairs;
    text->field = rule_names_add(names, slice_of(text->text), rules->field_count);
    rules->field_count += text->field == rules->field_count;
}

/* At most so many names of fields are in the rules. */
static size_t count_fields(const struct rules *rules)
{
    size_t count = 0;
    for (size_t i = 0; i < rules->count; i++) {
        const struct rule *rule = &rules->list[i];
        count += rule->condition_count;
        for (size_t j = 0; j < rule->metric_count; j++)
            count += 1 + rule->metrics[j].label_count;
    }
    return count;
}

static void place_fields(struct rules *rules)
{
    for (size_t i = 0; i < rules->count; i++) {
        struct rule *rule = &rules->list[i];
        for (size_t j = 0; j < rule->condition_count; j++)
            place_field(rules, rule, &rule->conditions[j].field);
        for (size_t j = 0; j < rule->metric_count; j++) {
            place_field(rules, rule, &rule->metrics[j].value);
            for (size_t k = 0; k < rule->metrics[j].label_count; k++)
                place_field(rules, rule, &rule->metrics[j].labels[k].value);
        }
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

static bool describe_metric(struct rule_metric *metric)
{
    char *labels = spell_labels(metric);
    if (labels == NULL)
        return false;
    metric->metric =
        rule_metric_of(&(struct rule_metric_shape){.name = metric->name,
                                                   .help = metric->help,
                                                   .type = type_of(metric->action),
                                                   .counted = metric->action == RULE_COUNTER || metric->bound_count > 0,
                                                   .bounds = metric->bounds,
                                                   .bound_count = metric->bound_count,
                                                   .labels = labels});
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
            if (!describe_metric(&rule->metrics[j]))
                return false;
            rules->metrics[rules->metric_count++] = rule->metrics[j].metric;
        }
    }
    return true;
}

/* ---- creation ---- */

struct rules *rules_create(struct rule *list, size_t count)
{
    struct rules *rules = calloc(1, sizeof *rules);
    if (rules == NULL) {
        rules_free_array(list, count);
        return NULL;
    }
    atomic_init(&rules->references, 1);
    rules->list = list;
    rules->count = count;
    rules->errors = calloc(count + 1, sizeof rules->errors[0]);
    size_t fields = count_fields(rules);
    if (rules->errors == NULL || !rule_names_open(&rules->pairs, fields) || !rule_names_open(&rules->members, fields) ||
        !rule_index_open(&rules->index, list, count) || !describe_metrics(rules)) {
        rules_unref(rules);
        return NULL;
    }
    place_fields(rules);
    return rules;
}

struct rules *rules_ref(struct rules *rules)
{
    /* Relaxed: who references has a share, so nothing can be freed meanwhile. */
    if (rules != NULL)
        atomic_fetch_add_explicit(&rules->references, 1, memory_order_relaxed);
    return rules;
}

void rules_unref(struct rules *rules)
{
    /* Release what was done with this share to who frees, and acquire what was done with all others. */
    if (rules == NULL || atomic_fetch_sub_explicit(&rules->references, 1, memory_order_acq_rel) > 1)
        return;
    rules_free_array(rules->list, rules->count);
    rule_names_close(&rules->pairs);
    rule_names_close(&rules->members);
    rule_names_close(&rules->made);
    free(rules->errors);
    rule_index_close(&rules->index);
    free(rules->metrics);
    free(rules);
}

size_t rules_count(const struct rules *rules)
{
    return rules == NULL ? 0 : rules->count;
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
    return atomic_load_explicit(&rules->errors[rule], memory_order_relaxed) >= RULES_ERRORS_MAX;
}
