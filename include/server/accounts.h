/* Who may post batches, and whose app a batch then is.  Does not change once created, but for what it remembers of
 * passwords that were verified: any number of threads. */
#ifndef ACCOUNTS_H
#define ACCOUNTS_H

#include "config/configuration.h"
#include "intake/refusals.h"
#include "server/auth.h"
#include "server/credentials.h"

struct accounts;

/* One user with one password: that for all apps, which has a second one if its password is rotated, or an entry of the
 * configuration.  Lives as long as its accounts. */
struct account;

/* shared: the passwords of SHARED_USER, empty if there is no such user.  file may be NULL; it becomes the accounts',
 * also if creation fails, and the passwords in it are wiped.  previous may be NULL: if a user has the same hash as
 * there, what is known about passwords is taken over, and of each password that stays, when it was last used.  NULL if
 * memory or randomness is short. */
struct accounts *accounts_create(const struct auth_realm *shared, struct configuration *file,
                                 struct accounts *previous);

/* One reference more, or one less; the last one frees.  accounts_unref(NULL) is harmless. */
struct accounts *accounts_ref(struct accounts *accounts);
void accounts_unref(struct accounts *accounts);

enum accounts_result {
    ACCOUNTS_ALLOWED,
    ACCOUNTS_DENIED,    /* the password is wrong, or there is no such user */
    ACCOUNTS_PENDING,   /* it must be verified first */
    ACCOUNTS_NO_MEMORY, /* it cannot be told */
};

/* A password that must be compared with a hash of crypt(3) before it is known whether its request is let in.  Secret.
 * Holds a reference to its accounts. */
struct verification;

/* Whom does the value of an Authorization header let in?  Returns at once.  On ALLOWED, *account is set.
 *
 * Against a hash a password is verified once: then a keyed digest of it is remembered, as of a few wrong ones.  A
 * verification may take as long as some seconds.  So one that is needed becomes *verification on PENDING, the caller's
 * to free, and who has the time runs it (verifier.h).
 *
 * If any user has a hash, a wrong password of a user who has none, or does not exist, is compared with a hash too,
 * under one of a few decoys, and denied: neither the time nor the result tells which users there are. */
enum accounts_result accounts_check(struct accounts *accounts, struct slice authorization,
                                    const struct account **account, struct verification **verification);

/* The same for who wants to read pages: an entry of "scrapes" is let in.  account_scrape() tells which. */
enum accounts_result accounts_check_scrape(struct accounts *accounts, struct slice authorization,
                                           const struct account **account, struct verification **verification);
const struct config_scrape *account_scrape(const struct account *account);

/* The account, which has a password, was let in at this time, seconds since 1970. */
void account_note_use(const struct account *account, int64_t second);

/* Call visitor for each password of a user of drains and of an entry of "scrapes". */
void accounts_visit_credentials(const struct accounts *accounts, credential_visitor *visitor, void *context);

/* Is there any such entry? */
bool accounts_have_scrapes(const struct accounts *accounts);

/* Verify and remember; never PENDING.  On ALLOWED, *account is set.  Any thread, as the next ones. */
enum accounts_result verification_run(struct verification *verification, const struct account **account);

/* The user that it is about: for comparison only. */
const struct account *verification_user(const struct verification *verification);

/* Are both about the same password of the same user? */
bool verification_equals(const struct verification *a, const struct verification *b);

/* Is it about nobody?  See accounts_check(). */
bool verification_is_of_decoy(const struct verification *verification);

void verification_free(struct verification *verification); /* NULL is harmless */

/* Is there a user of this name: of drains, or of "scrapes"?  Its name is no secret then. */
bool accounts_has_user(const struct accounts *accounts, struct slice name);
bool accounts_has_scraper(const struct accounts *accounts, struct slice name);

/* Whose app a batch is: that of the account, which no request can change, else the one that the URL names, else the one
 * that the drain token means, else the token itself.  Empty if there is none.  Parts of the arguments, cut off at one
 * byte more than a name can have, or valid as long as the accounts. */
struct slice accounts_app(const struct accounts *accounts, const struct account *account, struct slice url_app,
                          struct slice token);

/* Is a batch of this app, from the drain with this token, turned away?  It is if a request has named the app, and no
 * app can have this name; with ONLY_LISTED_APPS also if no entry has it, or the entry has other tokens. */
enum refusal accounts_refusal(const struct accounts *accounts, const struct account *account, struct slice app,
                              struct slice token);

/* The user's name.  Valid as long as the accounts. */
struct slice accounts_user(const struct account *account);

/* Is this app of Cloud Foundry, whose messages the account posts, one that the account is bound to: by its app, by its
 * organization, or by that and its space?  One that is not bound may post for any. */
bool accounts_covers(const struct account *account, struct slice organization, struct slice space, struct slice app);

/* The organization and the space to which the account is bound; empty: to none. */
struct slice accounts_organization(const struct account *account);
struct slice accounts_space(const struct account *account);

/* Who sends, as the account's entry says. */
enum platform accounts_platform(const struct account *account);

/* May the account post for the app?  The shared user may not, if the app has a password of its own and its entry is not
 * shared; this is also logged, once a minute for each app.  One that is bound to an organization may for
 * "organization/space/app" alone, also if the batch is of Heroku, where the URL names the app. */
bool accounts_speaks_for(const struct accounts *accounts, const struct account *account, struct slice app,
                         uint64_t now);

/* What the configuration says of the series of a batch: the account's entry; if that has no app, the entry of the
 * batch's app, for the shared user the one that is shared or has no password; else the account's own, or for the shared
 * user configuration->others.  Valid as long as the accounts. */
const struct config_drain *accounts_entry(const struct accounts *accounts, const struct account *account,
                                          struct slice app);

/* Where to note when a batch of the app arrived; NULL if the app is not configured. */
_Atomic int64_t *accounts_last_batch(const struct accounts *accounts, struct slice app);

/* The configuration that they were made of, without its passwords; NULL if there was none. */
const struct configuration *accounts_configuration(const struct accounts *accounts);

#endif
