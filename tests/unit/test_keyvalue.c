#include <stdlib.h>

#include <stdio.h>

#include "base/keyvalue.h"
#include "support.h"

static void check(const char *text, const char *expected)
{
    struct keyvalue_reader reader;
    struct keyvalue pair;
    keyvalue_start(&reader, guarded(slice_of(text)));
    char out[4096];
    int length = 0;
    out[0] = '\0';
    while (keyvalue_next(&reader, &pair))
        length += snprintf(out + length, sizeof out - (size_t)length, "%.*s%s<%.*s>", (int)pair.key.length, pair.key.at,
                           pair.bare ? "" : "=", (int)pair.value.length, pair.value.at);
    if (strcmp(out, expected) != 0)
        fail_msg("%s\n  gave %s\n  not  %s", text, out, expected);
}

static void pairs(void **state)
{
    (void)state;
    check("", "");
    check("   ", "");
    check("at=info method=GET", "at=<info>method=<GET>");
    check("dyno= connect= service= status=503", "dyno=<>connect=<>service=<>status=<503>");
    check("desc=\"Request timeout\" code=H12", "desc=<Request timeout>code=<H12>");
    check("fwd=\"\" x=1", "fwd=<>x=<1>");
    check("a=\"b \\\" c\" d=\"\\\\\" e=1", "a=<b \\\" c>d=<\\\\>e=<1>");
    check("a=\"never closed b=1", "a=<never closed b=1>");
    check("error code=H31", "error<>code=<H31>");
    check("path=/check?x=a,b:c&0 host=h", "path=</check?x=a,b:c&0>host=<h>");
    check("=x a=", "=<x>a=<>");
    check("a=\"x\"y=2", "a=<x>y=<2>");
    /* Parts that cross the blocks of 64 bytes in which the text is read, at every offset, and of longer texts. */
    for (size_t length = 0; length < 1200; length += length < 200 ? 1 : 37) {
        char text[4096], expected[4096], filler[1280];
        memset(filler, 'x', length);
        filler[length] = '\0';
        snprintf(text, sizeof text, "%s=%s q=\"%s =\\\"\" z=1", filler, filler, filler);
        snprintf(expected, sizeof expected, "%s=<%s>q=<%s =\\\">z=<1>", filler, filler, filler);
        check(text, expected);
    }
}

static void cut(struct slice text)
{
    struct keyvalue_reader reader;
    struct keyvalue pair;
    keyvalue_start(&reader, text);
    while (keyvalue_next(&reader, &pair))
        ;
}

static void every_cut_is_survived(void **state)
{
    (void)state;
    each_cut(SLICE("sock=client at=warning code=H27 desc=\"Client \\\"Request\\\\\" path=\"/\" dyno= bare connect=1ms"),
             cut);
}

static void check_number(const char *text, double expected)
{
    double number;
    if (!keyvalue_number(guarded(slice_of(text)), &number))
        fail_msg("%s was not read", text);
    if (number != expected)
        fail_msg("%s gave %.17g, not %.17g", text, number, expected);
}

static void numbers(void **state)
{
    (void)state;
    check_number("0", 0);
    check_number("-1", -1);
    check_number("0.99625", 0.99625);
    check_number("147391814791bytes", 147391814791);
    check_number("247529644.0bytes", 247529644);
    check_number("8027324kB", 8027324.0 * 1024);
    check_number("15664876.0kB", 15664876.0 * 1024);
    check_number("7.11MB", 7.11 * 1048576);
    check_number("2GB", 2147483648);
    check_number("1978pages", 1978);
    check_number("12ms", 0.012);
    check_number("8751us", 0.008751);
    check_number("1.5s", 1.5);
    check_number("1e3", 1000);
    check_number("9000000000000000000000kB", 9e21 * 1024);
    static const char *const wrong[] = {"",      "-",       "x",    "5%", "NaN", "nan",  "inf", "Infinity", "0x10",
                                        "1e999", "1bytes ", "1 kB", ".",  "--1", "1kBx", "kB",  "1e308TB"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        double number = 7;
        if (keyvalue_number(guarded(slice_of(wrong[i])), &number))
            fail_msg("\"%s\" gave %g", wrong[i], number);
        assert_true(number == 7);
    }
}

static void check_unit(const char *text, double number, enum unit unit)
{
    struct quantity quantity;
    if (!keyvalue_quantity(guarded(slice_of(text)), &quantity))
        fail_msg("%s was not read", text);
    if (quantity.number != number || quantity.unit != unit)
        fail_msg("%s gave %.17g of unit %d", text, quantity.number, (int)quantity.unit);
}

static void units(void **state)
{
    (void)state;
    check_unit("12", 12, UNIT_NONE);
    check_unit("3pages", 3, UNIT_NONE);
    check_unit("100GB", 107374182400, UNIT_BYTES);
    check_unit("1bytes", 1, UNIT_BYTES);
    check_unit("4ms", 0.004, UNIT_SECONDS);
    check_unit("-2s", -2, UNIT_SECONDS);
    /* Not ours to judge; the number is as it stands. */
    check_unit("5%", 5, UNIT_OTHER);
    check_unit("12req/s", 12, UNIT_OTHER);
    check_unit("5errors", 5, UNIT_OTHER);
    check_unit("7mb", 7, UNIT_OTHER);
    static const char *const wrong[] = {"", "ms", "1.2.3", "12:30:00", "2022-12-07", "0x10", "1,234", "1 ms", "1e999s"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct quantity quantity;
        if (keyvalue_quantity(guarded(slice_of(wrong[i])), &quantity))
            fail_msg("\"%s\" gave %g", wrong[i], quantity.number);
    }
}

/* Numbers of every length are the doubles that the C library makes of them, to the bit. */
static void exact(void **state)
{
    (void)state;
    uint64_t random = 88172645463325252u; /* xorshift64 */
    for (int i = 0; i < 200000; i++) {
        char text[64];
        int length = 0;
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        unsigned whole = random % 13, fraction = random >> 8 & 15;
        if ((random >> 16 & 7) == 0)
            text[length++] = '-';
        for (unsigned j = 0; j <= whole; j++)
            text[length++] = (char)('0' + (random >> (j * 4 + 3)) % 10);
        if (fraction > 0)
            text[length++] = '.';
        for (unsigned j = 0; j < fraction; j++)
            text[length++] = (char)('0' + (random >> (j * 3 + 1)) % 10);
        text[length] = '\0';
        double number, expected = strtod(text, NULL);
        assert_true(keyvalue_number(guarded((struct slice){text, (size_t)length}), &number));
        if (memcmp(&number, &expected, sizeof number) != 0)
            fail_msg("%s is not %.17g", text, number);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact),   cmocka_unit_test(pairs), cmocka_unit_test(every_cut_is_survived),
        cmocka_unit_test(numbers), cmocka_unit_test(units),
    };
    return cmocka_run_group_tests_name("keyvalue", tests, NULL, NULL);
}
