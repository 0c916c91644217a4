#include "store/entity.h"

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
    PROBES = 64,                /* slots of the table of processes that a name may have */
    ZEROS_INTERVAL = 60 * 1000, /* milliseconds */
    /* Heroku starts each dyno anew within little more than a day, and says so. */
    PROCESS_SILENCE_FACTOR = 3,
    /* Milliseconds after which nothing that the former entity had can be in the store any more. */
    REUSE_MARGIN = 60 * 1000,
    /* Milliseconds that the last lines of a process may come after its end: Heroku kills it 30 s after SIGTERM. */
    STOPPING_TIME = 40 * 1000,
};

/* Microseconds without a line of an instance after which the former one, if it still speaks, is the one that lives:
 * an instance writes every 20 s. */
#define INSTANCE_SILENCE (INT64_C(60) * 1000000)

/* Of a process that starts anew both the line of its start and the first line of the new instance tell.  The one that
 * is read first counts; the word restart has its time and, in the low bits, which of the two it was, until the other
 * one comes.  They are of one restart if there are no more microseconds between them than this: an instance that starts
 * writes within a minute or so. */
enum { RESTART_TOLD = 1, RESTART_SEEN = 2, RESTART_BITS = 2 };
#define RESTART_MARGIN (INT64_C(300) * 1000000)

/* Milliseconds: a thousand years. */
#define FOR_EVER (UINT64_C(1000) * 365 * 24 * 3600 * 1000)

/* Ids and keys: the generation in the low byte. */
#define GENERATION_MASK UINT64_C(0xFF)

/* The bit of an id that means the position in the formation, see entities_position(). */
#define POSITION_BIT (UINT32_C(1) << 31)

struct entity {
    _Alignas(64) atomic_uint_least64_t key; /* hash of the name, with the generation in its low byte; 0: free */
    atomic_uint_least32_t app;              /* the id of a process's app */
    atomic_uint_least32_t highest;          /* of a type: the highest number of a process that was named */
    atomic_uint_least64_t heard;            /* when it was last named */
    atomic_uint_least64_t first_page;       /* the number of the first page that begins after it was first named */
    atomic_int_least64_t started;           /* times of lines; 0: never */
    atomic_int_least64_t ended;
    atomic_int_least64_t reported_until;       /* what was reported up to then is over */
    atomic_uint_least64_t leaves;              /* when what is over is to be seen no more; 0: nothing ended yet */
    atomic_uint_least64_t zeros[ENTITY_ZEROS]; /* when these were last recorded; 0: never */
    atomic_int_least64_t removed;              /* of a process: its position in the formation ended; 0: never */
    atomic_uint_least64_t restart;             /* see RESTART_TOLD */
    union {
        struct {
            atomic_uint_least64_t labels; /* hash of the fixed labels; 0: there are none */
            atomic_long accounts[ENTITY_ACCOUNTS];
        }; /* of an app */
        struct {
            atomic_uint_least64_t instance; /* hash; 0: unknown */
            atomic_uint_least64_t former;   /* the instance before it */
            atomic_int_least64_t instance_time;
        }; /* of a process */
    };
};

_Static_assert(sizeof(struct entity) == 128, "two cache lines");

struct entities {
    struct entities_settings settings;
    uint64_t seed;      /* so that nobody can choose names that share a slot */
    struct entity *all; /* the apps, then the processes */
    atomic_uint_least64_t pages;
};

enum { ALL = APPS + PROCESSES };

/* ---- create and free ---- */

