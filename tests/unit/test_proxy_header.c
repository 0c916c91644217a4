#include "server/proxy_header.h"

#include <stdio.h>

#include "support.h"

/* Read a header and what follows it; the client as text, or a word for what came of it. */
static const char *client(struct slice text, size_t *length)
{
    static char spelled[ADDRESS_TEXT_MAX];
    struct proxy_header header;
    switch (proxy_header_read(text, &header)) {
    case PROXY_HEADER_INCOMPLETE:
        return "incomplete";
    case PROXY_HEADER_ABSENT:
        return "absent";
    case PROXY_HEADER_INVALID:
        return "invalid";
    case PROXY_HEADER_READ:
        break;
    }
    *length = header.length;
    if (!header.has_client)
        return "nobody";
    address_spell(&header.client, spelled);
    return spelled;
}

static void check(const char *text, const char *expected)
{
    char longer[4096];
    size_t length = strlen(text), read = length;
    assert_string_equal(client(guarded(slice_of(text)), &read), expected);
    assert_int_equal(read, length);
    if (strcmp(expected, "incomplete") == 0 || strcmp(expected, "absent") == 0)
        return;
    snprintf(longer, sizeof longer, "%sGET / HTTP/1.1\r\n", text);
    assert_string_equal(client(guarded(slice_of(longer)), &read), expected);
    assert_int_equal(read, length);
}

static void version_1(void **state)
{
    (void)state;
    check("PROXY TCP4 203.0.113.7 10.0.0.9 40001 443\r\n", "203.0.113.7");
    check("PROXY TCP6 2001:db8::7 2001:db8::9 40001 443\r\n", "2001:db8::7");
    check("PROXY TCP6 ::ffff:203.0.113.7 ::1 1 1\r\n", "203.0.113.7");
    check("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
          "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    check("PROXY UNKNOWN\r\n", "nobody");
    check(
        "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
        "nobody");
}

static void wrong_version_1(void **state)
{
    (void)state;
    check("PROXY TCP4 203.0.113.7 10.0.0.9 40001 443\n", "invalid");
    check("PROXY TCP4 203.0.113.7 10.0.0.9 40001\r\n", "invalid");
    check("PROXY TCP4 203.0.113.7 10.0.0.9 40001 443 1\r\n", "invalid");
    check("PROXY TCP4 203.0.113.7 10.0.0.9 40001 65536\r\n", "invalid");
    check("PROXY TCP4 203.0.113.7  10.0.0.9 40001 443\r\n", "invalid");
    check("PROXY TCP4 203.0.113.256 10.0.0.9 40001 443\r\n", "invalid");
    check("PROXY TCP4 2001:db8::7 2001:db8::9 40001 443\r\n", "invalid");
    check("PROXY TCP6 203.0.113.7 10.0.0.9 40001 443\r\n", "invalid");
    check("PROXY UDP4 203.0.113.7 10.0.0.9 40001 443\r\n", "invalid");
    check("PROXY \r\n", "invalid");
    check("PROXY \n", "invalid");
    check("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535 "
          "\r\n",
          "invalid");
    char endless[PROXY_HEADER_MAX] = "PROXY UNKNOWN ";
    memset(endless + 14, 'x', sizeof endless - 15);
    check(endless, "invalid");
}

static void no_header(void **state)
{
    (void)state;
    check("GET / HTTP/1.1\r\n", "absent");
    check("\x16\x03\x01", "absent");
    check("POST /drain HTTP/1.1\r\n", "absent");
    check("PROXX", "absent");
    check("\r\nGET", "absent");
    check("", "incomplete");
    check("P", "incomplete");
    check("\r\n", "incomplete");
    check("PROXY", "incomplete");
    check("PROXY TCP4 203.0.113.7 10.0.0.9 40001 443\r", "incomplete");
}

#define START "\r\n\r\n\0\r\nQUIT\n"
#define IPV4 "\xcb\x00\x71\x07\x0a\x00\x00\x09\x9c\x41\x01\xbb"
#define IPV6_A "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"
#define CHECK2(text, expected)                                              \
    do {                                                                    \
        size_t read = 0;                                                    \
        assert_string_equal(client(guarded(SLICE(text)), &read), expected); \
        if (read != 0)                                                      \
            assert_int_equal(read, sizeof(text) - 1);                       \
    } while (0)

static void version_2(void **state)
{
    (void)state;
    CHECK2(START "\x21\x11\0\x0c" IPV4, "203.0.113.7");
    CHECK2(START "\x21\x12\0\x0c" IPV4, "203.0.113.7"); /* UDP */
    CHECK2(START "\x21\x21\0\x24" IPV6_A IPV6_A "\x9c\x41\x01\xbb", "2001:db8::7");
    CHECK2(START "\x21\x11\0\x10" IPV4 "\x04\0\x01\0", "203.0.113.7"); /* with a TLV */
    CHECK2(START "\x20\x00\0\0", "nobody");
    CHECK2(START "\x20\x11\0\x0c" IPV4, "nobody"); /* LOCAL: the addresses are to be ignored */
    CHECK2(START "\x21\x00\0\x04"
                 "abcd",
           "nobody");
    CHECK2(START "\x21\x31\0\x02"
                 "ab",
           "nobody"); /* AF_UNIX */
}

static void wrong_version_2(void **state)
{
    (void)state;
    CHECK2(START "\x11\x11\0\x0c" IPV4, "invalid");
    CHECK2(START "\x22\x11\0\x0c" IPV4, "invalid");
    CHECK2(START "\x21\x11\0\x0b" IPV4, "invalid");
    CHECK2(START "\x21\x21\0\x0c" IPV4, "invalid");
    CHECK2(START "\x21\x11\xff\xff" IPV4, "invalid");
    CHECK2(START "\x21\x11\0\x0d" IPV4, "incomplete");
}

static void cut_1(struct slice cut)
{
    size_t length;
    assert_string_equal(client(cut, &length), cut.length < 43 ? "incomplete" : "203.0.113.7");
}

static void cut_2(struct slice cut)
{
    size_t length;
    assert_string_equal(client(cut, &length), cut.length < 28 ? "incomplete" : "203.0.113.7");
}

static void each_beginning(void **state)
{
    (void)state;
    each_cut(SLICE("PROXY TCP4 203.0.113.7 10.0.0.9 40001 443\r\nGET / HTTP/1.1\r\n"), cut_1);
    each_cut(SLICE(START "\x21\x11\0\x0c" IPV4 "GET / HTTP/1.1\r\n"), cut_2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_1), cmocka_unit_test(wrong_version_1), cmocka_unit_test(no_header),
        cmocka_unit_test(version_2), cmocka_unit_test(wrong_version_2), cmocka_unit_test(each_beginning),
    };
    return cmocka_run_group_tests_name("proxy_header", tests, NULL, NULL);
}
