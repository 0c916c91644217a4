#include "families/cf_app.h"

#include <math.h>

#include "base/keyvalue.h"
#include "base/number.h"
#include "base/structured_data.h"
#include "families/cf_series.h"
#include "families/http_labels.h"

enum {
    NAME_MAX_BYTES = 128,
    UNIT_MAX_BYTES = 64,
    SUFFIX_MAX = UNIT_MAX_BYTES + 1,
    TITLE_MAX = 128,
};

/* ---- metrics ---- */

#define HELP "Reported by the app as a metric of its own."
static const double bounds[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 300};
static const struct metric timers = {
    .help = HELP, .type = METRIC_HISTOGRAM, .cells = COUNT(bounds) + 2, .bounds = bounds, .chosen = true};
static const struct metric http_timer = {.name = "cf_http_timer_seconds",
                                         .help = "Time that requests took, as the router's timers say.",
                                         .type = METRIC_HISTOGRAM,
                                         .cells = COUNT(bounds) + 2,
                                         .bounds = bounds};
static const struct metric events = {
    .name = "cf_app_events_total", .help = "Events that the app has reported.", .type = METRIC_COUNTER, .cells = 1};

/* ---- names ---- */

#define NAME(text)               \
    {                            \
        (text), sizeof(text) - 1 \
    }

/* How many of them are one of ours, or one of how many, and how the name ends then. */
static const struct known_unit {
    struct slice text;
    double factor;
    double divisor;
    struct slice suffix;
} units[] = {
    {NAME("ns"), 1, 1e9, NAME("_seconds")},
    {NAME("us"), 1, 1e6, NAME("_seconds")},
    {NAME("ms"), 1, 1e3, NAME("_seconds")},
    {NAME("s"), 1, 1, NAME("_seconds")},
    {NAME("nanoseconds"), 1, 1e9, NAME("_seconds")},
    {NAME("microseconds"), 1, 1e6, NAME("_seconds")},
    {NAME("milliseconds"), 1, 1e3, NAME("_seconds")},
    {NAME("seconds"), 1, 1, NAME("_seconds")},
    {NAME("bytes"), 1, 1, NAME("_bytes")},
    {NAME("B"), 1, 1, NAME("_bytes")},
    {NAME("kB"), 1024., 1, NAME("_bytes")},
    {NAME("KB"), 1024., 1, NAME("_bytes")},
    {NAME("KiB"), 1024., 1, NAME("_bytes")},
    {NAME("MB"), 1048576., 1, NAME("_bytes")},
    {NAME("MiB"), 1048576., 1, NAME("_bytes")},
    {NAME("GB"), 1073741824., 1, NAME("_bytes")},
    {NAME("GiB"), 1073741824., 1, NAME("_bytes")},
    {NAME("TB"), 1099511627776., 1, NAME("_bytes")},
    {NAME("TiB"), 1099511627776., 1, NAME("_bytes")},
    {NAME("percentage"), 1, 100, NAME("_ratio")},
    {NAME("percent"), 1, 100, NAME("_ratio")},
    {NAME("%"), 1, 100, NAME("_ratio")},
};

static const struct known_unit *find_unit(struct slice text)
{
    for (size_t i = 0; i < COUNT(units); i++)
        if (slice_equals(units[i].text, text))
            return &units[i];
    return NULL;
}

/* A name on its way: what the app calls it, without escapes, and the suffix. */
struct name {
    size_t length;
    char text[NAME_MAX_BYTES + SUFFIX_MAX];
};

/* Begin with what the metric's element calls it; false if that is no name that we take. */
static bool start_name(struct name *name, const struct cf_message *cf)
{
    struct slice value = structured_data_find(cf->metric, SLICE("name"));
    if (value.length == 0 || value.length > NAME_MAX_BYTES)
        return false;
    struct slice plain = structured_data_unescape(value, name->text, NAME_MAX_BYTES);
    if (plain.at != name->text)
        memcpy(name->text, plain.at, plain.length);
    name->length = plain.length;
    return true;
}

/* Unless it ends so already: "db_seconds". */
static void add_suffix(struct name *name, struct slice suffix)
{
    if (name->length > suffix.length &&
        slice_same_bytes(name->text + name->length - suffix.length, suffix.at, suffix.length))
        return;
    memcpy(name->text + name->length, suffix.at, suffix.length);
    name->length += suffix.length;
}

