/* Rules to start with for a whole log: one for each of the commonest kinds of lines that no rule takes yet, made by
 * suggestion.h, as comments of a YAML document, with lines that it takes.
 *
 *     # rules:
 *     #
 *     #   # 240 lines such as
 *     #   #     Completed 200 OK in 35ms
 *     #   #     Completed 404 OK in 7ms
 *     #   - name: suggestion-1
 *     #     match: '^Completed ...'
 *     ...
 *
 * RIGHT   Without the "# " of some rules, and of the line "rules:" above them, the document is a configuration,
 * whichever rules these are; and then the lines shown above a rule are taken, by it or, if that is in force too, by one
 *         above it.  Both has been tried.
 * SAFE    Whatever the lines hold, each line that is written starts with "#", is of characters that any reader of YAML
 *         takes, and has at most PROPOSALS_LINE bytes of a log's text, without what must not be shown (redaction.h).
 * BOUNDS  At most PROPOSALS_MAX rules, of the PROPOSALS_KINDS commonest kinds of lines.  Memory is bounded, however
 *         long the log is.
 *
 * One thread. */
#ifndef PROPOSALS_H
#define PROPOSALS_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/line.h"

enum {
    PROPOSALS_MAX = 10,
    PROPOSALS_KINDS = 256,
    PROPOSALS_TOLD = 4096, /* kinds that are told apart in a log that may be long */
    PROPOSALS_SAMPLES = 3, /* lines that are shown of each */
    PROPOSALS_LINE = 240,  /* bytes of each of these */
};

struct proposals;

/* kinds: how many kinds of lines are counted each by itself; 5 KB each.  NULL if memory is short. */
struct proposals *proposals_create(size_t kinds);
void proposals_free(struct proposals *proposals); /* NULL is harmless */

/* Count a line that a rule could take and none does; see rules_could_take(). */
void proposals_add(struct proposals *proposals, const struct line *line);

/* Make rules of the lines that were counted; once, after the last of them. */
void proposals_make(struct proposals *proposals);

struct proposals_total {
    size_t rules;          /* that are proposed */
    uint64_t lines;        /* all that were counted */
    uint64_t taken;        /* of them, those of kinds for which a rule is proposed */
    uint64_t without_rule; /* of kinds of which no rule can be made */
};
struct proposals_total proposals_total(const struct proposals *proposals);

/* Append the rules below the line "# rules:", and then the commonest lines of which no rule can be made.  Nothing, if
 * there is neither. */
void proposals_write(const struct proposals *proposals, struct buffer *out);

/* Append text, of anybody's, as a part of a comment: as SAFE says, in one line.  most: how many bytes of it, at least
 * 16 and at most PROPOSALS_LINE. */
void proposals_write_text(struct slice text, size_t most, struct buffer *out);

#endif
