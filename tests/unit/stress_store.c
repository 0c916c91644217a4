/* The store under several recorders, a maintenance thread that walks and sweeps without pause, and names that share
 * buckets, against a plain table: no update is lost, no series is lost or stands twice, and memory does not grow with
 * churn.
 *
 *     stress_store [seconds] */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "allocator.h"
#include "store/store.h"

enum {
    RECORDERS = 4,
    KEEPER = RECORDERS,
    KEYS = 300, /* in a store of 1024 buckets: a third of them share one */
    HOT = 4,    /* of these, all recorders write these most of the time */
    CHURN_LIFETIME = 20,
    BATCH = 64,
};

static const struct metric counted = {.name = "counted",
                                      .help = "",
                                      .type = METRIC_COUNTER,
                                      .cells = 2,
                                      .label = "code",
                                      .label_values = (const char *const[]){"a", "b"}};

/* Counted series that come and go: cells are taken, given back, and taken by another. */
static const struct metric few_cells = {.name = "few", .help = "", .type = METRIC_COUNTER, .cells = 1};
static const struct metric many_cells = {.name = "many", .help = "", .type = METRIC_HISTOGRAM, .cells = 14};

/* A rule whose kind changes again and again: of the two, one is in force. */
static struct metric as_counter = {.name = "kind", .help = "", .type = METRIC_COUNTER, .cells = 1, .ended = true};
static struct metric as_gauge = {.name = "kind", .help = "", .type = METRIC_GAUGE};

static struct store *store;
static atomic_bool stopping;
static pthread_barrier_t start;
static unsigned long failures;

#define CHECK(condition, ...)                                                          \
    do {                                                                               \
        if (!(condition) && __atomic_fetch_add(&failures, 1, __ATOMIC_RELAXED) < 20) { \
            fprintf(stderr, "stress_store: " __VA_ARGS__);                             \
            fputc('\n', stderr);                                                       \
        }                                                                              \
    } while (0)

/* A counted series that a recorder holds while it is outside. */
struct held {
    const struct metric *metric;
    unsigned key;
    uint64_t removals;
    struct series *series; /* NULL: none */
};
enum { HELD = 64 };

/* What each recorder knows it did: the plain table.  Whole numbers, so that sums are exact in any order. */
struct recorder {
    pthread_t thread;
    unsigned slot;
    uint64_t random;
    double counted[KEYS][2];
    double added[KEYS];
    double born;    /* churn series that were created by this recorder */
    double churned; /* increments of churn series */
    unsigned long updates;
    uint64_t removals; /* since it entered */
    struct held held[HELD];
    unsigned long used_again;
};
static struct recorder recorders[RECORDERS];

static uint64_t clock_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Own generators: random() has a lock, which would hide races. */
static uint64_t next_random(uint64_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random;
}

static void identify(struct identity *identity, const char *name, unsigned key)
{
    char text[24];
    int length = snprintf(text, sizeof text, "%u", key);
    struct label label = {SLICE("key"), {text, (size_t)length}};
    identity_build(identity, SLICE(""), slice_of(name), &label, 1);
}

static enum store_result add(struct recorder *recorder, const char *name, unsigned key, double amount,
                             uint64_t lifetime, uint64_t now)
{
    struct identity identity;
    identify(&identity, name, key);
    struct value value = {.type = VALUE_COUNTER, .number = amount, .time = 1};
    return store_update(store, recorder->slot, &identity, NULL, &value, true,
                        &(struct store_terms){.now = now, .lifetime = lifetime});
}

/* Add to a series that may be held since a time inside before this one. */
static enum store_result count_held(struct recorder *recorder, const struct metric *metric, unsigned key, unsigned cell,
                                    const struct store_terms *terms)
{
    struct held *held = &recorder->held[(key * 2 + (metric == &many_cells)) % HELD];
    enum store_result result = STORE_RECORDED;
    bool same = held->series != NULL && held->metric == metric && held->key == key;
    if (same && held->removals == recorder->removals && store_counts_again(store, held->series, metric, terms))
        recorder->used_again++;
    else {
        struct identity identity;
        identify(&identity, metric->name, key);
        *held = (struct held){.metric = metric, .key = key, .removals = recorder->removals};
        result = store_counter(store, recorder->slot, &identity, metric, terms, &held->series);
    }
    if (held->series != NULL)
        store_add(held->series, recorder->slot, cell, key + 1);
    return result;
}

