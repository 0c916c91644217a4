#include "config_file.h"

#include <crypt.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

#include "secret.h"

/* ---- mistakes ---- */

/* So many are told one by one; of the others only how many there are. */
enum { MISTAKES_MAX = 1000 };

struct mistake {
    size_t line; /* 0: of no place */
    size_t column;
    char *text;
};

/* A text that must not stand twice. */
struct place {
    struct slice text;
    yaml_mark_t mark;
};

struct places {
    struct place *list;
    size_t count;
    size_t room;
};

struct reader {
    struct slice text;
    const char *source;
    bool has_shared;
    yaml_document_t document;
    struct config_file *file;
    struct slice drain; /* the name of the entry that is read; empty where it has none */
    struct places names;
    struct places apps; /* of entries without a password */
    struct places tokens;
    struct mistake *mistakes;
    size_t mistake_count;
    bool has_password; /* an entry has one */
    bool no_memory;
};

/* Note what is wrong at mark; NULL: with the whole. */
__attribute__((format(printf, 3, 4))) static void note(struct reader *reader, const yaml_mark_t *mark,
                                                       const char *format, ...)
{
    if (reader->mistake_count++ >= MISTAKES_MAX)
        return;
    if (reader->mistakes == NULL)
        reader->mistakes = calloc(MISTAKES_MAX, sizeof reader->mistakes[0]);
    char what[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    char *text = NULL;
    int length = reader->drain.length > 0
                     ? asprintf(&text, "drain \"%.*s\": %s", (int)reader->drain.length, reader->drain.at, what)
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

static void append_line(struct buffer *out, const char *source, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void append_line(struct buffer *out, const char *source, const char *format, ...)
{
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    buffer_append(out, slice_of(source));
    buffer_append(out, slice_of(line));
    buffer_append(out, SLICE("\n"));
}

/* Append all mistakes in the order of their places, and forget them. */
static void tell_mistakes(struct reader *reader, struct buffer *out)
{
    size_t count = reader->mistake_count < MISTAKES_MAX ? reader->mistake_count : MISTAKES_MAX;
    if (reader->no_memory) {
        append_line(out, reader->source, ": there is no memory");
        return;
    }
    if (count > 0)
        qsort(reader->mistakes, count, sizeof reader->mistakes[0], compare_mistakes);
    for (size_t i = 0; i < count; i++) {
        const struct mistake *mistake = &reader->mistakes[i];
        if (mistake->line == 0)
            append_line(out, reader->source, ": %s", mistake->text);
        else
            append_line(out, reader->source, ":%zu:%zu: %s", mistake->line, mistake->column, mistake->text);
    }
    if (count < reader->mistake_count)
        append_line(out, reader->source, ": and %zu more mistakes", reader->mistake_count - count);
}

/* ---- what must not stand twice ---- */

static void remember_place(struct reader *reader, struct places *places, struct slice text, const yaml_mark_t *mark)
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
    places->list[places->count++] = (struct place){text, *mark};
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

static void check_places(struct reader *reader, struct places *places, const char *what)
{
    if (places->count > 0)
        qsort(places->list, places->count, sizeof places->list[0], compare_places);
    for (size_t i = 1; i < places->count; i++) {
        const struct place *first = &places->list[i - 1], *second = &places->list[i];
        if (slice_equals(first->text, second->text))
            note(reader, &second->mark, "%s stands in line %zu already", what, first->mark.line + 1);
    }
}

/* ---- nodes ---- */

static yaml_node_t *node_at(struct reader *reader, int index)
{
    return yaml_document_get_node(&reader->document, index);
}

static struct slice text_of(const yaml_node_t *node)
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
        if (slice_equals(text_of(node), slice_of(nulls[i])))
            return true;
    return false;
}

static bool check_kind(struct reader *reader, const yaml_node_t *node, yaml_node_type_t kind, const char *what)
{
    static const struct {
        const char *name;
        const char *tag;
    } kinds[] = {[YAML_SCALAR_NODE] = {"text", YAML_STR_TAG},
                 [YAML_SEQUENCE_NODE] = {"a list", YAML_SEQ_TAG},
                 [YAML_MAPPING_NODE] = {"a mapping", YAML_MAP_TAG}};
    if (is_null(node))
        note(reader, &node->start_mark, "%s has no value", what);
    else if (node->type != kind)
        note(reader, &node->start_mark, "%s must be %s", what, kinds[kind].name);
    else if (strcmp((const char *)node->tag, kinds[kind].tag) != 0)
        note(reader, &node->start_mark, "%s has a tag; there are none here", what);
    else
        return true;
    return false;
}

/* A text of 1 to limit bytes without NUL; what: how to call it. */
static bool read_text(struct reader *reader, const yaml_node_t *node, const char *what, size_t limit,
                      struct slice *text)
{
    if (!check_kind(reader, node, YAML_SCALAR_NODE, what))
        return false;
    *text = text_of(node);
    if (text->length == 0)
        note(reader, &node->start_mark, "%s is empty", what);
    else if (text->length > limit)
        note(reader, &node->start_mark, "%s is longer than %zu bytes", what, limit);
    else if (memchr(text->at, '\0', text->length) != NULL)
        note(reader, &node->start_mark, "%s holds a NUL byte", what);
    else
        return true;
    return false;
}

static char *keep(struct reader *reader, struct slice text)
{
    char *copy = strndup(text.at, text.length);
    if (copy == NULL)
        reader->no_memory = true;
    return copy;
}

/* A key of a mapping, and what to do with its value.  drain: the entry that it belongs to, where it does to one. */
struct key {
    const char *name;
    void (*read)(struct reader *reader, struct config_drain *drain, const yaml_node_t *value);
};

static size_t find_key(const struct key *keys, size_t count, struct slice name)
{
    size_t i = 0;
    while (i < count && !slice_equals(slice_of(keys[i].name), name))
        i++;
    return i;
}

/* Read a mapping whose keys are all known; returns which of them are there, a bit for each.  known: a list of them. */
static unsigned read_mapping(struct reader *reader, const yaml_node_t *mapping, const struct key *keys, size_t count,
                             const char *known, struct config_drain *drain)
{
    unsigned seen = 0;
    for (yaml_node_pair_t *pair = mapping->data.mapping.pairs.start; pair < mapping->data.mapping.pairs.top; pair++) {
        const yaml_node_t *name = node_at(reader, pair->key);
        size_t key = name->type == YAML_SCALAR_NODE ? find_key(keys, count, text_of(name)) : count;
        if (key == count)
            note(reader, &name->start_mark, "this key is not known; there is %s", known);
        else if (seen & 1U << key)
            note(reader, &name->start_mark, "%s is given twice", keys[key].name);
        else {
            seen |= 1U << key;
            keys[key].read(reader, drain, node_at(reader, pair->value));
        }
    }
    return seen;
}

/* ---- a drain ---- */

static bool has_control(struct slice text)
{
    for (size_t i = 0; i < text.length; i++)
        if ((unsigned char)text.at[i] < ' ' || text.at[i] == 0x7F)
            return true;
    return false;
}

/* A name that an entry can have, whatever else is wrong with it. */
static bool is_name(struct slice name)
{
    return name.length > 0 && name.length <= AUTH_USER_MAX && !has_control(name);
}

static void read_name(struct reader *reader, struct config_drain *drain, const yaml_node_t *value)
{
    struct slice name;
    if (!read_text(reader, value, "name", AUTH_USER_MAX, &name))
        return;
    if (has_control(name))
        note(reader, &value->start_mark, "name holds a control character");
    else if (slice_index(name, ':') < name.length)
        note(reader, &value->start_mark, "name holds a ':', which ends the user in a request");
    else if (reader->has_shared && slice_equals(name, SLICE(AUTH_SHARED_USER)))
        note(reader, &value->start_mark, "this name is the user of PASSWORD_DRAIN");
    else {
        drain->name = keep(reader, name);
        remember_place(reader, &reader->names, name, &value->start_mark);
    }
}

static void read_app(struct reader *reader, struct config_drain *drain, const yaml_node_t *value)
{
    struct slice app;
    if (!read_text(reader, value, "app", CONFIG_FILE_APP_MAX, &app))
        return;
    if (slice_starts_with(app, SLICE("__")))
        note(reader, &value->start_mark, "app starts with \"__\"");
    else
        drain->app = keep(reader, app);
}

static void read_password(struct reader *reader, struct config_drain *drain, const yaml_node_t *value)
{
    struct slice password;
    if (read_text(reader, value, "password", AUTH_PASSWORD_MAX, &password))
        drain->password = keep(reader, password);
}

static void read_password_file(struct reader *reader, struct config_drain *drain, const yaml_node_t *value)
{
    struct slice path;
    if (!read_text(reader, value, "password_file", 4095, &path))
        return;
    char secret[SECRET_ROOM], problem[128];
    char path_text[4096];
    memcpy(path_text, path.at, path.length);
    path_text[path.length] = '\0';
    if (!secret_read(path_text, secret, problem)) {
        note(reader, &value->start_mark, "the password_file %s", problem);
        return;
    }
    size_t length = strlen(secret);
    if (length == 0)
        note(reader, &value->start_mark, "the password_file is empty");
    else if (length > AUTH_PASSWORD_MAX)
        note(reader, &value->start_mark, "the password_file holds more than %d bytes", AUTH_PASSWORD_MAX);
    else
        drain->password = keep(reader, slice_of(secret));
    explicit_bzero(secret, sizeof secret);
}

/* crypt(3) takes nearly any text for a hash of the oldest kind, so a password in this place would pass for one: of the
 * old kinds only those that start with '$'.  Its own check looks at the beginning alone; what follows the salt has 22
 * bytes in the shortest kinds and 27 or more in all others. */
static bool is_hash(const char *hash)
{
    int kind = crypt_checksalt(hash);
    if (hash[0] != '$' || (kind != CRYPT_SALT_OK && kind != CRYPT_SALT_METHOD_LEGACY))
        return false;
    size_t tail = strlen(strrchr(hash, '$') + 1);
    bool is_short = strncmp(hash, "$1$", 3) == 0 || strncmp(hash, "$md5", 4) == 0;
    return tail >= 27 || (is_short && tail == 22);
}

static void read_password_hash(struct reader *reader, struct config_drain *drain, const yaml_node_t *value)
{
    struct slice text;
    if (!read_text(reader, value, "password_hash", CRYPT_OUTPUT_SIZE - 1, &text))
        return;
    char *hash = keep(reader, text);
    if (hash != NULL && !is_hash(hash)) {
        note(reader, &value->start_mark, "password_hash is not a whole hash of a kind that crypt(3) knows");
        free(hash);
        return;
    }
    drain->password_hash = hash;
}

static void read_tokens(struct reader *reader, struct config_drain *drain, const yaml_node_t *value)
{
    if (!check_kind(reader, value, YAML_SEQUENCE_NODE, "tokens"))
        return;
    size_t count = (size_t)(value->data.sequence.items.top - value->data.sequence.items.start);
    drain->tokens = calloc(count + 1, sizeof drain->tokens[0]);
    if (drain->tokens == NULL) {
        reader->no_memory = true;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const yaml_node_t *item = node_at(reader, value->data.sequence.items.start[i]);
        struct slice token;
        if (!read_text(reader, item, "a token", IDENTITY_VALUE_MAX, &token))
            continue;
        remember_place(reader, &reader->tokens, token, &item->start_mark);
        if ((drain->tokens[drain->token_count] = keep(reader, token)) != NULL)
            drain->token_count++;
    }
}

/* ---- labels ---- */

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

/* Labels that say whose series it is, or what it counts: another value would mix series up.  Prometheus itself sets the
 * last two, and has its own use for two others. */
static bool is_taken_label(struct slice name)
{
    static const char *const taken[] = {"app",   "process", "process_type", "le", "quantile",
                                        "addon", "source",  "instance",     "job"};
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++)
        if (slice_equals(name, slice_of(taken[i])))
            return true;
    return false;
}

static bool has_label(const struct config_drain *drain, struct slice name)
{
    for (size_t i = 0; i < drain->label_count; i++)
        if (slice_equals(drain->labels[i].name, name))
            return true;
    return false;
}

static void read_label(struct reader *reader, struct config_drain *drain, const yaml_node_t *key,
                       const yaml_node_t *value)
{
    struct slice name, text;
    if (!read_text(reader, key, "a label's name", IDENTITY_LABEL_MAX, &name))
        return;
    if (!is_label_name(name))
        note(reader, &key->start_mark, "a label's name must be letters, digits and \"_\", and not start with \"__\"");
    else if (is_taken_label(name))
        note(reader, &key->start_mark, "the label %.*s has a meaning already", (int)name.length, name.at);
    else if (has_label(drain, name))
        note(reader, &key->start_mark, "this label is given twice");
    else if (read_text(reader, value, "a label's value", IDENTITY_VALUE_MAX, &text)) {
        char *kept_name = keep(reader, name), *kept_text = keep(reader, text);
        if (kept_name == NULL || kept_text == NULL) {
            free(kept_name);
            free(kept_text);
            return;
        }
        drain->labels[drain->label_count++] = (struct label){{kept_name, name.length}, {kept_text, text.length}};
    }
}

static void read_labels(struct reader *reader, struct config_drain *drain, const yaml_node_t *value)
{
    if (!check_kind(reader, value, YAML_MAPPING_NODE, "labels"))
        return;
    const yaml_node_pair_t *start = value->data.mapping.pairs.start, *top = value->data.mapping.pairs.top;
    if (top - start > DRAIN_LABELS_MAX) {
        note(reader, &value->start_mark, "there are more than %d labels", DRAIN_LABELS_MAX);
        return;
    }
    for (const yaml_node_pair_t *pair = start; pair < top; pair++)
        read_label(reader, drain, node_at(reader, pair->key), node_at(reader, pair->value));
    size_t size = 0;
    for (size_t i = 0; i < drain->label_count; i++)
        size += drain->labels[i].name.length + drain->labels[i].value.length;
    if (size > CONFIG_FILE_LABELS_ROOM)
        note(reader, &value->start_mark, "the labels are longer than %d bytes together", CONFIG_FILE_LABELS_ROOM);
}

/* ---- the list of drains ---- */

enum { NAME, APP, PASSWORD, PASSWORD_FILE, PASSWORD_HASH, TOKENS, LABELS, KEY_COUNT };
static const struct key drain_keys[KEY_COUNT] = {
    [NAME] = {"name", read_name},
    [APP] = {"app", read_app},
    [PASSWORD] = {"password", read_password},
    [PASSWORD_FILE] = {"password_file", read_password_file},
    [PASSWORD_HASH] = {"password_hash", read_password_hash},
    [TOKENS] = {"tokens", read_tokens},
    [LABELS] = {"labels", read_labels},
};

static const yaml_node_t *value_of(struct reader *reader, const yaml_node_t *mapping, const char *name)
{
    for (yaml_node_pair_t *pair = mapping->data.mapping.pairs.start; pair < mapping->data.mapping.pairs.top; pair++)
        if (slice_equals(text_of(node_at(reader, pair->key)), slice_of(name)))
            return node_at(reader, pair->value);
    return NULL;
}

/* What one key alone cannot tell.  seen: the keys that the entry has, right or wrong.  Whether it has a password. */
static bool check_drain(struct reader *reader, const yaml_node_t *node, unsigned seen)
{
    unsigned passwords = seen & (1U << PASSWORD | 1U << PASSWORD_FILE | 1U << PASSWORD_HASH);
    if (!(seen & 1U << NAME))
        note(reader, &node->start_mark, "a drain has no name");
    if (passwords & (passwords - 1))
        note(reader, &node->start_mark, "there may be one of password, password_file and password_hash, not several");
    if (!(seen & 1U << APP) && passwords == 0)
        note(reader, &node->start_mark, "there is neither an app nor a password, so nothing can be told to be of it");
    else if (!(seen & 1U << APP) && seen & 1U << TOKENS)
        note(reader, &value_of(reader, node, "tokens")->start_mark, "there are tokens, but no app that they mean");
    return passwords != 0;
}

static bool read_drain(struct reader *reader, struct config_drain *drain, const yaml_node_t *node)
{
    if (!check_kind(reader, node, YAML_MAPPING_NODE, "a drain"))
        return true;
    const yaml_node_t *name = value_of(reader, node, "name");
    if (name != NULL && is_name(text_of(name)))
        reader->drain = text_of(name);
    unsigned seen = read_mapping(reader, node, drain_keys, KEY_COUNT,
                                 "name, app, password, password_file, password_hash, tokens and labels", drain);
    bool has_password = check_drain(reader, node, seen);
    const yaml_node_t *app = value_of(reader, node, "app");
    if (!has_password && drain->app != NULL)
        remember_place(reader, &reader->apps, text_of(app), &app->start_mark);
    reader->drain = (struct slice){"", 0};
    return has_password;
}

static void read_drains(struct reader *reader, struct config_drain *none, const yaml_node_t *node)
{
    (void)none;
    if (!check_kind(reader, node, YAML_SEQUENCE_NODE, "drains"))
        return;
    size_t count = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    if (count > CONFIG_FILE_DRAINS_MAX) {
        note(reader, &node->start_mark, "there are more than %d drains", CONFIG_FILE_DRAINS_MAX);
        return;
    }
    reader->file->drains = calloc(count + 1, sizeof reader->file->drains[0]);
    if (reader->file->drains == NULL) {
        reader->no_memory = true;
        return;
    }
    reader->file->drain_count = count;
    for (size_t i = 0; i < count; i++) {
        const yaml_node_t *item = node_at(reader, node->data.sequence.items.start[i]);
        reader->has_password |= read_drain(reader, &reader->file->drains[i], item);
    }
    check_places(reader, &reader->names, "this name");
    check_places(reader, &reader->apps, "this app of a drain without a password");
    check_places(reader, &reader->tokens, "this token");
}

/* ---- the document ---- */

enum { DEPTH_MAX = 16 };

static const struct key sections[] = {{"drains", read_drains}};
enum { SECTION_COUNT = sizeof sections / sizeof sections[0] };

/* The place of a byte; libyaml does not say it where it cannot read characters. */
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

static void note_syntax(struct reader *reader, const yaml_parser_t *parser)
{
    if (parser->error == YAML_MEMORY_ERROR)
        reader->no_memory = true;
    else if (parser->error == YAML_READER_ERROR) {
        yaml_mark_t mark = mark_at(reader->text, parser->problem_offset);
        note(reader, &mark, "%s", parser->problem);
    } else if (parser->context != NULL)
        note(reader, &parser->problem_mark, "%s (%s)", parser->problem, parser->context);
    else
        note(reader, &parser->problem_mark, "%s", parser->problem);
}

static bool open_parser(struct reader *reader, yaml_parser_t *parser)
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

static void check_anchor(struct reader *reader, const yaml_event_t *event)
{
    const yaml_char_t *anchor = NULL;
    if (event->type == YAML_SCALAR_EVENT)
        anchor = event->data.scalar.anchor;
    else if (event->type == YAML_SEQUENCE_START_EVENT)
        anchor = event->data.sequence_start.anchor;
    else if (event->type == YAML_MAPPING_START_EVENT)
        anchor = event->data.mapping_start.anchor;
    if (anchor != NULL)
        note(reader, &event->start_mark, "there are no anchors here; a text that starts with '&' needs quotes");
}

/* libyaml needs a time that grows with the square of the depth.  An alias makes one node stand in many places, and a
 * few lines of them as many nodes as one likes. */
static void check_event(struct reader *reader, const yaml_event_t *event, struct events *events)
{
    check_anchor(reader, event);
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (++events->documents > 1)
            note(reader, &event->start_mark, "there is more than one YAML document");
        break;
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        if (++events->depth > DEPTH_MAX) {
            note(reader, &event->start_mark, "nothing here is nested so deeply");
            events->ended = true;
            events->loadable = false;
        }
        break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        events->depth--;
        break;
    case YAML_ALIAS_EVENT:
        note(reader, &event->start_mark, "there are no aliases here; a text that starts with '*' needs quotes");
        events->loadable = false;
        break;
    case YAML_STREAM_END_EVENT:
        events->ended = true;
        break;
    default:
        break;
    }
}

