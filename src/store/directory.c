#include "store/directory.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "store/mapping.h"

enum {
    BUCKETS = 1 << 14,
    SLOTS = 1 << 17,
    KNOWN = 1 << 13,            /* what was learned lately */
    PRUNE_INTERVAL = 60 * 1000, /* milliseconds */
};

/* By what an app is asked for.  In its bucket, and in the list of its app, newest first. */
struct key {
    struct key *next_in_bucket;
    struct key *next_of_app;
    uint32_t app; /* its place */
    uint8_t kind; /* enum directory_key */
    uint8_t length;
    char text[];
};
_Static_assert(DIRECTORY_HOST_MAX <= UINT8_MAX && DIRECTORY_GUID_MAX <= UINT8_MAX, "a key's length holds them");

struct process_entry {
    entity_id entity;
    entity_id app;
    char name[PROCESS_NAME_MAX + 1];
};

struct app_entry {
    char *name; /* owned; NULL: the place is free */
    entity_id entities[STORE_SCOPE_MAX];
    unsigned entity_count;
    struct key *keys; /* GUIDs and routes */
    struct process_entry *processes;
    size_t process_count, process_capacity;
};

struct directory {
    const struct entities *entities;
    uint64_t seed;
    atomic_uint_least64_t *known; /* hashes of what was learned: each has one place */
    pthread_mutex_t lock;         /* guards the rest */
    struct key **buckets;
    uint32_t *places; /* of the apps in the buckets of their names: number of the first app, from 1 on */
    struct app_entry *apps;
    uint32_t *next_in_places; /* for each app */
    uint32_t *of_slots;       /* for each slot of entity.h: number of the app that it was learned for last */
    size_t app_count, app_capacity, free_count;
    uint64_t pruned; /* when what is over was last looked for */
};

/* ---- create and free ---- */

struct directory *directory_create(const struct entities *entities)
{
    struct directory *directory = calloc(1, sizeof *directory);
    if (directory == NULL)
        return NULL;
    directory->entities = entities;
    pthread_mutex_init(&directory->lock, NULL);
    directory->known = map_zeroes(KNOWN * sizeof directory->known[0]);
    directory->buckets = map_zeroes(BUCKETS * sizeof directory->buckets[0]);
    directory->places = map_zeroes(BUCKETS * sizeof directory->places[0]);
    directory->of_slots = map_zeroes(SLOTS * sizeof directory->of_slots[0]);
    if (directory->of_slots == NULL || directory->known == NULL || directory->buckets == NULL ||
        directory->places == NULL || getrandom(&directory->seed, sizeof directory->seed, 0) != sizeof directory->seed) {
        directory_free(directory);
        return NULL;
    }
    return directory;
}

static void free_keys(struct key *key)
{
    while (key != NULL) {
        struct key *next = key->next_of_app;
        free(key);
        key = next;
    }
}

void directory_free(struct directory *directory)
{
    if (directory == NULL)
        return;
    for (size_t i = 0; i < directory->app_count; i++) {
        free(directory->apps[i].name);
        free(directory->apps[i].processes);
        free_keys(directory->apps[i].keys);
    }
    free(directory->apps);
    free(directory->next_in_places);
    unmap(directory->of_slots, SLOTS * sizeof directory->of_slots[0]);
    unmap(directory->known, KNOWN * sizeof directory->known[0]);
    unmap(directory->buckets, BUCKETS * sizeof directory->buckets[0]);
    unmap(directory->places, BUCKETS * sizeof directory->places[0]);
    pthread_mutex_destroy(&directory->lock);
    free(directory);
}

/* ---- what is known already ---- */

static uint64_t hash(const struct directory *directory, struct slice text, uint64_t of)
{
    return XXH3_64bits_withSeed(text.at, text.length, directory->seed ^ of);
}

static bool is_known(const struct directory *directory, uint64_t what)
{
    return atomic_load_explicit(&directory->known[what % KNOWN], memory_order_relaxed) == what;
}

