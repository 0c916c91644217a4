#include "config/mistakes.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/error.h"

enum { MISTAKE_MAX = 5120 }; /* longer than a path and what follows it */

void mistakes_add(struct buffer *mistakes, const char *format, ...)
{
    char line[MISTAKE_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    buffer_append(mistakes, slice_of(line));
    buffer_append(mistakes, SLICE("\n"));
}

void mistakes_tell(struct buffer *mistakes, void (*tell)(struct slice mistake))
{
    struct slice rest = {mistakes->at, mistakes->length};
    while (rest.length > 0)
        tell(slice_cut_line(&rest));
    if (mistakes->failed)
        tell(SLICE(ERROR_NO_MEMORY));
    buffer_free(mistakes);
}
