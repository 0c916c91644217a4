#include "families/logplex.h"

#include "base/number.h"

enum { CODES = LOGPLEX_L13 + 1 };
static const struct slice codes[CODES] = {{"L10", 3}, {"L12", 3}, {"L13", 3}};

static bool hears(const struct line *line)
{
    return slice_equals(line->procid, SLICE("logplex")) || slice_equals(line->procid, SLICE("log-shuttle"));
}

/* Cut the number at the start of *text off; false if there is none or it is not believable. */
static bool take_number(struct slice *text, double *number)
{
    uint64_t read; /* of at most 15 digits, which a double holds exactly */
    if (!number_cut_decimal(text, 999999999999999, &read))
        return false;
    *number = (double)read;
    return true;
}

/* "drain 'd.cfcd3264-…' dropped ": cut it off; false if it names another drain than ours. */
static bool take_drain(struct slice *text, struct slice ours)
{
    struct slice start = SLICE("drain '");
    if (!slice_starts_with(*text, start))
        return true;
    struct slice rest = slice_after(*text, start.length);
    struct slice token = {rest.at, slice_index(rest, '\'')};
    rest = slice_after(rest, token.length);
    struct slice end = SLICE("' dropped ");
    if (ours.length == 0 || !slice_equals(token, ours) || !slice_starts_with(rest, end))
        return false;
    *text = slice_after(rest, end.length);
    return true;
}

static enum verdict read_line(const struct line *line, struct family_context *context, struct sample_output *output)
{
    (void)output;
    struct slice start = SLICE("Error ");
    if (!slice_starts_with(line->message, start))
        return VERDICT_NOT_A_METRIC;
    struct slice rest = slice_after(line->message, start.length);
    unsigned code = 0;
    while (code < CODES && !slice_starts_with(rest, codes[code]))
        code++;
    if (code == CODES)
        return VERDICT_NOT_A_METRIC;
    size_t colon = slice_index(rest, ':');
    if (rest.length - colon < 2)
        return VERDICT_NOT_A_METRIC;
    rest = slice_after(rest, colon + 2);
    double lost;
    if (!take_drain(&rest, context->drain_token))
        return VERDICT_RECOGNISED;
    if (!take_number(&rest, &lost))
        return VERDICT_NOT_A_METRIC;
    context->lost[code] += lost;
    return VERDICT_RECOGNISED;
}

const struct family logplex_family = {.rules_after = true, .reads_duplicates = true, .hears = hears, .read = read_line};
