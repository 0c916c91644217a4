#include "families/rule_names.h"

#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

static size_t slot_of(const struct rule_names *names, struct slice name)
{
    size_t slot = XXH3_64bits(name.at, name.length) & names->mask;
    while (names->texts[slot].at != NULL && !slice_equals(names->texts[slot], name))
        slot = (slot + 1) & names->mask;
    return slot;
}

unsigned rule_names_find(const struct rule_names *names, struct slice name)
{
    size_t slot = slot_of(names, name);
    return names->texts[slot].at == NULL ? RULE_NAMES_NONE : names->numbers[slot];
}

bool rule_names_open(struct rule_names *names, size_t most)
{
    size_t size = 16;
    while (size < 2 * most)
        size *= 2;
    names->mask = size - 1;
    names->texts = calloc(size, sizeof names->texts[0]);
    names->numbers = calloc(size, sizeof names->numbers[0]);
    return names->texts != NULL && names->numbers != NULL;
}

void rule_names_close(struct rule_names *names)
{
    free(names->texts);
    free(names->numbers);
}

unsigned rule_names_add(struct rule_names *names, struct slice name, unsigned number)
{
    size_t slot = slot_of(names, name);
    if (names->texts[slot].at == NULL) {
        names->texts[slot] = name;
        names->numbers[slot] = number;
    }
    return names->numbers[slot];
}
