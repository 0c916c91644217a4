/* A line as rules read it, by one thread: its fields, and the samples that a rule makes of it.  For rules_reader.c and
 * its parts only: see rules.h. */
#ifndef RULE_LINE_H
#define RULE_LINE_H

#include "base/json.h"
#include "base/process.h"
#include "families/rule_set.h"

/* What a field of the line has. */
struct rule_field {
    uint64_t line; /* it is of this line, or there is none */
    bool is_number;
    double number;
    struct slice text; /* if it is no number */
};

struct rule_tally {
    double lines;
    double errors;
};

struct rules_reader {
    struct rule_matcher *matcher;
    struct json *json;
    const struct rules *rules; /* of the batch; NULL: there are none */
    struct slice app;
    struct rule_field *fields;
    size_t field_capacity;
    struct rule_tally *tallies; /* of each rule; all 0 between batches */
    size_t tally_capacity;
    struct rule_block *blocks; /* texts that must last as long as the batch but are no part of it */
    const struct line *line;   /* the one that is read */
    uint64_t number;           /* of that line, among all */
    bool pairs_read;
    bool members_read;
    bool process_read;
    bool has_process;
    struct process process;
    uint16_t taken[RULES_TOLD]; /* the rules that took it */
    unsigned taken_count;
};

/* ---- fields: rule_fields.c ---- */

/* Read the fields that rules of this kind want, once for each line. */
void rule_fields_read(struct rules_reader *reader, enum rule_lines kind);

/* The field of a rule whose line has been read; false if it has none. */
bool rule_fields_find(const struct rules_reader *reader, const struct rule *rule, const struct rule_text *text,
                      struct rule_field *field);

/* ---- samples: rule_samples.c ---- */

/* Hand what a metric of a rule that takes the line makes of it to output. */
void rule_samples_make(struct rules_reader *reader, const struct rule *rule, const struct rule_metric *metric,
                       struct sample_output *output);

void rule_samples_free_texts(struct rules_reader *reader);

#endif
