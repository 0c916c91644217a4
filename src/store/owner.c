#include "store/owner.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/process.h"

enum {
    APPS = 1024,
    PROCESSES = 16384,
    PROBES = 64,                /* places of the table of processes that a name may have */
    ZEROS_INTERVAL = 60 * 1000, /* milliseconds */
    /* Heroku starts each dyno anew within little more than a day, and says so. */
    PROCESS_SILENCE_FACTOR = 3,
    /* Milliseconds after which nothing that the former owner had can be in the store any more. */
    REUSE_MARGIN = 60 * 1000,
    /* Milliseconds that the last lines of a process may come after its end: Heroku kills it 30 s after SIGTERM. */
    STOPPING_TIME = 40 * 1000,
};

/* Microseconds without a line of an instance after which the former one, if it still speaks, is the one that lives:
 * an instance writes every 20 s. */
#define INSTANCE_SILENCE (INT64_C(60) * 1000000)

/* Milliseconds: a thousand years. */
#define FOR_EVER (UINT64_C(1000) * 365 * 24 * 3600 * 1000)

/* Ids and keys: the generation in the low byte. */
#define GENERATION_MASK UINT64_C(0xFF)

struct owner {
    _Alignas(64) atomic_uint_least64_t key; /* hash of the name, with the generation in its low byte; 0: free */
    atomic_uint_least32_t app;              /* the id of a process's app */
    atomic_uint_least32_t highest;          /* of a type: the highest number of a process that was named */
    atomic_uint_least64_t heard;            /* when it was last named */
    atomic_int_least64_t started;           /* times of lines; 0: never */
    atomic_int_least64_t ended;
    atomic_int_least64_t reported_until; /* what was reported up to then is over */
    atomic_uint_least64_t leaves;        /* when what is over is to be seen no more; 0: nothing ended yet */
    atomic_uint_least64_t instance;      /* hash; 0: unknown */
    atomic_uint_least64_t former;        /* the instance before it */
    atomic_int_least64_t instance_time;
    atomic_uint_least64_t labels;             /* hash of an app's fixed labels; 0: it has none */
    atomic_uint_least64_t zeros[OWNER_ZEROS]; /* when these were last recorded; 0: never */
    atomic_long accounts[OWNER_ACCOUNTS];
};

struct owners {
    struct owners_settings settings;
    uint64_t seed;     /* so that nobody can choose names that share a place */
    struct owner *all; /* the apps, then the processes */
};

enum { ALL = APPS + PROCESSES };

/* ---- create and free ---- */

