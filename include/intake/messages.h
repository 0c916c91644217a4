/* The messages of a body, one after the other, in their parts.  Each is read once, also those of Cloud Foundry, whose
 * batch is in parts itself: messages that follow each other and are of one app.
 *
 *     <14>1 2026-... acme.prod.shop ...      \ a part
 *     <14>1 2026-... acme.prod.shop ...      /
 *     <14>1 2026-... acme.prod.billing ...   | the next one
 *
 * Pure: no I/O, no allocation. */
#ifndef MESSAGES_H
#define MESSAGES_H

#include "families/family.h"
#include "intake/cf_apps.h"
#include "intake/frame.h"
#include "intake/origin.h"
#include "intake/syslog.h"

struct message {
    struct slice text;
    bool is_repaired; /* its count was wrong */
    bool has_header;  /* and is no longer than FAMILY_MESSAGE_MAX */
    struct line line; /* as of syslog_parse(); all empty if it is longer */
    /* Of Cloud Foundry only: */
    bool says_app;
    struct cf_message cf; /* all empty if it does not say so */
};

/* What tells messages of one app from those of another, as it is written. */
struct author {
    struct slice guid, hostname, organization, space, name;
    bool is_tagged;
};

struct messages {
    const struct origin *origin;
    struct slice rest; /* what was not framed yet */
    size_t count;      /* messages that were taken, of this part */
    struct message message;
    /* Of Cloud Foundry: */
    enum { READ_NOTHING, READ_LINE, READ_APP } ahead; /* how much of message, which was not taken yet, is read */
    struct slice before;                              /* rest, before that message */
    struct slice part;                                /* what was not framed yet when the part began */
    struct syslog_minute minute;                      /* see syslog_time_near() */
    bool is_known;                                    /* whose it is, which is: */
    struct author author;
    /* Of the part's messages without tags; empty: unknown.  Whoever began the part says so. */
    struct slice process_type;
};

/* Begin with a body that must be valid for as long as this is used, as origin must. */
static inline void messages_begin(struct messages *messages, const struct origin *origin, struct slice body)
{
    messages->origin = origin;
    messages->rest = messages->part = body;
    messages->count = 0;
    messages->ahead = READ_NOTHING;
    messages->is_known = false;
    messages->minute.offset_length = 0;
    messages->message.line.timestamp = (struct slice){"", 0}; /* none was read */
}

/* Has each message that was not taken yet a time? */
bool messages_have_times(struct messages *messages);

/* Begin the next part of a batch of Cloud Foundry, which is mostly all of it; *app: whose it is.  A message that does
 * not say whose it is is of the app of the others around it.  False if nothing is left. */
bool messages_begin_part(struct messages *messages, struct cf_apps *apps, struct cf_app *app);

/* See messages_next(). */
const struct message *messages_next_of_part(struct messages *messages);

/* Take the next message of the part; NULL if there is none.  Valid until the next call.  Once for each message. */
static inline const struct message *messages_next(struct messages *messages)
{
    if (messages->origin->is_cloud_foundry)
        return messages_next_of_part(messages);
    struct message *message = &messages->message;
    enum frame_result frame = frame_next(&messages->rest, &message->text);
    if (frame == FRAME_END)
        return NULL;
    messages->count++;
    message->is_repaired = frame == FRAME_REPAIRED;
    message->has_header = message->text.length <= FAMILY_MESSAGE_MAX &&
                          syslog_parse(message->text, messages->origin->shape, &message->line);
    if (message->text.length > FAMILY_MESSAGE_MAX)
        message->line = (struct line){0};
    return message;
}

/* Take all messages of the part that are left. */
void messages_skip(struct messages *messages);

/* The bytes of the part, once all its messages were taken. */
static inline size_t messages_bytes(const struct messages *messages)
{
    struct slice rest = messages->ahead == READ_NOTHING ? messages->rest : messages->before;
    return (size_t)(rest.at - messages->part.at);
}

#endif
