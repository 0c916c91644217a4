#include <math.h>
#include <stdlib.h>

#include "store/restore.h"
#include "store/store_internal.h"

/* ---- which series gives way: see PRECEDENCE ---- */

enum standing { ENDED, CHOSEN, IN_FORCE };

static enum standing standing_of(const struct metric *metric)
{
    if (metric_is_chosen(metric))
        return CHOSEN;
    return metric_has_ended(metric) ? ENDED : IN_FORCE;
}

static void end_series(struct store *store, unsigned slot, struct series *series)
{
    if (series->counted)
        series_end_counted(store, series, atomic_load_explicit(series_seen(series), memory_order_relaxed));
    else
        series_end_reported(store, slot, series, atomic_load_explicit(&series->value, memory_order_acquire));
}

/* End a series that a sample of metric cannot be recorded in, if it must give way; whether it must.  Then look again.
 */
static bool make_way(struct store *store, unsigned slot, struct series *series, const struct metric *metric)
{
    const struct metric *before = series_metric(series);
    enum standing stands = standing_of(metric), stood = standing_of(before);
    bool was_restored = before != NULL && before->restored; /* and ours is another one by now */
    if (stands < stood || (stands == stood && !was_restored))
        return false;
    end_series(store, slot, series);
    return true;
}

/* Was the series another entity's that is over, while the sample's is not?  times: of the line that the series was
 * reported by, and of the sample's; or ENTITY_COUNTED. */
static bool was_anothers(const struct store *store, const struct series *series, int64_t reported, int64_t time,
                         const struct store_terms *terms)
{
    struct entities *entities = store->settings.entities;
    return series->entity != terms->entity && entities_is_over(entities, series->entity, reported, terms->now) &&
           !entities_is_over(entities, terms->entity, time, terms->now);
}

/* ---- counted series ---- */

/* Note that a counted series was seen; false if it is dead.  The note is renewed only when it is REFRESH_INTERVAL
 * old (or a quarter of a short lifetime), so the word is mostly read.  The series cannot be marked dead between this
 * and the adding that follows, unless the thread sleeps for the rest of the lifetime in between. */
static bool refresh(struct series *series, uint64_t now)
{
    uint64_t interval = series_refresh_interval(series);
    uint64_t seen = atomic_load_explicit(series_seen(series), memory_order_relaxed);
    while (seen != DEAD_SEEN && seen + interval <= now)
        if (atomic_compare_exchange_weak_explicit(series_seen(series), &seen, now, memory_order_acq_rel,
                                                  memory_order_relaxed))
            return true;
    return seen != DEAD_SEEN;
}

/* May a sample of metric be counted in a series?  Two rules may give one metric other labels, and a label without a
 * value is none. */
static bool counts_alike(struct series *series, const struct metric *metric)
{
    const struct metric *counted = series_metric(series);
    if (counted == metric)
        return series->counted;
    if (counted != NULL && counted->restored)
        return restored_becomes(series, metric);
    if (!series->counted || metric_has_ended(counted) || counted->self || metric->self || counted->chosen ||
        metric->chosen || counted->label != NULL || metric->label != NULL || counted->type != metric->type ||
        counted->cells != metric->cells)
        return false;
    return counted->type != METRIC_HISTOGRAM ||
           memcmp(counted->bounds, metric->bounds, (metric->cells - 2) * sizeof metric->bounds[0]) == 0;
}

enum store_result store_counter(struct store *store, unsigned slot, const struct identity *identity,
                                const struct metric *metric, const struct store_terms *terms, struct series **counter)
{
    uint32_t hash;
    _Atomic(struct series *) *bucket = series_bucket(store, identity, &hash);
    for (;;) {
        struct series *series = *counter = series_find(bucket, hash, identity);
        if (series == NULL) {
            struct birth birth = {.metric = metric, .added_to = true};
            enum store_result result = series_create(store, bucket, identity, hash, &birth, terms);
            *counter = birth.created;
            if (result != STORE_RECORDED)
                return result;
        } else if (!counts_alike(series, metric)) {
            if (!epoch_reserve(&store->epochs, slot, 1))
                return STORE_NO_MEMORY;
            if (!make_way(store, slot, series, metric))
                return STORE_OUTDATED;
        } else if (was_anothers(store, series, ENTITY_COUNTED, ENTITY_COUNTED, terms))
            end_series(store, slot, series);
        else if (refresh(series, terms->now))
            return STORE_RECORDED;
    }
}

