#include "server/query.h"

#include "base/percent.h"

struct slice query_value(struct slice query, struct slice name, char *out, size_t capacity)
{
    struct slice found = {NULL, 0};
    while (query.length > 0) {
        struct slice pair = {query.at, slice_index(query, '&')};
        query = slice_after(query, pair.length < query.length ? pair.length + 1 : pair.length);
        struct slice key = {pair.at, slice_index(pair, '=')};
        if (slice_equals(key, name))
            found = slice_after(pair, key.length < pair.length ? key.length + 1 : key.length);
    }
    return (struct slice){out, percent_decode(found, true, out, capacity)};
}
