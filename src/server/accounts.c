#include "server/accounts.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/digest.h"
#include "base/log.h"
#include "base/metric.h"
#include "config/password_hash.h"

enum {
    RIGHT_MAX = 2, /* bcrypt, for one, looks at the first 72 bytes: more than one password can be right */
    WRONG_MAX = 8,
    WARN_INTERVAL = 60 * 1000, /* milliseconds */
    DECOYS = 4,
};

/* What is known about the passwords of a user with a hash: digests of "user:password" under the key of this process.
 * Right and wrong ones are kept apart, or a flood of wrong ones would drive out the right one. */
struct memory {
    pthread_mutex_t lock; /* guards the rest */
    unsigned char right[RIGHT_MAX][DIGEST_SIZE];
    unsigned char wrong[WRONG_MAX][DIGEST_SIZE];
    unsigned right_count; /* that were ever put in: the next one replaces the oldest */
    unsigned wrong_count;
};

struct account {
    const struct config_drain *drain;   /* NULL: the shared user */
    const struct config_scrape *scrape; /* who reads pages, then drain is its user; else NULL */
    bool is_decoy;                      /* nobody's; with the hash of drain, which lets nobody in */
    struct auth_realm realm;            /* of its passwords; empty if it has a hash */
    struct account *previous;           /* who comes with the previous password; NULL: nobody */
    struct credential *credential;      /* a reference; NULL: it has no password */
    struct memory memory;
    atomic_uint_least64_t warned; /* when it was last said that others post for its app; 0: never */
};

/* Accounts by a text, sorted. */
struct entry {
    struct slice key;
    struct account *account;
};

struct index {
    struct entry *entries;
    size_t count;
};

struct accounts {
    atomic_uint references;
    struct configuration *file;
    struct account *accounts; /* of the file's entries, then the shared one */
    size_t count;
    struct index users; /* who have a password */
    struct index apps;  /* of entries that the shared user may post for: without a password, or shared */
    struct index bound; /* apps of entries with a password */
    struct index tokens;
    struct index scrapers;
    /* If there is a user with a hash, who is denied waits as long as for a hash, or the time would tell which names
     * there are.  In a decoy's turn: a wrong password is verified under the one that its name falls to. */
    struct account decoys[DECOYS];
    unsigned decoy_count; /* 0: no user has a hash */
};

/* ---- finding ---- */

static int compare_entries(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;
    size_t shorter = a->key.length < b->key.length ? a->key.length : b->key.length;
    int order = shorter == 0 ? 0 : memcmp(a->key.at, b->key.at, shorter);
    return order != 0 ? order : (a->key.length > b->key.length) - (a->key.length < b->key.length);
}

static void add(struct index *index, struct slice key, struct account *account)
{
    index->entries[index->count++] = (struct entry){key, account};
}

static void sort(struct index *index)
{
    qsort(index->entries, index->count, sizeof index->entries[0], compare_entries);
}

static struct account *find(const struct index *index, struct slice key)
{
    const struct entry *found =
        bsearch(&(struct entry){key, NULL}, index->entries, index->count, sizeof index->entries[0], compare_entries);
    return found == NULL ? NULL : found->account;
}

/* ---- creation ---- */

/* The key of this process for the digests that are remembered: these alone are of no use to who reads our memory when
 * we are gone. */
static unsigned char key[DIGEST_SIZE];
static bool has_key;

static void make_key(void)
{
    has_key = digest_random(key, sizeof key);
}

static bool is_hashed(const struct account *account)
{
    return account->drain != NULL && account->drain->password_hash != NULL;
}

