/* When each password and token was last used, so that a rotation can be finished safely.
 *
 * Example: PASSWORD_DRAIN_PREVIOUS was last used two hours ago, by a drain that still has the old password.
 *
 * A credential belongs to one secret, not to the setting that holds it: if the present password becomes the previous
 * one at a reload, its time goes with it.  It is counted from the start of the process, as nothing is kept on disk. */
#ifndef CREDENTIALS_H
#define CREDENTIALS_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/slice.h"

enum credential_slot { CREDENTIAL_CURRENT, CREDENTIAL_PREVIOUS };

/* What is known about one of them.  name is valid during the call that it comes with. */
struct credential_use {
    const char *role;  /* "drain": it posts; "metrics": it reads pages */
    struct slice name; /* the user, or USER_TOKEN (rejections.h) */
    enum credential_slot slot;
    int64_t last_used; /* seconds since 1970; 0: not since the process was started */
};

/* "current", "previous" */
const char *credential_slot_name(enum credential_slot slot);

typedef void credential_visitor(void *context, const struct credential_use *use);

/* ---- one of them: any thread ---- */

/* All 0: never used.  One that is part of something else is not counted by references. */
struct credential {
    atomic_uint references;
    atomic_int_least64_t last_used;
};

/* NULL if memory is short. */
struct credential *credential_create(void);
struct credential *credential_ref(struct credential *credential);
void credential_unref(struct credential *credential); /* NULL is harmless */

/* It was used at this time, seconds since 1970.  One load of a word that is shared, and a store if the second is new.
 */
void credential_note(struct credential *credential, int64_t second);

/* Seconds since 1970; 0: never. */
int64_t credential_last_used(const struct credential *credential);

#endif
