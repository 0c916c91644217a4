#include <stdlib.h>

#include "store/store_internal.h"

/* ---- walk ---- */

size_t store_metrics(const struct store *store, struct store_metric_view *views, size_t capacity)
{
    size_t count = 0;
    for (struct stored_metric *metric = atomic_load_explicit(&store->metrics, memory_order_acquire); metric != NULL;
         metric = atomic_load_explicit(&metric->next, memory_order_acquire)) {
        if (metric->known_count == 0 && atomic_load_explicit(&metric->fresh, memory_order_relaxed) == NULL)
            continue;
        if (count < capacity)
            views[count] = (struct store_metric_view){
                stored_metric_name(metric), atomic_load_explicit(&metric->metric, memory_order_acquire), metric};
        count++;
    }
    return count;
}

size_t store_metrics_of(const struct store *store, const struct store_scope *scope, struct store_metric_view *views,
                        size_t capacity)
{
    size_t count = 0;
    for (unsigned i = 0; i < scope->count; i++) {
        struct group *group = atomic_load_explicit(group_list_of(store, scope->apps[i]), memory_order_acquire);
        for (; group != NULL; group = atomic_load_explicit(&group->next_of_app, memory_order_acquire)) {
            if (group->app != scope->apps[i])
                continue;
            const struct stored_metric *metric = group->metric;
            if (count < capacity)
                views[count] = (struct store_metric_view){
                    stored_metric_name(metric), atomic_load_explicit(&metric->metric, memory_order_acquire), metric};
            count++;
        }
    }
    return count;
}

static inline void add_up(const struct store *store, const struct series *series, const struct metric *metric,
                          double *sums)
{
    unsigned count = metric->cells, slots = store->settings.slots;
    for (unsigned cell = 0; cell < count; cell++) {
        _Atomic(double) *own = series->cells + cell;
        double sum = 0;
        for (unsigned slot = 0; slot < slots; slot++)
            sum += atomic_load_explicit(cells_of_slot(own, slot), memory_order_relaxed);
        sums[cell] = sum;
    }
}

/* Put a series among those of its group.  Returns the next one of the list that it was on. */
static struct series *move_to_group(struct series *series)
{
    struct series *next = series->next;
    series->next = series->group->known;
    series->group->known = series;
    return next;
}

/* Put the fresh series of a metric behind the known ones.  False if memory is short: they stay fresh. */
static bool adopt_new(struct stored_metric *metric)
{
    if (atomic_load_explicit(&metric->fresh, memory_order_relaxed) == NULL)
        return true;
    struct series *newest = atomic_exchange_explicit(&metric->fresh, NULL, memory_order_acquire);
    struct series *oldest = newest;
    size_t count = 1;
    for (; oldest->next != NULL; oldest = oldest->next)
        count++;
    if (metric->known_count + count > metric->known_capacity) {
        size_t capacity = metric->known_capacity * 2 > metric->known_count + count ? metric->known_capacity * 2
                                                                                   : metric->known_count + count;
        struct series **larger = realloc(metric->known, capacity * sizeof *larger);
        if (larger == NULL) {
            series_list_new(metric, newest, oldest);
            return false;
        }
        metric->known = larger;
        metric->known_capacity = capacity;
    }
    metric->known_count += count;
    size_t at = metric->known_count;
    for (struct series *series = newest; series != NULL; series = move_to_group(series))
        metric->known[--at] = series;
    return true;
}

/* Tell what is known of a series whatever it is worth.  Word by word: of a view that is made elsewhere and copied,
 * the words are loaded in pairs before they have arrived, which a walk waits for. */
static inline void describe(const struct series *series, bool counted, struct store_series_view *view)
{
    view->labels.at = (const char *)series + series_labels_offset(counted);
    view->labels.length = series->labels_length;
    view->value = NULL;
    view->metric = NULL;
    view->cells = NULL;
    view->born = series->born;
    view->starts_at_zero = series->starts_at_zero;
    view->entity = series->entity;
    view->maker = series_metric(series);
    view->series = series;
}

bool store_look_up(const struct store *store, const struct identity *identity, struct store_series_view *view)
{
    uint32_t hash;
    _Atomic(struct series *) *bucket = series_bucket(store, identity, &hash);
    struct series *series = series_find(bucket, hash, identity);
    if (series == NULL)
        return false;
    describe(series, series->counted, view);
    if (series->counted)
        view->metric = view->maker;
    else
        view->value = atomic_load_explicit(&series->value, memory_order_acquire);
    return view->value != &store_dead_value;
}

