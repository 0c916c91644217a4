/* Which lines gave no metric?  The commonest shapes (line_patterns.h) of an app's lines that no family and no rule had
 * a use for, each with a count, an example, and a rule to start from.
 *
 *     my-shop   app[web]: Completed <n> OK in <n>ms    about 48000    such as: Completed 200 OK in 35ms
 *
 * SAMPLES  A worker looks at about UNMATCHED_RATE lines a second; at all of them, if there are no more, and at some
 *          more each time that their number doubles.  Which ones is left to chance, and each stands for those that were
 *          passed over before it, so the counts are estimates that add up to what the ledger has.  A line that is not
 *          looked at costs a comparison.
 * BOUNDS   UNMATCHED_SHAPES shapes, of one app at most UNMATCHED_APP_SHAPES: a new one takes the place of the one that
 *          was seen least, and goes on from its count (space-saving), so that a common shape gets in however many rare
 *          ones there are.  One that was not seen for UNMATCHED_LIFETIME leaves.  About 500 KB, all of it held from
 *          the start, and the rules.
 * SECRETS  Shape, example and rule have no digits longer than six, no e-mail addresses and nothing that looks like a
 *          key: redaction.h.  The line itself is kept until a rule was made of it, a few seconds, and then overwritten.
 * LOCK     One, which only sampled lines ask for, and never wait for: if it is held, the next one stands for the line.
 */
#ifndef UNMATCHED_H
#define UNMATCHED_H

#include "base/buffer.h"
#include "base/line.h"
#include "base/line_patterns.h"
#include "store/directory.h"

enum {
    UNMATCHED_SHAPES = 256,
    UNMATCHED_APP_SHAPES = 16,
    UNMATCHED_RATE = 20,
    UNMATCHED_EXAMPLE = 240,          /* bytes */
    UNMATCHED_SHAPE = LINE_SHAPE_MAX, /* bytes */
    UNMATCHED_MESSAGE = 1024,         /* bytes; of a longer message no rule is made */
    UNMATCHED_RULE = 2048,            /* bytes; a longer rule is none */
    UNMATCHED_LIFETIME = 3600 * 1000, /* milliseconds */
};

struct unmatched;

/* slots: recording threads, 0 .. slots-1.  NULL if memory is short. */
struct unmatched *unmatched_create(unsigned slots);
void unmatched_free(struct unmatched *unmatched); /* NULL is harmless */

/* ---- on the way of a line: the thread that owns the slot ---- */

/* A batch begins at now (milliseconds of the monotonic clock).  Returns how many of its unmatched lines pass until one
 * is to be looked at: 1 is the first. */
uint64_t unmatched_begin(struct unmatched *unmatched, unsigned slot, uint64_t now);

/* So many have passed since then, and this is the last of them: look at it.  Returns how many pass until the next. */
uint64_t unmatched_look(struct unmatched *unmatched, unsigned slot, struct slice app, const struct line *line,
                        uint64_t now);

/* The batch ends, and so many have passed since the last one that was looked at. */
void unmatched_end(struct unmatched *unmatched, unsigned slot, uint64_t passed);

/* ---- rules: one thread at a time ---- */

/* Let make try a rule (suggestion.h) for the commonest shapes that have not been tried, at most count.  Returns how
 * many were tried.  make: false if there is none; outside the lock. */
size_t unmatched_suggest(struct unmatched *unmatched, size_t count,
                         bool (*make)(struct slice message, unsigned number, struct buffer *out));

/* Forget all, as after a reload: other rules take other lines.  Any thread. */
void unmatched_clear(struct unmatched *unmatched);

/* Let shapes go that were not seen for UNMATCHED_LIFETIME.  Any thread. */
void unmatched_expire(struct unmatched *unmatched, uint64_t now);

/* ---- reading: any thread ---- */

struct unmatched_shape {
    char app[DIRECTORY_NAME_MAX + 1];
    char shape[UNMATCHED_SHAPE + 1];     /* "app[web]: Completed <n> OK in <n>ms"; UTF-8 without control characters */
    char example[UNMATCHED_EXAMPLE + 1]; /* likewise, of the message alone */
    char rule[UNMATCHED_RULE + 1];       /* an item of the list "rules", in YAML; empty: there is none */
    bool is_tried;                       /* a rule was looked for; if not, it may come in a few seconds */
    uint64_t count;                      /* lines since first, about */
    uint64_t first, last;                /* seen, milliseconds of the monotonic clock */
};

/* Put the commonest shapes, at most capacity, into shapes, commonest first; returns how many.  sees: whether who asks
 * may see an app; NULL: all. */
size_t unmatched_most(struct unmatched *unmatched, bool (*sees)(const void *who, const char *app), const void *who,
                      struct unmatched_shape *shapes, size_t capacity);

/* How many lines were looked at, and how many there were. */
struct unmatched_total {
    uint64_t looked_at;
    uint64_t lines;
};
struct unmatched_total unmatched_total(struct unmatched *unmatched);

#endif
