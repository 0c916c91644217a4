/* What the files of the store share; for nobody else.  store.h has the argument that it all rests on. */
#ifndef STORE_INTERNAL_H
#define STORE_INTERNAL_H

#include <stdatomic.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "store/buckets.h"
#include "store/cells.h"
#include "store/epoch.h"
#include "store/list.h"
#include "store/store.h"

enum { CACHE_LINE = 64 };

/* The series of one metric that belong to one app. */
enum { LABEL_SLOTS = 16 };
struct group {
    _Atomic(struct group *) next; /* of the metric's */
    _Atomic(struct group *) next_in_bucket;
    _Atomic(struct group *) next_of_app; /* in its app's list: see group_list_of() */
    struct series *known; /* its series that the maintenance thread has met, linked by next; that thread's own */
    bool has_removed;     /* of them, some are gone and have still to be cut out; likewise, as the next */
    struct group *next_to_cut;
    struct stored_metric *metric;
    entity_id app;
    bool chosen;           /* the app chose the name; otherwise it is ours */
    atomic_long series;    /* how many exist or are about to; -1: removed */
    atomic_long named;     /* those of them that have a limited name */
    atomic_long overflows; /* those that others share */
    atomic_long weight;
    /* Which values the labels of its series have had: for the hash of a label's name (0: free), a bit for the hash of
     * each value.  The more bits, the more values. */
    struct {
        atomic_uint_least64_t name;
        atomic_uint_least64_t values;
    } labels[LABEL_SLOTS];
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
    size_t known_capacity;
    _Atomic(const struct metric *) metric; /* what the name is in force as, or was last; NULL: only apps chose it */
    atomic_uint types;                     /* that its series have, or have had: bits, see stored_metric_note_type() */
    uint64_t hash;
    uint32_t name_length;
    char name[];
};

/* Behind it in memory: the text of its labels; of a counted series, before that, when it was last seen. */
struct series {
    _Atomic(struct series *) next_in_bucket;
    struct series *next; /* among its metric's fresh ones; then, with SERIES_REMOVED, among its group's known ones */
    struct group *group;
    _Atomic(const struct metric *) metric; /* whose samples were recorded here last; NULL: an app's.  That of a counted
                                              series changes once at most, if it was restored: see restore.h */
    union {
        _Atomic(struct value *) value; /* of a reported series; or &store_dead_value */
        _Atomic(double) *cells;        /* of a counted one: see cells.h */
    };
    uint64_t born : 39; /* milliseconds of the monotonic clock: 17 years of them */
    uint64_t labels_length : 13;
    uint64_t position : 7; /* of its cells */
    bool counted : 1;
    bool starts_at_zero : 1;
    bool exempt : 1;
    bool name_limited : 1;
    bool overflow : 1;
    uint32_t hash : 31; /* see series_bucket() */
    uint32_t zero : 1;  /* it was made before there was anything to say */
    uint32_t lifetime;
    entity_id entity;
    char tail[];
};
#define SERIES_HASH_MASK (UINT32_MAX >> 1)
_Static_assert(IDENTITY_TEXT_MAX < 1 << 13 && CELLS_ROW <= 1 << 7, "a series' bit-fields hold them");

/* A series that was removed, and whose group has not cut it out yet, has this bit in the word of its link: it has none
 * to spare elsewhere. */
#define SERIES_REMOVED ((uintptr_t)1)

static inline struct series *series_next(const struct series *series)
{
    return (struct series *)((uintptr_t)series->next & ~SERIES_REMOVED);
}

extern struct value store_dead_value;
#define DEAD_SEEN UINT64_MAX

/* Length of store->app_groups, a power of two: few apps share a list, however many there are. */
enum { APP_LISTS = 1 << 17 };

/* Whose lines a part of max_series is kept for. */
enum { RESERVE_OTHERS, RESERVE_CONFIGURED, RESERVES };

