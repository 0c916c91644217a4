/* What routers say about a request, as values of labels: few, whatever a client sends. */
#ifndef HTTP_LABELS_H
#define HTTP_LABELS_H

#include "base/slice.h"

/* The last one is for all others. */
enum { HTTP_METHODS = 10 };
static const struct slice http_methods[HTTP_METHODS] = {{"GET", 3},    {"POST", 4}, {"PUT", 3},     {"PATCH", 5},
                                                        {"DELETE", 6}, {"HEAD", 4}, {"OPTIONS", 7}, {"CONNECT", 7},
                                                        {"TRACE", 5},  {"other", 5}};

/* The number of a text among count names, the last of which is for all others. */
static inline unsigned http_index_of(struct slice text, const struct slice *names, unsigned count)
{
    unsigned i = 0;
    while (i < count - 1 && !slice_equals(names[i], text))
        i++;
    return i;
}

static inline struct slice http_method_of(struct slice text)
{
    return http_methods[http_index_of(text, http_methods, HTTP_METHODS)];
}

/* "100" to "599" */
static inline bool http_is_status(struct slice text)
{
    return text.length == 3 && text.at[0] >= '1' && text.at[0] <= '5' && slice_is_digit(text.at[1]) &&
           slice_is_digit(text.at[2]);
}

/* A status itself; "other"; empty if there is none. */
static inline struct slice http_status_of(struct slice text)
{
    return text.length == 0 || http_is_status(text) ? text : SLICE("other");
}

#endif
