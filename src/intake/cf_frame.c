#include "intake/cf_frame.h"

#include "base/scan.h"
#include "families/family.h"

enum {
    PRIORITY_MAX = 9,   /* bytes of "<-191>1 " and one more */
    TIMESTAMP_MAX = 40, /* bytes; of Cloud Foundry 32 at most */
    FIELDS_MAX = 1024,  /* bytes; RFC 5424 allows half of it */
};

/* Are these the fields of a header behind its timestamp: " HOSTNAME APPNAME PROCID MSGID ", in one line?  64 bytes at a
 * time: each message is asked. */
static bool has_fields(struct slice text)
{
    enum { BLANKS = 5 };
    const char *end = text.at + (text.length < FIELDS_MAX ? text.length : FIELDS_MAX), *last = text.at - 1;
    int count = 0;
    for (const char *block = text.at; block < end; block += SCAN_BLOCK)
        for (uint64_t blanks = scan_block(text.at, block, end, ' '); blanks != 0; blanks &= blanks - 1) {
            const char *blank = block + __builtin_ctzll(blanks);
            if (count > 0 && blank == last + 1)
                return false;
            if (++count == BLANKS)
                return memchr(text.at, '\n', (size_t)(blank - text.at)) == NULL;
            last = blank;
        }
    return false;
}

/* Does "<PRI>1 timestamp " stand here?  *behind: what follows the timestamp. */
static bool starts_message(struct slice text, struct syslog_minute *near, struct slice *behind)
{
    size_t at = slice_index((struct slice){text.at, text.length < PRIORITY_MAX ? text.length : PRIORITY_MAX}, ' ');
    if (text.length == 0 || text.at[0] != '<' || at < 4 || at >= text.length || text.at[at - 1] != '1' ||
        text.at[at - 2] != '>')
        return false;
    for (size_t i = text.at[1] == '-' ? 2 : 1; i < at - 2; i++)
        if (!slice_is_digit(text.at[i]))
            return false;
    struct slice timestamp = slice_after(text, at + 1);
    timestamp.length = timestamp.length < TIMESTAMP_MAX ? timestamp.length : TIMESTAMP_MAX;
    timestamp.length = slice_index(timestamp, ' ');
    *behind = slice_after(text, at + 1 + timestamp.length);
    int64_t time;
    return syslog_time_near(timestamp, near, &time);
}

/* Does a message begin here, behind a newline? */
static bool starts_next(struct slice text, struct syslog_minute *near)
{
    struct slice behind;
    return starts_message(text, near, &behind) && has_fields(behind);
}

/* Is there, in place of structured data, an element that does not close, "[tags@47450 a=\"b"?  Then it is taken for
 * text. */
static bool is_unclosed(const struct line *line)
{
    struct slice text = line->message;
    unsigned blanks = 0; /* behind APPNAME, PROCID and MSGID; one more if something was cut */
    for (const char *at = line->appname.at + line->appname.length; at < text.at && blanks <= 3; at++)
        blanks += *at == ' ';
    text.length = slice_index(text, ' ');
    return blanks == 3 && text.length > 0 && text.at[0] == '[' && slice_index(text, '@') < text.length;
}

/* How long the header and the structured data are that body starts with; 0: it has no header.  *line: what was read. */
static size_t head_length(struct slice body, struct line *line, struct syslog_minute *near)
{
    struct slice text = {body.at, body.length < FAMILY_MESSAGE_MAX ? body.length : FAMILY_MESSAGE_MAX};
    struct slice behind;
    line->structured_data.length = 0;
    if (!starts_message(text, near, &behind) || !syslog_parse(text, SYSLOG_RFC5424, line))
        return 0;
    /* An element that does not close takes all that was looked at, or each of many would be followed by a long look. */
    return is_unclosed(line) ? text.length : (size_t)(line->message.at - text.at);
}

/* Cut the first bytes off body as a message, without its final newline. */
static void take(struct slice *body, size_t length, struct slice *message)
{
    *message = (struct slice){body->at, length};
    *body = slice_after(*body, length);
    if (message->at[length - 1] == '\n')
        message->length--;
}

enum frame_result cf_frame_next(struct slice *body, struct slice *message, struct line *line,
                                struct syslog_minute *near)
{
    while (body->length > 0 && (body->at[0] == '\n' || body->at[0] == '\r' || body->at[0] == ' '))
        *body = slice_after(*body, 1);
    line->structured_data.length = 0;
    if (body->length == 0 || body->at[0] != '<')
        return frame_next(body, message); /* the end; or a count, or a line of something else */
    size_t end = head_length(*body, line, near);
    do {
        end += slice_index(slice_after(*body, end), '\n');
        end += end < body->length;
    } while (end < body->length && !starts_next(slice_after(*body, end), near));
    take(body, end, message);
    if (line->structured_data.length > 0)
        line->message.length = (size_t)(message->at + message->length - line->message.at);
    return FRAME_MESSAGE;
}

enum frame_result cf_frame_whole(struct slice *body, struct slice *message, struct line *line,
                                 struct syslog_minute *near)
{
    if (body->length == 0 || body->at[0] != '<')
        return cf_frame_next(body, message, line, near);
    line->structured_data.length = 0;
    take(body, body->length, message);
    return FRAME_MESSAGE;
}

bool cf_frame_is_first(struct slice body)
{
    struct slice message, behind;
    struct line line;
    struct syslog_minute minute = {0};
    if (body.length == 0) /* then it may be NULL as well */
        return false;
    if (body.length > FAMILY_MESSAGE_MAX) /* enough to see it */
        body.length = FAMILY_MESSAGE_MAX;
    size_t count = 0;
    while (count < body.length && slice_is_digit(body.at[count]))
        count++;
    message = slice_after(body, count > 0 && count < body.length && body.at[count] == ' ' ? count + 1 : 0);
    return starts_message(message, &minute, &behind) && syslog_parse(message, SYSLOG_RFC5424, &line) &&
           line.procid.length > 2 && line.procid.at[0] == '[' && line.procid.at[line.procid.length - 1] == ']';
}
