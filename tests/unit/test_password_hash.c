#include <pthread.h>

#include "config/password_hash.h"
#include "support.h"

/* All of "secret". */
static const char *const hashes[] = {
    "$y$j9T$cyH94v.Obkb8InjI.Tulm1$8T9/rbwhMePeOhQU9PyFl.7Nd2tGtuOapV46UhEKiZ/",
    "$2b$05$Y4GUBsiqaAXu63iRsOOksuh0TZb4Pbn3C0vuR6x7XA0byNLYKphxC",
    "$5$zvzm/1JN16KCfIpW$ozjaaH9x9PDEFMPkPN0I0oal1CB4MMbf2jMt4fwiOy9",
    "$md5,rounds=84279$4dT0A76g$$s2BJtmCRBIsAh/oYZb5pE0",
    "$1$KqsIoeae$zCnkbzu8SpUVr0uMdCW8C0",
};
enum { HASH_COUNT = sizeof hashes / sizeof hashes[0] };

static void whole(void **state)
{
    (void)state;
    static const char *const others[] = {"",
                                         "$",
                                         "secret",
                                         "$y$",
                                         "$y$j9T$cyH94v.Obkb8InjI.Tulm1",
                                         "$y$j9T$cyH94v.Obkb8InjI.Tulm1$8T9/rbwhMePeOhQU9PyFl.",
                                         "$1$KqsIoeae$zCnkbzu8SpUVr0uMdCW8C",
                                         "ab01FAX.bQRSU",
                                         "$9$salt$zCnkbzu8SpUVr0uMdCW8C0zCnkbzu8SpUVr0uMdCW8C0"};
    for (int i = 0; i < HASH_COUNT; i++)
        assert_true(password_hash_is_whole(hashes[i]));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_false(password_hash_is_whole(others[i]));
}

static void affordable(void **state)
{
    (void)state;
    static const char *const cheap[] = {"$2b$14$",         "$2y$04$",
                                        "$2a$10$",         "$y$j9T$",
                                        "$y$jBT$",         "$gy$j9T$",
                                        "$7$CU..../....",  "$5$salt$",
                                        "$6$salt$",        "$6$rounds=1000000$",
                                        "$5$rounds=1000$", "$sha1$262144$",
                                        "$md5$salt$",      "$md5,rounds=84279$",
                                        "$1$salt$",        "$3$$"};
    static const char *const dear[] = {"$2b$15$",
                                       "$2b$31$",
                                       "$2b$99$",
                                       "$2b",
                                       "$2",
                                       "$2b$",
                                       "$y$jCT$",
                                       "$y$jFT$",
                                       "$y$jzT$",
                                       "$y$",
                                       "$y$j9",
                                       "$y$j9T",
                                       "$y$j9T.$",
                                       "$y$j9T5.$",
                                       "$gy$jFT$",
                                       "$7$DU..../....",
                                       "$7$CU....0....",
                                       "$7$zzzzzzzzzzz",
                                       "$7$CU",
                                       "$7$",
                                       "$6$rounds=1000001$",
                                       "$6$rounds=999999999$",
                                       "$6$rounds=99999999999999999999999$",
                                       "$5$rounds=$",
                                       "$5$rounds=5",
                                       "$sha1$4294967295$",
                                       "$md5,rounds=4294967295$"};
    for (size_t i = 0; i < sizeof cheap / sizeof cheap[0]; i++)
        if (!password_hash_is_affordable(cheap[i]))
            fail_msg("%s is refused", cheap[i]);
    for (size_t i = 0; i < sizeof dear / sizeof dear[0]; i++)
        if (password_hash_is_affordable(dear[i]))
            fail_msg("%s is not refused", dear[i]);
    for (int i = 0; i < HASH_COUNT; i++)
        assert_true(password_hash_is_affordable(hashes[i]));
    char made[PASSWORD_HASH_MAX + 1];
    assert_true(password_hash_make(SLICE("secret"), made));
    assert_true(password_hash_is_affordable(made));
}

static void verifying(void **state)
{
    (void)state;
    for (int i = 0; i < HASH_COUNT; i++) {
        assert_int_equal(password_hash_verify(hashes[i], guarded(SLICE("secret"))), PASSWORD_HASH_MATCHES);
        assert_int_equal(password_hash_verify(hashes[i], guarded(SLICE("Secret"))), PASSWORD_HASH_DIFFERS);
        assert_int_equal(password_hash_verify(hashes[i], (struct slice){"secret\0x", 8}), PASSWORD_HASH_DIFFERS);
        assert_int_equal(password_hash_verify(hashes[i], SLICE("")), PASSWORD_HASH_DIFFERS);
    }
    assert_int_equal(password_hash_verify("rubbish", SLICE("secret")), PASSWORD_HASH_DIFFERS);
    char large[PASSWORD_HASH_INPUT_MAX + 1];
    memset(large, 'x', sizeof large);
    assert_int_equal(password_hash_verify(hashes[4], (struct slice){large, sizeof large}), PASSWORD_HASH_DIFFERS);
}

static void making(void **state)
{
    (void)state;
    char first[PASSWORD_HASH_MAX + 1], second[PASSWORD_HASH_MAX + 1], large[PASSWORD_HASH_INPUT_MAX + 1];
    assert_true(password_hash_make(guarded(SLICE("secret")), first));
    assert_true(password_hash_make(SLICE("secret"), second));
    assert_memory_equal(first, "$y$", 3);
    assert_string_not_equal(first, second);
    assert_true(password_hash_is_whole(first));
    assert_int_equal(password_hash_verify(first, SLICE("secret")), PASSWORD_HASH_MATCHES);
    assert_int_equal(password_hash_verify(second, SLICE("secret ")), PASSWORD_HASH_DIFFERS);
    memset(large, 'x', sizeof large);
    assert_true(password_hash_make((struct slice){large, PASSWORD_HASH_INPUT_MAX}, first));
    assert_false(password_hash_make((struct slice){large, PASSWORD_HASH_INPUT_MAX + 1}, first));
    assert_false(password_hash_make(SLICE(""), first));
    assert_false(password_hash_make((struct slice){"a\0b", 3}, first));
}

static void *verify_often(void *argument)
{
    unsigned *wrong = argument;
    for (int i = 0; i < 20; i++) {
        *wrong += password_hash_verify(hashes[4], SLICE("secret")) != PASSWORD_HASH_MATCHES;
        *wrong += password_hash_verify(hashes[4], SLICE("other")) != PASSWORD_HASH_DIFFERS;
    }
    return NULL;
}

static void threads(void **state)
{
    (void)state;
    pthread_t list[4];
    unsigned wrong[4] = {0};
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&list[i], NULL, verify_often, &wrong[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(list[i], NULL);
        assert_int_equal(wrong[i], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(whole), cmocka_unit_test(affordable),
                                       cmocka_unit_test(verifying), cmocka_unit_test(making),
                                       cmocka_unit_test(threads)};
    return cmocka_run_group_tests_name("password_hash", tests, NULL, NULL);
}