static void note_known(struct directory *directory, uint64_t what)
{
    atomic_store_explicit(&directory->known[what % KNOWN], what, memory_order_relaxed);
}

/* Something was forgotten. */
static void forget_known(struct directory *directory)
{
    for (size_t i = 0; i < KNOWN; i++)
        if (atomic_load_explicit(&directory->known[i], memory_order_relaxed) != 0)
            atomic_store_explicit(&directory->known[i], 0, memory_order_relaxed);
}

/* ---- apps; with the lock held, as all that follows until LEARN ---- */

static bool is_over(const struct directory *directory, entity_id entity, uint64_t now)
{
    return entities_is_over(directory->entities, entity, ENTITY_COUNTED, now);
}

static uint32_t *place_of(const struct directory *directory, struct slice name)
{
    return &directory->places[hash(directory, name, 0) % BUCKETS];
}

static struct app_entry *find_app(const struct directory *directory, struct slice name)
{
    for (uint32_t i = *place_of(directory, name); i != 0; i = directory->next_in_places[i - 1])
        if (slice_equals(slice_of(directory->apps[i - 1].name), name))
            return &directory->apps[i - 1];
    return NULL;
}

/* The app of an entity that was learned; NULL if it was not. */
static struct app_entry *find_entity(const struct directory *directory, entity_id entity)
{
    uint32_t number = directory->of_slots[entity_slot(entity) % SLOTS];
    struct app_entry *app = number == 0 ? NULL : &directory->apps[number - 1];
    for (unsigned i = 0; app != NULL && i < app->entity_count; i++)
        if (app->entities[i] == entity)
            return app;
    return NULL;
}

/* ---- keys ---- */

static struct key **bucket_of_key(const struct directory *directory, enum directory_key kind, struct slice text)
{
    return &directory->buckets[hash(directory, text, (uint64_t)kind << 32) % BUCKETS];
}

/* This key or the next one in its bucket that is the text. */
static struct key *next_key(struct key *key, enum directory_key kind, struct slice text)
{
    while (key != NULL && !(key->kind == kind && slice_equals((struct slice){key->text, key->length}, text)))
        key = key->next_in_bucket;
    return key;
}

/* "acme" of "acme/prod/shop", which routes move within; "acme/prod", which an app with its GUID stays in; empty for an
 * app of Heroku. */
static struct slice owner_of(const struct app_entry *app, enum directory_key kind)
{
    struct slice name = slice_of(app->name);
    size_t length = slice_index(name, '/');
    if (kind == DIRECTORY_GUID && length < name.length)
        length += 1 + slice_index(slice_after(name, length + 1), '/');
    return (struct slice){name.at, length < name.length ? length : 0};
}

/* The key that an app would share or take over: of an app of the same owner. */
static struct key *find_key(const struct directory *directory, enum directory_key kind, struct slice text,
                            const struct app_entry *app)
{
    struct key *key = next_key(*bucket_of_key(directory, kind, text), kind, text);
    while (key != NULL && !slice_equals(owner_of(&directory->apps[key->app], kind), owner_of(app, kind)))
        key = next_key(key->next_in_bucket, kind, text);
    return key;
}

static void remove_key(struct directory *directory, struct key *key)
{
    struct key **at = bucket_of_key(directory, (enum directory_key)key->kind, (struct slice){key->text, key->length});
    while (*at != key)
        at = &(*at)->next_in_bucket;
    *at = key->next_in_bucket;
    at = &directory->apps[key->app].keys;
    while (*at != key)
        at = &(*at)->next_of_app;
    *at = key->next_of_app;
    free(key);
}

