/* Spell numbers as the exposition wants them.  Pure: no I/O, no allocation. */
#ifndef NUMBER_H
#define NUMBER_H

#include <stddef.h>

/* The longest text that number_spell writes: 5e-324 is "0." with 324 decimals, and a sign. */
enum { NUMBER_ROOM = 352 };

/* Write the shortest decimal text that reads back as the same double, never with an exponent and without a needless
 * ".0": "10", "-1.1", "0.30000000000000004", "1000000000000000000000", "-0", "+Inf", "-Inf", "NaN".  Returns the
 * length; there is no NUL.  The text of a histogram's le label is made this way too, so its spelling is part of a
 * series' identity. */
size_t number_spell(double number, char out[NUMBER_ROOM]);

#endif
