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
        assert_true(auth_allow(&shared, AUTH_PASSWORD, SHARED_USER, shared_password));
    struct configuration *file = NULL;
    if (yaml != NULL) {
        struct buffer mistakes = {0};
        file = configuration_parse(slice_of(yaml), "CONFIG", shared_password != NULL, &mistakes);
        if (file == NULL)
            fail_msg("%.*s", (int)mistakes.length, mistakes.at);
    }
    struct accounts *accounts = accounts_create(&shared, file, previous);
    assert_non_null(accounts);
    return accounts;
}

/* What is known at once.  On PENDING *verification is to be freed. */
static enum accounts_result look(struct accounts *accounts, const char *pair, const struct account **account,
                                 struct verification **verification)
{
    char header[4096];
    int length = sprintf(header, "Basic ");
    length += EVP_EncodeBlock((unsigned char *)header + length, (const unsigned char *)pair, (int)strlen(pair));
    enum accounts_result result =
        accounts_check(accounts, (struct slice){header, (size_t)length}, account, verification);
    assert_true((*verification != NULL) == (result == ACCOUNTS_PENDING));
    return result;
}

/* The same, verified if need be. */
static enum accounts_result check(struct accounts *accounts, const char *pair, const struct account **account)
{
    struct verification *verification;
    enum accounts_result result = look(accounts, pair, account, &verification);
    if (result != ACCOUNTS_PENDING)
        return result;
    result = verification_run(verification, account);
    assert_int_not_equal(result, ACCOUNTS_PENDING);
    verification_free(verification);
    return result;
}

static const struct account *allowed(struct accounts *accounts, const char *pair)
{
    const struct account *account = NULL;
    if (check(accounts, pair, &account) != ACCOUNTS_ALLOWED)
        fail_msg("%s is not allowed", pair);
    return account;
}

static void denied(struct accounts *accounts, const char *pair)
{
    const struct account *account = NULL;
    if (check(accounts, pair, &account) != ACCOUNTS_DENIED)
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
    struct verification *verification;
    assert_int_equal(accounts_check(accounts, SLICE(""), &account, &verification), ACCOUNTS_DENIED);
    assert_null(verification);
    verification_free(NULL);
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
    const struct config_drain *entry = accounts_entry(accounts, account, got);
    char text[256] = "";
    for (size_t i = 0; i < entry->label_count; i++)
        sprintf(text + strlen(text), "%.*s=%.*s ", (int)entry->labels[i].name.length, entry->labels[i].name.at,
                (int)entry->labels[i].value.length, entry->labels[i].value.at);
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
    check_app(accounts, "team:t:w/o", "my-blog", "d.1", "my-blog", "team=blog tier=2 ");
    check_app(accounts, "team:t:w/o", "", "d.2", "my-blog", "team=blog tier=2 ");
    check_app(accounts, "team:t:w/o", "my-shop", "", "my-shop", "team=payments ");
    check_app(accounts, "team:t:w/o", "x", "d.2", "x", "team=web ");
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
    assert_int_equal(accounts_app(accounts, shared, slice_of(large), SLICE("")).length, CONFIGURATION_APP_MAX + 1);
    assert_int_equal(accounts_app(accounts, shared, SLICE(""), slice_of(large)).length, CONFIGURATION_APP_MAX + 1);
    accounts_unref(accounts);
}

/* Which batches are turned away.  pair: user and password. */
static enum refusal refusal(struct accounts *accounts, const char *pair, const char *app, const char *token)
{
    return accounts_refusal(accounts, allowed(accounts, pair), guarded(slice_of(app)), slice_of(token));
}