/* Make room for one more of a kind. */
static void remove_oldest(struct directory *directory, const struct app_entry *app, enum directory_key kind)
{
    unsigned most = kind == DIRECTORY_GUID ? DIRECTORY_GUIDS_MAX : DIRECTORY_ROUTES_MAX, count = 0;
    struct key *oldest = NULL;
    for (struct key *key = app->keys; key != NULL; key = key->next_of_app)
        if (key->kind == kind) {
            count++;
            oldest = key;
        }
    if (count >= most) {
        remove_key(directory, oldest);
        forget_known(directory);
    }
}

/* Its entities, if it has no key of this kind. */
static struct store_scope without_key(const struct app_entry *app, enum directory_key kind)
{
    struct store_scope scope = {.count = app->entity_count};
    memcpy(scope.apps, app->entities, app->entity_count * sizeof app->entities[0]);
    for (const struct key *key = app->keys; key != NULL; key = key->next_of_app)
        if (key->kind == kind)
            scope.count = 0;
    return scope;
}

/* *deserted: the entities of the app that has lost its last key of the kind by it; NULL: nobody asks. */
static void add_key(struct directory *directory, struct app_entry *app, enum directory_key kind, struct slice text,
                    struct store_scope *deserted)
{
    struct key *key = find_key(directory, kind, text, app);
    uint32_t number = (uint32_t)(app - directory->apps);
    if (key != NULL && key->app == number)
        return;
    if (key != NULL) { /* another app's, which may show it again */
        const struct app_entry *former = &directory->apps[key->app];
        remove_key(directory, key);
        forget_known(directory);
        if (deserted != NULL)
            *deserted = without_key(former, kind);
    }
    remove_oldest(directory, app, kind);
    key = malloc(sizeof *key + text.length);
    if (key == NULL)
        return;
    struct key **bucket = bucket_of_key(directory, kind, text);
    *key = (struct key){*bucket, app->keys, number, (uint8_t)kind, (uint8_t)text.length};
    memcpy(key->text, text.at, text.length);
    *bucket = app->keys = key;
}

/* ---- what is over ---- */

static void remove_app(struct directory *directory, struct app_entry *app)
{
    uint32_t *at = place_of(directory, slice_of(app->name));
    uint32_t number = (uint32_t)(app - directory->apps) + 1;
    while (*at != number)
        at = &directory->next_in_places[*at - 1];
    *at = directory->next_in_places[number - 1];
    while (app->keys != NULL)
        remove_key(directory, app->keys);
    free(app->processes);
    free(app->name);
    memset(app, 0, sizeof *app);
    directory->free_count++;
}

static void drop_entities(const struct directory *directory, struct app_entry *app, uint64_t now)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < app->entity_count; i++)
        if (!is_over(directory, app->entities[i], now))
            app->entities[kept++] = app->entities[i];
    app->entity_count = kept;
}

static void drop_processes(const struct directory *directory, struct app_entry *app, uint64_t now)
{
    size_t kept = 0;
    for (size_t i = 0; i < app->process_count; i++)
        if (!is_over(directory, app->processes[i].entity, now))
            app->processes[kept++] = app->processes[i];
    app->process_count = kept;
}

/* Forget what is over; now and then, as it is looked for in all. */
static void prune(struct directory *directory, uint64_t now)
{
    if (now < directory->pruned + PRUNE_INTERVAL)
        return;
    directory->pruned = now;
    for (size_t i = 0; i < directory->app_count; i++) {
        struct app_entry *app = &directory->apps[i];
        if (app->name == NULL)
            continue;
        drop_entities(directory, app, now);
        drop_processes(directory, app, now);
        if (app->entity_count == 0)
            remove_app(directory, app);
    }
    forget_known(directory);
}

