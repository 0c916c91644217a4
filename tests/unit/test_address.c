#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/address.h"
#include "support.h"

/* Read text and spell it again; expected NULL: it is no address. */
static void check(const char *text, const char *expected)
{
    struct address address;
    bool read = address_read(guarded(slice_of(text)), &address);
    if (read != (expected != NULL))
        fail_msg("\"%s\" was %s", text, read ? "read" : "refused");
    if (!read)
        return;
    char spelled[ADDRESS_TEXT_MAX];
    address_spell(&address, spelled);
    assert_string_equal(spelled, expected);
}

static void reading(void **state)
{
    (void)state;
    check("192.0.2.1", "192.0.2.1");
    check("0.0.0.0", "0.0.0.0");
    check("255.255.255.255", "255.255.255.255");
    check("::", "::");
    check("::1", "::1");
    check("2001:DB8:0:0::1", "2001:db8::1");
    check("::ffff:192.0.2.1", "192.0.2.1");
    check("::ffff:c000:201", "192.0.2.1");
    check("1111:2222:3333:4444:5555:6666:7777:8888", "1111:2222:3333:4444:5555:6666:7777:8888");
    check("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    static const char *const wrong[] = {"",         "1",        "1.2.3",     "1.2.3.4.5",  "256.0.0.1",  "1.2.3.04",
                                        " 1.2.3.4", "1.2.3.4 ", "1.2.3.4:5", "[::1]",      "fe80::1%lo", ":::",
                                        "1::2::3",  "12345::",  "localhost", "0x7f.0.0.1", "127.1",      "::ffff:1.2.3",
                                        "unknown",  "-1.0.0.0", "::1/128",   "1.2.3.4\n",  "1.2.3.4/32"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        check(wrong[i], NULL);
    struct address address;
    assert_false(address_read((struct slice){"1.2.3.4\0", 8}, &address));
    char text[200];
    memset(text, '1', sizeof text);
    assert_false(address_read((struct slice){text, sizeof text}, &address));
}

static void check_port(const char *text, const char *expected)
{
    struct address address;
    bool read = address_read_with_port(guarded(slice_of(text)), &address);
    if (read != (expected != NULL))
        fail_msg("\"%s\" was %s", text, read ? "read" : "refused");
    char spelled[ADDRESS_TEXT_MAX];
    if (!read)
        return;
    address_spell(&address, spelled);
    assert_string_equal(spelled, expected);
}

static void with_a_port(void **state)
{
    (void)state;
    check_port("192.0.2.1", "192.0.2.1");
    check_port("192.0.2.1:1", "192.0.2.1");
    check_port("192.0.2.1:65535", "192.0.2.1");
    check_port("2001:db8::1", "2001:db8::1");
    check_port("[2001:db8::1]", "2001:db8::1");
    check_port("[2001:db8::1]:443", "2001:db8::1");
    check_port("[::ffff:192.0.2.1]:443", "192.0.2.1");
    check_port("192.0.2.1:", NULL);
    check_port("192.0.2.1:65536", NULL);
    check_port("192.0.2.1:x", NULL);
    check_port("[2001:db8::1]x", NULL);
    check_port("[2001:db8::1]:", NULL);
    check_port("[2001:db8::1", NULL);
    check_port("[", NULL);
    check_port("[]", NULL);
    check_port("", NULL);
    check_port(":1", NULL);
    check_port("_hidden", NULL);
    check_port("unknown", NULL);
}

static void of_sockets(void **state)
{
    (void)state;
    struct sockaddr_storage socket = {.ss_family = AF_INET};
    struct address address, expected;
    inet_pton(AF_INET, "192.0.2.1", &((struct sockaddr_in *)&socket)->sin_addr);
    assert_true(address_of_socket(&socket, &address));
    address_read(SLICE("192.0.2.1"), &expected);
    assert_true(address_equals(&address, &expected));
    socket.ss_family = AF_INET6; /* as a socket on [::] shows who comes by IPv4 */
    inet_pton(AF_INET6, "::ffff:192.0.2.1", &((struct sockaddr_in6 *)&socket)->sin6_addr);
    assert_true(address_of_socket(&socket, &address));
    assert_true(address_equals(&address, &expected));
    socket.ss_family = AF_UNIX;
    assert_false(address_of_socket(&socket, &address));
}

static struct address of(const char *text)
{
    struct address address = {{0}};
    assert_true(address_read(slice_of(text), &address));
    return address;
}

static void kinds(void **state)
{
    (void)state;
    struct address localhost[] = {of("127.0.0.1"), of("::1"), of("::ffff:127.0.0.1")};
    struct address others[] = {of("128.0.0.1"), of("127.0.0.2"), of("126.255.255.255"),
                               of("::"),        of("::2"),       of("7f00::1")};
    for (size_t i = 0; i < sizeof localhost / sizeof localhost[0]; i++)
        assert_true(address_is_localhost(&localhost[i]));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_false(address_is_localhost(&others[i]));
    struct address a = of("2001:db8:1:2:3:4:5:6"), b = of("2001:db8:1:2:ffff::"), c = of("2001:db8:1:3::"),
                   d = of("192.0.2.1");
    struct address of_a = address_subscriber(&a), of_b = address_subscriber(&b), of_c = address_subscriber(&c),
                   of_d = address_subscriber(&d);
    assert_true(address_equals(&of_a, &of_b));
    assert_false(address_equals(&of_a, &of_c));
    assert_true(address_equals(&of_d, &d));
}

/* Does the list hold the address? */
static bool holds(const char *list, const char *text)
{
    struct address_ranges ranges;
    char error[ERROR_MAX] = "";
    struct address address = of(text);
    if (!address_ranges_read(guarded(slice_of(list)), &ranges, error))
        fail_msg("%s: %s", list, error);
    return address_ranges_hold(&ranges, &address);
}

static void ranges_hold(void **state)
{
    (void)state;
    assert_true(holds("10.0.0.0/8", "10.255.255.255"));
    assert_false(holds("10.0.0.0/8", "11.0.0.0"));
    assert_false(holds("10.0.0.0/8", "9.255.255.255"));
    assert_true(holds("172.16.0.0/12", "172.31.255.255"));
    assert_false(holds("172.16.0.0/12", "172.32.0.0"));
    assert_true(holds("192.0.2.6/31", "192.0.2.7"));
    assert_false(holds("192.0.2.6/31", "192.0.2.8"));
    assert_true(holds("192.0.2.7", "192.0.2.7"));
    assert_false(holds("192.0.2.7/32", "192.0.2.6"));
    assert_true(holds("0.0.0.0/0", "255.1.2.3"));
    assert_false(holds("0.0.0.0/0", "2001:db8::1"));
    assert_true(holds("::/0", "2001:db8::1"));
    assert_false(holds("::/0", "192.0.2.1"));
    assert_true(holds("::ffff:0:0/96", "192.0.2.1"));
    assert_true(holds("::ffff:10.0.0.0/104", "10.1.1.1"));
    assert_false(holds("::ffff:10.0.0.0/104", "11.1.1.1"));
    assert_true(holds("2001:db8::/32", "2001:db8:ffff::1"));
    assert_false(holds("2001:db8::/32", "2001:db9::"));
    assert_true(holds("2001:db8::8/125", "2001:db8::f"));
    assert_false(holds("2001:db8::8/125", "2001:db8::10"));
    assert_true(holds("::1", "::1"));
    assert_true(holds(" 10.0.0.0/8 ,\t192.0.2.0/24,::1 ", "192.0.2.99"));
    assert_true(holds("10.0.0.0/8,192.0.2.0/24,::1", "::1"));
    assert_false(holds("10.0.0.0/8,192.0.2.0/24,::1", "192.0.3.1"));
}

/* Every length against a comparison bit by bit. */
static void ranges_of_each_length(void **state)
{
    (void)state;
    struct address base = of("2001:db8:a5a5:5a5a:ffff::");
    for (unsigned bits = 0; bits <= 128; bits++) {
        struct address_ranges ranges = {.count = 1, .ranges = {{base, bits}}};
        for (unsigned i = bits; i < 128; i++)
            ranges.ranges[0].network.bytes[i / 8] &= (unsigned char)~(0x80 >> i % 8);
        for (unsigned flipped = 0; flipped < 128; flipped++) {
            struct address other = base;
            other.bytes[flipped / 8] ^= (unsigned char)(0x80 >> flipped % 8);
            if (address_ranges_hold(&ranges, &other) != (flipped >= bits))
                fail_msg("/%u, and bit %u differs", bits, flipped);
        }
    }
}

static void wrong(const char *list, const char *expected)
{
    struct address_ranges ranges;
    char error[ERROR_MAX] = "";
    assert_false(address_ranges_read(guarded(slice_of(list)), &ranges, error));
    assert_string_equal(error, expected);
}

static void wrong_ranges(void **state)
{
    (void)state;
    wrong("", "has \"\", which is no address");
    wrong("10.0.0.0/8,", "has \"\", which is no address");
    wrong("10.0.0.0/8;::1", "has \"10.0.0.0/8;::1\", which needs a number from 0 to 32 behind its /");
    wrong("10.0.0.0/33", "has \"10.0.0.0/33\", which needs a number from 0 to 32 behind its /");
    wrong("10.0.0.0/", "has \"10.0.0.0/\", which needs a number from 0 to 32 behind its /");
    wrong("10.0.0.0/-1", "has \"10.0.0.0/-1\", which needs a number from 0 to 32 behind its /");
    wrong("::1/129", "has \"::1/129\", which needs a number from 0 to 128 behind its /");
    wrong("10.0.0.1/8", "has \"10.0.0.1/8\", which is not the first address of its range");
    wrong("::1/127", "has \"::1/127\", which is not the first address of its range");
    wrong("heroku.com", "has \"heroku.com\", which is no address");
    char many[4096] = "::1";
    for (int i = 0; i < ADDRESS_RANGES_MAX; i++)
        strcat(many, ",::1");
    wrong(many, "has more than 128 ranges");
}

static void cut(struct slice text)
{
    struct address address;
    struct address_ranges ranges;
    char error[ERROR_MAX];
    address_read(text, &address);
    address_read_with_port(text, &address);
    address_ranges_read(text, &ranges, error);
}

static void each_beginning(void **state)
{
    (void)state;
    each_cut(SLICE("[2001:db8::1]:443"), cut);
    each_cut(SLICE("192.0.2.1:65535"), cut);
    each_cut(SLICE("10.0.0.0/8, 2001:db8::/32"), cut);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading),      cmocka_unit_test(with_a_port),    cmocka_unit_test(of_sockets),
        cmocka_unit_test(kinds),        cmocka_unit_test(ranges_hold),    cmocka_unit_test(ranges_of_each_length),
        cmocka_unit_test(wrong_ranges), cmocka_unit_test(each_beginning),
    };
    return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