/* Take over what is known about the passwords, if the hash is still the same. */
static void take_memory(struct account *account, struct account *old)
{
    if (old == NULL || !is_hashed(account) || !is_hashed(old) ||
        strcmp(account->drain->password_hash, old->drain->password_hash) != 0)
        return;
    pthread_mutex_lock(&old->memory.lock);
    memcpy(account->memory.right, old->memory.right, sizeof account->memory.right);
    memcpy(account->memory.wrong, old->memory.wrong, sizeof account->memory.wrong);
    account->memory.right_count = old->memory.right_count;
    account->memory.wrong_count = old->memory.wrong_count;
    pthread_mutex_unlock(&old->memory.lock);
}

/* ---- when passwords were last used ---- */

/* Is the password of both the same, as far as can be told? */
static bool has_same_password(const struct account *account, const struct account *old)
{
    if (is_hashed(account) || is_hashed(old))
        return is_hashed(account) && is_hashed(old) &&
               strcmp(account->drain->password_hash, old->drain->password_hash) == 0;
    return auth_find(&old->realm, &account->realm, AUTH_PASSWORD) == AUTH_PASSWORD;
}

/* Give an account with a password its credential: that of the same password in the accounts before, if there is one.
 * old may be NULL.  False if memory is short. */
static bool take_credential(struct account *account, const struct account *old)
{
    for (; old != NULL; old = old->previous)
        if (has_same_password(account, old)) {
            account->credential = credential_ref(old->credential);
            return true;
        }
    account->credential = credential_create();
    return account->credential != NULL;
}

void account_note_use(const struct account *account, int64_t second)
{
    credential_note(account->credential, second);
}

static void visit(const struct account *account, enum credential_slot slot, credential_visitor *visitor, void *context)
{
    if (account->credential != NULL)
        visitor(context, &(struct credential_use){.role = account->scrape == NULL ? "drain" : "metrics",
                                                  .name = accounts_user(account),
                                                  .slot = slot,
                                                  .last_used = credential_last_used(account->credential)});
}

void accounts_visit_credentials(const struct accounts *accounts, credential_visitor *visitor, void *context)
{
    const struct index *const indexes[] = {&accounts->users, &accounts->scrapers};
    for (size_t i = 0; i < COUNT(indexes); i++)
        for (size_t j = 0; j < indexes[i]->count; j++) {
            const struct account *account = indexes[i]->entries[j].account;
            visit(account, CREDENTIAL_CURRENT, visitor, context);
            if (account->previous != NULL)
                visit(account->previous, CREDENTIAL_PREVIOUS, visitor, context);
        }
}

static bool allocate(struct accounts *accounts)
{
    size_t drains = accounts->file == NULL ? 0 : accounts->file->drain_count;
    size_t tokens = 0;
    for (size_t i = 0; i < drains; i++)
        tokens += accounts->file->drains[i].token_count;
    size_t scrapes = accounts->file == NULL ? 0 : accounts->file->scrape_count;
    accounts->accounts = calloc(drains + scrapes + 2, sizeof accounts->accounts[0]);
    accounts->scrapers.entries = calloc(scrapes + 1, sizeof accounts->scrapers.entries[0]);
    accounts->users.entries = calloc(drains + 1, sizeof accounts->users.entries[0]);
    accounts->apps.entries = calloc(drains + 1, sizeof accounts->apps.entries[0]);
    accounts->bound.entries = calloc(drains + 1, sizeof accounts->bound.entries[0]);
    accounts->tokens.entries = calloc(tokens + 1, sizeof accounts->tokens.entries[0]);
    return accounts->accounts != NULL && accounts->users.entries != NULL && accounts->apps.entries != NULL &&
           accounts->bound.entries != NULL && accounts->tokens.entries != NULL && accounts->scrapers.entries != NULL;
}

static struct account *add_account(struct accounts *accounts, const struct config_drain *drain)
{
    struct account *account = &accounts->accounts[accounts->count++];
    account->drain = drain;
    pthread_mutex_init(&account->memory.lock, NULL);
    return account;
}

