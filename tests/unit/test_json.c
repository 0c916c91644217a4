/* Documents that are written; those that are read are in test_family and test_allocation. */
#include "base/json.h"

#include "support.h"

static void texts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *written;
    } cases[] = {
        {"a \"b\" \\ \n", "[\"a \\\"b\\\" \\\\ \\n\"]"},
        {"\xC3\xA4\xF0\x9F\x90\xAC", "[\"\xC3\xA4\xF0\x9F\x90\xAC\"]"},
        {"\xFF\xFEx\xC3", "[\"??x?\"]"},
        {"\xED\xA0\x80", "[\"???\"]"}, /* half of a surrogate pair */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cJSON item = {.type = cJSON_String | cJSON_IsReference, .valuestring = (char *)cases[i].text};
        cJSON list = {.type = cJSON_Array, .child = &item};
        struct buffer out = {0};
        assert_true(json_write(&list, 100, &out));
        assert_int_equal(out.length, strlen(cases[i].written));
        assert_memory_equal(out.at, cases[i].written, out.length);
        buffer_free(&out);
    }
}

static void too_long(void **state)
{
    (void)state;
    char text[300];
    memset(text, 'x', sizeof text);
    text[299] = '\0';
    cJSON item = {.type = cJSON_String | cJSON_IsReference, .valuestring = text};
    struct buffer out = {0};
    assert_false(json_write(&item, 100, &out));
    assert_int_equal(out.length, 0);
    buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(texts), cmocka_unit_test(too_long)};
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
