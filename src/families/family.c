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
