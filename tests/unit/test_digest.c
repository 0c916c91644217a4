#include "base/digest.h"

#include <stdio.h>

#include "support.h"

static void assert_digest(const unsigned char digest[DIGEST_SIZE], const char *expected)
{
    char text[2 * DIGEST_SIZE + 1];
    for (int i = 0; i < DIGEST_SIZE; i++)
        sprintf(text + 2 * i, "%02x", digest[i]);
    assert_string_equal(text, expected);
}

/* The examples of FIPS 180-4, and texts around a block of 64 bytes. */
static void sha_256(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t times;
        const char *digest;
    } cases[] = {
        {"", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"a", 63, "7d3e74a05d7db15bce4ad9ec0658ea98e3f06eeecf16b4c6fff2da457ddc2f34"},
        {"a", 64, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb"},
        {"a", 65, "635361c48bb9eab14198e76ea8ab7f1a41685d6ad62aa9146d301d4f17eb0ae0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[256];
        size_t length = strlen(cases[i].text);
        for (size_t j = 0; j < cases[i].times; j++)
            memcpy(text + j * length, cases[i].text, length);
        unsigned char digest[DIGEST_SIZE];
        digest_make(guarded((struct slice){text, length * cases[i].times}), digest);
        assert_digest(digest, cases[i].digest);
    }
}

/* RFC 4231, 4.2 and 4.3, have shorter keys: zeros behind them change nothing (RFC 2104, 2). */
static void hmac(void **state)
{
    (void)state;
    unsigned char digest[DIGEST_SIZE], key[DIGEST_SIZE] = {[0 ... 19] = 0x0b};
    digest_make_keyed(key, SLICE("Hi There"), digest);
    assert_digest(digest, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    digest_make_keyed((const unsigned char[DIGEST_SIZE]){'J', 'e', 'f', 'e'}, SLICE("what do ya want for nothing?"),
                      digest);
    assert_digest(digest, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    key[DIGEST_SIZE - 1] = 1;
    digest_make_keyed(key, SLICE("Hi There"), digest);
    assert_int_not_equal(digest[0], 0xb0);
}

static void comparison(void **state)
{
    (void)state;
    assert_true(digest_equals("abcd", "abcx", 3));
    assert_false(digest_equals("abcd", "abcx", 4));
    assert_false(digest_equals("abcd", "xbcd", 4));
    assert_true(digest_equals("a", "b", 0));
}

static void random_bytes(void **state)
{
    (void)state;
    unsigned char bytes[2][1024] = {0};
    assert_true(digest_random(bytes[0], sizeof bytes[0]));
    assert_true(digest_random(bytes[1], sizeof bytes[1] - 8));
    assert_memory_not_equal(bytes[0], bytes[1], 32);
    static const unsigned char none[8];
    assert_memory_equal(bytes[1] + sizeof bytes[1] - 8, none, sizeof none);
    assert_memory_not_equal(bytes[1] + sizeof bytes[1] - 16, none, sizeof none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha_256),
        cmocka_unit_test(hmac),
        cmocka_unit_test(comparison),
        cmocka_unit_test(random_bytes),
    };
    return cmocka_run_group_tests_name("digest", tests, NULL, NULL);
}
