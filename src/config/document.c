#include "config/document.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "config/mistakes.h"

/* ---- mistakes ---- */

/* So many are listed one by one; of the others only how many there are. */
enum { MISTAKES_MAX = 1000 };

struct mistake {
    size_t line; /* 0: it has no location */
    size_t column;
    char *text;
};

void config_note(struct document_reader *reader, const yaml_mark_t *mark, const char *format, ...)
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
        if (length >= 0)
            free(text);
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

void config_list_mistakes(struct document_reader *reader, struct buffer *out)
{
    size_t count = reader->mistake_count < MISTAKES_MAX ? reader->mistake_count : MISTAKES_MAX;
    if (reader->no_memory) {
        mistakes_add(out, "%s: " ERROR_NO_MEMORY, reader->source);
        return;
    }
    if (count > 0)
        qsort(reader->mistakes, count, sizeof reader->mistakes[0], compare_mistakes);
    for (size_t i = 0; i < count; i++) {
        const struct mistake *mistake = &reader->mistakes[i];
        if (mistake->line == 0)
            mistakes_add(out, "%s: %s", reader->source, mistake->text);
        else
            mistakes_add(out, "%s:%zu:%zu: %s", reader->source, mistake->line, mistake->column, mistake->text);
    }
    if (count < reader->mistake_count)
        mistakes_add(out, "%s: and %zu more mistakes", reader->source, reader->mistake_count - count);
}

void config_free_reader(struct document_reader *reader)
{
    for (size_t i = 0; reader->mistakes != NULL && i < reader->mistake_count && i < MISTAKES_MAX; i++)
        free(reader->mistakes[i].text);
    free(reader->mistakes);
    free(reader->names.list);
    free(reader->apps.list);
    free(reader->tokens.list);
    free(reader->scrapes.list);
    free(reader->rules.list);
    free(reader->metrics.list);
}

/* ---- the document ---- */

enum { DEPTH_MAX = 16 };

/* The location of a byte, which libyaml does not tell if it cannot read characters. */
static yaml_mark_t mark_at(struct slice text, size_t offset)
{
    yaml_mark_t mark = {0};
    for (size_t i = 0; i < offset && i < text.length; i++) {
        mark.column += (text.at[i] & 0xC0) != 0x80; /* characters, not bytes */
        if (text.at[i] == '\n') {
            mark.line++;
            mark.column = 0;
        }
    }
    return mark;
}

static void note_syntax(struct document_reader *reader, const yaml_parser_t *parser)
{
    if (parser->error == YAML_MEMORY_ERROR || parser->problem == NULL) /* it forgets to say so, here and there */
        reader->no_memory = true;
    else if (parser->error == YAML_READER_ERROR) {
        yaml_mark_t mark = mark_at(reader->text, parser->problem_offset);
        config_note(reader, &mark, "%s", parser->problem);
    } else if (parser->context != NULL)
        config_note(reader, &parser->problem_mark, "%s (%s)", parser->problem, parser->context);
    else
        config_note(reader, &parser->problem_mark, "%s", parser->problem);
}

static bool open_parser(struct document_reader *reader, yaml_parser_t *parser)
{
    if (!yaml_parser_initialize(parser)) {
        reader->no_memory = true;
        return false;
    }
    yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(parser, (const unsigned char *)reader->text.at, reader->text.length);
    return true;
}

/* What the events of a document have shown so far. */
struct events {
    unsigned documents;
    unsigned depth;
    bool ended;
    bool loadable;
};

static void check_anchor(struct document_reader *reader, const yaml_event_t *event)
{
    const yaml_char_t *anchor = NULL;
    if (event->type == YAML_SCALAR_EVENT)
        anchor = event->data.scalar.anchor;
    else if (event->type == YAML_SEQUENCE_START_EVENT)
        anchor = event->data.sequence_start.anchor;
    else if (event->type == YAML_MAPPING_START_EVENT)
        anchor = event->data.mapping_start.anchor;
    if (anchor != NULL)
        config_note(reader, &event->start_mark, "there are no anchors here; a text that starts with '&' needs quotes");
}

