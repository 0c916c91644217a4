#include "intake/log_input.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "intake/frame.h"

enum {
    FIRST_CAPACITY = 64 * 1024,
    DETECT_MAX = 64 * 1024, /* what has shown no form within so many bytes has none */
    /* A count that would need more is wrong.  What is left of the window keeps the moves to its front few. */
    LOOK_AHEAD_MAX = LOG_INPUT_WINDOW - (1 << 20),
};

struct log_input {
    struct log_input_source source;
    enum log_input_form form;
    bool detected;
    char *buffer; /* owned */
    size_t size;
    size_t start; /* of what was not returned yet */
    size_t end;
    bool ended;
    int error;
    uint64_t position;
    struct buffer plain;    /* the line without colours */
    struct buffer composed; /* the message that was made of a line */
    struct buffer tags;     /* of messages of "cf logs": structured data that names their app; empty: unknown */
    struct slice cf_app;    /* what stands for its GUID */
    bool has_next;          /* next was looked up already */
    struct slice next;
};

struct log_input *log_input_open(const struct log_input_source *source)
{
    struct log_input *input = calloc(1, sizeof *input);
    if (input == NULL)
        return NULL;
    input->source = *source;
    input->size = FIRST_CAPACITY;
    input->cf_app = SLICE("app");
    input->buffer = malloc(input->size);
    if (input->buffer != NULL)
        return input;
    free(input);
    return NULL;
}

void log_input_close(struct log_input *input)
{
    if (input == NULL)
        return;
    buffer_free(&input->plain);
    buffer_free(&input->composed);
    buffer_free(&input->tags);
    free(input->buffer);
    free(input);
}

/* ---- the window ---- */

static struct slice window_of(const struct log_input *input)
{
    return (struct slice){input->buffer + input->start, input->end - input->start};
}

static bool is_full(const struct log_input *input)
{
    return input->end - input->start == LOG_INPUT_WINDOW;
}

/* Is there no more to come that could change what the window says? */
static bool is_complete(const struct log_input *input)
{
    return input->ended || is_full(input);
}

static void consume(struct log_input *input, size_t length)
{
    input->start += length;
    input->position += length;
}

static void fail(struct log_input *input, int error)
{
    input->error = error;
    input->ended = true;
}

/* Make room behind the window: if half of it is free, by moving the window to the front. */
static bool make_room(struct log_input *input)
{
    size_t length = input->end - input->start;
    if (length > 0 && input->end < input->size)
        return true;
    if (length > input->size / 2 && input->size < LOG_INPUT_WINDOW) {
        char *larger = realloc(input->buffer, 2 * input->size);
        if (larger == NULL)
            return false;
        input->buffer = larger;
        input->size *= 2;
    }
    memmove(input->buffer, input->buffer + input->start, length);
    input->start = 0;
    input->end = length;
    return true;
}

static void read_more(struct log_input *input)
{
    if (!make_room(input)) {
        fail(input, ENOMEM);
        return;
    }
    ssize_t length;
    do
        length = input->source.read(input->source.context, input->buffer + input->end, input->size - input->end);
    while (length < 0 && errno == EINTR);
    if (length < 0)
        fail(input, errno);
    else if (length == 0)
        input->ended = true;
    else
        input->end += (size_t)length;
}

/* ---- colours ---- */

/* ECMA-48, 5.4: ESC "[", parameters, a final byte from "@" to "~".  The length of such a sequence at the start of text,
 * or 0. */
static size_t measure_colour(struct slice text)
{
    if (text.length < 3 || text.at[0] != '\x1b' || text.at[1] != '[')
        return 0;
    size_t i = 2;
    while (i < text.length && text.at[i] >= ' ' && text.at[i] <= '?')
        i++;
    return i < text.length && text.at[i] >= '@' && text.at[i] <= '~' ? i + 1 : 0;
}

