#include <stdio.h>

#include "base/external_labels.h"
#include "base/identity.h"
#include "support.h"

static struct identity identity;

static void check(const char *namespace, const char *name, const char *const *pairs, const char *expected)
{
    struct label labels[64];
    size_t count = 0;
    for (; pairs[2 * count] != NULL; count++)
        labels[count] = (struct label){slice_of(pairs[2 * count]), slice_of(pairs[2 * count + 1])};
    assert_int_equal(identity_build(&identity, slice_of(namespace), slice_of(name), labels, count), IDENTITY_OK);
    char out[IDENTITY_TEXT_MAX + 8];
    struct slice n = identity_name(&identity), l = identity_labels(&identity);
    snprintf(out, sizeof out, "%.*s{%.*s}", (int)n.length, n.at, (int)l.length, l.at);
    assert_string_equal(out, expected);
}
#define PAIRS(...) ((const char *const[]){__VA_ARGS__, NULL, NULL})
#define NO_PAIRS ((const char *const[]){NULL, NULL})

static void names(void **state)
{
    (void)state;
    check("", "up", NO_PAIRS, "up{}");
    check("vector", "hits", NO_PAIRS, "vector_hits{}");
    check("example ns", "example counter", NO_PAIRS, "example_ns_example_counter{}");
    check("", "5xx", NO_PAIRS, "_5xx{}");
    check("a", "5xx", NO_PAIRS, "a_5xx{}");
    check("", "a:b.c-d\xc3\xa9", NO_PAIRS, "a:b_c_d__{}");
    check("", "_", NO_PAIRS, "_{}");
}

static void labels(void **state)
{
    (void)state;
    check("", "g", PAIRS("b", "2", "a", "1"), "g{a=\"1\",b=\"2\"}");
    check("", "g", PAIRS("a", "1", "a", "2"), "g{a=\"2\"}");
    check("", "g", PAIRS("a", "1", "a", ""), "g{}");
    check("", "g", PAIRS("empty", "", "x", "y"), "g{x=\"y\"}");
    check("", "g", PAIRS("le", "oops", "quantile", "q", "__name__", "n"),
          "g{exported___name__=\"n\",exported_le=\"oops\",exported_quantile=\"q\"}");
    check("", "g", PAIRS("a b", "1", "a_b", "2", "9", "3", "a:b", "4"), "g{_9=\"3\",a_b=\"4\"}");
    check("", "g", PAIRS("m", "a\nforged 99"), "g{m=\"a\\nforged 99\"}");
    check("", "g", PAIRS("m", "q\"b\\"), "g{m=\"q\\\"b\\\\\"}");
    check("", "g",
          PAIRS("m", "\xff"
                     "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xc3"),
          "g{m=\"\xef\xbf\xbd"
          "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xef\xbf\xbd\"}");
    check("", "g", PAIRS("m", "\xed\xa0\x80\xc0\x80\xf5\x80"),
          "g{m=\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"}");
}

static void renames(void **state)
{
    (void)state;
    struct identity other;
    check("", "g", PAIRS("b", "2", "a", "\"1"), "g{a=\"\\\"1\",b=\"2\"}");
    assert_int_equal(identity_rename(&other, identity_labels(&identity), SLICE("a-b"), SLICE("5xx")), IDENTITY_OK);
    assert_true(slice_equals((struct slice){other.text, other.length}, SLICE("a_b_5xxa=\"\\\"1\",b=\"2\"")));
    assert_true(slice_equals(identity_name(&other), SLICE("a_b_5xx")));
    assert_int_equal(identity_rename(&other, identity_labels(&identity), SLICE("a"), SLICE("")), IDENTITY_BAD_NAME);
}