/* A unit that we do not know stays in the name: "jobs" -> "_jobs". */
static void add_unit(struct name *name, struct slice unit)
{
    char text[SUFFIX_MAX];
    if (unit.length == 0)
        return;
    struct slice plain = structured_data_unescape(unit, text + 1, UNIT_MAX_BYTES);
    if (plain.at != text + 1)
        memcpy(text + 1, plain.at, plain.length);
    text[0] = '_';
    add_suffix(name, (struct slice){text, 1 + plain.length});
}

static struct slice slice_of_name(const struct name *name)
{
    return (struct slice){name->text, name->length};
}

/* ---- labels ---- */

/* Tags that say whose a metric is, or which machine of the platform it came from.  The app's own labels of these names
 * would be in the way of ours. */
static bool is_of_platform(struct slice tag)
{
    static const struct slice tags[] = {
        NAME("app"),
        NAME("app_id"),
        NAME("app_name"),
        NAME("deployment"),
        NAME("index"),
        NAME("instance_id"),
        NAME("instance_index"),
        NAME("ip"),
        NAME("job"),
        NAME("namespace"),
        NAME("organization_id"),
        NAME("organization_name"),
        NAME("origin"),
        NAME("placement_tag"),
        NAME("process"),
        NAME("process_id"),
        NAME("process_instance_id"),
        NAME("process_type"),
        NAME("product"),
        NAME("source_id"),
        NAME("source_type"),
        NAME("space_id"),
        NAME("space_name"),
    };
    for (size_t i = 0; i < COUNT(tags); i++)
        if (slice_equals(tags[i], tag))
            return true;
    return slice_starts_with(tag, SLICE("__"));
}

static bool add_tags(struct cf_labels *labels, const struct cf_message *cf)
{
    struct slice rest = cf->tags, name, value;
    while (structured_data_parameter(&rest, &name, &value))
        if (!is_of_platform(name) && !cf_labels_add_escaped(labels, name, value))
            return false;
    return true;
}

/* ---- samples ---- */

/* A sample of the message that is read. */
struct custom {
    const struct cf_message *cf;
    struct slice process;
    struct sample_output *output;
    struct cf_labels labels;
    struct name name;
};

static void record(struct custom *custom, double number, enum value_type type)
{
    struct value value = {.type = (uint16_t)type, .number = number};
    struct sample sample = {.namespace = SLICE("cf_app"),
                            .name = slice_of_name(&custom->name),
                            .labels = custom->labels.list,
                            .label_count = custom->labels.count,
                            .process = custom->process,
                            .name_limited = true,
                            .value = &value};
    custom->output->record(custom->output, &sample);
}

static void observe(struct custom *custom, const struct sample *sample, double seconds)
{
    struct series *series = custom->output->find(custom->output, sample);
    if (series != NULL)
        custom->output->observe(custom->output, series, sample->metric, seconds);
}

static bool read_number(struct slice text, double *number)
{
    return keyvalue_number(text, number) && isfinite(*number);
}

static void read_gauge(struct custom *custom)
{
    struct slice unit = structured_data_find(custom->cf->metric, SLICE("unit"));
    const struct known_unit *known = find_unit(unit);
    double number;
    if (!read_number(structured_data_find(custom->cf->metric, SLICE("value")), &number)) {
        custom->output->reject(custom->output, REJECTED_VALUE);
        return;
    }
    if (known == NULL)
        add_unit(&custom->name, unit);
    else {
        number = number * known->factor / known->divisor;
        add_suffix(&custom->name, known->suffix);
    }
    if (isfinite(number))
        record(custom, number, VALUE_GAUGE);
    else
        custom->output->reject(custom->output, REJECTED_VALUE);
}

static void read_counter(struct custom *custom)
{
    double number;
    if (!read_number(structured_data_find(custom->cf->metric, SLICE("total")), &number) || number < 0) {
        custom->output->reject(custom->output, REJECTED_VALUE);
        return;
    }
    add_suffix(&custom->name, SLICE("_total"));
    record(custom, number, VALUE_COUNTER);
}

