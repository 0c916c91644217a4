#include "families/cf_instance.h"

#include <stdlib.h>

#include "base/number.h"
#include "families/cf_series.h"

/* ---- metrics ---- */

#define COUNTER(text, meaning)                                                             \
    {                                                                                      \
        .name = "cf_instance_" text, .help = (meaning), .type = METRIC_COUNTER, .cells = 1 \
    }
static const struct metric crashes = COUNTER("crashes_total", "Instances of the app that have crashed.");
static const struct metric starts = COUNTER("starts_total", "Instances of the app whose container was created.");
static const struct metric stops = COUNTER("stops_total", "Instances of the app whose container was destroyed.");

/* ---- reading ---- */

/* Cut word off the start of text; its first letter may be large. */
static bool skip(struct slice *text, struct slice word)
{
    if (text->length < word.length || (text->at[0] | 0x20) != word.at[0] ||
        !slice_equals((struct slice){text->at + 1, word.length - 1}, slice_after(word, 1)))
        return false;
    *text = slice_after(*text, word.length);
    return true;
}

/* What stands behind the first word in text; empty if it is not there. */
static struct slice behind(struct slice text, struct slice word)
{
    while (text.length >= word.length && !slice_starts_with(text, word)) {
        text = slice_after(text, 1);
        size_t next = slice_index(text, word.at[0]);
        text = slice_after(text, next);
    }
    return text.length >= word.length ? slice_after(text, word.length) : (struct slice){"", 0};
}

/* The value of a key, written with its quotes, of a hash as Ruby prints it: "index"=>0, "index" => 0,
 * "reason"=>"CRASHED". Without quotes of its own; empty if it is not there. */
static struct slice hash_value(struct slice text, struct slice key)
{
    struct slice rest = behind(text, key);
    while (rest.length > 0 && strchr(" =>", rest.at[0]) != NULL && rest.at[0] != '\0')
        rest = slice_after(rest, 1);
    bool quoted = rest.length > 0 && rest.at[0] == '"';
    size_t length = 0;
    if (quoted)
        rest = slice_after(rest, 1);
    while (length < rest.length && (quoted ? rest.at[length] != '"' : slice_is_digit(rest.at[length])))
        length++;
    return (struct slice){rest.at, length};
}

/* The text between the first two quotes. */
static struct slice quoted_word(struct slice text)
{
    struct slice word = behind(text, SLICE("\""));
    word.length = slice_index(word, '"');
    return word;
}

/* ---- the line's instance ---- */

struct event {
    const struct family_context *context;
    struct sample_output *output;
    struct slice process;  /* "web.0"; empty: not known */
    struct slice type;     /* "web"; empty: the message does not tell */
    struct slice instance; /* GUID; empty: the message does not tell */
};

static void count(const struct event *event, const struct metric *metric, double amount)
{
    struct label labels[] = {{SLICE("app"), event->context->app}, {SLICE("process_type"), event->type}};
    struct sample sample = {.metric = metric,
                            .name = slice_of(metric->name),
                            .labels = labels,
                            .label_count = COUNT(labels),
                            .amount = amount,
                            .transient = true};
    event->output->record(event->output, &sample);
}

/* Tell that the process starts or ends, unless another instance of it does. */
static void tell(const struct event *event, enum process_event what)
{
    bool (*is_present)(struct slice, struct slice, const struct family_context *, struct sample_output *) =
        what == PROCESS_RESTARTED ? cf_instance_speaks : cf_instance_ends;
    if (event->process.length > 0 && is_present(event->process, event->instance, event->context, event->output))
        event->output->notify(event->output, event->process, what);
}

/* ---- cells ---- */

/* A task has a container as well, but is no instance of a process: then its messages have tags without a type. */
static bool is_task(const struct event *event)
{
    return event->context->cf->tags.length > 0 && event->type.length == 0;
}

static void start(const struct event *event)
{
    count(event, &starts, 1);
    tell(event, PROCESS_RESTARTED);
}

static void stop(const struct event *event)
{
    count(event, &stops, 1);
    tell(event, PROCESS_ENDED);
}

/* "Cell bed4ba78-... stopping instance 4f9d7c54-...", or without the first two words */
static enum verdict read_cell(struct slice text, struct event *event)
{
    if (is_task(event))
        return VERDICT_NOT_A_METRIC;
    if (skip(&text, SLICE("cell "))) {
        size_t blank = slice_index(text, ' ');
        text = slice_after(text, blank < text.length ? blank + 1 : blank);
    }
    bool starts_now = skip(&text, SLICE("successfully created container"));
    bool stops_now = !starts_now && skip(&text, SLICE("destroying container"));
    bool ends_now = !starts_now && !stops_now && skip(&text, SLICE("stopping instance"));
    if (!starts_now && !stops_now && !ends_now)
        return VERDICT_NOT_A_METRIC;
    if (!skip(&text, SLICE(" for instance ")))
        skip(&text, SLICE(" "));
    event->instance = (struct slice){text.at, slice_index(text, ' ')};
    if (starts_now)
        start(event);
    else if (stops_now)
        stop(event);
    else
        tell(event, PROCESS_ENDED);
    return VERDICT_RECOGNISED;
}

/* ---- the API ---- */

/* The API's messages do not tell the type by their tags; the web process is the one that it speaks of then. */
static struct slice type_or_web(struct slice type)
{
    return type.length > 0 ? type : SLICE("web");
}