static void turned_away(void **state)
{
    (void)state;
    struct accounts *accounts = make("shared", several, NULL);
    char large[CONFIGURATION_APP_MAX + 2];
    memset(large, 'x', sizeof large);
    large[CONFIGURATION_APP_MAX + 1] = '\0';
    assert_int_equal(refusal(accounts, "drain:shared", large, ""), REFUSED_NAME);
    assert_int_equal(refusal(accounts, "drain:shared", large + 1, ""), REFUSED_NOT);
    assert_int_equal(refusal(accounts, "drain:shared", "__other__", ""), REFUSED_NAME);
    assert_int_equal(
        accounts_refusal(accounts, allowed(accounts, "drain:shared"), (struct slice){"a\0b", 3}, SLICE("")),
        REFUSED_NAME);
    assert_int_equal(refusal(accounts, "team:t:w/o", "__other__", ""), REFUSED_NAME);
    assert_int_equal(refusal(accounts, "shop:one", "my-shop", ""), REFUSED_NOT);
    assert_int_equal(refusal(accounts, "drain:shared", "unlisted", ""), REFUSED_NOT);
    assert_int_equal(refusal(accounts, "drain:shared", "", ""), REFUSED_NOT);
    accounts_unref(accounts);
}

static void only_listed_apps(void **state)
{
    (void)state;
    struct buffer mistakes = {0};
    struct configuration *file = configuration_parse(slice_of(several), "CONFIG", PASSWORDS_WITH_SHARED, &mistakes);
    assert_non_null(file);
    file->only_listed_apps = true;
    struct auth_realm realm = {0};
    assert_true(auth_allow(&realm, AUTH_PASSWORD, SHARED_USER, "shared"));
    struct accounts *accounts = accounts_create(&realm, file, NULL);
    assert_int_equal(refusal(accounts, "drain:shared", "unlisted", "d.2"), REFUSED_UNLISTED);
    assert_int_equal(refusal(accounts, "drain:shared", "", ""), REFUSED_UNLISTED);
    assert_int_equal(refusal(accounts, "drain:shared", "d.9", "d.9"), REFUSED_UNLISTED);
    assert_int_equal(refusal(accounts, "drain:shared", "my-plain", ""), REFUSED_NOT); /* it has no tokens */
    assert_int_equal(refusal(accounts, "drain:shared", "my-blog", "d.2"), REFUSED_NOT);
    assert_int_equal(refusal(accounts, "drain:shared", "my-blog", "d.1"), REFUSED_TOKEN);
    assert_int_equal(refusal(accounts, "drain:shared", "my-blog", ""), REFUSED_TOKEN);
    assert_int_equal(refusal(accounts, "team:t:w/o", "unlisted", ""), REFUSED_UNLISTED);
    assert_int_equal(refusal(accounts, "shop:one", "my-shop", "d.9"), REFUSED_NOT);
    accounts_unref(accounts);
}

static bool speaks(struct accounts *accounts, const char *pair, const char *app)
{
    return accounts_speaks_for(accounts, allowed(accounts, pair), slice_of(app), 1000);
}

static const char moving[] = "drains:\n"
                             "- {name: shop, app: my-shop, password: one}\n"
                             "- {name: moved, app: my-moved, password: two, shared: true, labels: {team: moving}, "
                             "router_by_process: true}\n"
                             "- {name: team, password: three, addon_app: true}\n"
                             "- {name: both, app: my-both, password: four}\n"
                             "- {name: both-too, app: my-both}\n";

