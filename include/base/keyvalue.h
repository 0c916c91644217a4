/* Read key=value lines (logfmt) as Heroku writes them.  Pure: no I/O, no allocation.
 *
 *     sock=client at=warning code=H27 desc="Client Request Interrupted" dyno= connect=1ms
 */
#ifndef KEYVALUE_H
#define KEYVALUE_H

#include <stdint.h>

#include "base/slice.h"

struct keyvalue {
    struct slice key;
    struct slice value; /* without its quotes; backslashes in it are left as they are */
    bool bare;          /* a word without "=": value is empty */
};

/* The state of a reader.  The fields are keyvalue.c's own. */
struct keyvalue_reader {
    const char *start;
    const char *at;
    const char *end;
    const char *block;   /* the 64 bytes that the masks below describe */
    uint64_t separators; /* '=' and ' ' */
    uint64_t blanks;
    uint64_t quotes;
};

/* Read text from its start; it must not move while it is read. */
void keyvalue_start(struct keyvalue_reader *reader, struct slice text);

/* Put the next pair into *pair; false at the end.  A value in quotes ends at the next quote that no backslash precedes,
 * or at the end of the text; any other ends at the next space, and may be empty. */
bool keyvalue_next(struct keyvalue_reader *reader, struct keyvalue *pair);

/* The unit of a number that was converted to base units. */
enum unit {
    UNIT_NONE, /* a count of something: no unit, or pages */
    UNIT_BYTES,
    UNIT_SECONDS,
    UNIT_OTHER, /* letters, "%" and "/" that mean nothing to us: the number is as it stands */
};

struct quantity {
    double number;
    enum unit unit;
};

/* How the name of a metric in this unit ends: "_bytes", "_seconds" or nothing. */
struct slice keyvalue_suffix(enum unit unit);

/* What a sample value spells, in base units: "12", "-1.5", "147391814791bytes", "8027324kB", "7.11MB", "12ms",
 * "348836pages".  kB, MB and GB are powers of 1024, as /proc/meminfo means them; ms and us become seconds.  False if
 * the number cannot be read or is not finite, or what follows it is no unit. */
bool keyvalue_quantity(struct slice value, struct quantity *quantity);

/* The number alone; false also if the unit is not known. */
bool keyvalue_number(struct slice value, double *number);

#endif
