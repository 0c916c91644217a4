/* One line of a head of HTTP/1, "Host: example.com", read strictly (RFC 9110, 5).  Pure. */
#ifndef HEADER_LINE_H
#define HEADER_LINE_H

#include <stdint.h>

#include "base/slice.h"

struct header_line {
    struct slice name;
    struct slice value; /* trimmed, without control characters */
};

/* Read a line, which is without its end and is not empty.  NULL, or what is wrong with it. */
const char *header_line_read(struct slice line, struct header_line *header);

/* Is it the name that is wanted, in letters of any case? */
bool header_line_is(struct slice name, struct slice wanted);

/* The length of a body: digits only, no sign, no list, nothing that overflows. */
bool header_line_read_length(struct slice text, uint64_t *length);

/* Bytes of a method or of a header's name that text begins with (RFC 9110, 5.6.2). */
size_t header_line_token(struct slice text);

bool header_line_has_control_byte(struct slice text);

#endif