/* The shared password speaks for no app that has one of its own. */
static void shared_password(void **state)
{
    (void)state;
    struct accounts *accounts = make("shared", moving, NULL);
    assert_false(speaks(accounts, "drain:shared", "my-shop"));
    assert_true(speaks(accounts, "drain:shared", "my-moved"));
    assert_true(speaks(accounts, "drain:shared", "my-both"));
    assert_true(speaks(accounts, "drain:shared", "unlisted"));
    assert_true(speaks(accounts, "drain:shared", ""));
    assert_true(speaks(accounts, "shop:one", "my-shop"));
    assert_true(speaks(accounts, "team:three", "my-shop"));
    check_app(accounts, "drain:shared", "my-moved", "", "my-moved", "team=moving ");
    check_app(accounts, "drain:shared", "my-shop", "", "my-shop", "");
    const struct account *shared = allowed(accounts, "drain:shared");
    assert_true(accounts_entry(accounts, shared, SLICE("my-moved"))->router_by_process);
    assert_false(accounts_entry(accounts, shared, SLICE("my-shop"))->router_by_process);
    assert_true(accounts_entry(accounts, allowed(accounts, "team:three"), SLICE("x"))->addon_app);
    accounts_unref(accounts);
    accounts = make("shared", NULL, NULL);
    assert_true(speaks(accounts, "drain:shared", "my-shop"));
    assert_int_equal(accounts_entry(accounts, allowed(accounts, "drain:shared"), SLICE("my-shop"))->label_count, 0);
    assert_null(accounts_last_batch(accounts, SLICE("my-shop")));
    accounts_unref(accounts);
}

/* A password of an organization speaks for its apps alone, also where the URL names the app. */
static void password_of_an_organization(void **state)
{
    (void)state;
    struct accounts *accounts = make("shared",
                                     "drains:\n"
                                     "- {name: acme, password: one, organization: acme}\n"
                                     "- {name: prod, password: two, organization: acme, space: prod}\n",
                                     NULL);
    assert_true(speaks(accounts, "acme:one", "acme/prod/shop"));
    assert_true(speaks(accounts, "acme:one", "acme/staging/shop"));
    assert_false(speaks(accounts, "acme:one", "acmes/prod/shop"));
    assert_false(speaks(accounts, "acme:one", "acme"));
    assert_false(speaks(accounts, "acme:one", ""));
    assert_true(speaks(accounts, "prod:two", "acme/prod/shop"));
    assert_false(speaks(accounts, "prod:two", "acme/staging/shop"));
    assert_false(speaks(accounts, "prod:two", "acme/prod"));
    accounts_unref(accounts);
}

static void last_batches(void **state)
{
    (void)state;
    static _Atomic int64_t times[2];
    struct buffer mistakes = {0};
    struct configuration *file = configuration_parse(slice_of(moving), "CONFIG", PASSWORDS_WITH_SHARED, &mistakes);
    file->drains[0].last_batch = &times[0];
    file->drains[1].last_batch = &times[1];
    struct accounts *accounts = accounts_create(&(struct auth_realm){0}, file, NULL);
    assert_ptr_equal(accounts_configuration(accounts), file);
    assert_ptr_equal(accounts_last_batch(accounts, SLICE("my-shop")), &times[0]);
    assert_ptr_equal(accounts_last_batch(accounts, SLICE("my-moved")), &times[1]);
    assert_null(accounts_last_batch(accounts, SLICE("team")));
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
        allowed(accounts, "shop:secret");
        denied(accounts, "shop:secre");
        denied(accounts, "team:secret");
        accounts_unref(accounts);
    }
}

/* What is known at once: 'A' allowed, 'D' denied, 'P' pending. */
static void check_known(struct accounts *accounts, const char *pairs, const char *results)
{
    static const char letters[] = {[ACCOUNTS_ALLOWED] = 'A', [ACCOUNTS_DENIED] = 'D', [ACCOUNTS_PENDING] = 'P'};
    char text[256];
    snprintf(text, sizeof text, "%s", pairs);
    size_t i = 0;
    for (char *pair = strtok(text, " "); pair != NULL; pair = strtok(NULL, " "), i++) {
        const struct account *account;
        struct verification *verification;
        char got = letters[look(accounts, pair, &account, &verification)];
        verification_free(verification);
        if (got != results[i])
            fail_msg("%s: %c, not %c", pair, got, results[i]);
    }
}

