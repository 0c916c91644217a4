/* A log line as an example that others may see: without what is confidential (confidential.h), addresses, ids, and
 * numbers of more than six digits.
 *
 *     bob@example.com paid 12.50 by card 4111111111111111 "token=abc"    <email> paid 12.50 by card <n> "token=<key>"
 *
 * Pure: no I/O, no allocation.  One pass. */
#ifndef REDACTION_H
#define REDACTION_H

#include "base/slice.h"

enum { REDACTION_DIGITS_MAX = 6 };

/* Write text so, cut off if it does not fit into capacity bytes: never within a character of UTF-8, nor within "<n>".
 * Returns the length.  What stands more than 4096 bytes from its start is left out. */
size_t redaction_write(struct slice text, char *out, size_t capacity);

#endif
