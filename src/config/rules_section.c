/* The section "rules" of the configuration. */
#include "config/rules_section.h"

#include <math.h>
#include <stdlib.h>

enum { GLOB_MAX = 128 };

/* ---- values ---- */

bool rules_read_number(struct document_reader *reader, const yaml_node_t *node, const char *what, double *number)
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

void rules_check_key(struct document_reader *reader, const yaml_node_t *node, const struct config_key *keys,
                     unsigned seen, int key, const char *why)
{
    if (seen & 1U << key)
        config_note(reader, &config_value(reader, node, keys[key].name)->start_mark, "%s %s", keys[key].name, why);
}

/* ---- a rule ---- */

static void read_name(struct document_reader *reader, void *into, const yaml_node_t *value)
{
    struct slice name;
    if (!config_read_text(reader, value, "name", USER_MAX, &name))
        return;
    if (config_has_control(name)) {
        config_note(reader, &value->start_mark, "name holds a control character");
        return;
    }
    ((struct rule_reading *)into)->rule->name = config_keep(reader, name);
    config_remember(reader, &reader->rules, name, &value->start_mark, NULL);
}

static void read_app(struct document_reader *reader, void *into, const yaml_node_t *value)
{
    struct slice app;
    if (config_read_text(reader, value, "app", CONFIGURATION_APP_MAX, &app))
        ((struct rule_reading *)into)->rule->app = config_keep(reader, app);
}

static void read_process(struct document_reader *reader, void *into, const yaml_node_t *value)
{
    struct slice process;
    if (config_read_text(reader, value, "process", GLOB_MAX, &process))
        ((struct rule_reading *)into)->rule->process = config_keep(reader, process);
}

/* NULL with a mistake. */
static struct rule_pattern *read_pattern(struct document_reader *reader, const yaml_node_t *value, const char *what,
                                         struct slice *text)
{
    char error[ERROR_MAX];
    if (!config_read_text(reader, value, what, RULE_PATTERN_MAX, text))
        return NULL;
    struct rule_pattern *pattern = rule_pattern_create(*text, error);
    if (pattern == NULL)
        config_note(reader, &value->start_mark, "the expression cannot be used: %s", error);
    return pattern;
}

static void read_match(struct document_reader *reader, struct rule_reading *reading, const yaml_node_t *value)
{
    struct slice text;
    reading->rule->pattern = read_pattern(reader, value, "match", &text);
    reading->knows_fields &= reading->rule->pattern != NULL;
}

static void read_after(struct document_reader *reader, struct rule_reading *reading, const yaml_node_t *value)
{
    struct slice text;
    reading->rule->after = read_pattern(reader, value, "after", &text);
    if (reading->rule->after != NULL)
        reading->rule->after_text = config_keep(reader, text);
}

static void read_fields(struct document_reader *reader, struct rule_reading *reading, const yaml_node_t *value)
{
    struct slice text = config_text(value);
    reading->rule->fields = slice_equals(text, SLICE("json"))     ? RULE_JSON
                            : slice_equals(text, SLICE("logfmt")) ? RULE_LOGFMT
                                                                  : RULE_NO_FIELDS;
    if (reading->rule->fields != RULE_NO_FIELDS && config_is_kind(reader, value, YAML_SCALAR_NODE, "fields"))
        return;
    reading->knows_fields = false;
    if (reading->rule->fields == RULE_NO_FIELDS && config_is_kind(reader, value, YAML_SCALAR_NODE, "fields"))
        config_note(reader, &value->start_mark, "fields must be logfmt or json");
}

/* Which lines a rule is for is read before all else, since the rest speaks of their fields. */
static void skip(struct document_reader *reader, void *into, const yaml_node_t *value)
{
    (void)reader, (void)into, (void)value;
}

static void read_drop(struct document_reader *reader, void *into, const yaml_node_t *value)
{
    config_read_truth(reader, value, "drop", &((struct rule_reading *)into)->rule->drop);
}

static void read_continue(struct document_reader *reader, void *into, const yaml_node_t *value)
{
    config_read_truth(reader, value, "continue", &((struct rule_reading *)into)->rule->continues);
}

enum { NAME, APP, PROCESS, MATCH, AFTER, FIELDS, WHEN, METRICS, DROP, CONTINUE, RULE_KEYS };
static const struct config_key rule_keys[RULE_KEYS] = {
    [NAME] = {"name", read_name},
    [APP] = {"app", read_app},
    [PROCESS] = {"process", read_process},
    [MATCH] = {"match", skip},
    [AFTER] = {"after", skip},
    [FIELDS] = {"fields", skip},
    [WHEN] = {"when", rules_read_when},
    [METRICS] = {"metrics", rules_read_metrics},
    [DROP] = {"drop", read_drop},
    [CONTINUE] = {"continue", read_continue},
};

static void check_rule(struct document_reader *reader, const yaml_node_t *node, const struct rule *rule, unsigned seen)
{
    bool has_match = seen & 1U << MATCH, has_fields = seen & 1U << FIELDS;
    if (!(seen & 1U << NAME))
        config_note(reader, &node->start_mark, "a rule has no name");
    if (!has_match && !has_fields)
        config_note(reader, &node->start_mark, "a rule has match or fields, or both");
    else if (!has_match && !(seen & 1U << WHEN))
        config_note(reader, &node->start_mark, "there is no when: which fields the lines have that the rule is for");
    if (!has_fields)
        rules_check_key(reader, node, rule_keys, seen, AFTER, "is for fields, which stand behind it");
    if (rule->drop && seen & 1U << METRICS)
        config_note(reader, &node->start_mark, "a rule has metrics or drops the line, one of the two");
    else if (!rule->drop && !(seen & 1U << METRICS))
        config_note(reader, &node->start_mark, "a rule has no metrics");
    if (rule->drop && rule->continues)
        config_note(reader, &node->start_mark, "no rule can go on with a line that is dropped");
}

static void read_rule(struct document_reader *reader, struct rule *rule, const yaml_node_t *node)
{
    struct rule_reading reading = {.rule = rule};
    if (!config_is_kind(reader, node, YAML_MAPPING_NODE, "a rule"))
        return;
    const yaml_node_t *name = config_value(reader, node, "name");
    const yaml_node_t *match = config_value(reader, node, "match");
    const yaml_node_t *fields = config_value(reader, node, "fields");
    const yaml_node_t *after = config_value(reader, node, "after");
    reader->kind = "rule";
    if (name != NULL && config_is_name(config_text(name)))
        reader->entry = config_text(name);
    reading.knows_fields = fields != NULL || match != NULL;
    if (fields != NULL)
        read_fields(reader, &reading, fields);
    if (match != NULL)
        read_match(reader, &reading, match);
    if (after != NULL)
        read_after(reader, &reading, after);
    unsigned seen =
        config_read_mapping(reader, node, rule_keys, RULE_KEYS,
                            "name, app, process, match, after, fields, when, metrics, drop and continue", &reading);
    check_rule(reader, node, rule, seen);
    reader->entry = (struct slice){"", 0};
}

/* ---- the list of rules ---- */

void config_read_rules(struct document_reader *reader, void *none, const yaml_node_t *node)
{
    (void)none;
    size_t count;
    reader->rule_list = config_allocate_list(reader, node, "rules", 0, RULES_MAX, sizeof reader->rule_list[0], &count);
    if (reader->rule_list == NULL)
        return;
    reader->rule_count = count;
    for (size_t i = 0; i < count; i++)
        read_rule(reader, &reader->rule_list[i], config_list_item(reader, node, i));
    config_check_locations(reader, &reader->rules, "this name");
    rules_check_metrics(reader);
}
