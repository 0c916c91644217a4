#include <openssl/evp.h>
#include <stdio.h>

#include "base/metric.h"
#include "server/auth.h"
#include "server/query.h"
#include "support.h"

static struct auth_realm realm;

static bool check(const char *scheme, const char *pair)
{
    char header[4096];
    int length = sprintf(header, "%s", scheme);
    length += EVP_EncodeBlock((unsigned char *)header + length, (const unsigned char *)pair, (int)strlen(pair));
    return auth_check(&realm, guarded((struct slice){header, (size_t)length})) != AUTH_NONE;
}

static void passwords(void **state)
{
    (void)state;
    realm = (struct auth_realm){0};
    assert_false(check("Basic ", "drain:secret"));
    assert_true(auth_allow(&realm, AUTH_PASSWORD, "drain", "secret"));
    assert_true(check("Basic ", "drain:secret"));
    assert_true(check("basic  ", "drain:secret"));
    assert_false(check("Basic ", "drain:secre"));
    assert_false(check("Basic ", "drain:secret2"));
    assert_false(check("Basic ", "metrics:secret"));
    assert_false(check("Basic ", ":secret"));
    assert_false(check("Basic ", "drain"));
    assert_false(check("Bearer ", "drain:secret"));
    assert_false(check("Basic", ""));
    assert_int_equal(auth_check(&realm, SLICE("")), AUTH_NONE);
    assert_int_equal(auth_check(&realm, SLICE("Basic ***")), AUTH_NONE);
    /* Two while a password is rotated. */
    assert_true(auth_allow(&realm, AUTH_PREVIOUS_PASSWORD, "drain", "pass:w/ö"));
    assert_true(check("Basic ", "drain:secret"));
    assert_true(check("Basic ", "drain:pass:w/ö"));
    assert_true(check("Basic ", "drain:pass%3Aw%2f%C3%B6"));
    assert_false(check("Basic ", "drain:pass%3Aw%2"));
}

static bool check_token(const char *header)
{
    return auth_check(&realm, guarded(slice_of(header))) != AUTH_NONE;
}

