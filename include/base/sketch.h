/* Quantiles of a DDSketch in the layout of the Datadog agent, as Vector exports it.  Pure: no I/O, no allocation.
 *
 * A bin holds a key k and how many values fell into it; key k stands for values from gamma^(k-1338) up to that times
 * gamma, gamma = 1 + 2/128.  Key 0 is zero, negative keys mirror the positive ones, 32767 is infinity. */
#ifndef SKETCH_H
#define SKETCH_H

#include <stddef.h>

/* The quantile q (0 to 1) of the values in count bins: keys[i] was seen numbers[i] times, in the stored order; total is
 * the sketch's own count, minimum and maximum its bounds (minimum <= maximum, both finite).  0 for an empty sketch. */
double sketch_quantile(double q, const double *keys, const double *numbers, size_t count, double total, double minimum,
                       double maximum);

#endif