struct store {
    struct buckets buckets;
    _Atomic(struct stored_metric *) *metric_buckets;
    _Atomic(struct group *) *group_buckets; /* of all metrics: of one, thousands of apps can have series */
    _Atomic(struct group *) *app_groups;    /* lists of groups by the slot of their app, modulo the length */
    size_t metric_mask;
    size_t group_mask;
    struct store_settings settings;
    unsigned char secret[XXH3_SECRET_SIZE_MIN]; /* so that nobody can choose names that share a bucket */
    struct epochs epochs;
    struct cell_pool cells;
    struct reserve {
        atomic_long lines; /* of max_series that nothing else may take; 0: none */
        atomic_long share; /* for each app: of the lines that it chose, and as many of ours */
        _Alignas(CACHE_LINE) atomic_long used;
    } reserves[RESERVES]; /* see limits.c */
    _Alignas(CACHE_LINE)
        atomic_long weight; /* below 0 for a moment, when a new series shrinks before its own weight is added */
    atomic_size_t metric_count;
    atomic_uint_least64_t expired;
    atomic_uint_least64_t removals; /* series that were unlinked: see HOLDING */
    _Atomic(struct stored_metric *) metrics;
    struct store_walk *walks; /* that have begun; the maintenance thread's */
};

static inline uint64_t store_hash(const struct store *store, struct slice text)
{
    return XXH3_64bits_withSecret(text.at, text.length, store->secret, sizeof store->secret);
}

static inline struct slice stored_metric_name(const struct stored_metric *metric)
{
    return (struct slice){metric->name, metric->name_length};
}

static inline const struct metric *series_metric(const struct series *series)
{
    return atomic_load_explicit(&series->metric, memory_order_acquire);
}

/* When a counted series was last recorded, see refresh(); or DEAD_SEEN. */
static inline atomic_uint_least64_t *series_seen(const struct series *series)
{
    return (atomic_uint_least64_t *)(uintptr_t)(series + 1);
}

/* Where the labels stand in a series, from its begin. */
static inline size_t series_labels_offset(bool counted)
{
    return counted ? sizeof(struct series) + sizeof(atomic_uint_least64_t) : offsetof(struct series, tail);
}

static inline struct slice series_labels(const struct series *series)
{
    return (struct slice){(const char *)series + series_labels_offset(series->counted), series->labels_length};
}

/* ---- metrics and groups (stored_metric.c) ---- */

/* A series of a metric is about to be of this type, a reported or a counted one: before anybody can see it so. */
enum { COUNTED_TYPE = 16 }; /* what is added to the type of a counted one */
static inline void stored_metric_note_type(struct stored_metric *metric, unsigned type)
{
    if ((atomic_load_explicit(&metric->types, memory_order_relaxed) >> type & 1) == 0)
        atomic_fetch_or_explicit(&metric->types, 1U << type, memory_order_relaxed);
}

/* Count one more series of a metric or group; false if it is removed. */
bool count_hold(atomic_long *series);
void count_release(atomic_long *series);

/* Is there a metric of this name?  Inside the store. */
bool stored_metric_is_known(const struct store *store, struct slice name);

/* The metric of this name, held for one more series of metric, created if it is missing; NULL if memory is short. */
struct stored_metric *stored_metric_hold(struct store *store, struct slice name, const struct metric *metric);

/* Free a metric that no thread can hold, and its groups. */
void stored_metric_free(void *metric);

/* The metric's group for an app, likewise.  The metric is held. */
struct group *group_hold(struct store *store, struct stored_metric *metric, entity_id app, bool chosen);

/* The group that there is; NULL if there is none. */
struct group *group_find(const struct store *store, const struct stored_metric *metric, entity_id app, bool chosen);

/* Groups are found in this bucket. */
_Atomic(struct group *) *group_bucket(const struct store *store, const struct stored_metric *metric, entity_id app);

/* The list that holds all groups of an app, with those of a few others. */
_Atomic(struct group *) *group_list_of(const struct store *store, entity_id app);

/* ---- limits (limits.c) ---- */

/* Set the reserves that the settings ask for. */
void limits_start(struct store *store);

/* Is there room in max_series for a new series of this weight? */
bool limits_has_room(const struct store *store, unsigned weight);

/* May a new series of this weight be made, as far as its app and its metric are concerned?  CREATED: it may. */
enum store_result limits_check(struct store *store, struct group *group, unsigned weight,
                               const struct store_terms *terms);

