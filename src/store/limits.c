#include "store/store_internal.h"

/* How many series of one metric and app others may share. */
enum { OVERFLOWS_MAX = 8 };

bool limits_has_room(const struct store *store, unsigned weight)
{
    return atomic_load_explicit(&store->weight, memory_order_relaxed) + (long)weight <=
           (long)store->settings.max_series;
}

/* Add weight (or take it back, where it is negative) to what a group and its app hold. */
static void charge_group(struct store *store, struct group *group, long weight)
{
    atomic_fetch_add_explicit(&group->weight, weight, memory_order_relaxed);
    entities_add(store->settings.entities, group->app, ENTITY_LINES, weight);
}

void limits_charge(struct store *store, struct group *group, long weight)
{
    atomic_fetch_add_explicit(&store->weight, weight, memory_order_relaxed);
    charge_group(store, group, weight);
}

bool limits_take(struct store *store, struct group *group, unsigned weight)
{
    long before = atomic_load_explicit(&store->weight, memory_order_relaxed);
    while (before + (long)weight <= (long)store->settings.max_series) {
        if (atomic_compare_exchange_weak_explicit(&store->weight, &before, before + (long)weight, memory_order_relaxed,
                                                  memory_order_relaxed)) {
            charge_group(store, group, (long)weight);
            return true;
        }
    }
    return false;
}

bool limits_app_has_room(const struct store *store, const struct group *group, unsigned weight)
{
    const struct store_settings *settings = &store->settings;
    return settings->max_app_series == 0 || group->app == ENTITY_NONE ||
           entities_add(settings->entities, group->app, ENTITY_LINES, 0) + (long)weight <=
               (long)settings->max_app_series;
}

enum store_result limits_check(struct store *store, struct group *group, unsigned weight,
                               const struct store_terms *terms)
{
    const struct store_settings *settings = &store->settings;
    long more = (long)weight;
    if (terms->exempt)
        return STORE_CREATED;
    /* An app chooses the names of labels too: each set of them is a shared series of its own. */
    if (terms->overflow)
        return atomic_load_explicit(&group->overflows, memory_order_relaxed) < OVERFLOWS_MAX ? STORE_CREATED
                                                                                             : STORE_CAPPED;
    if (settings->max_metric_series != 0 && more > (long)settings->max_metric_series)
        return STORE_TOO_LARGE; /* by itself: no metric has room for it */
    if (terms->name_limited && settings->max_names != 0 &&
        atomic_load_explicit(&group->named, memory_order_relaxed) == 0 &&
        entities_add(settings->entities, group->app, ENTITY_NAMES, 0) >= (long)settings->max_names)
        return STORE_NAMES;
    if (settings->max_metric_series != 0 &&
        atomic_load_explicit(&group->weight, memory_order_relaxed) + more > (long)settings->max_metric_series)
        return STORE_CAPPED;
    return limits_app_has_room(store, group, weight) ? STORE_CREATED : STORE_APP_FULL;
}

/* Cut the first label off the text of an identity's labels; false where there is none. */
static bool next_label(struct slice *text, struct label *label)
{
    size_t equals = slice_index(*text, '=');
    if (equals + 2 > text->length)
        return false;
    label->name = (struct slice){text->at, equals};
    const char *value = text->at + equals + 2;
    const char *end = value;
    while (*end != '"')
        end += *end == '\\' ? 2 : 1;
    label->value = (struct slice){value, (size_t)(end - value)};
    *text = slice_after(*text, (size_t)(end + 1 - text->at));
    if (text->length > 0)
        *text = slice_after(*text, 1); /* the comma */
    return true;
}

/* The bits of a label's values.  NULL where the label is not known or, with add, where there is no place for one more.
 */
static atomic_uint_least64_t *values_of(const struct store *store, struct group *group, struct slice name, bool add)
{
    uint64_t hash = store_hash(store, name) | 1;
    for (unsigned i = 0; i < LABEL_SLOTS; i++) {
        uint64_t holder = atomic_load_explicit(&group->labels[i].name, memory_order_relaxed);
        if (holder == 0 && add &&
            atomic_compare_exchange_strong_explicit(&group->labels[i].name, &holder, hash, memory_order_relaxed,
                                                    memory_order_relaxed))
            holder = hash;
        if (holder == hash)
            return &group->labels[i].values;
        if (holder == 0)
            return NULL;
    }
    return NULL;
}

void limits_note_labels(const struct store *store, struct group *group, const struct identity *identity)
{
    struct slice text = identity_labels(identity);
    struct label label;
    while (next_label(&text, &label)) {
        atomic_uint_least64_t *values = values_of(store, group, label.name, true);
        if (values != NULL)
            atomic_fetch_or_explicit(values, UINT64_C(1) << (store_hash(store, label.value) >> 58),
                                     memory_order_relaxed);
    }
}

void limits_count_series(struct store *store, struct group *group, const struct series *series, long change)
{
    if (series->overflow)
        atomic_fetch_add_explicit(&group->overflows, change, memory_order_relaxed);
    if (series->name_limited &&
        atomic_fetch_add_explicit(&group->named, change, memory_order_relaxed) + (change < 0 ? change : 0) == 0)
        entities_add(store->settings.entities, group->app, ENTITY_NAMES, change);
}

struct slice store_widest_label(const struct store *store, const struct identity *identity, entity_id app)
{
    struct slice name = identity_name(identity);
    uint64_t hash = store_hash(store, name);
    struct stored_metric *metric =
        atomic_load_explicit(&store->metric_buckets[hash & store->metric_mask], memory_order_acquire);
    while (metric != NULL && !(metric->hash == hash && slice_equals(stored_metric_name(metric), name)))
        metric = atomic_load_explicit(&metric->next_in_bucket, memory_order_acquire);
    struct group *group = metric == NULL ? NULL : atomic_load_explicit(&metric->groups, memory_order_acquire);
    while (group != NULL && group->app != app)
        group = atomic_load_explicit(&group->next, memory_order_acquire);
    struct slice text = identity_labels(identity);
    struct slice widest = {"", 0};
    int most = -1;
    struct label label;
    while (next_label(&text, &label)) {
        atomic_uint_least64_t *bits = group == NULL ? NULL : values_of(store, group, label.name, false);
        if (bits == NULL && group != NULL)
            continue; /* an app chooses the names of labels: only those that have a place can be blamed */
        int values = bits == NULL ? 0 : __builtin_popcountll(atomic_load_explicit(bits, memory_order_relaxed));
        if (!slice_equals(label.name, SLICE("app")) && values > most) {
            widest = label.name;
            most = values;
        }
    }
    return widest;
}
