#include "base/percent.h"

#include "support.h"

static void check(const char *text, bool plus_is_blank, size_t capacity, const char *expected)
{
    char out[64];
    memset(out, '#', sizeof out);
    size_t length = percent_decode(guarded(slice_of(text)), plus_is_blank, out, capacity);
    assert_slice(((struct slice){out, length}), expected);
    assert_int_equal(out[length], '#'); /* nothing is written behind it */
}

static void decoding(void **state)
{
    (void)state;
    check("", false, 63, "");
    check("plain", false, 63, "plain");
    check("a%20b%2Fc%2f", false, 63, "a b/c/");
    check("%C3%A9", false, 63, "\xc3\xa9");
    check("%25%32%30", false, 63, "%20"); /* once */
    check("a+b", false, 63, "a+b");
    check("a+b%2B", true, 63, "a b+");
}

static void what_is_no_encoding_stays(void **state)
{
    (void)state;
    check("100%", false, 63, "100%");
    check("%4", false, 63, "%4");
    check("%zz%41", false, 63, "%zzA");
    check("%4g", false, 63, "%4g");
    check("%%41", false, 63, "%A");
    check("% 41", false, 63, "% 41");
}

static void cut_off(void **state)
{
    (void)state;
    check("abc", false, 2, "ab");
    check("a%41%42", false, 2, "aA");
    check("abc", false, 0, "");
}

static void in_place(void **state)
{
    (void)state;
    char text[] = "a%20b%2Bc%";
    size_t length = percent_decode((struct slice){text, sizeof text - 1}, false, text, sizeof text);
    assert_slice(((struct slice){text, length}), "a b+c%");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decoding),
        cmocka_unit_test(what_is_no_encoding_stays),
        cmocka_unit_test(cut_off),
        cmocka_unit_test(in_place),
    };
    return cmocka_run_group_tests_name("percent", tests, NULL, NULL);
}
