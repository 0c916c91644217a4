#include "config/document.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- mistakes ---- */

/* So many are told one by one; of the others only how many there are. */
enum { MISTAKES_MAX = 1000 };

struct mistake {
    size_t line; /* 0: of no place */
    size_t column;
    char *text;
};

void config_note(struct reader *reader, const yaml_mark_t *mark, const char *format, ...)
{
    if (reader->mistake_count++ >= MISTAKES_MAX)
        return;
    if (reader->mistakes == NULL)
        reader->mistakes = calloc(MISTAKES_MAX, sizeof reader->mistakes[0]);
    char what[384];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    char *text = NULL;
    int length = reader->entry.length > 0 ? asprintf(&text, "%s \"%.*s\": %s", reader->kind, (int)reader->entry.length,
                                                     reader->entry.at, what)
                                          : asprintf(&text, "%s", what);
    if (reader->mistakes == NULL || length < 0) {
        reader->no_memory = true;
        return;
    }
    reader->mistakes[reader->mistake_count - 1] =
        (struct mistake){mark == NULL ? 0 : mark->line + 1, mark == NULL ? 0 : mark->column + 1, text};
}

static int compare_mistakes(const void *left, const void *right)
{
    const struct mistake *a = left, *b = right;
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    if (a->column != b->column)
        return a->column < b->column ? -1 : 1;
    return strcmp(a->text, b->text);
}

void config_append_line(struct buffer *out, const char *source, const char *format, ...)
{
    char line[640];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    buffer_append(out, slice_of(source));
    buffer_append(out, slice_of(line));
    buffer_append(out, SLICE("\n"));
}

void config_tell_mistakes(struct reader *reader, struct buffer *out)
{
    size_t count = reader->mistake_count < MISTAKES_MAX ? reader->mistake_count : MISTAKES_MAX;
    if (reader->no_memory) {
        config_append_line(out, reader->source, ": there is no memory");
        return;
    }
    if (count > 0)
        qsort(reader->mistakes, count, sizeof reader->mistakes[0], compare_mistakes);
    for (size_t i = 0; i < count; i++) {
        const struct mistake *mistake = &reader->mistakes[i];
        if (mistake->line == 0)
            config_append_line(out, reader->source, ": %s", mistake->text);
        else
            config_append_line(out, reader->source, ":%zu:%zu: %s", mistake->line, mistake->column, mistake->text);
    }
    if (count < reader->mistake_count)
        config_append_line(out, reader->source, ": and %zu more mistakes", reader->mistake_count - count);
}

void config_free_reader(struct reader *reader)
{
    for (size_t i = 0; reader->mistakes != NULL && i < reader->mistake_count && i < MISTAKES_MAX; i++)
        free(reader->mistakes[i].text);
    free(reader->mistakes);
    free(reader->names.list);
    free(reader->apps.list);
    free(reader->tokens.list);
    free(reader->rules.list);
    free(reader->metrics.list);
}

/* ---- what must not stand twice ---- */

void config_remember(struct reader *reader, struct places *places, struct slice text, const yaml_mark_t *mark,
                     const void *item)
{
    if (places->count == places->room) {
        size_t room = places->room == 0 ? 64 : 2 * places->room;
        struct place *list = realloc(places->list, room * sizeof list[0]);
        if (list == NULL) {
            reader->no_memory = true;
            return;
        }
        places->list = list;
        places->room = room;
    }
    places->list[places->count++] = (struct place){text, *mark, item};
}

static int compare_places(const void *left, const void *right)
{
    const struct place *a = left, *b = right;
    size_t shorter = a->text.length < b->text.length ? a->text.length : b->text.length;
    int order = memcmp(a->text.at, b->text.at, shorter);
    if (order != 0)
        return order;
    if (a->text.length != b->text.length)
        return a->text.length < b->text.length ? -1 : 1;
    return a->mark.index < b->mark.index ? -1 : a->mark.index > b->mark.index;
}

void config_sort_places(struct places *places)
{
    if (places->count > 0)
        qsort(places->list, places->count, sizeof places->list[0], compare_places);
}

void config_check_places(struct reader *reader, struct places *places, const char *what)
{
    config_sort_places(places);
    for (size_t i = 1; i < places->count; i++) {
        const struct place *first = &places->list[i - 1], *second = &places->list[i];
        if (slice_equals(first->text, second->text))
            config_note(reader, &second->mark, "%s stands in line %zu already", what, first->mark.line + 1);
    }
}

/* ---- nodes ---- */

yaml_node_t *config_node(struct reader *reader, int index)
{
    return yaml_document_get_node(&reader->document, index);
}

struct slice config_text(const yaml_node_t *node)
{
    if (node->type != YAML_SCALAR_NODE)
        return (struct slice){"", 0};
    return (struct slice){(const char *)node->data.scalar.value, node->data.scalar.length};
}

/* YAML's ways to write that there is no value; a tag that makes a text of them is not looked at. */
static bool is_null(const yaml_node_t *node)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    bool plain = node->type == YAML_SCALAR_NODE && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    for (size_t i = 0; plain && i < sizeof nulls / sizeof nulls[0]; i++)
        if (slice_equals(config_text(node), slice_of(nulls[i])))
            return true;
    return false;
}

