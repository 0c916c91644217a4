/* The value of a series that others report: a number, or a histogram, summary, set or sketch as a whole.
 * Values are immutable once published: an update makes a new one out of the old one and what has come.  No I/O. */
#ifndef VALUE_H
#define VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum value_type {
    VALUE_COUNTER, /* these two are plain, see value_is_plain() */
    VALUE_GAUGE,
    VALUE_SET, /* shown as a gauge: how many members it has */
    VALUE_HISTOGRAM,
    VALUE_SUMMARY,
    VALUE_SKETCH,           /* shown as a summary of five quantiles */
    VALUE_EXTERNAL_COUNTER, /* shown as a counter: what others count since their last start */
};

/* Bounds of what one value may hold; the first is the most that one update brings. */
enum {
    VALUE_SIZE_MAX = 4096,
    VALUE_SET_MAX = 8192,
    VALUE_WORDS_MAX = 2 * VALUE_SIZE_MAX + 8,
};

union value_word {
    double number;
    uint64_t member;
};

struct value {
    int64_t time;   /* of the line that brought it, microseconds since 1970 */
    uint64_t seen;  /* when it arrived, milliseconds of the monotonic clock */
    double number;  /* the counter or gauge itself; a set's members; else the count of observations */
    uint16_t type;  /* enum value_type */
    uint16_t added; /* 1: the last update was added to it (or was to be), it did not replace it */
    uint32_t size;  /* members, buckets, quantiles or bins */
    /* set:       size members (64-bit hashes), ascending
     * histogram: the sum, size upper bounds ascending and finite, size counts (per bucket, not cumulative)
     * summary:   the sum, size quantiles, size values
     * sketch:    the sum, minimum, maximum, size keys ascending, size numbers
     * external counter: what was last reported; if that falls, number goes on from what it has; infinite: what is
     * reported next is what counting goes on from */
    union value_word words[];
};

/* Is it nothing but a number? */
static inline bool value_is_plain(const struct value *value)
{
    return value->type <= VALUE_GAUGE;
}

/* The quantiles that a sketch is shown with. */
enum { VALUE_SKETCH_QUANTILES = 5 };
extern const double value_sketch_quantiles[VALUE_SKETCH_QUANTILES];

size_t value_word_count(enum value_type type, uint32_t size);
size_t value_bytes(const struct value *value);

/* What the value costs of a bound on series: the lines that it prints or, if it holds more than these would, its
 * size in units of 200 bytes.  At least 1. */
unsigned value_weight(const struct value *value);

/* Can the two be added?  Counters, gauges, sets, sketches, and histograms with the same bounds can. */
bool value_adds(const struct value *old, const struct value *update);

/* Does an absolute value that is reported later go on from the old one?  An external counter does. */
bool value_continues(const struct value *old, const struct value *update);

/* Does it say how much there is now, as a gauge does, and not how much has been counted? */
bool value_is_level(const struct value *value);

/* Can a value be recorded?  What is counted elsewhere (VALUE_EXTERNAL_COUNTER) must not be negative, nor must what is
 * added to a counter, a histogram or a sketch; and all that is added must be finite. */
bool value_is_fit(const struct value *value, bool incremental);

/* Does a value that somebody else wrote hold what values do? */
bool value_is_sound(const struct value *value);

/* What an accumulated value starts with when all that was added to it is elsewhere.  False, with nothing changed, if it
 * has no such start: what was reported was not added. */
bool value_start_anew(struct value *value);

/* A new value (malloc) that is update alone, if old is NULL, or both together: counters, gauges and histograms with the
 * same bounds are added, sets united, sketches merged, and an external counter grows by what was counted since, which
 * is all of it if less was reported than before.  If the two cannot be added (another type, other bounds,
 * summaries) it is update alone.  time is the later of the two, seen is update's.  NULL if the result would hold more
 * than the bounds above allow or a sum would not be finite, which *too_large then says, or if memory is short. */
struct value *value_merge(const struct value *old, const struct value *update, bool *too_large);

#endif
