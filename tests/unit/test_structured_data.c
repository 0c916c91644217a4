#include "base/structured_data.h"

#include <stdlib.h>

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

/* ---- against what looks at one byte after the other ---- */

static size_t length_by_bytes(struct slice text)
{
    bool quoted = false;
    for (size_t i = 0; i < text.length; i++) {
        if (text.at[i] == '"')
            quoted = !quoted;
        else if (text.at[i] == '\\' && quoted)
            i++;
        else if (text.at[i] == ']' && !quoted)
            return i;
    }
    return text.length;
}

static bool parameter_by_bytes(struct slice text, struct slice *name, struct slice *value)
{
    size_t start = 0, equals, quote;
    while (start < text.length && text.at[start] == ' ')
        start++;
    for (equals = start; equals < text.length && text.at[equals] != '='; equals++)
        ;
    if (equals + 1 >= text.length || text.at[equals + 1] != '"')
        return false;
    for (quote = equals + 2; quote < text.length && text.at[quote] != '"'; quote++)
        quote += text.at[quote] == '\\';
    if (quote >= text.length)
        return false;
    *name = (struct slice){text.at + start, equals - start};
    *value = (struct slice){text.at + equals + 2, quote - equals - 2};
    return true;
}

static void assert_same_part(struct slice a, struct slice b)
{
    assert_ptr_equal(a.at, b.at);
    assert_int_equal(a.length, b.length);
}

/* Texts of a few bytes that matter and many that do not, up to four blocks of 64. */
static void any_text(void **state)
{
    (void)state;
    static const char bytes[] = "\"]\\= ab\"=aaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    srand(1);
    for (int i = 0; i < 200000; i++) {
        char made[256];
        size_t some = i % 3 == 0 ? 8 : sizeof bytes - 1;
        for (size_t k = 0; k < sizeof made; k++)
            made[k] = bytes[(size_t)rand() % some];
        struct slice text = {made, (size_t)rand() % (sizeof made + 1)};
        assert_int_equal(structured_data_length(text), length_by_bytes(text));
        struct slice rest = text, name, value, wanted_name, wanted_value;
        while (parameter_by_bytes(rest, &wanted_name, &wanted_value)) {
            assert_true(structured_data_parameter(&rest, &name, &value));
            assert_same_part(name, wanted_name);
            assert_same_part(value, wanted_value);
            assert_ptr_equal(rest.at, value.at + value.length + 1);
            assert_ptr_equal(rest.at + rest.length, text.at + text.length);
        }
        struct slice before = rest;
        assert_false(structured_data_parameter(&rest, &name, &value));
        assert_same_part(rest, before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements), cmocka_unit_test(broken),       cmocka_unit_test(escapes),
        cmocka_unit_test(any_text), cmocka_unit_test(cut_anywhere),
    };
    return cmocka_run_group_tests_name("structured_data", tests, NULL, NULL);
}