enum {
    AHEAD = 8,   /* how many series ahead of its work a walk asks for memory */
    PAUSE = 128, /* after how many series it lets others free theirs */
};

/* Ask for the memory of the series of a metric that come next.  Most lie in three cache lines, with their labels.  The
 * last one takes as long to come as a line takes to be written: a page of counters took 2.5 times as long without it.
 */
static inline void prefetch(const struct store *store, const struct stored_metric *metric, size_t at, size_t end)
{
    if (at + 2 * AHEAD >= end)
        return;
    const char *far = (const char *)metric->known[at + 2 * AHEAD];
    for (unsigned line = 0; line < 3; line++)
        __builtin_prefetch(far + line * CACHE_LINE);
    /* The value of a nearer one, or its cells in all slots. */
    const struct series *near = metric->known[at + AHEAD];
    __builtin_prefetch(atomic_load_explicit(&near->value, memory_order_relaxed));
    for (unsigned slot = 1; near->counted && slot < store->settings.slots; slot++)
        __builtin_prefetch(cells_of_slot(near->cells, slot));
}

/* The next series of the app's groups; NULL at the end.  Of an app, a metric has those that it chose, and ours. */
static struct series *step_in_scope(const struct store *store, struct store_walk *walk)
{
    while (walk->ahead == NULL && walk->at < walk->end) {
        size_t i = walk->at++;
        const struct group *group = group_find(store, walk->handle, walk->scope.apps[i / 2], i % 2 == 1);
        if (group != NULL)
            walk->ahead = group->known;
    }
    struct series *series = walk->ahead;
    if (series != NULL)
        walk->ahead = series_next(series);
    return series;
}

/* The next series of a walk; NULL at the end. */
static inline struct series *step(const struct store *store, struct store_walk *walk)
{
    const struct stored_metric *metric = walk->handle;
    if (walk->scope.count > 0)
        return step_in_scope(store, walk);
    if (walk->at == walk->end)
        return NULL;
    prefetch(store, metric, walk->at, walk->end);
    return metric->known[walk->at++];
}

/* What was found out about the ends of entities: many series are of the same. */
enum { KNOWN_ENDS = 16 };
struct known_end {
    uint64_t whose; /* 0: nothing is known here */
    int64_t over_until;
};

/* The latest time of which what there is of a series is over for its entity's sake. */
static inline int64_t over_until(const struct store *store, struct known_end *ends, const struct series *series,
                                 bool counted, uint64_t now)
{
    if (series->entity == ENTITY_NONE)
        return INT64_MIN;
    struct known_end *end = &ends[entity_slot(series->entity) % KNOWN_ENDS];
    uint64_t whose = (uint64_t)series->entity << 2 | (uint64_t)series->starts_at_zero << 1 | counted;
    if (end->whose != whose)
        *end = (struct known_end){whose, entities_over_until(store->settings.entities, series->entity, counted, now,
                                                             series_more_time(store, series))};
    return end->over_until;
}

/* Fill the view of a series that is alive; false if it is not.  sums: for its cells. */
static inline bool look(const struct store *store, const struct series *series, struct known_end *ends, uint64_t now,
                        double *sums, struct store_series_view *view)
{
    bool counted = series->counted;
    describe(series, counted, view);
    int64_t over = over_until(store, ends, series, counted, now);
    if (!counted) {
        const struct value *value = atomic_load_explicit(&series->value, memory_order_acquire);
        view->value = value;
        return value != &store_dead_value && !series_has_expired(series, value->seen, now) && value->time > over;
    }
    uint64_t seen = atomic_load_explicit(series_seen(series), memory_order_relaxed);
    if (seen == DEAD_SEEN || metric_has_ended(view->maker) || series_has_expired(series, seen, now) ||
        over == ENTITY_COUNTED)
        return false;
    add_up(store, series, view->maker, sums);
    view->metric = view->maker;
    view->cells = sums;
    return true;
}

bool store_walk_on(struct store *store, unsigned slot, struct store_walk *walk, uint64_t now,
                   bool (*visit)(void *context, const struct store_series_view *series), void *context)
{
    struct known_end ends[KNOWN_ENDS] = {0};
    double sums[METRIC_CELLS_MAX];
    struct store_series_view view;
    struct series *series;
    for (size_t i = 0; (series = step(store, walk)) != NULL; i++) {
        /* Only the maintenance thread frees metrics and series, so it may be seen outside here: it holds no value. */
        if (i % PAUSE == PAUSE - 1)
            store_enter(store, slot);
        if (look(store, series, ends, now, sums, &view) && !visit(context, &view))
            return false;
    }
    return true;
}