/* "APP/PROC/WEB: Exited with status 1" in small letters: the type; empty if the text does not tell. */
static struct slice type_of_exit(struct slice description, char text[PROCESS_NAME_MAX])
{
    struct slice type = behind(description, SLICE("APP/PROC/"));
    size_t length = 0;
    while (length < type.length && type.at[length] != ':' && type.at[length] != '/')
        length++;
    if (length >= type.length || length > PROCESS_NAME_MAX)
        return (struct slice){"", 0};
    for (size_t i = 0; i < length; i++)
        text[i] = (char)(type.at[i] >= 'A' && type.at[i] <= 'Z' ? type.at[i] + ('a' - 'A') : type.at[i]);
    return (struct slice){text, length};
}

static enum verdict read_exit(struct slice text, struct event *event)
{
    char type_text[PROCESS_NAME_MAX];
    struct slice payload = behind(text, SLICE(" payload: {"));
    struct slice reason = hash_value(payload, SLICE("\"reason\""));
    struct slice type = type_of_exit(hash_value(payload, SLICE("\"exit_description\"")), type_text);
    if (payload.length == 0)
        return VERDICT_NOT_A_METRIC;
    if (type.length > 0)
        event->type = type;
    event->process = cf_process_name(event->context, type_or_web(event->type), hash_value(payload, SLICE("\"index\"")));
    event->instance = hash_value(payload, SLICE("\"instance\""));
    if (slice_equals(reason, SLICE("CRASHED")))
        count(event, &crashes, 1);
    tell(event, PROCESS_EXITED);
    return VERDICT_RECOGNISED;
}

/* All processes of the type from this index on have ended, unless they are those of an app that was replaced. */
static enum verdict end_from(struct event *event, struct slice type, unsigned index)
{
    struct slice first = cf_process_name(event->context, type, SLICE("0"));
    if (first.length > 0 && cf_app_ends(first, event->context, event->output))
        cf_end_from(type, index, event->context, event->output);
    return VERDICT_RECOGNISED;
}

static enum verdict read_update(struct slice text, struct event *event)
{
    uint64_t instances;
    /* Also if there is a number, which is for the next start. */
    if (slice_equals(hash_value(text, SLICE("\"state\"")), SLICE("STOPPED")))
        return end_from(event, type_or_web(event->type), 0);
    if (number_read_decimal(hash_value(text, SLICE("\"instances\"")), FORMATION_NUMBER_MAX, &instances))
        return end_from(event, type_or_web(event->type), (unsigned)instances);
    return VERDICT_NOT_A_METRIC;
}

static enum verdict read_stop(struct slice text, struct event *event)
{
    (void)text;
    return end_from(event, type_or_web(event->type), 0);
}

static enum verdict read_deletion(struct slice text, struct event *event)
{
    return end_from(event, quoted_word(text), 0);
}

static enum verdict read_termination(struct slice text, struct event *event)
{
    struct slice index = quoted_word(behind(text, SLICE("index: ")));
    event->process = cf_process_name(event->context, quoted_word(text), index);
    tell(event, PROCESS_EXITED);
    return VERDICT_RECOGNISED;
}

static enum verdict read_api(struct slice text, struct event *event)
{
    static const struct {
        struct slice start;
        enum verdict (*read)(struct slice text, struct event *event);
    } readers[] = {
        {{"App instance exited with guid ", 30}, read_exit}, {{"Updated app with guid ", 22}, read_update},
        {{"Stopping app with guid ", 23}, read_stop},        {{"Deleted app with guid ", 22}, read_stop},
        {{"Deleting process: ", 18}, read_deletion},         {{"Terminating process: ", 21}, read_termination},
    };
    for (size_t i = 0; i < COUNT(readers); i++)
        if (slice_starts_with(text, readers[i].start))
            return readers[i].read(slice_after(text, readers[i].start.length), event);
    return VERDICT_NOT_A_METRIC;
}

/* ---- lines ---- */

static bool hears(const struct line *line)
{
    return slice_starts_with(line->procid, SLICE("[CELL/")) || slice_starts_with(line->procid, SLICE("[API/"));
}

static bool owns(const struct line *line, const struct family_context *context)
{
    (void)line;
    return context->cf != NULL && context->cf->kind == CF_LOG;
}

static enum verdict read_line(const struct line *line, struct family_context *context, struct sample_output *output)
{
    struct cf_process process = cf_process_of(line, context);
    struct event event = {.context = context, .output = output, .process = process.name, .type = process.type};
    return line->procid.at[1] == 'C' ? read_cell(line->message, &event) : read_api(line->message, &event);
}

static void start_process(struct slice name, struct family_context *context, struct sample_output *output)
{
    (void)name;
    if (context->cf == NULL)
        return;
    struct event event = {
        .context = context, .output = output, .type = slice_beginning(context->cf->process_type, PROCESS_NAME_MAX)};
    count(&event, &crashes, 0);
    count(&event, &starts, 0);
    count(&event, &stops, 0);
}

const struct family cf_instance_family = {.cloud_foundry = true,
                                          .prefixes = {"cf_instance"},
                                          .rules_after = true,
                                          .create_state = cf_names_create,
                                          .free_state = free,
                                          .begin_batch = cf_names_begin,
                                          .hears = hears,
                                          .owns = owns,
                                          .read = read_line,
                                          .start_process = start_process};