uint64_t store_removals(const struct store *store)
{
    return atomic_load_explicit(&store->removals, memory_order_relaxed);
}

bool store_counts_again(struct store *store, struct series *counter, const struct metric *metric,
                        const struct store_terms *terms)
{
    return counts_alike(counter, metric) && !was_anothers(store, counter, ENTITY_COUNTED, ENTITY_COUNTED, terms) &&
           refresh(counter, terms->now);
}

/* Relaxed: nobody else writes this cell, and readers want no more than some recent sum. */
static inline void add_to(_Atomic(double) *own, double amount)
{
    double sum = atomic_load_explicit(own, memory_order_relaxed) + amount;
    if (isfinite(sum))
        atomic_store_explicit(own, sum, memory_order_relaxed);
}

void store_add(struct series *counter, unsigned slot, unsigned cell, double amount)
{
    add_to(&cells_of_slot(counter->cells, slot)[cell], amount);
}

void store_observe(struct series *histogram, unsigned slot, unsigned bucket, unsigned sum, double observation)
{
    _Atomic(double) *own = cells_of_slot(histogram->cells, slot);
    add_to(&own[bucket], 1);
    add_to(&own[sum], observation);
}

enum store_result store_count(struct store *store, unsigned slot, const struct identity *identity,
                              const struct metric *metric, unsigned cell, double amount,
                              const struct store_terms *terms)
{
    struct series *counter;
    enum store_result result = store_counter(store, slot, identity, metric, terms, &counter);
    if (result == STORE_RECORDED || result == STORE_CREATED)
        store_add(counter, slot, cell, amount);
    return result;
}

/* ---- reported series ---- */

/* What store_update() was given. */
struct report {
    const struct value *update;
    const struct metric *metric;
    const struct store_terms *terms;
    bool incremental;
};

/* May a sample of metric be recorded in a series, whatever its type?  Then the series is that metric's. */
static bool takes_reports(struct series *series, const struct metric *metric)
{
    const struct metric *before = series_metric(series);
    if (series->counted || (before != metric && standing_of(before) != standing_of(metric)))
        return false;
    if (before != metric)
        atomic_store_explicit(&series->metric, metric, memory_order_release);
    return true;
}

/* Is an amount added to a level (a gauge, a set), by lines of these times of two instances, the earlier of which is
 * over?
 */
static bool is_level_of_two(const struct store *store, const struct series *series, const struct report *report,
                            int64_t earlier, int64_t later)
{
    return report->incremental && value_is_level(report->update) &&
           entities_are_apart(store->settings.entities, series->entity, earlier, later);
}

/* Is an amount added to what the series has?  A level is of one instance of its process, so that what the next one adds
 * begins anew, also in the grace in which the old level is still shown. */
static bool adds(const struct store *store, const struct series *series, const struct value *old,
                 const struct report *report)
{
    const struct value *update = report->update;
    return report->incremental && value_adds(old, update) &&
           !is_level_of_two(store, series, report, old->time, update->time);
}

_Static_assert(sizeof(struct value) == EPOCH_BLOCK, "a plain value is a block");

/* A copy of a plain value: most values are one, and are replaced by one. */
static struct value *copy_plain(struct store *store, unsigned slot, const struct value *value)
{
    struct value *copied = epoch_take_block(&store->epochs, slot);
    if (copied != NULL)
        *copied = (struct value){.time = value->time,
                                 .seen = value->seen,
                                 .number = value->number,
                                 .type = value->type,
                                 .added = value->added};
    return copied;
}

/* Retire a value that was replaced, or drop one that nobody has seen. */
static void retire_value(struct store *store, unsigned slot, struct value *value)
{
    if (value_is_plain(value))
        epoch_retire_block(&store->epochs, slot, value);
    else
        epoch_retire(&store->epochs, slot, value, value_bytes(value), free);
}

