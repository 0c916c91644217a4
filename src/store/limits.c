#include "store/store_internal.h"

/* How many series of one metric and app others may share. */
enum { OVERFLOWS_MAX = 8 };

bool limits_has_room(const struct store *store, unsigned weight)
{
    return atomic_load_explicit(&store->weight, memory_order_relaxed) + (long)weight <=
           (long)store->settings.max_series;
}

/* ---- reserves ---- */

/* Apps that are greedy must not starve the others, nor what we tell about an app that is greedy itself.  So the first
 * lines of each app, of those that it chose and of ours, come out of a part of max_series that nothing else may take.
 * Where one app may take all there is no such part. */
enum {
    RESERVED_PART = 4,  /* at most a quarter of max_series */
    RESERVED_APPS = 50, /* that the part is enough for */
    APP_PART = 10,      /* at most a tenth of max_app_series */
};

void limits_start(struct store *store)
{
    const struct store_settings *settings = &store->settings;
    if (settings->entities == NULL || settings->max_app_series == 0 || settings->max_app_series >= settings->max_series)
        return;
    size_t part = settings->max_series / RESERVED_PART, left = settings->max_series - settings->max_app_series;
    store->reserve = (long)(part < left ? part : left);
    long fair = store->reserve / RESERVED_APPS / 2, most = (long)settings->max_app_series / APP_PART;
    store->app_reserve = fair < most ? fair : most;
}

static enum entity_account account_of(const struct group *group)
{
    return group->chosen ? ENTITY_CHOSEN_LINES : ENTITY_OUR_LINES;
}

static long lines_of(const struct store *store, const struct group *group, enum entity_account account)
{
    return entities_add(store->settings.entities, group->app, account, 0);
}

/* How much of this many lines is within the reserve of an app. */
static long within_reserve(const struct store *store, long lines)
{
    return lines < store->app_reserve ? lines : store->app_reserve;
}

/* How much of weight more is not within the reserve of the group's app. */
static long beyond_reserve(const struct store *store, const struct group *group, long weight)
{
    long lines = lines_of(store, group, account_of(group));
    if (lines == ENTITY_NO_ACCOUNT)
        return weight;
    return weight - (within_reserve(store, lines + weight) - within_reserve(store, lines));
}

/* Is this much more of the group within its app's reserve or, if not, does it leave those of the others alone? */
static bool spares_reserves(const struct store *store, const struct group *group, unsigned weight)
{
    long beyond = store->reserve == 0 ? 0 : beyond_reserve(store, group, (long)weight);
    long shared = atomic_load_explicit(&store->weight, memory_order_relaxed) -
                  atomic_load_explicit(&store->reserve_used, memory_order_relaxed);
    return beyond == 0 || shared + beyond <= (long)store->settings.max_series - store->reserve;
}

/* ---- weight ---- */

/* Add weight, or take it back if it is negative, to what a group and its app hold. */
static void charge_group(struct store *store, struct group *group, long weight)
{
    atomic_fetch_add_explicit(&group->weight, weight, memory_order_relaxed);
    long lines = entities_add(store->settings.entities, group->app, account_of(group), weight);
    if (store->reserve == 0 || lines == ENTITY_NO_ACCOUNT)
        return;
    long change = within_reserve(store, lines) - within_reserve(store, lines - weight);
    if (change != 0)
        atomic_fetch_add_explicit(&store->reserve_used, change, memory_order_relaxed);
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

/* Has the group's app room for this much more?  What is ours has its reserve besides. */
static bool app_has_room(const struct store *store, const struct group *group, unsigned weight)
{
    long most = (long)store->settings.max_app_series;
    if (most == 0 || group->app == ENTITY_NONE)
        return true;
    long ours = lines_of(store, group, ENTITY_OUR_LINES), chosen = lines_of(store, group, ENTITY_CHOSEN_LINES);
    return ours + chosen + (long)weight <= most || (!group->chosen && ours + (long)weight <= store->app_reserve);
}

enum store_result limits_check_growth(const struct store *store, const struct group *group, unsigned weight)
{
    if (!app_has_room(store, group, weight))
        return STORE_APP_FULL;
    return spares_reserves(store, group, weight) ? STORE_CREATED : STORE_FULL;
}

enum store_result limits_check(struct store *store, struct group *group, unsigned weight,
                               const struct store_terms *terms)
{
    const struct store_settings *settings = &store->settings;
    long more = (long)weight;
    if (terms->exempt)
        return STORE_CREATED;
    if (!spares_reserves(store, group, weight))
        return STORE_FULL;
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
    return app_has_room(store, group, weight) ? STORE_CREATED : STORE_APP_FULL;
}

/* Cut the first label off the text of an identity's labels; false if there is none. */
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

/* The bits of a label's values.  NULL if the label is not known or, with add, if there is no slot for one more.
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
            continue; /* an app chooses the names of labels: only those that have a slot can be blamed */
        int values = bits == NULL ? 0 : __builtin_popcountll(atomic_load_explicit(bits, memory_order_relaxed));
        if (!slice_equals(label.name, SLICE("app")) && values > most) {
            widest = label.name;
            most = values;
        }
    }
    return widest;
}
