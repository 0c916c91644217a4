/* The expressions of rules.  The one file that uses PCRE2.
 *
 *     ^sidekiq job=(?<job>\w+) duration=(?<ms>[0-9.]+)ms
 *
 * The operator writes the expression, but anybody may write the line.  So the work for a line is bounded:
 *   - An expression starts with '^', so that it is tried at one position only: PCRE2's limit begins anew at each.
 *   - It is compiled to machine code, or refused.
 *   - A match is given up after RULE_STEPS steps and RULE_STEPS_A_BYTE for each byte of the line.  The latter allow a
 *     search through a long line.
 *   - One step may look through all of a line, as "(?!.*x)" does.  So RULE_TIME on a long line is too much as well. */
#ifndef RULE_PATTERN_H
#define RULE_PATTERN_H

#include "base/error.h"
#include "base/slice.h"

enum {
    RULE_PATTERN_MAX = 4096, /* bytes of an expression */
    RULE_GROUPS_MAX = 64,    /* groups that capture */
    RULE_STEPS = 10000,
    RULE_STEPS_A_BYTE = 4,
    RULE_TIME = 2000000,          /* nanoseconds of CPU; a harmless expression needs less than 30 a byte */
    RULE_LONG = 1024,             /* bytes from which on a line is long; no shorter one can take much more */
    RULE_HEAP_MAX = 1024,         /* KiB, of the interpreter */
    RULE_STACK_MAX = 1024 * 1024, /* bytes, of the machine's code */
};

/* A compiled expression.  Immutable: any number of threads. */
struct rule_pattern;

/* NULL if the text is no expression that we take: error says in one sentence why not, and at which position. */
struct rule_pattern *rule_pattern_create(struct slice text, char error[ERROR_MAX]);
void rule_pattern_free(struct rule_pattern *pattern);

/* The number of the group of this name, or 0. */
unsigned rule_pattern_group(const struct rule_pattern *pattern, const char *name);

/* A text that each line that matches starts with; it may be empty.  Part of the expression. */
struct slice rule_pattern_start(const struct rule_pattern *pattern);

/* A text of at most 64 bytes that each line that matches holds somewhere; it may be empty.  Part of the expression. */
struct slice rule_pattern_part(const struct rule_pattern *pattern);

/* Can a line that matches start with this byte, or be empty? */
bool rule_pattern_may_start(const struct rule_pattern *pattern, unsigned char byte);
bool rule_pattern_may_be_empty(const struct rule_pattern *pattern);

/* What matching needs, for one thread; NULL if memory is short. */
struct rule_matcher *rule_matcher_create(void);
void rule_matcher_free(struct rule_matcher *matcher);

enum rule_match {
    RULE_NO_MATCH,
    RULE_MATCHES,
    RULE_FAILS, /* it was given up at a limit */
};
enum rule_match rule_pattern_match(const struct rule_pattern *pattern, struct rule_matcher *matcher, struct slice text);

/* What a group of the last match has; empty if it has nothing. */
struct slice rule_matcher_group(const struct rule_matcher *matcher, unsigned group);

/* What follows the last match in its text. */
struct slice rule_matcher_rest(const struct rule_matcher *matcher);

#endif
