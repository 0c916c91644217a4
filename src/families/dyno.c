#include "families/dyno.h"

#include "base/keyvalue.h"
#include "base/process.h"

/* ---- metrics ---- */

static const char *const error_codes[] = {"R10", "R11", "R12", "R13", "R14", "R15", "R16", "R17", "R99"};

/* Texts, or their beginnings, and what they are counted as. */
#define EVENTS(X)                                             \
    X("Starting process with command", "start")               \
    X("Stopping all processes with SIGTERM", "sigterm")       \
    X("Stopping process with SIGTERM", "sigterm")             \
    X("Stopping all processes with SIGKILL", "sigkill")       \
    X("Stopping process with SIGKILL", "sigkill")             \
    X("Stopping remaining processes with SIGKILL", "sigkill") \
    X("Cycling", "cycling")                                   \
    X("Idling", "idling")                                     \
    X("Unidling", "unidling")                                 \
    X("Restarting", "restarting")
static const char *const events[] = {"start", "sigterm", "sigkill", "cycling", "idling", "unidling", "restarting"};

#define COUNTER(text, meaning)                                                           \
    {                                                                                    \
        .name = "heroku_dyno_" text, .help = meaning, .type = METRIC_COUNTER, .cells = 1 \
    }
#define COUNTERS(text, meaning, by, values)                                                                        \
    {                                                                                                              \
        .name = "heroku_dyno_" text, .help = meaning, .type = METRIC_COUNTER, .cells = COUNT(values), .label = by, \
        .label_values = values                                                                                     \
    }

static const struct metric state_changes = COUNTER("state_changes_total", "Changes of the state of dynos.");
static const struct metric exits = COUNTER("exits_total", "Processes of dynos that have exited, by status.");
static const struct metric restarts =
    COUNTER("restarts_total", "Instances of dynos that took the place of another one.");
#define ERRORS "heroku_dyno_errors_total"
#define ERRORS_HELP "Errors of dynos, by R code."
static const struct metric errors = {.name = ERRORS,
                                     .help = ERRORS_HELP,
                                     .type = METRIC_COUNTER,
                                     .cells = COUNT(error_codes),
                                     .label = "code",
                                     .label_values = error_codes,
                                     .failure = true};
static const struct metric other_error = {
    .name = ERRORS, .help = ERRORS_HELP, .type = METRIC_COUNTER, .cells = 1, .failure = true};
static const struct metric phrases = COUNTERS("events_total", "What happened to dynos.", "event", events);

static const struct metric up = {
    .name = "heroku_dyno_up", .help = "1, or 0 while the dyno is known to be down or crashed.", .type = METRIC_GAUGE};

struct known_key {
    struct slice key; /* with its unit */
    struct metric metric;
};
#define GAUGE(text, meaning)                      \
    {                                             \
        {text, sizeof text - 1},                  \
        {                                         \
            .help = meaning, .type = METRIC_GAUGE \
        }                                         \
    }
static const struct known_key known_keys[] = {
    GAUGE("load_avg_1m", "Average number of runnable tasks of the dyno over 1 minute."),
    GAUGE("load_avg_5m", "Average number of runnable tasks of the dyno over 5 minutes."),
    GAUGE("load_avg_15m", "Average number of runnable tasks of the dyno over 15 minutes."),
    GAUGE("memory_total_bytes", "Memory of the dyno in bytes: resident, disk cache and swap."),
    GAUGE("memory_rss_bytes", "Resident memory of the dyno in bytes."),
    GAUGE("memory_cache_bytes", "Memory of the dyno used as disk cache, in bytes."),
    GAUGE("memory_swap_bytes", "Memory of the dyno swapped to disk, in bytes."),
    GAUGE("memory_quota_bytes", "Memory of the dyno beyond which R14 is logged, in bytes."),
    GAUGE("process_memory_bytes", "Memory of the dyno's process in bytes, as logged when it is over its quota."),
    GAUGE("process_memory_quota_ratio", "The same as a ratio of the quota."),
};
static const struct metric pages_read = {.help = "Pages that the dyno has read from disk since it started.",
                                         .type = METRIC_COUNTER};
static const struct metric pages_written = {.help = "Pages that the dyno has written to disk since it started.",
                                            .type = METRIC_COUNTER};
static const struct metric unknown_key = {.help = "A sample# key of a dyno's metrics lines, in base units.",
                                          .type = METRIC_GAUGE};

/* ---- who ---- */

/* A dyno that a line is about, and the labels of its series. */
struct dyno {
    struct slice name;
    struct process process;
    struct label labels[3]; /* app, process_type, process */
};

