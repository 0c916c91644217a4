#include "config/config_file.h"

#include <crypt.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/document.h"
#include "config/secret.h"

/* ---- a drain ---- */

static void read_name(struct reader *reader, void *into, const yaml_node_t *value)
{
    struct config_drain *drain = into;
    struct slice name;
    if (!config_read_text(reader, value, "name", USER_MAX, &name))
        return;
    if (config_has_control(name))
        config_note(reader, &value->start_mark, "name holds a control character");
    else if (slice_index(name, ':') < name.length)
        config_note(reader, &value->start_mark, "name holds a ':', which ends the user in a request");
    else if (reader->has_shared && slice_equals(name, SLICE(SHARED_USER)))
        config_note(reader, &value->start_mark, "this name is the user of PASSWORD_DRAIN");
    else {
        drain->name = config_keep(reader, name);
        config_remember(reader, &reader->names, name, &value->start_mark, NULL);
    }
}

static void read_app(struct reader *reader, void *into, const yaml_node_t *value)
{
    struct config_drain *drain = into;
    struct slice app;
    if (!config_read_text(reader, value, "app", CONFIG_FILE_APP_MAX, &app))
        return;
    if (slice_starts_with(app, SLICE("__")))
        config_note(reader, &value->start_mark, "app starts with \"__\"");
    else
        drain->app = config_keep(reader, app);
}

static void read_password(struct reader *reader, void *into, const yaml_node_t *value)
{
    struct config_drain *drain = into;
    struct slice password;
    if (config_read_text(reader, value, "password", PASSWORD_MAX, &password))
        drain->password = config_keep(reader, password);
}

static void read_password_file(struct reader *reader, void *into, const yaml_node_t *value)
{
    struct config_drain *drain = into;
    struct slice path;
    if (!config_read_text(reader, value, "password_file", 4095, &path))
        return;
    char secret[SECRET_ROOM], problem[128];
    char path_text[4096];
    memcpy(path_text, path.at, path.length);
    path_text[path.length] = '\0';
    if (!secret_read(path_text, secret, problem)) {
        config_note(reader, &value->start_mark, "the password_file %s", problem);
        return;
    }
    size_t length = strlen(secret);
    if (length == 0)
        config_note(reader, &value->start_mark, "the password_file is empty");
    else if (length > PASSWORD_MAX)
        config_note(reader, &value->start_mark, "the password_file holds more than %d bytes", PASSWORD_MAX);
    else
        drain->password = config_keep(reader, slice_of(secret));
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

static void read_password_hash(struct reader *reader, void *into, const yaml_node_t *value)
{
    struct config_drain *drain = into;
    struct slice text;
    if (!config_read_text(reader, value, "password_hash", CRYPT_OUTPUT_SIZE - 1, &text))
        return;
    char *hash = config_keep(reader, text);
    if (hash != NULL && !is_hash(hash)) {
        config_note(reader, &value->start_mark, "password_hash is not a whole hash of a kind that crypt(3) knows");
        free(hash);
        return;
    }
    drain->password_hash = hash;
}

static void read_tokens(struct reader *reader, void *into, const yaml_node_t *value)
{
    struct config_drain *drain = into;
    if (!config_is_kind(reader, value, YAML_SEQUENCE_NODE, "tokens"))
        return;
    size_t count = (size_t)(value->data.sequence.items.top - value->data.sequence.items.start);
    drain->tokens = calloc(count + 1, sizeof drain->tokens[0]);
    if (drain->tokens == NULL) {
        reader->no_memory = true;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const yaml_node_t *item = config_node(reader, value->data.sequence.items.start[i]);
        struct slice token;
        if (!config_read_text(reader, item, "a token", IDENTITY_VALUE_MAX, &token))
            continue;
        config_remember(reader, &reader->tokens, token, &item->start_mark, NULL);
        if ((drain->tokens[drain->token_count] = config_keep(reader, token)) != NULL)
            drain->token_count++;
    }
}

/* ---- labels ---- */

/* Labels that say whose series it is, or what it counts: another value would mix series up.  Prometheus itself sets the
 * last two, and has its own use for two others. */
static const char *const taken_labels[] = {"app",   "process", "process_type", "le", "quantile",
                                           "addon", "source",  "instance",     "job"};

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
    if (!config_read_label_name(reader, key, taken_labels, COUNT(taken_labels), &name))
        return;
    if (has_label(drain, name))
        config_note(reader, &key->start_mark, "this label is given twice");
    else if (config_read_text(reader, value, "a label's value", IDENTITY_VALUE_MAX, &text)) {
        char *kept_name = config_keep(reader, name), *kept_text = config_keep(reader, text);
        if (kept_name == NULL || kept_text == NULL) {
            free(kept_name);
            free(kept_text);
            return;
        }
        drain->labels[drain->label_count++] = (struct label){{kept_name, name.length}, {kept_text, text.length}};
    }
}

