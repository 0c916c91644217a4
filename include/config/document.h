/* What reads the sections of the configuration: mistakes with their places, and YAML nodes that are checked as they are
 * read.  For config_file.c and its sections only. */
#ifndef DOCUMENT_H
#define DOCUMENT_H

#include <stdint.h>
#include <yaml.h>

#include "config/config_file.h"
#include "families/rules.h"

/* A text that must not stand twice, and what it names. */
struct place {
    struct slice text;
    yaml_mark_t mark;
    const void *item;
};

struct places {
    struct place *list;
    size_t count;
    size_t room;
};

struct mistake;

struct reader {
    struct slice text;
    const char *source;
    bool has_shared;
    yaml_document_t document;
    struct config_file *file;
    const char *kind;   /* of the entry that is read: "drain" */
    struct slice entry; /* its name; empty where it has none */
    struct places names;
    struct places apps; /* of entries without a password */
    struct places tokens;
    struct places rules;
    struct places metrics;
    struct rule *rule_list; /* as far as they are good */
    size_t rule_count;
    struct mistake *mistakes;
    size_t mistake_count;
    bool has_password; /* an entry has one */
    bool no_memory;
};

/* Note what is wrong at mark; NULL: with the whole. */
void config_note(struct reader *reader, const yaml_mark_t *mark, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Append all mistakes in the order of their places. */
void config_tell_mistakes(struct reader *reader, struct buffer *out);

/* One line of them. */
void config_append_line(struct buffer *out, const char *source, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void config_free_reader(struct reader *reader);

/* ---- what must not stand twice ---- */

void config_remember(struct reader *reader, struct places *places, struct slice text, const yaml_mark_t *mark,
                     const void *item);

/* Bring those with the same text together, the first first. */
void config_sort_places(struct places *places);

/* Note each text that stands twice; what: how to call it. */
void config_check_places(struct reader *reader, struct places *places, const char *what);

/* ---- nodes ---- */

yaml_node_t *config_node(struct reader *reader, int index);

/* The text of a scalar; empty for any other node. */
struct slice config_text(const yaml_node_t *node);

/* Is it a scalar, a list or a mapping, as it must be?  what: how to call it. */
bool config_is_kind(struct reader *reader, const yaml_node_t *node, yaml_node_type_t kind, const char *what);

/* A text of 1 to limit bytes without NUL. */
bool config_read_text(struct reader *reader, const yaml_node_t *node, const char *what, size_t limit,
                      struct slice *text);

/* A copy with a NUL at its end; NULL where memory is short, which is noted. */
char *config_keep(struct reader *reader, struct slice text);

/* An array of zeros, likewise. */
void *config_allocate(struct reader *reader, size_t count, size_t size);

/* The value of a key of a mapping; NULL where it has none. */
const yaml_node_t *config_value(struct reader *reader, const yaml_node_t *mapping, const char *name);

/* How many items a list has, and one of them. */
size_t config_list_length(const yaml_node_t *list);
const yaml_node_t *config_list_item(struct reader *reader, const yaml_node_t *list, size_t item);

/* A key of a mapping, and what to do with its value.  into: what the mapping describes. */
struct config_key {
    const char *name;
    void (*read)(struct reader *reader, void *into, const yaml_node_t *value);
};

/* Read a mapping whose keys are all known; returns which of them are there, a bit for each.  known: a list of them. */
unsigned config_read_mapping(struct reader *reader, const yaml_node_t *mapping, const struct config_key *keys,
                             size_t count, const char *known, void *into);

/* ---- names ---- */

bool config_has_control(struct slice text);

/* A name that an entry can have, whatever else is wrong with it. */
bool config_is_name(struct slice name);

/* The name of a label, which is the key of a mapping: legal ([a-zA-Z_][a-zA-Z0-9_]*, not "__..."), and none of those
 * taken.  False with a mistake. */
bool config_read_label_name(struct reader *reader, const yaml_node_t *key, const char *const *taken, size_t taken_count,
                            struct slice *name);

/* ---- the sections ---- */

void config_read_rules(struct reader *reader, void *none, const yaml_node_t *node);

#endif
