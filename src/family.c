#include "family.h"

#include "family/ingest.h"
#include "family/logplex.h"
#include "family/postgres.h"
#include "family/router.h"

const struct family families[FAMILY_COUNT] = {
#define X(id, name) [id] = {#name, name##_owns, name##_read},
    FAMILIES(X)
#undef X
};

enum family_id family_of(const struct line *line, const struct family_context *context)
{
    for (int id = 0; id < FAMILY_COUNT; id++)
        if (families[id].owns(line, context))
            return (enum family_id)id;
    return FAMILY_COUNT;
}
