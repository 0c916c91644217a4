/* A small picture of numbers over time: bars, as SVG that stands in HTML.  Pure. */
#ifndef SPARKLINE_H
#define SPARKLINE_H

#include "base/buffer.h"

/* Append an image of count values, the oldest at the left; NAN leaves a gap, and what is below 0 counts as 0.  label:
 * what it shows, for who cannot see it; it is escaped.  It has no colours of its own (currentColor), and no size: the
 * style sheet's. */
void sparkline_write(const double *values, size_t count, const char *label, struct buffer *out);

#endif
