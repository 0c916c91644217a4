/* Read decimal numbers, and spell numbers as the exposition wants them.  Pure: no I/O, no allocation. */
#ifndef NUMBER_H
#define NUMBER_H

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

/* The longest text that number_spell writes: 5e-324 is "0." with 324 decimals, and a sign. */
enum { NUMBER_ROOM = 352 };

/* Write the shortest decimal text that reads back as the same double, never with an exponent and without a needless
 * ".0": "10", "-1.1", "0.30000000000000004", "1000000000000000000000", "-0", "+Inf", "-Inf", "NaN".  Returns the
 * length; there is no NUL.  The text of a histogram's le label is made this way too, so its spelling is part of a
 * series' identity. */
size_t number_spell(double number, char out[NUMBER_ROOM]);

/* Cut the digits off that text starts with ("600s": 600, and "s" is left).  False, with nothing cut off, if it starts
 * with none or they are a number above most. */
bool number_cut_decimal(struct slice *text, uint64_t most, uint64_t *number);

/* The same for a text that is nothing but digits ("0", "007", "1024"): no sign, blank or exponent. */
bool number_read_decimal(struct slice text, uint64_t most, uint64_t *number);

#endif
