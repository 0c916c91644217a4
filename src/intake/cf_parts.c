#include "intake/cf_parts.h"

#include "intake/syslog.h"

/* The number of the app that a message is of; that of the message before it, mostly.  CF_PARTS_APPS: there are too many
 * already. */
static unsigned find_app(struct cf_parts *parts, const struct cf_parts_terms *terms,
                         const struct cf_part_message *message)
{
    for (unsigned i = parts->app_count; i > 0; i--)
        if (cf_app_is_of(&parts->apps[i - 1], &message->line, &message->cf))
            return i - 1;
    if (parts->app_count == CF_PARTS_APPS)
        return CF_PARTS_APPS;
    cf_apps_find(terms->apps, &message->line, &message->cf, &terms->binding, &parts->apps[parts->app_count]);
    return parts->app_count++;
}

static enum frame_result next(struct slice *body, bool whole, struct slice *text)
{
    if (!whole || body->length == 0 || slice_is_digit(body->at[0]))
        return frame_next_cf(body, text);
    *text = *body;
    if (text->at[text->length - 1] == '\n')
        text->length--;
    *body = slice_after(*body, body->length);
    return FRAME_MESSAGE;
}

/* Take the next message off rest.  False if there is none, or no place for its app. */
static bool take(struct cf_parts *parts, const struct cf_parts_terms *terms, struct slice *rest)
{
    struct cf_part_message *message = &parts->messages[parts->count];
    size_t before = rest->length;
    enum frame_result frame = next(rest, terms->whole, &message->text);
    if (frame == FRAME_END)
        return false;
    message->bytes = before - rest->length;
    message->repaired = frame == FRAME_REPAIRED;
    message->line = (struct line){0};
    message->has_header =
        message->text.length <= FAMILY_MESSAGE_MAX && syslog_parse(message->text, SYSLOG_RFC5424, &message->line);
    message->app = CF_PARTS_APPS;
    if (message->has_header && cf_message_read(&message->line, &message->cf)) {
        message->app = find_app(parts, terms, message);
        if (message->app == CF_PARTS_APPS)
            return false;
    }
    parts->count++;
    return true;
}

bool cf_parts_fill(struct cf_parts *parts, const struct cf_parts_terms *terms, struct slice *body)
{
    parts->count = parts->app_count = 0;
    struct slice rest = *body;
    while (parts->count < CF_PARTS_MESSAGES && take(parts, terms, &rest))
        *body = rest;
    if (parts->count == 0)
        *body = rest; /* only blanks were left */
    return parts->count > 0;
}