/* Put line into plain without colours. */
static struct slice take_out_colours(struct slice line, struct buffer *plain)
{
    plain->length = 0;
    while (line.length > 0) {
        size_t text = slice_index(line, '\x1b');
        buffer_append(plain, (struct slice){line.at, text});
        line = slice_after(line, text);
        size_t colour = measure_colour(line);
        if (colour == 0 && line.length > 0) {
            buffer_append(plain, (struct slice){line.at, 1});
            colour = 1;
        }
        line = slice_after(line, colour);
    }
    return (struct slice){plain->at, plain->length};
}

/* ---- lines of "heroku logs" and "cf logs" ---- */

enum { HEADER_MAX = 1024 }; /* how far a header can reach */

/* "2012-07-22T00:06:26.123456+00:00 heroku[web.1]: text", or
 * "2012-07-22T00:06:26.12+0000 [APP/PROC/WEB/0] ERR text" */
struct shown_line {
    struct slice timestamp;
    struct slice appname; /* of cf logs: OUT or ERR */
    struct slice procid;  /* of cf logs: with its brackets */
    struct slice text;
};

typedef bool read_shown(struct slice line, struct shown_line *shown);

/* Take what stands before byte off text, and byte; false if it is empty, not there, or has a blank or colour in it.
 */
static bool cut_word(struct slice *text, char byte, struct slice *word)
{
    size_t length = slice_index(*text, byte);
    if (length == 0 || length == text->length)
        return false;
    *word = (struct slice){text->at, length};
    *text = slice_after(*text, length + 1);
    return slice_index(*word, ' ') == length && slice_index(*word, '\x1b') == length;
}

static bool read_shown_line(struct slice line, struct shown_line *shown)
{
    struct slice header = {line.at, line.length < HEADER_MAX ? line.length : HEADER_MAX};
    int64_t time;
    if (header.length == 0 || !slice_is_digit(header.at[0]) || !cut_word(&header, ' ', &shown->timestamp) ||
        !syslog_time(shown->timestamp, &time) || !cut_word(&header, '[', &shown->appname) ||
        !cut_word(&header, ']', &shown->procid) || header.length == 0 || header.at[0] != ':')
        return false;
    shown->text = slice_after(line, (size_t)(header.at + 1 - line.at));
    if (shown->text.length > 0 && shown->text.at[0] == ' ')
        shown->text = slice_after(shown->text, 1);
    return true;
}

/* Is it an offset as "cf logs" writes it, "+0000"?  All others are without the colon, which it lacks. */
static bool has_bare_offset(struct slice timestamp)
{
    const char *end = timestamp.at + timestamp.length;
    if (timestamp.length < 5 || (end[-5] != '+' && end[-5] != '-'))
        return false;
    for (int i = 1; i <= 4; i++)
        if (!slice_is_digit(end[-i]))
            return false;
    return true;
}

/* Write the timestamp with a colon; false if it is none. */
static bool read_cf_time(struct slice timestamp, char text[64], size_t *length)
{
    int64_t time;
    if (timestamp.length > 40 || !has_bare_offset(timestamp))
        return false;
    *length = (size_t)snprintf(text, 64, "%.*s:%.2s", (int)timestamp.length - 2, timestamp.at,
                               timestamp.at + timestamp.length - 2);
    return syslog_time((struct slice){text, *length}, &time);
}

static struct slice without_blanks(struct slice line)
{
    while (line.length > 0 && (line.at[0] == ' ' || line.at[0] == '\t' || line.at[0] == '\r'))
        line = slice_after(line, 1);
    return line;
}

