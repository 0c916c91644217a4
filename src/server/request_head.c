#include "server/request_head.h"

#include <strings.h>

/* What has been read of the header lines. */
struct fields {
    unsigned lengths; /* Content-Length and Transfer-Encoding */
    unsigned hosts;
    bool is_old;     /* HTTP/1.0 */
    bool is_checked; /* no line holds a control character: so most values, which are short, need not be looked at */
};

/* Bytes of a method or of a header's name (RFC 9110, 5.6.2). */
static const bool token_bytes[256] = {['0' ... '9'] = true,  ['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['!'] = true,
                                      ['#' ... '\''] = true, ['*'] = true,         ['+'] = true,         ['-'] = true,
                                      ['.'] = true,          ['^' ... '`'] = true, ['|'] = true,         ['~'] = true};

static size_t count_token_bytes(struct slice text)
{
    size_t count = 0;
    while (count < text.length && token_bytes[(unsigned char)text.at[count]])
        count++;
    return count;
}

/* How many control characters a text holds beside its line ends, each of which is CR and LF.  All of it is looked at,
 * so that the compiler takes 16 bytes at a time: byte by byte this was the tenth part of a request of one line. */
static size_t count_control_bytes(struct slice text)
{
    enum { PIECE = 128 }; /* of which a byte can count all */
    size_t count = 0;
    for (size_t begin = 0; begin < text.length; begin += PIECE) {
        size_t end = text.length - begin < PIECE ? text.length : begin + PIECE;
        unsigned char found = 0, lines = 0;
        for (size_t i = begin; i < end; i++) {
            unsigned char byte = (unsigned char)text.at[i];
            found += (unsigned char)((byte < ' ') & (byte != '\t')) + (unsigned char)(byte == 127);
            lines += byte == '\n';
        }
        count += found - 2u * lines;
    }
    return count;
}

static bool is_named(struct slice name, struct slice wanted)
{
    return name.length == wanted.length && strncasecmp(name.at, wanted.at, name.length) == 0;
}

/* "POST /drain HTTP/1.1"; what is wrong with it, or NULL. */
static const char *read_request_line(struct slice line, struct request_head *head, struct fields *fields)
{
    size_t method = count_token_bytes(line);
    if (method == 0 || method == line.length || line.at[method] != ' ')
        return "the request line is not valid";
    head->method = (struct slice){line.at, method};
    struct slice rest = slice_after(line, method + 1);
    size_t target = slice_index(rest, ' ');
    head->target = (struct slice){rest.at, target};
    if (target == 0 || target == rest.length || (!fields->is_checked && count_control_bytes(head->target) > 0) ||
        slice_index(head->target, '\t') < target)
        return "the request line is not valid";
    struct slice version = slice_after(rest, target + 1);
    fields->is_old = slice_equals(version, SLICE("HTTP/1.0"));
    return fields->is_old || slice_equals(version, SLICE("HTTP/1.1")) ? NULL : "the version is not HTTP/1.1";
}

/* Digits only: no sign, no list, nothing that overflows. */
static bool read_length(struct slice text, uint64_t *length)
{
    *length = 0;
    for (size_t i = 0; i < text.length; i++) {
        if (!slice_is_digit(text.at[i]) || __builtin_mul_overflow(*length, UINT64_C(10), length) ||
            __builtin_add_overflow(*length, (uint64_t)(text.at[i] - '0'), length))
            return false;
    }
    return text.length > 0;
}

/* "Host: example.com"; what is wrong with it, or NULL. */
static const char *read_field(struct slice line, struct request_head *head, struct fields *fields)
{
    if (line.at[0] == ' ' || line.at[0] == '\t')
        return "a header line is continued on the next one";
    struct slice name = {line.at, count_token_bytes(line)};
    if (name.length == 0 || name.length == line.length || line.at[name.length] != ':')
        return "a header line is not valid";
    struct slice value = slice_trim(slice_after(line, name.length + 1));
    if (!fields->is_checked && count_control_bytes(value) > 0)
        return "a header holds a control character";
    if (is_named(name, SLICE("host")))
        fields->hosts++;
    else if (is_named(name, SLICE("authorization")) && head->authorization.length == 0)
        head->authorization = value;
    else if (is_named(name, SLICE("x-forwarded-for")))
        forwarded_add(&head->forwarded, value);
    else if (is_named(name, SLICE("expect")))
        head->expects = true;
    else if (is_named(name, SLICE("content-length"))) {
        fields->lengths++;
        if (!read_length(value, &head->content_length))
            return "Content-Length is not a number";
    } else if (is_named(name, SLICE("transfer-encoding"))) {
        fields->lengths++;
        head->is_chunked = true;
        if (!is_named(value, SLICE("chunked")))
            return "Transfer-Encoding is not chunked";
    }
    return NULL;
}

static const char *check_fields(const struct request_head *head, const struct fields *fields)
{
    if (fields->lengths > 1)
        return "the length of the body is given twice";
    if (head->is_chunked && fields->is_old)
        return "HTTP/1.0 has no Transfer-Encoding";
    if (fields->hosts > 1 || (fields->hosts == 0 && !fields->is_old))
        return "there must be one Host";
    return NULL;
}

/* All lines of a head that is complete; what is wrong with it, or NULL. */
static const char *read_lines(struct slice text, struct request_head *head)
{
    struct fields fields = {.is_checked = count_control_bytes(text) == 0};
    const char *wrong = NULL;
    for (bool first = true; text.length > 0 && wrong == NULL; first = false) {
        struct slice line = slice_cut_line(&text);
        line.length--; /* the carriage return */
        wrong = first ? read_request_line(line, head, &fields) : read_field(line, head, &fields);
    }
    return wrong != NULL ? wrong : check_fields(head, &fields);
}

enum request_head_result request_head_read(struct slice text, size_t *line, struct request_head *head,
                                           const char **reason)
{
    *head = (struct request_head){0};
    size_t begin = slice_starts_with(text, SLICE("\r\n")) ? 2 : 0; /* may stand before a request (RFC 9112, 2.2) */
    size_t at = *line > begin ? *line : begin;
    for (;;) {
        struct slice rest = slice_after(text, at);
        size_t end = slice_index(rest, '\n');
        if (at + end > REQUEST_HEAD_MAX)
            return REQUEST_HEAD_TOO_LARGE;
        if (end == rest.length)
            break;
        if (end == 0 || rest.at[end - 1] != '\r') {
            *reason = "a line ends without a carriage return";
            return REQUEST_HEAD_INVALID;
        }
        if (end == 1) {
            head->length = at + 2;
            *reason = at == begin ? "there is no request line"
                                  : read_lines((struct slice){text.at + begin, at - begin}, head);
            return *reason == NULL ? REQUEST_HEAD_READ : REQUEST_HEAD_INVALID;
        }
        at += end + 1;
    }
    *line = at;
    return REQUEST_HEAD_INCOMPLETE;
}
