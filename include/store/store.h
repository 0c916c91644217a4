/* The series that exist now and their values.  Any number of recording threads, no lock among them.
 *
 * WHO: A recorder is a thread with a slot of its own (0 .. slots-1).  One of the threads is also the maintenance
 * thread: it alone walks the store and sweeps it.  Between store_enter() and store_leave() a thread may hold pointers
 * into the store; outside it must hold none, and it must leave often (after each batch), or memory is not given back.
 *
 * KINDS: A counted series has cells: doubles, of which each slot has its own.  Only the slot's thread writes them
 * (plain load, add, store; no locked instruction, no cache line that another writes; see cells.h), and readers add up
 * those of all slots.  A reported series points to an immutable value (value.h).  A recorder makes the next value and
 * publishes it by compare-and-swap; who loses looks again.  So an update is never lost and readers never see half of
 * one.
 *
 * FINDING: A fixed array of buckets, sized from max_series at creation with memory only where used; each is a list.
 * New series are put at a list's head by compare-and-swap (release; pairs with the acquire in find_series()).  When
 * that fails, another series arrived, the list is searched again and the same identity cannot be put in twice.  Nothing
 * ever grows, so nobody waits for growth.
 *
 * METRICS, GROUPS: A metric (a name) is created the same way, and so is its group for each app, which holds what the
 * bounds are about.  A new series is pushed to its metric's list of fresh ones, from which the maintenance thread takes
 * them all at once to an array of its own.  Metric and group count their series; the count is raised before a series is
 * pushed, and they can be removed only by moving it from 0 to -1.
 *
 * PRECEDENCE: A series has one kind: counted, as one of our metrics, or reported.  A sample of another kind with the
 * same identity cannot be recorded in it, so one gives way, and which depends on who stands behind it now:
 *
 *     a metric of ours that is in force  >  a name that an app chose  >  a metric of ours that has ended
 *
 * The series gives way if its side stands lower: it ends, and the sample begins a new one at once, whatever the times
 * of their lines are.  Otherwise the sample is refused (OUTDATED).  Reported samples of two sides that do not stand
 * equal are of two kinds as well.  So a rule whose metric changes from gauge to counter, or back, ends what it made
 * before, and a rule that counts takes the name over from an app that reported it.  Besides, a series gives way if its
 * entity is over and the sample's is not.
 *
 * DEATH: Only the maintenance thread unlinks.  It first marks a series dead by compare-and-swap on the very word that
 * an update must change (the value pointer; for cells, the time last seen).  So either the update comes first and the
 * series lives, or the mark comes first and the update, seeing it, makes a new series.  The time last seen is not
 * written again within a second, and a series that is younger than that is not marked.  A recorder marks a
 * series, for the maintenance thread to unlink, that gives way to its sample.
 *
 * HOLDING: A series that is unlinked is counted (removals) before it is retired, so before fence U of epoch.h.  A
 * recorder that enters, and reads the same count after its fence R as before it found a series, either comes before U,
 * and then what it holds is not freed until it leaves; or after U, and then it would see another count.  So it may hold
 * series while it is outside, and use them if the count has not changed.
 *
 * MEMORY: Lists are changed at the head by recorders and elsewhere by the maintenance thread alone, so no unlinking can
 * meet another (list.h).  What is unlinked or replaced is freed when no thread can hold it (epoch.h). */
#ifndef STORE_H
#define STORE_H

#include <stdint.h>

#include "base/identity.h"
#include "base/metric.h"
#include "base/value.h"
#include "store/entity.h"

struct store;

struct store_settings {
    size_t max_series;     /* bounds the weight (value_weight(); for counted series their lines) of all series but those
                              recorded as exempt; threads that create series at the same moment may pass it, and the next
                              two, by one series each */
    size_t max_app_series; /* the same for the series of one app; 0: no bound.  If it is below max_series, a part of
                              that is kept for the first lines of each app: see limits.c */
    size_t max_metric_series; /* the same for those of one metric and app; 0: no bound */
    size_t max_names;         /* how many names of metrics an app may have whose terms say name_limited; 0: no bound */
    uint64_t zero_time; /* milliseconds for which a series that starts at zero is shown so, and outlives its entity */
    unsigned slots;     /* recording threads, the maintenance thread included */
    struct entities *entities; /* must outlive the store */
};

/* NULL if memory is short. */
struct store *store_create(const struct store_settings *settings);

/* So many apps of the entities are configured: from now on each has a share of max_series that nobody else can take.
 * Any thread. */
void store_reserve(struct store *store, size_t configured_apps);

/* Free all.  No thread may be inside. */
void store_free(struct store *store);

void store_enter(struct store *store, unsigned slot);

/* Also frees what this slot retired, as far as no other thread can hold it. */
void store_leave(struct store *store, unsigned slot);

/* Has the slot, since it entered, replaced so much that it should leave and enter again?  A value can be large, and
 * each update of one leaves the old one behind until then. */
