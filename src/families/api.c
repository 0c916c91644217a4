#include "families/api.h"

#include "base/number.h"
#include "base/process.h"
#include "base/scan.h"

enum {
    TYPES_MAX = 64,     /* types in one line; Heroku allows fewer */
    SIZE_NAME_MAX = 32, /* bytes of "Performance-L-RAM" and what may come */
    COUNT_MAX = 999999999,
};

enum event {
    EVENT_RELEASE,
    EVENT_DEPLOY,
    EVENT_SCALE,
    EVENT_CONFIG_SET,
    EVENT_CONFIG_REMOVE,
    EVENT_BUILD_STARTED,
    EVENT_BUILD_SUCCEEDED,
    EVENT_BUILD_FAILED,
    EVENT_RUN,
    EVENT_ROLLBACK,
    EVENT_COUNT
};

static const char *const event_labels[EVENT_COUNT] = {
    [EVENT_RELEASE] = "release",
    [EVENT_DEPLOY] = "deploy",
    [EVENT_SCALE] = "scale",
    [EVENT_CONFIG_SET] = "config_set",
    [EVENT_CONFIG_REMOVE] = "config_remove",
    [EVENT_BUILD_STARTED] = "build_started",
    [EVENT_BUILD_SUCCEEDED] = "build_succeeded",
    [EVENT_BUILD_FAILED] = "build_failed",
    [EVENT_RUN] = "run",
    [EVENT_ROLLBACK] = "rollback",
};

/* How the lines of an event read: start, something of a kind, end, and maybe " by user " or " by " and a name. */
enum middle { NOTHING, ANYTHING, A_WORD, A_VERSION };

static const struct line_pattern {
    enum event event;
    struct slice start;
    enum middle middle;
    struct slice end;
    bool anonymous; /* no name */
} patterns[] = {
#define WORDS(text)           \
    {                         \
        text, sizeof text - 1 \
    }
    {EVENT_RELEASE, WORDS("Release v"), A_VERSION, WORDS(" created"), false},
    {EVENT_DEPLOY, WORDS("Deploy "), A_WORD, WORDS(""), false},
    {EVENT_SCALE, WORDS("Scaled to "), ANYTHING, WORDS(""), false},
    {EVENT_SCALE, WORDS("Scale to "), ANYTHING, WORDS(""), false},
    {EVENT_CONFIG_SET, WORDS("Set "), ANYTHING, WORDS(" config vars"), false},
    {EVENT_CONFIG_REMOVE, WORDS("Remove "), ANYTHING, WORDS(" config vars"), false},
    {EVENT_BUILD_STARTED, WORDS("Build started"), NOTHING, WORDS(""), false},
    {EVENT_BUILD_SUCCEEDED, WORDS("Build succeeded"), NOTHING, WORDS(""), true},
    {EVENT_BUILD_FAILED, WORDS("Build failed"), NOTHING, WORDS(""), true},
    {EVENT_BUILD_FAILED, WORDS("Build failed -- check your build output: "), A_WORD, WORDS(""), true},
    {EVENT_RUN, WORDS("Starting process with command `"), ANYTHING, WORDS("`"), false},
    {EVENT_RUN, WORDS("Running release v"), A_VERSION, WORDS(" commands"), false},
    {EVENT_ROLLBACK, WORDS("Rollback to v"), A_VERSION, WORDS(""), false},
#undef WORDS
};

#define EVENTS "heroku_api_events_total"
static const struct metric api_events = {
    .name = EVENTS,
    .help = "Events of Heroku's platform API that its log lines tell of.",
    .type = METRIC_COUNTER,
    .cells = EVENT_COUNT,
    .label = "event",
    .label_values = event_labels,
};

static const struct metric formation_dynos = {.help = "Dynos that the process type was last scaled to.",
                                              .type = METRIC_GAUGE};

static const struct metric release_version = {.help = "Number of the newest release.", .type = METRIC_GAUGE};

static bool hears(const struct line *line)
{
    return slice_equals(line->procid, SLICE("api")) &&
           (slice_equals(line->appname, SLICE("app")) || slice_equals(line->appname, SLICE("heroku")));
}

/* ---- the pattern of a line ---- */

/* Cut " by user someone" or " by someone" off the end of *text; false if it does not end so. */
static bool drop_name(struct slice *text)
{
    struct slice by = SLICE(" by ");
    struct slice user = SLICE("user ");
    const char *at = scan_last(*text, by, text->length);
    if (at == NULL)
        return false;
    size_t length = (size_t)(at - text->at);
    struct slice name = slice_after(*text, length + by.length);
    if (slice_starts_with(name, user))
        name = slice_after(name, user.length);
    text->length = length;
    return name.length > 0 && slice_index(name, ' ') == name.length;
}

/* The number that all of text spells; false if it spells none that we believe. */
static bool read_count(struct slice text, unsigned *count)
{
    uint64_t number;
    if (!number_read_decimal(text, COUNT_MAX, &number))
        return false;
    *count = (unsigned)number;
    return true;
}

static bool is_middle(struct slice text, enum middle kind)
{
    unsigned version;
    switch (kind) {
    case NOTHING:
        return text.length == 0;
    case ANYTHING:
        return text.length > 0;
    case A_WORD:
        return text.length > 0 && slice_index(text, ' ') == text.length;
    case A_VERSION:
        return read_count(text, &version);
    }
    return false;
}

