/* All mistakes of a configuration at once: a text with a line for each. */
#ifndef MISTAKES_H
#define MISTAKES_H

#include "base/buffer.h"

/* Append one sentence as a line. */
void mistakes_add(struct buffer *mistakes, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Hand each to tell, without its newline, and free them all.  If memory was too short to note them, that is told. */
void mistakes_tell(struct buffer *mistakes, void (*tell)(struct slice mistake));

#endif
