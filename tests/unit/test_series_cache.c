#include "intake/series_cache.h"

#include <stdio.h>

#include "support.h"

/* Never looked into by the cache. */
struct series {
    int number;
};

static const struct metric hits = {.name = "hits", .type = METRIC_COUNTER, .cells = 1};
static const struct metric misses = {.name = "misses", .type = METRIC_COUNTER, .cells = 1};
static struct series_cache cache;
static uint64_t removals = 1, fixed;

static struct sample sample_of(const struct metric *metric, struct label *labels, size_t count)
{
    return (struct sample){.metric = metric, .labels = labels, .label_count = count};
}

static struct series *find(const struct sample *sample)
{
    struct cached_series *slot = series_cache_find(&cache, sample, fixed);
    return slot == NULL ? NULL : slot->series;
}

static void keep(const struct sample *sample, struct series *series)
{
    series_cache_keep(&cache, series_cache_find(&cache, sample, fixed), sample, fixed, series, true);
}

static void found_by_metric_and_values(void **state)
{
    (void)state;
    struct series one, two, three;
    struct label labels[] = {{SLICE("app"), SLICE("a")}, {SLICE("code"), SLICE("H12")}};
    struct label others[] = {{SLICE("app"), SLICE("a")}, {SLICE("code"), SLICE("H13")}};
    struct sample a = sample_of(&hits, labels, 2), b = sample_of(&hits, others, 2), c = sample_of(&misses, labels, 2),
                  d = sample_of(&hits, labels, 1);
    series_cache_begin(&cache, ++removals);
    assert_null(find(&a));
    keep(&a, &one);
    assert_ptr_equal(find(&a), &one);
    assert_null(find(&b));
    assert_null(find(&c));
    assert_null(find(&d));
    series_cache_begin(&cache, ++removals);
    keep(&a, &one);
    keep(&b, &two);
    keep(&c, &three);
    assert_ptr_equal(find(&b), &two);
    assert_ptr_equal(find(&c), &three);
    series_cache_begin(&cache, ++removals);
    assert_null(find(&b));
}

static void too_many_labels(void **state)
{
    (void)state;
    struct label labels[SERIES_CACHE_LABELS + 1];
    for (size_t i = 0; i < COUNT(labels); i++)
        labels[i] = (struct label){SLICE("l"), SLICE("x")};
    struct sample sample = sample_of(&hits, labels, SERIES_CACHE_LABELS),
                  larger = sample_of(&hits, labels, COUNT(labels));
    struct series series;
    series_cache_begin(&cache, ++removals);
    assert_null(series_cache_find(&cache, &larger, 0));
    keep(&sample, &series);
    assert_ptr_equal(find(&sample), &series);
}

/* What was asked for lately is found; whatever is found is right. */
static void many(void **state)
{
    (void)state;
    static struct series series[1000];
    static char texts[1000][16];
    series_cache_begin(&cache, ++removals);
    for (int i = 0; i < 1000; i++) {
        snprintf(texts[i], sizeof texts[i], "%d", i);
        struct label label = {SLICE("l"), slice_of(texts[i])};
        struct sample sample = sample_of(&hits, &label, 1);
        assert_null(find(&sample));
        keep(&sample, &series[i]);
        assert_ptr_equal(find(&sample), &series[i]);
    }
    unsigned found = 0;
    for (int i = 999; i >= 0; i--) {
        struct label label = {SLICE("l"), slice_of(texts[i])};
        struct sample sample = sample_of(&hits, &label, 1);
        struct series *kept = find(&sample);
        assert_true(kept == NULL || kept == &series[i]);
        found += kept != NULL;
    }
    assert_in_range(found, 500, SERIES_CACHE_SLOTS);
}

/* Values are copied, and those that are too long have no slot. */
static void values_are_copied(void **state)
{
    (void)state;
    struct series series;
    char text[SERIES_CACHE_TEXT + 1];
    struct label labels[] = {{SLICE("l"), {text, sizeof text - 1}}, {SLICE("empty"), SLICE("")}};
    struct sample sample = sample_of(&hits, labels, 2);
    series_cache_begin(&cache, ++removals);
    memset(text, 'a', sizeof text);
    keep(&sample, &series);
    memset(text, 'b', sizeof text);
    assert_null(find(&sample));
    memset(text, 'a', sizeof text);
    keep(&sample, &series);
    assert_ptr_equal(find(&sample), &series);
    labels[0].value.length++;
    assert_null(series_cache_find(&cache, &sample, fixed));
}

