/* Users' own metrics, from their own log lines, by rules of the configuration.  A rule says which lines it is for, by
 * an expression (rule_pattern.h) or by fields, key=value or JSON, and what they mean:
 *
 *     match: '^sidekiq job=(?<job>\w+) duration=(?<ms>[0-9.]+)ms'
 *     metrics: [{counter: sidekiq_jobs_total, labels: {job: $job}}]
 *
 * Rules are asked in their order, about the lines that no other family has samples of; the first that takes a line is
 * the last, unless it says "continue".  A rule whose matches are given up at a limit RULES_ERRORS_MAX times is switched
 * off until the configuration is read again.
 *
 * COST  A line is given to those rules only that its first bytes allow: for each first byte there is a list of them,
 *       and of each the first eight bytes that it wants are compared in one step.  Fields are read once for all rules.
 *
 * Rules do not change once created, but for their errors: any number of threads. */
#ifndef RULES_H
#define RULES_H

#include "families/family.h"
#include "families/rule_pattern.h"

enum {
    RULES_MAX = 500,
    RULE_METRICS_MAX = 32,
    RULE_LABELS_MAX = 16,
    RULE_BUCKETS_MAX = 64,
    RULE_CONDITIONS_MAX = 16,
    RULE_FIELD_MAX = 128,      /* bytes of a field's name */
    RULE_LINE_MAX = 16 * 1024, /* bytes of a message; no rule is given a longer one */
    RULES_ERRORS_MAX = 10,
};

/* A text: a constant, or what a field of the line has. */
struct rule_text {
    char *text; /* owned; the constant, or the name of the field; NULL: there is none */
    bool is_field;
    unsigned field; /* set by rules_create(): a group, or a place among all fields of all rules */
};

struct rule_label {
    char *name; /* owned */
    struct rule_text value;
};

enum rule_action {
    RULE_COUNTER,
    RULE_GAUGE,
    RULE_HISTOGRAM,
    RULE_EXTERNAL_COUNTER,
};

/* The labels that say whose a sample is, one bit each. */
enum {
    RULE_WITH_APP = 1,
    RULE_WITH_PROCESS = 2, /* the series ends with its process; one-off dynos have process_type instead */
    RULE_WITH_PROCESS_TYPE = 4,
};

struct rule_metric {
    enum rule_action action;
    char *name; /* owned, as help and bounds */
    char *help;
    double *bounds;
    unsigned bound_count;
    struct rule_text value; /* none: a counter counts 1 */
    double scale;           /* of values without a unit */
    bool add;
    unsigned with;
    struct rule_label *labels; /* owned; in the order of their names, each once */
    size_t label_count;
    const struct metric *metric; /* set by rules_create() */
};

struct rule_condition {
    struct rule_text field;
    char *value; /* owned; NULL: any */
};

enum rule_lines {
    RULE_MATCH,  /* those that match an expression */
    RULE_LOGFMT, /* those whose fields are as the conditions say; key=value */
    RULE_JSON,
};

struct rule {
    char *name;    /* owned, as app and process; no other rule has it */
    char *app;     /* NULL: of all apps */
    char *process; /* a pattern with '*' and '?'; NULL: of all processes */
    enum rule_lines lines;
    struct rule_pattern *pattern;      /* owned; of RULE_MATCH */
    struct rule_condition *conditions; /* owned; of the others, at least one */
    size_t condition_count;
    struct rule_metric *metrics; /* owned */
    size_t metric_count;
    bool drop;      /* no later rule sees the line, and it is no metric */
    bool continues; /* later rules see the line too */
};

/* The help of a metric whose rule gives none, and the bounds of a histogram whose rule has none. */
#define RULE_HELP "Made from log lines by a rule."
enum { RULE_DEFAULT_BOUNDS = 11 };
extern const double rule_default_bounds[RULE_DEFAULT_BOUNDS];

struct rules;

/* The array (malloc) and all in it become the rules', also where creation fails.  NULL where memory is short.  One
 * thread at a time. */
struct rules *rules_create(struct rule *rules, size_t count);

/* Free such an array, for who does not create rules of it. */
void rules_free_array(struct rule *rules, size_t count);

/* One share more, or one less; the last one frees.  NULL is harmless. */
struct rules *rules_ref(struct rules *rules);
void rules_unref(struct rules *rules);

size_t rules_count(const struct rules *rules); /* NULL has none */

/* These rules are in force now: series of metrics that they have not have ended.  rules may be NULL.  One thread at a
 * time. */
void rules_enforce(const struct rules *rules);

/* Of the rule with this number, below rules_count(): its name, valid as long as the rules, and whether it was switched
 * off. */
struct slice rules_name(const struct rules *rules, size_t rule);
bool rules_is_off(const struct rules *rules, size_t rule);

/* ---- lines ---- */

/* What a thread needs to read lines by rules; NULL where memory is short. */
struct rules_reader *rules_reader_create(void);
void rules_reader_free(struct rules_reader *reader);

/* Begin a batch of an app; rules may be NULL, and must live until the next begin. */
void rules_reader_begin(struct rules_reader *reader, const struct rules *rules, struct slice app);

/* What a rule did in the lines that were read since it was asked last. */
struct rules_tally {
    struct slice name; /* valid as long as the rules */
    double lines;      /* that it took */
    double errors;     /* lines that it was given up for */
};

/* Take the tally of the next rule that did something, from number *rule (0 at first) on; false behind the last. */
bool rules_reader_tally(struct rules_reader *reader, size_t *rule, struct rules_tally *tally);

/* Do the rules of the batch make a metric of this name?  Then no app may choose it. */
bool rules_reader_makes(const struct rules_reader *reader, struct slice name);

/* A rule that took the line that was read last. */
struct rules_taken {
    struct slice name; /* valid as long as the rules */
    size_t number;     /* among all rules, from 0 on */
    bool dropped;      /* it said that the line is of no interest */
};

/* The nth of them, from 0 on; false behind the last.  No more than RULES_TOLD are remembered. */
enum { RULES_TOLD = 8 };
bool rules_reader_taken(const struct rules_reader *reader, size_t nth, struct rules_taken *taken);

/* The family is in family.h's table: it owns all lines with a header, where there are rules, and reads NOT_A_METRIC
 * where none takes them. */
extern const struct family rules_family;

#endif
