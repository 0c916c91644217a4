#include "server/query.h"

#include "base/percent.h"

/* What stands behind the name of the last parameter of this name; at is NULL if there is none. */
static struct slice find_last(struct slice query, struct slice name)
{
    struct slice found = {NULL, 0};
    while (query.length > 0) {
        struct slice pair = {query.at, slice_index(query, '&')};
        query = slice_after(query, pair.length < query.length ? pair.length + 1 : pair.length);
        struct slice key = {pair.at, slice_index(pair, '=')};
        if (slice_equals(key, name))
            found = slice_after(pair, key.length < pair.length ? key.length + 1 : key.length);
    }
    return found;
}

struct slice query_value(struct slice query, struct slice name, char *out, size_t capacity)
{
    return (struct slice){out, percent_decode(find_last(query, name), true, out, capacity)};
}

bool query_has(struct slice query, struct slice name)
{
    return find_last(query, name).at != NULL;
}
