#include "base/base64.h"
#include "support.h"

static void accept(const char *text, const char *expected)
{
    char out[64];
    size_t length;
    assert_true(base64_capacity(strlen(text)) <= sizeof out);
    if (!base64_decode(guarded(slice_of(text)), out, &length))
        fail_msg("%s was refused", text);
    assert_slice(((struct slice){out, length}), expected);
    assert_int_equal(out[length], '\0');
}

static void accepted(void **state)
{
    (void)state;
    accept("YQ==", "a");
    accept("YWI=", "ab");
    accept("YWJj", "abc");
    accept("YWJjZA==", "abcd");
    accept("YQ", "a");
    accept("YWI", "ab");
    accept("+/+/", "\xfb\xff\xbf");
}

static void refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",     "=",    "==", "====", "Y",    "YWJjZ",   "YQ=",  "YQ===", "YWI==", "Y=Q=", "YQ==YQ==", "Y Q=", "YQ==\n",
        "YR==", "YWJ=", "YR", "YWJ-", "YWJ_", "YWJ\x80", "YWJ*", "YWJ[",  "YWJ@",  "YWJ`", "YWJ{",     "YWJ:", "YWJ."};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char out[64];
        size_t length = 99;
        if (base64_decode(guarded(slice_of(texts[i])), out, &length))
            fail_msg("\"%s\" was accepted", texts[i]);
        assert_int_equal(length, 99);
    }
}

/* Each byte value in each position: in the alphabet or refused. */
static void alphabet(void **state)
{
    (void)state;
    int accepted_count = 0;
    for (int byte = 0; byte < 256; byte++) {
        char text[8] = "AAAAAAA";
        text[3] = (char)byte;
        char out[16];
        size_t length;
        accepted_count += base64_decode((struct slice){text, 4}, out, &length);
    }
    assert_int_equal(accepted_count, 64 + 1); /* "AAA=" is two bytes */
}

/* RFC 4648, section 10; and what is decoded again is the same, for each length. */
static void encoded(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"", ""},        {"f", "Zg=="},          {"fo", "Zm8="},
                                           {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}, {"\xFF\xFE\xFD\xFC", "//79/A=="}};
    char text[64], out[64];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        base64_encode(guarded(slice_of(cases[i][0])), text);
        assert_string_equal(text, cases[i][1]);
    }
    const char bytes[] = "0123456789abcdefghijklmnop";
    for (size_t length = 1; length < sizeof bytes; length++) {
        size_t decoded;
        base64_encode(guarded((struct slice){bytes, length}), text);
        assert_int_equal(strlen(text) + 1, base64_encoded(length));
        assert_true(base64_decode(slice_of(text), out, &decoded));
        assert_int_equal(decoded, length);
        assert_memory_equal(out, bytes, length);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepted),
        cmocka_unit_test(refused),
        cmocka_unit_test(alphabet),
        cmocka_unit_test(encoded),
    };
    return cmocka_run_group_tests_name("base64", tests, NULL, NULL);
}