struct entities *entities_create(const struct entities_settings *settings)
{
    struct entities *entities = calloc(1, sizeof *entities);
    if (entities == NULL)
        return NULL;
    entities->settings = *settings;
    if (settings->app_silence == 0)
        entities->settings.app_silence = FOR_EVER;
    /* Untouched pages of a map cost nothing. */
    entities->all = mmap(NULL, ALL * sizeof(struct entity), PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (entities->all == MAP_FAILED || getrandom(&entities->seed, sizeof entities->seed, 0) != sizeof entities->seed) {
        entities_free(entities);
        return NULL;
    }
    return entities;
}

void entities_free(struct entities *entities)
{
    if (entities == NULL)
        return;
    if (entities->all != MAP_FAILED)
        munmap(entities->all, ALL * sizeof(struct entity));
    free(entities);
}

/* ---- slots ---- */

#define LOAD(member) atomic_load_explicit(&(member), memory_order_relaxed)
#define STORE(member, value) atomic_store_explicit(&(member), (value), memory_order_relaxed)

static entity_id id_of(const struct entities *entities, const struct entity *entity, uint64_t key)
{
    return (entity_id)((uint64_t)(entity - entities->all + 1) << 8 | (key & GENERATION_MASK));
}

static struct entity *slot_of(const struct entities *entities, entity_id id)
{
    return &entities->all[((id & ~POSITION_BIT) >> 8) - 1];
}

static bool is_app(const struct entities *entities, const struct entity *entity)
{
    return entity - entities->all < APPS;
}

/* The entity that an id names; NULL if it has none any more. */
static struct entity *entity_of(const struct entities *entities, entity_id id)
{
    if (id == ENTITY_NONE)
        return NULL;
    struct entity *entity = slot_of(entities, id);
    return (LOAD(entity->key) & GENERATION_MASK) == (id & GENERATION_MASK) ? entity : NULL;
}

static bool has_ended(const struct entity *entity)
{
    return LOAD(entity->ended) > LOAD(entity->started);
}

static uint64_t silence_of(const struct entities *entities, const struct entity *entity)
{
    uint64_t silence = entities->settings.app_silence;
    return is_app(entities, entity) ? silence : silence * PROCESS_SILENCE_FACTOR;
}

/* Can the slot be given to another entity? */
static bool is_forgotten(const struct entities *entities, const struct entity *entity, uint64_t now)
{
    uint64_t heard = atomic_load_explicit(&entity->heard, memory_order_acquire);
    uint64_t quiet = heard < now ? now - heard : 0;
    bool ended = has_ended(entity) && LOAD(entity->leaves) != 0;
    return quiet > silence_of(entities, entity) + REUSE_MARGIN ||
           (ended && quiet > entities->settings.grace + REUSE_MARGIN && LOAD(entity->leaves) + REUSE_MARGIN < now);
}

static void note_first_page(const struct entities *entities, struct entity *entity)
{
    STORE(entity->first_page, LOAD(entities->pages) + 1);
}

/* Make a slot that was taken from its entity as good as new.  Who reads the new time (acquire, in is_forgotten()) then
 * reads the new key as well, and knows that the time is not the former entity's. */
static void reset(struct entity *entity, uint64_t now)
{
    atomic_store_explicit(&entity->heard, now, memory_order_release);
    STORE(entity->leaves, 0);
    STORE(entity->started, 0);
    STORE(entity->ended, 0);
    STORE(entity->reported_until, 0);
    STORE(entity->highest, 0);
    STORE(entity->removed, 0);
    STORE(entity->restart, 0);
    STORE(entity->instance, 0);
    STORE(entity->former, 0);
    STORE(entity->instance_time, 0);
    for (int i = 0; i < ENTITY_ZEROS; i++)
        STORE(entity->zeros[i], 0);
    STORE(entity->labels, 0);
    for (int i = 0; i < ENTITY_ACCOUNTS; i++)
        STORE(entity->accounts[i], 0);
}

/* The key of a slot that is changing hands, but for its generation: the new entity's name is not there yet. */
#define CHANGING (~GENERATION_MASK)

/* The key of a slot, once it is not changing hands: a few instructions, but of a thread that may have been put to
 * sleep. */
static uint64_t key_of(struct entity *entity)
{
    uint64_t key;
    while (((key = atomic_load_explicit(&entity->key, memory_order_acquire)) & ~GENERATION_MASK) == CHANGING)
        sched_yield();
    return key;
}

/* Give the slot of a forgotten entity to another one; its new key, or 0 if another thread was faster. */
static uint64_t take_slot(const struct entities *entities, struct entity *entity, uint64_t forgotten_key, uint64_t name,
                          uint64_t now)
{
    uint64_t generation = (forgotten_key + 1) & GENERATION_MASK;
    if (!atomic_compare_exchange_strong_explicit(&entity->key, &forgotten_key, CHANGING | generation,
                                                 memory_order_acq_rel, memory_order_relaxed))
        return 0;
    reset(entity, now);
    note_first_page(entities, entity);
    /* Release what was reset to the acquire in key_of(). */
    atomic_store_explicit(&entity->key, name | generation, memory_order_release);
    return name | generation;
}

/* The part of a hash that is a key's name: neither that of a free slot nor of one that is changing hands. */
static uint64_t name_of(uint64_t hash)
{
    uint64_t name = hash & ~GENERATION_MASK;
    return name == 0 || name == CHANGING ? GENERATION_MASK + 1 : name;
}

/* The entity with this hash among the processes; NONE if it has no slot. */
static entity_id look_up(const struct entities *entities, uint64_t hash)
{
    struct entity *first = entities->all + APPS;
    for (unsigned i = 0; i < PROBES; i++) {
        struct entity *entity = &first[((hash >> 32) + i) % PROCESSES];
        uint64_t key = key_of(entity);
        if (key == 0)
            break;
        if ((key & ~GENERATION_MASK) == name_of(hash))
            return id_of(entities, entity, key);
    }
    return ENTITY_NONE;
}

static void note_heard(const struct entities *entities, struct entity *entity, uint64_t now)
{
    if (LOAD(entity->heard) + silence_of(entities, entity) <= now)
        note_first_page(entities, entity); /* it was over: it begins anew */
    STORE(entity->heard, now);
}

/* Find the entity with this hash among slots (count of them, from first on), or give it one; NONE if all are taken.
 */
static entity_id find(struct entities *entities, struct entity *first, unsigned count, unsigned probes, uint64_t hash,
                      uint64_t now)
{
    uint64_t name = name_of(hash);
    for (;;) {
        struct entity *forgotten = NULL;
        uint64_t forgotten_key = 0;
        for (unsigned i = 0; i < probes; i++) {
            struct entity *entity = &first[((hash >> 32) + i) % count];
            uint64_t key = key_of(entity);
            if (key == 0 && forgotten != NULL)
                break; /* who is not here is nowhere */
            if (key == 0) {
                STORE(entity->heard, now);
                note_first_page(entities, entity);
                if (atomic_compare_exchange_strong_explicit(&entity->key, &key, name, memory_order_acq_rel,
                                                            memory_order_relaxed))
                    return id_of(entities, entity, name);
                key = key_of(entity);
            }
            bool free_soon = is_forgotten(entities, entity, now);
            if (key != key_of(entity)) {
                i--; /* it has changed hands: look at it again */
                continue;
            }
            if ((key & ~GENERATION_MASK) == name) {
                note_heard(entities, entity, now);
                return id_of(entities, entity, key);
            }
            if (forgotten == NULL && free_soon) {
                forgotten = entity;
                forgotten_key = key;
            }
        }
        if (forgotten == NULL)
            return ENTITY_NONE;
        uint64_t taken = take_slot(entities, forgotten, forgotten_key, name, now);
        if (taken != 0)
            return id_of(entities, forgotten, taken);
        /* Another thread was faster, maybe with the same name. */
    }
}

static uint64_t hash_text(const struct entities *entities, struct slice text)
{
    return XXH3_64bits_withSeed(text.at, text.length, entities->seed);
}

uint64_t entities_hash_labels(const struct entities *entities, const struct label *labels, size_t label_count)
{
    uint64_t hash = 0;
    for (size_t i = 0; i < label_count; i++) /* in any order */
        hash += XXH3_64bits_withSeed(labels[i].value.at, labels[i].value.length, hash_text(entities, labels[i].name));
    return hash;
}

entity_id entities_app(struct entities *entities, struct slice app, const struct label *labels, size_t label_count,
                       uint64_t now)
{
    uint64_t labels_hash = entities_hash_labels(entities, labels, label_count);
    entity_id id = find(entities, entities->all, APPS, APPS, hash_text(entities, app) + labels_hash, now);
    if (labels_hash != 0 && id != ENTITY_NONE)
        STORE(slot_of(entities, id)->labels, labels_hash);
    return id;
}

/* The process that an id names; NULL if it names an app, or nobody any more. */
static struct entity *process_of(const struct entities *entities, entity_id id)
{
    struct entity *entity = entity_of(entities, id);
    return entity != NULL && !is_app(entities, entity) ? entity : NULL;
}

/* Remember the highest number of a type's processes. */
static void note_number(struct entities *entities, entity_id type, unsigned number)
{
    struct entity *entity = process_of(entities, type);
    if (entity == NULL)
        return;
    uint_least32_t highest = LOAD(entity->highest);
    while (highest < number && !atomic_compare_exchange_weak_explicit(&entity->highest, &highest, number,
                                                                      memory_order_relaxed, memory_order_relaxed))
        ;
}

static uint64_t hash_process(const struct entities *entities, entity_id app, struct slice process)
{
    return XXH3_64bits_withSeed(process.at, process.length, entities->seed + 1 + app);
}

entity_id entities_process(struct entities *entities, entity_id app, struct slice process, uint64_t now)
{
    uint64_t hash = hash_process(entities, app, process);
    entity_id id = find(entities, entities->all + APPS, PROCESSES, PROBES, hash, now);
    if (id == ENTITY_NONE)
        return app;
    STORE(slot_of(entities, id)->app, app);
    struct process parts;
    if (process_read(process, &parts) && !parts.one_off)
        note_number(entities, entities_process(entities, app, parts.type, now), parts.number);
    return id;
}

entity_id entities_app_of(const struct entities *entities, entity_id id)
{
    return id == ENTITY_NONE || is_app(entities, slot_of(entities, id)) ? id : LOAD(slot_of(entities, id)->app);
}

void entities_note_page(struct entities *entities)
{
    atomic_fetch_add_explicit(&entities->pages, 1, memory_order_relaxed);
}

bool entities_was_on_page(const struct entities *entities, entity_id id)
{
    const struct entity *entity = entity_of(entities, id);
    uint64_t first = entity == NULL ? 1 : LOAD(entity->first_page);
    return first <= LOAD(entities->pages);
}

entity_id entities_position(const struct entities *entities, entity_id id)
{
    return id == ENTITY_NONE || is_app(entities, slot_of(entities, id)) ? id : id | POSITION_BIT;
}

/* ---- process events ---- */

/* Raise a time; returns whether it rose. */
static bool raise_time(atomic_int_least64_t *stored, int64_t time)
{
    int64_t before = atomic_load_explicit(stored, memory_order_relaxed);
    while (before < time)
        if (atomic_compare_exchange_weak_explicit(stored, &before, time, memory_order_release, memory_order_relaxed))
            return true;
    return false;
}

void entities_started(struct entities *entities, entity_id process, int64_t time)
{
    struct entity *entity = process_of(entities, process);
    if (entity == NULL)
        return;
    bool ended = has_ended(entity);
    if (raise_time(&entity->started, time) && ended)
        STORE(entity->zeros[ENTITY_FAMILY_ZEROS], 0); /* its counters may have left */
}

static void end_reports(struct entity *entity, int64_t time, uint64_t leaves, uint64_t now)
{
    if (LOAD(entity->reported_until) >= time)
        return;
    /* A process may exit long after it went down: what has left by then does not come back. */
    if (!has_ended(entity) || LOAD(entity->leaves) > now)
        STORE(entity->leaves, leaves);
    raise_time(&entity->reported_until, time);
}

void entities_exited(struct entities *entities, entity_id process, int64_t time, uint64_t now)
{
    struct entity *entity = process_of(entities, process);
    if (entity != NULL)
        end_reports(entity, time, now + entities->settings.grace, now);
}

void entities_ended(struct entities *entities, entity_id process, int64_t time, uint64_t now)
{
    struct entity *entity = process_of(entities, process);
    if (entity == NULL)
        return;
    end_reports(entity, time, now + entities->settings.grace, now);
    /* An exit may be heard of first, long before the end that it is part of. */
    if (!has_ended(entity) && LOAD(entity->leaves) <= now)
        STORE(entity->leaves, now + entities->settings.grace);
    raise_time(&entity->ended, time);
}

void entities_replaced(struct entities *entities, entity_id id, int64_t time, uint64_t now)
{
    struct entity *entity = process_of(entities, id);
    if (entity != NULL)
        end_reports(entity, time, now, now);
}

bool entities_has_ended(const struct entities *entities, entity_id process, int64_t time)
{
    const struct entity *entity = process_of(entities, process);
    uint64_t grace = entities->settings.grace;
    int64_t margin = (int64_t)(grace > STOPPING_TIME ? grace : STOPPING_TIME) * 1000;
    return entity != NULL && has_ended(entity) && LOAD(entity->ended) + margin < time;
}

/* What the word restart becomes by one of the two that tell of a restart, read at this time of its line.  *is_news: it
 * is the first of the two. */
static uint64_t tell_restart(uint64_t before, int64_t time, unsigned which, bool *is_news)
{
    int64_t last = (int64_t)(before >> RESTART_BITS);
    unsigned open = before & (RESTART_TOLD | RESTART_SEEN);
    int64_t gap = which == RESTART_SEEN ? time - last : last - time; /* an instance starts before it writes */
    bool is_answer = open != 0 && open != which && gap >= 0 && gap <= RESTART_MARGIN;
    /* An instance of before the start that was told last: its own was told as well. */
    bool is_older = open == RESTART_TOLD && which == RESTART_SEEN && gap < 0;
    *is_news = !is_answer && !is_older;
    if (is_answer)
        return (uint64_t)(time > last ? time : last) << RESTART_BITS;
    return time > last ? (uint64_t)time << RESTART_BITS | which : before;
}

static bool note_restart(struct entity *entity, int64_t time, unsigned which)
{
    bool is_news;
    uint64_t before = LOAD(entity->restart), after;
    do
        after = tell_restart(before, time, which, &is_news);
    while (!atomic_compare_exchange_weak_explicit(&entity->restart, &before, after, memory_order_relaxed,
                                                  memory_order_relaxed));
    return is_news;
}

bool entities_restarted(struct entities *entities, entity_id process, int64_t time)
{
    struct entity *entity = process_of(entities, process);
    return entity == NULL || note_restart(entity, time, RESTART_TOLD);
}

enum process_instance entities_instance(struct entities *entities, entity_id process, struct slice instance,
                                        int64_t time, uint64_t now)
{
    struct entity *entity = process_of(entities, process);
    if (entity == NULL)
        return INSTANCE_SAME;
    uint64_t hash = hash_text(entities, instance) | 1;
    uint64_t before = atomic_load_explicit(&entity->instance, memory_order_acquire);
    int64_t last = LOAD(entity->instance_time);
    if (before != hash && LOAD(entity->former) == hash && time <= last + INSTANCE_SILENCE)
        return INSTANCE_FORMER;
    if (!raise_time(&entity->instance_time, time) || before == hash)
        return INSTANCE_SAME;
    /* The former one is noted first: who sees the new one knows it. */
    STORE(entity->former, before);
    if (!atomic_compare_exchange_strong_explicit(&entity->instance, &before, hash, memory_order_acq_rel,
                                                 memory_order_relaxed) ||
        before == 0)
        return INSTANCE_SAME;
    /* Where we were told of the restart, what was reported since then is the new instance's. */
    if (LOAD(entity->started) < last)
        end_reports(entity, last, now + entities->settings.grace, now);
    raise_time(&entity->started, time);
    return note_restart(entity, time, RESTART_SEEN) ? INSTANCE_NEXT : INSTANCE_SAME;
}

void entities_scale(struct entities *entities, entity_id app, struct slice type, unsigned count, int64_t time,
                    uint64_t now)
{
    if (type.length == 0 || type.length > PROCESS_NAME_MAX - 8)
        return;
    struct entity *entity = process_of(entities, entities_process(entities, app, type, now));
    if (entity == NULL)
        return;
    unsigned highest = LOAD(entity->highest);
    for (unsigned number = count + 1; number <= highest; number++) {
        char name[PROCESS_NAME_MAX];
        int length = snprintf(name, sizeof name, "%.*s.%u", (int)type.length, type.at, number);
        /* Who was never named has no slot, and gets none for this. */
        uint64_t hash = hash_process(entities, app, (struct slice){name, (size_t)length});
        entity_id process = look_up(entities, hash);
        entities_ended(entities, process, time, now);
        if (process != ENTITY_NONE)
            raise_time(&slot_of(entities, process)->removed, time);
    }
    if (count < highest)
        STORE(entity->highest, count);
}

/* A time that no line has: of what is over whatever its lines say. */
#define ENDED_FOR_GOOD (ENTITY_COUNTED - 1)

static bool is_listed(uint64_t hash, const uint64_t *hashes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (hashes[i] == hash)
            return true;
    return false;
}

void entities_allow_labels(struct entities *entities, const uint64_t *hashes, size_t count, uint64_t now)
{
    for (struct entity *app = entities->all; app < entities->all + APPS; app++) {
        uint64_t labels = LOAD(app->labels);
        if (labels == 0)
            continue;
        bool ended = LOAD(app->ended) == ENDED_FOR_GOOD;
        if (is_listed(labels, hashes, count) && ended) {
            STORE(app->ended, 0);
            STORE(app->reported_until, 0);
        } else if (!is_listed(labels, hashes, count) && !ended) {
            end_reports(app, ENDED_FOR_GOOD, now + entities->settings.grace, now);
            raise_time(&app->ended, ENDED_FOR_GOOD);
        }
    }
}

bool entities_wants_zeros(struct entities *entities, entity_id id, enum entity_zeros which, uint64_t now)
{
    struct entity *entity = entity_of(entities, id);
    if (entity == NULL)
        return true;
    uint64_t zeros = LOAD(entity->zeros[which]);
    if (zeros != 0 && zeros + ZEROS_INTERVAL > now)
        return false;
    STORE(entity->zeros[which], now);
    return true;
}

/* ---- what is over ---- */

static bool is_silent(const struct entities *entities, const struct entity *entity, uint64_t now)
{
    return entity == NULL || LOAD(entity->heard) + silence_of(entities, entity) <= now;
}

static bool is_position_over(const struct entities *entities, const struct entity *entity, uint64_t now, uint64_t more)
{
    return is_silent(entities, entity, now) ||
           (atomic_load_explicit(&entity->removed, memory_order_acquire) > LOAD(entity->started) &&
            LOAD(entity->leaves) + more <= now);
}

static bool is_over(const struct entities *entities, const struct entity *entity, int64_t time, uint64_t now,
                    uint64_t more)
{
    if (is_silent(entities, entity, now))
        return true;
    int64_t until = time == ENTITY_COUNTED ? atomic_load_explicit(&entity->ended, memory_order_acquire)
                                           : atomic_load_explicit(&entity->reported_until, memory_order_acquire);
    int64_t since = time == ENTITY_COUNTED ? LOAD(entity->started) + 1 : time;
    return until > 0 && until >= since && LOAD(entity->leaves) + more <= now;
}

bool entities_is_over(const struct entities *entities, entity_id id, int64_t time, uint64_t now)
{
    return entities_is_over_after(entities, id, time, now, 0);
}

bool entities_is_over_after(const struct entities *entities, entity_id id, int64_t time, uint64_t now, uint64_t more)
{
    if (id == ENTITY_NONE)
        return false;
    const struct entity *entity = entity_of(entities, id);
    if ((id & POSITION_BIT) != 0 ? is_position_over(entities, entity, now, more)
                                 : is_over(entities, entity, time, now, more))
        return true;
    return !is_app(entities, entity) && is_over(entities, entity_of(entities, LOAD(entity->app)), time, now, more);
}

bool entities_are_apart(const struct entities *entities, entity_id id, int64_t earlier, int64_t later)
{
    const struct entity *entity = process_of(entities, id);
    if (entity == NULL || (id & POSITION_BIT) != 0)
        return false;
    int64_t until = LOAD(entity->reported_until);
    return earlier <= until && until < later;
}

long entities_add(struct entities *entities, entity_id app, enum entity_account account, long amount)
{
    struct entity *entity = entity_of(entities, app);
    if (entity == NULL)
        return ENTITY_NO_ACCOUNT;
    return atomic_fetch_add_explicit(&entity->accounts[account], amount, memory_order_relaxed) + amount;
}
