#include "base/external_labels.h"
#include "support.h"

static struct external_labels labels;
static char error[ERROR_MAX];

static void assert_read(const char *text, const char *expected)
{
    assert_true(external_labels_read(slice_of(text), &labels, error));
    struct slice got = external_labels_text(&labels);
    assert_int_equal(got.length, strlen(expected));
    assert_memory_equal(got.at, expected, got.length);
}

static void assert_refused(const char *text, const char *expected)
{
    assert_false(external_labels_read(slice_of(text), &labels, error));
    assert_string_equal(error, expected);
}

static void assert_renamed(const char *name, const char *expected)
{
    struct slice got = external_labels_rename(&labels, slice_of(name));
    assert_int_equal(got.length, strlen(expected));
    assert_memory_equal(got.at, expected, got.length);
}

static void reading(void **state)
{
    (void)state;
    assert_read("replica=a", "replica=\"a\"");
    assert_read("replica=a,region=eu", "region=\"eu\",replica=\"a\"");
    assert_read(" replica = a b , region=eu=west ", "region=\"eu=west\",replica=\"a b\"");
    assert_read("replica=say \"a\\b\"", "replica=\"say \\\"a\\\\b\\\"\"");
    assert_read("replica=Z\xC3\xBCrich", "replica=\"Z\xC3\xBCrich\"");
    assert_int_equal(labels.count, 1);
}

static void refusals(void **state)
{
    (void)state;
    assert_refused("replica", "has \"replica\", which has no value: write name=value, name=value");
    assert_refused("replica=", "has \"replica\", which has no value: write name=value, name=value");
    assert_refused("a=b,",
                   "has \"\", which is no name of a label: letters, digits and \"_\", without \"__\" at its start");
    assert_refused("__replica=a", "has \"__replica\", which is no name of a label: letters, digits and \"_\", without "
                                  "\"__\" at its start");
    assert_refused("1=a", "has \"1\", which is no name of a label: letters, digits and \"_\", without \"__\" at its "
                          "start");
    assert_refused("replica=a,replica=b", "has \"replica\", which stands twice");
    assert_refused("replica=\xFF", "has \"replica\", which has a value that is not UTF-8");
    assert_refused("a=1,b=2,c=3,d=4,e=5,f=6,g=7,h=8,i=9", "has more than 8 labels");
    char text[256] = {0};
    memset(text, 'x', EXTERNAL_LABEL_NAME_MAX + 1);
    memcpy(text + EXTERNAL_LABEL_NAME_MAX + 1, "=a", 3);
    assert_false(external_labels_read(slice_of(text), &labels, error));
    assert_non_null(strstr(error, "is too long"));
    memcpy(text, "replica=", 8);
    memset(text + 8, '"', EXTERNAL_LABEL_VALUE_MAX + 1);
    text[8 + EXTERNAL_LABEL_VALUE_MAX + 1] = '\0';
    assert_refused(text, "has \"replica\", which is too long");
}

/* All that may be is within the bound of the text, escapes included; and no more than that is taken. */
static void bounds(void **state)
{
    (void)state;
    char text[EXTERNAL_LABELS_MAX * 256] = {0};
    char *at = text;
    for (int i = 0; i < EXTERNAL_LABELS_MAX; i++) {
        *at++ = (char)('A' + i);
        *at++ = '=';
        memset(at, 'v', 100);
        at += 100;
        *at++ = i + 1 < EXTERNAL_LABELS_MAX ? ',' : '\0';
    }
    assert_true(external_labels_read(slice_of(text), &labels, error));
    assert_in_range(labels.length, 800, EXTERNAL_LABELS_TEXT_MAX);
    for (at = text; *at != '\0'; at++)
        if (*at == 'v')
            *at = '"'; /* twice as long */
    assert_refused(text, "is too long");
}

static void reserved_names(void **state)
{
    (void)state;
    static const char *const names[] = {"app", "process", "le", "quantile", "instance", "job", "addon", "version"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char text[64], expected[128];
        snprintf(text, sizeof text, "%s=x", names[i]);
        snprintf(expected, sizeof expected, "has \"%s\", which has a meaning already", names[i]);
        assert_refused(text, expected);
    }
}

static void renaming(void **state)
{
    (void)state;
    assert_read("replica=a,aws_region=eu", "aws_region=\"eu\",replica=\"a\"");
    assert_renamed("replica", "exported_replica");
    assert_renamed("aws.region", "exported_aws_region"); /* what it would become */
    assert_renamed("aws_region", "exported_aws_region");
    assert_renamed("replicas", "replicas");
    assert_renamed("exported_replica", "exported_replica");
    labels.count = 0;
    assert_renamed("replica", "replica");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading),        cmocka_unit_test(refusals), cmocka_unit_test(bounds),
        cmocka_unit_test(reserved_names), cmocka_unit_test(renaming),
    };
    return cmocka_run_group_tests_name("external_labels", tests, NULL, NULL);
}
