/* All rules as they are kept for reading lines.  For what reads lines by them only: see rules.h. */
#ifndef RULE_SET_H
#define RULE_SET_H

#include <stdatomic.h>

#include "families/rule_index.h"
#include "families/rule_names.h"
#include "families/rules.h"

/* A part of the line in which fields are read.  Rules with the same kind of fields, behind the same expression, share
 * it, so that it is read once. */
struct rule_scope {
    enum rule_fields kind;
    const char *after_text; /* NULL: in all of the line */
    const struct rule_pattern *after;
    struct rule_names names; /* of the fields that rules want; those of an array end in "[]" */
    size_t name_max;
};

/* What is known of a rule while it is in force. */
struct rule_state {
    atomic_uint errors;    /* matches that were given up */
    atomic_uint unread;    /* values that could not be read */
    _Atomic uint64_t told; /* when the last of them was logged, in ms of the monotonic clock; 0: none was */
};

struct rules {
    atomic_uint references;
    struct rule *list;
    size_t count;
    struct rule_state *states; /* of each */
    struct rule_index index;
    struct rule_scope *scopes;
    size_t scope_count;
    unsigned field_count;   /* of all scopes */
    struct rule_names made; /* the names of metrics */
    const struct metric **metrics;
    size_t metric_count;
    bool on_trial; /* the metrics are its own */
};

#endif
