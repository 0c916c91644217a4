/* Fields, and texts with fields in them, in the rules of the configuration. */
#include "config/rules_section.h"

/* ---- fields ---- */

static bool is_word(const char *text)
{
    for (const char *at = text; *at != '\0'; at++)
        if (!slice_is_digit(*at) && !(*at >= 'a' && *at <= 'z') && !(*at >= 'A' && *at <= 'Z') && *at != '_')
            return false;
    return *text != '\0';
}

/* "workers[].backlog": one "[]" behind a name, and nothing or ".name" behind it. */
static bool is_array_path(const char *name)
{
    size_t length = rule_array_length(name);
    return length > 2 && (name[length] == '\0' || (name[length] == '.' && name[length + 1] != '\0')) &&
           strstr(name + length, "[]") == NULL;
}

/* What is wrong with the name of a field of the line; NULL: nothing. */
static const char *field_mistake(const struct rule *rule, const char *name)
{
    bool has_array = rule_array_length(name) > 0;
    if (strlen(name) > RULE_FIELD_MAX)
        return "no field has a name of more than 128 bytes";
    if (has_array && rule->fields != RULE_JSON)
        return "only JSON has arrays, which are written []";
    if (has_array && !is_array_path(name))
        return "an array is written NAME[] or NAME[].MEMBER, and there is one of them";
    return NULL;
}

static void check_group(struct document_reader *reader, const yaml_node_t *node, const char *name)
{
    if (!is_word(name))
        config_note(reader, &node->start_mark,
                    "behind '$' must be the name of a group and nothing else: a text is either constant or $NAME");
    else
        config_note(reader, &node->start_mark, "the expression has no group (?<%.32s>...)", name);
}

void rules_read_field(struct document_reader *reader, const yaml_node_t *node, const struct rule_reading *reading,
                      struct slice name, struct rule_field *field)
{
    const struct rule *rule = reading->rule;
    const char *mistake;
    field->name = config_keep(reader, name);
    if (field->name == NULL)
        return;
    if (name.length == 0)
        config_note(reader, &node->start_mark, "there is no name behind the '$'");
    else if (!reading->knows_fields)
        return;
    else if (rule->pattern != NULL && rule_pattern_group(rule->pattern, field->name) > 0)
        field->source = RULE_OF_GROUP;
    else if (rule->fields == RULE_NO_FIELDS)
        check_group(reader, node, field->name);
    else if ((mistake = field_mistake(rule, field->name)) != NULL)
        config_note(reader, &node->start_mark, "%s", mistake);
    else
        field->source = rule_array_length(field->name) > 0 ? RULE_OF_ELEMENT : RULE_OF_FIELD;
}

/* ---- texts ---- */

/* How a text is spelled that stands for a field: "lower" of "${name:lower}". */
static bool find_spelling(struct slice name, enum rule_spelling *spelling)
{
    static const struct {
        struct slice name;
        enum rule_spelling spelling;
    } spellings[] = {
        {{"lower", 5}, RULE_LOWER},
        {{"upper", 5}, RULE_UPPER},
        {{"class", 5}, RULE_CLASS},
    };
    for (size_t i = 0; i < COUNT(spellings); i++) {
        if (slice_equals(name, spellings[i].name)) {
            *spelling = spellings[i].spelling;
            return true;
        }
    }
    return false;
}

static size_t last_colon(struct slice text)
{
    size_t at = text.length;
    while (at > 0 && text.at[at - 1] != ':')
        at--;
    return at > 0 ? at - 1 : text.length;
}

/* What stands between "${" and "}". */
static void read_braces(struct document_reader *reader, const yaml_node_t *node, const struct rule_reading *reading,
                        struct slice text, struct rule_part *part)
{
    size_t colon = last_colon(text);
    if (colon < text.length && !find_spelling(slice_after(text, colon + 1), &part->spelling))
        config_note(reader, &node->start_mark, "behind the ':' in ${NAME:...} stands lower, upper or class");
    rules_read_field(reader, node, reading, (struct slice){text.at, colon}, &part->field);
}

/* Take the part that text starts with: its length, or 0 with a mistake.  "$$" is one '$' that stands for itself. */
static size_t take_part(struct document_reader *reader, const yaml_node_t *node, const struct rule_reading *reading,
                        struct slice text, struct rule_part *part)
{
    if (slice_starts_with(text, SLICE("$$"))) {
        part->text = config_keep(reader, SLICE("$"));
        return 2;
    }
    if (slice_starts_with(text, SLICE("${"))) {
        size_t end = slice_index(text, '}');
        if (end < text.length) {
            read_braces(reader, node, reading, (struct slice){text.at + 2, end - 2}, part);
            return end + 1;
        }
    }
    if (text.at[0] == '$') {
        config_note(reader, &node->start_mark,
                    "a field in a text is written ${NAME}, and a '$' that stands for itself $$");
        return 0;
    }
    size_t length = slice_index(text, '$');
    part->text = config_keep(reader, (struct slice){text.at, length});
    return length;
}