static bool read_cf_line(struct slice line, struct shown_line *shown)
{
    char text[64];
    size_t length;
    line = without_blanks(line);
    struct slice header = {line.at, line.length < HEADER_MAX ? line.length : HEADER_MAX};
    if (header.length == 0 || !slice_is_digit(header.at[0]) || !cut_word(&header, ' ', &shown->timestamp) ||
        !read_cf_time(shown->timestamp, text, &length) || header.length == 0 || header.at[0] != '[' ||
        !cut_word(&header, ']', &shown->procid) || header.length < 4 || header.at[0] != ' ')
        return false;
    shown->procid.length++; /* its bracket */
    shown->appname = (struct slice){header.at + 1, 3};
    if (!slice_equals(shown->appname, SLICE("OUT")) && !slice_equals(shown->appname, SLICE("ERR")))
        return false;
    shown->text = slice_after(line, (size_t)(header.at + 4 - line.at));
    if (shown->text.length > 0 && shown->text.at[0] != ' ')
        return false;
    if (shown->text.length > 0)
        shown->text = slice_after(shown->text, 1);
    return true;
}

/* The same for a line that may be coloured. */
static bool read_coloured_line(struct log_input *input, struct slice line, read_shown *read, struct shown_line *shown)
{
    if (read(line, shown))
        return true;
    return slice_index(line, '\x1b') < line.length && read(take_out_colours(line, &input->plain), shown);
}

static struct slice compose_of(struct log_input *input, const struct slice *parts, size_t count)
{
    struct buffer *composed = &input->composed;
    composed->length = 0;
    for (size_t i = 0; i < count; i++)
        buffer_append(composed, parts[i]);
    if (composed->failed)
        fail(input, ENOMEM);
    return (struct slice){composed->at, composed->length};
}

static struct slice compose(struct log_input *input, const struct shown_line *shown)
{
    const struct slice parts[] = {
        slice_equals(shown->appname, SLICE("app")) ? SLICE("<190>1 ") : SLICE("<158>1 "),
        shown->timestamp,
        SLICE(" host "),
        shown->appname,
        SLICE(" "),
        shown->procid,
        SLICE(" - "),
        shown->text,
    };
    return compose_of(input, parts, sizeof parts / sizeof parts[0]);
}

static struct slice compose_cf(struct log_input *input, const struct shown_line *shown)
{
    char time[64];
    size_t length = 0;
    read_cf_time(shown->timestamp, time, &length);
    const struct slice parts[] = {
        slice_equals(shown->appname, SLICE("OUT")) ? SLICE("<14>1 ") : SLICE("<11>1 "),
        {time, length},
        SLICE(" - "),
        input->cf_app,
        SLICE(" "),
        shown->procid,
        SLICE(" - "),
        input->tags.length > 0 ? (struct slice){input->tags.at, input->tags.length} : SLICE("-"),
        SLICE(" "),
        shown->text,
    };
    return compose_of(input, parts, sizeof parts / sizeof parts[0]);
}

/* ---- of which app is the output of "cf logs"? ---- */

static void append_parameter(struct buffer *tags, const char *name, struct slice value)
{
    buffer_append(tags, slice_of(name));
    buffer_append(tags, SLICE("=\""));
    for (size_t i = 0; i < value.length; i++) {
        if (value.at[i] == '"' || value.at[i] == '\\' || value.at[i] == ']')
            buffer_append(tags, SLICE("\\"));
        buffer_append(tags, (struct slice){value.at + i, 1});
    }
    buffer_append(tags, SLICE("\""));
}

static void name_app(struct log_input *input, struct slice organization, struct slice space, struct slice app)
{
    struct buffer *tags = &input->tags;
    tags->length = 0;
    append_parameter(tags, "[tags@47450 organization_name", organization);
    append_parameter(tags, " space_name", space);
    append_parameter(tags, " app_name", app);
    buffer_append(tags, SLICE("]"));
    if (tags->failed)
        fail(input, ENOMEM);
}

/* Take what stands before separator off text, and separator; false if it is empty, not there, or too long for a name.
 */
