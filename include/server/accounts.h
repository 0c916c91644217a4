/* Who may post batches, and whose app a batch then is.  Does not change once created, but for what it remembers of
 * passwords that were verified: any number of threads. */
#ifndef ACCOUNTS_H
#define ACCOUNTS_H

#include "config/config_file.h"
#include "server/auth.h"

struct accounts;

/* One user: that for all apps, or an entry of the configuration.  Lives as long as its accounts. */
struct account;

/* shared: the passwords of SHARED_USER; of count 0 where there is no such user.  file may be NULL; it becomes the
 * accounts', also where creation fails, and the passwords in it are wiped.  previous may be NULL: where a user has the
 * same hash as there, what is known about passwords is taken over.  NULL where memory or randomness is short. */
struct accounts *accounts_create(const struct auth_realm *shared, struct config_file *file, struct accounts *previous);

/* One share more, or one less; the last one frees.  accounts_unref(NULL) is harmless. */
struct accounts *accounts_ref(struct accounts *accounts);
void accounts_unref(struct accounts *accounts);

enum accounts_result {
    ACCOUNTS_ALLOWED,
    ACCOUNTS_DENIED, /* the password is wrong, or there is no such user */
    ACCOUNTS_BUSY,   /* it cannot be told now: ask again in a second */
};

/* Whom does the value of an Authorization header let in?  On ALLOWED, *account is set.
 *
 * Against a hash of crypt(3) a password is verified once: then a keyed digest of it is remembered, as of a few wrong
 * ones.  A verification may take as long as a good part of a second, and anybody can ask for one; so there is one at a
 * time, and of each user two in a second.  Who would be over that is told BUSY, never DENIED. */
enum accounts_result accounts_check(struct accounts *accounts, struct slice authorization, uint64_t now,
                                    const struct account **account);

/* Whose app a batch is: that of the account, which no request can change, else the one that the URL names, else the one
 * that the drain token means, else the token itself.  Empty where there is none.  Parts of the arguments, cut off at
 * CONFIG_FILE_APP_MAX bytes, or valid as long as the accounts. */
struct slice accounts_app(const struct accounts *accounts, const struct account *account, struct slice url_app,
                          struct slice token);

/* The fixed labels of all series of a batch; valid as long as the accounts.  Those of the account's entry; for the
 * shared user, those of the entry without a password that has this app. */
const struct label *accounts_labels(const struct accounts *accounts, const struct account *account, struct slice app,
                                    size_t *count);

/* The fixed labels of one entry after the other, from 0 on; NULL behind the last. */
const struct label *accounts_entry_labels(const struct accounts *accounts, size_t entry, size_t *count);

#endif