static void read_labels(struct reader *reader, void *into, const yaml_node_t *value)
{
    struct config_drain *drain = into;
    if (!config_is_kind(reader, value, YAML_MAPPING_NODE, "labels"))
        return;
    const yaml_node_pair_t *start = value->data.mapping.pairs.start, *top = value->data.mapping.pairs.top;
    if (top - start > FIXED_LABELS_MAX) {
        config_note(reader, &value->start_mark, "there are more than %d labels", FIXED_LABELS_MAX);
        return;
    }
    for (const yaml_node_pair_t *pair = start; pair < top; pair++)
        read_label(reader, drain, config_node(reader, pair->key), config_node(reader, pair->value));
    size_t size = 0;
    for (size_t i = 0; i < drain->label_count; i++)
        size += drain->labels[i].name.length + drain->labels[i].value.length;
    if (size > CONFIG_FILE_LABELS_ROOM)
        config_note(reader, &value->start_mark, "the labels are longer than %d bytes together",
                    CONFIG_FILE_LABELS_ROOM);
}

/* ---- the list of drains ---- */

enum { NAME, APP, PASSWORD, PASSWORD_FILE, PASSWORD_HASH, TOKENS, LABELS, KEY_COUNT };
static const struct config_key drain_keys[KEY_COUNT] = {
    [NAME] = {"name", read_name},
    [APP] = {"app", read_app},
    [PASSWORD] = {"password", read_password},
    [PASSWORD_FILE] = {"password_file", read_password_file},
    [PASSWORD_HASH] = {"password_hash", read_password_hash},
    [TOKENS] = {"tokens", read_tokens},
    [LABELS] = {"labels", read_labels},
};

/* What one key alone cannot tell.  seen: the keys that the entry has, right or wrong.  Whether it has a password. */
static bool check_drain(struct reader *reader, const yaml_node_t *node, unsigned seen)
{
    unsigned passwords = seen & (1U << PASSWORD | 1U << PASSWORD_FILE | 1U << PASSWORD_HASH);
    if (!(seen & 1U << NAME))
        config_note(reader, &node->start_mark, "a drain has no name");
    if (passwords & (passwords - 1))
        config_note(reader, &node->start_mark,
                    "there may be one of password, password_file and password_hash, not several");
    if (!(seen & 1U << APP) && passwords == 0)
        config_note(reader, &node->start_mark,
                    "there is neither an app nor a password, so nothing can be told to be of it");
    else if (!(seen & 1U << APP) && seen & 1U << TOKENS)
        config_note(reader, &config_value(reader, node, "tokens")->start_mark,
                    "there are tokens, but no app that they mean");
    return passwords != 0;
}

static bool read_drain(struct reader *reader, struct config_drain *drain, const yaml_node_t *node)
{
    if (!config_is_kind(reader, node, YAML_MAPPING_NODE, "a drain"))
        return true;
    const yaml_node_t *name = config_value(reader, node, "name");
    reader->kind = "drain";
    if (name != NULL && config_is_name(config_text(name)))
        reader->entry = config_text(name);
    unsigned seen = config_read_mapping(reader, node, drain_keys, KEY_COUNT,
                                        "name, app, password, password_file, password_hash, tokens and labels", drain);
    bool has_password = check_drain(reader, node, seen);
    const yaml_node_t *app = config_value(reader, node, "app");
    if (!has_password && drain->app != NULL)
        config_remember(reader, &reader->apps, config_text(app), &app->start_mark, NULL);
    reader->entry = (struct slice){"", 0};
    return has_password;
}

