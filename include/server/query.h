/* Read the query string of a request's target (application/x-www-form-urlencoded).  Pure. */
#ifndef QUERY_H
#define QUERY_H

#include "base/slice.h"

/* Write the decoded value of the parameter called name to out, cut off at capacity bytes, and return its view: '+' is a
 * space, %XX a byte.  Of several with this name the last counts.  Empty if there is none. */
struct slice query_value(struct slice query, struct slice name, char *out, size_t capacity);

/* Is there a parameter of this name, with a value or without? */
bool query_has(struct slice query, struct slice name);

#endif
