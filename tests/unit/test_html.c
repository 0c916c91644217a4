#include "output/html.h"

#include <math.h>

#include "output/sparkline.h"
#include "support.h"

static void check(struct slice text, const char *expected)
{
    struct buffer out = {0};
    html_escape(&out, guarded(text));
    assert_slice(((struct slice){out.at, out.length}), expected);
    buffer_free(&out);
}

static void escaping(void **state)
{
    (void)state;
    check(SLICE("plain \xC3\xA4 \xF0\x9F\x90\xAC"), "plain \xC3\xA4 \xF0\x9F\x90\xAC");
    check(SLICE("<script>alert(\"1\")&'</script>"), "&lt;script&gt;alert(&quot;1&quot;)&amp;&#39;&lt;/script&gt;");
    check(SLICE("a\0b\x1B[2J\x7F"), "a\xEF\xBF\xBD"
                                    "b\xEF\xBF\xBD[2J\xEF\xBF\xBD");
    check(SLICE("a\nb\tc"), "a\nb\tc");
    check(SLICE("\xFF<\xC3"), "\xEF\xBF\xBD&lt;\xEF\xBF\xBD");
    check(SLICE("\xED\xA0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"); /* half of a surrogate pair */
    check(SLICE("a\xC2\x85\xC2\xA0"), "a\xEF\xBF\xBD\xC2\xA0");
}

/* What would show "gpj.exe" as "exe.jpg". */
static void direction(void **state)
{
    (void)state;
    static const char *const harmful[] = {"\xE2\x80\x8E", "\xE2\x80\x8F", "\xE2\x80\xAA", "\xE2\x80\xAE",
                                          "\xE2\x81\xA6", "\xE2\x81\xA9", "\xD8\x9C"};
    for (size_t i = 0; i < sizeof harmful / sizeof harmful[0]; i++)
        check(slice_of(harmful[i]), "\xEF\xBF\xBD");
    check(SLICE("\xE2\x80\x94\xE2\x81\xA5\xD8\xA7"), "\xE2\x80\x94\xE2\x81\xA5\xD8\xA7");
}

/* No byte can end an attribute or an element. */
static void every_byte(void **state)
{
    (void)state;
    for (int first = 0; first < 256; first++)
        for (int second = 0; second < 256; second++) {
            const char text[2] = {(char)first, (char)second};
            struct buffer out = {0};
            html_escape(&out, guarded((struct slice){text, 2}));
            assert_true(out.length >= 1);
            for (size_t i = 0; i < out.length; i++)
                assert_null(strchr("<>\"'", out.at[i] == '\0' ? '<' : out.at[i]));
            buffer_free(&out);
        }
}

static void templates(void **state)
{
    (void)state;
    struct buffer out = {0};
    html_put(&out, "<td title=\"@\">@</td>@", "a & b", "<c> @", (const char *)NULL);
    assert_slice(((struct slice){out.at, out.length}), "<td title=\"a &amp; b\">&lt;c&gt; @</td>");
    buffer_free(&out);
}

static void pictures(void **state)
{
    (void)state;
    const double values[] = {0, 1, NAN, 4, INFINITY, -3, 0.0001};
    struct buffer out = {0};
    sparkline_write(values, sizeof values / sizeof values[0], "\"<", &out);
    assert_slice(((struct slice){out.at, out.length}),
                 "<svg role=\"img\" aria-label=\"&quot;&lt;\" preserveAspectRatio=\"none\" viewBox=\"0 0 28 48\">"
                 "<path fill=\"currentColor\" d=\"M4 48v-12h3v12M12 48v-46h3v46M24 48v-2h3v2\"/></svg>");
    buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escaping),  cmocka_unit_test(direction), cmocka_unit_test(every_byte),
        cmocka_unit_test(templates), cmocka_unit_test(pictures),
    };
    return cmocka_run_group_tests_name("html", tests, NULL, NULL);
}
