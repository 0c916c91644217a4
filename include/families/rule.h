/* What a rule says, as the configuration is read into it: plain values, and their bounds. */
#ifndef RULE_H
#define RULE_H

#include "base/amount.h"
#include "families/rule_pattern.h"

struct metric;

enum {
    RULES_MAX = 500,
    RULE_METRICS_MAX = 32,
    RULE_LABELS_MAX = 16,
    RULE_BUCKETS_MAX = 64,
    RULE_CONDITIONS_MAX = 16,  /* fields that a rule can ask about */
    RULE_TESTS_MAX = 64,       /* values of one condition, or entries of a map */
    RULE_PARTS_MAX = 16,       /* constants and fields that a label's value is made of */
    RULE_ELEMENTS_MAX = 100,   /* of an array in a line */
    RULE_FIELD_MAX = 128,      /* bytes of a field's name */
    RULE_LINE_MAX = 16 * 1024, /* bytes of a message; no rule reads a longer one */
    RULES_ERRORS_MAX = 10,
};

/* ---- the sources of values ---- */

enum rule_source {
    RULE_OF_GROUP,   /* of the rule's expression */
    RULE_OF_FIELD,   /* a pair, or a member: "queue.depth" */
    RULE_OF_ELEMENT, /* of each element of an array in JSON: "workers[].backlog", "sizes[]" */
};

struct rule_field {
    char *name; /* owned; NULL: there is none */
    enum rule_source source;
    unsigned number; /* set by rules_create(): of the group, or among all fields, or of the element's array */
};

/* ---- which lines ---- */

enum rule_test_kind {
    RULE_ANY,
    RULE_EQUALS,
    RULE_LESS,
    RULE_AT_MOST,
    RULE_GREATER,
    RULE_AT_LEAST,
    RULE_FITS, /* an expression */
};

/* What the value of a field is compared with. */
struct rule_test {
    enum rule_test_kind kind;
    char *text;                   /* owned; of RULE_EQUALS */
    struct amount amount;         /* of comparisons: only amounts of the same kind can be compared */
    struct rule_pattern *pattern; /* owned; of RULE_FITS */
};

/* It holds if one of the tests holds.  If it is negated, it holds if none of them does, or if there is no such field.
 */
struct rule_condition {
    struct rule_field field;
    struct rule_test *tests; /* owned */
    size_t test_count;
    bool negated;
};

/* ---- metrics ---- */

enum rule_spelling {
    RULE_AS_IS,
    RULE_LOWER, /* of ASCII letters, as RULE_UPPER */
    RULE_UPPER,
    RULE_CLASS, /* of a status: 503 is 5xx; what is no status is "other" */
};

/* A constant, or what a field has. */
struct rule_part {
    char *text; /* owned; NULL: it is a field */
    struct rule_field field;
    enum rule_spelling spelling;
};

/* The text that replaces a value for which the test holds. */
struct rule_mapping {
    struct rule_test test;
    char *text; /* owned */
};

enum rule_label_kind {
    RULE_LABEL_CONSTANT,
    RULE_LABEL_FIELD, /* what a field has, as it stands there */
    RULE_LABEL_MADE,
};

struct rule_label {
    char *name;              /* owned */
    struct rule_part *parts; /* owned; at least one */
    size_t part_count;
    struct rule_mapping *map; /* owned; the first that holds counts; if none does, the value stays as it is */
    size_t map_count;
    enum rule_label_kind kind; /* set by rules_create(), as what follows */
    struct slice name_text;
    struct slice constant;
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
    struct rule_field value;
    double constant;       /* if there is no such field */
    double scale;          /* of values without a unit */
    enum amount_kind unit; /* AMOUNT_NUMBER: any */
    bool add;
    unsigned with;
    struct rule_label *labels; /* owned; in the order of their names, each once */
    size_t label_count;
    const struct metric *metric;    /* set by rules_create(), as what follows */
    const struct rule_field *array; /* a field of the array that has a sample for each element; NULL: there is none */
    bool is_transient;              /* its labels' values are not all parts of the line or constants */
};

/* ---- rules ---- */

enum rule_fields {
    RULE_NO_FIELDS,
    RULE_LOGFMT, /* key=value */
    RULE_JSON,
};

struct rule {
    char *name;                   /* owned, as app and process; no other rule has it */
    char *app;                    /* NULL: of all apps */
    char *process;                /* a pattern with '*' and '?'; NULL: of all processes */
    struct rule_pattern *pattern; /* owned; the line must match it; NULL: the fields alone decide */
    enum rule_fields fields;
    char *after_text;                  /* owned; the expression of after */
    struct rule_pattern *after;        /* owned; fields stand behind what this matches; NULL: in all of the line */
    struct rule_condition *conditions; /* owned; all hold */
    size_t condition_count;
    struct rule_metric *metrics; /* owned */
    size_t metric_count;
    bool drop;      /* no later rule sees the line, and it is no metric */
    bool continues; /* later rules see the line too */
    /* Set by rules_create(). */
    unsigned scope;     /* the part of the line that its fields are read in, see rule_set.h */
    struct slice start; /* what each line that matches starts with, if that is more than rule_index.h looks at */
    struct slice part;  /* and what it holds */
};

/* The help of a metric whose rule has none, and the bounds of a histogram whose rule has none. */
#define RULE_HELP "Made from log lines by a rule."
enum { RULE_DEFAULT_BOUNDS = 11 };
extern const double rule_default_bounds[RULE_DEFAULT_BOUNDS];

/* Of an element's field: how many bytes of its name are the array's, "workers[]" of "workers[].backlog". */
size_t rule_array_length(const char *name);

/* Free an array (malloc) of rules and all in it; NULL is harmless. */
void rules_free_array(struct rule *rules, size_t count);

#endif