static bool hears(const struct line *line)
{
    struct process process;
    return slice_equals(line->appname, SLICE("heroku")) && process_read(line->procid, &process);
}

static bool owns(const struct line *line, const struct family_context *context)
{
    return !slice_starts_with(line->message, context->ingest_prefix);
}

static bool read_dyno(struct slice name, struct slice app, struct dyno *dyno)
{
    dyno->name = name;
    if (!process_read(name, &dyno->process))
        return false;
    dyno->labels[0] = (struct label){SLICE("app"), app};
    dyno->labels[1] = (struct label){SLICE("process_type"), dyno->process.type};
    dyno->labels[2] = (struct label){SLICE("process"), dyno->process.one_off ? SLICE("") : name};
    return true;
}

/* ---- counting ---- */

static void count_by(const struct dyno *dyno, const struct metric *metric, const struct label *more, size_t count,
                     double amount, struct sample_output *output)
{
    struct label labels[4] = {dyno->labels[0], dyno->labels[1]};
    for (size_t i = 0; i < count; i++)
        labels[2 + i] = more[i];
    struct sample sample = {
        .metric = metric, .name = slice_of(metric->name), .labels = labels, .label_count = 2 + count, .amount = amount};
    output->record(output, &sample);
}

static void count_cell(const struct dyno *dyno, const struct metric *metric, unsigned cell, double amount,
                       struct sample_output *output)
{
    struct sample sample = {.metric = metric,
                            .name = slice_of(metric->name),
                            .labels = dyno->labels,
                            .label_count = 2,
                            .cell = cell,
                            .amount = amount};
    output->record(output, &sample);
}

/* A new instance has started where another one ran before. */
static void count_restart(const struct dyno *dyno, double amount, struct sample_output *output)
{
    count_by(dyno, &restarts, NULL, 0, amount, output);
}

/* ---- state ---- */

static const struct slice states[] = {{"created", 7}, {"provisioning", 12}, {"starting", 8}, {"up", 2},   {"idle", 4},
                                      {"crashed", 7}, {"complete", 8},      {"down", 4},     {"other", 5}};
enum { UP = 3, OTHER = COUNT(states) - 1 };

/* Changes that every dyno may go through. */
static const struct {
    unsigned char from;
    unsigned char to;
} usual_changes[] = {{2, 3}, {3, 7}, {7, 2}, {3, 2}, {2, 5}, {3, 5}, {5, 2}, {3, 6}, {2, 6}, {0, 2}, {1, 2}, {2, 7}};

static unsigned state_of(struct slice text)
{
    unsigned state = 0;
    while (state < OTHER && !slice_equals(states[state], text))
        state++;
    return state;
}

static void count_change(const struct dyno *dyno, unsigned from, unsigned to, double amount,
                         struct sample_output *output)
{
    const struct label labels[] = {{SLICE("from"), states[from]}, {SLICE("to"), states[to]}};
    count_by(dyno, &state_changes, labels, 2, amount, output);
}

/* One-off dynos do not come again: what they leave behind is no outage. */
static void record_up(const struct dyno *dyno, bool is_up, struct sample_output *output)
{
    struct value value = {.type = VALUE_GAUGE, .number = is_up};
    struct sample sample = {.metric = &up,
                            .name = slice_of(up.name),
                            .labels = dyno->labels,
                            .label_count = 3,
                            .value = &value,
                            .process = dyno->name,
                            .of_position = true,
                            .no_expiry = true};
    if (!dyno->process.one_off)
        output->record(output, &sample);
}

/* Tell what a change of state means for the dyno.  While it starts, it is as up or down as it was. */
static void tell_change(const struct dyno *dyno, unsigned before, unsigned after, struct sample_output *output)
{
    if (after == OTHER)
        return;
    if (after > UP)
        output->notify(output, dyno->name, PROCESS_ENDED);
    else
        output->notify(output, dyno->name, before == UP && after != UP ? PROCESS_RESTARTED : PROCESS_STARTED);
    if (after >= UP)
        record_up(dyno, after == UP, output);
    else if (before >= UP && before != OTHER && output->restart(output, dyno->name))
        count_restart(dyno, 1, output);
}

static enum verdict read_change(struct slice text, const struct dyno *dyno, struct sample_output *output)
{
    struct slice from = {text.at, slice_index(text, ' ')};
    struct slice rest = slice_after(text, from.length);
    struct slice between = SLICE(" to ");
    if (!slice_starts_with(rest, between))
        return VERDICT_NOT_A_METRIC;
    struct slice to = slice_after(rest, between.length);
    to.length = slice_index(to, ' ');
    unsigned before = state_of(from), after = state_of(to);
    count_change(dyno, before, after, 1, output);
    tell_change(dyno, before, after, output);
    return VERDICT_RECOGNISED;
}

