/* A rule for lines that no rule takes, made from one of them, as a person would start to write it.
 *
 *     job=Mail status=ok took=35.2ms    fields: logfmt, when: {job: "*", status: "*", took: "*"}; a counter by status
 * and job, a histogram of took
 *     {"event":"paid","amount":5}       fields: json, likewise
 *     Completed 200 OK in 35ms          match: '^Completed \d+(?:\.\d+)? OK in (?<duration>\d+(?:\.\d+)?ms)'
 *
 * It takes all lines of the same pattern (line_patterns.h), and holds nothing of the line that must not be shown
 * (redaction.h). */
#ifndef SUGGESTION_H
#define SUGGESTION_H

#include "base/buffer.h"
#include "base/line_patterns.h"
#include "families/rules.h"

/* Append the rule as an item of the list "rules", in YAML: ASCII, each line indented by two blanks.  number: tells
 * suggestions apart.  What it says has been tried on the message; false, with nothing appended, if no rule can be made
 * that takes it, such as of JSON that is cut off, or if memory is short.  Any thread. */
bool suggestion_make(struct slice message, unsigned number, struct buffer *out);

/* The same with the number in the names of its metrics as well, if those of another suggestion are the same. */
bool suggestion_make_distinct(struct slice message, unsigned number, struct buffer *out);

/* Does one of the rules take this message, written by an app's process?  Then *number is that of the first one that
 * does; number may be NULL.  If rules is NULL or memory is short, none does. */
bool suggestion_takes(const struct rules *rules, struct slice message, size_t *number);

#endif
