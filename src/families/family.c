#include "families/family.h"

#include "families/ingest.h"
#include "families/l2met.h"
#include "families/metrics_json.h"

#define X(id, name) extern const struct family name##_family;
FAMILIES(X)
#undef X

const struct family *const families[FAMILY_COUNT] = {
#define X(id, name) [id] = &name##_family,
    FAMILIES(X)
#undef X
};

/* What Heroku's platform says. */
#define X(id, name) | 1u << id
enum { OF_HEROKU = 0 FAMILIES_OF_NUMBERED(X) FAMILIES_OF_NAMED(X) };
#undef X

unsigned families_hearing(const struct line *line, const struct family_context *context)
{
    struct slice procid = line->procid;
    bool numbered = procid.length > 0 && slice_is_digit(procid.at[procid.length - 1]);
    bool bracketed = procid.length > 0 && procid.at[0] == '[';
    unsigned hearing = 0;
#define X(id, name)                                               \
    if (name##_family.hears == NULL || name##_family.hears(line)) \
        hearing |= 1u << id;
    if (bracketed) {
        FAMILIES_OF_BRACKETED(X)
    } else if (numbered) {
        FAMILIES_OF_NUMBERED(X)
    } else {
        FAMILIES_OF_NAMED(X)
    }
    FAMILIES_OF_ANY(X)
#undef X
    if (context->cf != NULL)
        hearing &= ~(unsigned)OF_HEROKU;
    if (context->rules == NULL)
        hearing &= ~(1u << FAMILY_RULES);
    return hearing;
}

static bool owns(enum family_id id, const struct line *line, const struct family_context *context)
{
    return families[id]->owns == NULL || families[id]->owns(line, context);
}

/* What dynos print is heard by these three, and nearly all of it is no metric. */
enum { OF_DYNOS = 1u << FAMILY_L2MET | 1u << FAMILY_INGEST | 1u << FAMILY_METRICS_JSON };

/* To ask the three one by one took a fifth of such a line's time. */
static inline bool none_of_dynos_owns(const struct line *line, const struct family_context *context)
{
    size_t position;
    return !l2met_might_own(line->message, context->hashes, &position) && !ingest_owns(line, context) &&
           !metrics_json_owns(line, context);
}

enum family_id family_among(unsigned hearing, const struct line *line, const struct family_context *context)
{
    if (hearing == OF_DYNOS && none_of_dynos_owns(line, context))
        return FAMILY_COUNT;
    for (; hearing != 0; hearing &= hearing - 1) {
        enum family_id id = (enum family_id)__builtin_ctz(hearing);
        if (owns(id, line, context))
            return id;
    }
    return FAMILY_COUNT;
}

enum family_id family_of(const struct line *line, const struct family_context *context)
{
    return family_among(families_hearing(line, context), line, context);
}

enum family_id family_after(enum family_id before, const struct line *line, const struct family_context *context)
{
    bool wanted = before != FAMILY_COUNT && families[before]->rules_after && owns(FAMILY_RULES, line, context);
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