bool config_is_kind(struct reader *reader, const yaml_node_t *node, yaml_node_type_t kind, const char *what)
{
    static const struct {
        const char *name;
        const char *tag;
    } kinds[] = {[YAML_SCALAR_NODE] = {"text", YAML_STR_TAG},
                 [YAML_SEQUENCE_NODE] = {"a list", YAML_SEQ_TAG},
                 [YAML_MAPPING_NODE] = {"a mapping", YAML_MAP_TAG}};
    if (is_null(node))
        config_note(reader, &node->start_mark, "%s has no value", what);
    else if (node->type != kind)
        config_note(reader, &node->start_mark, "%s must be %s", what, kinds[kind].name);
    else if (strcmp((const char *)node->tag, kinds[kind].tag) != 0)
        config_note(reader, &node->start_mark, "%s has a tag; there are none here", what);
    else
        return true;
    return false;
}

bool config_read_text(struct reader *reader, const yaml_node_t *node, const char *what, size_t limit,
                      struct slice *text)
{
    if (!config_is_kind(reader, node, YAML_SCALAR_NODE, what))
        return false;
    *text = config_text(node);
    if (text->length == 0)
        config_note(reader, &node->start_mark, "%s is empty", what);
    else if (text->length > limit)
        config_note(reader, &node->start_mark, "%s is longer than %zu bytes", what, limit);
    else if (memchr(text->at, '\0', text->length) != NULL)
        config_note(reader, &node->start_mark, "%s holds a NUL byte", what);
    else
        return true;
    return false;
}

char *config_keep(struct reader *reader, struct slice text)
{
    char *copy = strndup(text.at, text.length);
    if (copy == NULL)
        reader->no_memory = true;
    return copy;
}

static size_t find_key(const struct config_key *keys, size_t count, struct slice name)
{
    size_t i = 0;
    while (i < count && !slice_equals(slice_of(keys[i].name), name))
        i++;
    return i;
}

unsigned config_read_mapping(struct reader *reader, const yaml_node_t *mapping, const struct config_key *keys,
                             size_t count, const char *known, void *into)
{
    unsigned seen = 0;
    for (yaml_node_pair_t *pair = mapping->data.mapping.pairs.start; pair < mapping->data.mapping.pairs.top; pair++) {
        const yaml_node_t *name = config_node(reader, pair->key);
        size_t key = name->type == YAML_SCALAR_NODE ? find_key(keys, count, config_text(name)) : count;
        if (key == count)
            config_note(reader, &name->start_mark, "this key is not known; there is %s", known);
        else if (seen & 1U << key)
            config_note(reader, &name->start_mark, "%s is given twice", keys[key].name);
        else {
            seen |= 1U << key;
            keys[key].read(reader, into, config_node(reader, pair->value));
        }
    }
    return seen;
}

const yaml_node_t *config_value(struct reader *reader, const yaml_node_t *mapping, const char *name)
{
    for (yaml_node_pair_t *pair = mapping->data.mapping.pairs.start; pair < mapping->data.mapping.pairs.top; pair++)
        if (slice_equals(config_text(config_node(reader, pair->key)), slice_of(name)))
            return config_node(reader, pair->value);
    return NULL;
}

void *config_allocate(struct reader *reader, size_t count, size_t size)
{
    void *array = calloc(count + 1, size);
    if (array == NULL)
        reader->no_memory = true;
    return array;
}

size_t config_list_length(const yaml_node_t *list)
{
    return (size_t)(list->data.sequence.items.top - list->data.sequence.items.start);
}

const yaml_node_t *config_list_item(struct reader *reader, const yaml_node_t *list, size_t item)
{
    return config_node(reader, list->data.sequence.items.start[item]);
}

/* ---- names ---- */

bool config_has_control(struct slice text)
{
    for (size_t i = 0; i < text.length; i++)
        if ((unsigned char)text.at[i] < ' ' || text.at[i] == 0x7F)
            return true;
    return false;
}

bool config_is_name(struct slice name)
{
    return name.length > 0 && name.length <= USER_MAX && !config_has_control(name);
}

static bool is_label_name(struct slice name)
{
    for (size_t i = 0; i < name.length; i++) {
        char byte = name.at[i];
        if (!((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' ||
              (i > 0 && slice_is_digit(byte))))
            return false;
    }
    return name.length > 0 && name.length <= IDENTITY_LABEL_MAX && !slice_starts_with(name, SLICE("__"));
}

bool config_read_label_name(struct reader *reader, const yaml_node_t *key, const char *const *taken, size_t taken_count,
                            struct slice *name)
{
    if (!config_read_text(reader, key, "a label's name", IDENTITY_LABEL_MAX, name))
        return false;
    if (!is_label_name(*name)) {
        config_note(reader, &key->start_mark,
                    "a label's name must be letters, digits and \"_\", and not start with \"__\"");
        return false;
    }
    for (size_t i = 0; i < taken_count; i++) {
        if (slice_equals(*name, slice_of(taken[i]))) {
            config_note(reader, &key->start_mark, "the label %.*s has a meaning already", (int)name->length, name->at);
            return false;
        }
    }
    return true;
}