/* A walk over a metric's series; false if memory is short. */
static bool aim(struct store_walk *walk, const void *handle, const struct store_scope *scope)
{
    struct stored_metric *metric = (struct stored_metric *)handle;
    if (!adopt_new(metric))
        return false;
    *walk = (struct store_walk){.handle = handle, .end = metric->known_count};
    if (scope != NULL && scope->count > 0) {
        walk->scope = *scope;
        walk->end = 2 * (size_t)scope->count;
    }
    return true;
}

bool store_each_series(struct store *store, unsigned slot, const void *handle, uint64_t now,
                       bool (*visit)(void *context, const struct store_series_view *series), void *context)
{
    struct store_walk walk;
    return aim(&walk, handle, NULL) && store_walk_on(store, slot, &walk, now, visit, context);
}

/* ---- walks that pause ---- */

bool store_hold_metric(const void *handle)
{
    return count_hold(&((struct stored_metric *)handle)->series);
}

void store_release_metric(const void *handle)
{
    count_release(&((struct stored_metric *)handle)->series);
}

bool store_walk_begin(struct store *store, struct store_walk *walk, const void *handle, const struct store_scope *scope)
{
    if (!aim(walk, handle, scope))
        return false;
    walk->next = store->walks;
    store->walks = walk;
    return true;
}

void store_walk_end(struct store *store, struct store_walk *walk)
{
    struct store_walk **at = &store->walks;
    while (*at != walk)
        at = &(*at)->next;
    *at = walk->next;
}

void store_walk_copy(struct store *store, struct store_walk *walk, const struct store_walk *from)
{
    *walk = *from;
    walk->next = store->walks;
    store->walks = walk;
}

/* The types of what lies ahead, looked at one by one. */
static unsigned types_ahead(struct store *store, unsigned slot, const struct store_walk *walk)
{
    struct store_walk ahead = *walk; /* nothing is removed meanwhile */
    unsigned types = 0;
    const struct series *series;
    for (size_t i = 0; (series = step(store, &ahead)) != NULL; i++) {
        if (i % PAUSE == PAUSE - 1)
            store_enter(store, slot);
        if (series->counted) {
            types |= 1U << (COUNTED_TYPE + series_metric(series)->type);
            continue;
        }
        const struct value *value = atomic_load_explicit(&series->value, memory_order_acquire);
        if (value != &store_dead_value)
            types |= 1U << value->type;
    }
    return types;
}

struct store_types store_walk_types(struct store *store, unsigned slot, const struct store_walk *walk)
{
    const struct stored_metric *metric = walk->handle;
    unsigned types = atomic_load_explicit(&metric->types, memory_order_relaxed);
    bool is_one = (types & (types - 1)) == 0;
    if (!is_one)
        types = types_ahead(store, slot, walk);
    return (struct store_types){types & ((1U << COUNTED_TYPE) - 1), types >> COUNTED_TYPE};
}

/* A metric's series leaves the list at this place: those behind it move up. */
static void note_removal(struct store *store, const struct stored_metric *metric, size_t place)
{
    for (struct store_walk *walk = store->walks; walk != NULL; walk = walk->next) {
        if (walk->handle != metric || walk->scope.count > 0)
            continue;
        walk->at -= place < walk->at;
        walk->end -= place < walk->end;
    }
}

void store_note_page(struct store *store)
{
    if (store->settings.entities != NULL)
        entities_note_page(store->settings.entities);
}

/* ---- sweep ---- */

/* Mark a series dead if it is over.  Whether it is dead. */
static bool kill_series(struct store *store, unsigned slot, struct series *series, uint64_t now)
{
    if (series->counted) {
        uint64_t seen = atomic_load_explicit(series_seen(series), memory_order_relaxed);
        /* One that was seen just now may be refreshed without a note of it; see refresh(). */
        return seen == DEAD_SEEN ||
               (seen + series_refresh_interval(series) <= now && series_is_over(store, series, seen, now) &&
                series_end_counted(store, series, seen));
    }
    struct value *value = atomic_load_explicit(&series->value, memory_order_acquire);
    return value == &store_dead_value ||
           (series_has_outlived(store, series, value, now) && series_end_reported(store, slot, series, value));
}

static void unlink_group(struct store *store, struct group *group)
{
    LIST_CUT(group_bucket(store, group->metric, group->app), group, next_in_bucket);
    LIST_CUT(group_list_of(store, group->app), group, next_of_app);
}

static bool is_removed(const struct series *series)
{
    return ((uintptr_t)series->next & SERIES_REMOVED) != 0;
}

