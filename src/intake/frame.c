#include "intake/frame.h"

#include <stdint.h>

enum {
    BOUNDARY_MAX = 64,   /* how far behind a message what tells its end is looked for */
    SHORT_COUNT_MAX = 5, /* digits of a count that nearly all senders write */
};

static size_t count_digits(struct slice text)
{
    size_t digits = 0;
    while (digits < text.length && slice_is_digit(text.at[digits]))
        digits++;
    return digits;
}

/* The length of "digits SP" at the start of text and the number that the digits spell, SIZE_MAX if it is larger; or 0
 * if there is no such thing.  A count may have as many digits as it likes: whoever believed only those up to a bound
 * would look for messages in the text of one that is longer. */
static size_t read_count(struct slice text, size_t *count)
{
    size_t digits = count_digits(text);
    if (digits == 0 || digits == text.length || text.at[digits] != ' ')
        return 0;
    *count = 0;
    for (size_t i = 0; i < digits; i++)
        if (__builtin_mul_overflow(*count, 10, count) ||
            __builtin_add_overflow(*count, (size_t)(text.at[i] - '0'), count)) {
            *count = SIZE_MAX;
            break;
        }
    return digits + 1;
}

/* Does a counted frame begin here, "digits SP <"? */
static bool starts_frame(struct slice text)
{
    size_t digits = count_digits(text);
    return digits > 0 && text.length - digits >= 2 && text.at[digits] == ' ' && text.at[digits + 1] == '<';
}

/* Does an uncounted message begin here, "<digits>"?  The priority may be negative: Cloud Foundry writes "<-1>". */
static bool starts_message(struct slice text)
{
    if (text.length == 0 || text.at[0] != '<')
        return false;
    size_t i = text.length > 1 && text.at[1] == '-' ? 2 : 1;
    size_t first = i;
    while (i < text.length && i - first < 3 && slice_is_digit(text.at[i]))
        i++;
    return i > first && i < text.length && text.at[i] == '>';
}

static size_t count_blanks(struct slice text)
{
    size_t i = 0;
    while (i < text.length && (text.at[i] == '\n' || text.at[i] == '\r' || text.at[i] == ' ' || text.at[i] == '\t'))
        i++;
    return i;
}

/* May a message of so many bytes be the first of body? */
static bool is_boundary(struct slice body, size_t count)
{
    struct slice rest = slice_after(body, count);
    if (count > 0 && body.at[count - 1] == '\n')
        return true;
    if (rest.length == 0 || rest.at[0] == '\n' || (rest.length > 1 && rest.at[0] == '\r' && rest.at[1] == '\n'))
        return true;
    if (rest.length > BOUNDARY_MAX)
        rest.length = BOUNDARY_MAX; /* or each of many small messages would be followed by one long look */
    return starts_frame(slice_after(rest, count_blanks(rest)));
}

/* The offset behind the first newline of text that is followed by the start of a frame or message, or by nothing. */
static size_t find_line_start(struct slice text)
{
    size_t at = slice_index(text, '\n');
    while (at < text.length) {
        at += count_blanks(slice_after(text, at));
        struct slice rest = slice_after(text, at);
        if (rest.length == 0 || starts_frame(rest) || starts_message(rest))
            break;
        at += slice_index(slice_after(text, at), '\n');
    }
    return at;
}

static struct slice without_newline(struct slice message)
{
    if (message.length > 0 && message.at[message.length - 1] == '\n') {
        message.length--;
        if (message.length > 0 && message.at[message.length - 1] == '\r')
            message.length--;
    }
    return message;
}

static void take(struct slice *body, size_t length, struct slice *message)
{
    *message = without_newline((struct slice){body->at, length});
    *body = slice_after(*body, length);
}

size_t frame_look_ahead(struct slice body)
{
    size_t blanks = count_blanks(body), count, end;
    size_t prefix = read_count(slice_after(body, blanks), &count);
    if (prefix == 0)
        return 0;
    return __builtin_add_overflow(count, blanks + prefix + BOUNDARY_MAX, &end) ? SIZE_MAX : end;
}

/* What nearly all senders write: a short count, and a message of so many bytes that ends in a newline.  It is taken
 * without a search, which saves a third of the instructions of a frame. */
static bool take_counted(struct slice *body, struct slice *message)
{
    const char *text = body->at;
    size_t digits = 0, count = 0;
    if (body->length <= SHORT_COUNT_MAX)
        return false;
    for (unsigned digit; digits < SHORT_COUNT_MAX && (digit = (unsigned char)text[digits] - '0') < 10; digits++)
        count = count * 10 + digit;
    if (count == 0 || text[digits] != ' ' || count >= body->length - digits || text[digits + count] != '\n')
        return false;
    *message = (struct slice){text + digits + 1, count - 1 - (count > 1 && text[digits + count - 1] == '\r')};
    *body = slice_after(*body, digits + 1 + count);
    return true;
}

/* Not inlined: frame_next() would save registers that the usual way does not need. */
__attribute__((noinline)) static enum frame_result next_of_any(struct slice *body, struct slice *message)
{
    *body = slice_after(*body, count_blanks(*body));
    if (body->length == 0)
        return FRAME_END;

    size_t count;
    size_t prefix = read_count(*body, &count);
    if (prefix == 0) {
        size_t end = slice_index(*body, '\n');
        take(body, end < body->length ? end + 1 : end, message);
        return FRAME_MESSAGE;
    }

    *body = slice_after(*body, prefix);
    if (count <= body->length && is_boundary(*body, count)) {
        take(body, count, message);
        return FRAME_MESSAGE;
    }
    size_t end = find_line_start(*body);
    /* A last message that lost only the newline it counted is whole. */
    bool whole = end == body->length && count == end + 1;
    take(body, end, message);
    if (whole)
        return FRAME_MESSAGE;
    while (message->length > 0 && count_blanks(slice_after(*message, message->length - 1)) > 0)
        message->length--;
    return FRAME_REPAIRED;
}

enum frame_result frame_next(struct slice *body, struct slice *message)
{
    return take_counted(body, message) ? FRAME_MESSAGE : next_of_any(body, message);
}