static void count_exit(const struct dyno *dyno, struct slice status, double amount, struct sample_output *output)
{
    struct label label = {SLICE("status"), status};
    count_by(dyno, &exits, &label, 1, amount, output);
}

static enum verdict read_exit(struct slice text, const struct dyno *dyno, struct sample_output *output)
{
    struct slice with = SLICE(" with status ");
    struct slice status = SLICE("");
    if (slice_starts_with(text, with)) {
        status = slice_after(text, with.length);
        size_t digits = 0;
        while (digits < status.length && digits < 4 && slice_is_digit(status.at[digits]))
            digits++;
        if (digits == 0 || digits > 3 || (digits < status.length && status.at[digits] != ' '))
            status = SLICE("other");
        else
            status.length = digits;
    }
    count_exit(dyno, status, 1, output);
    output->notify(output, dyno->name, PROCESS_EXITED);
    return VERDICT_RECOGNISED;
}

/* ---- errors ---- */

static enum verdict read_error(struct slice text, const struct dyno *dyno, struct sample_output *output)
{
    struct slice code = {text.at, slice_index(text, ' ')};
    if (!family_is_code(code, 'R'))
        return VERDICT_NOT_A_METRIC;
    for (unsigned i = 0; i < COUNT(error_codes); i++) {
        if (slice_equals(slice_of(error_codes[i]), code)) {
            count_cell(dyno, &errors, i, 1, output);
            return VERDICT_RECOGNISED;
        }
    }
    struct label label = {SLICE("code"), code};
    count_by(dyno, &other_error, &label, 1, 1, output);
    return VERDICT_RECOGNISED;
}

/* ---- samples ---- */

static const struct metric *metric_of(struct slice name)
{
    for (size_t i = 0; i < COUNT(known_keys); i++)
        if (slice_equals(known_keys[i].key, name))
            return &known_keys[i].metric;
    if (slice_equals(name, SLICE("memory_pgpgin_pages_total")))
        return &pages_read;
    if (slice_equals(name, SLICE("memory_pgpgout_pages_total")))
        return &pages_written;
    return &unknown_key;
}

static void record_value(const struct dyno *dyno, struct slice name, double number, struct sample_output *output)
{
    const struct metric *metric = metric_of(name);
    if (metric->type == METRIC_COUNTER && dyno->process.one_off)
        return;
    struct value value = {.type = metric->type == METRIC_COUNTER ? VALUE_COUNTER : VALUE_GAUGE, .number = number};
    struct sample sample = {.metric = metric,
                            .namespace = SLICE("heroku_dyno"),
                            .name = name,
                            .labels = dyno->labels,
                            .label_count = 3,
                            .labels_of_line = true,
                            .value = &value};
    if (!dyno->process.one_off)
        sample.process = dyno->name;
    output->record(output, &sample);
}

static struct slice suffix_of(struct slice key, enum unit unit)
{
    /* Pages come in two counters; a key to come may hold a level, which is no counter. */
    if (slice_equals(key, SLICE("memory_pgpgin")) || slice_equals(key, SLICE("memory_pgpgout")))
        return SLICE("_pages_total");
    return keyvalue_suffix(unit);
}

static void read_sample(struct slice key, struct slice text, const struct dyno *dyno, struct sample_output *output)
{
    enum { KEY_MAX = 128 };
    char name[KEY_MAX + 32];
    struct quantity quantity;
    if (!keyvalue_quantity(text, &quantity) || quantity.unit == UNIT_OTHER) {
        output->reject(output, REJECTED_VALUE);
        return;
    }
    if (key.length == 0 || key.length > KEY_MAX) {
        output->reject(output, REJECTED_NAME);
        return;
    }
    struct slice suffix = suffix_of(key, quantity.unit);
    memcpy(name, key.at, key.length);
    memcpy(name + key.length, suffix.at, suffix.length);
    record_value(dyno, (struct slice){name, key.length + suffix.length}, quantity.number, output);
}

/* "source=web.1 dyno=… sample#…": the source is the dyno, which the procid names as well. */
static enum verdict read_samples(struct slice text, const struct dyno *dyno, struct sample_output *output)
{
    struct slice start = SLICE("sample#");
    struct keyvalue_reader reader;
    struct keyvalue pair;
    bool found = false;
    keyvalue_start(&reader, text);
    while (keyvalue_next(&reader, &pair)) {
        if (slice_equals(pair.key, SLICE("dyno")) && pair.value.length > 0 && !dyno->process.one_off) {
            enum process_instance instance = output->instance(output, dyno->name, pair.value);
            if (instance == INSTANCE_FORMER)
                return VERDICT_RECOGNISED; /* the process's series are the new one's */
            if (instance == INSTANCE_NEXT)
                count_restart(dyno, 1, output);
        } else if (slice_starts_with(pair.key, start) && !pair.bare) {
            found = true;
            read_sample(slice_after(pair.key, start.length), pair.value, dyno, output);
        }
    }
    return found ? VERDICT_RECOGNISED : VERDICT_NOT_A_METRIC;
}