/* False if memory is short, as the next two. */
static bool add_drain(struct accounts *accounts, const struct config_drain *drain, struct accounts *previous)
{
    struct account *account = add_account(accounts, drain);
    struct slice name = slice_of(drain->name);
    if (config_drain_has_password(drain))
        add(&accounts->users, name, account);
    if (config_drain_has_password(drain) && drain->app != NULL)
        add(&accounts->bound, slice_of(drain->app), account);
    if (drain->app != NULL && (!config_drain_has_password(drain) || drain->shared))
        add(&accounts->apps, slice_of(drain->app), account);
    for (size_t i = 0; i < drain->token_count; i++)
        add(&accounts->tokens, slice_of(drain->tokens[i]), account);
    struct account *old = previous == NULL ? NULL : find(&previous->users, name);
    if (drain->password != NULL)
        auth_allow(&account->realm, AUTH_PASSWORD, drain->name, drain->password);
    else
        take_memory(account, old);
    return !config_drain_has_password(drain) || take_credential(account, old);
}

static bool add_scrape(struct accounts *accounts, const struct config_scrape *scrape, struct accounts *previous)
{
    struct account *account = add_account(accounts, &scrape->user);
    account->scrape = scrape;
    add(&accounts->scrapers, slice_of(scrape->user.name), account);
    struct account *old = previous == NULL ? NULL : find(&previous->scrapers, slice_of(scrape->user.name));
    if (scrape->user.password != NULL)
        auth_allow(&account->realm, AUTH_PASSWORD, scrape->user.name, scrape->user.password);
    else
        take_memory(account, old);
    return take_credential(account, old);
}

/* An account for one of the passwords of the shared user. */
static struct account *add_shared(struct accounts *accounts, const struct auth_realm *shared, enum auth_secret which,
                                  const struct account *old)
{
    struct account *account = add_account(accounts, NULL);
    memcpy(account->realm.digests[AUTH_PASSWORD], shared->digests[which], DIGEST_SIZE);
    account->realm.has[AUTH_PASSWORD] = true;
    return take_credential(account, old) ? account : NULL;
}

static bool add_shared_user(struct accounts *accounts, const struct auth_realm *shared, struct accounts *previous)
{
    const struct account *old = previous == NULL ? NULL : find(&previous->users, SLICE(SHARED_USER));
    if (!shared->has[AUTH_PASSWORD])
        return true;
    struct account *account = add_shared(accounts, shared, AUTH_PASSWORD, old);
    if (account == NULL)
        return false;
    add(&accounts->users, SLICE(SHARED_USER), account);
    if (shared->has[AUTH_PREVIOUS_PASSWORD])
        account->previous = add_shared(accounts, shared, AUTH_PREVIOUS_PASSWORD, old);
    return !shared->has[AUTH_PREVIOUS_PASSWORD] || account->previous != NULL;
}

static bool add_all(struct accounts *accounts, const struct auth_realm *shared, struct accounts *previous)
{
    const struct configuration *file = accounts->file;
    bool added = true;
    for (size_t i = 0; added && file != NULL && i < file->drain_count; i++)
        added = add_drain(accounts, &file->drains[i], previous);
    for (size_t i = 0; added && file != NULL && i < file->scrape_count; i++)
        added = add_scrape(accounts, &file->scrapes[i], previous);
    return added && add_shared_user(accounts, shared, previous);
}

/* Decoys have the hashes of users in turn, so that they take as long. */
static void add_decoys(struct accounts *accounts)
{
    const struct account *hashed = NULL;
    for (size_t i = 0; accounts->decoy_count < DECOYS; i = (i + 1) % accounts->count) {
        if (is_hashed(&accounts->accounts[i])) {
            hashed = &accounts->accounts[i];
            struct account *decoy = &accounts->decoys[accounts->decoy_count++];
            decoy->drain = hashed->drain;
            decoy->is_decoy = true;
            pthread_mutex_init(&decoy->memory.lock, NULL);
        } else if (hashed == NULL && i + 1 == accounts->count)
            return;
    }
}