/* Start and stop are nanoseconds since 1970: too long for a double, which their difference is not. */
static bool read_duration(const struct cf_message *cf, double *seconds)
{
    uint64_t start, stop;
    if (!number_read_decimal(structured_data_find(cf->metric, SLICE("start")), INT64_MAX, &start) ||
        !number_read_decimal(structured_data_find(cf->metric, SLICE("stop")), INT64_MAX, &stop) || stop < start)
        return false;
    *seconds = (double)(stop - start) / 1e9;
    return true;
}

static void read_timer(struct custom *custom)
{
    double seconds;
    if (!read_duration(custom->cf, &seconds)) {
        custom->output->reject(custom->output, REJECTED_VALUE);
        return;
    }
    add_suffix(&custom->name, SLICE("_seconds"));
    struct sample sample = {.metric = &timers,
                            .namespace = SLICE("cf_app"),
                            .name = slice_of_name(&custom->name),
                            .labels = custom->labels.list,
                            .label_count = custom->labels.count,
                            .amount = seconds, /* if it is refused, explain shows it */
                            .process = custom->process,
                            .name_limited = true,
                            .transient = true};
    observe(custom, &sample, seconds);
}

static void read_http_timer(struct custom *custom)
{
    const struct cf_message *cf = custom->cf;
    double seconds;
    if (!read_duration(cf, &seconds)) {
        custom->output->reject(custom->output, REJECTED_VALUE);
        return;
    }
    cf_labels_add(&custom->labels, SLICE("method"), http_method_of(structured_data_find(cf->tags, SLICE("method"))));
    cf_labels_add(&custom->labels, SLICE("status"),
                  http_status_of(structured_data_find(cf->tags, SLICE("status_code"))));
    struct sample sample = {.metric = &http_timer,
                            .name = slice_of(http_timer.name),
                            .labels = custom->labels.list,
                            .label_count = custom->labels.count,
                            .amount = seconds,
                            .process = custom->process,
                            .transient = true};
    observe(custom, &sample, seconds);
}

static void read_event(struct custom *custom)
{
    struct slice title = structured_data_find(custom->cf->metric, SLICE("title"));
    if (!cf_labels_add_escaped(&custom->labels, SLICE("title"), slice_beginning(title, TITLE_MAX))) {
        custom->output->reject(custom->output, REJECTED_LABELS);
        return;
    }
    struct sample sample = {.metric = &events,
                            .name = slice_of(events.name),
                            .labels = custom->labels.list,
                            .label_count = custom->labels.count,
                            .amount = 1,
                            .process = custom->process,
                            .transient = true};
    custom->output->record(custom->output, &sample);
}

/* ---- lines ---- */

static bool owns(const struct line *line, const struct family_context *context)
{
    (void)line;
    return context->cf != NULL && context->cf->kind != CF_LOG;
}

/* An app's own metric: its name, and its tags as labels. */
static void read_own(struct custom *custom)
{
    if (!start_name(&custom->name, custom->cf))
        custom->output->reject(custom->output, REJECTED_NAME);
    else if (!add_tags(&custom->labels, custom->cf))
        custom->output->reject(custom->output, REJECTED_LABELS);
    else if (custom->cf->kind == CF_GAUGE)
        read_gauge(custom);
    else if (custom->cf->kind == CF_COUNTER)
        read_counter(custom);
    else
        read_timer(custom);
}

static enum verdict read_line(const struct line *line, struct family_context *context, struct sample_output *output)
{
    const struct cf_message *cf = context->cf;
    struct custom custom;
    custom.cf = cf;
    custom.process = cf_process_of(line, context).name;
    custom.output = output;
    bool is_reported = cf->kind == CF_GAUGE || cf->kind == CF_COUNTER; /* what we count ourselves adds up */
    if (is_reported && custom.process.length > 0 && cf->process_instance_id.length > 0 &&
        !cf_instance_speaks(custom.process, cf->process_instance_id, context, output))
        return VERDICT_RECOGNISED; /* the process's series are the new instance's */
    cf_labels_of_instance(&custom.labels, context);
    if (cf->kind == CF_EVENT)
        read_event(&custom);
    else if (cf->kind == CF_TIMER && slice_equals(structured_data_find(cf->metric, SLICE("name")), SLICE("http")))
        read_http_timer(&custom);
    else
        read_own(&custom);
    return VERDICT_RECOGNISED;
}

const struct family cf_app_family = {
    .prefixes = {"cf_app", "cf_http"}, .hears = cf_is_author, .owns = owns, .read = read_line};