/* The number that text and what is put behind it spell. */
static bool read_extended(struct slice text, struct slice extension, double *number)
{
    char extended[64];
    if (text.length + extension.length > sizeof extended)
        return false;
    memcpy(extended, text.at, text.length);
    memcpy(extended + text.length, extension.at, extension.length);
    return keyvalue_number((struct slice){extended, text.length + extension.length}, number);
}

/* "Process running mem=870M(170.1%)", or "1028MB(103.3%)" */
static enum verdict read_memory(struct slice text, const struct dyno *dyno, struct sample_output *output)
{
    struct slice size = {text.at, slice_index(text, '(')};
    if (size.length < 2 || size.length == text.length)
        return VERDICT_NOT_A_METRIC;
    struct slice percent = slice_after(text, size.length + 1);
    percent.length = slice_index(percent, '%');
    double bytes, ratio;
    if (!read_extended(size, size.at[size.length - 1] == 'M' ? SLICE("B") : SLICE(""), &bytes) ||
        !read_extended(percent, SLICE("e-2"), &ratio))
        return VERDICT_NOT_A_METRIC;
    record_value(dyno, SLICE("process_memory_bytes"), bytes, output);
    record_value(dyno, SLICE("process_memory_quota_ratio"), ratio, output);
    return VERDICT_RECOGNISED;
}

/* ---- lines ---- */

static enum verdict read_event(struct slice text, const struct dyno *dyno, struct sample_output *output)
{
    static const struct {
        struct slice start;
        const char *event;
    } texts[] = {
#define X(text, event) {{text, sizeof text - 1}, event},
        EVENTS(X)
#undef X
    };
    for (size_t i = 0; i < COUNT(texts); i++) {
        if (!slice_starts_with(text, texts[i].start))
            continue;
        for (unsigned cell = 0; cell < COUNT(events); cell++)
            if (strcmp(events[cell], texts[i].event) == 0)
                count_cell(dyno, &phrases, cell, 1, output);
        return VERDICT_RECOGNISED;
    }
    return VERDICT_NOT_A_METRIC;
}

typedef enum verdict reader(struct slice text, const struct dyno *dyno, struct sample_output *output);

static enum verdict read_line(const struct line *line, struct family_context *context, struct sample_output *output)
{
    static const struct {
        struct slice start; /* the reader is given what follows */
        reader *read;
    } readers[] = {
        {{"State changed from ", 19}, read_change},
        {{"Process exited", 14}, read_exit},
        {{"Error ", 6}, read_error},
        {{"Process running mem=", 20}, read_memory},
        {{"", 0}, read_event},
    };
    struct dyno dyno;
    read_dyno(line->procid, context->app, &dyno);
    if (slice_starts_with(line->message, SLICE("source=")) || slice_starts_with(line->message, SLICE("dyno=")))
        return read_samples(line->message, &dyno, output);
    for (size_t i = 0; i < COUNT(readers); i++)
        if (slice_starts_with(line->message, readers[i].start))
            return readers[i].read(slice_after(line->message, readers[i].start.length), &dyno, output);
    return VERDICT_NOT_A_METRIC;
}

static void start_process(struct slice name, struct family_context *context, struct sample_output *output)
{
    struct dyno dyno;
    if (!read_dyno(name, context->app, &dyno))
        return;
    for (size_t i = 0; i < COUNT(usual_changes); i++)
        count_change(&dyno, usual_changes[i].from, usual_changes[i].to, 0, output);
    static const struct slice statuses[] = {{"0", 1}, {"1", 1}, {"137", 3}, {"143", 3}};
    for (size_t i = 0; i < COUNT(statuses); i++)
        count_exit(&dyno, statuses[i], 0, output);
    count_cell(&dyno, &errors, 0, 0, output);
    count_cell(&dyno, &phrases, 0, 0, output);
    count_restart(&dyno, 0, output);
}

const struct family dyno_family = {.prefixes = {"heroku_dyno"},
                                   .lifetime = LIFETIME_RUNTIME,
                                   .rules_after = true,
                                   .hears = hears,
                                   .owns = owns,
                                   .read = read_line,
                                   .start_process = start_process};
