#include "server/response_head.h"

#include "server/header_line.h"

/* "HTTP/1.1 204 No Content" */
static bool read_status(struct slice line, int *status)
{
    struct slice start = SLICE("HTTP/1.");
    if (!slice_starts_with(line, start) || line.length < start.length + 5)
        return false;
    const char *at = line.at + start.length;
    bool ends = line.length == start.length + 5 || at[5] == ' ';
    if (!slice_is_digit(at[0]) || at[1] != ' ' || at[2] < '1' || at[2] > '9' || !slice_is_digit(at[3]) ||
        !slice_is_digit(at[4]) || !ends || header_line_count_control_bytes(line) > 0)
        return false;
    *status = (at[2] - '0') * 100 + (at[3] - '0') * 10 + (at[4] - '0');
    return true;
}

/* What is wrong with a header, or NULL; *lengths counts those that say how long the body is. */
static const char *read_field(struct slice line, unsigned *lengths)
{
    struct header_line header;
    uint64_t length;
    const char *wrong = header_line_read(line, false, &header);
    if (wrong != NULL)
        return wrong;
    bool is_length = header_line_is(header.name, SLICE("content-length"));
    bool is_encoding = header_line_is(header.name, SLICE("transfer-encoding"));
    *lengths += is_length || is_encoding;
    if (*lengths > 1)
        return "the length of the body is given twice";
    /* libh2o's client knows this word in small letters only, numbers of at most 18 digits, and no blank behind them. */
    bool has_blank = header.value.at + header.value.length < line.at + line.length;
    if ((is_length || is_encoding) && has_blank)
        return "a blank stands behind the length of the body";
    if (is_encoding && !slice_equals(header.value, SLICE("chunked")))
        return "its Transfer-Encoding is not chunked";
    if (is_length && (header.value.length > 18 || !header_line_read_length(header.value, &length)))
        return "its Content-Length is not a number";
    return NULL;
}

/* All lines of a head that is complete; what is wrong with it, or NULL. */
static const char *read_lines(struct slice text, struct response_head *head)
{
    struct slice line = slice_cut_line(&text);
    line.length--; /* the carriage return */
    unsigned lengths = 0;
    const char *wrong = read_status(line, &head->status) ? NULL : "it is no response of HTTP/1.1";
    while (text.length > 0 && wrong == NULL) {
        line = slice_cut_line(&text);
        line.length--;
        wrong = read_field(line, &lengths);
    }
    return wrong;
}

enum response_head_result response_head_read(struct slice text, struct response_head *head, const char **reason)
{
    *head = (struct response_head){0};
    for (size_t at = 0;;) {
        struct slice rest = slice_after(text, at);
        size_t end = slice_index(rest, '\n');
        if (at + end > RESPONSE_HEAD_MAX) {
            *reason = "its head is too long";
            return RESPONSE_HEAD_INVALID;
        }
        if (end == rest.length)
            return RESPONSE_HEAD_INCOMPLETE;
        if (end == 0 || rest.at[end - 1] != '\r' || (end == 1 && at == 0)) {
            *reason = "it is no response of HTTP/1.1";
            return RESPONSE_HEAD_INVALID;
        }
        if (end == 1) {
            head->length = at + 2;
            *reason = read_lines((struct slice){text.at, at}, head);
            head->is_informational = head->status >= 100 && head->status < 200 && head->status != 101;
            return *reason == NULL ? RESPONSE_HEAD_READ : RESPONSE_HEAD_INVALID;
        }
        at += end + 1;
    }
}
