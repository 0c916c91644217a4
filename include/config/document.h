/* The document reader: a YAML document that is checked before it is loaded, mistakes with their locations, and nodes
 * that are checked as they are read.  For configuration.c and its sections only. */
#ifndef DOCUMENT_H
#define DOCUMENT_H

#include <stdint.h>
#include <yaml.h>

#include "base/reserved.h"
#include "config/configuration.h"
#include "families/rules.h"

/* A text that must not stand twice, and what it names. */
struct location {
    struct slice text;
    yaml_mark_t mark;
    const void *item;
};

struct locations {
    struct location *list;
    size_t count;
    size_t capacity;
};

struct mistake;

struct document_reader {
    struct slice text;
    const char *source;
    enum configuration_passwords passwords;
    yaml_document_t document;
    struct configuration *configuration;
    const char *kind;   /* of the entry that is read: "drain" */
    struct slice entry; /* its name; empty if it has none */
    struct locations names;
    struct locations apps; /* of entries without a password */
    struct locations tokens;
    struct locations scrapes; /* names */
    struct locations rules;
    struct locations metrics;
    struct rule *rule_list; /* as far as they are good */
    size_t rule_count;
    struct mistake *mistakes;
    size_t mistake_count;
    bool has_password; /* an entry has one */
    bool on_trial;     /* its rules are only tried */
    bool no_memory;
};

/* Note what is wrong at mark; NULL: with the whole. */
void config_note(struct document_reader *reader, const yaml_mark_t *mark, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Append all mistakes to out, in the order of their locations. */
void config_list_mistakes(struct document_reader *reader, struct buffer *out);

void config_free_reader(struct document_reader *reader);

/* ---- the document ---- */

/* Load the text into reader->document; its root, or NULL with a mistake.  It must be one document without anchors,
 * aliases and directives, and not deep, since libyaml's work for these has no bound. */
const yaml_node_t *config_open_document(struct document_reader *reader);

/* Wipe and free it, since passwords stand in it; only if it was opened. */
void config_close_document(struct document_reader *reader);

/* ---- what must not stand twice ---- */

void config_remember(struct document_reader *reader, struct locations *locations, struct slice text,
                     const yaml_mark_t *mark, const void *item);

/* Bring those with the same text together, the first first. */
void config_sort_locations(struct locations *locations);

/* Note each text that stands twice; what: how to call it. */
void config_check_locations(struct document_reader *reader, struct locations *locations, const char *what);

/* ---- nodes ---- */

yaml_node_t *config_node(struct document_reader *reader, int index);

/* The text of a scalar; empty for any other node. */
struct slice config_text(const yaml_node_t *node);

/* Is it a scalar, a list or a mapping, as it must be?  what: how to call it. */
bool config_is_kind(struct document_reader *reader, const yaml_node_t *node, yaml_node_type_t kind, const char *what);

/* A text of 1 to limit bytes without NUL. */
bool config_read_text(struct document_reader *reader, const yaml_node_t *node, const char *what, size_t limit,
                      struct slice *text);

/* true or false, exactly so; false with a mistake if it is neither. */
void config_read_truth(struct document_reader *reader, const yaml_node_t *node, const char *what, bool *truth);

/* A copy with a NUL at its end; NULL if memory is short, which is noted. */
char *config_keep(struct document_reader *reader, struct slice text);

/* The name of an organization or a space of Cloud Foundry, a copy as of config_keep(); NULL if it is none, which is
 * noted. */
char *config_read_app_part(struct document_reader *reader, const yaml_node_t *value, const char *what);

/* An array of zeros, likewise. */
void *config_allocate(struct document_reader *reader, size_t count, size_t size);

/* The value of a key of a mapping; NULL if it has none. */
const yaml_node_t *config_value(struct document_reader *reader, const yaml_node_t *mapping, const char *name);

/* An array of zeros for the items of a list, as many as *count says, with so many bytes each; NULL, with a mistake
 * noted, if it is no list or does not have least to most items.  what: what they are, in the plural. */
void *config_allocate_list(struct document_reader *reader, const yaml_node_t *node, const char *what, size_t least,
                           size_t most, size_t size, size_t *count);

/* How many items a list has, and one of them. */
size_t config_list_length(const yaml_node_t *list);
const yaml_node_t *config_list_item(struct document_reader *reader, const yaml_node_t *list, size_t item);

/* A key of a mapping, and what to do with its value.  into: what the mapping describes. */
struct config_key {
    const char *name;
    void (*read)(struct document_reader *reader, void *into, const yaml_node_t *value);
};

/* Read a mapping whose keys are all known; returns which of them are there, a bit for each.  known: a list of them. */
unsigned config_read_mapping(struct document_reader *reader, const yaml_node_t *mapping, const struct config_key *keys,
                             size_t count, const char *known, void *into);

/* ---- names ---- */

bool config_has_control(struct slice text);

/* A name that an entry can have, whatever else is wrong with it. */
bool config_is_name(struct slice name);

/* The name of a label, which is the key of a mapping: legal ([a-zA-Z_][a-zA-Z0-9_]*, not "__..."), and not reserved.
 * False with a mistake. */
bool config_read_label_name(struct document_reader *reader, const yaml_node_t *key, enum reserved_from who,
                            struct slice *name);

/* ---- the sections ---- */

void config_read_drains(struct document_reader *reader, void *none, const yaml_node_t *node);
void config_read_rules(struct document_reader *reader, void *none, const yaml_node_t *node);
void config_read_scrapes(struct document_reader *reader, void *none, const yaml_node_t *node);

/* ---- users and their passwords, of several sections (drains_section.c) ---- */

/* The user of a request, one that names can have; empty, with a mistake, if it is none. */
struct slice config_read_user(struct document_reader *reader, const yaml_node_t *value);

/* into: the struct config_drain that has the password. */
void config_read_password(struct document_reader *reader, void *into, const yaml_node_t *value);
void config_read_password_file(struct document_reader *reader, void *into, const yaml_node_t *value);
void config_read_password_hash(struct document_reader *reader, void *into, const yaml_node_t *value);

#endif
