/* The names of the fields that rules want, or of their metrics, each with a number.  A table of fixed size, which
 * always has an empty slot. */
#ifndef RULE_NAMES_H
#define RULE_NAMES_H

#include <stdint.h>

#include "base/slice.h"

enum { RULE_NAMES_NONE = UINT32_MAX }; /* no such name */

struct rule_names {
    struct slice *texts;
    unsigned *numbers;
    size_t mask;
};

/* A table of up to most names; false if memory is short.  Free it in both cases. */
bool rule_names_open(struct rule_names *names, size_t most);
void rule_names_close(struct rule_names *names);

/* The number of a name; if it has none yet, it gets this one.  The name must live, unmoved, as long as the table. */
unsigned rule_names_add(struct rule_names *names, struct slice name, unsigned number);

/* The number of a name, or RULE_NAMES_NONE. */
unsigned rule_names_find(const struct rule_names *names, struct slice name);

#endif
