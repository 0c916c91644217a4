#include "store/entity.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/process.h"
#include "store/entity_name.h"
#include "store/mapping.h"

enum {
    APPS_DEFAULT = 1024,
    PROCESSES_MIN = 16384, /* slots for processes, or so many for each app: */
    PROCESSES_OF_APP = 16,
    ZEROS_INTERVAL = 60 * 1000, /* milliseconds */
    /* Heroku starts each dyno anew within little more than a day, and says so. */
    PROCESS_SILENCE_FACTOR = 3,
    /* Milliseconds after which nothing that the former entity had can be in the store any more. */
    REUSE_MARGIN = 60 * 1000,
    /* Milliseconds that the last lines of a process may come after its end: Heroku kills it 30 s after SIGTERM. */
    STOPPING_TIME = 40 * 1000,
    NEW_APPS_INTERVAL = 60 * 1000, /* milliseconds in which max_new_apps may begin */
    /* Milliseconds after which who is refused is looked at again, and a millisecond for so many slots: what is
     * forgotten is looked for in all of them. */
    FULL_INTERVAL = 1000,
    SLOTS_A_MILLISECOND = 16,
    WALK_MAX = 64, /* steps of a look-up without the lock; a chain is longer only for who has strayed from it */
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

/* A time that no line has: of what is over whatever its lines say. */
#define ENDED_FOR_GOOD (ENTITY_COUNTED - 1)

/* Milliseconds: a thousand years. */
#define FOR_EVER (UINT64_C(1000) * 365 * 24 * 3600 * 1000)

/* Ids and keys: the generation in the low byte. */
#define GENERATION_MASK UINT64_C(0xFF)

struct entity {
    _Alignas(64) atomic_uint_least64_t key; /* hash of the name, with the generation in its low byte; 0: free */
    atomic_uint_least32_t next;             /* in its bucket, or of the free slots: a number of a slot, or 0 */
    union {
        atomic_uint_least32_t app;       /* of a process: the id of its app */
        atomic_uint_least32_t processes; /* of an app: how many slots they have */
    };
    atomic_uint_least64_t heard;      /* when it was last named; 0: never */
    atomic_uint_least64_t first_page; /* the number of the first page that begins after it was first named */
    atomic_int_least64_t started;     /* times of lines; 0: never */
    atomic_int_least64_t ended;
    atomic_int_least64_t reported_until;       /* what was reported up to then is over */
    atomic_uint_least64_t leaves;              /* when what is over is to be seen no more; 0: nothing ended yet */
    atomic_uint_least64_t zeros[ENTITY_ZEROS]; /* when these were last recorded; 0: never */
    union {
        struct {
            atomic_uint_least64_t labels; /* hash of the fixed labels; 0: there are none */
            atomic_int_least32_t accounts[ENTITY_ACCOUNTS];
            atomic_uint_least32_t reserved[ENTITY_RESERVED_ACCOUNTS]; /* see entities_exchange_reserved() */
            atomic_uint_least32_t configured;                         /* by which configuration; 0: by none */
            atomic_uint_least32_t full_until;                         /* no slot for a new process before; seconds */
        };                                                            /* of an app */
        struct {
            atomic_uint_least32_t highest;  /* of a type: the highest number of a process that was named */
            atomic_int_least64_t removed;   /* its position in the formation ended; 0: never */
            atomic_uint_least64_t restart;  /* see RESTART_TOLD */
            atomic_uint_least64_t instance; /* hash; 0: unknown */
            atomic_uint_least64_t former;   /* the instance before it */
            atomic_int_least64_t instance_time;
        }; /* of a process */
    };
};

_Static_assert(sizeof(struct entity) == 128, "two cache lines");

/* Slots, and buckets to find them by: a number is that of a slot, from 1 on.  Looking up takes no lock. */
struct table {
    pthread_mutex_t lock; /* guards the rest, and who stands in the buckets */
    struct entity *first;
    uint32_t capacity;
    uint32_t used; /* slots that were ever used: the first ones */
    uint32_t free; /* the first one of those that are free again */
    uint32_t bucket_mask;
    atomic_uint_least32_t *buckets;
    atomic_uint_least32_t count;      /* of entities */
    atomic_uint_least64_t full_until; /* nobody gets a slot before */
};

struct entities {
    struct entities_settings settings;
    uint64_t seed;              /* so that nobody can choose names that share a bucket */
    struct entity *all;         /* the apps, then the processes */
    struct entity_name **names; /* of each, NULL: it has none; guarded by the lock of its table */
    struct table apps;
    struct table processes;
    /* Of the apps, guarded by their lock: */
    uint32_t configuration;       /* the number of the present one */
    atomic_uint_least32_t others; /* apps that are not configured */
    uint64_t new_since;           /* when the interval began in which these new apps came */
    uint64_t new_apps;
    atomic_uint_least32_t refusal; /* why an app was last refused */
    atomic_uint_least64_t pages;
};

/* ---- create and free ---- */

static size_t bucket_bytes(const struct table *table)
{
    return ((size_t)table->bucket_mask + 1) * sizeof table->buckets[0];
}

static bool create_table(struct table *table, size_t capacity)
{
    uint32_t buckets = 1024;
    while (buckets < capacity)
        buckets *= 2;
    pthread_mutex_init(&table->lock, NULL);
    table->capacity = (uint32_t)capacity;
    table->bucket_mask = buckets - 1;
    table->buckets = map_zeroes(bucket_bytes(table));
    return table->buckets != NULL;
}

static void free_table(struct table *table)
{
    unmap(table->buckets, bucket_bytes(table));
    pthread_mutex_destroy(&table->lock);
}

static size_t all_slots(const struct entities *entities)
{
    return (size_t)entities->apps.capacity + entities->processes.capacity;
}

struct entities *entities_create(const struct entities_settings *settings)
{
    struct entities *entities = calloc(1, sizeof *entities);
    if (entities == NULL)
        return NULL;
    entities->settings = *settings;
    if (settings->app_silence == 0)
        entities->settings.app_silence = FOR_EVER;
    if (settings->max_apps == 0)
        entities->settings.max_apps = APPS_DEFAULT;
    /* Apps that were configured until a moment ago have slots as well. */
    size_t apps = entities->settings.max_apps + 2 * (size_t)ENTITIES_CONFIGURED_MAX;
    size_t processes = entities->settings.max_apps * PROCESSES_OF_APP;
    processes = processes < PROCESSES_MIN ? PROCESSES_MIN : processes;
    bool has_tables = create_table(&entities->apps, apps);
    has_tables &= create_table(&entities->processes, processes);
    entities->all = map_zeroes(all_slots(entities) * sizeof entities->all[0]);
    entities->names = calloc(all_slots(entities), sizeof entities->names[0]);
    if (!has_tables || entities->all == NULL || entities->names == NULL ||
        getrandom(&entities->seed, sizeof entities->seed, 0) != sizeof entities->seed) {
        entities_free(entities);
        return NULL;
    }
    entities->apps.first = entities->all;
    entities->processes.first = entities->all + apps;
    return entities;
}

static void free_names(struct entity_name **names, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        free(names[i]);
}

void entities_free(struct entities *entities)
{
    if (entities == NULL)
        return;
    if (entities->names != NULL) {
        free_names(entities->names, entities->apps.used);
        free_names(entities->names + entities->apps.capacity, entities->processes.used);
    }
    free(entities->names);
    unmap(entities->all, all_slots(entities) * sizeof entities->all[0]);
    free_table(&entities->apps);
    free_table(&entities->processes);
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
    return &entities->all[((id & ~ENTITY_POSITION) >> 8) - 1];
}

static bool is_app(const struct entities *entities, const struct entity *entity)
{
    return entity < entities->processes.first;
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

static bool is_configured(const struct entities *entities, const struct entity *entity)
{
    return is_app(entities, entity) && LOAD(entity->configured) != 0;
}

/* Can the slot be given to another entity? */
static bool is_forgotten(const struct entities *entities, const struct entity *entity, uint64_t now)
{
    if (is_configured(entities, entity))
        return false;
    /* Since before the machine has started, if a former start of the program heard of it: so in the circle of 64 bits.
     */
    uint64_t quiet = now - LOAD(entity->heard);
    if (quiet > INT64_MAX)
        quiet = 0;
    bool ended = has_ended(entity) && LOAD(entity->leaves) != 0;
    return quiet > silence_of(entities, entity) + REUSE_MARGIN ||
           (ended && quiet > entities->settings.grace + REUSE_MARGIN && LOAD(entity->leaves) + REUSE_MARGIN < now);
}

static void note_first_page(const struct entities *entities, struct entity *entity)
{
    STORE(entity->first_page, LOAD(entities->pages) + 1);
}

/* Make a slot that was taken from its entity as good as new. */
static void reset(struct entity *entity, uint64_t now)
{
    STORE(entity->heard, now);
    STORE(entity->leaves, 0);
    STORE(entity->started, 0);
    STORE(entity->ended, 0);
    STORE(entity->reported_until, 0);
    for (int i = 0; i < ENTITY_ZEROS; i++)
        STORE(entity->zeros[i], 0);
    STORE(entity->app, 0);
    /* Of an app or of a process, whichever it is: the words of both are zeroes then. */
    STORE(entity->labels, 0);
    for (int i = 0; i < ENTITY_ACCOUNTS; i++)
        STORE(entity->accounts[i], 0);
    for (int i = 0; i < ENTITY_RESERVED_ACCOUNTS; i++)
        STORE(entity->reserved[i], 0);
    STORE(entity->configured, 0);
    STORE(entity->full_until, 0);
}

static void reset_process(struct entity *entity)
{
    STORE(entity->highest, 0);
    STORE(entity->removed, 0);
    STORE(entity->restart, 0);
    STORE(entity->instance, 0);
    STORE(entity->former, 0);
    STORE(entity->instance_time, 0);
}

/* The part of a hash that is a key's name; not 0, which is that of a free slot. */
static uint64_t name_of(uint64_t hash)
{
    uint64_t name = hash & ~GENERATION_MASK;
    return name == 0 ? GENERATION_MASK + 1 : name;
}

static bool has_name(uint64_t key, uint64_t name)
{
    return (key & ~GENERATION_MASK) == name;
}

static atomic_uint_least32_t *chain_of(const struct table *table, uint64_t name)
{
    return &table->buckets[(name >> 32) & table->bucket_mask];
}

/* The slot of this name, and its key; NULL if there is none.  Who does not hold the lock may stray to another bucket,
 * from a slot that goes to another entity, and not find what is there. */
static struct entity *walk(const struct table *table, uint64_t name, unsigned steps, uint64_t *key)
{
    uint32_t number = atomic_load_explicit(chain_of(table, name), memory_order_acquire);
    for (; number != 0 && steps > 0; steps--) {
        struct entity *entity = &table->first[number - 1];
        *key = atomic_load_explicit(&entity->key, memory_order_acquire);
        if (has_name(*key, name))
            return entity;
        number = atomic_load_explicit(&entity->next, memory_order_acquire);
    }
    return NULL;
}

/* Of an entity that was heard then.  In the circle of 64 bits, too, and a moment after now if another thread heard it.
 */
static bool is_silent_since(const struct entities *entities, const struct entity *entity, uint64_t heard, uint64_t now)
{
    return heard == 0 || (int64_t)(now - heard) >= (int64_t)silence_of(entities, entity);
}

static void note_heard(const struct entities *entities, struct entity *entity, uint64_t now)
{
    if (is_silent_since(entities, entity, LOAD(entity->heard), now))
        note_first_page(entities, entity); /* it was over: it begins anew */
    STORE(entity->heard, now);
}

/* The entity of this name, which is heard of now; NONE if it has no slot.  The lock is held. */
static entity_id find_locked(const struct entities *entities, const struct table *table, uint64_t name, uint64_t now)
{
    uint64_t key;
    struct entity *entity = walk(table, name, UINT_MAX, &key);
    if (entity == NULL)
        return ENTITY_NONE;
    note_heard(entities, entity, now);
    return id_of(entities, entity, key);
}

/* The same without the lock: NONE also if it must be looked for again with it. */
static entity_id find_quickly(const struct entities *entities, const struct table *table, uint64_t name, uint64_t now,
                              bool *is_there)
{
    uint64_t key;
    struct entity *entity = walk(table, name, WALK_MAX, &key);
    *is_there = entity != NULL;
    if (entity == NULL || is_forgotten(entities, entity, now)) /* its slot may be taken from it now */
        return ENTITY_NONE;
    note_heard(entities, entity, now);
    return id_of(entities, entity, key);
}

/* ---- giving and taking slots: the table's lock is held ---- */

static void unlink_entity(struct table *table, struct entity *entity)
{
    uint32_t number = (uint32_t)(entity - table->first) + 1;
    atomic_uint_least32_t *link = chain_of(table, LOAD(entity->key));
    while (LOAD(*link) != number)
        link = &table->first[LOAD(*link) - 1].next;
    atomic_store_explicit(link, LOAD(entity->next), memory_order_release);
}

/* One slot of the app less for processes. */
static void give_process_back(struct entities *entities, struct entity *process)
{
    struct entity *app = entity_of(entities, LOAD(process->app));
    if (app != NULL)
        atomic_fetch_sub_explicit(&app->processes, 1, memory_order_relaxed);
}

/* Take the slots back of those who are forgotten; with app, of its processes alone. */
static void forget(struct entities *entities, struct table *table, entity_id app, uint64_t now)
{
    for (uint32_t i = 0; i < table->used; i++) {
        struct entity *entity = &table->first[i];
        if (LOAD(entity->key) <= GENERATION_MASK || !is_forgotten(entities, entity, now) ||
            (app != ENTITY_NONE && LOAD(entity->app) != app))
            continue;
        unlink_entity(table, entity);
        if (table == &entities->processes)
            give_process_back(entities, entity);
        else
            atomic_fetch_sub_explicit(&entities->others, 1, memory_order_relaxed);
        /* Its generation stays until the next entity comes: ids of this one mean what is over. */
        STORE(entity->key, LOAD(entity->key) & GENERATION_MASK);
        STORE(entity->next, table->free);
        table->free = i + 1;
        atomic_fetch_sub_explicit(&table->count, 1, memory_order_relaxed);
    }
}

static bool has_slot(const struct table *table)
{
    return table->free != 0 || table->used < table->capacity;
}

static struct entity_name **name_at(const struct entities *entities, const struct entity *entity)
{
    return &entities->names[entity - entities->all];
}

/* Give a slot to the entity of this name, which is called so.  There is one.  of: what it is of, an app of these
 * labels, a process of this app. */
static struct entity *take_slot(struct entities *entities, struct table *table, uint64_t name, uint64_t of,
                                const struct entity_app *called, uint64_t now)
{
    bool is_new = table->free == 0;
    struct entity *entity = &table->first[is_new ? table->used++ : table->free - 1];
    uint64_t generation = is_new ? 0 : (LOAD(entity->key) + 1) & GENERATION_MASK;
    if (!is_new)
        table->free = LOAD(entity->next);
    STORE(entity->key, generation); /* the former entity's ids are over */
    reset(entity, now);
    free(*name_at(entities, entity));
    *name_at(entities, entity) = entity_name_create(called->name, called->labels, called->label_count);
    if (table == &entities->processes) {
        reset_process(entity);
        STORE(entity->app, (entity_id)of);
    } else
        STORE(entity->labels, of);
    note_first_page(entities, entity);
    atomic_store_explicit(&entity->key, name | generation, memory_order_release);
    atomic_uint_least32_t *bucket = chain_of(table, name);
    STORE(entity->next, LOAD(*bucket));
    /* Release what was reset to the acquire in walk(). */
    atomic_store_explicit(bucket, (uint32_t)(entity - table->first) + 1, memory_order_release);
    atomic_fetch_add_explicit(&table->count, 1, memory_order_relaxed);
    return entity;
}

static entity_id id_of_slot(const struct entities *entities, const struct entity *entity)
{
    return id_of(entities, entity, LOAD(entity->key));
}

/* How long nobody asks again whether a table has slots. */
static uint64_t full_interval(const struct table *table)
{
    return FULL_INTERVAL + table->used / SLOTS_A_MILLISECOND;
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

/* May one more app begin that is not configured?  The lock is held. */
static bool may_begin(struct entities *entities, uint64_t now)
{
    const struct entities_settings *settings = &entities->settings;
    struct table *apps = &entities->apps;
    if (LOAD(entities->others) >= settings->max_apps || !has_slot(apps))
        forget(entities, apps, ENTITY_NONE, now);
    uint32_t others = LOAD(entities->others);
    if (others >= settings->max_apps || !has_slot(apps)) {
        STORE(entities->refusal, ENTITIES_APPS);
        STORE(apps->full_until, now + full_interval(apps));
        return false;
    }
    if (settings->max_new_apps == 0 || others < settings->max_apps / 2)
        return true;
    if (entities->new_since == 0 || now >= entities->new_since + NEW_APPS_INTERVAL) {
        entities->new_since = now;
        entities->new_apps = 0;
    }
    if (entities->new_apps >= settings->max_new_apps) {
        STORE(entities->refusal, ENTITIES_NEW_APPS);
        STORE(apps->full_until, entities->new_since + NEW_APPS_INTERVAL);
        return false;
    }
    entities->new_apps++;
    return true;
}

static entity_id add_app(struct entities *entities, uint64_t name, uint64_t labels, const struct entity_app *called,
                         uint64_t now)
{
    struct table *apps = &entities->apps;
    pthread_mutex_lock(&apps->lock);
    entity_id id = find_locked(entities, apps, name, now);
    if (id == ENTITY_NONE && may_begin(entities, now)) {
        struct entity *entity = take_slot(entities, apps, name, labels, called, now);
        atomic_fetch_add_explicit(&entities->others, 1, memory_order_relaxed);
        id = id_of_slot(entities, entity);
    }
    pthread_mutex_unlock(&apps->lock);
    return id;
}

static uint64_t name_of_app(const struct entities *entities, struct slice app, uint64_t labels)
{
    return name_of(hash_text(entities, app) + labels);
}

entity_id entities_app(struct entities *entities, struct slice app, const struct label *labels, size_t label_count,
                       uint64_t now)
{
    uint64_t labels_hash = entities_hash_labels(entities, labels, label_count);
    uint64_t name = name_of_app(entities, app, labels_hash);
    bool is_there;
    entity_id id = find_quickly(entities, &entities->apps, name, now, &is_there);
    if (id == ENTITY_NONE && (is_there || now >= LOAD(entities->apps.full_until)))
        id = add_app(entities, name, labels_hash, &(struct entity_app){app, labels, label_count}, now);
    return id;
}

enum entities_refusal entities_refusal(const struct entities *entities)
{
    return (enum entities_refusal)LOAD(entities->refusal);
}

/* ---- apps that are configured: the lock is held ---- */

/* Let it be one of the present configuration; false if there is no slot. */
static bool configure(struct entities *entities, const struct entity_app *app, size_t label_count)
{
    struct table *apps = &entities->apps;
    uint64_t labels = entities_hash_labels(entities, app->labels, label_count), key;
    uint64_t name = name_of_app(entities, app->name, labels);
    struct entity *entity = walk(apps, name, UINT_MAX, &key);
    if (entity == NULL) {
        if (!has_slot(apps))
            return false;
        const struct entity_app called = {app->name, app->labels, label_count};
        entity = take_slot(entities, apps, name, labels, &called, 0); /* nobody has heard of it */
    } else if (LOAD(entity->configured) == 0)
        atomic_fetch_sub_explicit(&entities->others, 1, memory_order_relaxed);
    STORE(entity->configured, entities->configuration);
    return true;
}

/* Those that only a former configuration had are as all others. */
static void let_go_unlisted(struct entities *entities)
{
    for (uint32_t i = 0; i < entities->apps.used; i++) {
        struct entity *app = &entities->apps.first[i];
        uint32_t configured = LOAD(app->configured);
        if (configured == 0 || configured == entities->configuration)
            continue;
        STORE(app->configured, 0);
        atomic_fetch_add_explicit(&entities->others, 1, memory_order_relaxed);
    }
}

bool entities_configure(struct entities *entities, const struct entity_app *apps, size_t count, uint64_t now)
{
    bool all = true;
    pthread_mutex_lock(&entities->apps.lock);
    entities->configuration++;
    forget(entities, &entities->apps, ENTITY_NONE, now);
    for (size_t i = 0; i < count; i++) {
        all &= configure(entities, &apps[i], 0);
        if (apps[i].label_count > 0)
            all &= configure(entities, &apps[i], apps[i].label_count);
    }
    let_go_unlisted(entities);
    STORE(entities->apps.full_until, 0);
    pthread_mutex_unlock(&entities->apps.lock);
    return all;
}

bool entities_is_configured(const struct entities *entities, entity_id app)
{
    const struct entity *entity = entity_of(entities, app);
    return entity != NULL && is_configured(entities, entity);
}

entity_id entities_next_app(struct entities *entities, entity_id app)
{
    entity_id next = ENTITY_NONE;
    pthread_mutex_lock(&entities->apps.lock);
    for (uint32_t i = app == ENTITY_NONE ? 0 : app >> 8; i < entities->apps.used && next == ENTITY_NONE; i++)
        if (LOAD(entities->apps.first[i].key) > GENERATION_MASK)
            next = id_of_slot(entities, &entities->apps.first[i]);
    pthread_mutex_unlock(&entities->apps.lock);
    return next;
}

/* ---- processes ---- */

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

/* No app takes more than a quarter of the slots; and not more than a few while there are few. */
enum { PART_OF_APP = 4, FEW_OF_APP = 64 };

static uint32_t part_of_app(const struct entities *entities)
{
    return entities->processes.capacity / PART_OF_APP;
}

static bool may_have_process(const struct entities *entities, const struct entity *app)
{
    uint32_t count = LOAD(app->processes), part = part_of_app(entities);
    return count < part && (count < FEW_OF_APP || LOAD(entities->processes.count) < part * (PART_OF_APP - 1));
}

/* Make it true if something is forgotten; whether it is.  The lock is held. */
static bool make_room(struct entities *entities, struct entity *app, entity_id app_id, uint64_t now)
{
    struct table *processes = &entities->processes;
    if (!may_have_process(entities, app)) {
        /* With less than its part it lacks what others have, who may be gone. */
        forget(entities, processes, LOAD(app->processes) < part_of_app(entities) ? ENTITY_NONE : app_id, now);
        if (!may_have_process(entities, app)) {
            STORE(app->full_until, (uint32_t)((now + full_interval(processes)) / 1000));
            return false;
        }
    }
    if (!has_slot(processes) && now >= LOAD(processes->full_until)) {
        forget(entities, processes, ENTITY_NONE, now);
        STORE(processes->full_until, now + full_interval(processes));
    }
    return has_slot(processes);
}

static entity_id add_process(struct entities *entities, entity_id app_id, uint64_t name, struct slice called,
                             uint64_t now)
{
    struct table *processes = &entities->processes;
    struct entity *app = entity_of(entities, app_id);
    if (app == NULL)
        return ENTITY_NONE;
    pthread_mutex_lock(&processes->lock);
    entity_id id = find_locked(entities, processes, name, now);
    if (id == ENTITY_NONE && make_room(entities, app, app_id, now)) {
        struct entity *entity =
            take_slot(entities, processes, name, app_id, &(struct entity_app){called, NULL, 0}, now);
        atomic_fetch_add_explicit(&app->processes, 1, memory_order_relaxed);
        id = id_of_slot(entities, entity);
    }
    pthread_mutex_unlock(&processes->lock);
    return id;
}

/* Were all slots that the app can have taken a moment ago? */
static bool was_full(const struct entities *entities, entity_id app_id, uint64_t now)
{
    const struct entity *app = entity_of(entities, app_id);
    return app == NULL || now / 1000 < LOAD(app->full_until);
}

entity_id entities_process(struct entities *entities, entity_id app, struct slice process, uint64_t now)
{
    uint64_t name = name_of(hash_process(entities, app, process));
    bool is_there;
    entity_id id = find_quickly(entities, &entities->processes, name, now, &is_there);
    if (id == ENTITY_NONE && (is_there || !was_full(entities, app, now)))
        id = add_process(entities, app, name, process, now);
    if (id == ENTITY_NONE)
        return app;
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
    return id == ENTITY_NONE || is_app(entities, slot_of(entities, id)) ? id : id | ENTITY_POSITION;
}

bool entity_is_of(entity_id id, entity_id process)
{
    return (id & ~ENTITY_POSITION) == process;
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

static void end(const struct entities *entities, struct entity *entity, int64_t time, uint64_t now)
{
    end_reports(entity, time, now + entities->settings.grace, now);
    /* An exit may be heard of first, long before the end that it is part of. */
    if (!has_ended(entity) && LOAD(entity->leaves) <= now)
        STORE(entity->leaves, now + entities->settings.grace);
    raise_time(&entity->ended, time);
}

void entities_ended(struct entities *entities, entity_id process, int64_t time, uint64_t now)
{
    struct entity *entity = process_of(entities, process);
    if (entity != NULL)
        end(entities, entity, time, now);
}

void entities_desert(struct entities *entities, entity_id app, int64_t time, uint64_t now)
{
    struct entity *entity = entity_of(entities, app);
    if (entity != NULL)
        end(entities, entity, time, now);
}

bool entities_is_deserted(const struct entities *entities, entity_id app)
{
    const struct entity *entity = entity_of(entities, app);
    return entity != NULL && has_ended(entity) && LOAD(entity->ended) != ENDED_FOR_GOOD;
}

void entities_return(struct entities *entities, entity_id app, int64_t time)
{
    struct entity *entity = entity_of(entities, app);
    if (entity == NULL || !raise_time(&entity->started, time))
        return;
    for (int i = 0; i < ENTITY_ZEROS; i++) /* its counters may have left */
        STORE(entity->zeros[i], 0);
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

/* Has the app of a process left its name after this time? */
static bool was_deserted_since(const struct entities *entities, const struct entity *process, int64_t time)
{
    const struct entity *app = entity_of(entities, LOAD(process->app));
    return app != NULL && LOAD(app->ended) > time && LOAD(app->ended) != ENDED_FOR_GOOD;
}

/* Without our seed: it is compared within the process alone, also with what a former start has noted. */
static uint64_t hash_instance(struct slice instance)
{
    return XXH3_64bits(instance.at, instance.length) | 1;
}

bool entities_runs_as(const struct entities *entities, entity_id process, struct slice instance)
{
    const struct entity *entity = process_of(entities, process);
    uint64_t known = entity == NULL ? 0 : LOAD(entity->instance);
    return known == 0 || known == hash_instance(instance) ||
           (has_ended(entity) && LOAD(entity->ended) >= LOAD(entity->instance_time));
}

enum process_instance entities_instance(struct entities *entities, entity_id process, struct slice instance,
                                        int64_t time, uint64_t now)
{
    struct entity *entity = process_of(entities, process);
    if (entity == NULL)
        return INSTANCE_SAME;
    uint64_t hash = hash_instance(instance);
    uint64_t before = atomic_load_explicit(&entity->instance, memory_order_acquire);
    int64_t last = LOAD(entity->instance_time);
    if (before != hash && LOAD(entity->former) == hash && time <= last + INSTANCE_SILENCE &&
        !was_deserted_since(entities, entity, last))
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

/* The processes of a type from this number on have ended. */
static void end_from(struct entities *entities, entity_id app, struct slice type, unsigned first, int64_t time,
                     uint64_t now)
{
    if (type.length == 0 || type.length > PROCESS_NAME_MAX - 8)
        return;
    struct entity *entity = process_of(entities, entities_process(entities, app, type, now));
    if (entity == NULL)
        return;
    unsigned highest = LOAD(entity->highest);
    for (unsigned number = first; number <= highest; number++) {
        char name[PROCESS_NAME_MAX];
        int length = snprintf(name, sizeof name, "%.*s.%u", (int)type.length, type.at, number);
        /* Who was never named has no slot, and gets none for this. */
        uint64_t hash = hash_process(entities, app, (struct slice){name, (size_t)length});
        uint64_t key;
        struct entity *named = walk(&entities->processes, name_of(hash), WALK_MAX, &key);
        entity_id process = named == NULL ? ENTITY_NONE : id_of(entities, named, key);
        entities_ended(entities, process, time, now);
        if (process != ENTITY_NONE)
            raise_time(&slot_of(entities, process)->removed, time);
    }
    if (first <= highest)
        STORE(entity->highest, first > 0 ? first - 1 : 0);
}

void entities_scale(struct entities *entities, entity_id app, struct slice type, unsigned count, int64_t time,
                    uint64_t now)
{
    end_from(entities, app, type, count + 1, time, now);
}

void entities_replace_type(struct entities *entities, entity_id app, struct slice type, int64_t time, uint64_t now)
{
    end_from(entities, app, type, 0, time, now);
}

static bool is_listed(uint64_t hash, const uint64_t *hashes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (hashes[i] == hash)
            return true;
    return false;
}

void entities_allow_labels(struct entities *entities, const uint64_t *hashes, size_t count, uint64_t now)
{
    pthread_mutex_lock(&entities->apps.lock);
    for (uint32_t i = 0; i < entities->apps.used; i++) {
        struct entity *app = &entities->apps.first[i];
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
    pthread_mutex_unlock(&entities->apps.lock);
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
    return entity == NULL || is_silent_since(entities, entity, LOAD(entity->heard), now);
}

/* What is said of no time, and of all. */
#define NO_TIME INT64_MIN
#define ALL_TIMES INT64_MAX

static int64_t position_over_until(const struct entities *entities, const struct entity *entity, uint64_t now,
                                   uint64_t more)
{
    bool is_over = is_silent(entities, entity, now) ||
                   (atomic_load_explicit(&entity->removed, memory_order_acquire) > LOAD(entity->started) &&
                    LOAD(entity->leaves) + more <= now);
    return is_over ? ALL_TIMES : NO_TIME;
}

/* Inlined in all of its places: each sample comes here, twice if it is of a process. */
static inline __attribute__((always_inline)) int64_t
over_until(const struct entities *entities, const struct entity *entity, bool counted, uint64_t now, uint64_t more)
{
    if (is_silent(entities, entity, now))
        return ALL_TIMES;
    int64_t until = counted ? atomic_load_explicit(&entity->ended, memory_order_acquire)
                            : atomic_load_explicit(&entity->reported_until, memory_order_acquire);
    if (until <= 0 || (counted && until <= LOAD(entity->started)) || LOAD(entity->leaves) + more > now)
        return NO_TIME;
    return counted ? ALL_TIMES : until;
}

int64_t entities_over_until(const struct entities *entities, entity_id id, bool counted, uint64_t now, uint64_t more)
{
    if (id == ENTITY_NONE)
        return NO_TIME;
    const struct entity *entity = entity_of(entities, id);
    int64_t until = (id & ENTITY_POSITION) != 0 ? position_over_until(entities, entity, now, more)
                                                : over_until(entities, entity, counted, now, more);
    if (until == ALL_TIMES || is_app(entities, entity))
        return until;
    int64_t of_app = over_until(entities, entity_of(entities, LOAD(entity->app)), counted, now, more);
    return of_app > until ? of_app : until;
}

bool entities_is_over_after(const struct entities *entities, entity_id id, int64_t time, uint64_t now, uint64_t more)
{
    return time <= entities_over_until(entities, id, time == ENTITY_COUNTED, now, more);
}

bool entities_is_over(const struct entities *entities, entity_id id, int64_t time, uint64_t now)
{
    return entities_is_over_after(entities, id, time, now, 0);
}

bool entities_are_apart(const struct entities *entities, entity_id id, int64_t earlier, int64_t later)
{
    const struct entity *entity = process_of(entities, id);
    if (entity == NULL || (id & ENTITY_POSITION) != 0)
        return false;
    int64_t until = LOAD(entity->reported_until);
    return earlier <= until && until < later;
}

long entities_add(struct entities *entities, entity_id app, enum entity_account account, long amount)
{
    struct entity *entity = entity_of(entities, app);
    if (entity == NULL)
        return ENTITY_NO_ACCOUNT;
    return atomic_fetch_add_explicit(&entity->accounts[account], (int32_t)amount, memory_order_relaxed) + amount;
}

uint32_t entities_reserved(const struct entities *entities, entity_id app, enum entity_account account)
{
    const struct entity *entity = entity_of(entities, app);
    return entity == NULL ? 0 : LOAD(entity->reserved[account]);
}

uint32_t entities_exchange_reserved(struct entities *entities, entity_id app, enum entity_account account,
                                    uint32_t reserved)
{
    struct entity *entity = entity_of(entities, app);
    if (entity == NULL)
        return reserved;
    return atomic_exchange_explicit(&entity->reserved[account], reserved, memory_order_relaxed);
}

/* ---- from one start to the next ---- */

static void describe_process(const struct entity *entity, struct entity_state *state)
{
    state->app = LOAD(entity->app);
    state->highest = LOAD(entity->highest);
    state->removed = LOAD(entity->removed);
    state->restart = LOAD(entity->restart);
    state->instance = LOAD(entity->instance);
    state->former = LOAD(entity->former);
    state->instance_time = LOAD(entity->instance_time);
}

static void describe(const struct entities *entities, const struct entity *entity, const struct entity_name *name,
                     uint64_t now, struct entity_state *state)
{
    *state = (struct entity_state){.id = id_of_slot(entities, entity),
                                   .heard_ago = now - LOAD(entity->heard),
                                   .was_on_page = LOAD(entity->first_page) <= LOAD(entities->pages),
                                   .has_end = LOAD(entity->leaves) != 0,
                                   .leaves_in = (int64_t)(LOAD(entity->leaves) - now),
                                   .started = LOAD(entity->started),
                                   .ended = LOAD(entity->ended),
                                   .reported_until = LOAD(entity->reported_until)};
    state->called.label_count = entity_name_read(name, &state->called.name, state->labels);
    state->called.labels = state->labels;
    if (!is_app(entities, entity))
        describe_process(entity, state);
}

bool entities_save(struct entities *entities, size_t *position, uint64_t now,
                   void (*save)(void *context, const struct entity_state *state), void *context)
{
    struct entity_state state;
    bool found = false;
    while (!found && *position < all_slots(entities)) {
        struct entity *entity = &entities->all[*position];
        struct table *table = is_app(entities, entity) ? &entities->apps : &entities->processes;
        pthread_mutex_lock(&table->lock);
        bool is_used = (uint32_t)(entity - table->first) < table->used;
        const struct entity_name *name = is_used ? *name_at(entities, entity) : NULL;
        found = name != NULL && LOAD(entity->key) > GENERATION_MASK && !is_silent(entities, entity, now);
        if (found) {
            describe(entities, entity, name, now, &state);
            save(context, &state);
        }
        pthread_mutex_unlock(&table->lock);
        /* Behind those that were ever used there are no more in the table. */
        *position = is_used ? *position + 1 : (size_t)(table->first - entities->all) + table->capacity;
    }
    return found;
}

static void restore_process(struct entity *entity, const struct entity_state *state)
{
    STORE(entity->highest, state->highest);
    STORE(entity->removed, state->removed);
    STORE(entity->restart, state->restart);
    STORE(entity->instance, state->instance);
    STORE(entity->former, state->former);
    STORE(entity->instance_time, state->instance_time);
}

static void restore(struct entities *entities, struct entity *entity, const struct entity_state *state, uint64_t now)
{
    uint64_t heard = now - state->heard_ago, leaves = now + (uint64_t)state->leaves_in;
    bool has_left = state->leaves_in < 0 || leaves == 0;
    STORE(entity->heard, heard == 0 ? 1 : heard);
    STORE(entity->leaves, !state->has_end ? 0 : has_left ? 1 : leaves);
    STORE(entity->first_page, state->was_on_page ? 0 : LOAD(entities->pages) + 1);
    STORE(entity->started, state->started);
    STORE(entity->ended, state->ended);
    STORE(entity->reported_until, state->reported_until);
    if (!is_app(entities, entity))
        restore_process(entity, state);
}

/* The slot of an app, found or given; NULL if there is none.  As add_app(), but whatever began in this minute. */
static struct entity *restore_app(struct entities *entities, const struct entity_app *called)
{
    struct table *apps = &entities->apps;
    uint64_t labels = entities_hash_labels(entities, called->labels, called->label_count), key;
    uint64_t name = name_of_app(entities, called->name, labels);
    struct entity *entity = walk(apps, name, UINT_MAX, &key);
    if (entity != NULL || LOAD(entities->others) >= entities->settings.max_apps || !has_slot(apps))
        return entity;
    atomic_fetch_add_explicit(&entities->others, 1, memory_order_relaxed);
    return take_slot(entities, apps, name, labels, called, 1);
}

entity_id entities_restore(struct entities *entities, const struct entity_state *state, uint64_t now)
{
    bool is_process = state->app != ENTITY_NONE;
    entity_id id = ENTITY_NONE;
    if (is_process)
        id = add_process(entities, state->app, name_of(hash_process(entities, state->app, state->called.name)),
                         state->called.name, now);
    struct table *table = is_process ? &entities->processes : &entities->apps;
    pthread_mutex_lock(&table->lock);
    struct entity *entity = is_process ? process_of(entities, id) : restore_app(entities, &state->called);
    if (entity != NULL) {
        restore(entities, entity, state, now);
        id = id_of_slot(entities, entity);
    }
    pthread_mutex_unlock(&table->lock);
    return entity == NULL ? ENTITY_NONE : id;
}
