/* Read the STRUCTURED-DATA of a syslog message (RFC 5424, 6.3): elements, their parameters, and the escapes in these.
 * Pure: no I/O, no allocation.
 *
 *     [gauge@47450 name="memory" value="77"][tags@47450 app_name="shop" region="eu \"west\"\]"]
 *      ^ id        ^ parameters
 *
 * What is read was cut off by syslog_parse(), so its quotes and brackets close; if they do not, the rest is not read.
 */
#ifndef STRUCTURED_DATA_H
#define STRUCTURED_DATA_H

#include "base/slice.h"

/* How much of text, which begins behind an SD-ID, stands before the bracket that ends the element; all of text if that
 * does not close.  A bracket or a newline in a value ends nothing.  64 bytes at a time: each message of Cloud Foundry
 * has half a kilobyte of it. */
size_t structured_data_length(struct slice text);

/* Cut the next element off the start of *data; false if there is none. */
bool structured_data_next(struct slice *data, struct slice *id, struct slice *parameters);

/* Cut the next parameter off the start of an element's parameters; false if there is none.  The value is as it is
 * written, with its escapes. */
bool structured_data_parameter(struct slice *parameters, struct slice *name, struct slice *value);

/* The value of the first parameter of this name, with its escapes; empty if there is none. */
struct slice structured_data_find(struct slice parameters, struct slice name);

/* A value without its escapes: \" \] and \\ mean what follows the backslash; another backslash is itself (RFC 5424,
 * 6.3.3).  It is the value itself, if it has none, else what was put into out; of one that is longer than size bytes,
 * the beginning, and no part of a character. */
struct slice structured_data_unescape(struct slice value, char *out, size_t size);

#endif