/* A free place for an app, or the one behind all; NULL if memory is short. */
static struct app_entry *take_place(struct directory *directory)
{
    for (size_t i = 0; directory->free_count > 0 && i < directory->app_count; i++)
        if (directory->apps[i].name == NULL)
            return &directory->apps[i];
    if (directory->app_count == directory->app_capacity) {
        size_t capacity = directory->app_capacity == 0 ? 16 : directory->app_capacity * 2;
        struct app_entry *apps = realloc(directory->apps, capacity * sizeof *apps);
        if (apps == NULL)
            return NULL;
        directory->apps = apps;
        uint32_t *next = realloc(directory->next_in_places, capacity * sizeof *next);
        if (next == NULL)
            return NULL;
        directory->next_in_places = next;
        directory->app_capacity = capacity;
    }
    struct app_entry *app = &directory->apps[directory->app_count];
    memset(app, 0, sizeof *app);
    return app;
}

static struct app_entry *add_app(struct directory *directory, struct slice name)
{
    struct app_entry *app = take_place(directory);
    if (app == NULL)
        return NULL;
    bool was_free = app != &directory->apps[directory->app_count];
    if ((app->name = strndup(name.at, name.length)) == NULL)
        return NULL;
    *(was_free ? &directory->free_count : &directory->app_count) += was_free ? (size_t)-1 : 1;
    uint32_t *place = place_of(directory, name);
    directory->next_in_places[app - directory->apps] = *place;
    *place = (uint32_t)(app - directory->apps) + 1;
    return app;
}

static void add_entity(const struct directory *directory, struct app_entry *app, entity_id entity, uint64_t now)
{
    for (unsigned i = 0; i < app->entity_count; i++)
        if (app->entities[i] == entity)
            return;
    drop_entities(directory, app, now);
    if (app->entity_count == STORE_SCOPE_MAX) /* the oldest one */
        memmove(app->entities, app->entities + 1, --app->entity_count * sizeof app->entities[0]);
    app->entities[app->entity_count++] = entity;
}

static void add_process(const struct directory *directory, struct app_entry *app, const struct process_entry *process,
                        uint64_t now)
{
    for (size_t i = 0; i < app->process_count; i++)
        if (app->processes[i].entity == process->entity)
            return;
    if (app->process_count == app->process_capacity) {
        drop_processes(directory, app, now);
        if (app->process_count >= DIRECTORY_PROCESSES_MAX)
            return;
    }
    if (app->process_count == app->process_capacity) {
        size_t capacity = app->process_capacity == 0 ? 4 : app->process_capacity * 2;
        struct process_entry *larger = realloc(app->processes, capacity * sizeof *larger);
        if (larger == NULL)
            return;
        app->processes = larger;
        app->process_capacity = capacity;
    }
    app->processes[app->process_count++] = *process;
}

/* ---- learn ---- */

void directory_learn_app(struct directory *directory, entity_id app, struct slice name, uint64_t now)
{
    if (app == ENTITY_NONE || name.length == 0 || name.length > DIRECTORY_NAME_MAX)
        return;
    uint64_t what = hash(directory, name, app);
    if (is_known(directory, what))
        return;
    pthread_mutex_lock(&directory->lock);
    prune(directory, now);
    struct app_entry *entry = find_app(directory, name);
    if (entry == NULL)
        entry = add_app(directory, name);
    if (entry != NULL) {
        add_entity(directory, entry, app, now);
        directory->of_slots[entity_slot(app) % SLOTS] = (uint32_t)(entry - directory->apps) + 1;
        note_known(directory, what);
    }
    pthread_mutex_unlock(&directory->lock);
}

void directory_learn_process(struct directory *directory, entity_id app, entity_id process, struct slice name,
                             uint64_t now)
{
    struct process_entry entry = {.entity = process, .app = app};
    struct process parts;
    uint64_t what = hash(directory, name, (uint64_t)process << 33 | 1);
    if (process == ENTITY_NONE || process == app || is_known(directory, what) || !process_read(name, &parts))
        return;
    memcpy(entry.name, name.at, name.length);
    pthread_mutex_lock(&directory->lock);
    struct app_entry *of = find_entity(directory, app);
    if (of != NULL) {
        add_process(directory, of, &entry, now);
        note_known(directory, what);
    }
    pthread_mutex_unlock(&directory->lock);
}