bool store_should_quiesce(const struct store *store, unsigned slot);

enum store_result {
    STORE_RECORDED,
    STORE_CREATED,   /* recorded, and the series is new */
    STORE_OUTDATED,  /* an absolute value older than the one that is there, or a sample that gives way: ignored */
    STORE_FULL,      /* max_series: a new series, or a larger value of a known one, was refused */
    STORE_APP_FULL,  /* max_app_series, likewise */
    STORE_CAPPED,    /* max_metric_series, likewise, but for a new series only; or too many that others share */
    STORE_NAMES,     /* max_names: a new series was refused */
    STORE_TOO_LARGE, /* the merged value would be over the bounds of value.h */
    STORE_UNFIT,     /* an amount that cannot be added: see value_is_fit() */
    STORE_NO_MEMORY,
};

/* How a series lives and counts. */
struct store_terms {
    uint64_t now;      /* milliseconds of the monotonic clock */
    uint64_t lifetime; /* milliseconds without an update after which the series leaves, below 2^32; 0: it stays */
    entity_id entity;  /* with whom it leaves, if it was created by this call */
    entity_id app;     /* whose bounds it counts for */
    bool exempt;       /* does not count towards any bound and is never refused for one */
    bool overflow;     /* is never refused for a bound of its app or metric */
    bool name_limited;
    bool zero;              /* there is nothing to say of it yet, but that it is 0: no reserve is for that */
    bool was_within_bounds; /* those of its app and metric, of a former start, which were not larger: see restore.h */
};

/* A counted series. */
struct series;

/* Find a counted series of metric, or create it with all cells at 0; either keeps it alive.  On RECORDED or CREATED,
 * *counter may be added to until store_leave().  The identity's name must be metric->name, if that is not chosen;
 * several metrics may share a name as long as their series differ.  Inside only. */
enum store_result store_counter(struct store *store, unsigned slot, const struct identity *identity,
                                const struct metric *metric, const struct store_terms *terms, struct series **counter);

/* How many series were removed from the store.  Inside only. */
uint64_t store_removals(const struct store *store);

/* A counted series that was found inside may be held outside and used again inside, if store_removals() then says what
 * it said before the series was found: this says whether it may be added to until store_leave(), as store_counter()
 * does, without its identity.  If not, or if series were removed, it may be held no more.  Inside only. */
bool store_counts_again(struct store *store, struct series *counter, const struct metric *metric,
                        const struct store_terms *terms);

/* Add to one of its cells.  Only the thread with the slot. */
void store_add(struct series *counter, unsigned slot, unsigned cell, double amount);

/* Add an observation to a histogram: 1 to the cell of its bucket, and the observation to that of the sum. */
void store_observe(struct series *histogram, unsigned slot, unsigned bucket, unsigned sum, double observation);

/* Find and add in one. */
enum store_result store_count(struct store *store, unsigned slot, const struct identity *identity,
                              const struct metric *metric, unsigned cell, double amount,
                              const struct store_terms *terms);

/* Record a value.  Absolute: it replaces what is there, or goes on from it (value_continues()), unless that is of a
 * later line.  Incremental: it is merged with it; but a level (value_is_level()) not with what an instance of the
 * process reported that was over before update's line.  update is copied; its seen is overwritten with terms->now.
 * metric may be NULL: then an app chose the name.  A series that is over its lifetime counts as absent.
 * terms->overflow: another type is refused (CAPPED) in place of replacing what was added up.  Inside only. */
enum store_result store_update(struct store *store, unsigned slot, const struct identity *identity,
                               const struct metric *metric, struct value *update, bool incremental,
                               const struct store_terms *terms);

/* The same; and if it is RECORDED or CREATED, *series is in which, else NULL. */
enum store_result store_report(struct store *store, unsigned slot, const struct identity *identity,
                               const struct metric *metric, struct value *update, bool incremental,
                               const struct store_terms *terms, struct series **series);

/* A reported series that was found inside may be held outside as counted ones are.  Record an absolute plain value in
 * it, if these are its labels, as store_update() does, without its identity; its name must be the one that it was
 * found by.  Of terms, now and entity count.  Returns false, with nothing done, if it must be found again.  Inside
 * only. */
bool store_report_again(struct store *store, unsigned slot, struct series *series, struct slice labels,
                        const struct metric *metric, struct value *update, const struct store_terms *terms,
                        enum store_result *result);

/* Of the labels of a series that is refused, the one that has had the most values in the series of its metric and app,
 * but app: the one to blame.  A part of identity; empty if there is none.  Inside only. */
struct slice store_widest_label(const struct store *store, const struct identity *identity, entity_id app);

struct store_usage {
    size_t metrics;
    size_t series; /* weight that counts towards max_series */
    size_t limit;
    size_t app_limit, metric_limit; /* max_app_series and max_metric_series */
    uint64_t expired;               /* series that left since creation */
};
void store_usage(const struct store *store, struct store_usage *usage);

