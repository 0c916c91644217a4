/* A line as rules read it, by one thread: its fields, what is asked about them, and the samples that a rule makes of
 * it. For rules_reader.c and its parts only: see rules.h. */
#ifndef RULE_LINE_H
#define RULE_LINE_H

#include "base/json.h"
#include "base/number.h"
#include "base/process.h"
#include "families/rule_set.h"

/* What a field of the line has. */
struct rule_value {
    uint64_t reading; /* of the fields in which it was found */
    bool is_number;
    double number;
    struct slice text;  /* if it is no number */
    const cJSON *array; /* if it is one; then it has neither */
};

/* What became of reading the fields of a scope. */
struct rule_scope_reading {
    uint64_t line;    /* which line they were read in, by its number */
    uint64_t reading; /* the number of the reading */
    bool has_fields;  /* such fields stand there */
    bool given_up;    /* the expression before them took too long */
};

struct rule_tally {
    double lines;
    double errors;
    double unread;
};

struct rules_reader {
    struct rule_matcher *matcher; /* of the rule's expression, whose groups are needed until its samples are made */
    struct rule_matcher *side_matcher; /* of all others */
    struct json *json;
    const struct rules *rules; /* of the batch; NULL: there are none */
    struct slice app;          /* of the line */
    struct slice instance;     /* on Cloud Foundry: the index of the instance that the line is about */
    bool is_cf;                /* the line is of Cloud Foundry */
    bool cf_instance_labels;   /* and a series of one instance has Promfetcher's labels */
    struct rule_value *values; /* of all fields of all scopes */
    size_t value_capacity;
    struct rule_scope_reading *scopes;
    size_t scope_capacity;
    struct rule_tally *tallies; /* of each rule; all 0 between batches */
    size_t tally_capacity;
    uint64_t *found; /* of the line, for rule_index_find() */
    size_t found_capacity;
    const struct line *line; /* the one that is read */
    uint64_t number;         /* of that line, among all */
    uint64_t readings;       /* of fields, so far */
    unsigned json_scope;     /* the scope whose document json holds: texts of other scopes' documents are gone */
    const cJSON *element;    /* of an array, for which a sample is made */
    bool given_up;           /* an expression took too long */
    bool process_read;
    bool has_process;
    struct process process;
    uint16_t taken[RULES_TOLD]; /* the rules that took the line */
    unsigned taken_count;
    struct rules_unread unread[RULES_TOLD]; /* values of the line that could not be read */
    unsigned unread_count;
    char unread_texts[RULES_TOLD][2][RULES_UNREAD_TEXT];
    char texts[RULE_LABELS_MAX][IDENTITY_VALUE_MAX + 1]; /* values of labels that are made for a sample */
};

/* ---- rule_fields.c ---- */

bool rule_fields_read_anew(struct rules_reader *reader, const struct rule *rule);

/* Read the fields of the line that the rule's scope wants, once for all its rules; are there any? */
static inline bool rule_fields_read(struct rules_reader *reader, const struct rule *rule)
{
    const struct rule_scope_reading *found = &reader->scopes[rule->scope];
    bool is_there = rule->fields != RULE_JSON || reader->json_scope == rule->scope;
    if (found->line == reader->number && !found->given_up && (is_there || !found->has_fields))
        return found->has_fields;
    return rule_fields_read_anew(reader, rule);
}

/* Of a rule whose fields have been read: is it certain that the line has no such field? */
static inline bool rule_fields_lack(const struct rules_reader *reader, const struct rule *rule,
                                    const struct rule_field *field)
{
    return field->source == RULE_OF_FIELD &&
           reader->values[field->number].reading != reader->scopes[rule->scope].reading;
}

/* What a field of a rule whose line has been read has; NULL: there is none.  It may be put into *own. */
const struct rule_value *rule_fields_find(const struct rules_reader *reader, const struct rule *rule,
                                          const struct rule_field *field, struct rule_value *own);

/* Its text; that of a number is written to spelled. */
struct slice rule_fields_text(const struct rule_value *value, char spelled[NUMBER_TEXT_MAX]);

/* ---- rule_tests.c ---- */

/* Sets given_up if an expression takes too long; then it is false. */
bool rule_tests_hold(struct rules_reader *reader, const struct rule_test *test, const struct rule_value *value);
bool rule_tests_fulfil(struct rules_reader *reader, const struct rule *rule);

/* ---- rule_samples.c ---- */

/* Hand what a metric of a rule that takes the line makes of it to output. */
void rule_samples_make(struct rules_reader *reader, const struct rule *rule, const struct rule_metric *metric,
                       struct sample_output *output);

/* ---- rule_unread.c ---- */

/* Note that the value of a metric cannot be used; text: what it is, unit: the part of it that is not known. */
void rule_unread_note(struct rules_reader *reader, const struct rule *rule, const struct rule_metric *metric,
                      enum rules_unread_reason reason, struct slice text, struct slice unit);

/* ---- rules_reader.c ---- */

/* Does the text match an expression of a condition, or of after?  Sets given_up if that takes too long. */
bool rules_reader_match(struct rules_reader *reader, const struct rule_pattern *pattern, struct slice text);

#endif
