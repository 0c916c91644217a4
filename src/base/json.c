#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

struct json {
    size_t size;
    size_t used;
    size_t last; /* where the last block starts */
    bool overran;
    _Alignas(16) char memory[];
};

/* "0," is 2 bytes of JSON and 64 of cJSON. */
enum { GROWTH = 32, LEAST = 4096 };

/* The hooks are the same for all threads; each has memory of its own. */
static _Thread_local struct json *reading;

static void *allocate(size_t size)
{
    size = (size + 15) & ~(size_t)15;
    if (reading == NULL)
        return NULL;
    if (size > reading->size - reading->used) {
        reading->overran = true;
        return NULL;
    }
    reading->last = reading->used;
    reading->used += size;
    return reading->memory + reading->last;
}

/* cJSON copies each number to a block that it frees at once: the last block is taken back. */
static void take_back(void *block)
{
    if (reading != NULL && block == reading->memory + reading->last)
        reading->used = reading->last;
}

struct json *json_create(size_t text_max)
{
    cJSON_InitHooks(&(cJSON_Hooks){allocate, take_back});
    size_t size = text_max * GROWTH + LEAST;
    struct json *json = malloc(sizeof *json + size);
    if (json != NULL)
        json->size = size;
    return json;
}

void json_free(struct json *json)
{
    free(json);
}

static bool is_blank(const char *text, const char *end)
{
    while (text < end && (*text == ' ' || *text == '\t' || *text == '\n' || *text == '\r'))
        text++;
    return text == end;
}

void json_start(struct json *json)
{
    reading = json;
    json->used = json->last = 0;
    json->overran = false;
}

bool json_stop(struct json *json)
{
    reading = NULL;
    return !json->overran;
}

const cJSON *json_read(struct json *json, struct slice text)
{
    const char *end = text.at;
    json_start(json);
    const cJSON *document = cJSON_ParseWithLengthOpts(text.at, text.length, &end, false);
    json_stop(json);
    return document != NULL && is_blank(end, text.at + text.length) ? document : NULL;
}

/* cJSON asks for so many bytes more than it needs. */
enum { SPARE = 64 };

/* cJSON writes the bytes of a text as they are. */
static void replace_what_is_not_utf8(char *at)
{
    for (struct slice rest = slice_of(at); rest.length > 0;) {
        size_t length = utf8_length(rest);
        if (length == 0)
            *(char *)rest.at = '?';
        rest = slice_after(rest, length == 0 ? 1 : length);
    }
}

bool json_write(const cJSON *document, size_t max, struct buffer *out)
{
    char *at = buffer_reserve(out, max + SPARE);
    if (at == NULL || !cJSON_PrintPreallocated((cJSON *)document, at, (int)(max + SPARE), false))
        return false;
    replace_what_is_not_utf8(at);
    out->length += strlen(at);
    return true;
}