/* One value is not the beginning of another, and where one ends counts. */
static void values_end(void **state)
{
    (void)state;
    struct series series;
    struct label labels[] = {{SLICE("a"), SLICE("xy")}, {SLICE("b"), SLICE("z")}};
    struct label others[] = {{SLICE("a"), SLICE("x")}, {SLICE("b"), SLICE("yz")}};
    struct sample sample = sample_of(&hits, labels, 2), other = sample_of(&hits, others, 2);
    series_cache_begin(&cache, ++removals);
    keep(&sample, &series);
    assert_null(find(&other));
}

static bool is_present(const struct sample *sample)
{
    struct cached_series *slot = series_cache_find(&cache, sample, fixed);
    return slot->series != NULL && series_cache_is_present(&cache, slot);
}

/* What was found in a batch before is asked about; it is forgotten if series were removed, or if it was not to last. */
static void over_batches(void **state)
{
    (void)state;
    struct series series;
    struct label labels[] = {{SLICE("app"), SLICE("a")}};
    struct sample sample = sample_of(&hits, labels, 1);
    series_cache_begin(&cache, ++removals);
    keep(&sample, &series);
    assert_true(is_present(&sample));
    series_cache_begin(&cache, removals);
    assert_ptr_equal(find(&sample), &series);
    assert_false(is_present(&sample));
    series_cache_renew(&cache, series_cache_find(&cache, &sample, fixed));
    assert_true(is_present(&sample));
    series_cache_begin(&cache, ++removals);
    assert_null(find(&sample));
    series_cache_keep(&cache, series_cache_find(&cache, &sample, fixed), &sample, fixed, &series, false);
    assert_true(is_present(&sample));
    series_cache_begin(&cache, removals);
    assert_null(find(&sample));
}

/* Batches with other fixed labels have other series. */
static void fixed_labels(void **state)
{
    (void)state;
    struct series series;
    struct label labels[] = {{SLICE("app"), SLICE("a")}};
    struct label eu = {SLICE("region"), SLICE("eu")}, us = {SLICE("region"), SLICE("us")};
    struct sample sample = sample_of(&hits, labels, 1);
    series_cache_begin(&cache, ++removals);
    fixed = series_cache_fixed(&cache, &eu, 1);
    keep(&sample, &series);
    assert_ptr_equal(find(&sample), &series);
    fixed = series_cache_fixed(&cache, &us, 1);
    assert_null(find(&sample));
    assert_int_not_equal(series_cache_fixed(&cache, &eu, 1), series_cache_fixed(&cache, &eu, 0));
    fixed = 0;
}

/* ---- reported series ---- */

static const struct metric level = {.name = "level", .type = METRIC_GAUGE};

/* A label text is found by the values, which are copied, and by the fixed labels. */
static void label_texts(void **state)
{
    (void)state;
    char a[] = "a";
    struct label labels[] = {{SLICE("app"), {a, 1}}, {SLICE("process"), SLICE("web.1")}};
    struct sample sample = sample_of(&level, labels, 2);
    struct label_text *text = series_cache_labels(&cache, &sample, 7);
    assert_int_equal(text->length, 0);
    series_cache_keep_labels(text, &sample, 7, SLICE("app=a,process=web.1"));
    text = series_cache_labels(&cache, &sample, 7);
    assert_int_equal(text->length, 19);
    assert_memory_equal(text->text, "app=a,process=web.1", 19);
    a[0] = 'b';
    assert_int_equal(series_cache_labels(&cache, &sample, 7)->length, 0);
    a[0] = 'a';
    text = series_cache_labels(&cache, &sample, 7);
    series_cache_keep_labels(text, &sample, 7, SLICE("x"));
    assert_int_equal(series_cache_labels(&cache, &sample, 8)->length, 0);
    sample.metric = NULL; /* with fixed labels it would have another text */
    assert_int_equal(series_cache_labels(&cache, &sample, 7)->length, 0);
    sample.metric = &level;
    labels[0].name = SLICE("source");
    assert_int_equal(series_cache_labels(&cache, &sample, 7)->length, 0);
    static char long_value[LABEL_TEXT_VALUES];
    labels[1].value = (struct slice){long_value, sizeof long_value};
    assert_null(series_cache_labels(&cache, &sample, 7));
    sample.label_count = LABEL_TEXT_LABELS + 1;
    assert_null(series_cache_labels(&cache, &sample, 7));
}

/* The processes of an app have a text each. */
static void label_texts_of_processes(void **state)
{
    (void)state;
    unsigned found = 0;
    for (unsigned round = 0; round < 2; round++) {
        for (char process = '1'; process <= '9'; process++) {
            char name[] = {'w', 'e', 'b', '.', process};
            struct label labels[] = {{SLICE("app"), SLICE("a")}, {SLICE("process"), {name, sizeof name}}};
            struct sample sample = sample_of(&level, labels, 2);
            struct label_text *text = series_cache_labels(&cache, &sample, 0);
            found += text->length > 0;
            series_cache_keep_labels(text, &sample, 0, (struct slice){name, sizeof name});
        }
    }
    assert_in_range(found, 6, 9);
}

