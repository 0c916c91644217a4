#include "base/amount.h"

#include <math.h>

#include "support.h"

#define MICRO "\xC2\xB5"
#define MU "\xCE\xBC"

static const struct {
    const char *text;
    enum amount_kind wanted;
    double number;
    enum amount_kind kind;
} amounts[] = {
    /* numbers */
    {"0", AMOUNT_NUMBER, 0, AMOUNT_NUMBER},
    {"12", AMOUNT_NUMBER, 12, AMOUNT_NUMBER},
    {" -1.5 ", AMOUNT_NUMBER, -1.5, AMOUNT_NUMBER},
    {"+.5", AMOUNT_NUMBER, 0.5, AMOUNT_NUMBER},
    {"5.", AMOUNT_NUMBER, 5, AMOUNT_NUMBER},
    {"1e3", AMOUNT_NUMBER, 1000, AMOUNT_NUMBER},
    {"1E-3", AMOUNT_NUMBER, 0.001, AMOUNT_NUMBER},
    {"348836pages", AMOUNT_NUMBER, 348836, AMOUNT_NUMBER},
    {"7", AMOUNT_BYTES, 7, AMOUNT_NUMBER},
    {"7", AMOUNT_SECONDS, 7, AMOUNT_NUMBER},
    /* time */
    {"250ns", AMOUNT_NUMBER, 2.5e-7, AMOUNT_SECONDS},
    {"35us", AMOUNT_NUMBER, 0.000035, AMOUNT_SECONDS},
    {"35" MICRO "s", AMOUNT_NUMBER, 0.000035, AMOUNT_SECONDS},
    {"35" MU "s", AMOUNT_NUMBER, 0.000035, AMOUNT_SECONDS},
    {"35.2ms", AMOUNT_NUMBER, 0.0352, AMOUNT_SECONDS},
    {"35.2 ms", AMOUNT_NUMBER, 0.0352, AMOUNT_SECONDS},
    {"1.5s", AMOUNT_SECONDS, 1.5, AMOUNT_SECONDS},
    {"2m", AMOUNT_NUMBER, 120, AMOUNT_SECONDS},
    {"2min", AMOUNT_NUMBER, 120, AMOUNT_SECONDS},
    {"1.5h", AMOUNT_NUMBER, 5400, AMOUNT_SECONDS},
    {"1d", AMOUNT_NUMBER, 86400, AMOUNT_SECONDS},
    {"1m30s", AMOUNT_NUMBER, 90, AMOUNT_SECONDS},
    {"1 min 30 s", AMOUNT_NUMBER, 90, AMOUNT_SECONDS},
    {"1h2m3.5s", AMOUNT_NUMBER, 3723.5, AMOUNT_SECONDS},
    {"-1h30m", AMOUNT_NUMBER, -5400, AMOUNT_SECONDS},
    {"1d0h0m5s", AMOUNT_NUMBER, 86405, AMOUNT_SECONDS},
    {"1s500ms", AMOUNT_NUMBER, 1.5, AMOUNT_SECONDS},
    {"1e3ms", AMOUNT_NUMBER, 1, AMOUNT_SECONDS},
    {"PT1M30S", AMOUNT_NUMBER, 90, AMOUNT_SECONDS},
    {"PT0.035S", AMOUNT_NUMBER, 0.035, AMOUNT_SECONDS},
    {"PT-1.5S", AMOUNT_NUMBER, -1.5, AMOUNT_SECONDS},
    {"-PT2H", AMOUNT_SECONDS, -7200, AMOUNT_SECONDS},
    {"P2DT3H4M5.5S", AMOUNT_NUMBER, 183845.5, AMOUNT_SECONDS},
    {"P1W", AMOUNT_NUMBER, 604800, AMOUNT_SECONDS},
    /* bytes: powers of 1024 */
    {"12B", AMOUNT_NUMBER, 12, AMOUNT_BYTES},
    {"147391814791bytes", AMOUNT_NUMBER, 147391814791, AMOUNT_BYTES},
    {"1byte", AMOUNT_NUMBER, 1, AMOUNT_BYTES},
    {"12kB", AMOUNT_NUMBER, 12288, AMOUNT_BYTES},
    {"12KB", AMOUNT_NUMBER, 12288, AMOUNT_BYTES},
    {"12 KiB", AMOUNT_NUMBER, 12288, AMOUNT_BYTES},
    {"1.5MB", AMOUNT_NUMBER, 1572864, AMOUNT_BYTES},
    {"1MiB", AMOUNT_NUMBER, 1048576, AMOUNT_BYTES},
    {"1GB", AMOUNT_BYTES, 1073741824, AMOUNT_BYTES},
    {"1GiB", AMOUNT_NUMBER, 1073741824, AMOUNT_BYTES},
    {"1TB", AMOUNT_NUMBER, 1099511627776, AMOUNT_BYTES},
    {"1TiB", AMOUNT_NUMBER, 1099511627776, AMOUNT_BYTES},
    {"1PiB", AMOUNT_NUMBER, 1125899906842624, AMOUNT_BYTES},
    {"2K", AMOUNT_BYTES, 2048, AMOUNT_BYTES},
    {"2M", AMOUNT_BYTES, 2097152, AMOUNT_BYTES},
    {"2m", AMOUNT_BYTES, 2097152, AMOUNT_BYTES},
    {"2Gi", AMOUNT_BYTES, 2147483648, AMOUNT_BYTES},
    {"2gb", AMOUNT_BYTES, 2147483648, AMOUNT_BYTES},
    {"2tIb", AMOUNT_BYTES, 2199023255552, AMOUNT_BYTES},
    /* ratios */
    {"95%", AMOUNT_NUMBER, 0.95, AMOUNT_RATIO},
    {"7 %", AMOUNT_NUMBER, 0.07, AMOUNT_RATIO},
    {"120%", AMOUNT_RATIO, 1.2, AMOUNT_RATIO},
};

