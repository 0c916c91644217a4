#include "intake/dedup.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
    SETS = 4096,
    WAYS = DEDUP_SET,
    LOCKS = 64,
};

struct entry {
    struct batch_id id;
    uint64_t time;    /* when it was claimed or taken */
    double lost;      /* messages, the most that a sending has told of */
    enum claim state; /* NEW: the entry is empty */
};

struct dedup {
    uint64_t lifetime;            /* of an id, milliseconds */
    uint64_t secret;              /* of ids of content */
    pthread_mutex_t locks[LOCKS]; /* a set is guarded by the lock of its number modulo LOCKS */
    struct entry sets[SETS][WAYS];
};

struct dedup *dedup_create(uint64_t lifetime)
{
    struct dedup *dedup = calloc(1, sizeof *dedup);
    if (dedup == NULL)
        return NULL;
    if (getrandom(&dedup->secret, sizeof dedup->secret, GRND_NONBLOCK) != sizeof dedup->secret)
        dedup->secret = (uintptr_t)dedup; /* still not the same everywhere */
    dedup->lifetime = lifetime;
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

struct batch_id batch_id_of_content(const struct dedup *dedup, struct slice user, struct slice body)
{
    uint64_t seed = XXH3_64bits_withSeed(user.at, user.length, dedup->secret);
    XXH128_hash_t hash = XXH3_128bits_withSeed(body.at, body.length, seed);
    return (struct batch_id){hash.high64, hash.low64};
}

static bool is_entry_of(const struct entry *entry, struct batch_id id)
{
    return entry->state != CLAIM_NEW && entry->id.high == id.high && entry->id.low == id.low;
}

/* The entry of an id, or else an empty one to fill: if need be the oldest, but none that is in progress.  NULL: there
 * is none. */
static struct entry *find(const struct dedup *dedup, struct entry *set, struct batch_id id, uint64_t now)
{
    struct entry *victim = NULL;
    for (int i = 0; i < WAYS; i++) {
        struct entry *entry = &set[i];
        if (entry->state == CLAIM_TAKEN && entry->time + dedup->lifetime <= now)
            entry->state = CLAIM_NEW;
        if (is_entry_of(entry, id))
            return entry;
        if (entry->state == CLAIM_IN_PROGRESS)
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

enum claim dedup_claim(struct dedup *dedup, struct batch_id id, uint64_t now)
{
    pthread_mutex_t *lock;
    struct entry *entry = find(dedup, lock_set(dedup, id, &lock), id, now);
    enum claim claim = entry == NULL ? CLAIM_NEW : entry->state;
    if (entry != NULL && claim == CLAIM_NEW)
        *entry = (struct entry){.id = id, .time = now, .state = CLAIM_IN_PROGRESS};
    pthread_mutex_unlock(lock);
    return claim;
}

void dedup_taken(struct dedup *dedup, struct batch_id id, uint64_t now, double lost)
{
    pthread_mutex_t *lock;
    struct entry *entry = find(dedup, lock_set(dedup, id, &lock), id, now);
    if (entry != NULL)
        *entry = (struct entry){id, now, lost, CLAIM_TAKEN};
    pthread_mutex_unlock(lock);
}

double dedup_raise_lost(struct dedup *dedup, struct batch_id id, double lost)
{
    pthread_mutex_t *lock;
    struct entry *set = lock_set(dedup, id, &lock);
    double growth = 0;
    for (int i = 0; i < WAYS; i++) {
        struct entry *entry = &set[i];
        if (!is_entry_of(entry, id) || lost <= entry->lost)
            continue;
        growth = lost - entry->lost;
        entry->lost = lost;
    }
    pthread_mutex_unlock(lock);
    return growth;
}

/* ---- from one start to the next ---- */

bool dedup_has_set(size_t set)
{
    return set < SETS;
}

size_t dedup_save(struct dedup *dedup, size_t *set, uint64_t now, struct dedup_taken taken[DEDUP_SET])
{
    size_t count = 0;
    pthread_mutex_t *lock = &dedup->locks[*set % LOCKS];
    pthread_mutex_lock(lock);
    for (int i = 0; i < WAYS; i++) {
        const struct entry *entry = &dedup->sets[*set][i];
        if (entry->state == CLAIM_TAKEN && entry->time + dedup->lifetime > now)
            taken[count++] = (struct dedup_taken){entry->id, now > entry->time ? now - entry->time : 0, entry->lost};
    }
    pthread_mutex_unlock(lock);
    ++*set;
    return count;
}

uint64_t dedup_key(const struct dedup *dedup)
{
    return dedup->secret;
}

void dedup_set_key(struct dedup *dedup, uint64_t key)
{
    dedup->secret = key;
}

void dedup_restore(struct dedup *dedup, const struct dedup_taken *taken, uint64_t now)
{
    /* Before the machine has started there is no time: such a batch is known as long as one of that moment. */
    if (taken->ago < dedup->lifetime)
        dedup_taken(dedup, taken->id, taken->ago < now ? now - taken->ago : 1, taken->lost);
}