static void learn_key(struct directory *directory, entity_id app, enum directory_key kind, struct slice text,
                      struct store_scope *deserted)
{
    uint64_t what = hash(directory, text, (uint64_t)app << 33 | (uint64_t)kind << 1);
    if (is_known(directory, what))
        return;
    pthread_mutex_lock(&directory->lock);
    struct app_entry *entry = find_entity(directory, app);
    if (entry != NULL) {
        add_key(directory, entry, kind, text, deserted);
        note_known(directory, what);
    }
    pthread_mutex_unlock(&directory->lock);
}

void directory_learn_guid(struct directory *directory, entity_id app, struct slice guid, uint64_t now,
                          struct store_scope *deserted)
{
    (void)now;
    if (deserted != NULL)
        deserted->count = 0;
    if (guid.length > 0 && guid.length <= DIRECTORY_GUID_MAX)
        learn_key(directory, app, DIRECTORY_GUID, guid, deserted);
}

/* A host without its port, in small letters. */
static struct slice plain_host(struct slice host, char text[DIRECTORY_HOST_MAX])
{
    size_t length = slice_index(host, ':');
    if (length > DIRECTORY_HOST_MAX)
        return (struct slice){"", 0};
    for (size_t i = 0; i < length; i++)
        text[i] = host.at[i] >= 'A' && host.at[i] <= 'Z' ? (char)(host.at[i] - 'A' + 'a') : host.at[i];
    return (struct slice){text, length};
}

void directory_learn_route(struct directory *directory, entity_id app, struct slice host, uint64_t now)
{
    (void)now;
    char text[DIRECTORY_HOST_MAX];
    host = plain_host(host, text);
    if (host.length > 0)
        learn_key(directory, app, DIRECTORY_ROUTE, host, NULL);
}

/* ---- look up ---- */

/* Is the app of this key the one that is found by it, for who sees all? */
static bool is_newest(const struct directory *directory, const struct key *key)
{
    enum directory_key kind = (enum directory_key)key->kind;
    struct slice text = {key->text, key->length};
    return next_key(*bucket_of_key(directory, kind, text), kind, text) == key;
}

/* What is told of an app.  False if it does not live.  With the lock held. */
static bool describe(const struct directory *directory, const struct app_entry *entry, uint64_t now,
                     struct directory_app *app)
{
    app->scope.count = 0;
    for (unsigned i = 0; i < entry->entity_count; i++)
        if (!is_over(directory, entry->entities[i], now))
            app->scope.apps[app->scope.count++] = entry->entities[i];
    if (entry->name == NULL || app->scope.count == 0)
        return false;
    app->position = (size_t)(entry - directory->apps);
    strcpy(app->name, entry->name);
    app->guid[0] = '\0';
    for (const struct key *key = entry->keys; key != NULL && app->guid[0] == '\0'; key = key->next_of_app)
        if (key->kind == DIRECTORY_GUID && is_newest(directory, key)) {
            memcpy(app->guid, key->text, key->length);
            app->guid[key->length] = '\0';
        }
    return true;
}

static bool sees(const struct directory_viewer *viewer, const struct directory_app *app)
{
    return viewer == NULL || viewer->sees(viewer->who, app);
}

/* Describe the newest app that has the key and may be seen.  With the lock held. */
static bool find_by_key(const struct directory *directory, enum directory_key kind, struct slice text, uint64_t now,
                        const struct directory_viewer *viewer, struct directory_app *app)
{
    struct key *key = next_key(*bucket_of_key(directory, kind, text), kind, text);
    for (; key != NULL; key = next_key(key->next_in_bucket, kind, text))
        if (describe(directory, &directory->apps[key->app], now, app) && sees(viewer, app))
            return true;
    return false;
}

