#include "families/canary.h"

static bool hears(const struct line *line)
{
    return slice_equals(line->procid, SLICE(CANARY_PROCID)) && slice_equals(line->appname, SLICE(CANARY_APPNAME));
}

static enum verdict read_line(const struct line *line, struct family_context *context, struct sample_output *output)
{
    (void)output;
    return canary_token_arrive(context->canary, line->message) ? VERDICT_RECOGNISED : VERDICT_NOT_A_METRIC;
}

const struct family canary_family = {.hears = hears, .read = read_line};
