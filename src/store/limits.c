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
 * lines of each app, of those that it chose and of ours, come out of parts of max_series that nothing else may take:
 * one for the apps of the configuration, which is enough for all of them, and one for all other apps, which whoever
 * invents names can use up.  Series that were made before there was anything to say are in neither.  Where one app may
 * take all there is no such part for others. */
enum {
    RESERVED_PART = 4,   /* at most a quarter of max_series for apps that are not configured */
    RESERVED_APPS = 50,  /* that the part is enough for */
    APP_PART = 10,       /* at most a tenth of max_app_series */
    CONFIGURED_PART = 4, /* at most a quarter for those that are: half is left for whoever needs it */
};

/* What one app can have at most, of each account. */
static long most_for_an_app(const struct store_settings *settings)
{
    bool bounded = settings->max_app_series != 0 && settings->max_app_series < settings->max_series;
    return (long)(bounded ? settings->max_app_series : settings->max_series) / APP_PART;
}

static long smaller(long a, long b)
{
    return a < b ? a : b;
}

static void set_reserve(struct reserve *reserve, long all, long share)
{
    atomic_store_explicit(&reserve->lines, all, memory_order_relaxed);
    atomic_store_explicit(&reserve->share, share, memory_order_relaxed);
}

void limits_start(struct store *store)
{
    const struct store_settings *settings = &store->settings;
    if (settings->entities == NULL || settings->max_app_series == 0 || settings->max_app_series >= settings->max_series)
        return;
    size_t part = settings->max_series / RESERVED_PART, left = settings->max_series - settings->max_app_series;
    long all = (long)(part < left ? part : left);
    set_reserve(&store->reserves[RESERVE_OTHERS], all,
                smaller(all / RESERVED_APPS / ENTITY_RESERVED_ACCOUNTS, most_for_an_app(settings)));
}

static long lines_of(const struct store *store, const struct group *group, enum entity_account account)
{
    return entities_add(store->settings.entities, group->app, account, 0);
}

static struct reserve *reserve_of(struct store *store, entity_id app)
{
    bool configured = entities_is_configured(store->settings.entities, app);
    return &store->reserves[configured ? RESERVE_CONFIGURED : RESERVE_OTHERS];
}

static long share_of(struct store *store, entity_id app)
{
    return atomic_load_explicit(&reserve_of(store, app)->share, memory_order_relaxed);
}

/* What an account's reserved word says: how many of its lines are in a reserve, and in which. */
static uint32_t reserved_word(const struct store *store, const struct reserve *reserve, long lines)
{
    return (uint32_t)lines << 1 | (uint32_t)(reserve - store->reserves);
}

static long reserved_lines(uint32_t word)
{
    return (long)(word >> 1);
}

/* The word that is right for so many lines. */
static uint32_t right_word(struct store *store, entity_id app, long lines)
{
    struct reserve *reserve = reserve_of(store, app);
    long share = atomic_load_explicit(&reserve->share, memory_order_relaxed);
    return reserved_word(store, reserve, lines < 0 ? 0 : smaller(lines, share));
}

/* Let the reserves hold what is right for the lines of an account, whatever has changed: these, or the shares. */
static void settle(struct store *store, entity_id app, enum entity_account account)
{
    struct entities *entities = store->settings.entities;
    long lines;
    do {
        lines = entities_add(entities, app, account, 0);
        if (lines == ENTITY_NO_ACCOUNT)
            return;
        uint32_t word = right_word(store, app, lines);
        uint32_t before = entities_exchange_reserved(entities, app, account, word);
        if (word == before)
            continue;
        atomic_fetch_sub_explicit(&store->reserves[before & 1].used, reserved_lines(before), memory_order_relaxed);
        atomic_fetch_add_explicit(&store->reserves[word & 1].used, reserved_lines(word), memory_order_relaxed);
    } while (entities_add(entities, app, account, 0) != lines);
}

void store_reserve(struct store *store, size_t configured_apps)
{
    const struct store_settings *settings = &store->settings;
    long apps = (long)configured_apps, share = 0;
    if (apps > 0 && settings->entities != NULL)
        share = smaller((long)settings->max_series / CONFIGURED_PART / apps / ENTITY_RESERVED_ACCOUNTS,
                        most_for_an_app(settings));
    set_reserve(&store->reserves[RESERVE_CONFIGURED], share * apps * ENTITY_RESERVED_ACCOUNTS, share);
    /* What they have is in the one reserve or in the other now. */
    entity_id app = ENTITY_NONE;
    while (settings->entities != NULL && (app = entities_next_app(settings->entities, app)) != ENTITY_NONE)
        for (int account = 0; account < ENTITY_RESERVED_ACCOUNTS; account++)
            settle(store, app, (enum entity_account)account);
}

/* How much of max_series is taken that no reserve holds, if these many more are in the two reserves. */
static long beyond_reserves(const struct store *store, const long more[RESERVES])
{
    long beyond = atomic_load_explicit(&store->weight, memory_order_relaxed);
    for (int i = 0; i < RESERVES; i++) {
        const struct reserve *reserve = &store->reserves[i];
        beyond -= smaller(atomic_load_explicit(&reserve->used, memory_order_relaxed) + more[i],
                          atomic_load_explicit(&reserve->lines, memory_order_relaxed));
    }
    return beyond;
}

