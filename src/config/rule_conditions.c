/* Which lines a rule is for, by the values of their fields: "when" in the rules of the configuration.
 *
 *     when:
 *       event: payment
 *       status: [">= 500", 429]
 *       level: {not: [debug, trace]}
 *       path: {match: '^/api/', not: /api/health} */
#include <stdlib.h>

#include "config/rules_section.h"

enum { KINDS_MAX = 4 }; /* of tests that one field can have */

/* ---- one test ---- */

/* The comparison that a text starts with; its length. */
static size_t find_comparison(struct slice text, enum rule_test_kind *kind)
{
    static const struct {
        struct slice name;
        enum rule_test_kind kind;
    } comparisons[] = {
        {{">=", 2}, RULE_AT_LEAST}, {{"<=", 2}, RULE_AT_MOST}, {{">", 1}, RULE_GREATER}, {{"<", 1}, RULE_LESS}};
    for (size_t i = 0; i < COUNT(comparisons); i++) {
        if (slice_starts_with(text, comparisons[i].name)) {
            *kind = comparisons[i].kind;
            return comparisons[i].name.length;
        }
    }
    return 0;
}

bool rules_read_test(struct document_reader *reader, const yaml_node_t *node, const char *what, const char *otherwise,
                     struct rule_test *test)
{
    struct slice text, unit;
    if (!config_read_text(reader, node, what, RULES_TEXT_MAX, &text))
        return false;
    size_t length = find_comparison(text, &test->kind);
    if (length > 0) {
        if (amount_read(slice_after(text, length), AMOUNT_NUMBER, &test->amount, &unit) != AMOUNT_OK)
            config_note(reader, &node->start_mark, "behind \"%.*s\" must be a number; %s", (int)length, text.at,
                        otherwise);
        return true;
    }
    if (slice_starts_with(text, SLICE("!=")) || slice_starts_with(text, SLICE("=="))) {
        config_note(reader, &node->start_mark, "a comparison is one of >, >=, < and <=; %s", otherwise);
        return false;
    }
    test->kind = slice_equals(text, SLICE("*")) ? RULE_ANY : RULE_EQUALS;
    if (test->kind == RULE_EQUALS)
        test->text = config_keep(reader, text);
    return true;
}

static bool read_literal(struct document_reader *reader, const yaml_node_t *node, const char *what,
                         struct rule_test *test)
{
    struct slice text;
    if (!config_read_text(reader, node, what, RULES_TEXT_MAX, &text))
        return false;
    *test = (struct rule_test){.kind = RULE_EQUALS, .text = config_keep(reader, text)};
    return true;
}

static bool read_expression(struct document_reader *reader, const yaml_node_t *node, const char *what,
                            struct rule_test *test)
{
    char error[ERROR_MAX];
    struct slice text;
    if (!config_read_text(reader, node, what, RULE_PATTERN_MAX, &text))
        return false;
    *test = (struct rule_test){.kind = RULE_FITS, .pattern = rule_pattern_create(text, error)};
    if (test->pattern == NULL)
        config_note(reader, &node->start_mark, "the expression cannot be used: %s", error);
    return true;
}

/* ---- a field's conditions ---- */

struct condition_reading {
    struct rule *rule;
    const struct rule_field *field; /* as each condition has it */
};

typedef bool (*read_test)(struct document_reader *reader, const yaml_node_t *node, const char *what,
                          struct rule_test *test);

/* One test or a list of them. */
static void read_tests(struct document_reader *reader, const yaml_node_t *node, read_test read,
                       struct rule_condition *condition)
{
    bool is_list = node->type == YAML_SEQUENCE_NODE && config_is_kind(reader, node, YAML_SEQUENCE_NODE, "values");
    size_t count = is_list ? config_list_length(node) : 1;
    if (count == 0 || count > RULE_TESTS_MAX) {
        config_note(reader, &node->start_mark, "there must be 1 to %d values", RULE_TESTS_MAX);
        return;
    }
    condition->tests = config_allocate(reader, count, sizeof condition->tests[0]);
    for (size_t i = 0; condition->tests != NULL && i < count; i++)
        if (read(reader, is_list ? config_list_item(reader, node, i) : node, "a field's value",
                 &condition->tests[condition->test_count]))
            condition->test_count++;
}

static void add_condition(struct document_reader *reader, const struct condition_reading *reading,
                          const yaml_node_t *node, read_test read, bool negated)
{
    struct rule *rule = reading->rule;
    struct rule_condition *condition = &rule->conditions[rule->condition_count++];
    condition->negated = negated;
    condition->field = *reading->field;
    condition->field.name = config_keep(reader, slice_of(reading->field->name));
    read_tests(reader, node, read, condition);
}

static bool read_value(struct document_reader *reader, const yaml_node_t *node, const char *what,
                       struct rule_test *test)
{
    return rules_read_test(reader, node, what, "for != there is {not: ...}, and a text that starts so is {text: ...}",
                           test);
}

static void read_is(struct document_reader *reader, void *into, const yaml_node_t *node)
{
    add_condition(reader, into, node, read_value, false);
}

static void read_not(struct document_reader *reader, void *into, const yaml_node_t *node)
{
    add_condition(reader, into, node, read_value, true);
}

static void read_match(struct document_reader *reader, void *into, const yaml_node_t *node)
{
    add_condition(reader, into, node, read_expression, false);
}

static void read_text(struct document_reader *reader, void *into, const yaml_node_t *node)
{
    add_condition(reader, into, node, read_literal, false);
}

static const struct config_key condition_keys[KINDS_MAX] = {
    {"is", read_is},
    {"not", read_not},
    {"match", read_match},
    {"text", read_text},
};

static void read_condition(struct document_reader *reader, const struct rule_reading *reading, const yaml_node_t *key,
                           const yaml_node_t *value)
{
    struct slice name;
    struct rule_field field = {0};
    struct condition_reading into = {reading->rule, &field};
    if (!config_read_text(reader, key, "a field's name", RULE_FIELD_MAX, &name))
        return;
    rules_read_field(reader, key, reading, name, &field);
    if (field.source == RULE_OF_ELEMENT)
        config_note(reader, &key->start_mark, "when does not look into arrays");
    if (field.name != NULL && value->type != YAML_MAPPING_NODE)
        read_is(reader, &into, value);
    else if (field.name != NULL && config_is_kind(reader, value, YAML_MAPPING_NODE, "a field's value") &&
             config_read_mapping(reader, value, condition_keys, KINDS_MAX, "is, not, match and text", &into) == 0)
        config_note(reader, &value->start_mark, "a field's value is a text, a list, or has is, not, match or text");
    free(field.name);
}

void rules_read_when(struct document_reader *reader, void *into, const yaml_node_t *node)
{
    struct rule_reading *reading = into;
    struct rule *rule = reading->rule;
    if (!config_is_kind(reader, node, YAML_MAPPING_NODE, "when"))
        return;
    const yaml_node_pair_t *start = node->data.mapping.pairs.start, *top = node->data.mapping.pairs.top;
    if (top == start || top - start > RULE_CONDITIONS_MAX) {
        config_note(reader, &node->start_mark, "when must name 1 to %d fields", RULE_CONDITIONS_MAX);
        return;
    }
    rule->conditions = config_allocate(reader, RULE_CONDITIONS_MAX * KINDS_MAX, sizeof rule->conditions[0]);
    for (const yaml_node_pair_t *pair = start; rule->conditions != NULL && pair < top; pair++)
        read_condition(reader, reading, config_node(reader, pair->key), config_node(reader, pair->value));
}