static void tokens(void **state)
{
    (void)state;
    realm = (struct auth_realm){0};
    assert_false(check_token("Bearer t0ken"));
    assert_true(auth_allow(&realm, AUTH_PASSWORD, "metrics", "secret"));
    assert_true(auth_allow_token(&realm, AUTH_TOKEN, "t0ken"));
    assert_true(check_token("Bearer t0ken"));
    assert_true(check_token("bEARER  t0ken"));
    static const char *const wrong[] = {
        "Bearer t0ke", "Bearer t0kenx",         "Bearer ", "Bearer", "Bearert0ken", "t0ken",
        "Basic t0ken", "Bearer metrics:secret", "",        "Bear",   "Bearer T0KEN"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(check_token(wrong[i]));
    assert_false(check("Basic ", "t0ken"));
    assert_false(check("Basic ", "metrics:t0ken"));
    assert_true(check("Basic ", "metrics:secret"));
    /* Two while it is rotated. */
    assert_false(auth_allow_token(&realm, AUTH_PREVIOUS_TOKEN, ""));
    assert_false(auth_allow_token(&realm, AUTH_PREVIOUS_TOKEN, NULL));
    assert_true(auth_allow_token(&realm, AUTH_PREVIOUS_TOKEN, "second"));
    assert_true(check_token("Bearer second"));
    assert_true(check_token("Bearer t0ken"));
    static char longer[PASSWORD_MAX + 2];
    memset(longer, 'x', sizeof longer - 1);
    assert_false(auth_allow_token(&realm, AUTH_TOKEN, longer));
    assert_true(check_token("Bearer t0ken"));
}

static enum auth_secret which(const char *header)
{
    return auth_check(&realm, slice_of(header));
}

/* Whose time of last use is noted, and which secret stays the same when all of them are read again. */
static void which_secret(void **state)
{
    (void)state;
    realm = auth_realm_of("u", "new", "old");
    assert_true(auth_allow_token(&realm, AUTH_TOKEN, "new-token"));
    assert_true(auth_allow_token(&realm, AUTH_PREVIOUS_TOKEN, "old-token"));
    assert_int_equal(which("Basic dTpuZXc="), AUTH_PASSWORD);
    assert_int_equal(which("Basic dTpvbGQ="), AUTH_PREVIOUS_PASSWORD);
    assert_int_equal(which("Bearer new-token"), AUTH_TOKEN);
    assert_int_equal(which("Bearer old-token"), AUTH_PREVIOUS_TOKEN);
    assert_int_equal(which("Bearer u:new"), AUTH_NONE);
    struct auth_realm next = auth_realm_of("u", "newer", "new");
    assert_true(auth_allow_token(&next, AUTH_TOKEN, "u:new"));
    assert_int_equal(auth_find(&realm, &next, AUTH_PASSWORD), AUTH_NONE);
    assert_int_equal(auth_find(&realm, &next, AUTH_PREVIOUS_PASSWORD), AUTH_PASSWORD);
    assert_int_equal(auth_find(&realm, &next, AUTH_TOKEN), AUTH_NONE); /* a token is no password */
    assert_int_equal(auth_find(&next, &realm, AUTH_PASSWORD), AUTH_PREVIOUS_PASSWORD);
    /* The previous one alone is still the previous one. */
    realm = auth_realm_of("u", NULL, "old");
    assert_int_equal(which("Basic dTpvbGQ="), AUTH_PREVIOUS_PASSWORD);
    assert_int_equal(which("Basic dTo="), AUTH_NONE);
}

static void bounds(void **state)
{
    (void)state;
    realm = (struct auth_realm){0};
    char password[PASSWORD_MAX + 2];
    memset(password, 'x', sizeof password);
    password[PASSWORD_MAX + 1] = '\0';
    assert_false(auth_allow(&realm, AUTH_PASSWORD, "drain", ""));
    assert_false(auth_allow(&realm, AUTH_PASSWORD, "drain", password));
    password[PASSWORD_MAX] = '\0';
    assert_true(auth_allow(&realm, AUTH_PASSWORD, "drain", password));
    char pair[PASSWORD_MAX + 16];
    sprintf(pair, "drain:%s", password);
    assert_true(check("Basic ", pair));
    static char long_header[100000];
    memset(long_header, 'A', sizeof long_header);
    memcpy(long_header, "Basic ", 6);
    assert_int_equal(auth_check(&realm, (struct slice){long_header, sizeof long_header}), AUTH_NONE);
}

static void pairs(void **state)
{
    (void)state;
    struct auth_credentials credentials;
    assert_false(auth_read(&credentials, SLICE("Basic")));
    assert_false(auth_read(&credentials, SLICE("Bearer c2hvcDphOmI=")));
    assert_true(auth_read(&credentials, SLICE("Basic c2hvcDphOmI=")));
    assert_int_equal(credentials.count, 1);
    assert_slice(auth_user(credentials.pairs[0]), "shop");
    assert_slice(auth_password(credentials.pairs[0]), "a:b");
    auth_forget(&credentials);
    assert_int_equal(credentials.text[0][0], 0);
    assert_true(auth_read(&credentials, SLICE("Basic c2hvcDphJTNBJTI1")));
    assert_int_equal(credentials.count, 2);
    assert_slice(credentials.pairs[0], "shop:a%3A%25");
    assert_slice(credentials.pairs[1], "shop:a:%");
    auth_forget(&credentials);
    assert_true(auth_read(&credentials, SLICE("Basic c2hvcA==")));
    assert_slice(auth_user(credentials.pairs[0]), "shop");
    assert_slice(auth_password(credentials.pairs[0]), "");
}

static void check_query(const char *query, const char *expected)
{
    char out[16];
    assert_slice(query_value(guarded(slice_of(query)), SLICE("app_name"), out, sizeof out), expected);
}

static void queries(void **state)
{
    (void)state;
    check_query("", "");
    check_query("app_name=my-app", "my-app");
    check_query("x=1&app_name=a&app_name=b", "b");
    check_query("app_name=a&app_name=", "");
    check_query("app_name", "");
    check_query("app_name2=x&xapp_name=y", "");
    check_query("app_name=a+b%20c%2", "a b c%2");
    check_query("app_name=%zz%41", "%zzA");
    check_query("app_name=0123456789abcdefgh", "0123456789abcdef");
    check_query("&&app_name=x&", "x");
    static const char *const with[] = {"verbose", "verbose=", "verbose=0", "a=b&verbose", "verbose&a"};
    static const char *const without[] = {"", "a", "verbos", "verbose2", "a=verbose", "a=b&averbose=1", "Verbose"};
    for (size_t i = 0; i < COUNT(with); i++)
        assert_true(query_has(guarded(slice_of(with[i])), SLICE("verbose")));
    for (size_t i = 0; i < COUNT(without); i++)
        assert_false(query_has(guarded(slice_of(without[i])), SLICE("verbose")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(passwords),    cmocka_unit_test(tokens),
                                       cmocka_unit_test(which_secret), cmocka_unit_test(bounds),
                                       cmocka_unit_test(pairs),        cmocka_unit_test(queries)};
    return cmocka_run_group_tests_name("auth", tests, NULL, NULL);
}