static struct series *find_report(const struct sample *sample, const struct label_text *labels)
{
    return series_cache_find_report(&cache, sample, labels)->series;
}

/* A report's series is found by metric, namespace, name and label text, until series are removed. */
static void reports(void **state)
{
    (void)state;
    struct series series;
    struct label_text labels = {.hash = 1}, others = {.hash = 2};
    struct sample sample = {.metric = &level, .namespace = SLICE("ns"), .name = SLICE("size")};
    series_cache_begin(&cache, ++removals);
    assert_null(find_report(&sample, &labels));
    series_cache_keep_report(&cache, series_cache_find_report(&cache, &sample, &labels), &sample, &labels, &series);
    assert_ptr_equal(find_report(&sample, &labels), &series);
    assert_null(find_report(&sample, &others));
    const struct sample different[] = {
        {.metric = &hits, .namespace = SLICE("ns"), .name = SLICE("size")},
        {.metric = &level, .namespace = SLICE("n"), .name = SLICE("ssize")},
        {.metric = &level, .namespace = SLICE("ns"), .name = SLICE("sizes")},
    };
    for (size_t i = 0; i < COUNT(different); i++)
        assert_ptr_not_equal(find_report(&different[i], &labels), &series);
    series_cache_keep_report(&cache, series_cache_find_report(&cache, &sample, &labels), &sample, &labels, &series);
    series_cache_begin(&cache, removals);
    assert_ptr_equal(find_report(&sample, &labels), &series);
    series_cache_begin(&cache, ++removals);
    assert_null(find_report(&sample, &labels));
    static char long_name[REPORT_TEXT];
    sample.name = (struct slice){long_name, sizeof long_name};
    assert_null(series_cache_find_report(&cache, &sample, &labels));
}

/* A process is known for moments, of one app and as long as nothing is removed. */
static void processes(void **state)
{
    (void)state;
    enum { APP = 7, OTHER = 8 };
    const int64_t time = 1670428500000000;
    struct slice web = SLICE("web.1");
    series_cache_begin(&cache, ++removals);
    assert_false(series_cache_knows(&cache, APP, 1, web, 100000, time));
    assert_true(series_cache_knows(&cache, APP, 1, web, 100000, time));
    assert_true(series_cache_knows(&cache, APP, 1, web, 100000 + KNOWN_FOR - 1, time + KNOWN_FOR * 1000 - 1));
    assert_true(series_cache_knows(&cache, APP, 1, web, 100000, time - KNOWN_FOR * 1000 + 1));
    series_cache_begin(&cache, removals); /* the next batch */
    assert_true(series_cache_knows(&cache, APP, 1, web, 100000, time));
    assert_false(series_cache_knows(&cache, OTHER, 1, web, 100000, time));
    assert_false(series_cache_knows(&cache, APP, 2, web, 100000, time));
    assert_false(series_cache_knows(&cache, APP, 1, SLICE("web.2"), 100000, time));
    assert_false(series_cache_knows(&cache, APP, 1, SLICE(""), 100000, time));
    assert_true(series_cache_knows(&cache, APP, 1, SLICE(""), 100000, time));

    assert_false(series_cache_knows(&cache, APP, 3, web, 100000, time));
    assert_false(series_cache_knows(&cache, APP, 3, web, 100000 + KNOWN_FOR, time));
    assert_false(series_cache_knows(&cache, APP, 3, web, 100000 + KNOWN_FOR, time + KNOWN_FOR * 1000));
    assert_false(series_cache_knows(&cache, APP, 3, web, 100000 + KNOWN_FOR, time));
    series_cache_begin(&cache, ++removals);
    assert_false(series_cache_knows(&cache, APP, 3, web, 100000 + KNOWN_FOR, time));

    /* Who cannot be noted is not known. */
    struct slice name = SLICE("123456789012345678901234");
    for (int i = 0; i < 2; i++) {
        assert_false(series_cache_knows(&cache, APP, 1, name, 100000, time));
        assert_false(series_cache_knows(&cache, ENTITY_NONE, 1, web, 100000, time));
    }
    assert_int_equal(name.length, KNOWN_NAME + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(found_by_metric_and_values),
        cmocka_unit_test(too_many_labels),
        cmocka_unit_test(many),
        cmocka_unit_test(values_are_copied),
        cmocka_unit_test(values_end),
        cmocka_unit_test(over_batches),
        cmocka_unit_test(fixed_labels),
        cmocka_unit_test(label_texts),
        cmocka_unit_test(label_texts_of_processes),
        cmocka_unit_test(reports),
        cmocka_unit_test(processes),
    };
    return cmocka_run_group_tests_name("series_cache", tests, NULL, NULL);
}
