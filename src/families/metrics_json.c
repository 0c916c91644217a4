#include "families/metrics_json.h"

static bool hears(const struct line *line)
{
    return slice_equals(line->appname, SLICE("app"));
}

static enum verdict read_line(const struct line *line, struct family_context *context, struct sample_output *output)
{
    (void)line;
    (void)context;
    (void)output;
    return VERDICT_RECOGNISED;
}

const struct family metrics_json_family = {
    .rules_after = true, .hears = hears, .owns = metrics_json_owns, .read = read_line};