static void verified_once(void **state)
{
    (void)state;
    const char *cheap = hashes[8];
    struct accounts *accounts = make_hashed(cheap, NULL);
    check_known(accounts, "shop:a shop:secret nobody:a shop:", "PPPD");
    denied(accounts, "shop:a");
    check_known(accounts, "shop:a shop:b shop:secret", "DPP");
    allowed(accounts, "shop:secret");
    check_known(accounts, "shop:a shop:b shop:secret shop:%73ecret", "DPAA");
    /* No number of wrong ones drives out the right one; of those the last eight are known. */
    char pair[16];
    for (unsigned i = 0; i < 100; i++) {
        sprintf(pair, "shop:w%u", i);
        denied(accounts, pair);
        check_known(accounts, "shop:secret shop:%73ecret shop:s%65cret", "AAA");
    }
    check_known(accounts, "shop:w92 shop:w99 shop:w91", "DDP");
    accounts_unref(accounts);

    /* Two spellings, each verified, and remembered as what was sent. */
    accounts = make_hashed(cheap, NULL);
    allowed(accounts, "shop:secre%74");
    check_known(accounts, "shop:secre%74 shop:secret shop:%73ecret", "AAA");
    accounts_unref(accounts);

    /* crypt(3) ends at a NUL byte and takes no more than 511 bytes: no hash is of such a password. */
    accounts = make_hashed(cheap, NULL);
    denied(accounts, "shop:secret%00");
    char large[600];
    memset(large, 'x', sizeof large);
    memcpy(large, "shop:", 5);
    large[599] = '\0';
    const struct account *account;
    struct verification *verification;
    assert_int_equal(look(accounts, large, &account, &verification), ACCOUNTS_DENIED);
    large[5 + 511] = '\0';
    assert_int_equal(look(accounts, large, &account, &verification), ACCOUNTS_PENDING);
    assert_int_equal(verification_run(verification, &account), ACCOUNTS_DENIED);
    verification_free(verification);
    accounts_unref(accounts);
}

/* Neither what is known at once nor the turn tells who there is. */
static void strangers_wait_too(void **state)
{
    (void)state;
    char yaml[512];
    sprintf(yaml,
            "drains: [{name: shop, app: my-shop, password_hash: '%s'}, {name: team, app: t, password: one}, "
            "{name: blog, app: my-blog}]",
            hashes[8]);
    struct accounts *accounts = make("shared", yaml, NULL);
    check_known(accounts, "team:one drain:shared shop:x team:x drain:x blog:x nobody:x nobody:secret", "AAPPPPPP");
    /* Also a password that fits a hash lets nobody in under another name. */
    denied(accounts, "nobody:secret");
    denied(accounts, "team:secret");
    denied(accounts, "drain:secret");
    denied(accounts, "nobody:x");
    /* What was wrong once is known, as with users. */
    check_known(accounts, "nobody:secret team:secret nobody:x shop:secret", "DDDP");
    struct verification *verification;
    const struct account *account;
    look(accounts, "nobody:y", &account, &verification);
    assert_true(verification_is_of_decoy(verification));
    verification_free(verification);
    look(accounts, "shop:y", &account, &verification);
    assert_false(verification_is_of_decoy(verification));
    /* Nobody has the first spelling of this name, and somebody the second one, who is guessed at no faster by that. */
    struct verification *encoded;
    look(accounts, "sho%70:y", &account, &encoded);
    assert_false(verification_is_of_decoy(encoded));
    assert_ptr_equal(verification_user(encoded), verification_user(verification));
    verification_free(encoded);
    verification_free(verification);
    look(accounts, "nob%6Fdy:y", &account, &verification);
    assert_true(verification_is_of_decoy(verification));
    verification_free(verification);
    accounts_unref(accounts);

    /* Where nobody has a hash, nobody waits. */
    accounts = make("shared", several, NULL);
    check_known(accounts, "shop:x nobody:x drain:x", "DDD");
    accounts_unref(accounts);
}