struct accounts *accounts_create(const struct auth_realm *shared, struct configuration *file, struct accounts *previous)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_key);
    struct accounts *accounts = calloc(1, sizeof *accounts);
    if (accounts == NULL) {
        configuration_free(file);
        return NULL;
    }
    atomic_init(&accounts->references, 1);
    accounts->file = file;
    if (!has_key || !allocate(accounts) || !add_all(accounts, shared, previous)) {
        accounts_unref(accounts);
        return NULL;
    }
    if (accounts->count > 0)
        add_decoys(accounts);
    sort(&accounts->users);
    sort(&accounts->apps);
    sort(&accounts->bound);
    sort(&accounts->tokens);
    sort(&accounts->scrapers);
    if (file != NULL)
        configuration_forget_passwords(file);
    return accounts;
}

struct accounts *accounts_ref(struct accounts *accounts)
{
    /* Relaxed: the caller has a reference, so nothing can be freed meanwhile. */
    atomic_fetch_add_explicit(&accounts->references, 1, memory_order_relaxed);
    return accounts;
}

void accounts_unref(struct accounts *accounts)
{
    /* Release what was done with this reference to who frees, and acquire what was done with all others. */
    if (accounts == NULL || atomic_fetch_sub_explicit(&accounts->references, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < accounts->count; i++) {
        pthread_mutex_destroy(&accounts->accounts[i].memory.lock);
        credential_unref(accounts->accounts[i].credential);
        explicit_bzero(&accounts->accounts[i], sizeof accounts->accounts[i]);
    }
    for (unsigned i = 0; i < accounts->decoy_count; i++)
        pthread_mutex_destroy(&accounts->decoys[i].memory.lock);
    explicit_bzero(accounts->decoys, sizeof accounts->decoys);
    free(accounts->accounts);
    free(accounts->users.entries);
    free(accounts->apps.entries);
    free(accounts->bound.entries);
    free(accounts->tokens.entries);
    free(accounts->scrapers.entries);
    configuration_free(accounts->file);
    free(accounts);
}

/* ---- passwords against hashes ---- */

static bool holds(const unsigned char (*digests)[DIGEST_SIZE], unsigned count, unsigned most,
                  const unsigned char *digest)
{
    bool held = false;
    for (unsigned i = 0; i < count && i < most; i++)
        held |= digest_equals(digests[i], digest, DIGEST_SIZE);
    return held;
}

/* What is known without a verification; PENDING: nothing. */
static enum accounts_result recall(struct memory *memory, const unsigned char *digest)
{
    enum accounts_result known = ACCOUNTS_PENDING;
    pthread_mutex_lock(&memory->lock);
    if (holds(memory->right, memory->right_count, RIGHT_MAX, digest))
        known = ACCOUNTS_ALLOWED;
    else if (holds(memory->wrong, memory->wrong_count, WRONG_MAX, digest))
        known = ACCOUNTS_DENIED;
    pthread_mutex_unlock(&memory->lock);
    return known;
}

static void remember(struct memory *memory, const unsigned char *digest, bool right)
{
    pthread_mutex_lock(&memory->lock);
    unsigned char *slot =
        right ? memory->right[memory->right_count++ % RIGHT_MAX] : memory->wrong[memory->wrong_count++ % WRONG_MAX];
    memcpy(slot, digest, DIGEST_SIZE);
    pthread_mutex_unlock(&memory->lock);
}

/* ---- verifications ---- */

/* One spelling of a password. */
struct attempt {
    struct account *account;
    unsigned char digest[DIGEST_SIZE]; /* of "user:password" */
    size_t length;
    char password[PASSWORD_HASH_INPUT_MAX];
};

struct verification {
    struct accounts *accounts; /* a reference */
    unsigned count;
    struct attempt attempts[2];
};

static enum accounts_result run_attempt(struct attempt *attempt)
{
    struct memory *memory = &attempt->account->memory;
    enum accounts_result known = recall(memory, attempt->digest);
    if (known != ACCOUNTS_PENDING) /* another verification has shown it */
        return known;
    switch (password_hash_verify(attempt->account->drain->password_hash,
                                 (struct slice){attempt->password, attempt->length})) {
    case PASSWORD_HASH_MATCHES:
        remember(memory, attempt->digest, !attempt->account->is_decoy);
        return attempt->account->is_decoy ? ACCOUNTS_DENIED : ACCOUNTS_ALLOWED;
    case PASSWORD_HASH_DIFFERS:
        remember(memory, attempt->digest, false);
        return ACCOUNTS_DENIED;
    case PASSWORD_HASH_NO_MEMORY:
        break;
    }
    return ACCOUNTS_NO_MEMORY;
}

enum accounts_result verification_run(struct verification *verification, const struct account **account)
{
    enum accounts_result result = ACCOUNTS_DENIED;
    for (unsigned i = 0; i < verification->count && result != ACCOUNTS_ALLOWED; i++) {
        enum accounts_result one = run_attempt(&verification->attempts[i]);
        if (one == ACCOUNTS_ALLOWED)
            *account = verification->attempts[i].account;
        if (one != ACCOUNTS_DENIED)
            result = one;
    }
    return result;
}

/* "sho%70" may be a name that nobody has, and "shop" one that somebody has: then it is about him. */
const struct account *verification_user(const struct verification *verification)
{
    const struct attempt *attempts = verification->attempts;
    bool is_second = verification->count == 2 && attempts[0].account->is_decoy;
    return attempts[is_second ? 1 : 0].account;
}

bool verification_is_of_decoy(const struct verification *verification)
{
    return verification_user(verification)->is_decoy;
}

bool verification_equals(const struct verification *a, const struct verification *b)
{
    if (a->count != b->count)
        return false;
    for (unsigned i = 0; i < a->count; i++)
        if (a->attempts[i].account != b->attempts[i].account ||
            !digest_equals(a->attempts[i].digest, b->attempts[i].digest, DIGEST_SIZE))
            return false;
    return true;
}

void verification_free(struct verification *verification)
{
    if (verification == NULL)
        return;
    accounts_unref(verification->accounts);
    explicit_bzero(verification, sizeof *verification);
    free(verification);
}

/* Add a pair to what must be verified; false if memory is short. */
static bool add_attempt(struct verification **verification, struct accounts *accounts, struct account *account,
                        struct slice password, const unsigned char *digest)
{
    if (*verification == NULL && (*verification = calloc(1, sizeof **verification)) == NULL)
        return false;
    struct attempt *attempt = &(*verification)->attempts[(*verification)->count++];
    if ((*verification)->accounts == NULL)
        (*verification)->accounts = accounts_ref(accounts);
    attempt->account = account;
    attempt->length = password.length;
    memcpy(attempt->digest, digest, DIGEST_SIZE);
    memcpy(attempt->password, password.at, password.length);
    return true;
}

/* ---- requests ---- */

/* The decoy that a user's name falls to; NULL if there is none. */
static struct account *decoy_of(struct accounts *accounts, struct slice pair)
{
    if (accounts->decoy_count == 0)
        return NULL;
    unsigned char digest[DIGEST_SIZE];
    digest_make_keyed(key, auth_user(pair), digest);
    return &accounts->decoys[digest[0] % accounts->decoy_count];
}

/* The account of this user whose password is right; NULL if none is.  All are compared, so the time tells nothing. */
static const struct account *match(const struct account *account, struct slice pair)
{
    const struct account *matched = NULL;
    for (; account != NULL; account = account->previous)
        if (auth_check_pair(&account->realm, pair) != AUTH_NONE)
            matched = account;
    return matched;
}

/* Is the pair right?  account: NULL if there is no such user.  On ALLOWED *matched is set, that user or who comes with
 * the previous password.  On PENDING it was added to what must be verified. */
static enum accounts_result check_pair(struct accounts *accounts, struct account *account, struct slice pair,
                                       const struct account **matched, struct verification **verification)
{
    bool hashed = account != NULL && is_hashed(account);
    if (account != NULL && !hashed) {
        *matched = match(account, pair);
        if (*matched != NULL)
            return ACCOUNTS_ALLOWED;
    }
    if (!hashed)
        account = decoy_of(accounts, pair);
    struct slice password = auth_password(pair);
    if (account == NULL || !password_hash_can_be_of(password))
        return ACCOUNTS_DENIED;
    unsigned char digest[DIGEST_SIZE];
    digest_make_keyed(key, pair, digest);
    enum accounts_result known = recall(&account->memory, digest);
    if (known == ACCOUNTS_PENDING && !add_attempt(verification, accounts, account, password, digest))
        return ACCOUNTS_NO_MEMORY;
    *matched = account;
    return known;
}

/* As accounts_check(), of these users. */
static enum accounts_result check(struct accounts *accounts, const struct index *users, struct slice authorization,
                                  const struct account **account, struct verification **verification)
{
    struct auth_credentials credentials;
    *verification = NULL;
    if (!auth_read(&credentials, authorization))
        return ACCOUNTS_DENIED;
    enum accounts_result result = ACCOUNTS_DENIED;
    for (unsigned i = 0; i < credentials.count && result != ACCOUNTS_ALLOWED; i++) {
        const struct account *matched;
        struct account *found = find(users, auth_user(credentials.pairs[i]));
        enum accounts_result checked = check_pair(accounts, found, credentials.pairs[i], &matched, verification);
        if (checked == ACCOUNTS_ALLOWED)
            *account = matched;
        if (checked != ACCOUNTS_DENIED)
            result = checked;
    }
    auth_forget(&credentials);
    /* No spelling of a password is verified if another one is known to be right. */
    if (result != ACCOUNTS_PENDING) {
        verification_free(*verification);
        *verification = NULL;
    }
    return result;
}

enum accounts_result accounts_check(struct accounts *accounts, struct slice authorization,
                                    const struct account **account, struct verification **verification)
{
    return check(accounts, &accounts->users, authorization, account, verification);
}

enum accounts_result accounts_check_scrape(struct accounts *accounts, struct slice authorization,
                                           const struct account **account, struct verification **verification)
{
    return check(accounts, &accounts->scrapers, authorization, account, verification);
}

const struct config_scrape *account_scrape(const struct account *account)
{
    return account->scrape;
}

bool accounts_have_scrapes(const struct accounts *accounts)
{
    return accounts->scrapers.count > 0;
}

bool accounts_has_user(const struct accounts *accounts, struct slice name)
{
    return find(&accounts->users, name) != NULL;
}

bool accounts_has_scraper(const struct accounts *accounts, struct slice name)
{
    return find(&accounts->scrapers, name) != NULL;
}

static struct slice cut(struct slice app)
{
    const size_t most = CONFIGURATION_APP_MAX + 1; /* to see that it is too long */
    return (struct slice){app.at, app.length < most ? app.length : most};
}

/* Is the account for one app alone? */
static bool has_app(const struct account *account)
{
    return account->drain != NULL && account->drain->app != NULL;
}

struct slice accounts_app(const struct accounts *accounts, const struct account *account, struct slice url_app,
                          struct slice token)
{
    if (has_app(account))
        return slice_of(account->drain->app);
    if (url_app.length > 0)
        return cut(url_app);
    const struct account *meant = find(&accounts->tokens, token);
    return meant != NULL ? slice_of(meant->drain->app) : cut(token);
}

/* The entry of an app: that of the shared user, else one with a password; NULL if there is none. */
static const struct account *find_app(const struct accounts *accounts, struct slice app)
{
    const struct account *found = find(&accounts->apps, app);
    return found != NULL ? found : find(&accounts->bound, app);
}

static bool has_token(const struct config_drain *drain, struct slice token)
{
    for (size_t i = 0; i < drain->token_count; i++)
        if (slice_equals(slice_of(drain->tokens[i]), token))
            return true;
    return false;
}

enum refusal accounts_refusal(const struct accounts *accounts, const struct account *account, struct slice app,
                              struct slice token)
{
    if (has_app(account))
        return REFUSED_NOT;
    if (app.length > 0 && !configuration_is_app(app))
        return REFUSED_NAME;
    if (accounts->file == NULL || !accounts->file->only_listed_apps)
        return REFUSED_NOT;
    const struct account *listed = find_app(accounts, app);
    if (listed == NULL)
        return REFUSED_UNLISTED;
    bool is_bound = listed->drain->token_count > 0 && !has_token(listed->drain, token);
    return is_bound ? REFUSED_TOKEN : REFUSED_NOT;
}

/* Say that the shared user is not heard for the app of an account. */
static void warn(struct account *account, uint64_t now)
{
    uint64_t warned = atomic_load_explicit(&account->warned, memory_order_relaxed);
    if ((warned == 0 || now - warned >= WARN_INTERVAL) &&
        atomic_compare_exchange_strong_explicit(&account->warned, &warned, now, memory_order_relaxed,
                                                memory_order_relaxed))
        log_write(LOG_WARN,
                  "the user " SHARED_USER
                  " may not post for the app %s, which has the user %s: its batches are counted as "
                  "foreign; shared: true in that drain's entry allows them",
                  account->drain->app, account->drain->name);
}

struct slice accounts_user(const struct account *account)
{
    return account->drain == NULL ? SLICE(SHARED_USER) : slice_of(account->drain->name);
}

static bool is_or_any(const char *bound, struct slice text)
{
    return bound == NULL || slice_equals(slice_of(bound), text);
}

bool accounts_covers(const struct account *account, struct slice organization, struct slice space, struct slice app)
{
    const struct config_drain *drain = account->drain;
    return drain == NULL || (is_or_any(drain->app, app) && is_or_any(drain->organization, organization) &&
                             is_or_any(drain->space, space));
}

struct slice accounts_organization(const struct account *account)
{
    return slice_of(account->drain == NULL || account->drain->organization == NULL ? "" : account->drain->organization);
}

struct slice accounts_space(const struct account *account)
{
    return slice_of(account->drain == NULL || account->drain->space == NULL ? "" : account->drain->space);
}

enum platform accounts_platform(const struct account *account)
{
    return account->drain == NULL ? PLATFORM_BY_REQUEST : account->drain->platform;
}

bool accounts_speaks_for(const struct accounts *accounts, const struct account *account, struct slice app, uint64_t now)
{
    const struct config_drain *drain = account->drain;
    if (drain != NULL)
        return drain->organization == NULL || config_is_within(app, drain->organization, drain->space);
    if (find(&accounts->apps, app) != NULL)
        return true;
    struct account *bound = find(&accounts->bound, app);
    if (bound != NULL)
        warn(bound, now);
    return bound == NULL;
}

const struct config_drain *accounts_entry(const struct accounts *accounts, const struct account *account,
                                          struct slice app)
{
    static const struct config_drain none;
    if (has_app(account))
        return account->drain;
    const struct account *known = account->drain == NULL ? find(&accounts->apps, app) : find_app(accounts, app);
    if (known != NULL)
        return known->drain;
    if (account->drain != NULL)
        return account->drain;
    return accounts->file == NULL ? &none : &accounts->file->others;
}

_Atomic int64_t *accounts_last_batch(const struct accounts *accounts, struct slice app)
{
    const struct account *known = find_app(accounts, app);
    return known == NULL ? NULL : known->drain->last_batch;
}

const struct configuration *accounts_configuration(const struct accounts *accounts)
{
    return accounts->file;
}