static bool cut_name(struct slice *text, struct slice separator, struct slice *name)
{
    enum { NAME_MAX_BYTES = 256 };
    const char *found = memmem(text->at, text->length, separator.at, separator.length);
    if (found == NULL || found == text->at || found - text->at > NAME_MAX_BYTES)
        return false;
    *name = (struct slice){text->at, (size_t)(found - text->at)};
    *text = slice_after(*text, name->length + separator.length);
    return true;
}

/* "Retrieving logs for app shop in org acme / space prod as bob@example.com..." */
static bool read_retrieving(struct log_input *input, struct slice line)
{
    struct slice start = SLICE("Retrieving logs for app "), app, organization, space;
    if (slice_index(line, '\x1b') < line.length)
        line = take_out_colours(line, &input->plain);
    if (!slice_starts_with(line, start))
        return false;
    line = slice_after(line, start.length);
    if (!cut_name(&line, SLICE(" in org "), &app) || !cut_name(&line, SLICE(" / space "), &organization) ||
        !cut_name(&line, SLICE(" as "), &space))
        return false;
    name_app(input, organization, space, app);
    return true;
}

static bool is_word(struct slice text)
{
    for (size_t i = 0; i < text.length; i++)
        if (text.at[i] <= ' ' || text.at[i] >= 0x7f)
            return false;
    return text.length > 0;
}

void log_input_name_app(struct log_input *input, struct slice app)
{
    struct slice rest = app, organization, space;
    if (cut_name(&rest, SLICE("/"), &organization) && cut_name(&rest, SLICE("/"), &space) && rest.length > 0)
        name_app(input, organization, space, rest);
    else if (is_word(app))
        input->cf_app = app;
}

/* ---- which form is it? ---- */

static enum log_input_form form_of(struct log_input *input, struct slice line)
{
    size_t digits = 0;
    struct shown_line shown;
    line = without_blanks(line);
    while (digits < line.length && slice_is_digit(line.at[digits]))
        digits++;
    if (digits > 0 && line.length - digits >= 2 && line.at[digits] == ' ' && line.at[digits + 1] == '<')
        return LOG_INPUT_FRAMES;
    if (line.length >= 2 && line.at[0] == '<' && (slice_is_digit(line.at[1]) || line.at[1] == '-'))
        return LOG_INPUT_SYSLOG;
    if (read_coloured_line(input, line, read_shown_line, &shown))
        return LOG_INPUT_HEROKU;
    return read_coloured_line(input, line, read_cf_line, &shown) ? LOG_INPUT_CF : LOG_INPUT_UNKNOWN;
}

/* The form of the first line that shows one; false if more must be read to tell. */
static bool detect(struct log_input *input)
{
    struct slice rest = window_of(input);
    while (rest.length > 0 && input->form == LOG_INPUT_UNKNOWN) {
        input->form = form_of(input, slice_cut_line(&rest));
    }
    return input->form != LOG_INPUT_UNKNOWN || input->ended || input->end - input->start >= DETECT_MAX;
}

/* ---- messages ---- */

static size_t count_blanks(struct slice text)
{
    size_t i = 0;
    while (i < text.length && (text.at[i] == '\n' || text.at[i] == '\r' || text.at[i] == ' ' || text.at[i] == '\t'))
        i++;
    return i;
}

/* Could what follows the window change where its first message, found by frame_next(), ends? */
static bool is_final(struct slice window, enum frame_result result, struct slice rest)
{
    if (result == FRAME_REPAIRED) {
        size_t needed = frame_look_ahead(window);
        return rest.length > 0 && (needed > LOOK_AHEAD_MAX || needed <= window.length);
    }
    bool has_count = slice_is_digit(window.at[count_blanks(window)]);
    return rest.length >= 2 || (!has_count && rest.at[-1] == '\n');
}

static bool take_frame(struct log_input *input, struct slice *message)
{
    struct slice window = window_of(input), rest = window;
    enum frame_result result = frame_next(&rest, message);
    if (result == FRAME_END) {
        consume(input, window.length);
        return false;
    }
    if (!is_complete(input) && !is_final(window, result, rest))
        return false;
    consume(input, window.length - rest.length);
    return true;
}

