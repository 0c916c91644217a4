#include <openssl/evp.h>
#include <stdio.h>

#include "server/auth.h"
#include "server/query.h"
#include "support.h"

static struct auth_realm realm;

static bool check(const char *scheme, const char *pair)
{
    char header[4096];
    int length = sprintf(header, "%s", scheme);
    length += EVP_EncodeBlock((unsigned char *)header + length, (const unsigned char *)pair, (int)strlen(pair));
    return auth_check(&realm, guarded((struct slice){header, (size_t)length}));
}

static void passwords(void **state)
{
    (void)state;
    realm = (struct auth_realm){0};
    assert_false(check("Basic ", "drain:secret"));
    assert_true(auth_allow(&realm, "drain", "secret"));
    assert_true(check("Basic ", "drain:secret"));
    assert_true(check("basic  ", "drain:secret"));
    assert_false(check("Basic ", "drain:secre"));
    assert_false(check("Basic ", "drain:secret2"));
    assert_false(check("Basic ", "metrics:secret"));
    assert_false(check("Basic ", ":secret"));
    assert_false(check("Basic ", "drain"));
    assert_false(check("Bearer ", "drain:secret"));
    assert_false(check("Basic", ""));
    assert_false(auth_check(&realm, SLICE("")));
    assert_false(auth_check(&realm, SLICE("Basic ***")));
    /* Two while a password is rotated, no more. */
    assert_true(auth_allow(&realm, "drain", "pass:w/ö"));
    assert_true(check("Basic ", "drain:secret"));
    assert_true(check("Basic ", "drain:pass:w/ö"));
    assert_true(check("Basic ", "drain:pass%3Aw%2f%C3%B6"));
    assert_false(check("Basic ", "drain:pass%3Aw%2"));
    assert_false(auth_allow(&realm, "drain", "third"));
}

static bool check_token(const char *header)
{
    return auth_check(&realm, guarded(slice_of(header)));
}

static void tokens(void **state)
{
    (void)state;
    realm = (struct auth_realm){0};
    assert_false(check_token("Bearer t0ken"));
    assert_true(auth_allow(&realm, "metrics", "secret"));
    assert_true(auth_allow_token(&realm, "t0ken"));
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
    /* Two while it is rotated, no more. */
    assert_false(auth_allow_token(&realm, ""));
    assert_false(auth_allow_token(&realm, NULL));
    assert_true(auth_allow_token(&realm, "second"));
    assert_true(check_token("Bearer second"));
    assert_true(check_token("Bearer t0ken"));
    assert_false(auth_allow_token(&realm, "third"));
    static char longer[PASSWORD_MAX + 2];
    memset(longer, 'x', sizeof longer - 1);
    realm.token_count = 0;
    assert_false(auth_allow_token(&realm, longer));
}

static void bounds(void **state)
{
    (void)state;
    realm = (struct auth_realm){0};
    char password[PASSWORD_MAX + 2];
    memset(password, 'x', sizeof password);
    password[PASSWORD_MAX + 1] = '\0';
    assert_false(auth_allow(&realm, "drain", ""));
    assert_false(auth_allow(&realm, "drain", password));
    password[PASSWORD_MAX] = '\0';
    assert_true(auth_allow(&realm, "drain", password));
    char pair[PASSWORD_MAX + 16];
    sprintf(pair, "drain:%s", password);
    assert_true(check("Basic ", pair));
    static char long_header[100000];
    memset(long_header, 'A', sizeof long_header);
    memcpy(long_header, "Basic ", 6);
    assert_false(auth_check(&realm, (struct slice){long_header, sizeof long_header}));
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
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(passwords), cmocka_unit_test(tokens), cmocka_unit_test(bounds),
                                       cmocka_unit_test(pairs), cmocka_unit_test(queries)};
    return cmocka_run_group_tests_name("auth", tests, NULL, NULL);
}
