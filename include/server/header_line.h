/* One line of a head of HTTP/1, "Host: example.com", read strictly (RFC 9110, 5).  Pure. */
#ifndef HEADER_LINE_H
#define HEADER_LINE_H

#include <stdint.h>
#include <strings.h>

#include "base/slice.h"

struct header_line {
    struct slice name;
    struct slice value; /* trimmed, without control characters */
};

/* Bytes of a method or of a header's name (RFC 9110, 5.6.2). */
extern const bool header_line_token_bytes[256];

/* How many of these text begins with. */
static inline size_t header_line_token(struct slice text)
{
    size_t count = 0;
    while (count < text.length && header_line_token_bytes[(unsigned char)text.at[count]])
        count++;
    return count;
}

/* How many control characters a text holds beside its line ends, each of which is CR and LF. */
size_t header_line_count_control_bytes(struct slice text);

/* Is it the name that is wanted, in letters of any case? */
static inline bool header_line_is(struct slice name, struct slice wanted)
{
    return name.length == wanted.length && strncasecmp(name.at, wanted.at, name.length) == 0;
}

/* Read a line, which is without its end and is not empty.  is_checked: it is known to hold no control characters. NULL,
 * or what is wrong with it. */
static inline const char *header_line_read(struct slice line, bool is_checked, struct header_line *header)
{
    if (line.at[0] == ' ' || line.at[0] == '\t')
        return "a header line is continued on the next one";
    header->name = (struct slice){line.at, header_line_token(line)};
    if (header->name.length == 0 || header->name.length == line.length || line.at[header->name.length] != ':')
        return "a header line is not valid";
    header->value = slice_trim(slice_after(line, header->name.length + 1));
    bool has_control_bytes = !is_checked && header_line_count_control_bytes(header->value) > 0;
    return has_control_bytes ? "a header holds a control character" : NULL;
}

/* The length of a body: digits only, no sign, no list, nothing that overflows. */
bool header_line_read_length(struct slice text, uint64_t *length);

#endif