/* The next line that is not empty. */
static bool take_line(struct log_input *input, struct slice *line)
{
    struct slice window;
    while ((window = window_of(input)).length > 0) {
        *line = (struct slice){window.at, slice_index(window, '\n')};
        bool has_newline = line->length < window.length;
        if (!has_newline && !is_complete(input))
            return false;
        consume(input, line->length + has_newline);
        if (line->length > 0 && line->at[line->length - 1] == '\r')
            line->length--;
        if (line->length > 0)
            return true;
    }
    return false;
}

static bool take_shown_line(struct log_input *input, struct slice *message)
{
    struct shown_line shown;
    if (!take_line(input, message))
        return false;
    if (read_coloured_line(input, *message, read_shown_line, &shown))
        *message = compose(input, &shown);
    return input->error != ENOMEM;
}

static bool take_cf_line(struct log_input *input, struct slice *message)
{
    struct shown_line shown;
    do
        if (!take_line(input, message))
            return false;
    while (read_retrieving(input, *message));
    if (read_coloured_line(input, *message, read_cf_line, &shown))
        *message = compose_cf(input, &shown);
    return input->error != ENOMEM;
}

static bool take_message(struct log_input *input, struct slice *message)
{
    switch (input->form) {
    case LOG_INPUT_HEROKU:
        return take_shown_line(input, message);
    case LOG_INPUT_CF:
        return take_cf_line(input, message);
    default:
        return take_frame(input, message);
    }
}

/* Look up the next message in the window. */
static bool find_next(struct log_input *input)
{
    if (!input->has_next && (input->detected || (input->detected = detect(input))))
        input->has_next = take_message(input, &input->next);
    return input->has_next;
}

bool log_input_next(struct log_input *input, struct slice *message)
{
    while (!find_next(input)) {
        if (input->ended)
            return false;
        read_more(input);
    }
    *message = input->next;
    input->has_next = false;
    return true;
}

bool log_input_has_next(struct log_input *input)
{
    return find_next(input);
}

/* ---- batches ---- */

/* A newline behind the count keeps messages apart whatever they start with.  A message that ends in a newline itself
 * gets another one that is counted: the last one of a frame is not part of its message. */
static void append_frame(struct buffer *body, struct slice message)
{
    char count[24];
    bool ends_in_newline = message.length > 0 && message.at[message.length - 1] == '\n';
    int digits = snprintf(count, sizeof count, "%zu ", message.length + ends_in_newline);
    buffer_append(body, (struct slice){count, (size_t)digits});
    buffer_append(body, message);
    buffer_append(body, ends_in_newline ? SLICE("\n\n") : SLICE("\n"));
}

size_t log_input_batch(struct log_input *input, size_t limit, struct buffer *body)
{
    struct slice message;
    size_t count = 0;
    body->length = 0;
    while ((count == 0 || (body->length < limit && log_input_has_next(input))) && log_input_next(input, &message)) {
        append_frame(body, message);
        count++;
    }
    if (body->failed)
        fail(input, ENOMEM);
    return body->failed ? 0 : count;
}

/* ---- what is known about it ---- */

enum log_input_form log_input_form(const struct log_input *input)
{
    return input->form;
}

const char *log_input_form_name(enum log_input_form form)
{
    static const char *const names[] = {"lines without a header that is known", "frames of a drain", "syslog messages",
                                        "output of heroku logs", "output of cf logs"};
    return names[form];
}

enum syslog_shape log_input_shape(enum log_input_form form)
{
    return form == LOG_INPUT_HEROKU ? SYSLOG_LOGPLEX : SYSLOG_RFC5424;
}

int log_input_error(const struct log_input *input)
{
    return input->error;
}

uint64_t log_input_position(const struct log_input *input)
{
    return input->position;
}