/* Is the text a document that can be loaded? */
static bool check_syntax(struct reader *reader)
{
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

/* Passwords stand in it. */
static void wipe_document(yaml_document_t *document)
{
    for (yaml_node_t *node = document->nodes.start; node < document->nodes.top; node++)
        if (node->type == YAML_SCALAR_NODE)
            explicit_bzero(node->data.scalar.value, node->data.scalar.length);
    yaml_document_delete(document);
}

static void read_document(struct reader *reader)
{
    yaml_parser_t parser;
    if (!open_parser(reader, &parser))
        return;
    if (yaml_parser_load(&parser, &reader->document)) {
        const yaml_node_t *root = yaml_document_get_root_node(&reader->document);
        if (root == NULL)
            note(reader, NULL, "there is nothing in it");
        else if (check_kind(reader, root, YAML_MAPPING_NODE, "the configuration"))
            read_mapping(reader, root, sections, SECTION_COUNT, "drains", NULL);
        if (!reader->has_shared && !reader->has_password && reader->mistake_count == 0)
            note(reader, NULL, "no drain has a password, and PASSWORD_DRAIN is not set");
        wipe_document(&reader->document);
    } else
        note_syntax(reader, &parser);
    yaml_parser_delete(&parser);
}

static void free_reader(struct reader *reader)
{
    for (size_t i = 0; reader->mistakes != NULL && i < reader->mistake_count && i < MISTAKES_MAX; i++)
        free(reader->mistakes[i].text);
    free(reader->mistakes);
    free(reader->names.list);
    free(reader->apps.list);
    free(reader->tokens.list);
}

struct config_file *config_file_parse(struct slice text, const char *source, bool has_shared, struct buffer *mistakes)
{
    struct reader reader = {.text = text, .source = source, .has_shared = has_shared};
    reader.file = calloc(1, sizeof *reader.file);
    if (reader.file == NULL)
        reader.no_memory = true;
    else if (text.length > CONFIG_FILE_SIZE_MAX)
        note(&reader, NULL, "it is larger than 1 MiB");
    else if (check_syntax(&reader))
        read_document(&reader);
    if (reader.mistake_count > 0 || reader.no_memory) {
        tell_mistakes(&reader, mistakes);
        config_file_free(reader.file);
        reader.file = NULL;
    }
    free_reader(&reader);
    return reader.file;
}

struct config_file *config_file_read(const char *path, const char *source, bool has_shared, struct buffer *mistakes)
{
    FILE *in = fopen(path, "re");
    if (in == NULL) {
        append_line(mistakes, source, ": the file cannot be opened: %s", strerror(errno));
        return NULL;
    }
    setvbuf(in, NULL, _IONBF, 0); /* no copy is left in a buffer */
    struct config_file *file = NULL;
    size_t room = CONFIG_FILE_SIZE_MAX + 1;
    char *text = malloc(room);
    size_t length = text == NULL ? 0 : fread(text, 1, room, in);
    if (text == NULL)
        append_line(mistakes, source, ": there is no memory");
    else if (ferror(in))
        append_line(mistakes, source, ": the file cannot be read: %s", strerror(errno));
    else
        file = config_file_parse((struct slice){text, length}, source, has_shared, mistakes);
    fclose(in);
    if (text != NULL)
        explicit_bzero(text, length);
    free(text);
    return file;
}

void config_file_forget_passwords(struct config_file *file)
{
    for (size_t i = 0; i < file->drain_count; i++)
        if (file->drains[i].password != NULL)
            explicit_bzero(file->drains[i].password, strlen(file->drains[i].password));
}

static void free_secret(char *secret)
{
    if (secret != NULL)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

static void free_drain(struct config_drain *drain)
{
    free(drain->name);
    free(drain->app);
    free_secret(drain->password);
    free_secret(drain->password_hash);
    for (size_t i = 0; i < drain->token_count; i++)
        free(drain->tokens[i]);
    free(drain->tokens);
    for (size_t i = 0; i < drain->label_count; i++) {
        free((char *)drain->labels[i].name.at);
        free((char *)drain->labels[i].value.at);
    }
}

void config_file_free(struct config_file *file)
{
    if (file == NULL)
        return;
    for (size_t i = 0; i < file->drain_count; i++)
        free_drain(&file->drains[i]);
    free(file->drains);
    free(file);
}
