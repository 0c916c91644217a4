/* Metrics that the app itself prints: a prefix and base64 of JSON in Vector's metric model.
 *
 *     crates-io-heroku-metrics:ingest W3sibWV0cmljIjp7Im5hbWUiOiJoaXRzIiwiY291bnRlciI6eyJ2YWx1ZSI6MTB9fX1d
 *     [{"metric":{"name":"hits","counter":{"value":10}}}]
 *
 * Both spellings of the model are read, that of Vector's Lua transform (parallel lists) and native_json (lists of
 * objects), which are distinguished by what the lists hold.  A mistake in one metric costs this metric, never its
 * line.  Labels are the tags, and app and process, which win over tags of these names.  src/families/INGEST.md is for
 * those who write such lines. */
#ifndef FAMILY_INGEST_H
#define FAMILY_INGEST_H

#include "families/family.h"

extern const struct family ingest_family;

static inline bool ingest_owns(const struct line *line, const struct family_context *context)
{
    return slice_starts_with(line->message, context->ingest_prefix);
}

#endif
