/* All rules as they are kept for reading lines.  For what reads lines by them only: see rules.h. */
#ifndef RULE_SET_H
#define RULE_SET_H

#include <stdatomic.h>

#include "families/rule_index.h"
#include "families/rule_names.h"
#include "families/rules.h"

struct rules {
    atomic_uint references;
    struct rule *list;
    size_t count;
    atomic_uint *errors; /* of each */
    struct rule_index index;
    struct rule_names pairs;
    struct rule_names members;
    struct rule_names made; /* the names of metrics */
    unsigned field_count;
    const struct metric **metrics;
    size_t metric_count;
};

#endif
