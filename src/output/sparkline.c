#include "output/sparkline.h"

#include <math.h>
#include <stdio.h>

#include "output/html.h"

enum { STEP = 4, BAR = 3, HEIGHT = 48 };

static double largest(const double *values, size_t count)
{
    double most = 0;
    for (size_t i = 0; i < count; i++)
        if (isfinite(values[i]) && values[i] > most)
            most = values[i];
    return most;
}

void sparkline_write(const double *values, size_t count, const char *label, struct buffer *out)
{
    char text[128];
    double most = largest(values, count);
    html_put(out, "<svg role=\"img\" aria-label=\"@\" preserveAspectRatio=\"none\" ", label);
    buffer_append(out, (struct slice){
                           text, (size_t)snprintf(text, sizeof text, "viewBox=\"0 0 %zu %d\">", count * STEP, HEIGHT)});
    buffer_append(out, SLICE("<path fill=\"currentColor\" d=\""));
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i]) || values[i] <= 0)
            continue;
        /* What is not 0 is seen, however small it is. */
        int height = (int)fmax(2, round(values[i] / most * (HEIGHT - 2)));
        buffer_append(out, (struct slice){text, (size_t)snprintf(text, sizeof text, "M%zu %dv-%dh%dv%d", i * STEP,
                                                                 HEIGHT, height, BAR, height)});
    }
    buffer_append(out, SLICE("\"/></svg>"));
}