/* libyaml needs a time that grows with the square of the depth.  An alias makes one node stand in many positions, and a
 * few lines of them as many nodes as one likes. */
static void check_event(struct document_reader *reader, const yaml_event_t *event, struct events *events)
{
    check_anchor(reader, event);
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (++events->documents > 1)
            config_note(reader, &event->start_mark, "there is more than one YAML document");
        break;
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        if (++events->depth > DEPTH_MAX) {
            config_note(reader, &event->start_mark, "nothing here is nested so deeply");
            events->ended = true;
            events->loadable = false;
        }
        break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        events->depth--;
        break;
    case YAML_ALIAS_EVENT:
        config_note(reader, &event->start_mark, "there are no aliases here; a text that starts with '*' needs quotes");
        events->loadable = false;
        break;
    case YAML_STREAM_END_EVENT:
        events->ended = true;
        break;
    default:
        break;
    }
}

/* libyaml compares each directive with all before it, and we need none. */
static bool has_directive(struct document_reader *reader)
{
    struct slice rest = reader->text;
    while (rest.length > 0 && rest.at[0] != '%')
        slice_cut_line(&rest);
    if (rest.length == 0)
        return false;
    yaml_mark_t mark = mark_at(reader->text, (size_t)(rest.at - reader->text.at));
    config_note(reader, &mark, "a line cannot start with '%%': there are no directives here");
    return true;
}

/* Is the text a document that can be loaded? */
static bool check_syntax(struct document_reader *reader)
{
    if (has_directive(reader))
        return false;
    yaml_parser_t parser;
    if (!open_parser(reader, &parser))
        return false;
    struct events events = {.loadable = true};
    while (!events.ended) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            note_syntax(reader, &parser);
            events.loadable = false;
            break;
        }
        check_event(reader, &event, &events);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return events.loadable;
}

/* Passwords stand in it; vendor/yaml_memory.c wipes them. */
void config_close_document(struct document_reader *reader)
{
    yaml_document_delete(&reader->document);
}

const yaml_node_t *config_open_document(struct document_reader *reader)
{
    yaml_parser_t parser;
    const yaml_node_t *root = NULL;
    if (!check_syntax(reader) || !open_parser(reader, &parser))
        return NULL;
    if (yaml_parser_load(&parser, &reader->document)) {
        root = yaml_document_get_root_node(&reader->document);
        if (root == NULL) {
            config_note(reader, NULL, "there is nothing in it");
            config_close_document(reader);
        }
    } else
        note_syntax(reader, &parser);
    yaml_parser_delete(&parser);
    return root;
}

/* ---- what must not stand twice ---- */

void config_remember(struct document_reader *reader, struct locations *locations, struct slice text,
                     const yaml_mark_t *mark, const void *item)
{
    if (locations->count == locations->capacity) {
        size_t capacity = locations->capacity == 0 ? 64 : 2 * locations->capacity;
        struct location *list = realloc(locations->list, capacity * sizeof list[0]);
        if (list == NULL) {
            reader->no_memory = true;
            return;
        }
        locations->list = list;
        locations->capacity = capacity;
    }
    locations->list[locations->count++] = (struct location){text, *mark, item};
}

static int compare_locations(const void *left, const void *right)
{
    const struct location *a = left, *b = right;
    size_t shorter = a->text.length < b->text.length ? a->text.length : b->text.length;
    int order = memcmp(a->text.at, b->text.at, shorter);
    if (order != 0)
        return order;
    if (a->text.length != b->text.length)
        return a->text.length < b->text.length ? -1 : 1;
    return a->mark.index < b->mark.index ? -1 : a->mark.index > b->mark.index;
}

void config_sort_locations(struct locations *locations)
{
    if (locations->count > 0)
        qsort(locations->list, locations->count, sizeof locations->list[0], compare_locations);
}

