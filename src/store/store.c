#include "store/store.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { CACHE_LINE = 64 };

#define ROW_CELLS (CACHE_LINE / sizeof(double))

/* A counted series notes at most once in this time (milliseconds) that it was seen; see refresh(). */
enum { REFRESH_INTERVAL = 1000 };

/* The series of one metric that belong to one app. */
enum { LABEL_PLACES = 16, OVERFLOWS_MAX = 8 };
struct group {
    _Atomic(struct group *) next; /* of the metric's */
    struct stored_metric *metric;
    entity_id app;
    atomic_long series;    /* how many exist or are about to; -1: removed */
    atomic_long named;     /* those of them that have a limited name */
    atomic_long overflows; /* those that others share */
    atomic_long weight;
    /* Which values the labels of its series have had: for the hash of a label's name (0: free), a bit for the hash of
     * each value.  The more bits, the more values. */
    struct {
        atomic_uint_least64_t name;
        atomic_uint_least64_t values;
    } labels[LABEL_PLACES];
};

struct stored_metric {
    _Atomic(struct stored_metric *) next_in_bucket;
    _Atomic(struct stored_metric *) next;
    _Atomic(struct group *) groups;
    _Atomic(struct series *) fresh; /* the series that the maintenance thread has not met yet, newest first */
    atomic_long series;             /* how many exist or are about to; -1: removed */
    /* The maintenance thread's own list of the others, in the order of their birth; an array, since a walk along
     * pointers would wait for memory at each step. */
    struct series **known;
    size_t known_count;
    size_t known_room;
    const struct metric *metric;
    uint64_t hash;
    uint32_t name_length;
    char name[];
};

/* What a counted series counts in: a row for each slot.  Rows are padded to cache lines, so that no two slots write
 * one. */
struct cells {
    atomic_uint_least64_t seen; /* when it was last recorded, see refresh(); or DEAD_SEEN */
    _Alignas(CACHE_LINE) _Atomic(double) rows[];
};

struct series {
    _Atomic(struct series *) next_in_bucket;
    struct series *next_fresh;
    struct group *group;
    const struct metric *counted; /* NULL: a reported series */
    union {
        _Atomic(struct value *) value; /* of a reported series; or &dead_value */
        struct cells *cells;           /* of a counted one */
    };
    uint64_t hash;
    uint32_t lifetime;
    entity_id entity;
    uint16_t labels_length;
    bool exempt;
    bool name_limited;
    bool overflow;
    bool starts_at_zero;
    uint64_t born;
    char labels[];
};

static struct value dead_value;
#define DEAD_SEEN UINT64_MAX

/* Something unlinked, to be freed when no thread can hold it. */
struct retired {
    void *memory;
    size_t size; /* bytes, where it is a value: nothing else is large */
    uint64_t epoch;
};

/* What a slot may have retired (bytes) before store_should_quiesce() says so. */
enum { QUIESCE_BYTES = 4 << 20 };

struct slot {
    _Alignas(CACHE_LINE) atomic_uint_least64_t epoch; /* 0: outside */
    struct retired *retired;                          /* oldest first; only the slot's thread touches these four */
    size_t retired_count;
    size_t retired_room;
    size_t retired_size; /* the sizes of all of them */
};

struct store {
    _Atomic(struct series *) *buckets;
    _Atomic(struct stored_metric *) *metric_buckets;
    size_t bucket_mask;
    size_t metric_mask;
    struct store_settings settings;
    struct slot *slots;
    unsigned char secret[XXH3_SECRET_SIZE_MIN]; /* so that nobody can choose names that share a bucket */
    _Alignas(CACHE_LINE) atomic_uint_least64_t epoch;
    atomic_long weight; /* below 0 for a moment, when a new series shrinks before its own weight is added */
    atomic_size_t metric_count;
    atomic_uint_least64_t expired;
    atomic_uint_least64_t last_page; /* when the last page began; 0: there was none */
    _Atomic(struct stored_metric *) metrics;
};

/* ---- memory ---- */