/* Put what stands between start and end into *middle; false if text does not have the pattern. */
static bool has_pattern(struct slice text, const struct line_pattern *pattern, struct slice *middle)
{
    if (!slice_starts_with(text, pattern->start) || (!pattern->anonymous && !drop_name(&text)) ||
        text.length < pattern->start.length + pattern->end.length)
        return false;
    *middle = slice_after(text, pattern->start.length);
    middle->length -= pattern->end.length;
    struct slice end = slice_after(text, text.length - pattern->end.length);
    return slice_equals(end, pattern->end) && is_middle(*middle, pattern->middle);
}

static const struct line_pattern *find_pattern(struct slice text, struct slice *middle)
{
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++)
        if (has_pattern(text, &patterns[i], middle))
            return &patterns[i];
    return NULL;
}

/* ---- the formation ---- */

struct scaled {
    struct slice type;
    unsigned count;
    struct slice size; /* empty if the line has none */
};

static bool is_size(struct slice text)
{
    for (size_t i = 0; i < text.length; i++) {
        char byte = text.at[i];
        if (!slice_is_digit(byte) && !(byte >= 'a' && byte <= 'z') && !(byte >= 'A' && byte <= 'Z') && byte != '-')
            return false;
    }
    return text.length > 0 && text.length <= SIZE_NAME_MAX;
}

/* "web@4:Standard-1X", "web@4" or "web=4". */
static bool read_scaled(struct slice text, struct scaled *scaled)
{
    size_t at = 0;
    while (at < text.length && text.at[at] != '@' && text.at[at] != '=')
        at++;
    scaled->type = (struct slice){text.at, at};
    if (at == text.length || !process_is_type(scaled->type))
        return false;
    struct slice number = slice_after(text, at + 1);
    size_t colon = slice_index(number, ':');
    bool has_size = colon < number.length;
    scaled->size = has_size ? slice_after(number, colon + 1) : (struct slice){0};
    number.length = colon;
    return read_count(number, &scaled->count) && scaled->count <= FORMATION_NUMBER_MAX &&
           (!has_size || is_size(scaled->size));
}

/* Cut the next word off the start of *list; false if there is none. */
static bool take_word(struct slice *list, struct slice *word)
{
    while (list->length > 0 && (list->at[0] == ' ' || list->at[0] == ','))
        *list = slice_after(*list, 1);
    size_t length = 0;
    while (length < list->length && list->at[length] != ' ' && list->at[length] != ',')
        length++;
    *word = (struct slice){list->at, length};
    *list = slice_after(*list, length);
    return length > 0;
}

static bool is_formation(struct slice list)
{
    struct slice word;
    struct scaled scaled;
    unsigned count = 0;
    while (take_word(&list, &word))
        if (++count > TYPES_MAX || !read_scaled(word, &scaled))
            return false;
    return count > 0;
}

static void record_gauge(struct sample *sample, const struct metric *metric, double number,
                         struct sample_output *output)
{
    struct value value = {.type = VALUE_GAUGE, .number = number};
    sample->metric = metric;
    sample->value = &value;
    sample->no_expiry = true;
    output->record(output, sample);
}

static void record_formation(struct slice list, struct slice app, struct sample_output *output)
{
    struct slice word;
    struct scaled scaled;
    while (take_word(&list, &word)) {
        if (!read_scaled(word, &scaled))
            continue;
        struct label labels[] = {
            {SLICE("app"), app}, {SLICE("process_type"), scaled.type}, {SLICE("size"), scaled.size}};
        struct sample sample = {
            .name = SLICE("heroku_formation_dynos"), .labels = labels, .label_count = 3, .process = scaled.type};
        output->scale(output, scaled.type, scaled.count);
        record_gauge(&sample, &formation_dynos, scaled.count, output);
    }
}

/* ---- the family ---- */

static void count_event(enum event event, double amount, struct slice app, struct sample_output *output)
{
    struct label label = {SLICE("app"), app};
    struct sample sample = {.metric = &api_events,
                            .name = SLICE(EVENTS),
                            .labels = &label,
                            .label_count = 1,
                            .cell = event,
                            .amount = amount};
    output->record(output, &sample);
}

static void record_version(struct slice text, struct slice app, struct sample_output *output)
{
    unsigned version;
    if (!read_count(text, &version))
        return;
    struct label label = {SLICE("app"), app};
    struct sample sample = {.name = SLICE("heroku_release_version"), .labels = &label, .label_count = 1};
    record_gauge(&sample, &release_version, version, output);
}

static enum verdict read_line(const struct line *line, struct family_context *context, struct sample_output *output)
{
    struct slice middle;
    const struct line_pattern *pattern = find_pattern(line->message, &middle);
    if (pattern == NULL || (pattern->event == EVENT_SCALE && !is_formation(middle)))
        return VERDICT_NOT_A_METRIC;
    count_event(pattern->event, 1, context->app, output);
    if (pattern->event == EVENT_SCALE)
        record_formation(middle, context->app, output);
    else if (pattern->event == EVENT_RELEASE)
        record_version(middle, context->app, output);
    return VERDICT_RECOGNISED;
}

static void start_app(struct family_context *context, struct sample_output *output)
{
    count_event(EVENT_RELEASE, 0, context->app, output);
}

const struct family api_family = {.prefixes = {"heroku_api", "heroku_formation", "heroku_release"},
                                  .lifetime = LIFETIME_ENTITY,
                                  .rules_after = true,
                                  .hears = hears,
                                  .read = read_line,
                                  .start_app = start_app};
