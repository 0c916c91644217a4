#include "families/rule.h"

#include <stdlib.h>

const double rule_default_bounds[RULE_DEFAULT_BOUNDS] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};

static void free_metric(struct rule_metric *metric)
{
    for (size_t i = 0; i < metric->label_count; i++) {
        free(metric->labels[i].name);
        free(metric->labels[i].value.text);
    }
    free(metric->labels);
    free(metric->value.text);
    free(metric->name);
    free(metric->help);
    free(metric->bounds);
}

static void free_rule(struct rule *rule)
{
    for (size_t i = 0; i < rule->condition_count; i++) {
        free(rule->conditions[i].field.text);
        free(rule->conditions[i].value);
    }
    for (size_t i = 0; i < rule->metric_count; i++)
        free_metric(&rule->metrics[i]);
    free(rule->conditions);
    free(rule->metrics);
    rule_pattern_free(rule->pattern);
    free(rule->name);
    free(rule->app);
    free(rule->process);
}

void rules_free_array(struct rule *rules, size_t count)
{
    for (size_t i = 0; rules != NULL && i < count; i++)
        free_rule(&rules[i]);
    free(rules);
}