static void verifications(void **state)
{
    (void)state;
    struct accounts *accounts = make_hashed(hashes[8], NULL), *other = make_hashed(hashes[8], NULL);
    const struct account *account = NULL;
    struct verification *first, *same, *wrong, *elsewhere, *spelled;
    look(accounts, "shop:secret", &account, &first);
    look(accounts, "shop:secret", &account, &same);
    look(accounts, "shop:Secret", &account, &wrong);
    look(accounts, "shop:secre%74", &account, &spelled);
    look(other, "shop:secret", &account, &elsewhere);
    assert_true(verification_equals(first, same));
    assert_false(verification_equals(first, wrong));
    assert_false(verification_equals(first, spelled));
    assert_false(verification_equals(first, elsewhere));
    assert_ptr_equal(verification_user(first), verification_user(wrong));
    assert_ptr_not_equal(verification_user(first), verification_user(elsewhere));
    accounts_unref(accounts); /* they hold references */
    assert_int_equal(verification_run(first, &account), ACCOUNTS_ALLOWED);
    assert_ptr_equal(account, verification_user(first));
    assert_int_equal(verification_run(wrong, &account), ACCOUNTS_DENIED);
    assert_int_equal(verification_run(same, &account), ACCOUNTS_ALLOWED);
    verification_free(first);
    verification_free(same);
    verification_free(wrong);
    verification_free(spelled);
    verification_free(elsewhere);
    accounts_unref(other);
}

static void reload(void **state)
{
    (void)state;
    struct accounts *accounts = make_hashed(hashes[8], NULL);
    allowed(accounts, "shop:secret");
    denied(accounts, "shop:a");
    check_known(accounts, "shop:secret shop:a shop:b", "ADP");
    /* The same hash: what was known stays known.  Another one: nothing is. */
    struct accounts *same = make_hashed(hashes[8], accounts);
    accounts_unref(accounts);
    check_known(same, "shop:b shop:secret shop:a", "PAD");
    struct accounts *other = make_hashed(hashes[5], same);
    check_known(other, "shop:a shop:secret", "PP");
    struct accounts *plain = make(NULL, "drains: [{name: shop, password: secret}]", other);
    check_known(plain, "shop:secret shop:x", "AD");
    accounts_unref(plain);
    accounts_unref(other);
    accounts_unref(same);
}

/* ---- threads ---- */

enum { THREADS = 4, CHECKS = 40 };

struct load {
    struct accounts *accounts;
    atomic_int *mistaken; /* the right one denied, or a wrong one allowed */
};

static void *check_often(void *argument)
{
    struct load *load = argument;
    for (unsigned i = 0; i < CHECKS; i++) {
        struct accounts *own = accounts_ref(load->accounts);
        const struct account *account;
        enum accounts_result result = check(own, "shop:secret", &account);
        atomic_fetch_add(load->mistaken, result != ACCOUNTS_ALLOWED);
        char wrong[32];
        sprintf(wrong, "shop:wrong%u", i % 20);
        atomic_fetch_add(load->mistaken, check(own, wrong, &account) != ACCOUNTS_DENIED);
        accounts_unref(own);
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
    allowed(load.accounts, "shop:secret");
    allowed(next, "shop:secret");
    accounts_unref(next);
    accounts_unref(load.accounts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passwords),       cmocka_unit_test(apps),
        cmocka_unit_test(turned_away),     cmocka_unit_test(only_listed_apps),
        cmocka_unit_test(shared_password), cmocka_unit_test(password_of_an_organization),
        cmocka_unit_test(last_batches),    cmocka_unit_test(kinds_of_hashes),
        cmocka_unit_test(verified_once),   cmocka_unit_test(strangers_wait_too),
        cmocka_unit_test(verifications),   cmocka_unit_test(reload),
        cmocka_unit_test(threads),
    };
    return cmocka_run_group_tests_name("accounts", tests, NULL, NULL);
}
