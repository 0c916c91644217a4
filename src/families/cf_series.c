#include "families/cf_series.h"

#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/metric.h"
#include "base/structured_data.h"

/* ---- names ---- */

enum {
    NAME_SLOTS = 32768,
    NAMES_MAX = 16384, /* several types of as many processes as one app may have (directory.h), in one batch */
    PROBES_MAX = 64,   /* a name that finds no place near its own has none */
};

/* Names that samples can point to for as long as a batch is read.  Batches speak of the same few names, so they are
 * kept, and forgotten between batches once there are many. */
struct names {
    unsigned count;
    struct {
        unsigned char length; /* 0: free */
        char text[PROCESS_NAME_MAX];
    } slots[NAME_SLOTS];
};

void *cf_names_create(void)
{
    return calloc(1, sizeof(struct names)); /* pages that no name is kept in are not used */
}

void cf_names_begin(struct family_context *context)
{
    struct names *names = context->states[FAMILY_CF_INSTANCE];
    if (names->count > NAMES_MAX / 2)
        memset(names, 0, sizeof *names);
}

static struct slice keep_name(struct names *names, struct slice name)
{
    uint64_t at = XXH3_64bits(name.at, name.length);
    for (unsigned i = 0; i < PROBES_MAX; i++, at++) {
        size_t slot = at % NAME_SLOTS;
        struct slice kept = {names->slots[slot].text, names->slots[slot].length};
        if (slice_equals(kept, name))
            return kept;
        if (kept.length > 0)
            continue;
        if (names->count == NAMES_MAX)
            break;
        names->count++;
        memcpy(names->slots[slot].text, name.at, name.length);
        names->slots[slot].length = (unsigned char)name.length;
        return (struct slice){kept.at, name.length};
    }
    return (struct slice){"", 0};
}

struct slice cf_process_name(const struct family_context *context, struct slice type, struct slice index)
{
    char text[PROCESS_NAME_MAX];
    struct process process;
    if (!process_is_type(type) || index.length == 0 || type.length + 1 + index.length > sizeof text)
        return (struct slice){"", 0};
    memcpy(text, type.at, type.length);
    text[type.length] = '.';
    memcpy(text + type.length + 1, index.at, index.length);
    struct slice name = {text, type.length + 1 + index.length};
    return process_read(name, &process) ? keep_name(context->states[FAMILY_CF_INSTANCE], name) : (struct slice){"", 0};
}

/* A line of a task is about no process; and, if a message has tags without a process type, the process is unknown.
 * Without any tags a metric is of a web process, which nearly all are. */
static struct slice type_of_process(const struct line *line, const struct cf_message *cf)
{
    if (slice_starts_with(line->procid, SLICE("[APP/TASK/")))
        return (struct slice){"", 0};
    return cf->process_type.length > 0 || cf->tags.length > 0 ? cf->process_type : SLICE("web");
}

struct cf_process cf_process_of(const struct line *line, const struct family_context *context)
{
    const struct cf_message *cf = context->cf;
    struct slice name = cf_process_name(context, type_of_process(line, cf), cf->instance);
    struct slice type = cf->process_type;
    if (type.length > PROCESS_NAME_MAX)
        type.length = 0;
    if (name.length > 0 && type.length > 0)
        type.at = name.at;
    else if (type.length > 0)
        type = keep_name(context->states[FAMILY_CF_INSTANCE], type);
    return (struct cf_process){name, type};
}

const struct line *cf_line_of_process(const struct line *line, const struct family_context *context, struct line *copy)
{
    if (context->cf == NULL || !cf_is_printed(line))
        return line;
    struct slice name = cf_process_of(line, context).name;
    if (name.length == 0)
        return line;
    *copy = *line;
    copy->procid = name;
    return copy;
}

/* ---- labels ---- */

bool cf_labels_add(struct cf_labels *labels, struct slice name, struct slice value)
{
    if (labels->count == COUNT(labels->list))
        return false;
    labels->list[labels->count++] = (struct label){name, value};
    return true;
}

bool cf_labels_add_escaped(struct cf_labels *labels, struct slice name, struct slice value)
{
    if (value.length > sizeof labels->text - labels->text_length)
        return false;
    char *text = labels->text + labels->text_length;
    struct slice plain = structured_data_unescape(value, text, value.length);
    if (plain.at == text)
        labels->text_length += plain.length;
    return cf_labels_add(labels, name, plain);
}

void cf_labels_of_app(struct cf_labels *labels, const struct family_context *context)
{
    labels->count = labels->text_length = 0;
    cf_labels_add(labels, SLICE("app"), context->app);
    cf_labels_add_escaped(labels, SLICE("process_type"), slice_beginning(context->cf->process_type, 128));
}

void cf_labels_of_instance(struct cf_labels *labels, const struct family_context *context)
{
    struct slice instance = slice_beginning(context->cf->instance, 64);
    cf_labels_of_app(labels, context);
    cf_labels_add_escaped(labels, SLICE("instance_index"), instance);
    if (!context->cf_instance_labels)
        return;
    cf_labels_add_escaped(labels, SLICE("index"), instance);
    cf_labels_add_escaped(labels, SLICE("instance_id"), instance);
}

/* ---- instances ---- */

void cf_end_from(struct slice type, unsigned index, const struct family_context *context, struct sample_output *output)
{
    output->scale(output, type, index > 0 ? index - 1 : 0); /* which ends those of a higher number */
    struct slice first = cf_process_name(context, type, SLICE("0"));
    if (index == 0 && first.length > 0)
        output->notify(output, first, PROCESS_ENDED);
}

static struct slice type_of_name(struct slice process)
{
    return (struct slice){process.at, slice_index(process, '.')};
}

bool cf_app_speaks(struct slice process, const struct family_context *context, struct sample_output *output)
{
    struct slice type = type_of_name(process);
    switch (output->instance(output, type, context->cf->app_id)) {
    case INSTANCE_SAME:
        return true;
    case INSTANCE_NEXT:
        output->notify(output, process, PROCESS_STARTED);
        return true;
    case INSTANCE_FORMER:
        break;
    }
    return false;
}

/* "3517892b-.../4f9d7c54-...", of the app and of the instance. */
enum { GUID_MAX = 128, WHOLE_MAX = 2 * GUID_MAX + 1 };

static struct slice whole_instance(const struct family_context *context, struct slice instance, char text[WHOLE_MAX])
{
    struct slice app = slice_beginning(context->cf->app_id, GUID_MAX);
    instance = slice_beginning(instance, GUID_MAX);
    memcpy(text, app.at, app.length);
    text[app.length] = '/';
    memcpy(text + app.length + 1, instance.at, instance.length);
    return (struct slice){text, app.length + 1 + instance.length};
}

bool cf_instance_speaks(struct slice process, struct slice instance, const struct family_context *context,
                        struct sample_output *output)
{
    char text[WHOLE_MAX];
    if (!cf_app_speaks(process, context, output))
        return false;
    return instance.length == 0 ||
           output->instance(output, process, whole_instance(context, instance, text)) != INSTANCE_FORMER;
}

bool cf_app_ends(struct slice process, const struct family_context *context, struct sample_output *output)
{
    return output->runs_as(output, type_of_name(process), context->cf->app_id);
}

bool cf_instance_ends(struct slice process, struct slice instance, const struct family_context *context,
                      struct sample_output *output)
{
    char text[WHOLE_MAX];
    return cf_app_ends(process, context, output) &&
           (instance.length == 0 || output->runs_as(output, process, whole_instance(context, instance, text)));
}
