#include "families/cf_log_loss.h"

#include "base/number.h"

static bool hears(const struct line *line)
{
    return slice_starts_with(line->procid, SLICE("[LGR/"));
}

static bool owns(const struct line *line, const struct family_context *context)
{
    (void)line;
    return context->cf != NULL;
}

/* The number that stands before one of these words, or, if before, behind "dropped ". */
static bool read_loss(struct slice text, double *lost)
{
    bool dropped = false;
    while (text.length > 0) {
        uint64_t number; /* of at most 15 digits, which a double holds exactly */
        struct slice rest = text;
        if (number_cut_decimal(&rest, 999999999999999, &number) &&
            (slice_starts_with(rest, SLICE(" messages lost")) || slice_starts_with(rest, SLICE(" messages dropped")) ||
             (dropped && slice_starts_with(rest, SLICE(" messages"))))) {
            *lost = (double)number;
            return true;
        }
        size_t blank = slice_index(text, ' ');
        dropped = slice_equals((struct slice){text.at, blank}, SLICE("dropped"));
        text = slice_after(text, blank < text.length ? blank + 1 : blank);
    }
    return false;
}

static enum verdict read_line(const struct line *line, struct family_context *context, struct sample_output *output)
{
    (void)output;
    double lost;
    if (!read_loss(slice_beginning(line->message, 256), &lost))
        return VERDICT_NOT_A_METRIC;
    context->lost[LOGPLEX_LGR] += lost;
    return VERDICT_RECOGNISED;
}

/* Not of duplicates: such a message is no different when it comes again. */
const struct family cf_log_loss_family = {.rules_after = true, .hears = hears, .owns = owns, .read = read_line};
