#include "server/request_head.h"

#include "server/header_line.h"

/* What has been read of the header lines. */
struct fields {
    unsigned lengths; /* Content-Length and Transfer-Encoding */
    unsigned hosts;
    bool is_old;     /* HTTP/1.0 */
    bool is_checked; /* no line holds a control character: so most values, which are short, need not be looked at */
};

/* "POST /drain HTTP/1.1"; what is wrong with it, or NULL. */
static const char *read_request_line(struct slice line, struct request_head *head, struct fields *fields)
{
    size_t method = header_line_token(line);
    if (method == 0 || method == line.length || line.at[method] != ' ')
        return "the request line is not valid";
    head->method = (struct slice){line.at, method};
    struct slice rest = slice_after(line, method + 1);
    size_t target = slice_index(rest, ' ');
    head->target = (struct slice){rest.at, target};
    if (target == 0 || target == rest.length ||
        (!fields->is_checked && header_line_count_control_bytes(head->target) > 0) ||
        slice_index(head->target, '\t') < target)
        return "the request line is not valid";
    struct slice version = slice_after(rest, target + 1);
    fields->is_old = slice_equals(version, SLICE("HTTP/1.0"));
    return fields->is_old || slice_equals(version, SLICE("HTTP/1.1")) ? NULL : "the version is not HTTP/1.1";
}

/* "example.com:8080", or nothing (RFC 9112, 3.2): a user, a path or a blank in it would be read in more than one way.
 */
static bool is_host(struct slice text)
{
    static const bool others[256] = {
        [' '] = true, ['\t'] = true, ['"'] = true, ['#'] = true,          ['/'] = true, ['<'] = true,
        ['>'] = true, ['?'] = true,  ['@'] = true, ['\\'] = true,         ['^'] = true, ['`'] = true,
        ['{'] = true, ['|'] = true,  ['}'] = true, [0x80 ... 0xFF] = true};
    bool found = false;
    for (size_t i = 0; i < text.length; i++)
        found |= others[(unsigned char)text.at[i]];
    return !found;
}

/* "Host: example.com"; what is wrong with it, or NULL. */
static const char *read_field(struct slice line, struct request_head *head, struct fields *fields)
{
    struct header_line header;
    const char *wrong = header_line_read(line, fields->is_checked, &header);
    struct slice name = header.name, value = header.value;
    if (wrong != NULL)
        return wrong;
    if (header_line_is(name, SLICE("host"))) {
        fields->hosts++;
        if (!is_host(value))
            return "Host is not a host";
    } else if (header_line_is(name, SLICE("authorization")) && head->authorization.length == 0)
        head->authorization = value;
    else if (header_line_is(name, SLICE("x-forwarded-for")))
        forwarded_add(&head->forwarded, value);
    else if (header_line_is(name, SLICE("expect")))
        head->expects = true;
    else if (header_line_is(name, SLICE("content-length"))) {
        fields->lengths++;
        if (!header_line_read_length(value, &head->content_length))
            return "Content-Length is not a number";
    } else if (header_line_is(name, SLICE("transfer-encoding"))) {
        fields->lengths++;
        head->is_chunked = true;
        if (!header_line_is(value, SLICE("chunked")))
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
    struct fields fields = {.is_checked = header_line_count_control_bytes(text) == 0};
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
