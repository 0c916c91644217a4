#include "intake/overflow.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { SLOTS = 2048, PROBES = 16 };

/* The names of one app.  What stands in pairs is hashes; 0: free. */
struct app_names {
    _Atomic(entity_id) app;
    _Atomic(uint64_t) pairs[OVERFLOW_NAMES];
};

struct overflow_names {
    pthread_mutex_t lock; /* for giving a slot to an app */
    struct app_names slots[SLOTS];
};

struct overflow_names *overflow_names_create(void)
{
    struct overflow_names *names = calloc(1, sizeof *names);
    if (names != NULL)
        pthread_mutex_init(&names->lock, NULL);
    return names;
}

void overflow_names_free(struct overflow_names *names)
{
    if (names == NULL)
        return;
    pthread_mutex_destroy(&names->lock);
    free(names);
}

/* ---- which names ---- */

static struct app_names *slot_of(struct overflow_names *names, entity_id app, unsigned probe)
{
    return &names->slots[(XXH3_64bits(&app, sizeof app) + probe) % SLOTS];
}

static struct app_names *find_app(struct overflow_names *names, entity_id app)
{
    for (unsigned i = 0; i < PROBES; i++) {
        struct app_names *slot = slot_of(names, app, i);
        if (atomic_load_explicit(&slot->app, memory_order_acquire) == app) /* pairs with the release in add_app() */
            return slot;
    }
    return NULL;
}

/* Give the app a slot that nobody has, or whose app is over.  NULL: there is none. */
static struct app_names *add_app(struct overflow_names *names, struct entities *entities, entity_id app, uint64_t now)
{
    pthread_mutex_lock(&names->lock);
    struct app_names *slot = find_app(names, app);
    for (unsigned i = 0; slot == NULL && i < PROBES; i++) {
        struct app_names *candidate = slot_of(names, app, i);
        entity_id former = atomic_load_explicit(&candidate->app, memory_order_relaxed);
        if (former == ENTITY_NONE || entities_is_over(entities, former, ENTITY_COUNTED, now))
            slot = candidate;
    }
    if (slot != NULL && atomic_load_explicit(&slot->app, memory_order_relaxed) != app) {
        for (unsigned i = 0; i < OVERFLOW_NAMES; i++)
            atomic_store_explicit(&slot->pairs[i], 0, memory_order_relaxed);
        atomic_store_explicit(&slot->app, app, memory_order_release);
    }
    pthread_mutex_unlock(&names->lock);
    return slot;
}

/* Is the pair one of the app's, or can it become one? */
static bool admit(struct app_names *slot, uint64_t pair)
{
    for (unsigned i = 0; i < OVERFLOW_NAMES; i++) {
        uint64_t known = atomic_load_explicit(&slot->pairs[i], memory_order_relaxed);
        if (known == 0 && atomic_compare_exchange_strong_explicit(&slot->pairs[i], &known, pair, memory_order_relaxed,
                                                                  memory_order_relaxed))
            return true;
        if (known == pair)
            return true;
    }
    return false;
}

static uint64_t hash_pair(struct slice metric, struct slice label)
{
    uint64_t hash = XXH3_64bits_withSeed(label.at, label.length, XXH3_64bits(metric.at, metric.length));
    return hash == 0 ? 1 : hash;
}

/* An app that is none of ours, because there are too many, has no names of its own. */
static bool may_be_named(struct overflow_names *names, struct entities *entities, const struct self_terms *terms,
                         struct slice metric, struct slice label)
{
    if (terms->entity == ENTITY_NONE)
        return false;
    struct app_names *slot = find_app(names, terms->entity);
    if (slot == NULL)
        slot = add_app(names, entities, terms->entity, terms->now);
    return slot != NULL && admit(slot, hash_pair(metric, label));
}

/* ---- counting ---- */

/* Labels: app, metric, label. */
static const struct metric series_overflowed = SELF_COUNTER(
    "series_overflowed_total",
    "Attempts to make a series over MAX_APP_SERIES or MAX_METRIC_SERIES, by the label with the most values.");

void overflow_count(struct overflow_names *names, struct entities *entities, const struct self_terms *terms,
                    struct label app, const struct overflow *overflow)
{
    struct slice metric = identity_name(overflow->identity);
    struct slice label = store_widest_label(terms->store, overflow->identity, terms->entity);
    struct label labels[] = {app, {SLICE("metric"), metric}, {SLICE("label"), label}};
    if (overflow->app_chose && overflow->app_full) {
        /* An app that is full of names that it chose is to blame as a whole. */
        labels[1].value = SLICE("__other__");
        labels[2].value = SLICE("");
    } else if (overflow->app_chose && !may_be_named(names, entities, terms, metric, label)) {
        labels[1].value = labels[2].value = SLICE("__other__");
    }
    self_count(terms, &series_overflowed, labels, COUNT(labels), 0, 1);
}