static void table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof amounts / sizeof amounts[0]; i++) {
        struct amount amount;
        struct slice unit;
        enum amount_result result = amount_read(guarded(slice_of(amounts[i].text)), amounts[i].wanted, &amount, &unit);
        if (result != AMOUNT_OK || amount.number != amounts[i].number || amount.kind != amounts[i].kind)
            fail_msg("%s: result %d, %.17g of kind %d", amounts[i].text, result, amount.number, amount.kind);
    }
}

static const struct {
    const char *text;
    enum amount_kind wanted;
    enum amount_result result;
    const char *unit;
} refusals[] = {
    {"", AMOUNT_NUMBER, AMOUNT_NO_NUMBER, ""},
    {"-", AMOUNT_NUMBER, AMOUNT_NO_NUMBER, ""},
    {".", AMOUNT_NUMBER, AMOUNT_NO_NUMBER, ""},
    {"much", AMOUNT_NUMBER, AMOUNT_NO_NUMBER, ""},
    {"inf", AMOUNT_NUMBER, AMOUNT_NO_NUMBER, ""},
    {"nan", AMOUNT_NUMBER, AMOUNT_NO_NUMBER, ""},
    {"1e400", AMOUNT_NUMBER, AMOUNT_NO_NUMBER, ""},
    {"1e308d", AMOUNT_NUMBER, AMOUNT_NO_NUMBER, "d"},
    {"--1", AMOUNT_NUMBER, AMOUNT_NO_NUMBER, ""},
    {"P", AMOUNT_NUMBER, AMOUNT_NO_NUMBER, ""},
    {"PT", AMOUNT_NUMBER, AMOUNT_NO_NUMBER, ""},
    {"P1DT", AMOUNT_NUMBER, AMOUNT_NO_NUMBER, ""},
    {"P1Y", AMOUNT_NUMBER, AMOUNT_NO_NUMBER, ""},
    {"P1M", AMOUNT_NUMBER, AMOUNT_NO_NUMBER, ""},
    {"PT1S2M", AMOUNT_NUMBER, AMOUNT_NO_NUMBER, ""},
    {"P95", AMOUNT_NUMBER, AMOUNT_NO_NUMBER, ""},
    {"0x10", AMOUNT_NUMBER, AMOUNT_UNKNOWN_UNIT, "x10"},
    {"1,234", AMOUNT_NUMBER, AMOUNT_UNKNOWN_UNIT, ",234"},
    {"1.2.3", AMOUNT_NUMBER, AMOUNT_UNKNOWN_UNIT, ".3"},
    {"12 parsecs", AMOUNT_NUMBER, AMOUNT_UNKNOWN_UNIT, "parsecs"},
    {"5req/s", AMOUNT_NUMBER, AMOUNT_UNKNOWN_UNIT, "req/s"},
    {"2M", AMOUNT_NUMBER, AMOUNT_UNKNOWN_UNIT, "M"},
    {"2mb", AMOUNT_NUMBER, AMOUNT_UNKNOWN_UNIT, "mb"},
    {"2bb", AMOUNT_BYTES, AMOUNT_UNKNOWN_UNIT, "bb"},
    {"2Kx", AMOUNT_BYTES, AMOUNT_UNKNOWN_UNIT, "Kx"},
    {"30s1m", AMOUNT_NUMBER, AMOUNT_UNKNOWN_UNIT, "s1m"},
    {"1m2m", AMOUNT_NUMBER, AMOUNT_UNKNOWN_UNIT, "m2m"},
    {"1m30", AMOUNT_NUMBER, AMOUNT_UNKNOWN_UNIT, "m30"},
    {"1m-30s", AMOUNT_NUMBER, AMOUNT_UNKNOWN_UNIT, "m-30s"},
    {"1kB5B", AMOUNT_NUMBER, AMOUNT_UNKNOWN_UNIT, "kB5B"},
    {"1m5%", AMOUNT_NUMBER, AMOUNT_UNKNOWN_UNIT, "m5%"},
    {"1s", AMOUNT_BYTES, AMOUNT_UNKNOWN_UNIT, "s"},
    {"1kB", AMOUNT_SECONDS, AMOUNT_UNKNOWN_UNIT, "kB"},
    {"95%", AMOUNT_SECONDS, AMOUNT_UNKNOWN_UNIT, "%"},
    {"PT1S", AMOUNT_BYTES, AMOUNT_UNKNOWN_UNIT, "PT1S"},
    {"2026-02-03", AMOUNT_NUMBER, AMOUNT_UNKNOWN_UNIT, "-02-03"},
};

