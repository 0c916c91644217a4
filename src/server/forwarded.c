#include "server/forwarded.h"

void forwarded_add(struct forwarded *forwarded, struct slice value)
{
    if (forwarded->count == FORWARDED_MAX) {
        memmove(forwarded->values, forwarded->values + 1, (FORWARDED_MAX - 1) * sizeof value);
        forwarded->count--;
    }
    forwarded->values[forwarded->count++] = value;
}

/* Cut the last element off a list; it may be empty. */
static struct slice cut_last(struct slice *list)
{
    const char *comma = memrchr(list->at, ',', list->length);
    size_t begin = comma == NULL ? 0 : (size_t)(comma - list->at) + 1;
    struct slice last = slice_trim(slice_after(*list, begin));
    list->length = begin > 0 ? begin - 1 : 0;
    return last;
}

struct address forwarded_client(const struct forwarded *forwarded, const struct address *peer,
                                const struct address_ranges *trusted)
{
    struct address client = *peer;
    for (size_t i = forwarded->count; i > 0; i--) {
        struct slice list = forwarded->values[i - 1];
        while (list.length > 0) {
            struct slice element = cut_last(&list);
            struct address before;
            if (element.length == 0)
                continue;
            if (!address_ranges_hold(trusted, &client) || !address_read_with_port(element, &before))
                return client;
            client = before;
        }
    }
    return client;
}
