#include "families/rule.h"

#include <stdlib.h>
#include <string.h>

const double rule_default_bounds[RULE_DEFAULT_BOUNDS] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};

size_t rule_array_length(const char *name)
{
    const char *mark = strstr(name, "[]");
    return mark == NULL ? 0 : (size_t)(mark - name) + 2;
}

static void free_test(struct rule_test *test)
{
    free(test->text);
    rule_pattern_free(test->pattern);
}

static void free_label(struct rule_label *label)
{
    for (size_t i = 0; i < label->part_count; i++) {
        free(label->parts[i].text);
        free(label->parts[i].field.name);
    }
    for (size_t i = 0; i < label->map_count; i++) {
        free_test(&label->map[i].test);
        free(label->map[i].text);
    }
    free(label->parts);
    free(label->map);
    free(label->name);
}

static void free_metric(struct rule_metric *metric)
{
    for (size_t i = 0; i < metric->label_count; i++)
        free_label(&metric->labels[i]);
    free(metric->labels);
    free(metric->value.name);
    free(metric->name);
    free(metric->help);
    free(metric->bounds);
}

static void free_condition(struct rule_condition *condition)
{
    for (size_t i = 0; i < condition->test_count; i++)
        free_test(&condition->tests[i]);
    free(condition->tests);
    free(condition->field.name);
}

static void free_rule(struct rule *rule)
{
    for (size_t i = 0; i < rule->condition_count; i++)
        free_condition(&rule->conditions[i]);
    for (size_t i = 0; i < rule->metric_count; i++)
        free_metric(&rule->metrics[i]);
    free(rule->conditions);
    free(rule->metrics);
    rule_pattern_free(rule->pattern);
    rule_pattern_free(rule->after);
    free(rule->after_text);
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