void config_check_locations(struct document_reader *reader, struct locations *locations, const char *what)
{
    config_sort_locations(locations);
    for (size_t i = 1; i < locations->count; i++) {
        const struct location *first = &locations->list[i - 1], *second = &locations->list[i];
        if (slice_equals(first->text, second->text))
            config_note(reader, &second->mark, "%s stands in line %zu already", what, first->mark.line + 1);
    }
}

/* ---- nodes ---- */

yaml_node_t *config_node(struct document_reader *reader, int index)
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

bool config_is_kind(struct document_reader *reader, const yaml_node_t *node, yaml_node_type_t kind, const char *what)
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

bool config_read_text(struct document_reader *reader, const yaml_node_t *node, const char *what, size_t limit,
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

void config_read_truth(struct document_reader *reader, const yaml_node_t *node, const char *what, bool *truth)
{
    if (!config_is_kind(reader, node, YAML_SCALAR_NODE, what))
        return;
    *truth = slice_equals(config_text(node), SLICE("true"));
    if (!*truth && !slice_equals(config_text(node), SLICE("false")))
        config_note(reader, &node->start_mark, "%s must be true or false", what);
}

char *config_keep(struct document_reader *reader, struct slice text)
{
    char *copy = strndup(text.at, text.length);
    if (copy == NULL)
        reader->no_memory = true;
    return copy;
}

char *config_read_app_part(struct document_reader *reader, const yaml_node_t *value, const char *what)
{
    struct slice name;
    if (!config_read_text(reader, value, what, CONFIGURATION_APP_MAX, &name))
        return NULL;
    if (slice_index(name, '/') == name.length)
        return config_keep(reader, name);
    config_note(reader, &value->start_mark, "%s holds a '/', which ends it in the name of an app", what);
    return NULL;
}

static size_t find_key(const struct config_key *keys, size_t count, struct slice name)
{
    size_t i = 0;
    while (i < count && !slice_equals(slice_of(keys[i].name), name))
        i++;
    return i;
}

unsigned config_read_mapping(struct document_reader *reader, const yaml_node_t *mapping, const struct config_key *keys,
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

const yaml_node_t *config_value(struct document_reader *reader, const yaml_node_t *mapping, const char *name)
{
    for (yaml_node_pair_t *pair = mapping->data.mapping.pairs.start; pair < mapping->data.mapping.pairs.top; pair++)
        if (slice_equals(config_text(config_node(reader, pair->key)), slice_of(name)))
            return config_node(reader, pair->value);
    return NULL;
}

void *config_allocate(struct document_reader *reader, size_t count, size_t size)
{
    void *array = calloc(count + 1, size);
    if (array == NULL)
        reader->no_memory = true;
    return array;
}

void *config_allocate_list(struct document_reader *reader, const yaml_node_t *node, const char *what, size_t least,
                           size_t most, size_t size, size_t *count)
{
    if (!config_is_kind(reader, node, YAML_SEQUENCE_NODE, what))
        return NULL;
    *count = config_list_length(node);
    if (*count >= least && *count <= most)
        return config_allocate(reader, *count, size);
    if (least > 0)
        config_note(reader, &node->start_mark, "there must be %zu to %zu %s", least, most, what);
    else
        config_note(reader, &node->start_mark, "there are more than %zu %s", most, what);
    return NULL;
}

size_t config_list_length(const yaml_node_t *list)
{
    return (size_t)(list->data.sequence.items.top - list->data.sequence.items.start);
}

const yaml_node_t *config_list_item(struct document_reader *reader, const yaml_node_t *list, size_t item)
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

bool config_read_label_name(struct document_reader *reader, const yaml_node_t *key, enum reserved_from who,
                            struct slice *name)
{
    if (!config_read_text(reader, key, "a label's name", IDENTITY_LABEL_MAX, name))
        return false;
    if (!is_label_name(*name)) {
        config_note(reader, &key->start_mark,
                    "a label's name must be letters, digits and \"_\", and not start with \"__\"");
        return false;
    }
    if (reserved_label(*name, who)) {
        config_note(reader, &key->start_mark, "the label %.*s has a meaning already", (int)name->length, name->at);
        return false;
    }
    return true;
}
