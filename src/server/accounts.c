#include "server/accounts.h"

#include <crypt.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
    RIGHT_MAX = 2, /* bcrypt, for one, looks at the first 72 bytes: more than one password can be right */
    WRONG_MAX = 8,
    SLOW_MAX = 2, /* verifications of a user in each */
    SLOW_TIME = 1000,
};

/* What is known about the passwords of a user with a hash: digests of "user:password" under the key of this process.
 * Right and wrong ones are kept apart, or a flood of wrong ones would drive out the right one. */
struct memory {
    pthread_mutex_t lock; /* guards the rest */
    unsigned char right[RIGHT_MAX][AUTH_DIGEST];
    unsigned char wrong[WRONG_MAX][AUTH_DIGEST];
    unsigned right_count; /* that were ever put in: the next one takes the place of the oldest */
    unsigned wrong_count;
    uint64_t slow[SLOW_MAX]; /* when the last verifications began, milliseconds of the monotonic clock; 0: never */
    unsigned slow_count;
};

struct account {
    const struct config_drain *drain; /* NULL: the shared user */
    struct auth_realm realm;          /* of its passwords; empty where it has a hash */
    struct memory memory;
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
    struct config_file *file;
    struct account *accounts; /* of the file's entries, then the shared one */
    size_t count;
    struct index users; /* who have a password */
    struct index apps;  /* of entries without a password */
    struct index tokens;
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
static unsigned char key[32];
static bool has_key;

static void make_key(void)
{
    has_key = RAND_bytes(key, sizeof key) == 1;
}

static bool is_hashed(const struct account *account)
{
    return account->drain != NULL && account->drain->password_hash != NULL;
}

/* Take over what is known about the passwords, where the hash is still the same. */
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

static bool allocate(struct accounts *accounts)
{
    size_t drains = accounts->file == NULL ? 0 : accounts->file->drain_count;
    size_t tokens = 0;
    for (size_t i = 0; i < drains; i++)
        tokens += accounts->file->drains[i].token_count;
    accounts->accounts = calloc(drains + 1, sizeof accounts->accounts[0]);
    accounts->users.entries = calloc(drains + 1, sizeof accounts->users.entries[0]);
    accounts->apps.entries = calloc(drains + 1, sizeof accounts->apps.entries[0]);
    accounts->tokens.entries = calloc(tokens + 1, sizeof accounts->tokens.entries[0]);
    return accounts->accounts != NULL && accounts->users.entries != NULL && accounts->apps.entries != NULL &&
           accounts->tokens.entries != NULL;
}

static struct account *add_account(struct accounts *accounts, const struct config_drain *drain)
{
    struct account *account = &accounts->accounts[accounts->count++];
    account->drain = drain;
    pthread_mutex_init(&account->memory.lock, NULL);
    return account;
}

static void add_drain(struct accounts *accounts, const struct config_drain *drain, struct accounts *previous)
{
    struct account *account = add_account(accounts, drain);
    struct slice name = slice_of(drain->name);
    if (config_drain_has_password(drain))
        add(&accounts->users, name, account);
    else
        add(&accounts->apps, slice_of(drain->app), account);
    for (size_t i = 0; i < drain->token_count; i++)
        add(&accounts->tokens, slice_of(drain->tokens[i]), account);
    if (drain->password != NULL)
        auth_allow(&account->realm, drain->name, drain->password);
    else if (previous != NULL)
        take_memory(account, find(&previous->users, name));
}

struct accounts *accounts_create(const struct auth_realm *shared, struct config_file *file, struct accounts *previous)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_key);
    struct accounts *accounts = calloc(1, sizeof *accounts);
    if (accounts == NULL) {
        config_file_free(file);
        return NULL;
    }
    atomic_init(&accounts->references, 1);
    accounts->file = file;
    if (!has_key || !allocate(accounts)) {
        accounts_unref(accounts);
        return NULL;
    }
    for (size_t i = 0; file != NULL && i < file->drain_count; i++)
        add_drain(accounts, &file->drains[i], previous);
    if (shared->count > 0) {
        struct account *account = add_account(accounts, NULL);
        account->realm = *shared;
        add(&accounts->users, SLICE(SHARED_USER), account);
    }
    sort(&accounts->users);
    sort(&accounts->apps);
    sort(&accounts->tokens);
    if (file != NULL)
        config_file_forget_passwords(file);
    return accounts;
}