static void drop_value(struct store *store, unsigned slot, struct value *value)
{
    if (value_is_plain(value))
        epoch_give_block(&store->epochs, slot, value);
    else
        free(value);
}

/* Make the value that follows an old one.  over: that counts no more. */
static enum store_result make_next(struct store *store, unsigned slot, const struct series *series,
                                   const struct value *old, bool over, const struct report *report, struct value **next)
{
    const struct value *update = report->update;
    bool added = !over && adds(store, series, old, report);
    /* What others share is a sum of one kind: another kind must not take its place. */
    if (!over && report->terms->overflow && !value_adds(old, update))
        return STORE_CAPPED;
    /* What an instance that is over reports late is not the present one's. */
    if (!over && is_level_of_two(store, series, report, update->time, old->time))
        return STORE_OUTDATED;
    /* What cannot be added replaces, as an absolute value does, and must be as new. */
    if (!over && !added && update->time < old->time)
        return STORE_OUTDATED;
    bool continues = !over && value_continues(old, update);
    bool too_large = false;
    if (value_is_plain(update) && !added)
        *next = copy_plain(store, slot, update);
    else
        *next = value_merge(added || continues ? old : NULL, update, &too_large);
    if (*next == NULL)
        return too_large ? STORE_TOO_LARGE : STORE_NO_MEMORY;
    return STORE_RECORDED;
}

/* How much more than the old value the next one weighs, or less. */
static long added_weight(const struct series *series, const struct value *old, const struct value *next)
{
    if (series->exempt || (old->type == next->type && old->size == next->size))
        return 0;
    return (long)value_weight(next) - (long)value_weight(old);
}

/* Does the series go on with this report?  It does not if it was another entity's that is over: then it is ended.
 * *over: its value counts no more. */
static bool still_takes(struct store *store, unsigned slot, struct series *series, struct value *old,
                        const struct report *report, bool *over)
{
    *over = series_has_outlived(store, series, old, report->update->seen);
    if (!*over || !was_anothers(store, series, old->time, report->update->time, report->terms))
        return true;
    series_end_reported(store, slot, series, old);
    return false;
}

/* A value is freed by the thread that replaces it, which may not be the one that made it.  That costs nothing: where
 * two threads replace values in turn, what is dear is that their memory moves from one core to the other, 5 to 7 ns for
 * each, with an allocator (7 ns against 12) as without one (4 against 10). */

/* Replace the value of a known series.  RECORDED or why not; OUTDATED with *dead set if the series has died. */
static enum store_result replace_value(struct store *store, unsigned slot, struct series *series,
                                       const struct report *report, bool *dead)
{
    struct value *old = atomic_load_explicit(&series->value, memory_order_acquire);
    for (;;) {
        bool over;
        if (old == &store_dead_value || !still_takes(store, slot, series, old, report, &over)) {
            *dead = true;
            return STORE_OUTDATED;
        }
        struct value *next;
        enum store_result result = make_next(store, slot, series, old, over, report, &next);
        if (result != STORE_RECORDED)
            return result;
        if (next->type != old->type)
            stored_metric_note_type(series->group->metric, next->type);
        long more = added_weight(series, old, next);
        result = more > 0 && !series->overflow
                     ? limits_check_growth(store, series->group, series_account(series), (unsigned)more)
                     : STORE_CREATED;
        if (result != STORE_CREATED) {
            drop_value(store, slot, next);
            return result;
        }
        if (more > 0 && !limits_take(store, series->group, series_account(series), (unsigned)more)) {
            drop_value(store, slot, next);
            struct value *present = atomic_load_explicit(&series->value, memory_order_acquire);
            if (present == old)
                return STORE_FULL;
            old = present; /* another thread changed it: it may take less now */
            continue;
        }
        /* Release the filled-in value to the acquires of readers and of the next writer. */
        struct value *expected = old;
        if (atomic_compare_exchange_strong_explicit(&series->value, &expected, next, memory_order_acq_rel,
                                                    memory_order_acquire)) {
            if (more < 0)
                limits_charge(store, series->group, series_account(series), more);
            retire_value(store, slot, old);
            return STORE_RECORDED;
        }
        if (more > 0)
            limits_charge(store, series->group, series_account(series), -more);
        drop_value(store, slot, next);
        old = expected;
    }
}

