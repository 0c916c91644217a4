#include "server/credentials.h"

#include <stdlib.h>

const char *credential_slot_name(enum credential_slot slot)
{
    return slot == CREDENTIAL_CURRENT ? "current" : "previous";
}

struct credential *credential_create(void)
{
    struct credential *credential = calloc(1, sizeof *credential);
    if (credential != NULL)
        atomic_init(&credential->references, 1);
    return credential;
}

struct credential *credential_ref(struct credential *credential)
{
    /* Relaxed: the caller has a reference, so nothing can be freed meanwhile. */
    atomic_fetch_add_explicit(&credential->references, 1, memory_order_relaxed);
    return credential;
}

void credential_unref(struct credential *credential)
{
    /* Release what was done with this reference to who frees, and acquire what was done with all others. */
    if (credential != NULL && atomic_fetch_sub_explicit(&credential->references, 1, memory_order_acq_rel) == 1)
        free(credential);
}

void credential_note(struct credential *credential, int64_t second)
{
    /* Relaxed: it is a number by itself.  Most calls only read, so that workers do not take the line from each other.
     */
    if (atomic_load_explicit(&credential->last_used, memory_order_relaxed) != second)
        atomic_store_explicit(&credential->last_used, second, memory_order_relaxed);
}

int64_t credential_last_used(const struct credential *credential)
{
    return atomic_load_explicit(&credential->last_used, memory_order_relaxed);
}
