#include "families/addon.h"

#include "families/addon_samples.h"

enum { KIND_MAX = 64 };

static const struct metric any_key = {.help = "A sample# key of an add-on's log line, in base units.",
                                      .type = METRIC_GAUGE};

static bool is_kind(struct slice text)
{
    for (size_t i = 0; i < text.length; i++)
        if (!slice_is_digit(text.at[i]) && !(text.at[i] >= 'a' && text.at[i] <= 'z') && text.at[i] != '-')
            return false;
    return text.length > 0 && text.length <= KIND_MAX;
}

/* What comes after "heroku_" in the names of the other families' metrics, and the word that keeps us apart from them.
 */
static bool is_taken(struct slice kind)
{
    static const struct slice taken[] = {{"router", 6},   {"dyno", 4},  {"formation", 9}, {"release", 7}, {"api", 3},
                                         {"postgres", 8}, {"redis", 5}, {"pgbouncer", 9}, {"addon", 5},   {"log", 3}};
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++)
        if (slice_starts_with(kind, taken[i]))
            return true;
    return false;
}

static bool owns(const struct line *line, const struct family_context *context)
{
    (void)context;
    struct slice start = SLICE("heroku-");
    return slice_starts_with(line->procid, start) && slice_equals(line->appname, SLICE("app")) &&
           is_kind(slice_after(line->procid, start.length));
}

static enum verdict read_line(const struct line *line, struct family_context *context, struct sample_output *output)
{
    struct slice start = SLICE("heroku-");
    struct slice kind = slice_after(line->procid, start.length);
    char text[sizeof "heroku-addon-" + KIND_MAX];
    struct slice prefix = is_taken(kind) ? SLICE("heroku-addon-") : start;
    memcpy(text, prefix.at, prefix.length);
    memcpy(text + prefix.length, kind.at, kind.length);
    struct addon addon = {.namespace = {text, prefix.length + kind.length}, .unknown = &any_key};
    return addon_samples_read(line, context, &addon, output);
}

const struct family addon_family = {.owns = owns, .read = read_line};
