/* A line of JSON that some apps of crates.io's print beside the ingest lines: app / any process.
 *
 *     {"metrics":{"requests_total":1234,...
 *
 * It is keyed by name alone, so of several series with a name one is left: the ingest lines say the same without loss.
 * Such lines are recognised and nothing is read of them. */
#ifndef FAMILY_METRICS_JSON_H
#define FAMILY_METRICS_JSON_H

#include "families/family.h"

extern const struct family metrics_json_family;

static inline bool metrics_json_owns(const struct line *line, const struct family_context *context)
{
    (void)context;
    return slice_starts_with(line->message, SLICE("{\"metrics\":{"));
}

#endif
