/* Read the query string of a request's target (application/x-www-form-urlencoded).  Pure. */
#ifndef QUERY_H
#define QUERY_H

#include "base/slice.h"

/* Write the decoded value of the parameter called name to out, cut off at room bytes, and return its view: '+' is a
 * space, %XX a byte.  Of several with this name the last counts.  Empty where there is none. */
struct slice query_value(struct slice query, struct slice name, char *out, size_t room);

#endif
