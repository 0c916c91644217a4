/* Percent-encoding (RFC 3986, 2.1).  Pure. */
#ifndef PERCENT_H
#define PERCENT_H

#include "base/slice.h"

/* Decode text into out, cut off at capacity bytes, which out has; returns the length.  A '%' that no two hexadecimal
 * digits follow is left as it is.  plus_is_blank: '+' is a space, as in forms.  out and text may be the same bytes. */
size_t percent_decode(struct slice text, bool plus_is_blank, char *out, size_t capacity);

/* Write text with all but letters, digits and "-._~" encoded, cut off at capacity bytes; returns the length.  At most
 * three times as long as text. */
size_t percent_encode(struct slice text, char *out, size_t capacity);

#endif