/* The maintenance thread's view.  Inside only; what is pointed to is valid until store_leave(). */
struct store_metric_view {
    struct slice name;
    const struct metric *metric; /* NULL if the name was not chosen by us */
    const void *handle;          /* for store_each_series() */
};

/* Put up to capacity metrics that have series now into views, in no order; returns how many there are. */
size_t store_metrics(const struct store *store, struct store_metric_view *views, size_t capacity);

/* Of whom series are: of these apps.  One app can be several entities, if drains with other labels are about it. */
enum { STORE_SCOPE_MAX = 4 };
struct store_scope {
    entity_id apps[STORE_SCOPE_MAX];
    unsigned count; /* 0: of all, and of none */
};

/* The same for the metrics that have series of these apps, at a cost that depends on these alone.  One may be there
 * several times.  Some may have no series in scope any more. */
size_t store_metrics_of(const struct store *store, const struct store_scope *scope, struct store_metric_view *views,
                        size_t capacity);

struct store_series_view {
    struct slice labels;
    const struct value *value;   /* of a reported series, else NULL */
    const struct metric *metric; /* of a counted series, else NULL */
    const double *cells;         /* of a counted series: metric->cells sums over all slots, valid during the call */
    uint64_t born;               /* milliseconds of the monotonic clock */
    bool starts_at_zero;         /* see store_note_page() */
    entity_id entity;
    const struct metric *maker;  /* whose samples were recorded last, of either kind; NULL: an app chose the name */
    const struct series *series; /* for store/restore.h */
};

/* A page that is to be scraped begins.  A series that is born later starts at zero, if it is one that is added to
 * (counted, or born by an incremental update) and the app of its entity was known before this page, or it has none:
 * who scrapes must see it at 0 before he can see what it has.  Without entities nothing starts at zero.  The
 * maintenance thread alone. */
void store_note_page(struct store *store);

/* Find one series; false if it does not exist.  Its cells are not added up: view->cells is NULL.  The maintenance
 * thread alone, as the value is valid until its next call. */
bool store_look_up(const struct store *store, const struct identity *identity, struct store_series_view *view);

/* Call visit for each series of a metric that is alive at now (milliseconds of the monotonic clock), oldest first,
 * until it returns false.  Returns whether it never did; also false, before the first one, if memory is short.  The
 * maintenance thread alone, as store_sweep().  A view is
 * valid during the call that it is given to. */
bool store_each_series(struct store *store, unsigned slot, const void *handle, uint64_t now,
                       bool (*visit)(void *context, const struct store_series_view *series), void *context);

/* A metric that was listed just now, or is held, stays until it is released, also when this thread leaves and sweeps.
 * False if it is gone.  The maintenance thread alone. */
bool store_hold_metric(const void *handle);
void store_release_metric(const void *handle);

/* A walk that can pause.  The fields are the store's; it must not be moved. */
struct store_walk {
    const void *handle;
    size_t at, end;       /* in the list of the metric's series; with a scope: of its groups, those that are begun */
    struct series *ahead; /* with a scope: the next one of the group that was begun; NULL: it is at its end */
    struct store_scope scope;
    struct store_walk *next;
};

/* Begin a walk over the series of a held metric that exist now, as far as they are in scope (NULL: all).  False if
 * memory is short: there is no walk.  In between its steps the thread may leave and sweep; what is removed meanwhile is
 * not met, and all else is met once.  With a scope the order is another one, and what is born meanwhile may be met.
 * The maintenance thread alone, as the next three. */
bool store_walk_begin(struct store *store, struct store_walk *walk, const void *handle,
                      const struct store_scope *scope);
void store_walk_end(struct store *store, struct store_walk *walk);

/* Begin a walk from where another one is. */
void store_walk_copy(struct store *store, struct store_walk *walk, const struct store_walk *from);

/* Go on until visit returns false: the next step begins behind that series.  Returns whether the end was reached.
 * Otherwise as store_each_series(). */
bool store_walk_on(struct store *store, unsigned slot, struct store_walk *walk, uint64_t now,
                   bool (*visit)(void *context, const struct store_series_view *series), void *context);

/* Of which types are the series that lie ahead?  Bits: 1 << the type of a reported series' value, and 1 << that of a
 * counted one's metric.  With those that are over, but were not marked dead.  If all that there ever were of the metric
 * had one type, that is said without a look. */
struct store_types {
    unsigned values;  /* enum value_type */
    unsigned metrics; /* enum metric_type */
};
struct store_types store_walk_types(struct store *store, unsigned slot, const struct store_walk *walk);

/* Remove the series that are over (their lifetime, or with their entity) at now, and the metrics that have none.  The
 * maintenance thread alone, inside. */
void store_sweep(struct store *store, unsigned slot, uint64_t now);

#endif
