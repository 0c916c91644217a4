/* Users' own metrics, from their own log lines, by rules of the configuration.  A rule says which lines it is for, by
 * an expression (rule_pattern.h) or by fields, key=value or JSON, and what they mean:
 *
 *     match: '^sidekiq job=(?<job>\w+) duration=(?<ms>[0-9.]+)ms'
 *     metrics: [{counter: sidekiq_jobs_total, labels: {job: $job}}]
 *
 * Rules are asked in their order, about the lines that no other family has samples of; the first that takes a line is
 * the last, unless it says "continue".  A rule whose matches are given up at a limit RULES_ERRORS_MAX times is switched
 * off until the configuration is read again.
 *
 * COST  Only rules that a line's first bytes allow see it: for each first byte there is a list of them, and the first
 *       eight bytes that a rule wants are compared in one step.  Fields are read once for all rules.
 *
 * Rules do not change once created, but for their errors: any number of threads. */
#ifndef RULES_H
#define RULES_H

#include "families/family.h"
#include "families/rule.h"

struct rules;

/* The array (malloc) and all in it become the rules', also if creation fails.  NULL if memory is short.  One
 * thread at a time. */
struct rules *rules_create(struct rule *rules, size_t count);

/* The same, to try what rules take: what they make is for no store, since nothing of them stays when they are freed.
 * Any thread. */
struct rules *rules_create_on_trial(struct rule *rules, size_t count);

/* One reference more, or one less; the last one frees.  NULL is harmless. */
struct rules *rules_ref(struct rules *rules);
void rules_unref(struct rules *rules);

size_t rules_count(const struct rules *rules); /* NULL has none */

/* These rules are in force now: series of metrics that they have not have ended.  rules may be NULL.  One thread at a
 * time. */
void rules_enforce(const struct rules *rules);

/* Of the rule with this number, below rules_count(): its name, valid as long as the rules, and whether it was switched
 * off. */
struct slice rules_name(const struct rules *rules, size_t rule);
bool rules_is_off(const struct rules *rules, size_t rule);

/* ---- lines ---- */

/* What the batch's thread reads lines by rules with, the state of the family.  The rules of the context must live until
 * the next batch begins.  If memory is short then, there are none for the batch, and that is logged. */
struct rules_reader *rules_reader_of(const struct family_context *context);

/* What a rule did in the lines that were read since it was asked last. */
struct rules_tally {
    struct slice name; /* valid as long as the rules */
    double lines;      /* that it took */
    double errors;     /* lines that it was given up for */
    double unread;     /* values that could not be read */
};

/* Take the tally of the next rule that did something, from number *rule (0 at first) on; false behind the last. */
bool rules_reader_tally(struct rules_reader *reader, size_t *rule, struct rules_tally *tally);

/* Do the rules make a metric of this name?  Then no app may choose it.  NULL makes none. */
bool rules_make(const struct rules *rules, struct slice name);

/* Could a rule take this line, that has been read as NOT_A_METRIC, by the family or, if it is FAMILY_COUNT, by none?
 * Some families keep such lines for themselves, and rules are not asked about lines without a header. */
bool rules_could_take(enum family_id family, const struct line *line);

/* A rule that took the line that was read last. */
struct rules_taken {
    struct slice name; /* valid as long as the rules */
    size_t number;     /* among all rules, from 0 on */
    bool dropped;      /* it said that the line is of no interest */
};

/* The nth of them, from 0 on; false behind the last, and if another family read the line.  No more than RULES_TOLD are
 * remembered. */
enum { RULES_TOLD = 8 };
bool rules_taken(enum family_id family, const struct family_context *context, size_t nth, struct rules_taken *taken);

/* A value of a rule that took the line that was read last, which is not used. */
enum rules_unread_reason {
    RULES_UNREAD_MISSING,
    RULES_UNREAD_NO_NUMBER,
    RULES_UNREAD_UNIT,
    RULES_UNREAD_NEGATIVE,
    RULES_UNREAD_TOO_LARGE,
};
enum { RULES_UNREAD_TEXT = 48 }; /* bytes of it that are kept */
struct rules_unread {
    struct slice rule;
    const char *metric;
    enum rules_unread_reason reason;
    struct slice text; /* at most RULES_UNREAD_TEXT bytes, without control characters; valid until the next line */
    struct slice unit; /* likewise; of RULES_UNREAD_UNIT: the part of it that is not known */
};

/* The nth of them, likewise.  They are also counted in the tally, and a line a minute is logged for each rule, without
 * the texts. */
bool rules_unread(enum family_id family, const struct family_context *context, size_t nth, struct rules_unread *unread);

/* "it is no number" */
const char *rules_unread_meaning(enum rules_unread_reason reason);

/* The family is in family.h's table: if there are rules, it owns all lines with a header, and reads NOT_A_METRIC if
 * none takes them. */
extern const struct family rules_family;

#endif
