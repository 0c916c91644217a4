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

/* ---- lines of "heroku logs" ---- */

/* "2012-07-22T00:06:26.123456+00:00 heroku[web.1]: text" */
struct shown_line {
    struct slice timestamp;
    struct slice appname;
    struct slice procid;
    struct slice text;
};

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
    enum { HEADER_MAX = 1024 }; /* how far the header can reach */
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

/* The same for a line that may be coloured. */
static bool read_coloured_line(struct log_input *input, struct slice line, struct shown_line *shown)
{
    if (read_shown_line(line, shown))
        return true;
    return slice_index(line, '\x1b') < line.length && read_shown_line(take_out_colours(line, &input->plain), shown);
}

static struct slice compose(struct log_input *input, const struct shown_line *shown)
{
    struct buffer *composed = &input->composed;
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
    composed->length = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        buffer_append(composed, parts[i]);
    if (composed->failed)
        fail(input, ENOMEM);
    return (struct slice){composed->at, composed->length};
}

/* ---- which form is it? ---- */

static enum log_input_form form_of(struct log_input *input, struct slice line)
{
    size_t digits = 0;
    struct shown_line shown;
    while (line.length > 0 && (line.at[0] == ' ' || line.at[0] == '\t' || line.at[0] == '\r'))
        line = slice_after(line, 1);
    while (digits < line.length && slice_is_digit(line.at[digits]))
        digits++;
    if (digits > 0 && line.length - digits >= 2 && line.at[digits] == ' ' && line.at[digits + 1] == '<')
        return LOG_INPUT_FRAMES;
    if (line.length >= 2 && line.at[0] == '<' && (slice_is_digit(line.at[1]) || line.at[1] == '-'))
        return LOG_INPUT_SYSLOG;
    return read_coloured_line(input, line, &shown) ? LOG_INPUT_HEROKU : LOG_INPUT_UNKNOWN;
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
    if (read_coloured_line(input, *message, &shown))
        *message = compose(input, &shown);
    return input->error != ENOMEM;
}

/* Look up the next message in the window. */
static bool find_next(struct log_input *input)
{
    if (!input->has_next && (input->detected || (input->detected = detect(input))))
        input->has_next =
            input->form == LOG_INPUT_HEROKU ? take_shown_line(input, &input->next) : take_frame(input, &input->next);
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
                                        "output of heroku logs"};
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
