#include "families/cf_message.h"

#include "base/metric.h"
#include "base/structured_data.h"

static const struct slice nothing = {"", 0};

/* ---- structured data ---- */

static const struct {
    struct slice id;
    enum cf_kind kind;
} elements[] = {{{"gauge@47450", 11}, CF_GAUGE},
                {{"counter@47450", 13}, CF_COUNTER},
                {{"timer@47450", 11}, CF_TIMER},
                {{"event@47450", 11}, CF_EVENT}};

/* Where the tag of this name is kept, or NULL. */
static struct slice *place_of_tag(struct slice name, struct cf_message *message)
{
#define TAG(text, member)                                            \
    {                                                                \
        {text, sizeof text - 1}, offsetof(struct cf_message, member) \
    }
    static const struct {
        struct slice name;
        size_t place;
    } tags[] = {TAG("app_id", app_id),
                TAG("app_name", name),
                TAG("instance_id", instance),
                TAG("organization_id", organization_id),
                TAG("organization_name", organization),
                TAG("process_instance_id", process_instance_id),
                TAG("process_type", process_type),
                TAG("space_id", space_id),
                TAG("space_name", space)};
#undef TAG
    for (size_t i = 0; i < COUNT(tags); i++)
        if (slice_equals(tags[i].name, name))
            return (struct slice *)((char *)message + tags[i].place);
    return NULL;
}

static void read_tags(struct slice parameters, struct cf_message *message)
{
    struct slice name, value;
    message->tags = parameters;
    while (structured_data_parameter(&parameters, &name, &value)) {
        struct slice *place = place_of_tag(name, message);
        if (place != NULL)
            *place = value;
    }
}

/* Of two elements of a kind the first one counts. */
static void read_elements(struct slice data, struct cf_message *message)
{
    struct slice id, parameters;
    while (structured_data_next(&data, &id, &parameters)) {
        if (message->tags.length == 0 && slice_equals(id, SLICE("tags@47450")))
            read_tags(parameters, message);
        for (size_t i = 0; message->kind == CF_LOG && i < COUNT(elements); i++) {
            if (!slice_equals(id, elements[i].id))
                continue;
            message->kind = elements[i].kind;
            message->metric = parameters;
        }
    }
}

/* ---- PROCID ---- */

/* Are lines of this source about one instance of an app?  Those of the router, the API, the log system and the stager
 * have the number of one of these in their PROCID. */
static bool is_about_instance(struct slice source)
{
    static const struct slice others[] = {{"RTR", 3}, {"API", 3}, {"LGR", 3}, {"STG", 3}};
    for (size_t i = 0; i < COUNT(others); i++)
        if (slice_equals(source, others[i]))
            return false;
    return true;
}

/* "APP/PROC/WEB/0" and "APP/REV/2/PROC/WEB/SIDECAR/PROXY/0" are of the type "web". */
static struct slice type_of(struct slice procid, char text[], size_t size)
{
    struct slice start = SLICE("PROC/");
    while (procid.length > 0 && !slice_starts_with(procid, start)) {
        size_t slash = slice_index(procid, '/');
        procid = slice_after(procid, slash < procid.length ? slash + 1 : slash);
    }
    if (procid.length == 0)
        return nothing;
    procid = slice_after(procid, start.length);
    procid.length = slice_index(procid, '/');
    if (procid.length > size)
        return nothing;
    for (size_t i = 0; i < procid.length; i++)
        text[i] = (char)(procid.at[i] >= 'A' && procid.at[i] <= 'Z' ? procid.at[i] + ('a' - 'A') : procid.at[i]);
    return (struct slice){text, procid.length};
}

/* "APP/PROC/WEB/0" is of the source APP and the instance 0; "0" is of the instance 0. */
static void read_procid(struct slice procid, struct cf_message *message)
{
    size_t slash = slice_index(procid, '/');
    struct slice number = procid;
    if (slash < procid.length) {
        message->source = (struct slice){procid.at, slash};
        for (; slash < number.length; slash = slice_index(number, '/'))
            number = slice_after(number, slash + 1);
    }
    if (!is_about_instance(message->source))
        message->instance = nothing;
    else if (message->instance.length == 0)
        message->instance = number;
    if (message->process_type.length == 0 && slice_equals(message->source, SLICE("APP")))
        message->process_type = type_of(procid, message->process_type_text, sizeof message->process_type_text);
}

bool cf_message_read(const struct line *line, struct cf_message *message)
{
    struct slice procid = line->procid;
    if (procid.length < 2 || procid.at[0] != '[' || procid.at[procid.length - 1] != ']')
        return false;
    message->kind = CF_LOG;
    message->metric = message->tags = nothing;
    message->organization = message->space = message->name = nothing;
    message->organization_id = message->space_id = message->app_id = nothing;
    message->process_type = message->instance = message->process_instance_id = message->source = nothing;
    read_elements(line->structured_data, message);
    read_procid((struct slice){procid.at + 1, procid.length - 2}, message);
    if (message->app_id.length == 0)
        message->app_id = line->appname;
    return true;
}