struct owners *owners_create(const struct owners_settings *settings)
{
    struct owners *owners = calloc(1, sizeof *owners);
    if (owners == NULL)
        return NULL;
    owners->settings = *settings;
    if (settings->app_silence == 0)
        owners->settings.app_silence = FOR_EVER;
    /* Untouched pages of a map cost nothing. */
    owners->all = mmap(NULL, ALL * sizeof(struct owner), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (owners->all == MAP_FAILED || getrandom(&owners->seed, sizeof owners->seed, 0) != sizeof owners->seed) {
        owners_free(owners);
        return NULL;
    }
    return owners;
}

void owners_free(struct owners *owners)
{
    if (owners == NULL)
        return;
    if (owners->all != MAP_FAILED)
        munmap(owners->all, ALL * sizeof(struct owner));
    free(owners);
}

/* ---- places ---- */

#define LOAD(member) atomic_load_explicit(&(member), memory_order_relaxed)
#define STORE(member, value) atomic_store_explicit(&(member), (value), memory_order_relaxed)

static owner_id id_of(const struct owners *owners, const struct owner *owner, uint64_t key)
{
    return (owner_id)((uint64_t)(owner - owners->all + 1) << 8 | (key & GENERATION_MASK));
}

static struct owner *place_of(const struct owners *owners, owner_id id)
{
    return &owners->all[(id >> 8) - 1];
}

static bool is_app(const struct owners *owners, const struct owner *owner)
{
    return owner - owners->all < APPS;
}

/* The owner that an id names; NULL where it has none any more. */
static struct owner *owner_of(const struct owners *owners, owner_id id)
{
    if (id == OWNER_NONE)
        return NULL;
    struct owner *owner = place_of(owners, id);
    return (LOAD(owner->key) & GENERATION_MASK) == (id & GENERATION_MASK) ? owner : NULL;
}

static bool has_ended(const struct owner *owner)
{
    return LOAD(owner->ended) > LOAD(owner->started);
}

static uint64_t silence_of(const struct owners *owners, const struct owner *owner)
{
    uint64_t silence = owners->settings.app_silence;
    return is_app(owners, owner) ? silence : silence * PROCESS_SILENCE_FACTOR;
}

/* Can the place be given to another owner? */
static bool is_forgotten(const struct owners *owners, const struct owner *owner, uint64_t now)
{
    uint64_t heard = atomic_load_explicit(&owner->heard, memory_order_acquire);
    uint64_t quiet = heard < now ? now - heard : 0;
    bool ended = has_ended(owner) && LOAD(owner->leaves) != 0;
    return quiet > silence_of(owners, owner) + REUSE_MARGIN ||
           (ended && quiet > owners->settings.grace + REUSE_MARGIN && LOAD(owner->leaves) + REUSE_MARGIN < now);
}

/* Make a place that was taken from its owner as good as new.  Who reads the new time (acquire, in is_forgotten()) then
 * reads the new key as well, and knows that the time is not the former owner's. */
static void reset(struct owner *owner, uint64_t now)
{
    atomic_store_explicit(&owner->heard, now, memory_order_release);
    STORE(owner->leaves, 0);
    STORE(owner->started, 0);
    STORE(owner->ended, 0);
    STORE(owner->reported_until, 0);
    STORE(owner->highest, 0);
    STORE(owner->instance, 0);
    STORE(owner->former, 0);
    STORE(owner->instance_time, 0);
    STORE(owner->labels, 0);
    for (int i = 0; i < OWNER_ZEROS; i++)
        STORE(owner->zeros[i], 0);
    for (int i = 0; i < OWNER_ACCOUNTS; i++)
        STORE(owner->accounts[i], 0);
}

/* The key of a place that is changing hands, but for its generation: the new owner's name is not there yet. */
#define CHANGING (~GENERATION_MASK)

/* The key of a place, once it is not changing hands: a few instructions, but of a thread that may have been put to
 * sleep. */
static uint64_t key_of(struct owner *owner)
{
    uint64_t key;
    while (((key = atomic_load_explicit(&owner->key, memory_order_acquire)) & ~GENERATION_MASK) == CHANGING)
        sched_yield();
    return key;
}

/* Give the place of a forgotten owner to another one; its new key, or 0 where another thread was faster. */
static uint64_t take_place(struct owner *owner, uint64_t forgotten_key, uint64_t name, uint64_t now)
{
    uint64_t generation = (forgotten_key + 1) & GENERATION_MASK;
    if (!atomic_compare_exchange_strong_explicit(&owner->key, &forgotten_key, CHANGING | generation,
                                                 memory_order_acq_rel, memory_order_relaxed))
        return 0;
    reset(owner, now);
    /* Release what was reset to the acquire in key_of(). */
    atomic_store_explicit(&owner->key, name | generation, memory_order_release);
    return name | generation;
}

/* The part of a hash that is a key's name: neither that of a free place nor of one that is changing hands. */
static uint64_t name_of(uint64_t hash)
{
    uint64_t name = hash & ~GENERATION_MASK;
    return name == 0 || name == CHANGING ? GENERATION_MASK + 1 : name;
}

/* The owner with this hash among the processes; NONE where it has no place. */
static owner_id look_up(const struct owners *owners, uint64_t hash)
{
    struct owner *first = owners->all + APPS;
    for (unsigned i = 0; i < PROBES; i++) {
        struct owner *owner = &first[((hash >> 32) + i) % PROCESSES];
        uint64_t key = key_of(owner);
        if (key == 0)
            break;
        if ((key & ~GENERATION_MASK) == name_of(hash))
            return id_of(owners, owner, key);
    }
    return OWNER_NONE;
}

/* Find the owner with this hash among places (count of them, from first on), or give it one; NONE where all are taken.
 */
static owner_id find(struct owners *owners, struct owner *first, unsigned count, unsigned probes, uint64_t hash,
                     uint64_t now)
{
    uint64_t name = name_of(hash);
    for (;;) {
        struct owner *forgotten = NULL;
        uint64_t forgotten_key = 0;
        for (unsigned i = 0; i < probes; i++) {
            struct owner *owner = &first[((hash >> 32) + i) % count];
            uint64_t key = key_of(owner);
            if (key == 0 && forgotten != NULL)
                break; /* who is not here is nowhere */
            if (key == 0) {
                STORE(owner->heard, now);
                if (atomic_compare_exchange_strong_explicit(&owner->key, &key, name, memory_order_acq_rel,
                                                            memory_order_relaxed))
                    return id_of(owners, owner, name);
                key = key_of(owner);
            }
            bool free_soon = is_forgotten(owners, owner, now);
            if (key != key_of(owner)) {
                i--; /* it has changed hands: look at it again */
                continue;
            }
            if ((key & ~GENERATION_MASK) == name) {
                STORE(owner->heard, now);
                return id_of(owners, owner, key);
            }
            if (forgotten == NULL && free_soon) {
                forgotten = owner;
                forgotten_key = key;
            }
        }
        if (forgotten == NULL)
            return OWNER_NONE;
        uint64_t taken = take_place(forgotten, forgotten_key, name, now);
        if (taken != 0)
            return id_of(owners, forgotten, taken);
        /* Another thread was faster, maybe with the same name. */
    }
}

static uint64_t hash_text(const struct owners *owners, struct slice text)
{
    return XXH3_64bits_withSeed(text.at, text.length, owners->seed);
}

uint64_t owners_hash_labels(const struct owners *owners, const struct label *labels, size_t label_count)
{
    uint64_t hash = 0;
    for (size_t i = 0; i < label_count; i++) /* in any order */
        hash += XXH3_64bits_withSeed(labels[i].value.at, labels[i].value.length, hash_text(owners, labels[i].name));
    return hash;
}

owner_id owners_app(struct owners *owners, struct slice app, const struct label *labels, size_t label_count,
                    uint64_t now)
{
    uint64_t labels_hash = owners_hash_labels(owners, labels, label_count);
    owner_id id = find(owners, owners->all, APPS, APPS, hash_text(owners, app) + labels_hash, now);
    if (labels_hash != 0 && id != OWNER_NONE)
        STORE(place_of(owners, id)->labels, labels_hash);
    return id;
}

/* The process that an id names; NULL where it names an app, or nobody any more. */
static struct owner *process_of(const struct owners *owners, owner_id id)
{
    struct owner *owner = owner_of(owners, id);
    return owner != NULL && !is_app(owners, owner) ? owner : NULL;
}

/* Remember the highest number of a type's processes. */
static void note_number(struct owners *owners, owner_id type, unsigned number)
{
    struct owner *owner = process_of(owners, type);
    if (owner == NULL)
        return;
    uint_least32_t highest = LOAD(owner->highest);
    while (highest < number && !atomic_compare_exchange_weak_explicit(&owner->highest, &highest, number,
                                                                      memory_order_relaxed, memory_order_relaxed))
        ;
}

static uint64_t hash_process(const struct owners *owners, owner_id app, struct slice process)
{
    return XXH3_64bits_withSeed(process.at, process.length, owners->seed + 1 + app);
}

owner_id owners_process(struct owners *owners, owner_id app, struct slice process, uint64_t now)
{
    uint64_t hash = hash_process(owners, app, process);
    owner_id id = find(owners, owners->all + APPS, PROCESSES, PROBES, hash, now);
    if (id == OWNER_NONE)
        return app;
    STORE(place_of(owners, id)->app, app);
    struct process parts;
    if (process_read(process, &parts) && !parts.one_off)
        note_number(owners, owners_process(owners, app, parts.type, now), parts.number);
    return id;
}

owner_id owners_app_of(const struct owners *owners, owner_id id)
{
    return id == OWNER_NONE || is_app(owners, place_of(owners, id)) ? id : LOAD(place_of(owners, id)->app);
}

/* ---- news ---- */

/* Raise a time; returns whether it rose. */
static bool raise_time(atomic_int_least64_t *place, int64_t time)
{
    int64_t before = atomic_load_explicit(place, memory_order_relaxed);
    while (before < time)
        if (atomic_compare_exchange_weak_explicit(place, &before, time, memory_order_release, memory_order_relaxed))
            return true;
    return false;
}

void owners_started(struct owners *owners, owner_id process, int64_t time)
{
    struct owner *owner = process_of(owners, process);
    if (owner == NULL)
        return;
    bool ended = has_ended(owner);
    if (raise_time(&owner->started, time) && ended)
        STORE(owner->zeros[OWNER_FAMILY_ZEROS], 0); /* its counters may have left */
}

static void end_reports(struct owner *owner, int64_t time, uint64_t leaves, uint64_t now)
{
    if (LOAD(owner->reported_until) >= time)
        return;
    /* A process may exit long after it went down: what has left by then does not come back. */
    if (!has_ended(owner) || LOAD(owner->leaves) > now)
        STORE(owner->leaves, leaves);
    raise_time(&owner->reported_until, time);
}

void owners_exited(struct owners *owners, owner_id process, int64_t time, uint64_t now)
{
    struct owner *owner = process_of(owners, process);
    if (owner != NULL)
        end_reports(owner, time, now + owners->settings.grace, now);
}

void owners_ended(struct owners *owners, owner_id process, int64_t time, uint64_t now)
{
    struct owner *owner = process_of(owners, process);
    if (owner == NULL)
        return;
    end_reports(owner, time, now + owners->settings.grace, now);
    /* An exit may be heard of first, long before the end that it is part of. */
    if (!has_ended(owner) && LOAD(owner->leaves) <= now)
        STORE(owner->leaves, now + owners->settings.grace);
    raise_time(&owner->ended, time);
}

void owners_replaced(struct owners *owners, owner_id id, int64_t time, uint64_t now)
{
    struct owner *owner = process_of(owners, id);
    if (owner != NULL)
        end_reports(owner, time, now, now);
}

bool owners_has_ended(const struct owners *owners, owner_id process, int64_t time)
{
    const struct owner *owner = process_of(owners, process);
    uint64_t grace = owners->settings.grace;
    int64_t margin = (int64_t)(grace > STOPPING_TIME ? grace : STOPPING_TIME) * 1000;
    return owner != NULL && has_ended(owner) && LOAD(owner->ended) + margin < time;
}

enum process_instance owners_instance(struct owners *owners, owner_id process, struct slice instance, int64_t time,
                                      uint64_t now)
{
    struct owner *owner = process_of(owners, process);
    if (owner == NULL)
        return INSTANCE_SAME;
    uint64_t hash = hash_text(owners, instance) | 1;
    uint64_t before = atomic_load_explicit(&owner->instance, memory_order_acquire);
    int64_t last = LOAD(owner->instance_time);
    if (before != hash && LOAD(owner->former) == hash && time <= last + INSTANCE_SILENCE)
        return INSTANCE_FORMER;
    if (!raise_time(&owner->instance_time, time) || before == hash)
        return INSTANCE_SAME;
    /* The former one is noted first: who sees the new one knows it. */
    STORE(owner->former, before);
    if (!atomic_compare_exchange_strong_explicit(&owner->instance, &before, hash, memory_order_acq_rel,
                                                 memory_order_relaxed) ||
        before == 0)
        return INSTANCE_SAME;
    /* Where we were told of the restart, what was reported since then is the new instance's. */
    if (LOAD(owner->started) < last)
        end_reports(owner, last, now + owners->settings.grace, now);
    raise_time(&owner->started, time);
    return INSTANCE_NEXT;
}

void owners_scale(struct owners *owners, owner_id app, struct slice type, unsigned count, int64_t time, uint64_t now)
{
    if (type.length == 0 || type.length > PROCESS_NAME_MAX - 8)
        return;
    struct owner *owner = process_of(owners, owners_process(owners, app, type, now));
    if (owner == NULL)
        return;
    unsigned highest = LOAD(owner->highest);
    for (unsigned number = count + 1; number <= highest; number++) {
        char name[PROCESS_NAME_MAX];
        int length = snprintf(name, sizeof name, "%.*s.%u", (int)type.length, type.at, number);
        /* Who was never named has no place, and gets none for this. */
        uint64_t hash = hash_process(owners, app, (struct slice){name, (size_t)length});
        owners_ended(owners, look_up(owners, hash), time, now);
    }
    if (count < highest)
        STORE(owner->highest, count);
}

/* A time that no line has: of what is over whatever its lines say. */
#define ENDED_FOR_GOOD (OWNER_COUNTED - 1)

static bool is_listed(uint64_t hash, const uint64_t *hashes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (hashes[i] == hash)
            return true;
    return false;
}

void owners_allow_labels(struct owners *owners, const uint64_t *hashes, size_t count, uint64_t now)
{
    for (struct owner *app = owners->all; app < owners->all + APPS; app++) {
        uint64_t labels = LOAD(app->labels);
        if (labels == 0)
            continue;
        bool ended = LOAD(app->ended) == ENDED_FOR_GOOD;
        if (is_listed(labels, hashes, count) && ended) {
            STORE(app->ended, 0);
            STORE(app->reported_until, 0);
        } else if (!is_listed(labels, hashes, count) && !ended) {
            end_reports(app, ENDED_FOR_GOOD, now + owners->settings.grace, now);
            raise_time(&app->ended, ENDED_FOR_GOOD);
        }
    }
}

bool owners_wants_zeros(struct owners *owners, owner_id id, enum owner_zeros which, uint64_t now)
{
    struct owner *owner = owner_of(owners, id);
    if (owner == NULL)
        return true;
    uint64_t zeros = LOAD(owner->zeros[which]);
    if (zeros != 0 && zeros + ZEROS_INTERVAL > now)
        return false;
    STORE(owner->zeros[which], now);
    return true;
}

/* ---- what is over ---- */

static bool is_over(const struct owners *owners, const struct owner *owner, int64_t time, uint64_t now)
{
    if (owner == NULL || LOAD(owner->heard) + silence_of(owners, owner) <= now)
        return true;
    int64_t until = time == OWNER_COUNTED ? atomic_load_explicit(&owner->ended, memory_order_acquire)
                                          : atomic_load_explicit(&owner->reported_until, memory_order_acquire);
    int64_t since = time == OWNER_COUNTED ? LOAD(owner->started) + 1 : time;
    return until > 0 && until >= since && LOAD(owner->leaves) <= now;
}

bool owners_is_over(const struct owners *owners, owner_id id, int64_t time, uint64_t now)
{
    if (id == OWNER_NONE)
        return false;
    const struct owner *owner = owner_of(owners, id);
    if (is_over(owners, owner, time, now))
        return true;
    return !is_app(owners, owner) && is_over(owners, owner_of(owners, LOAD(owner->app)), time, now);
}

long owners_add(struct owners *owners, owner_id app, enum owner_account account, long amount)
{
    struct owner *owner = owner_of(owners, app);
    if (owner == NULL)
        return 0;
    return atomic_fetch_add_explicit(&owner->accounts[account], amount, memory_order_relaxed) + amount;
}
