#include "intake/messages.h"

#include "intake/cf_frame.h"

/* Read the next message of a batch of Cloud Foundry, if that was not done; false if there is none. */
static bool read_line(struct messages *messages)
{
    struct message *message = &messages->message;
    if (messages->ahead != READ_NOTHING)
        return true;
    messages->before = messages->rest;
    struct line *line = &message->line;
    enum frame_result frame = messages->origin->is_one_message
                                  ? cf_frame_whole(&messages->rest, &message->text, line, &messages->minute)
                                  : cf_frame_next(&messages->rest, &message->text, line, &messages->minute);
    if (frame == FRAME_END)
        return false;
    bool is_short = message->text.length <= FAMILY_MESSAGE_MAX;
    message->is_repaired = frame == FRAME_REPAIRED;
    message->has_header =
        is_short && (line->structured_data.length > 0 || syslog_parse(message->text, messages->origin->shape, line));
    if (!is_short)
        *line = (struct line){0};
    messages->ahead = READ_LINE;
    return true;
}

/* The same, and what it says of its app. */
static bool read_app(struct messages *messages)
{
    struct message *message = &messages->message;
    if (!read_line(messages))
        return false;
    if (messages->ahead == READ_LINE) {
        message->says_app = message->has_header && cf_message_read(&message->line, &message->cf);
        if (!message->says_app)
            message->cf = (struct cf_message){0};
    }
    messages->ahead = READ_APP;
    return true;
}

/* ---- times ---- */

static bool has_time(const struct message *message, enum syslog_shape shape, struct syslog_minute *near)
{
    struct slice timestamp = message->line.timestamp;
    struct line line;
    int64_t time;
    if (message->text.length > FAMILY_MESSAGE_MAX && syslog_parse(message->text, shape, &line))
        timestamp = line.timestamp;
    return syslog_time_near(timestamp, near, &time);
}

bool messages_have_times(struct messages *messages)
{
    const struct origin *origin = messages->origin;
    struct syslog_minute minute = {0};
    if (!origin->is_cloud_foundry) {
        struct messages all = *messages;
        for (const struct message *message; (message = messages_next(&all)) != NULL;)
            if (!has_time(message, origin->shape, &minute))
                return false;
        return true;
    }
    if (!read_line(messages)) /* the first message, mostly the only one, is read once */
        return true;
    struct messages all = *messages;
    for (; read_line(&all); all.ahead = READ_NOTHING)
        if (!has_time(&all.message, origin->shape, &minute))
            return false;
    return true;
}

/* ---- parts ---- */

static struct author author_of(const struct message *message)
{
    const struct cf_message *cf = &message->cf;
    return (struct author){cf->app_id, message->line.hostname, cf->organization, cf->space,
                           cf->name,   cf->tags.length > 0};
}

static bool is_same(const struct author *a, const struct author *b)
{
    if (!slice_equals(a->guid, b->guid))
        return false;
    if (!b->is_tagged)
        return a->is_tagged || slice_equals(a->hostname, b->hostname);
    return a->is_tagged && slice_equals(a->organization, b->organization) && slice_equals(a->space, b->space) &&
           slice_equals(a->name, b->name);
}

/* The first message of those that are left that says whose it is. */
static void find_author(struct messages *messages, struct cf_apps *apps, struct cf_app *app)
{
    struct messages all = *messages;
    for (; read_app(&all); all.ahead = READ_NOTHING) {
        if (!all.message.says_app)
            continue;
        messages->is_known = true;
        messages->author = author_of(&all.message);
        cf_apps_find(apps, &all.message.line, &all.message.cf, app);
        return;
    }
}

bool messages_begin_part(struct messages *messages, struct cf_apps *apps, struct cf_app *app)
{
    messages->is_known = false;
    messages->process_type.length = 0;
    messages->count = 0;
    if (!read_app(messages))
        return false;
    messages->part = messages->before;
    *app = (struct cf_app){0};
    find_author(messages, apps, app);
    return true;
}

/* A message without tags is of a process of the type that tags have told of.  What an app prints says it by itself, if
 * it is of a process. */
static void complete(const struct messages *messages, struct cf_message *cf)
{
    if (cf->tags.length == 0 && cf->process_type.length == 0 && !slice_equals(cf->source, SLICE("APP")))
        cf->process_type = messages->process_type;
}

const struct message *messages_next_of_part(struct messages *messages)
{
    struct message *message = &messages->message;
    if (!read_app(messages))
        return NULL;
    if (messages->is_known && message->says_app) {
        struct author author = author_of(message);
        if (!is_same(&messages->author, &author))
            return NULL;
        complete(messages, &message->cf);
    }
    messages->ahead = READ_NOTHING;
    messages->count++;
    return message;
}

void messages_skip(struct messages *messages)
{
    while (messages_next(messages) != NULL)
        ;
}