static void record_some(struct recorder *recorder)
{
    uint64_t now = clock_now();
    store_enter(store, recorder->slot);
    recorder->removals = store_removals(store);
    for (int i = 0; i < BATCH; i++) {
        uint64_t random = next_random(&recorder->random);
        unsigned key = (unsigned)(random >> 8) % (random % 4 != 0 ? HOT : KEYS);
        double amount = (double)(random >> 40 & 7) + 1;
        struct identity identity;
        identify(&identity, "counted", key);
        unsigned cell = random >> 50 & 1;
        enum store_result result =
            store_count(store, recorder->slot, &identity, &counted, cell, amount, &(struct store_terms){.now = now});
        CHECK(result == STORE_RECORDED || result == STORE_CREATED, "counting gave %d", (int)result);
        recorder->counted[key][cell] += amount;

        result = add(recorder, "added", key, amount, 0, now);
        CHECK(result == STORE_RECORDED || result == STORE_CREATED, "adding gave %d", (int)result);
        recorder->added[key] += amount;

        /* Series that come, get some updates, and are left to die: under names that others use again later. */
        result = add(recorder, "churn", (unsigned)(now / 5 % 50) * 1000 + key, 1, CHURN_LIFETIME, now);
        CHECK(result == STORE_RECORDED || result == STORE_CREATED, "churning gave %d", (int)result);
        recorder->born += result == STORE_CREATED;
        recorder->churned++;

        const struct metric *metric = random >> 30 & 1 ? &few_cells : &many_cells;
        unsigned passing = (unsigned)(now / 5 % 50) * 1000 + key % 16;
        /* All that is added to a series is a multiple of its key, so what another left there would be seen. */
        result = count_held(recorder, metric, passing, (unsigned)(random >> 31) % metric->cells,
                            &(struct store_terms){.now = now, .lifetime = CHURN_LIFETIME});
        CHECK(result == STORE_RECORDED || result == STORE_CREATED, "counting gave %d", (int)result);
        recorder->born += result == STORE_CREATED;

        passing = (unsigned)(now / 50 % 5) * 1000 + key % 8;
        identify(&identity, "kind", passing);
        struct value part = {.type = VALUE_GAUGE, .number = passing + 1, .time = 1};
        struct store_terms terms = {.now = now, .lifetime = CHURN_LIFETIME};
        result = random >> 29 & 1 ? store_count(store, recorder->slot, &identity, &as_counter, 0, passing + 1, &terms)
                                  : store_update(store, recorder->slot, &identity, &as_gauge, &part, true, &terms);
        CHECK(result == STORE_RECORDED || result == STORE_CREATED || result == STORE_OUTDATED, "kind gave %d",
              (int)result);
        recorder->born += result == STORE_CREATED;

        /* Absolute values: a later time is never replaced by an earlier one; see the check in walk(). */
        identify(&identity, "absolute", key);
        struct value value = {
            .type = VALUE_GAUGE, .number = (double)(random >> 20 & 0xFFFF), .time = (int64_t)(random >> 20 & 0xFFFF)};
        store_update(store, recorder->slot, &identity, NULL, &value, false, &(struct store_terms){.now = now});
        recorder->updates += 6;
    }
    store_leave(store, recorder->slot);
}

static void *run_recorder(void *context)
{
    struct recorder *recorder = context;
    pthread_barrier_wait(&start);
    while (!atomic_load_explicit(&stopping, memory_order_relaxed))
        record_some(recorder);
    return NULL;
}

/* ---- the maintenance thread ---- */

struct walk {
    double counted[KEYS][2];
    double added[KEYS];
    double absolute[KEYS];
    unsigned seen[KEYS]; /* how often this walk met the key, in the metric that it walks now */
    const char *name;
    double churn_series;
};

static bool visit(void *context, const struct store_series_view *series)
{
    struct walk *walk = context;
    unsigned key = (unsigned)strtoul(series->labels.at + 5, NULL, 10); /* key="7" */
    if (walk->name[0] == 'c' && walk->name[1] == 'h') {
        walk->churn_series++;
        return true;
    }
    if (series->cells != NULL && series->metric != &counted) {
        for (unsigned i = 0; i < series->metric->cells; i++)
            CHECK(fmod(series->cells[i], key + 1) == 0, "%s %u has %g of another", walk->name, key, series->cells[i]);
        return true;
    }
    if (walk->name[0] == 'k') {
        CHECK(fmod(series->value->number, key + 1) == 0, "kind %u has %g of another", key, series->value->number);
        return true;
    }
    CHECK(key < KEYS, "a key that nobody wrote: %.*s", (int)series->labels.length, series->labels.at);
    if (key >= KEYS)
        return true;
    walk->seen[key]++;
    CHECK(walk->seen[key] == 1, "%s %u stands twice", walk->name, key);
    if (series->cells != NULL) {
        walk->counted[key][0] = series->cells[0];
        walk->counted[key][1] = series->cells[1];
    } else if (walk->name[1] == 'd')
        walk->added[key] = series->value->number;
    else {
        CHECK(series->value->number == (double)series->value->time, "a value with the time of another");
        walk->absolute[key] = series->value->number;
    }
    return true;
}