/* Untouched pages of a map cost nothing; calloc would do the same for large sizes, but need not. */
static void *map_zeroes(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void store_enter(struct store *store, unsigned slot)
{
    /* The exchange makes the epoch visible before anything is read (pairs with the loads in advance()). */
    uint64_t epoch = atomic_load_explicit(&store->epoch, memory_order_seq_cst);
    atomic_exchange_explicit(&store->slots[slot].epoch, epoch, memory_order_seq_cst);
}

/* Move the global epoch on by one, if all threads inside have seen the present one. */
static void advance(struct store *store)
{
    uint64_t epoch = atomic_load_explicit(&store->epoch, memory_order_seq_cst);
    for (unsigned i = 0; i < store->settings.slots; i++) {
        uint64_t seen = atomic_load_explicit(&store->slots[i].epoch, memory_order_seq_cst);
        if (seen != 0 && seen != epoch)
            return;
    }
    atomic_compare_exchange_strong_explicit(&store->epoch, &epoch, epoch + 1, memory_order_seq_cst,
                                            memory_order_relaxed);
}

void store_leave(struct store *store, unsigned slot)
{
    struct slot *own = &store->slots[slot];
    atomic_store_explicit(&own->epoch, 0, memory_order_seq_cst);
    if (own->retired_count == 0)
        return;
    advance(store);
    advance(store);
    uint64_t epoch = atomic_load_explicit(&store->epoch, memory_order_seq_cst);
    size_t freed = 0;
    for (; freed < own->retired_count && own->retired[freed].epoch + 2 <= epoch; freed++) {
        own->retired_size -= own->retired[freed].size;
        free(own->retired[freed].memory);
    }
    own->retired_count -= freed;
    memmove(own->retired, own->retired + freed, own->retired_count * sizeof own->retired[0]);
    /* After a peak the list itself is given back too. */
    if (own->retired_count == 0 && own->retired_room > 4096) {
        free(own->retired);
        own->retired = NULL;
        own->retired_room = 0;
    }
}

static void retire_sized(struct store *store, unsigned slot, void *memory, size_t size)
{
    struct slot *own = &store->slots[slot];
    if (own->retired_count == own->retired_room) {
        size_t room = own->retired_room == 0 ? 64 : own->retired_room * 2;
        struct retired *larger = realloc(own->retired, room * sizeof *larger);
        if (larger == NULL)
            return; /* to lose the memory is the only safe thing left */
        own->retired = larger;
        own->retired_room = room;
    }
    own->retired[own->retired_count++] =
        (struct retired){memory, size, atomic_load_explicit(&store->epoch, memory_order_seq_cst)};
    own->retired_size += size;
}

static void retire(struct store *store, unsigned slot, void *memory)
{
    retire_sized(store, slot, memory, 0);
}

static void retire_value(struct store *store, unsigned slot, struct value *value)
{
    retire_sized(store, slot, value, value_bytes(value));
}

bool store_should_quiesce(const struct store *store, unsigned slot)
{
    return store->slots[slot].retired_size > QUIESCE_BYTES;
}

/* ---- create and free ---- */

static size_t power_of_two(size_t at_least)
{
    size_t size = 1024;
    while (size < at_least)
        size *= 2;
    return size;
}

struct store *store_create(const struct store_settings *settings)
{
    struct store *store = aligned_alloc(CACHE_LINE, sizeof *store);
    if (store == NULL)
        return NULL;
    memset(store, 0, sizeof *store);
    size_t buckets = power_of_two(settings->max_series);
    size_t metric_buckets = power_of_two(settings->max_series / 16);
    store->bucket_mask = buckets - 1;
    store->metric_mask = metric_buckets - 1;
    store->settings = *settings;
    store->buckets = map_zeroes(buckets * sizeof store->buckets[0]);
    store->metric_buckets = map_zeroes(metric_buckets * sizeof store->metric_buckets[0]);
    store->slots = aligned_alloc(CACHE_LINE, settings->slots * sizeof store->slots[0]);
    if (store->slots != NULL)
        memset(store->slots, 0, settings->slots * sizeof store->slots[0]);
    atomic_store(&store->epoch, 1);
    size_t random = 0;
    while (random < sizeof store->secret) {
        ssize_t got = getrandom(store->secret + random, sizeof store->secret - random, 0);
        if (got < 0)
            break;
        random += (size_t)got;
    }
    if (store->buckets == NULL || store->metric_buckets == NULL || store->slots == NULL ||
        random < sizeof store->secret) {
        store_free(store);
        return NULL;
    }
    return store;
}

static void free_series(struct series *series)
{
    if (series->counted != NULL)
        free(series->cells);
    else if (atomic_load(&series->value) != &dead_value)
        free(atomic_load(&series->value));
    free(series);
}

void store_free(struct store *store)
{
    if (store == NULL)
        return;
    struct stored_metric *metric = atomic_load(&store->metrics);
    while (metric != NULL) {
        struct stored_metric *next = atomic_load(&metric->next);
        struct series *series = atomic_load(&metric->fresh);
        while (series != NULL) {
            struct series *following = series->next_fresh;
            free_series(series);
            series = following;
        }
        for (size_t i = 0; i < metric->known_count; i++)
            free_series(metric->known[i]);
        free(metric->known);
        for (struct group *group = atomic_load(&metric->groups); group != NULL;) {
            struct group *following = atomic_load(&group->next);
            free(group);
            group = following;
        }
        free(metric);
        metric = next;
    }
    for (unsigned i = 0; store->slots != NULL && i < store->settings.slots; i++) {
        for (size_t j = 0; j < store->slots[i].retired_count; j++)
            free(store->slots[i].retired[j].memory);
        free(store->slots[i].retired);
    }
    free(store->slots);
    if (store->buckets != NULL)
        munmap((void *)store->buckets, (store->bucket_mask + 1) * sizeof store->buckets[0]);
    if (store->metric_buckets != NULL)
        munmap((void *)store->metric_buckets, (store->metric_mask + 1) * sizeof store->metric_buckets[0]);
    free(store);
}

/* ---- metrics ---- */

static uint64_t hash_of(const struct store *store, struct slice text)
{
    return XXH3_64bits_withSecret(text.at, text.length, store->secret, sizeof store->secret);
}

/* Count one more series of the metric; false where it is removed. */
static bool hold(atomic_long *series)
{
    long count = atomic_load_explicit(series, memory_order_relaxed);
    while (count >= 0)
        if (atomic_compare_exchange_weak_explicit(series, &count, count + 1, memory_order_acq_rel,
                                                  memory_order_relaxed))
            return true;
    return false;
}

static void release(atomic_long *series)
{
    atomic_fetch_sub_explicit(series, 1, memory_order_acq_rel);
}

/* The metric of this name, held for one more series, created where it is missing; NULL where memory is short. */
static struct stored_metric *take_metric(struct store *store, struct slice name, const struct metric *metric)
{
    uint64_t hash = hash_of(store, name);
    _Atomic(struct stored_metric *) *bucket = &store->metric_buckets[hash & store->metric_mask];
    struct stored_metric *fresh = NULL;
    for (;;) {
        struct stored_metric *head = atomic_load_explicit(bucket, memory_order_acquire);
        for (struct stored_metric *found = head; found != NULL;
             found = atomic_load_explicit(&found->next_in_bucket, memory_order_acquire)) {
            if (found->hash == hash && slice_equals((struct slice){found->name, found->name_length}, name) &&
                hold(&found->series)) {
                free(fresh);
                return found;
            }
        }
        if (fresh == NULL) {
            fresh = malloc(sizeof *fresh + name.length);
            if (fresh == NULL)
                return NULL;
            memset(fresh, 0, sizeof *fresh);
            atomic_store_explicit(&fresh->series, 1, memory_order_relaxed);
            fresh->metric = metric;
            fresh->hash = hash;
            fresh->name_length = (uint32_t)name.length;
            memcpy(fresh->name, name.at, name.length);
        }
        atomic_store_explicit(&fresh->next_in_bucket, head, memory_order_relaxed);
        /* Release the filled-in metric to the acquire in the loop above. */
        if (atomic_compare_exchange_strong_explicit(bucket, &head, fresh, memory_order_release, memory_order_relaxed))
            break;
    }
    struct stored_metric *first = atomic_load_explicit(&store->metrics, memory_order_relaxed);
    do {
        atomic_store_explicit(&fresh->next, first, memory_order_relaxed);
    } while (!atomic_compare_exchange_weak_explicit(&store->metrics, &first, fresh, memory_order_release,
                                                    memory_order_relaxed));
    atomic_fetch_add_explicit(&store->metric_count, 1, memory_order_relaxed);
    return fresh;
}

/* ---- series ---- */

/* What was at 0 on the last page before its entity ended has still to be seen with what it has. */
static uint64_t more_time(const struct store *store, const struct series *series)
{
    return series->starts_at_zero ? store->settings.zero_time : 0;
}

/* Is a counted series that was last seen then over? */
static bool is_over(const struct store *store, const struct series *series, uint64_t seen, uint64_t now)
{
    return metric_has_ended(series->counted) || (series->lifetime != 0 && seen + series->lifetime <= now) ||
           entities_is_over(store->settings.entities, series->entity, ENTITY_COUNTED, now - more_time(store, series));
}

/* Is a reported series with this value over? */
static bool has_outlived(const struct store *store, const struct series *series, const struct value *value,
                         uint64_t now)
{
    return (series->lifetime != 0 && value->seen + series->lifetime <= now) ||
           entities_is_over(store->settings.entities, series->entity, value->time, now - more_time(store, series));
}

static bool is_dead(const struct series *series)
{
    if (series->counted != NULL)
        return atomic_load_explicit(&series->cells->seen, memory_order_relaxed) == DEAD_SEEN;
    return atomic_load_explicit(&series->value, memory_order_relaxed) == &dead_value;
}

/* The bucket that an identity belongs to, and its hash. */
static _Atomic(struct series *) *bucket_of(const struct store *store, const struct identity *identity, uint64_t *hash)
{
    *hash = hash_of(store, (struct slice){identity->text, identity->length});
    return &store->buckets[*hash & store->bucket_mask];
}

static struct series *find_series(_Atomic(struct series *) *bucket, uint64_t hash, const struct identity *identity)
{
    struct series *series = atomic_load_explicit(bucket, memory_order_acquire);
    for (; series != NULL; series = atomic_load_explicit(&series->next_in_bucket, memory_order_acquire)) {
        if (series->hash == hash &&
            slice_equals((struct slice){series->labels, series->labels_length}, identity_labels(identity)) &&
            slice_equals((struct slice){series->group->metric->name, series->group->metric->name_length},
                         identity_name(identity)) &&
            !is_dead(series))
            return series;
    }
    return NULL;
}

/* ---- bounds ---- */

static bool has_room(const struct store *store, unsigned weight)
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

static void charge(struct store *store, struct group *group, long weight)
{
    atomic_fetch_add_explicit(&store->weight, weight, memory_order_relaxed);
    charge_group(store, group, weight);
}

/* Charge weight that max_series must have room for; false, with nothing taken even for a moment, where it has not. */
static bool take_weight(struct store *store, struct group *group, unsigned weight)
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

/* Has the group's app room for this much more? */
static bool has_app_room(const struct store *store, const struct group *group, unsigned weight)
{
    const struct store_settings *settings = &store->settings;
    return settings->max_app_series == 0 || group->app == ENTITY_NONE ||
           entities_add(settings->entities, group->app, ENTITY_LINES, 0) + (long)weight <=
               (long)settings->max_app_series;
}

/* Is there room for weight more in the bounds of app and metric?  CREATED: there is. */
static enum store_result check_bounds(struct store *store, struct group *group, unsigned weight,
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
    return has_app_room(store, group, weight) ? STORE_CREATED : STORE_APP_FULL;
}

/* ---- groups ---- */

/* The metric's group for an app, created where it is missing; NULL where memory is short.  The metric is held. */
static struct group *take_group(struct stored_metric *metric, entity_id app)
{
    struct group *fresh = NULL;
    struct group *head = atomic_load_explicit(&metric->groups, memory_order_acquire);
    for (;;) {
        for (struct group *group = head; group != NULL;
             group = atomic_load_explicit(&group->next, memory_order_acquire)) {
            if (group->app == app && hold(&group->series)) {
                free(fresh);
                return group;
            }
        }
        if (fresh == NULL && (fresh = calloc(1, sizeof *fresh)) == NULL)
            return NULL;
        fresh->metric = metric;
        fresh->app = app;
        atomic_store_explicit(&fresh->series, 1, memory_order_relaxed);
        atomic_store_explicit(&fresh->next, head, memory_order_relaxed);
        /* Release the filled-in group to the acquires here and in store_widest_label(). */
        if (atomic_compare_exchange_strong_explicit(&metric->groups, &head, fresh, memory_order_release,
                                                    memory_order_acquire))
            return fresh;
    }
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
    uint64_t hash = hash_of(store, name) | 1;
    for (unsigned i = 0; i < LABEL_PLACES; i++) {
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

static void note_labels(const struct store *store, struct group *group, const struct identity *identity)
{
    struct slice text = identity_labels(identity);
    struct label label;
    while (next_label(&text, &label)) {
        atomic_uint_least64_t *values = values_of(store, group, label.name, true);
        if (values != NULL)
            atomic_fetch_or_explicit(values, UINT64_C(1) << (hash_of(store, label.value) >> 58), memory_order_relaxed);
    }
}

/* One series more or, where change is -1, less. */
static void count_series(struct store *store, struct group *group, const struct series *series, long change)
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
    uint64_t hash = hash_of(store, name);
    struct stored_metric *metric =
        atomic_load_explicit(&store->metric_buckets[hash & store->metric_mask], memory_order_acquire);
    while (metric != NULL &&
           !(metric->hash == hash && slice_equals((struct slice){metric->name, metric->name_length}, name)))
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

/* What a series that is to be created is made of. */
struct birth {
    const struct metric *metric;
    struct value *value; /* owned by the series once it is created; NULL: a counted series */
    bool added_to;       /* what it has was added to 0 since it was born */
};

static size_t row_length(const struct metric *metric)
{
    return (metric->cells + ROW_CELLS - 1) / ROW_CELLS * ROW_CELLS;
}

static struct cells *allocate_cells(const struct store *store, const struct metric *metric, uint64_t now)
{
    size_t count = row_length(metric) * store->settings.slots;
    struct cells *cells = aligned_alloc(CACHE_LINE, sizeof *cells + count * sizeof cells->rows[0]);
    if (cells == NULL)
        return NULL;
    atomic_init(&cells->seen, now);
    for (size_t i = 0; i < count; i++)
        atomic_init(&cells->rows[i], 0);
    return cells;
}

/* Has a page shown the app of an entity?  Or any page, if it has none. */
static bool is_scraped(const struct store *store, entity_id entity)
{
    const struct entities *entities = store->settings.entities;
    uint64_t page = atomic_load_explicit(&store->last_page, memory_order_relaxed);
    return page != 0 && (entity == ENTITY_NONE || entities_since(entities, entities_app_of(entities, entity)) < page);
}

static struct series *allocate_series(struct store *store, const struct identity *identity, uint64_t hash,
                                      const struct birth *birth, const struct store_terms *terms)
{
    struct slice labels = identity_labels(identity);
    struct series *series = malloc(sizeof *series + labels.length);
    if (series == NULL)
        return NULL;
    if (birth->value != NULL) {
        series->counted = NULL;
        atomic_init(&series->value, birth->value);
    } else {
        series->counted = birth->metric;
        series->cells = allocate_cells(store, birth->metric, terms->now);
        if (series->cells == NULL) {
            free(series);
            return NULL;
        }
    }
    series->hash = hash;
    series->lifetime = (uint32_t)terms->lifetime;
    series->entity = terms->entity;
    series->exempt = terms->exempt;
    series->name_limited = terms->name_limited;
    series->overflow = terms->overflow;
    series->starts_at_zero = birth->added_to && is_scraped(store, terms->entity);
    series->born = terms->now;
    series->labels_length = (uint16_t)labels.length;
    memcpy(series->labels, labels.at, labels.length);
    return series;
}

/* Tell the maintenance thread of a series (or a chain of them, from newest to oldest): pairs with the exchange in
 * adopt_new(). */
static void list_new(struct stored_metric *metric, struct series *newest, struct series *oldest)
{
    oldest->next_fresh = atomic_load_explicit(&metric->fresh, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&metric->fresh, &oldest->next_fresh, newest, memory_order_release,
                                                  memory_order_relaxed))
        ;
}

/* Create the series that the bucket does not hold.  RECORDED: another thread was faster, look again. */
static enum store_result create_series(struct store *store, _Atomic(struct series *) *bucket,
                                       const struct identity *identity, uint64_t hash, const struct birth *birth,
                                       const struct store_terms *terms)
{
    unsigned weight = birth->value != NULL ? value_weight(birth->value) : birth->metric->cells;
    /* The weight is added when the series is there: who is slower at making the same one must not be refused for it. So
     * the bound may be passed by one new series of each recording thread. */
    if (!terms->exempt && !has_room(store, weight))
        return find_series(bucket, hash, identity) != NULL ? STORE_RECORDED : STORE_FULL;
    enum store_result result = STORE_NO_MEMORY;
    struct stored_metric *metric = take_metric(store, identity_name(identity), birth->metric);
    if (metric == NULL)
        return STORE_NO_MEMORY;
    if (birth->value == NULL && metric->metric == NULL) {
        result = STORE_OUTDATED; /* the name was chosen by somebody else */
        goto release_metric;
    }
    struct group *group = take_group(metric, terms->exempt ? ENTITY_NONE : terms->app);
    if (group == NULL)
        goto release_metric;
    enum store_result bounded = check_bounds(store, group, weight, terms);
    if (bounded != STORE_CREATED) {
        result = find_series(bucket, hash, identity) != NULL ? STORE_RECORDED : bounded;
        goto release_group;
    }
    struct series *series = allocate_series(store, identity, hash, birth, terms);
    if (series == NULL)
        goto release_group;
    series->group = group;

    struct series *head = atomic_load_explicit(bucket, memory_order_acquire);
    for (;;) {
        if (find_series(bucket, hash, identity) != NULL) {
            result = STORE_RECORDED;
            goto free_series;
        }
        atomic_store_explicit(&series->next_in_bucket, head, memory_order_relaxed);
        /* Release the filled-in series to the acquires in find_series().  The head was read before the search, so
         * success means that nothing came between that the search did not see. */
        if (atomic_compare_exchange_strong_explicit(bucket, &head, series, memory_order_release, memory_order_acquire))
            break;
    }
    /* Before the maintenance thread can know of the series and take its weight back. */
    if (!terms->exempt) {
        charge(store, group, (long)weight);
        count_series(store, group, series, 1);
        note_labels(store, group, identity);
    }
    list_new(metric, series, series);
    return STORE_CREATED;

free_series:
    if (series->counted != NULL)
        free(series->cells);
    free(series);
release_group:
    release(&group->series);
release_metric:
    release(&metric->series);
    return result;
}

static uint64_t refresh_interval(const struct series *series)
{
    uint64_t quarter = series->lifetime / 4;
    return quarter != 0 && quarter < REFRESH_INTERVAL ? quarter : REFRESH_INTERVAL;
}

/* Note that a counted series was seen; false where it is dead.  The note is renewed only when it is REFRESH_INTERVAL
 * old (or a quarter of a short lifetime), so the word is mostly read.  The series cannot be marked dead between this
 * and the adding that follows, unless the thread sleeps for the rest of the lifetime in between. */
static bool refresh(struct series *series, uint64_t now)
{
    uint64_t interval = refresh_interval(series);
    uint64_t seen = atomic_load_explicit(&series->cells->seen, memory_order_relaxed);
    while (seen != DEAD_SEEN && seen + interval <= now)
        if (atomic_compare_exchange_weak_explicit(&series->cells->seen, &seen, now, memory_order_acq_rel,
                                                  memory_order_relaxed))
            return true;
    return seen != DEAD_SEEN;
}

/* Mark a counted series dead; false where another thread did, or has seen it meanwhile. */
static bool mark_dead(struct store *store, struct series *series, uint64_t seen)
{
    if (seen == DEAD_SEEN || !atomic_compare_exchange_strong_explicit(&series->cells->seen, &seen, DEAD_SEEN,
                                                                      memory_order_acq_rel, memory_order_relaxed))
        return false;
    if (!series->exempt) {
        charge(store, series->group, -(long)series->counted->cells);
        count_series(store, series->group, series, -1);
    }
    return true;
}

/* Make place for a series of the same identity, where this one's metric has ended: see there.  Whether there is. */
static bool end_series(struct store *store, struct series *series)
{
    if (series->counted == NULL || !metric_has_ended(series->counted))
        return false;
    mark_dead(store, series, atomic_load_explicit(&series->cells->seen, memory_order_relaxed));
    return true;
}

/* Mark a series dead whose entity is over where the caller's is not: it was another's, or will be swept any moment. */
static bool evict(struct store *store, struct series *series, const struct store_terms *terms)
{
    struct entities *entities = store->settings.entities;
    if (series->entity == terms->entity || !entities_is_over(entities, series->entity, ENTITY_COUNTED, terms->now) ||
        entities_is_over(entities, terms->entity, ENTITY_COUNTED, terms->now))
        return false;
    mark_dead(store, series, atomic_load_explicit(&series->cells->seen, memory_order_relaxed));
    return true;
}

/* May a sample of metric be counted in a series of counted?  Two rules may give one metric other labels, and a label
 * without a value is none. */
static bool counts_alike(const struct metric *counted, const struct metric *metric)
{
    if (counted == metric)
        return true;
    if (counted == NULL || metric_has_ended(counted) || counted->self || metric->self || counted->label != NULL ||
        metric->label != NULL || counted->type != metric->type || counted->cells != metric->cells)
        return false;
    return counted->type != METRIC_HISTOGRAM ||
           memcmp(counted->bounds, metric->bounds, (metric->cells - 2) * sizeof metric->bounds[0]) == 0;
}

enum store_result store_counter(struct store *store, const struct identity *identity, const struct metric *metric,
                                const struct store_terms *terms, struct series **counter)
{
    uint64_t hash;
    _Atomic(struct series *) *bucket = bucket_of(store, identity, &hash);
    struct birth birth = {.metric = metric, .added_to = true};
    enum store_result result = STORE_RECORDED;
    for (;;) {
        *counter = find_series(bucket, hash, identity);
        if (*counter != NULL) {
            if (!counts_alike((*counter)->counted, metric)) {
                if (end_series(store, *counter))
                    continue;
                return STORE_OUTDATED; /* a series of another kind has this identity */
            }
            if (evict(store, *counter, terms))
                continue;
            if (refresh(*counter, terms->now))
                return result;
            continue;
        }
        result = create_series(store, bucket, identity, hash, &birth, terms);
        if (result != STORE_RECORDED && result != STORE_CREATED)
            return result;
    }
}

void store_add(struct series *counter, unsigned slot, unsigned cell, double amount)
{
    _Atomic(double) *own = &counter->cells->rows[slot * row_length(counter->counted) + cell];
    /* Relaxed: nobody else writes this cell, and readers want no more than some recent sum. */
    atomic_store_explicit(own, atomic_load_explicit(own, memory_order_relaxed) + amount, memory_order_relaxed);
}

enum store_result store_count(struct store *store, unsigned slot, const struct identity *identity,
                              const struct metric *metric, unsigned cell, double amount,
                              const struct store_terms *terms)
{
    struct series *counter;
    enum store_result result = store_counter(store, identity, metric, terms, &counter);
    if (result == STORE_RECORDED || result == STORE_CREATED)
        store_add(counter, slot, cell, amount);
    return result;
}

/* Replace the value of a known series.  RECORDED or why not; OUTDATED with *dead set where the series has died. */
static enum store_result replace_value(struct store *store, unsigned slot, struct series *series,
                                       const struct value *update, bool incremental, bool *dead)
{
    struct value *old = atomic_load_explicit(&series->value, memory_order_acquire);
    for (;;) {
        if (old == &dead_value) {
            *dead = true;
            return STORE_OUTDATED;
        }
        bool over = has_outlived(store, series, old, update->seen);
        /* What cannot be added replaces, as an absolute value does, and must be as new. */
        bool adds = !over && incremental && value_adds(old, update);
        if (!over && !adds && update->time < old->time)
            return STORE_OUTDATED;
        bool continues = !over && value_continues(old, update);
        struct value *next = value_merge(adds || continues ? old : NULL, update);
        if (next == NULL)
            return STORE_TOO_LARGE;

        unsigned weight = series->exempt ? 0 : value_weight(old);
        unsigned needed = series->exempt ? 0 : value_weight(next);
        if (needed > weight && !series->overflow && !has_app_room(store, series->group, needed - weight)) {
            free(next);
            return STORE_APP_FULL;
        }
        if (needed > weight && !take_weight(store, series->group, needed - weight)) {
            free(next);
            struct value *present = atomic_load_explicit(&series->value, memory_order_acquire);
            if (present == old)
                return STORE_FULL;
            old = present; /* another thread changed it: it may take less now */
            continue;
        }
        /* Release the filled-in value to the acquires of readers and of the next writer. */
        if (atomic_compare_exchange_strong_explicit(&series->value, &old, next, memory_order_acq_rel,
                                                    memory_order_acquire)) {
            if (needed < weight)
                charge(store, series->group, (long)needed - (long)weight);
            retire_value(store, slot, old);
            return STORE_RECORDED;
        }
        if (needed > weight)
            charge(store, series->group, (long)weight - (long)needed);
        free(next);
    }
}

enum store_result store_update(struct store *store, unsigned slot, const struct identity *identity,
                               const struct metric *metric, struct value *update, bool incremental,
                               const struct store_terms *terms)
{
    update->seen = terms->now;
    uint64_t hash;
    _Atomic(struct series *) *bucket = bucket_of(store, identity, &hash);
    for (;;) {
        struct series *series = find_series(bucket, hash, identity);
        if (series != NULL) {
            if (series->counted != NULL)
                return STORE_OUTDATED;
            bool dead = false;
            enum store_result result = replace_value(store, slot, series, update, incremental, &dead);
            if (!dead)
                return result;
            continue;
        }
        struct value *first = value_merge(NULL, update);
        if (first == NULL)
            return STORE_TOO_LARGE;
        struct birth birth = {.metric = metric, .value = first, .added_to = incremental};
        enum store_result result = create_series(store, bucket, identity, hash, &birth, terms);
        if (result == STORE_CREATED)
            return result;
        free(first);
        if (result != STORE_RECORDED)
            return result;
    }
}

/* ---- the maintenance thread ---- */

void store_usage(const struct store *store, struct store_usage *usage)
{
    usage->metrics = atomic_load_explicit(&store->metric_count, memory_order_relaxed);
    long weight = atomic_load_explicit(&store->weight, memory_order_relaxed);
    usage->series = weight > 0 ? (size_t)weight : 0;
    usage->limit = store->settings.max_series;
    usage->expired = atomic_load_explicit(&store->expired, memory_order_relaxed);
}

size_t store_metrics(const struct store *store, struct store_metric_view *views, size_t room)
{
    size_t count = 0;
    for (struct stored_metric *metric = atomic_load_explicit(&store->metrics, memory_order_acquire); metric != NULL;
         metric = atomic_load_explicit(&metric->next, memory_order_acquire)) {
        if (count < room)
            views[count] = (struct store_metric_view){{metric->name, metric->name_length}, metric->metric, metric};
        count++;
    }
    return count;
}

static void add_rows(const struct store *store, const struct series *series, double *sums)
{
    size_t row = row_length(series->counted);
    for (unsigned cell = 0; cell < series->counted->cells; cell++) {
        sums[cell] = 0;
        for (unsigned slot = 0; slot < store->settings.slots; slot++)
            sums[cell] += atomic_load_explicit(&series->cells->rows[slot * row + cell], memory_order_relaxed);
    }
}

/* Put the fresh series of a metric behind the known ones.  Where memory is short they stay fresh. */
static void adopt_new(struct stored_metric *metric)
{
    if (atomic_load_explicit(&metric->fresh, memory_order_relaxed) == NULL)
        return;
    struct series *newest = atomic_exchange_explicit(&metric->fresh, NULL, memory_order_acquire);
    struct series *oldest = newest;
    size_t count = 1;
    for (; oldest->next_fresh != NULL; oldest = oldest->next_fresh)
        count++;
    if (metric->known_count + count > metric->known_room) {
        size_t room =
            metric->known_room * 2 > metric->known_count + count ? metric->known_room * 2 : metric->known_count + count;
        struct series **larger = realloc(metric->known, room * sizeof *larger);
        if (larger == NULL) {
            list_new(metric, newest, oldest);
            return;
        }
        metric->known = larger;
        metric->known_room = room;
    }
    metric->known_count += count;
    size_t at = metric->known_count;
    for (struct series *series = newest; series != NULL; series = series->next_fresh)
        metric->known[--at] = series;
}

void store_note_page(struct store *store, uint64_t now)
{
    atomic_store_explicit(&store->last_page, now, memory_order_relaxed);
}

bool store_look_up(const struct store *store, const struct identity *identity, struct store_series_view *view)
{
    uint64_t hash;
    _Atomic(struct series *) *bucket = bucket_of(store, identity, &hash);
    struct series *series = find_series(bucket, hash, identity);
    if (series == NULL)
        return false;
    *view = (struct store_series_view){.labels = {series->labels, series->labels_length}, .metric = series->counted};
    if (series->counted == NULL)
        view->value = atomic_load_explicit(&series->value, memory_order_acquire);
    return view->value != &dead_value;
}

enum {
    AHEAD = 8,   /* how many series ahead of its work a walk asks for memory */
    PAUSE = 128, /* after how many series it lets others free theirs */
};

bool store_each_series(struct store *store, unsigned slot, const void *handle, uint64_t now,
                       bool (*visit)(void *context, const struct store_series_view *series), void *context)
{
    struct stored_metric *metric = (struct stored_metric *)handle;
    double sums[METRIC_CELLS_MAX];
    adopt_new(metric);
    for (size_t i = 0; i < metric->known_count; i++) {
        struct series *series = metric->known[i];
        /* Only the maintenance thread frees metrics and series, so it may be seen outside here: it holds no value. */
        if (i % PAUSE == PAUSE - 1)
            store_enter(store, slot);
        if (i + 2 * AHEAD < metric->known_count) {
            const char *ahead = (const char *)metric->known[i + 2 * AHEAD];
            __builtin_prefetch(ahead);
            __builtin_prefetch(ahead + CACHE_LINE);
            /* The value of a nearer one, or the cells: what it is does not matter here. */
            __builtin_prefetch(atomic_load_explicit(&metric->known[i + AHEAD]->value, memory_order_relaxed));
        }
        struct store_series_view view = {.labels = {series->labels, series->labels_length},
                                         .born = series->born,
                                         .starts_at_zero = series->starts_at_zero};
        bool alive;
        if (series->counted != NULL) {
            uint64_t seen = atomic_load_explicit(&series->cells->seen, memory_order_relaxed);
            alive = seen != DEAD_SEEN && !is_over(store, series, seen, now);
            if (alive) {
                add_rows(store, series, sums);
                view.metric = series->counted;
                view.cells = sums;
            }
        } else {
            view.value = atomic_load_explicit(&series->value, memory_order_acquire);
            alive = view.value != &dead_value && !has_outlived(store, series, view.value, now);
        }
        if (alive && !visit(context, &view))
            return false;
    }
    return true;
}

/* Mark a series dead if it is over, and give its weight back.  Its value, if any, is retired.  Whether it is dead. */
static bool kill_series(struct store *store, unsigned slot, struct series *series, uint64_t now)
{
    if (series->counted != NULL) {
        uint64_t seen = atomic_load_explicit(&series->cells->seen, memory_order_relaxed);
        /* One that was seen just now may be refreshed without a note of it; see refresh(). */
        return seen == DEAD_SEEN || (seen + refresh_interval(series) <= now && is_over(store, series, seen, now) &&
                                     mark_dead(store, series, seen));
    }
    struct value *value = atomic_load_explicit(&series->value, memory_order_acquire);
    if (!has_outlived(store, series, value, now) ||
        !atomic_compare_exchange_strong_explicit(&series->value, &value, &dead_value, memory_order_acq_rel,
                                                 memory_order_relaxed))
        return false;
    if (!series->exempt) {
        charge(store, series->group, -(long)value_weight(value));
        count_series(store, series->group, series, -1);
    }
    retire_value(store, slot, value);
    return true;
}

/* Unlink an item from a list that others push to at the head and only the maintenance thread cuts. */
#define UNLINK(list_head, item, link)                                                                             \
    do {                                                                                                          \
        __auto_type unlink_after = atomic_load_explicit(&(item)->link, memory_order_acquire);                     \
        __auto_type unlink_at = (item);                                                                           \
        if (!atomic_compare_exchange_strong_explicit((list_head), &unlink_at, unlink_after, memory_order_acq_rel, \
                                                     memory_order_acquire)) {                                     \
            for (;;) {                                                                                            \
                __auto_type unlink_next = atomic_load_explicit(&unlink_at->link, memory_order_acquire);           \
                if (unlink_next == (item)) {                                                                      \
                    atomic_store_explicit(&unlink_at->link, unlink_after, memory_order_release);                  \
                    break;                                                                                        \
                }                                                                                                 \
                unlink_at = unlink_next;                                                                          \
            }                                                                                                     \
        }                                                                                                         \
    } while (0)

static void sweep_metric(struct store *store, unsigned slot, struct stored_metric *metric, uint64_t now)
{
    adopt_new(metric);
    size_t kept = 0;
    for (size_t i = 0; i < metric->known_count; i++) {
        struct series *series = metric->known[i];
        if (!kill_series(store, slot, series, now)) {
            metric->known[kept++] = series;
            continue;
        }
        UNLINK(&store->buckets[series->hash & store->bucket_mask], series, next_in_bucket);
        atomic_fetch_add_explicit(&store->expired, 1, memory_order_relaxed);
        if (series->counted != NULL)
            retire(store, slot, series->cells);
        release(&series->group->series);
        retire(store, slot, series);
        release(&metric->series);
    }
    metric->known_count = kept;
    for (struct group *group = atomic_load_explicit(&metric->groups, memory_order_acquire); group != NULL;) {
        struct group *next = atomic_load_explicit(&group->next, memory_order_acquire);
        long none = 0;
        if (atomic_compare_exchange_strong_explicit(&group->series, &none, -1, memory_order_acq_rel,
                                                    memory_order_relaxed)) {
            UNLINK(&metric->groups, group, next);
            retire(store, slot, group);
        }
        group = next;
    }
    /* After a peak the list is given back as well. */
    if (kept < metric->known_room / 4) {
        struct series **smaller = kept == 0 ? NULL : realloc(metric->known, kept * sizeof *smaller);
        if (kept == 0)
            free(metric->known);
        if (kept == 0 || smaller != NULL) {
            metric->known = smaller;
            metric->known_room = kept;
        }
    }
}

void store_sweep(struct store *store, unsigned slot, uint64_t now)
{
    struct stored_metric *previous = NULL; /* the last one that stayed: pushed before it is only what is new */
    struct stored_metric *metric = atomic_load_explicit(&store->metrics, memory_order_acquire);
    while (metric != NULL) {
        struct stored_metric *next = atomic_load_explicit(&metric->next, memory_order_acquire);
        sweep_metric(store, slot, metric, now);
        long none = 0;
        if (atomic_compare_exchange_strong_explicit(&metric->series, &none, -1, memory_order_acq_rel,
                                                    memory_order_relaxed)) {
            UNLINK(&store->metric_buckets[metric->hash & store->metric_mask], metric, next_in_bucket);
            if (previous != NULL)
                atomic_store_explicit(&previous->next, next, memory_order_release);
            else
                UNLINK(&store->metrics, metric, next);
            free(metric->known);
            atomic_fetch_sub_explicit(&store->metric_count, 1, memory_order_relaxed);
            for (struct group *group = atomic_load_explicit(&metric->groups, memory_order_acquire); group != NULL;
                 group = atomic_load_explicit(&group->next, memory_order_acquire))
                retire(store, slot, group);
            retire(store, slot, metric);
        } else
            previous = metric;
        metric = next;
    }
}
