#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "server/accounts.h"
#include "support.h"

static struct accounts *make(const char *shared_password, const char *yaml, struct accounts *previous)
{
    struct auth_realm shared = {0};
    if (shared_password != NULL)
        assert_true(auth_allow(&shared, SHARED_USER, shared_password));
    struct config_file *file = NULL;
    if (yaml != NULL) {
        struct buffer mistakes = {0};
        file = config_file_parse(slice_of(yaml), "CONFIG", shared_password != NULL, &mistakes);
        if (file == NULL)
            fail_msg("%.*s", (int)mistakes.length, mistakes.at);
    }
    struct accounts *accounts = accounts_create(&shared, file, previous);
    assert_non_null(accounts);
    return accounts;
}

static enum accounts_result check(struct accounts *accounts, const char *pair, uint64_t now,
                                  const struct account **account)
{
    char header[4096];
    int length = sprintf(header, "Basic ");
    length += EVP_EncodeBlock((unsigned char *)header + length, (const unsigned char *)pair, (int)strlen(pair));
    return accounts_check(accounts, (struct slice){header, (size_t)length}, now, account);
}

static const struct account *allowed(struct accounts *accounts, const char *pair)
{
    const struct account *account = NULL;
    if (check(accounts, pair, 1000, &account) != ACCOUNTS_ALLOWED)
        fail_msg("%s is not allowed", pair);
    return account;
}

static void denied(struct accounts *accounts, const char *pair)
{
    const struct account *account = NULL;
    if (check(accounts, pair, 1000, &account) != ACCOUNTS_DENIED)
        fail_msg("%s is not denied", pair);
    assert_null(account);
}

static const char several[] = "drains:\n"
                              "- {name: shop, app: my-shop, password: one, tokens: [d.1], labels: {team: payments}}\n"
                              "- {name: team, password: 't:w/o', labels: {team: web}}\n"
                              "- {name: blog, app: my-blog, tokens: [d.2, d.3], labels: {team: blog, tier: '2'}}\n"
                              "- {name: plain, app: my-plain}\n";