/* Replace a plain value that counts by one of its type.  CREATED: another thread was faster. */
static enum store_result replace_plain(struct store *store, unsigned slot, struct series *series, struct value *old,
                                       const struct value *update)
{
    if (update->time < old->time)
        return STORE_OUTDATED;
    struct value *next = copy_plain(store, slot, update);
    if (next == NULL)
        return STORE_NO_MEMORY;
    struct value *expected = old;
    /* As in replace_value(). */
    if (!atomic_compare_exchange_strong_explicit(&series->value, &expected, next, memory_order_acq_rel,
                                                 memory_order_relaxed)) {
        epoch_give_block(&store->epochs, slot, next);
        return STORE_CREATED;
    }
    epoch_retire_block(&store->epochs, slot, old);
    return STORE_RECORDED;
}

bool store_report_again(struct store *store, unsigned slot, struct series *series, struct slice labels,
                        const struct metric *metric, struct value *update, const struct store_terms *terms,
                        enum store_result *result)
{
    if (!slice_equals(series_labels(series), labels) || !takes_reports(series, metric) ||
        !epoch_reserve(&store->epochs, slot, 1))
        return false;
    update->seen = terms->now;
    update->added = false;
    /* The short way of most samples: a number takes the place of a number. */
    struct value *old = atomic_load_explicit(&series->value, memory_order_acquire);
    if (old != &store_dead_value && old->type == update->type && !series_has_outlived(store, series, old, terms->now)) {
        *result = replace_plain(store, slot, series, old, update);
        if (*result != STORE_CREATED)
            return true;
    }
    struct report report = {update, metric, terms, false};
    bool dead = false;
    *result = replace_value(store, slot, series, &report, &dead);
    return !dead;
}

enum store_result store_update(struct store *store, unsigned slot, const struct identity *identity,
                               const struct metric *metric, struct value *update, bool incremental,
                               const struct store_terms *terms)
{
    struct series *series;
    return store_report(store, slot, identity, metric, update, incremental, terms, &series);
}

enum store_result store_report(struct store *store, unsigned slot, const struct identity *identity,
                               const struct metric *metric, struct value *update, bool incremental,
                               const struct store_terms *terms, struct series **found)
{
    *found = NULL;
    if ((incremental || update->type == VALUE_EXTERNAL_COUNTER) && !value_is_fit(update, incremental))
        return STORE_UNFIT;
    update->seen = terms->now;
    update->added = incremental;
    struct report report = {update, metric, terms, incremental};
    uint32_t hash;
    _Atomic(struct series *) *bucket = series_bucket(store, identity, &hash);
    for (;;) {
        /* For the value that is replaced, or of the series that gives way. */
        if (!epoch_reserve(&store->epochs, slot, 1))
            return STORE_NO_MEMORY;
        struct series *series = series_find(bucket, hash, identity);
        if (series == NULL) {
            bool too_large;
            struct value *first = value_merge(NULL, update, &too_large);
            if (first == NULL)
                return too_large ? STORE_TOO_LARGE : STORE_NO_MEMORY;
            struct birth birth = {.metric = metric, .value = first, .added_to = incremental};
            enum store_result result = series_create(store, bucket, identity, hash, &birth, terms);
            if (result == STORE_CREATED) {
                *found = birth.created;
                return result;
            }
            free(first);
            if (result != STORE_RECORDED)
                return result;
        } else if (!takes_reports(series, metric)) {
            if (!make_way(store, slot, series, metric))
                return STORE_OUTDATED;
        } else {
            bool dead = false;
            enum store_result result = replace_value(store, slot, series, &report, &dead);
            if (!dead) {
                *found = result == STORE_RECORDED ? series : NULL;
                return result;
            }
        }
    }
}
