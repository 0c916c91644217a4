#include "server/address_bounds.h"

#include <pthread.h>
#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/digest.h"

enum {
    SETS = 512,
    WAYS = 8, /* entries that an address can have */
    MINUTE = 60 * 1000,
    TRUSTED_TIME = 24 * 60 * MINUTE, /* after a right password */
};

struct entry {
    struct address address;
    uint64_t used; /* when it was last heard of; 0: the entry is free */
    uint64_t succeeded;
    bool has_succeeded;
    uint32_t connections;
    /* How much is left of the failures that it may have, in parts of 1 / MINUTE: a millisecond makes up for as many
     * parts as failures are allowed in a minute. */
    uint64_t left;
    uint64_t left_at; /* as of when */
};

struct address_bounds {
    pthread_mutex_t lock; /* guards the entries */
    uint64_t connections;
    uint64_t failures;
    uint64_t seed; /* of hashes, so that nobody can choose addresses of one set */
    struct entry entries[SETS][WAYS];
};

struct address_bounds *address_bounds_create(uint64_t connections, uint64_t failures)
{
    struct address_bounds *bounds = calloc(1, sizeof *bounds);
    if (bounds == NULL || !digest_random(&bounds->seed, sizeof bounds->seed)) {
        free(bounds);
        return NULL;
    }
    bounds->connections = connections;
    bounds->failures = failures;
    pthread_mutex_init(&bounds->lock, NULL);
    return bounds;
}

void address_bounds_free(struct address_bounds *bounds)
{
    if (bounds == NULL)
        return;
    pthread_mutex_destroy(&bounds->lock);
    free(bounds);
}

/* ---- entries, with the lock held ---- */

static bool is_trusted(const struct entry *entry, uint64_t now)
{
    return entry->has_succeeded && now - entry->succeeded < TRUSTED_TIME;
}

static struct entry *set_of(struct address_bounds *bounds, const struct address *subscriber)
{
    return bounds->entries[XXH3_64bits_withSeed(subscriber, sizeof *subscriber, bounds->seed) % SETS];
}

static struct entry *find(struct address_bounds *bounds, const struct address *address)
{
    struct address subscriber = address_subscriber(address);
    struct entry *set = set_of(bounds, &subscriber);
    for (unsigned i = 0; i < WAYS; i++)
        if (set[i].used != 0 && address_equals(&set[i].address, &subscriber))
            return &set[i];
    return NULL;
}

/* The entry of an address, a new one if need be; NULL if there is no place. */
static struct entry *claim(struct address_bounds *bounds, const struct address *address, uint64_t now)
{
    struct entry *entry = find(bounds, address);
    if (entry != NULL) {
        entry->used = now;
        return entry;
    }
    struct address subscriber = address_subscriber(address);
    struct entry *set = set_of(bounds, &subscriber);
    for (unsigned i = 0; i < WAYS; i++)
        if (set[i].connections == 0 && !is_trusted(&set[i], now) && (entry == NULL || set[i].used < entry->used))
            entry = &set[i];
    if (entry != NULL)
        *entry = (struct entry){.address = subscriber, .used = now, .left = bounds->failures * MINUTE, .left_at = now};
    return entry;
}

/* Failures are forgiven as time goes by. */
static void forgive(const struct address_bounds *bounds, struct entry *entry, uint64_t now)
{
    uint64_t passed = now - entry->left_at < MINUTE ? now - entry->left_at : MINUTE;
    uint64_t most = bounds->failures * MINUTE;
    entry->left += passed * bounds->failures;
    entry->left = entry->left < most ? entry->left : most;
    entry->left_at = now;
}

/* ---- from outside ---- */

bool address_bounds_enter(struct address_bounds *bounds, const struct address *address, uint64_t now)
{
    if (bounds->connections == 0 || address_is_localhost(address))
        return true;
    pthread_mutex_lock(&bounds->lock);
    struct entry *entry = claim(bounds, address, now);
    bool may_enter = entry == NULL || entry->connections < bounds->connections || is_trusted(entry, now);
    if (entry != NULL)
        entry->connections += may_enter;
    pthread_mutex_unlock(&bounds->lock);
    return may_enter;
}

void address_bounds_leave(struct address_bounds *bounds, const struct address *address)
{
    if (bounds->connections == 0 || address_is_localhost(address))
        return;
    pthread_mutex_lock(&bounds->lock);
    struct entry *entry = find(bounds, address);
    if (entry != NULL && entry->connections > 0) /* it may have come in when there was no entry for it */
        entry->connections--;
    pthread_mutex_unlock(&bounds->lock);
}

void address_bounds_succeed(struct address_bounds *bounds, const struct address *address, uint64_t now)
{
    pthread_mutex_lock(&bounds->lock);
    struct entry *entry = claim(bounds, address, now);
    if (entry != NULL) {
        entry->has_succeeded = true;
        entry->succeeded = now;
    }
    pthread_mutex_unlock(&bounds->lock);
}

void address_bounds_fail(struct address_bounds *bounds, const struct address *address, uint64_t now)
{
    if (bounds->failures == 0 || address_is_localhost(address))
        return;
    pthread_mutex_lock(&bounds->lock);
    struct entry *entry = claim(bounds, address, now);
    if (entry != NULL) {
        forgive(bounds, entry, now);
        entry->left = entry->left > MINUTE ? entry->left - MINUTE : 0;
    }
    pthread_mutex_unlock(&bounds->lock);
}

bool address_bounds_is_locked(struct address_bounds *bounds, const struct address *address, uint64_t now)
{
    if (bounds->failures == 0 || address_is_localhost(address))
        return false;
    pthread_mutex_lock(&bounds->lock);
    struct entry *entry = find(bounds, address);
    bool is_locked = false;
    if (entry != NULL && !is_trusted(entry, now)) {
        forgive(bounds, entry, now);
        is_locked = entry->left < MINUTE;
    }
    pthread_mutex_unlock(&bounds->lock);
    return is_locked;
}