/* "$NAME" is the field and nothing else, whatever bytes the name has. */
static bool is_field_alone(struct slice text)
{
    return text.at[0] == '$' && (text.length == 1 || (text.at[1] != '{' && text.at[1] != '$'));
}

/* A text of 1 to RULES_TEXT_MAX bytes. */
static bool read_parts(struct document_reader *reader, const yaml_node_t *node, const struct rule_reading *reading,
                       struct slice text, struct rule_label *label)
{
    label->parts = config_allocate(reader, RULE_PARTS_MAX, sizeof label->parts[0]);
    if (label->parts == NULL)
        return false;
    if (is_field_alone(text)) {
        label->part_count = 1;
        rules_read_field(reader, node, reading, slice_after(text, 1), &label->parts[0].field);
        return true;
    }
    while (text.length > 0) {
        if (label->part_count == RULE_PARTS_MAX) {
            config_note(reader, &node->start_mark, "a text has at most %d parts", RULE_PARTS_MAX);
            return true;
        }
        size_t length = take_part(reader, node, reading, text, &label->parts[label->part_count++]);
        if (length == 0)
            return true;
        text = slice_after(text, length);
    }
    return true;
}

/* ---- a metric's value ---- */

void rules_read_value(struct document_reader *reader, void *into, const yaml_node_t *node)
{
    struct rule_reading *reading = into;
    struct slice text;
    if (!config_read_text(reader, node, "value", RULES_TEXT_MAX, &text))
        return;
    if (is_field_alone(text))
        rules_read_field(reader, node, reading, slice_after(text, 1), &reading->metric->value);
    else if (text.at[0] == '$')
        config_note(reader, &node->start_mark, "value is $NAME alone, or a number");
    else
        rules_read_number(reader, node, "value that is not $NAME", &reading->metric->constant);
}

/* ---- a label's value ---- */

struct label_reading {
    const struct rule_reading *reading;
    struct rule_label *label;
};

static void read_text(struct document_reader *reader, void *into, const yaml_node_t *node)
{
    struct label_reading *reading = into;
    struct slice text;
    if (config_read_text(reader, node, "a label's value", RULES_TEXT_MAX, &text))
        read_parts(reader, node, reading->reading, text, reading->label);
}

static void read_entry(struct document_reader *reader, struct rule_mapping *entry, const yaml_node_t *key,
                       const yaml_node_t *value)
{
    struct slice text;
    rules_read_test(reader, key, "a key of map", "no text in a map starts so", &entry->test);
    if (config_read_text(reader, value, "a value of map", RULES_TEXT_MAX, &text))
        entry->text = config_keep(reader, text);
}

static void read_map(struct document_reader *reader, void *into, const yaml_node_t *node)
{
    struct rule_label *label = ((struct label_reading *)into)->label;
    if (!config_is_kind(reader, node, YAML_MAPPING_NODE, "map"))
        return;
    const yaml_node_pair_t *start = node->data.mapping.pairs.start, *top = node->data.mapping.pairs.top;
    if (top == start || top - start > RULE_TESTS_MAX) {
        config_note(reader, &node->start_mark, "map must have 1 to %d entries", RULE_TESTS_MAX);
        return;
    }
    label->map = config_allocate(reader, RULE_TESTS_MAX, sizeof label->map[0]);
    for (const yaml_node_pair_t *pair = start; label->map != NULL && pair < top; pair++)
        read_entry(reader, &label->map[label->map_count++], config_node(reader, pair->key),
                   config_node(reader, pair->value));
}

enum { VALUE, MAP, LABEL_KEYS };
static const struct config_key label_keys[LABEL_KEYS] = {
    [VALUE] = {"value", read_text},
    [MAP] = {"map", read_map},
};

bool rules_read_label_value(struct document_reader *reader, const yaml_node_t *node, const struct rule_reading *reading,
                            struct rule_label *label)
{
    struct label_reading into = {reading, label};
    if (node->type != YAML_MAPPING_NODE) {
        read_text(reader, &into, node);
        return label->part_count > 0;
    }
    if (!config_is_kind(reader, node, YAML_MAPPING_NODE, "a label's value"))
        return false;
    unsigned seen = config_read_mapping(reader, node, label_keys, LABEL_KEYS, "value and map", &into);
    if (seen != (1U << VALUE | 1U << MAP))
        config_note(reader, &node->start_mark, "a label's value is a text, or has value and map");
    return label->part_count > 0;
}