static void refusals(void **state)
{
    (void)state;
    char text[5000];
    memset(text, 'a', sizeof text);
    struct label label = {SLICE("a"), {text, IDENTITY_VALUE_MAX}};
    assert_int_equal(identity_build(&identity, SLICE(""), SLICE(""), NULL, 0), IDENTITY_BAD_NAME);
    assert_int_equal(identity_build(&identity, SLICE(""), (struct slice){text, 300}, NULL, 0), IDENTITY_BAD_NAME);
    assert_int_equal(identity_build(&identity, SLICE(""), SLICE("g"), &label, 1), IDENTITY_OK);
    label.value.length++;
    assert_int_equal(identity_build(&identity, SLICE(""), SLICE("g"), &label, 1), IDENTITY_BAD_LABELS);
    label = (struct label){{text, IDENTITY_LABEL_MAX + 1}, SLICE("x")};
    assert_int_equal(identity_build(&identity, SLICE(""), SLICE("g"), &label, 1), IDENTITY_BAD_LABELS);
    label.name.length = 0;
    assert_int_equal(identity_build(&identity, SLICE(""), SLICE("g"), &label, 1), IDENTITY_BAD_LABELS);

    struct label many[IDENTITY_LABELS_MAX + 1];
    char names_of_many[IDENTITY_LABELS_MAX + 1][8];
    for (size_t i = 0; i <= IDENTITY_LABELS_MAX; i++) {
        snprintf(names_of_many[i], sizeof names_of_many[i], "l%zu", i);
        many[i] = (struct label){slice_of(names_of_many[i]), SLICE("v")};
    }
    assert_int_equal(identity_build(&identity, SLICE(""), SLICE("g"), many, IDENTITY_LABELS_MAX), IDENTITY_OK);
    assert_int_equal(identity_build(&identity, SLICE(""), SLICE("g"), many, IDENTITY_LABELS_MAX + 1),
                     IDENTITY_BAD_LABELS);

    /* Escapes and replacements make a value longer than it was: the room is checked for what is written. */
    memset(text, '\xff', sizeof text);
    for (size_t i = 0; i < 4; i++)
        many[i].value = (struct slice){text, IDENTITY_VALUE_MAX};
    assert_int_equal(identity_build(&identity, SLICE(""), SLICE("g"), many, 1), IDENTITY_OK);
    assert_int_equal(identity_build(&identity, SLICE(""), SLICE("g"), many, 4), IDENTITY_BAD_LABELS);
}

static struct slice rename_some(const void *context, struct slice name)
{
    return external_labels_rename(context, name);
}

/* The labels of a series, under external labels of the names a, replica and zone. */
static void check_renamed(const char *labels, const char *expected)
{
    struct external_labels external;
    char error[ERROR_MAX];
    assert_true(external_labels_read(SLICE("zone=1,a=2,replica=3"), &external, error));
    assert_true(identity_read(&identity, SLICE("g"), slice_of(labels)));
    assert_true(identity_rename_labels(&identity, rename_some, &external));
    assert_slice(identity_labels(&identity), expected);
    assert_slice(identity_name(&identity), "g");
}

static void other_labels(void **state)
{
    (void)state;
    check_renamed("", "");
    check_renamed("b=\"1\",zones=\"2\"", "b=\"1\",zones=\"2\"");
    check_renamed("app=\"shop\",replica=\"a \\\"b\\\\\",x=\"1\"",
                  "app=\"shop\",exported_replica=\"a \\\"b\\\\\",x=\"1\"");
    check_renamed("a=\"1\",f=\"2\",zone=\"3\"", "exported_a=\"1\",exported_zone=\"3\",f=\"2\"");
    check_renamed("a=\"new\",exported_a=\"old\"", "exported_a=\"new\"");
    check_renamed("exported_zone=\"old\",zone=\"new\"", "exported_zone=\"new\"");
}

static void other_labels_too_long(void **state)
{
    (void)state;
    struct external_labels external;
    char error[ERROR_MAX], labels[IDENTITY_TEXT_MAX];
    assert_true(external_labels_read(SLICE("z=1"), &external, error));
    for (int room = 8; room <= 12; room++) {
        int length = snprintf(labels, sizeof labels, "a=\"%0*d\",b=\"%0*d\",z=\"1\"", 2000, 1,
                              IDENTITY_TEXT_MAX - 2016 - room, 1);
        assert_true(identity_read(&identity, SLICE("g"), (struct slice){labels, (size_t)length}));
        assert_int_equal(identity.length, IDENTITY_TEXT_MAX - room);
        assert_int_equal(identity_rename_labels(&identity, rename_some, &external), room >= 9);
        if (room >= 9)
            assert_int_equal(identity.length, IDENTITY_TEXT_MAX - room + 9);
    }
}

static void becoming(void **state)
{
    (void)state;
    assert_true(identity_label_becomes(SLICE("app"), SLICE("app")));
    assert_false(identity_label_becomes(SLICE("apple"), SLICE("app")));
    assert_true(identity_label_becomes(SLICE("a p"), SLICE("a_p")));
    assert_false(identity_label_becomes(SLICE(""), SLICE("app")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),    cmocka_unit_test(labels),       cmocka_unit_test(renames),
        cmocka_unit_test(refusals), cmocka_unit_test(other_labels), cmocka_unit_test(other_labels_too_long),
        cmocka_unit_test(becoming),
    };
    return cmocka_run_group_tests_name("identity", tests, NULL, NULL);
}
