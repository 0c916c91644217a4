#include "base/sketch.h"

#include <math.h>

#define BIAS 1338
#define INFINITE_KEY 32767
#define LN_GAMMA (log1p(2.0 / 128))
#define GAMMA (1 + 2.0 / 128)

static double lower_bound(double key)
{
    if (key < 0)
        return -lower_bound(-key);
    if (key == 0)
        return 0;
    if (key >= INFINITE_KEY)
        return INFINITY;
    return exp((key - BIAS) * LN_GAMMA);
}

double sketch_quantile(double q, const double *keys, const double *numbers, size_t count, double total, double minimum,
                       double maximum)
{
    if (count == 0 || total == 0)
        return 0;
    if (q <= 0)
        return minimum;
    if (q >= 1)
        return maximum;
    double rank = nearbyint(q * (total - 1)); /* half to even */
    double running = 0;
    for (size_t i = 0; i < count; i++) {
        running += numbers[i];
        if (running <= rank)
            continue;
        double weight = (running - rank) / numbers[i];
        double low = lower_bound(keys[i]);
        double high = low * GAMMA;
        if (i == 0)
            low = minimum;
        if (isinf(low) || isinf(high))
            return high > 0 ? maximum : minimum;
        double quantile = low * weight + high * (1 - weight);
        return fmin(fmax(quantile, minimum), maximum);
    }
    return NAN; /* the bins hold fewer values than total says */
}