bool directory_find(struct directory *directory, enum directory_key key, struct slice text, uint64_t now,
                    const struct directory_viewer *viewer, struct directory_app *app)
{
    char host[DIRECTORY_HOST_MAX];
    if (key == DIRECTORY_ROUTE)
        text = plain_host(text, host);
    pthread_mutex_lock(&directory->lock);
    const struct app_entry *entry = key == DIRECTORY_NAME ? find_app(directory, text) : NULL;
    bool found = key == DIRECTORY_NAME ? entry != NULL && describe(directory, entry, now, app) && sees(viewer, app)
                                       : find_by_key(directory, key, text, now, viewer, app);
    pthread_mutex_unlock(&directory->lock);
    return found;
}

bool directory_next_app(struct directory *directory, size_t *position, uint64_t now, struct directory_app *app)
{
    bool found = false;
    pthread_mutex_lock(&directory->lock);
    while (!found && *position < directory->app_count)
        found = describe(directory, &directory->apps[(*position)++], now, app);
    pthread_mutex_unlock(&directory->lock);
    return found;
}

/* The entry that an app was described from; NULL if that is gone. */
static const struct app_entry *entry_of(const struct directory *directory, const struct directory_app *app)
{
    const struct app_entry *entry = &directory->apps[app->position];
    return entry->name != NULL && strcmp(entry->name, app->name) == 0 ? entry : NULL;
}

bool directory_find_process(struct directory *directory, const struct directory_app *app, struct slice name,
                            uint64_t now, entity_id processes[STORE_SCOPE_MAX])
{
    bool found = false;
    pthread_mutex_lock(&directory->lock);
    const struct app_entry *entry = entry_of(directory, app);
    for (unsigned i = 0; i < app->scope.count; i++) {
        processes[i] = ENTITY_NONE;
        for (size_t j = 0; entry != NULL && j < entry->process_count; j++) {
            const struct process_entry *process = &entry->processes[j];
            if (process->app == app->scope.apps[i] && slice_equals(slice_of(process->name), name) &&
                !is_over(directory, process->entity, now))
                processes[i] = process->entity;
        }
        found |= processes[i] != ENTITY_NONE;
    }
    pthread_mutex_unlock(&directory->lock);
    return found;
}

/* Does an earlier entity of the app have a process of this name that lives? */
static bool is_repeated(const struct directory *directory, const struct app_entry *entry, size_t at, uint64_t now)
{
    for (size_t i = 0; i < at && entry->entity_count > 1; i++)
        if (strcmp(entry->processes[i].name, entry->processes[at].name) == 0 &&
            !is_over(directory, entry->processes[i].entity, now))
            return true;
    return false;
}

bool directory_next_process(struct directory *directory, const struct directory_app *app, size_t *position,
                            uint64_t now, char name[PROCESS_NAME_MAX + 1])
{
    bool found = false;
    pthread_mutex_lock(&directory->lock);
    const struct app_entry *entry = entry_of(directory, app);
    while (!found && entry != NULL && *position < entry->process_count) {
        size_t at = (*position)++;
        found = !is_over(directory, entry->processes[at].entity, now) && !is_repeated(directory, entry, at, now);
        if (found)
            strcpy(name, entry->processes[at].name);
    }
    pthread_mutex_unlock(&directory->lock);
    return found;
}

size_t directory_texts(struct directory *directory, const struct directory_app *app,
                       struct directory_text texts[DIRECTORY_TEXTS_MAX])
{
    size_t count = 0;
    pthread_mutex_lock(&directory->lock);
    const struct app_entry *entry = entry_of(directory, app);
    for (const struct key *key = entry == NULL ? NULL : entry->keys; key != NULL && count < DIRECTORY_TEXTS_MAX;
         key = key->next_of_app, count++) {
        memmove(texts + 1, texts, count * sizeof texts[0]); /* the list has the newest first */
        texts[0].kind = (enum directory_key)key->kind;
        memcpy(texts[0].text, key->text, key->length);
        texts[0].text[key->length] = '\0';
    }
    pthread_mutex_unlock(&directory->lock);
    return count;
}
