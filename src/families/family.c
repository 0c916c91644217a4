#include "families/family.h"

#define X(id, name) extern const struct family name##_family;
FAMILIES(X)
#undef X

const struct family *const families[FAMILY_COUNT] = {
#define X(id, name) [id] = &name##_family,
    FAMILIES(X)
#undef X
};

enum family_id family_of(const struct line *line, const struct family_context *context)
{
    bool numbered = line->procid.length > 0 && slice_is_digit(line->procid.at[line->procid.length - 1]);
#define X(id, name)                        \
    if (name##_family.owns(line, context)) \
        return id;
    if (numbered) {
        FAMILIES_OF_NUMBERED(X)
    } else {
        FAMILIES_OF_NAMED(X)
    }
    FAMILIES_OF_ANY(X)
#undef X
    return FAMILY_COUNT;
}

enum family_id family_after(enum family_id before, const struct line *line, const struct family_context *context)
{
    bool wanted = before != FAMILY_COUNT && families[before]->rules_after && rules_family.owns(line, context);
    return wanted ? FAMILY_RULES : FAMILY_COUNT;
}

bool families_open(void *states[FAMILY_COUNT])
{
    memset(states, 0, FAMILY_COUNT * sizeof states[0]);
    for (int id = 0; id < FAMILY_COUNT; id++) {
        if (families[id]->create_state == NULL)
            continue;
        states[id] = families[id]->create_state();
        if (states[id] == NULL) {
            families_close(states);
            return false;
        }
    }
    return true;
}

void families_close(void *states[FAMILY_COUNT])
{
    for (int id = 0; id < FAMILY_COUNT; id++)
        if (states[id] != NULL)
            families[id]->free_state(states[id]);
    memset(states, 0, FAMILY_COUNT * sizeof states[0]);
}

void families_begin_batch(struct family_context *context)
{
    for (int id = 0; id < FAMILY_COUNT; id++)
        if (families[id]->begin_batch != NULL)
            families[id]->begin_batch(context);
}