static void read_drains(struct reader *reader, void *none, const yaml_node_t *node)
{
    (void)none;
    if (!config_is_kind(reader, node, YAML_SEQUENCE_NODE, "drains"))
        return;
    size_t count = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    if (count > CONFIG_FILE_DRAINS_MAX) {
        config_note(reader, &node->start_mark, "there are more than %d drains", CONFIG_FILE_DRAINS_MAX);
        return;
    }
    reader->file->drains = calloc(count + 1, sizeof reader->file->drains[0]);
    if (reader->file->drains == NULL) {
        reader->no_memory = true;
        return;
    }
    reader->file->drain_count = count;
    for (size_t i = 0; i < count; i++) {
        const yaml_node_t *item = config_node(reader, node->data.sequence.items.start[i]);
        reader->has_password |= read_drain(reader, &reader->file->drains[i], item);
    }
    config_check_places(reader, &reader->names, "this name");
    config_check_places(reader, &reader->apps, "this app of a drain without a password");
    config_check_places(reader, &reader->tokens, "this token");
}

/* ---- the document ---- */

enum { DEPTH_MAX = 16 };

static const struct config_key sections[] = {{"drains", read_drains}, {"rules", config_read_rules}};
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
        config_note(reader, &mark, "%s", parser->problem);
    } else if (parser->context != NULL)
        config_note(reader, &parser->problem_mark, "%s (%s)", parser->problem, parser->context);
    else
        config_note(reader, &parser->problem_mark, "%s", parser->problem);
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
        config_note(reader, &event->start_mark, "there are no anchors here; a text that starts with '&' needs quotes");
}

/* libyaml needs a time that grows with the square of the depth.  An alias makes one node stand in many places, and a
 * few lines of them as many nodes as one likes. */
static void check_event(struct reader *reader, const yaml_event_t *event, struct events *events)
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
static bool has_directive(struct reader *reader)
{
    const char *line = reader->text.at, *end = line + reader->text.length;
    while (line < end && *line != '%') {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        line = newline == NULL ? end : newline + 1;
    }
    if (line == end)
        return false;
    yaml_mark_t mark = mark_at(reader->text, (size_t)(line - reader->text.at));
    config_note(reader, &mark, "a line cannot start with '%%': there are no directives here");
    return true;
}

/* Is the text a document that can be loaded? */
static bool check_syntax(struct reader *reader)
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
            config_note(reader, NULL, "there is nothing in it");
        else if (config_is_kind(reader, root, YAML_MAPPING_NODE, "the configuration"))
            config_read_mapping(reader, root, sections, SECTION_COUNT, "drains and rules", NULL);
        if (!reader->has_shared && !reader->has_password && reader->mistake_count == 0)
            config_note(reader, NULL, "no drain has a password, and PASSWORD_DRAIN is not set");
        wipe_document(&reader->document);
    } else
        note_syntax(reader, &parser);
    yaml_parser_delete(&parser);
}

/* Make rules of those that were read, if all is well. */
static void finish_rules(struct reader *reader)
{
    if (reader->mistake_count > 0 || reader->no_memory || reader->rule_count == 0) {
        rules_free_array(reader->rule_list, reader->rule_count);
        return;
    }
    reader->file->rules = rules_create(reader->rule_list, reader->rule_count);
    reader->no_memory |= reader->file->rules == NULL;
}

struct config_file *config_file_parse(struct slice text, const char *source, bool has_shared, struct buffer *mistakes)
{
    struct reader reader = {.text = text, .source = source, .has_shared = has_shared};
    reader.file = calloc(1, sizeof *reader.file);
    if (reader.file == NULL)
        reader.no_memory = true;
    else if (text.length > CONFIG_FILE_SIZE_MAX)
        config_note(&reader, NULL, "it is larger than 1 MiB");
    else if (check_syntax(&reader))
        read_document(&reader);
    finish_rules(&reader);
    if (reader.mistake_count > 0 || reader.no_memory) {
        config_tell_mistakes(&reader, mistakes);
        config_file_free(reader.file);
        reader.file = NULL;
    }
    config_free_reader(&reader);
    return reader.file;
}

struct config_file *config_file_read(const char *path, const char *source, bool has_shared, struct buffer *mistakes)
{
    FILE *in = fopen(path, "re");
    if (in == NULL) {
        config_append_line(mistakes, source, ": the file cannot be opened: %s", strerror(errno));
        return NULL;
    }
    setvbuf(in, NULL, _IONBF, 0); /* no copy is left in a buffer */
    struct config_file *file = NULL;
    size_t room = CONFIG_FILE_SIZE_MAX + 1;
    char *text = malloc(room);
    size_t length = text == NULL ? 0 : fread(text, 1, room, in);
    if (text == NULL)
        config_append_line(mistakes, source, ": there is no memory");
    else if (ferror(in))
        config_append_line(mistakes, source, ": the file cannot be read: %s", strerror(errno));
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
    rules_unref(file->rules);
    free(file);
}