struct accounts *accounts_ref(struct accounts *accounts)
{
    /* Relaxed: who references has a share, so nothing can be freed meanwhile. */
    atomic_fetch_add_explicit(&accounts->references, 1, memory_order_relaxed);
    return accounts;
}

void accounts_unref(struct accounts *accounts)
{
    /* Release what was done with this share to who frees, and acquire what was done with all others. */
    if (accounts == NULL || atomic_fetch_sub_explicit(&accounts->references, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < accounts->count; i++) {
        pthread_mutex_destroy(&accounts->accounts[i].memory.lock);
        OPENSSL_cleanse(&accounts->accounts[i], sizeof accounts->accounts[i]);
    }
    free(accounts->accounts);
    free(accounts->users.entries);
    free(accounts->apps.entries);
    free(accounts->tokens.entries);
    config_file_free(accounts->file);
    free(accounts);
}

/* ---- passwords against hashes ---- */

static bool make_digest(struct slice pair, unsigned char digest[AUTH_DIGEST])
{
    return HMAC(EVP_sha256(), key, sizeof key, (const unsigned char *)pair.at, pair.length, digest, NULL) != NULL;
}

static bool holds(const unsigned char (*digests)[AUTH_DIGEST], unsigned count, unsigned most,
                  const unsigned char *digest)
{
    bool held = false;
    for (unsigned i = 0; i < count && i < most; i++)
        held |= CRYPTO_memcmp(digests[i], digest, AUTH_DIGEST) == 0;
    return held;
}

/* What is known without a verification; BUSY: nothing.  Under the memory's lock. */
static enum accounts_result look_up(const struct memory *memory, const unsigned char *digest)
{
    if (holds(memory->right, memory->right_count, RIGHT_MAX, digest))
        return ACCOUNTS_ALLOWED;
    return holds(memory->wrong, memory->wrong_count, WRONG_MAX, digest) ? ACCOUNTS_DENIED : ACCOUNTS_BUSY;
}

static enum accounts_result recall(struct memory *memory, const unsigned char *digest)
{
    pthread_mutex_lock(&memory->lock);
    enum accounts_result known = look_up(memory, digest);
    pthread_mutex_unlock(&memory->lock);
    return known;
}

static void remember(struct memory *memory, const unsigned char *digest, bool right)
{
    pthread_mutex_lock(&memory->lock);
    unsigned char *place =
        right ? memory->right[memory->right_count++ % RIGHT_MAX] : memory->wrong[memory->wrong_count++ % WRONG_MAX];
    memcpy(place, digest, AUTH_DIGEST);
    pthread_mutex_unlock(&memory->lock);
}

/* May a user have another verification?  If so, it counts.  False also where the answer became known meanwhile, which
 * is then in *known. */
static bool begin_slow(struct memory *memory, const unsigned char *digest, uint64_t now, enum accounts_result *known)
{
    pthread_mutex_lock(&memory->lock);
    *known = look_up(memory, digest);
    uint64_t *oldest = &memory->slow[memory->slow_count % SLOW_MAX];
    bool begun = *known == ACCOUNTS_BUSY && (*oldest == 0 || now - *oldest >= SLOW_TIME);
    if (begun) {
        *oldest = now;
        memory->slow_count++;
    }
    pthread_mutex_unlock(&memory->lock);
    return begun;
}

/* Who holds this verifies; all others are busy. */
static pthread_mutex_t verifying = PTHREAD_MUTEX_INITIALIZER;

/* ALLOWED, DENIED, or BUSY where there is no memory for it.  Only who holds the lock above. */
static enum accounts_result compute(const char *hash, struct slice password)
{
    static struct crypt_data data; /* 32 KiB */
    static char phrase[CRYPT_MAX_PASSPHRASE_SIZE];
    /* No hash can be of such a one: crypt(3) takes no longer ones, and ends at a NUL. */
    if (password.length == 0 || password.length >= sizeof phrase || slice_index(password, '\0') < password.length)
        return ACCOUNTS_DENIED;
    memcpy(phrase, password.at, password.length);
    phrase[password.length] = '\0';
    errno = 0;
    const char *computed = crypt_rn(phrase, hash, &data, sizeof data);
    enum accounts_result result = ACCOUNTS_DENIED;
    if (computed == NULL)
        result = errno == ENOMEM ? ACCOUNTS_BUSY : ACCOUNTS_DENIED;
    else if (strlen(computed) == strlen(hash) && CRYPTO_memcmp(computed, hash, strlen(hash)) == 0)
        result = ACCOUNTS_ALLOWED;
    OPENSSL_cleanse(phrase, sizeof phrase);
    OPENSSL_cleanse(&data, sizeof data);
    return result;
}

static enum accounts_result verify(struct account *account, struct slice pair, const unsigned char *digest,
                                   uint64_t now)
{
    enum accounts_result result = ACCOUNTS_BUSY;
    if (pthread_mutex_trylock(&verifying) != 0)
        return ACCOUNTS_BUSY;
    if (begin_slow(&account->memory, digest, now, &result)) {
        result = compute(account->drain->password_hash, auth_password(pair));
        if (result != ACCOUNTS_BUSY)
            remember(&account->memory, digest, result == ACCOUNTS_ALLOWED);
    }
    pthread_mutex_unlock(&verifying);
    return result;
}

/* ---- requests ---- */

/* Is the pair right?  quickly: BUSY where that would need a verification. */
static enum accounts_result check_pair(struct account *account, struct slice pair, uint64_t now, bool quickly)
{
    if (!is_hashed(account))
        return auth_admits(&account->realm, pair) ? ACCOUNTS_ALLOWED : ACCOUNTS_DENIED;
    unsigned char digest[AUTH_DIGEST];
    if (!make_digest(pair, digest))
        return ACCOUNTS_BUSY; /* out of memory */
    enum accounts_result result = recall(&account->memory, digest);
    return result != ACCOUNTS_BUSY || quickly ? result : verify(account, pair, digest, now);
}

enum accounts_result accounts_check(struct accounts *accounts, struct slice authorization, uint64_t now,
                                    const struct account **account)
{
    struct auth_credentials credentials;
    if (!auth_read(&credentials, authorization))
        return ACCOUNTS_DENIED;
    enum accounts_result result = ACCOUNTS_BUSY;
    /* First all that is known: no spelling of a password is verified where another one is known to be right. */
    for (int round = 0; round < 2 && result == ACCOUNTS_BUSY; round++) {
        result = ACCOUNTS_DENIED;
        for (unsigned i = 0; i < credentials.count && result != ACCOUNTS_ALLOWED; i++) {
            struct account *found = find(&accounts->users, auth_user(credentials.pairs[i]));
            enum accounts_result checked =
                found == NULL ? ACCOUNTS_DENIED : check_pair(found, credentials.pairs[i], now, round == 0);
            if (checked == ACCOUNTS_ALLOWED)
                *account = found;
            if (checked != ACCOUNTS_DENIED)
                result = checked;
        }
    }
    auth_forget(&credentials);
    return result;
}

static struct slice cut(struct slice app)
{
    return (struct slice){app.at, app.length < CONFIG_FILE_APP_MAX ? app.length : CONFIG_FILE_APP_MAX};
}

struct slice accounts_app(const struct accounts *accounts, const struct account *account, struct slice url_app,
                          struct slice token)
{
    if (account->drain != NULL && account->drain->app != NULL)
        return slice_of(account->drain->app);
    if (url_app.length > 0)
        return cut(url_app);
    const struct account *meant = find(&accounts->tokens, token);
    return meant != NULL ? slice_of(meant->drain->app) : cut(token);
}

const struct label *accounts_labels(const struct accounts *accounts, const struct account *account, struct slice app,
                                    size_t *count)
{
    const struct config_drain *drain = account->drain;
    if (drain == NULL) {
        const struct account *known = find(&accounts->apps, app);
        drain = known == NULL ? NULL : known->drain;
    }
    *count = drain == NULL ? 0 : drain->label_count;
    return drain == NULL ? NULL : drain->labels;
}

const struct label *accounts_entry_labels(const struct accounts *accounts, size_t entry, size_t *count)
{
    if (accounts->file == NULL || entry >= accounts->file->drain_count)
        return NULL;
    *count = accounts->file->drains[entry].label_count;
    return accounts->file->drains[entry].labels;
}
