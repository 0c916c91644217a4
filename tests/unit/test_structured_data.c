#include "base/structured_data.h"
#include "support.h"

static void elements(void **state)
{
    (void)state;
    struct slice data =
        SLICE("[gauge@47450 name=\"a b\" value=\"]\"][x@1][tags@47450 region=\"eu \\\"w]\\\"\" t=\"\"] [y@1]");
    struct slice id, parameters, name, value;
    assert_true(structured_data_next(&data, &id, &parameters));
    assert_slice(id, "gauge@47450");
    assert_slice(structured_data_find(parameters, SLICE("value")), "]");
    assert_slice(structured_data_find(parameters, SLICE("nam")), "");
    assert_true(structured_data_parameter(&parameters, &name, &value));
    assert_slice(name, "name");
    assert_slice(value, "a b");
    assert_true(structured_data_parameter(&parameters, &name, &value));
    assert_slice(name, "value");
    assert_false(structured_data_parameter(&parameters, &name, &value));
    assert_true(structured_data_next(&data, &id, &parameters));
    assert_slice(id, "x@1");
    assert_slice(parameters, "");
    assert_true(structured_data_next(&data, &id, &parameters));
    assert_slice(id, "tags@47450");
    assert_slice(structured_data_find(parameters, SLICE("region")), "eu \\\"w]\\\"");
    assert_slice(structured_data_find(parameters, SLICE("t")), "");
    assert_false(structured_data_next(&data, &id, &parameters)); /* a space: the message begins */
}

/* What does not close is not read. */
static void broken(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "-", "[", "[x@1", "[x@1 a=\"b]", "[x@1 a=\"b\\\"]", "[x@1 a=\"b\""};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct slice data = slice_of(texts[i]), id, parameters;
        assert_false(structured_data_next(&data, &id, &parameters));
    }
    static const char *const lists[] = {"", " ", "a", "a=", "a=b", " a=\"", " a=\"b", " a=\"\\\""};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        struct slice parameters = slice_of(lists[i]), name, value;
        assert_false(structured_data_parameter(&parameters, &name, &value));
    }
}

static void escapes(void **state)
{
    (void)state;
    char out[64];
    assert_slice(structured_data_unescape(SLICE("plain"), out, sizeof out), "plain");
    assert_slice(structured_data_unescape(SLICE("eu \\\"west\\\"\\]\\\\"), out, sizeof out), "eu \"west\"]\\");
    assert_slice(structured_data_unescape(SLICE("a\\n\\"), out, sizeof out), "a\\n\\");
    assert_slice(structured_data_unescape(SLICE("\\\"abc"), out, 3), "\"ab");
    assert_slice(structured_data_unescape(SLICE("abcdef"), out, 3), "abc");
    assert_slice(structured_data_unescape(SLICE("\\\"a\xC3\xA9"), out, 3), "\"a"); /* no half of a character */
    struct slice zero = structured_data_unescape((struct slice){"\\\0", 2}, out, sizeof out);
    assert_true(zero.length == 2 && zero.at[1] == '\0');
}

static void read_all(struct slice text)
{
    struct slice id, parameters, name, value;
    char out[64];
    while (structured_data_next(&text, &id, &parameters))
        while (structured_data_parameter(&parameters, &name, &value))
            structured_data_unescape(value, out, sizeof out);
}

static void cut_anywhere(void **state)
{
    (void)state;
    each_cut(SLICE("[gauge@47450 name=\"a\\\\\\\"\" value=\"\\]\"][tags@47450 region=\"eu \\\"w\\]\"]"), read_all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements),
        cmocka_unit_test(broken),
        cmocka_unit_test(escapes),
        cmocka_unit_test(cut_anywhere),
    };
    return cmocka_run_group_tests_name("structured_data", tests, NULL, NULL);
}
