#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

char *buffer_grow(struct buffer *buffer, size_t length)
{
    size_t capacity = buffer->capacity < 65536 ? 65536 : buffer->capacity * 2;
    while (capacity - buffer->length < length)
        capacity *= 2;
    char *larger = realloc(buffer->at, capacity);
    if (larger == NULL) {
        buffer->failed = true;
        return NULL;
    }
    buffer->at = larger;
    buffer->capacity = capacity;
    return buffer->at + buffer->length;
}

void buffer_append(struct buffer *buffer, struct slice text)
{
    char *place = text.length == 0 ? NULL : buffer_reserve(buffer, text.length);
    if (place == NULL)
        return;
    memcpy(place, text.at, text.length);
    buffer->length += text.length;
}

void buffer_format(struct buffer *buffer, const char *format, ...)
{
    char text[BUFFER_FORMAT_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    buffer_append(buffer, slice_of(text));
}

void buffer_fit(struct buffer *buffer)
{
    char *smaller = buffer->length == 0 ? NULL : realloc(buffer->at, buffer->length);
    if (smaller == NULL)
        return;
    buffer->at = smaller;
    buffer->capacity = buffer->length;
}

void buffer_free(struct buffer *buffer)
{
    free(buffer->at);
    *buffer = (struct buffer){0};
}
