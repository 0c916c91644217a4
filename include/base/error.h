/* What went wrong, as one sentence without a final dot: a text in a buffer of the caller's. */
#ifndef ERROR_H
#define ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

enum { ERROR_MAX = 256 }; /* bytes of such a text, its NUL included; a longer one is cut off */

#define ERROR_NO_MEMORY "there is not enough memory"

/* Write the sentence; returns false, for "return error_set(error, ...)". */
static inline bool error_set(char error[ERROR_MAX], const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline bool error_set(char error[ERROR_MAX], const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, ERROR_MAX, format, arguments);
    va_end(arguments);
    return false;
}

#endif
