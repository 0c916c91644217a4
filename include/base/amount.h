/* Read an amount with its unit, as people and programs write it in log lines.  Pure: no I/O, no allocation.
 *
 *     35.2ms -> 0.0352 seconds      1m30s, PT1M30S -> 90 seconds      12kB -> 12288 bytes      95% -> 0.95
 */
#ifndef AMOUNT_H
#define AMOUNT_H

#include "base/slice.h"

/* The kind of an amount; its number is in base units. */
enum amount_kind {
    AMOUNT_NUMBER, /* it has no unit, or pages */
    AMOUNT_SECONDS,
    AMOUNT_BYTES,
    AMOUNT_RATIO,
};

struct amount {
    double number; /* finite */
    enum amount_kind kind;
};

enum amount_result {
    AMOUNT_OK,
    AMOUNT_NO_NUMBER,    /* the text does not start with a number, or it is too large */
    AMOUNT_UNKNOWN_UNIT, /* it does, but what follows is no unit, or one of another kind than wanted */
};

/* Read text; blanks may stand around the number and the units.
 *
 *     time    ns, us (also with the two characters for micro, U+00B5 and U+03BC), ms, s, m or min, h, d; several of
 *             them, each smaller than the one before it, are added up, as Go's durations are: 1h2m3.5s.  ISO 8601:
 *             P2DT3H4M5.5S, P1W; it has no years and months, which differ in length
 *     bytes   B, byte, bytes; kB or KB, MB, GB, TB, PB are powers of 1024, as Heroku, /proc/meminfo and PostgreSQL mean
 *             them, and so are KiB, MiB, GiB, TiB, PiB
 *     ratio   %
 *
 * wanted: the kind that is expected, if that is known.  AMOUNT_BYTES takes K, M, G, T, Ki, kb and the like too, in
 * any case, for powers of 1024 bytes: M is not minutes then.  AMOUNT_NUMBER takes all kinds.
 *
 * On AMOUNT_UNKNOWN_UNIT, *unit is what follows the number, or all of a duration of ISO 8601: a part of text. */
enum amount_result amount_read(struct slice text, enum amount_kind wanted, struct amount *amount, struct slice *unit);

#endif