static void walk_store(struct walk *walk)
{
    struct store_metric_view views[8];
    memset(walk, 0, sizeof *walk);
    size_t count = store_metrics(store, views, 8);
    for (size_t i = 0; i < count && i < 8; i++) {
        char name[16];
        snprintf(name, sizeof name, "%.*s", (int)views[i].name.length, views[i].name.at);
        walk->name = name;
        memset(walk->seen, 0, sizeof walk->seen);
        store_each_series(store, KEEPER, views[i].handle, clock_now(), visit, walk);
    }
}

/* Nothing that only rises is ever seen to fall. */
static void compare_walks(const struct walk *before, const struct walk *after)
{
    for (unsigned key = 0; key < KEYS; key++) {
        CHECK(after->added[key] >= before->added[key], "added %u fell", key);
        CHECK(after->absolute[key] >= before->absolute[key], "absolute %u turned back", key);
        for (int cell = 0; cell < 2; cell++)
            CHECK(after->counted[key][cell] >= before->counted[key][cell], "counted %u fell", key);
    }
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 3;
    store = store_create(&(struct store_settings){.max_series = 100000, .slots = RECORDERS + 1});
    pthread_barrier_init(&start, NULL, RECORDERS + 1);
    for (unsigned i = 0; i < RECORDERS; i++) {
        recorders[i].slot = i;
        recorders[i].random = 88172645463325252u + i * 1000003;
        if (pthread_create(&recorders[i].thread, NULL, run_recorder, &recorders[i]) != 0)
            return 1;
    }
    static struct walk walks[2];
    pthread_barrier_wait(&start);
    uint64_t begin = clock_now();
    size_t empty = allocator_allocated(), largest = 0;
    unsigned rounds = 0;
    for (; (double)(clock_now() - begin) < seconds * 1000; rounds++) {
        store_enter(store, KEEPER);
        walk_store(&walks[rounds % 2]);
        if (rounds > 0)
            compare_walks(&walks[(rounds + 1) % 2], &walks[rounds % 2]);
        store_sweep(store, KEEPER, clock_now());
        store_leave(store, KEEPER);
        __atomic_store_n(&as_counter.ended, rounds % 64 >= 32, __ATOMIC_RELAXED);
        __atomic_store_n(&as_gauge.ended, rounds % 64 < 32, __ATOMIC_RELAXED);
        size_t allocated = allocator_allocated();
        largest = allocated > largest ? allocated : largest;
    }
    atomic_store(&stopping, true);
    struct recorder total = {0};
    for (unsigned i = 0; i < RECORDERS; i++) {
        pthread_join(recorders[i].thread, NULL);
        total.born += recorders[i].born;
        total.churned += recorders[i].churned;
        total.updates += recorders[i].updates;
        total.used_again += recorders[i].used_again;
        for (unsigned key = 0; key < KEYS; key++) {
            total.added[key] += recorders[i].added[key];
            for (int cell = 0; cell < 2; cell++)
                total.counted[key][cell] += recorders[i].counted[key][cell];
        }
    }

    store_enter(store, KEEPER);
    walk_store(&walks[0]);
    for (unsigned key = 0; key < KEYS; key++) {
        CHECK(walks[0].added[key] == total.added[key], "added %u is %g, not %g", key, walks[0].added[key],
              total.added[key]);
        for (int cell = 0; cell < 2; cell++)
            CHECK(walks[0].counted[key][cell] == total.counted[key][cell], "counted %u is %g, not %g", key,
                  walks[0].counted[key][cell], total.counted[key][cell]);
    }
    /* All churn dies, and each series that was born is accounted for. */
    store_sweep(store, KEEPER, clock_now() + CHURN_LIFETIME);
    store_leave(store, KEEPER);
    struct store_usage usage;
    store_usage(store, &usage);
    CHECK((double)usage.expired == total.born, "%g churn series were born, %g expired", total.born,
          (double)usage.expired);
    CHECK(usage.series == KEYS * 4, "the weight is %zu, not %d", usage.series, KEYS * 4);
    CHECK(total.used_again > 100, "only %lu times was a held series used again", total.used_again);
    CHECK(total.born > 100, "only %g churn series were born: nothing was tested", total.born);
    /* With nobody inside, all that was replaced or removed can be freed; what is left is the series that live. */
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned slot = 0; slot <= RECORDERS; slot++) {
            store_enter(store, slot);
            if (slot == KEEPER)
                store_sweep(store, KEEPER, clock_now()); /* the memory of cells whose series are gone */
            store_leave(store, slot);
        }
    }
    size_t left = allocator_allocated();
    CHECK(left < empty + KEYS * 4 * 600 + (1 << 20), "%zu bytes are left of %zu, of %zu at the start", left, largest,
          empty);
    store_free(store);
    pthread_barrier_destroy(&start);
    printf("stress_store: %lu updates, %.0f series born and expired, %u walks and sweeps, memory %zu, at most %zu, at "
           "last %zu bytes\n",
           total.updates, total.born, rounds, empty, largest, left);
    printf("%d passed, %d failed\n", failures == 0, failures != 0);
    return failures != 0;
}