/* Which account of its app a group's series is charged to. */
static inline enum entity_account account_for(const struct group *group, bool zero)
{
    return zero ? ENTITY_ZERO_LINES : group->chosen ? ENTITY_CHOSEN_LINES : ENTITY_OUR_LINES;
}

static inline enum entity_account series_account(const struct series *series)
{
    return account_for(series->group, series->zero);
}

/* May a group's series grow by this weight?  CREATED: they may. */
enum store_result limits_check_growth(struct store *store, const struct group *group, enum entity_account account,
                                      unsigned weight);

/* Add weight, or take it back if it is negative, to what the store, a group and the account of its app hold. */
void limits_charge(struct store *store, struct group *group, enum entity_account account, long weight);

/* Charge weight that max_series must have room for; false, with nothing taken even for a moment, if it has not. */
bool limits_take(struct store *store, struct group *group, enum entity_account account, unsigned weight);

/* One series more or, if change is -1, less. */
void limits_count_series(struct store *store, struct group *group, const struct series *series, long change);

/* Remember which values the labels of a new series have, for store_widest_label(). */
void limits_note_labels(const struct store *store, struct group *group, const struct identity *identity);

/* ---- series (series.c) ---- */

/* The bucket that an identity belongs to, and its hash: 31 bits of it, more than there can be buckets. */
static inline _Atomic(struct series *) *series_bucket(const struct store *store, const struct identity *identity,
                                                      uint32_t *hash)
{
    *hash = (uint32_t)store_hash(store, (struct slice){identity->text, identity->length}) & SERIES_HASH_MASK;
    return bucket_of(&store->buckets, *hash);
}

/* The series of this identity that is not dead, or NULL. */
struct series *series_find(_Atomic(struct series *) *bucket, uint32_t hash, const struct identity *identity);

/* What a series that is to be created is made of. */
struct birth {
    const struct metric *metric;
    struct value *value; /* owned by the series once it is created; NULL: a counted series */
    bool added_to;       /* what it has is added to 0 */
    struct series *created;
};

/* Create the series that the bucket does not hold: birth->created.  RECORDED: another thread was faster, look again. */
enum store_result series_create(struct store *store, _Atomic(struct series *) *bucket, const struct identity *identity,
                                uint32_t hash, struct birth *birth, const struct store_terms *terms);

/* Put a series, or a chain of them from newest to oldest, where the maintenance thread finds it: pairs with the
 * exchange in adopt_new(). */
void series_list_new(struct stored_metric *metric, struct series *newest, struct series *oldest);

/* Free a series (struct series) at once: nobody may be able to reach it. */
void series_free(void *series);

/* Is a counted series that was last seen then over? */
bool series_is_over(const struct store *store, const struct series *series, uint64_t seen, uint64_t now);

/* Milliseconds for which a series outlives its entity: what was at 0 on the last page before the end has still to be
 * seen with what it has. */
static inline uint64_t series_more_time(const struct store *store, const struct series *series)
{
    return series->starts_at_zero ? store->settings.zero_time : 0;
}

/* Is a series over that was last recorded then, whatever became of its entity? */
static inline bool series_has_expired(const struct series *series, uint64_t seen, uint64_t now)
{
    return series->lifetime != 0 && seen + series->lifetime <= now;
}

/* Is a reported series with this value over? */
static inline bool series_has_outlived(const struct store *store, const struct series *series,
                                       const struct value *value, uint64_t now)
{
    return series_has_expired(series, value->seen, now) ||
           entities_is_over_after(store->settings.entities, series->entity, value->time, now,
                                  series_more_time(store, series));
}

/* Mark a counted series dead that was last seen then, and take its weight back; false if another thread did, or has
 * seen it meanwhile. */
bool series_end_counted(struct store *store, struct series *series, uint64_t seen);

/* The same for a reported series with this value, which is retired (epoch_reserve()); false if another thread did, or
 * has replaced it. */
bool series_end_reported(struct store *store, unsigned slot, struct series *series, struct value *value);

/* How old (milliseconds) the time that a counted series was last seen at must be before it is noted again. */
uint64_t series_refresh_interval(const struct series *series);

#endif
