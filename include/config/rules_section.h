/* What the files that read the section "rules" share.  For them only. */
#ifndef RULES_SECTION_H
#define RULES_SECTION_H

#include "config/document.h"
#include "families/rules.h"

enum { RULES_TEXT_MAX = 1024 }; /* bytes of a constant */

/* The rule that is being read. */
struct rule_reading {
    struct rule *rule;
    struct rule_metric *metric; /* of it */
    bool knows_fields;          /* nothing is wrong with what says which groups and fields there are */
};

/* ---- values ---- */

/* A finite number; what: how to call it. */
bool rules_read_number(struct document_reader *reader, const yaml_node_t *node, const char *what, double *number);

/* Note a key that has no meaning here; seen: the keys that are there, a bit for each. */
void rules_check_key(struct document_reader *reader, const yaml_node_t *node, const struct config_key *keys,
                     unsigned seen, int key, const char *why);

/* ---- rule_texts.c ---- */

/* The field of a name without its '$', a group of the rule's expression or a field of the line; node: where it stands.
 */
void rules_read_field(struct document_reader *reader, const yaml_node_t *node, const struct rule_reading *reading,
                      struct slice name, struct rule_field *field);

/* A number, or $NAME: into value or constant of the metric. */
void rules_read_value(struct document_reader *reader, void *reading, const yaml_node_t *node);

/* A label's value: a constant, $NAME, a text with ${NAME} or ${NAME:spelling} in it, or {value: such a text, map: ...}.
 * False if there is nothing of use. */
bool rules_read_label_value(struct document_reader *reader, const yaml_node_t *node, const struct rule_reading *reading,
                            struct rule_label *label);

/* ---- rule_conditions.c ---- */

/* The key "when" of a rule. */
void rules_read_when(struct document_reader *reader, void *reading, const yaml_node_t *node);

/* What a value is compared with: "*", ">= 500" or a text.  otherwise: what is said of a text that only looks like a
 * comparison.  False with a mistake, if there is nothing to free. */
bool rules_read_test(struct document_reader *reader, const yaml_node_t *node, const char *what, const char *otherwise,
                     struct rule_test *test);

/* ---- metrics_section.c ---- */

/* The key "metrics" of a rule. */
void rules_read_metrics(struct document_reader *reader, void *reading, const yaml_node_t *node);

/* A metric of several rules is one metric: note where it is not. */
void rules_check_metrics(struct document_reader *reader);

#endif
