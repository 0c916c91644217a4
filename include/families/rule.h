/* What a rule says, as the configuration is read into it: plain values, and their bounds. */
#ifndef RULE_H
#define RULE_H

#include "families/rule_pattern.h"

struct metric;

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

/* Free an array (malloc) of rules and all in it; NULL is harmless. */
void rules_free_array(struct rule *rules, size_t count);

#endif
