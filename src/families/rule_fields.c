#include "base/keyvalue.h"
#include "families/rule_line.h"

enum { JSON_DEPTH = 8 }; /* of members of members */

static void note_field(struct rules_reader *reader, const struct rule_names *names, struct slice name,
                       struct rule_field field)
{
    unsigned number = rule_names_find(names, name);
    if (number == RULE_NAMES_NONE || reader->fields[number].line == reader->number)
        return; /* of several the first counts: what comes behind it may have been put there by others */
    field.line = reader->number;
    reader->fields[number] = field;
}

static void read_pairs(struct rules_reader *reader)
{
    struct keyvalue_reader pairs;
    struct keyvalue pair;
    if (reader->pairs_read)
        return;
    reader->pairs_read = true;
    keyvalue_start(&pairs, reader->line->message);
    while (keyvalue_next(&pairs, &pair))
        if (!pair.bare)
            note_field(reader, &reader->rules->pairs, pair.key, (struct rule_field){.text = pair.value});
}

static void note_member(struct rules_reader *reader, struct slice path, const cJSON *item)
{
    struct rule_field field = {.is_number = cJSON_IsNumber(item), .number = item->valuedouble};
    if (cJSON_IsString(item))
        field.text = slice_of(item->valuestring);
    else if (cJSON_IsBool(item))
        field.text = cJSON_IsTrue(item) ? SLICE("true") : SLICE("false");
    else if (!field.is_number)
        return;
    note_field(reader, &reader->rules->members, path, field);
}

/* The members of an object whose own path is the first length bytes of path, with a '.' at their end. */
static void note_members(struct rules_reader *reader, const cJSON *object, char path[RULE_FIELD_MAX], size_t length,
                         unsigned depth)
{
    for (const cJSON *item = object->child; item != NULL; item = item->next) {
        size_t name = strlen(item->string);
        if (length + name > RULE_FIELD_MAX)
            continue;
        memcpy(path + length, item->string, name);
        if (!cJSON_IsObject(item))
            note_member(reader, (struct slice){path, length + name}, item);
        else if (depth < JSON_DEPTH && length + name < RULE_FIELD_MAX) {
            path[length + name] = '.';
            note_members(reader, item, path, length + name + 1, depth + 1);
        }
    }
}

static void read_members(struct rules_reader *reader)
{
    char path[RULE_FIELD_MAX];
    if (reader->members_read)
        return;
    reader->members_read = true;
    const cJSON *document = json_read(reader->json, reader->line->message);
    if (cJSON_IsObject(document))
        note_members(reader, document, path, 0, 1);
}

void rule_fields_read(struct rules_reader *reader, enum rule_lines kind)
{
    if (kind == RULE_LOGFMT)
        read_pairs(reader);
    else if (kind == RULE_JSON)
        read_members(reader);
}

bool rule_fields_find(const struct rules_reader *reader, const struct rule *rule, const struct rule_text *text,
                      struct rule_field *field)
{
    if (rule->lines == RULE_MATCH) {
        *field = (struct rule_field){.text = rule_matcher_group(reader->matcher, text->field)};
        return true;
    }
    *field = reader->fields[text->field];
    return field->line == reader->number;
}