static void passwords(void **state)
{
    (void)state;
    struct accounts *accounts = make("shared", several, NULL);
    allowed(accounts, "drain:shared");
    allowed(accounts, "shop:one");
    allowed(accounts, "team:t:w/o");
    allowed(accounts, "team:t%3Aw%2fo");
    assert_ptr_not_equal(allowed(accounts, "shop:one"), allowed(accounts, "drain:shared"));
    static const char *const wrong[] = {"drain:one", "shop:shared", "shop:",      "shop",      "",  "blog:",
                                        "blog:blog", "plain:",      "nobody:one", ":one",      ":", "shop:one ",
                                        "Shop:one",  "shop:on",     "team:one",   "shop:t:w/o"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        denied(accounts, wrong[i]);
    const struct account *account;
    assert_int_equal(accounts_check(accounts, SLICE(""), 1, &account), ACCOUNTS_DENIED);
    accounts_unref(accounts_ref(accounts));
    allowed(accounts, "shop:one");
    accounts_unref(accounts);

    /* Without a file, and without the shared user. */
    accounts = make("shared", NULL, NULL);
    allowed(accounts, "drain:shared");
    denied(accounts, "shop:one");
    accounts_unref(accounts);
    accounts = make(NULL, "drains: [{name: drain, password: own}]", NULL);
    allowed(accounts, "drain:own");
    denied(accounts, "drain:");
    accounts_unref(accounts);
    accounts_unref(NULL);
}

static void check_app(struct accounts *accounts, const char *pair, const char *url, const char *token, const char *app,
                      const char *labels)
{
    const struct account *account = allowed(accounts, pair);
    struct slice got = accounts_app(accounts, account, guarded(slice_of(url)), slice_of(token));
    assert_slice(got, app);
    size_t count;
    const struct label *list = accounts_labels(accounts, account, got, &count);
    char text[256] = "";
    for (size_t i = 0; i < count; i++)
        sprintf(text + strlen(text), "%.*s=%.*s ", (int)list[i].name.length, list[i].name.at, (int)list[i].value.length,
                list[i].value.at);
    assert_string_equal(text, labels);
}

static void apps(void **state)
{
    (void)state;
    struct accounts *accounts = make("shared", several, NULL);
    /* The app of the password wins over all. */
    check_app(accounts, "shop:one", "", "", "my-shop", "team=payments ");
    check_app(accounts, "shop:one", "my-blog", "d.2", "my-shop", "team=payments ");
    /* Then the URL, the token's app, the token. */
    check_app(accounts, "team:t:w/o", "my-blog", "d.1", "my-blog", "team=web ");
    check_app(accounts, "team:t:w/o", "", "d.2", "my-blog", "team=web ");
    check_app(accounts, "drain:shared", "x", "d.2", "x", "");
    check_app(accounts, "drain:shared", "my-blog", "", "my-blog", "team=blog tier=2 ");
    check_app(accounts, "drain:shared", "", "d.3", "my-blog", "team=blog tier=2 ");
    check_app(accounts, "drain:shared", "", "d.1", "my-shop", "");
    check_app(accounts, "drain:shared", "", "d.9", "d.9", "");
    check_app(accounts, "drain:shared", "my-plain", "", "my-plain", "");
    check_app(accounts, "drain:shared", "", "", "", "");
    char large[600];
    memset(large, 'x', sizeof large);
    large[599] = '\0';
    const struct account *shared = allowed(accounts, "drain:shared");
    assert_int_equal(accounts_app(accounts, shared, slice_of(large), SLICE("")).length, CONFIG_FILE_APP_MAX);
    assert_int_equal(accounts_app(accounts, shared, SLICE(""), slice_of(large)).length, CONFIG_FILE_APP_MAX);
    accounts_unref(accounts);
}

/* All of "secret". */
static const char *const hashes[] = {
    "$y$j9T$cyH94v.Obkb8InjI.Tulm1$8T9/rbwhMePeOhQU9PyFl.7Nd2tGtuOapV46UhEKiZ/",
    "$gy$j9T$pnroV4FyXcovKCGNOeEoA.$z6a3BFjrjwJJsaXRejRzw6HmQ2sOb8jr9E.wpvYTsq6",
    "$7$CU..../....jfHM8p3pc4LyEfzEYcX1V1$s6X3aD.mP9WiGgGoy7i9TslcvuOeJ6QmdEU/Wvsgu96",
    "$2b$05$Y4GUBsiqaAXu63iRsOOksuh0TZb4Pbn3C0vuR6x7XA0byNLYKphxC",
    "$6$LpisupEmsSHNqISj$t7tatIYF5BUWzyOJG08LgJz9ZegZKMmVf3Ho3Z.TKZdW.CiYQ.o5bO0jaAMhKzoOBcZhORnbcClLFJ0oTWz2V.",
    "$5$zvzm/1JN16KCfIpW$ozjaaH9x9PDEFMPkPN0I0oal1CB4MMbf2jMt4fwiOy9",
    "$sha1$227106$Y4Kygbc2l.x4HWUv/7.t$f/le8vseTVNewfO9V.0/wEULfSvM",
    "$md5,rounds=84279$4dT0A76g$$s2BJtmCRBIsAh/oYZb5pE0",
    "$1$KqsIoeae$zCnkbzu8SpUVr0uMdCW8C0",
};
enum { HASH_COUNT = sizeof hashes / sizeof hashes[0] };

static struct accounts *make_hashed(const char *hash, struct accounts *previous)
{
    char yaml[512];
    sprintf(yaml, "drains: [{name: shop, app: my-shop, password_hash: '%s'}]", hash);
    return make(NULL, yaml, previous);
}

static void kinds_of_hashes(void **state)
{
    (void)state;
    for (int i = 0; i < HASH_COUNT; i++) {
        struct accounts *accounts = make_hashed(hashes[i], NULL);
        allowed(accounts, "shop:secret");
        denied(accounts, "shop:secre");
        allowed(accounts, "shop:secret"); /* verified two times in this millisecond already: this is remembered */
        denied(accounts, "shop:secre");
        denied(accounts, "team:secret");
        accounts_unref(accounts);
    }
}

/* Results at a time: 'A' allowed, 'D' denied, 'B' busy. */
static void check_at(struct accounts *accounts, uint64_t now, const char *pairs, const char *results)
{
    static const char letters[] = {[ACCOUNTS_ALLOWED] = 'A', [ACCOUNTS_DENIED] = 'D', [ACCOUNTS_BUSY] = 'B'};
    char text[256];
    snprintf(text, sizeof text, "%s", pairs);
    size_t i = 0;
    for (char *pair = strtok(text, " "); pair != NULL; pair = strtok(NULL, " "), i++) {
        const struct account *account;
        char got = letters[check(accounts, pair, now, &account)];
        if (got != results[i])
            fail_msg("%s at %u: %c, not %c", pair, (unsigned)now, got, results[i]);
    }
}

static void few_verifications(void **state)
{
    (void)state;
    const char *cheap = hashes[8];
    struct accounts *accounts = make_hashed(cheap, NULL);
    /* Two in a second; then who is not known is told to come again, the right one too. */
    check_at(accounts, 1000, "shop:a shop:b shop:c shop:secret shop:a shop:b", "DDBBDD");
    check_at(accounts, 1999, "shop:c shop:secret shop:a", "BBD");
    check_at(accounts, 2000, "shop:secret shop:c shop:d shop:secret", "ADBA");
    /* No number of wrong ones drives out the right one, nor lets it wait. */
    char pair[16];
    for (unsigned i = 0; i < 100; i++) {
        sprintf(pair, "shop:w%u", i);
        check_at(accounts, 3000 + i * 1000, pair, "D");
        check_at(accounts, 3000 + i * 1000, "shop:secret shop:%73ecret shop:s%65cret", "AAA");
    }
    accounts_unref(accounts);

    /* Two spellings, each verified. */
    accounts = make_hashed(cheap, NULL);
    check_at(accounts, 1000, "shop:secre%74 shop:a", "AB");
    accounts_unref(accounts);

    /* crypt(3) ends at a NUL byte and takes no more than 511 bytes. */
    accounts = make_hashed(cheap, NULL);
    check_at(accounts, 1000, "shop:secret%00", "D");
    char large[600];
    memset(large, 'x', sizeof large);
    memcpy(large, "shop:", 5);
    large[599] = '\0';
    check_at(accounts, 5000, large, "D");
    accounts_unref(accounts);
}

static void reload(void **state)
{
    (void)state;
    struct accounts *accounts = make_hashed(hashes[8], NULL);
    check_at(accounts, 1000, "shop:secret shop:a shop:b", "ADB");
    /* The same hash: what was known stays known.  Another one: nothing is. */
    struct accounts *same = make_hashed(hashes[8], accounts);
    accounts_unref(accounts);
    check_at(same, 1000, "shop:b shop:c shop:secret shop:a shop:d", "DDADB");
    struct accounts *other = make_hashed(hashes[5], same);
    check_at(other, 1000, "shop:x shop:y shop:secret", "DDB");
    struct accounts *plain = make(NULL, "drains: [{name: shop, password: secret}]", other);
    check_at(plain, 1000, "shop:secret shop:x", "AD");
    accounts_unref(plain);
    accounts_unref(other);
    accounts_unref(same);
}

/* ---- threads ---- */

enum { THREADS = 4, CHECKS = 200 };

struct load {
    struct accounts *accounts;
    atomic_int *mistaken; /* the right one denied, or a wrong one allowed */
};

static void *check_often(void *argument)
{
    struct load *load = argument;
    for (unsigned i = 0; i < CHECKS; i++) {
        struct accounts *share = accounts_ref(load->accounts);
        const struct account *account;
        enum accounts_result result = check(share, "shop:secret", 1000 + i, &account);
        atomic_fetch_add(load->mistaken, result == ACCOUNTS_DENIED);
        char wrong[32];
        sprintf(wrong, "shop:wrong%u", i % 20);
        atomic_fetch_add(load->mistaken, check(share, wrong, 1000 + i, &account) == ACCOUNTS_ALLOWED);
        accounts_unref(share);
    }
    return NULL;
}

static void threads(void **state)
{
    (void)state;
    atomic_int mistaken = 0;
    struct load load = {make_hashed(hashes[3], NULL), &mistaken};
    pthread_t list[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&list[i], NULL, check_often, &load), 0);
    struct accounts *next = make_hashed(hashes[3], load.accounts);
    for (int i = 0; i < THREADS; i++)
        pthread_join(list[i], NULL);
    assert_int_equal(mistaken, 0);
    check_at(load.accounts, 10000, "shop:secret", "A");
    check_at(next, 10000, "shop:secret", "A");
    accounts_unref(next);
    accounts_unref(load.accounts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passwords),         cmocka_unit_test(apps),   cmocka_unit_test(kinds_of_hashes),
        cmocka_unit_test(few_verifications), cmocka_unit_test(reload), cmocka_unit_test(threads),
    };
    return cmocka_run_group_tests_name("accounts", tests, NULL, NULL);
}
