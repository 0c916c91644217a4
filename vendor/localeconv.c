/* cJSON asks localeconv() for the decimal point at every number it reads.  glibc answers by filling one static struct,
 * so the cache line that holds it travels between all threads that read JSON.  Ours is constant, which also fixes the
 * decimal point.  A definition in the executable takes the place of the C library's for shared libraries too. */
#include <limits.h>
#include <locale.h>

struct lconv *localeconv(void)
{
    static char point[] = ".";
    static char none[] = "";
    static struct lconv c_locale = {
        .decimal_point = point,
        .thousands_sep = none,
        .grouping = none,
        .int_curr_symbol = none,
        .currency_symbol = none,
        .mon_decimal_point = none,
        .mon_thousands_sep = none,
        .mon_grouping = none,
        .positive_sign = none,
        .negative_sign = none,
        .int_frac_digits = CHAR_MAX,
        .frac_digits = CHAR_MAX,
        .p_cs_precedes = CHAR_MAX,
        .p_sep_by_space = CHAR_MAX,
        .n_cs_precedes = CHAR_MAX,
        .n_sep_by_space = CHAR_MAX,
        .p_sign_posn = CHAR_MAX,
        .n_sign_posn = CHAR_MAX,
        .int_p_cs_precedes = CHAR_MAX,
        .int_p_sep_by_space = CHAR_MAX,
        .int_n_cs_precedes = CHAR_MAX,
        .int_n_sep_by_space = CHAR_MAX,
        .int_p_sign_posn = CHAR_MAX,
        .int_n_sign_posn = CHAR_MAX,
    };
    return &c_locale;
}