/* A series is about to be freed: its group is to cut it out before that. */
static void note_removed(struct series *series, struct group **to_cut)
{
    struct group *group = series->group;
    series->next = (struct series *)((uintptr_t)series->next | SERIES_REMOVED);
    if (group->has_removed)
        return;
    group->has_removed = true;
    group->next_to_cut = *to_cut;
    *to_cut = group;
}

/* The first series from this one on that is not removed. */
static struct series *first_kept(struct series *series)
{
    while (series != NULL && is_removed(series))
        series = series_next(series);
    return series;
}

/* Cut out of a group what was removed, and let walks go on behind it. */
static void cut_removed(struct store *store, struct group *group)
{
    group->has_removed = false;
    for (struct store_walk *walk = store->walks; walk != NULL; walk = walk->next)
        if (walk->handle == group->metric && walk->ahead != NULL)
            walk->ahead = first_kept(walk->ahead);
    for (struct series **at = &group->known; (*at = first_kept(*at)) != NULL; at = &(*at)->next)
        continue;
}

static void sweep_groups(struct store *store, unsigned slot, struct stored_metric *metric)
{
    struct group *previous = NULL;
    for (struct group *group = atomic_load_explicit(&metric->groups, memory_order_acquire); group != NULL;) {
        struct group *next = atomic_load_explicit(&group->next, memory_order_acquire);
        long none = 0;
        if (epoch_reserve(&store->epochs, slot, 1) &&
            atomic_compare_exchange_strong_explicit(&group->series, &none, -1, memory_order_acq_rel,
                                                    memory_order_relaxed)) {
            unlink_group(store, group);
            LIST_CUT_AFTER(&metric->groups, previous, group, next);
            epoch_retire(&store->epochs, slot, group, sizeof *group, free);
        } else
            previous = group;
        group = next;
    }
}

static void sweep_metric(struct store *store, unsigned slot, struct stored_metric *metric, uint64_t now)
{
    adopt_new(metric); /* or the next sweep does */
    size_t kept = 0;
    struct group *to_cut = NULL;
    for (size_t i = 0; i < metric->known_count; i++) {
        struct series *series = metric->known[i];
        /* The value and the series.  If memory is short they stay until the next sweep; so do groups and metrics. */
        if (!epoch_reserve(&store->epochs, slot, 2) || !kill_series(store, slot, series, now)) {
            metric->known[kept++] = series;
            continue;
        }
        atomic_fetch_add_explicit(&store->removals, 1, memory_order_relaxed);
        LIST_CUT(bucket_of(&store->buckets, series->hash), series, next_in_bucket);
        buckets_release(&store->buckets, series->hash);
        atomic_fetch_add_explicit(&store->expired, 1, memory_order_relaxed);
        note_removed(series, &to_cut);
        count_release(&series->group->series);
        epoch_retire(&store->epochs, slot, series, sizeof *series, series_free);
        count_release(&metric->series);
        note_removal(store, metric, kept);
    }
    metric->known_count = kept;
    /* Not by the metric's list of groups: one that is being made may have series before it stands there. */
    for (; to_cut != NULL; to_cut = to_cut->next_to_cut)
        cut_removed(store, to_cut);
    sweep_groups(store, slot, metric);
    /* After a peak the list is given back as well. */
    if (kept < metric->known_capacity / 4) {
        struct series **smaller = kept == 0 ? NULL : realloc(metric->known, kept * sizeof *smaller);
        if (kept == 0)
            free(metric->known);
        if (kept == 0 || smaller != NULL) {
            metric->known = smaller;
            metric->known_capacity = kept;
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
        if (epoch_reserve(&store->epochs, slot, 1) &&
            atomic_compare_exchange_strong_explicit(&metric->series, &none, -1, memory_order_acq_rel,
                                                    memory_order_relaxed)) {
            LIST_CUT(&store->metric_buckets[metric->hash & store->metric_mask], metric, next_in_bucket);
            LIST_CUT_AFTER(&store->metrics, previous, metric, next);
            /* Groups that are empty since a moment ago: they are freed with it. */
            for (struct group *group = atomic_load_explicit(&metric->groups, memory_order_acquire); group != NULL;
                 group = atomic_load_explicit(&group->next, memory_order_acquire))
                unlink_group(store, group);
            atomic_fetch_sub_explicit(&store->metric_count, 1, memory_order_relaxed);
            epoch_retire(&store->epochs, slot, metric, sizeof *metric, stored_metric_free);
        } else
            previous = metric;
        metric = next;
    }
    buckets_give_back(&store->buckets);
    cells_sweep(&store->cells, &store->epochs, slot);
}
