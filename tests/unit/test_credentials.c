/* When passwords were last used, also across a reload, when each is given the time of the same secret before. */
#include <crypt.h>
#include <openssl/evp.h>
#include <stdio.h>

#include "server/accounts.h"
#include "support.h"

static void one(void **state)
{
    (void)state;
    struct credential *credential = credential_create();
    assert_int_equal(credential_last_used(credential), 0);
    credential_note(credential, 1700000000);
    credential_note(credential, 1700000000);
    assert_int_equal(credential_last_used(credential), 1700000000);
    assert_ptr_equal(credential_ref(credential), credential);
    credential_unref(credential);
    credential_note(credential, 1700000001);
    assert_int_equal(credential_last_used(credential), 1700000001);
    credential_unref(credential);
    credential_unref(NULL);
    assert_string_equal(credential_slot_name(CREDENTIAL_CURRENT), "current");
    assert_string_equal(credential_slot_name(CREDENTIAL_PREVIOUS), "previous");
}

static struct accounts *make(const char *password, const char *previous_password, const char *yaml,
                             struct accounts *previous)
{
    struct auth_realm shared = auth_realm_of(SHARED_USER, password, previous_password);
    struct configuration *file = NULL;
    struct buffer mistakes = {0};
    if (yaml != NULL &&
        (file = configuration_parse(slice_of(yaml), "CONFIG", PASSWORDS_WITH_SHARED, &mistakes)) == NULL)
        fail_msg("%.*s", (int)mistakes.length, mistakes.at);
    struct accounts *accounts = accounts_create(&shared, file, previous);
    assert_non_null(accounts);
    accounts_unref(previous);
    return accounts;
}

static void use(struct accounts *accounts, bool scrapes, const char *pair, int64_t second)
{
    char header[256] = "Basic ";
    EVP_EncodeBlock((unsigned char *)header + strlen(header), (const unsigned char *)pair, (int)strlen(pair));
    const struct account *account = NULL;
    struct verification *verification;
    enum accounts_result result = scrapes ? accounts_check_scrape(accounts, slice_of(header), &account, &verification)
                                          : accounts_check(accounts, slice_of(header), &account, &verification);
    if (result == ACCOUNTS_PENDING)
        result = verification_run(verification, &account);
    verification_free(verification);
    assert_int_equal(result, ACCOUNTS_ALLOWED);
    account_note_use(account, second);
}

static void spell(void *context, const struct credential_use *use)
{
    char *text = context;
    sprintf(text + strlen(text), "%s/%.*s/%s=%lld ", use->role, (int)use->name.length, use->name.at,
            credential_slot_name(use->slot), (long long)use->last_used);
}

#define assert_uses(accounts, expected)                       \
    do {                                                      \
        char uses_[1024] = "";                                \
        accounts_visit_credentials((accounts), spell, uses_); \
        assert_string_equal(uses_, (expected));               \
    } while (0)

static void shared_user(void **state)
{
    (void)state;
    struct accounts *accounts = make("one", NULL, NULL, NULL);
    assert_uses(accounts, "drain/drain/current=0 ");
    use(accounts, false, "drain:one", 10);
    assert_uses(accounts, "drain/drain/current=10 ");
    /* It becomes the previous one, and takes its time along. */
    accounts = make("two", "one", NULL, accounts);
    assert_uses(accounts, "drain/drain/current=0 drain/drain/previous=10 ");
    use(accounts, false, "drain:one", 20);
    use(accounts, false, "drain:two", 30);
    assert_uses(accounts, "drain/drain/current=30 drain/drain/previous=20 ");
    /* The other way round: somebody takes the rotation back. */
    accounts = make("one", "two", NULL, accounts);
    assert_uses(accounts, "drain/drain/current=20 drain/drain/previous=30 ");
    /* The rotation has ended. */
    accounts = make("three", NULL, NULL, accounts);
    assert_uses(accounts, "drain/drain/current=0 ");
    accounts_unref(accounts);
}

static void entries(void **state)
{
    (void)state;
    static const char first[] = "drains:\n"
                                "- {name: shop, app: my-shop, password: one}\n"
                                "- {name: blog, app: my-blog, password: b}\n"
                                "- {name: plain, app: my-plain}\n"
                                "scrapes: [{name: team, password: t, apps: [my-shop]}]\n";
    static const char second[] = "drains:\n"
                                 "- {name: shop, app: my-shop, password: one}\n"
                                 "- {name: blog, app: my-blog, password: c}\n"
                                 "scrapes: [{name: team, password: t, apps: [my-blog]}]\n";
    struct accounts *accounts = make("shared", NULL, first, NULL);
    use(accounts, false, "shop:one", 1);
    use(accounts, false, "blog:b", 2);
    use(accounts, true, "team:t", 3);
    assert_uses(accounts, "drain/blog/current=2 drain/drain/current=0 drain/shop/current=1 metrics/team/current=3 ");
    accounts = make("shared", NULL, second, accounts);
    assert_uses(accounts, "drain/blog/current=0 drain/drain/current=0 drain/shop/current=1 metrics/team/current=3 ");
    accounts_unref(accounts);
}

/* A hash is the same password, and a password that takes its place is not known to be. */
static void hashes(void **state)
{
    (void)state;
    char yaml[256];
    sprintf(yaml, "drains: [{name: shop, password_hash: '%s'}]", crypt("one", "$6$rounds=1000$abcdefgh"));
    struct accounts *accounts = make("shared", NULL, yaml, NULL);
    use(accounts, false, "shop:one", 1);
    accounts = make("shared", NULL, yaml, accounts);
    assert_uses(accounts, "drain/drain/current=0 drain/shop/current=1 ");
    accounts = make("shared", NULL, "drains: [{name: shop, password: one}]", accounts);
    assert_uses(accounts, "drain/drain/current=0 drain/shop/current=0 ");
    accounts_unref(accounts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(one), cmocka_unit_test(shared_user), cmocka_unit_test(entries),
                                       cmocka_unit_test(hashes)};
    return cmocka_run_group_tests_name("credentials", tests, NULL, NULL);
}