/* Is this much more of the group within its app's reserve or, if not, does it leave those of the others alone? */
static bool spares_reserves(struct store *store, const struct group *group, enum entity_account account,
                            unsigned weight)
{
    long all = (long)store->settings.max_series, more[RESERVES] = {0};
    for (int i = 0; i < RESERVES; i++)
        all -= atomic_load_explicit(&store->reserves[i].lines, memory_order_relaxed);
    if (all == (long)store->settings.max_series)
        return true; /* there are none */
    long before = beyond_reserves(store, more);
    long lines = account < ENTITY_RESERVED_ACCOUNTS ? lines_of(store, group, account) : ENTITY_NO_ACCOUNT;
    if (lines != ENTITY_NO_ACCOUNT) {
        uint32_t word = right_word(store, group->app, lines + (long)weight);
        uint32_t present = entities_reserved(store->settings.entities, group->app, account);
        more[present & 1] -= reserved_lines(present);
        more[word & 1] += reserved_lines(word);
    }
    long after = beyond_reserves(store, more) + (long)weight;
    return after <= before || after <= all;
}

/* ---- weight ---- */

/* Add weight, or take it back if it is negative, to what a group and its app hold. */
static void charge_group(struct store *store, struct group *group, enum entity_account account, long weight)
{
    atomic_fetch_add_explicit(&group->weight, weight, memory_order_relaxed);
    entities_add(store->settings.entities, group->app, account, weight);
    if (account < ENTITY_RESERVED_ACCOUNTS)
        settle(store, group->app, account);
}

void limits_charge(struct store *store, struct group *group, enum entity_account account, long weight)
{
    atomic_fetch_add_explicit(&store->weight, weight, memory_order_relaxed);
    charge_group(store, group, account, weight);
}

bool limits_take(struct store *store, struct group *group, enum entity_account account, unsigned weight)
{
    long before = atomic_load_explicit(&store->weight, memory_order_relaxed);
    while (before + (long)weight <= (long)store->settings.max_series) {
        if (atomic_compare_exchange_weak_explicit(&store->weight, &before, before + (long)weight, memory_order_relaxed,
                                                  memory_order_relaxed)) {
            charge_group(store, group, account, (long)weight);
            return true;
        }
    }
    return false;
}

/* Has the group's app room for this much more?  What is ours has its reserve besides. */
static bool app_has_room(struct store *store, const struct group *group, enum entity_account account, unsigned weight)
{
    long most = (long)store->settings.max_app_series;
    if (most == 0 || group->app == ENTITY_NONE)
        return true;
    long ours = lines_of(store, group, ENTITY_OUR_LINES), chosen = lines_of(store, group, ENTITY_CHOSEN_LINES),
         zeros = lines_of(store, group, ENTITY_ZERO_LINES);
    return ours + chosen + zeros + (long)weight <= most ||
           (account == ENTITY_OUR_LINES && ours + (long)weight <= share_of(store, group->app));
}

enum store_result limits_check_growth(struct store *store, const struct group *group, enum entity_account account,
                                      unsigned weight)
{
    if (!app_has_room(store, group, account, weight))
        return STORE_APP_FULL;
    return spares_reserves(store, group, account, weight) ? STORE_CREATED : STORE_FULL;
}

enum store_result limits_check(struct store *store, struct group *group, unsigned weight,
                               const struct store_terms *terms)
{
    const struct store_settings *settings = &store->settings;
    enum entity_account account = account_for(group, terms->zero);
    long more = (long)weight;
    if (terms->exempt)
        return STORE_CREATED;
    if (!spares_reserves(store, group, account, weight))
        return STORE_FULL;
    /* An app chooses the names of labels too: each set of them is a shared series of its own. */
    if (terms->overflow)
        return atomic_load_explicit(&group->overflows, memory_order_relaxed) < OVERFLOWS_MAX ? STORE_CREATED
                                                                                             : STORE_CAPPED;
    /* What goes beyond these two bounds, by right, may come before all else now. */
    if (terms->was_within_bounds)
        return STORE_CREATED;
    if (settings->max_metric_series != 0 && more > (long)settings->max_metric_series)
        return STORE_TOO_LARGE; /* by itself: no metric has room for it */
    if (terms->name_limited && settings->max_names != 0 &&
        atomic_load_explicit(&group->named, memory_order_relaxed) == 0 &&
        entities_add(settings->entities, group->app, ENTITY_NAMES, 0) >= (long)settings->max_names)
        return STORE_NAMES;
    if (settings->max_metric_series != 0 &&
        atomic_load_explicit(&group->weight, memory_order_relaxed) + more > (long)settings->max_metric_series)
        return STORE_CAPPED;
    return app_has_room(store, group, account, weight) ? STORE_CREATED : STORE_APP_FULL;
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
    while (identity_next_label(&text, &label)) {
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
    struct group *group = metric == NULL ? NULL : group_find(store, metric, app, false);
    if (metric != NULL && group == NULL)
        group = group_find(store, metric, app, true);
    struct slice text = identity_labels(identity);
    struct slice widest = {"", 0};
    int most = -1;
    struct label label;
    while (identity_next_label(&text, &label)) {
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
