#include "base/keyvalue.h"
#include "families/rule_line.h"

enum { JSON_DEPTH = 8 }; /* of members of members */

/* ---- reading ---- */

static void note_field(struct rules_reader *reader, const struct rule_names *names, struct slice name,
                       struct rule_value value)
{
    unsigned number = rule_names_find(names, name);
    if (number == RULE_NAMES_NONE || reader->values[number].reading == reader->readings)
        return; /* of several the first counts: what comes behind it may have been put there by others */
    value.reading = reader->readings;
    reader->values[number] = value;
}

static bool read_pairs(struct rules_reader *reader, const struct rule_names *names, struct slice text)
{
    struct keyvalue_reader pairs;
    struct keyvalue pair;
    bool found = false;
    if (text.length == 0 || text.at[0] == '{')
        return false; /* JSON holds texts, but no pairs */
    keyvalue_start(&pairs, text);
    while (keyvalue_next(&pairs, &pair)) {
        if (pair.bare)
            continue;
        found = true;
        note_field(reader, names, pair.key, (struct rule_value){.text = pair.value});
    }
    return found;
}

/* False: an object, an array or null has no value. */
static bool set_value(struct rule_value *value, const cJSON *item)
{
    *value = (struct rule_value){.is_number = cJSON_IsNumber(item), .number = item->valuedouble};
    if (cJSON_IsString(item))
        value->text = slice_of(item->valuestring);
    else if (cJSON_IsBool(item))
        value->text = cJSON_IsTrue(item) ? SLICE("true") : SLICE("false");
    else
        return value->is_number;
    return true;
}

/* path has capacity for two bytes more than a name's length. */
static void note_member(struct rules_reader *reader, const struct rule_names *names, char *path, size_t length,
                        const cJSON *item)
{
    struct rule_value value;
    if (cJSON_IsArray(item)) {
        path[length++] = '[';
        path[length++] = ']';
        value = (struct rule_value){.array = item};
    } else if (!set_value(&value, item))
        return;
    note_field(reader, names, (struct slice){path, length}, value);
}

/* The members of an object whose own path is the first length bytes of path, with a '.' at their end. */
static void note_members(struct rules_reader *reader, const struct rule_names *names, const cJSON *object,
                         char path[RULE_FIELD_MAX + 2], size_t length, unsigned depth)
{
    for (const cJSON *item = object->child; item != NULL; item = item->next) {
        size_t name = strlen(item->string);
        if (length + name > RULE_FIELD_MAX)
            continue;
        memcpy(path + length, item->string, name);
        if (!cJSON_IsObject(item))
            note_member(reader, names, path, length + name, item);
        else if (depth < JSON_DEPTH && length + name < RULE_FIELD_MAX) {
            path[length + name] = '.';
            note_members(reader, names, item, path, length + name + 1, depth + 1);
        }
    }
}

static bool read_members(struct rules_reader *reader, const struct rule_names *names, struct slice text)
{
    char path[RULE_FIELD_MAX + 2];
    if (text.length == 0 || text.at[0] != '{')
        return false;
    const cJSON *document = json_read(reader->json, text);
    if (!cJSON_IsObject(document))
        return false;
    note_members(reader, names, document, path, 0, 1);
    return true;
}

static bool read_scope(struct rules_reader *reader, const struct rule_scope *scope)
{
    struct slice text = reader->line->message;
    if (scope->after != NULL) {
        if (!rules_reader_match(reader, scope->after, text))
            return false;
        text = rule_matcher_rest(reader->side_matcher);
    }
    return scope->kind == RULE_JSON ? read_members(reader, &scope->names, text)
                                    : read_pairs(reader, &scope->names, text);
}

bool rule_fields_read_anew(struct rules_reader *reader, const struct rule *rule)
{
    const struct rule_scope *scope = &reader->rules->scopes[rule->scope];
    struct rule_scope_reading *found = &reader->scopes[rule->scope];
    if (found->line != reader->number || !found->given_up) {
        *found = (struct rule_scope_reading){.line = reader->number, .reading = ++reader->readings};
        found->has_fields = read_scope(reader, scope);
        found->given_up = reader->given_up;
        if (scope->kind == RULE_JSON)
            reader->json_scope = rule->scope;
    }
    reader->given_up |= found->given_up;
    return found->has_fields;
}

/* ---- finding ---- */

/* The first member with this path, its own dots or those between objects; NULL: there is none. */
static const cJSON *find_member(const cJSON *object, const char *path, unsigned depth)
{
    for (const cJSON *item = object->child; item != NULL; item = item->next) {
        size_t name = strlen(item->string);
        if (strncmp(item->string, path, name) != 0)
            continue;
        if (path[name] == '\0' && !cJSON_IsObject(item))
            return item;
        if (path[name] != '.' || !cJSON_IsObject(item) || depth >= JSON_DEPTH)
            continue;
        const cJSON *found = find_member(item, path + name + 1, depth + 1);
        if (found != NULL)
            return found;
    }
    return NULL;
}

/* Out of line, as it is rare. */
__attribute__((noinline)) static bool find_in_element(const cJSON *element, const struct rule_field *field,
                                                      struct rule_value *value)
{
    const char *member = field->name + rule_array_length(field->name);
    const cJSON *item = element;
    if (*member == '.')
        item = cJSON_IsObject(element) ? find_member(element, member + 1, 1) : NULL;
    return item != NULL && set_value(value, item);
}

const struct rule_value *rule_fields_find(const struct rules_reader *reader, const struct rule *rule,
                                          const struct rule_field *field, struct rule_value *own)
{
    if (field->source == RULE_OF_GROUP) {
        own->is_number = false;
        own->text = rule_matcher_group(reader->matcher, field->number);
        return own;
    }
    if (field->source == RULE_OF_ELEMENT && reader->element != NULL)
        return find_in_element(reader->element, field, own) ? own : NULL;
    const struct rule_value *value = &reader->values[field->number];
    return value->reading == reader->scopes[rule->scope].reading ? value : NULL;
}

struct slice rule_fields_text(const struct rule_value *value, char spelled[NUMBER_TEXT_MAX])
{
    return value->is_number ? (struct slice){spelled, number_spell(value->number, spelled)} : value->text;
}
