#include "intake/dedup.h"

#include <pthread.h>
#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
    SETS = 4096,
    WAYS = 8,
    LOCKS = 64,
    LIFETIME = 5 * 60 * 1000,
};

struct entry {
    struct batch_id id;
    uint64_t time; /* when it was claimed or taken */
    double lost;
    enum claim state; /* NEW: the entry is empty */
};

struct dedup {
    pthread_mutex_t locks[LOCKS]; /* a set is guarded by the lock of its number modulo LOCKS */
    struct entry sets[SETS][WAYS];
};

struct dedup *dedup_create(void)
{
    struct dedup *dedup = calloc(1, sizeof *dedup);
    if (dedup == NULL)
        return NULL;
    for (int i = 0; i < LOCKS; i++)
        pthread_mutex_init(&dedup->locks[i], NULL);
    return dedup;
}

void dedup_free(struct dedup *dedup)
{
    if (dedup == NULL)
        return;
    for (int i = 0; i < LOCKS; i++)
        pthread_mutex_destroy(&dedup->locks[i]);
    free(dedup);
}

struct batch_id batch_id_of(struct slice app, struct slice drain, struct slice id)
{
    /* Each part is hashed by itself, so that no bytes can move from one to the next. */
    const struct slice parts[] = {app, drain, id};
    XXH128_hash_t hashes[3];
    for (int i = 0; i < 3; i++)
        hashes[i] = XXH3_128bits(parts[i].at, parts[i].length);
    XXH128_hash_t hash = XXH3_128bits(hashes, sizeof hashes);
    return (struct batch_id){hash.high64, hash.low64};
}

/* The entry of an id, or else the one to overwrite: an empty or the oldest, but none that is running. */
static struct entry *find(struct entry *set, struct batch_id id, uint64_t now)
{
    struct entry *victim = NULL;
    for (int i = 0; i < WAYS; i++) {
        struct entry *entry = &set[i];
        if (entry->state == CLAIM_TAKEN && entry->time + LIFETIME <= now)
            entry->state = CLAIM_NEW;
        if (entry->state != CLAIM_NEW && entry->id.high == id.high && entry->id.low == id.low)
            return entry;
        if (entry->state == CLAIM_RUNNING)
            continue;
        if (victim == NULL || (victim->state != CLAIM_NEW && (entry->state == CLAIM_NEW || entry->time < victim->time)))
            victim = entry;
    }
    if (victim != NULL)
        victim->state = CLAIM_NEW;
    return victim;
}

/* Lock the set of an id. */
static struct entry *lock_set(struct dedup *dedup, struct batch_id id, pthread_mutex_t **lock)
{
    size_t set = id.low % SETS;
    *lock = &dedup->locks[set % LOCKS];
    pthread_mutex_lock(*lock);
    return dedup->sets[set];
}

enum claim dedup_claim(struct dedup *dedup, struct batch_id id, uint64_t now, double *lost)
{
    pthread_mutex_t *lock;
    struct entry *entry = find(lock_set(dedup, id, &lock), id, now);
    enum claim state = entry == NULL ? CLAIM_NEW : entry->state;
    if (entry != NULL && state == CLAIM_NEW)
        *entry = (struct entry){.id = id, .time = now, .state = CLAIM_RUNNING};
    *lost = entry != NULL ? entry->lost : 0;
    pthread_mutex_unlock(lock);
    return state;
}

void dedup_taken(struct dedup *dedup, struct batch_id id, uint64_t now, double lost)
{
    pthread_mutex_t *lock;
    struct entry *entry = find(lock_set(dedup, id, &lock), id, now);
    if (entry != NULL)
        *entry = (struct entry){id, entry->state == CLAIM_TAKEN ? entry->time : now, lost, CLAIM_TAKEN};
    pthread_mutex_unlock(lock);
}