static void refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        struct amount amount;
        struct slice unit;
        enum amount_result result =
            amount_read(guarded(slice_of(refusals[i].text)), refusals[i].wanted, &amount, &unit);
        if (result != refusals[i].result)
            fail_msg("%s: result %d, %.17g of kind %d", refusals[i].text, result, amount.number, amount.kind);
        assert_slice(unit, refusals[i].unit);
    }
}

/* More digits than there is memory for are no number, however small it is. */
static void long_numbers(void **state)
{
    (void)state;
    static char text[2000];
    struct amount amount;
    struct slice unit;
    memset(text, '0', sizeof text - 1);
    assert_int_equal(amount_read(guarded(slice_of(text)), AMOUNT_NUMBER, &amount, &unit), AMOUNT_NO_NUMBER);
    text[60] = '\0';
    assert_int_equal(amount_read(guarded(slice_of(text)), AMOUNT_NUMBER, &amount, &unit), AMOUNT_OK);
}

static void check_cut(struct slice cut)
{
    struct amount amount;
    struct slice unit;
    for (enum amount_kind wanted = AMOUNT_NUMBER; wanted <= AMOUNT_RATIO; wanted++)
        if (amount_read(cut, wanted, &amount, &unit) == AMOUNT_OK)
            assert_true(isfinite(amount.number));
}

static void cuts(void **state)
{
    (void)state;
    each_cut(SLICE("-1d2h3min4.5e0s6ms7" MICRO "s8" MU "s9ns"), check_cut);
    each_cut(SLICE("+P1W2DT3H4M-5.5e0S"), check_cut);
    each_cut(SLICE("12.5e2 KiB"), check_cut);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(refused),
        cmocka_unit_test(long_numbers),
        cmocka_unit_test(cuts),
    };
    return cmocka_run_group_tests_name("amount", tests, NULL, NULL);
}
