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

static struct sample sample_of(const struct metric *metric, struct label *labels, size_t count)
{
    return (struct sample){.metric = metric, .labels = labels, .label_count = count};
}

static struct series *find(const struct sample *sample)
{
    struct cached_series *slot = series_cache_find(&cache, sample);
    return slot == NULL ? NULL : slot->series;
}

static void keep(const struct sample *sample, struct series *series)
{
    series_cache_keep(&cache, series_cache_find(&cache, sample), sample, series);
}

static void found_by_metric_and_values(void **state)
{
    (void)state;
    struct series one, two, three;
    struct label labels[] = {{SLICE("app"), SLICE("a")}, {SLICE("code"), SLICE("H12")}};
    struct label others[] = {{SLICE("app"), SLICE("a")}, {SLICE("code"), SLICE("H13")}};
    struct sample a = sample_of(&hits, labels, 2), b = sample_of(&hits, others, 2), c = sample_of(&misses, labels, 2),
                  d = sample_of(&hits, labels, 1);
    series_cache_forget(&cache);
    assert_null(find(&a));
    keep(&a, &one);
    assert_ptr_equal(find(&a), &one);
    assert_null(find(&b));
    assert_null(find(&c));
    assert_null(find(&d));
    series_cache_forget(&cache);
    keep(&a, &one);
    keep(&b, &two);
    keep(&c, &three);
    assert_ptr_equal(find(&b), &two);
    assert_ptr_equal(find(&c), &three);
    series_cache_forget(&cache);
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
    series_cache_forget(&cache);
    assert_null(series_cache_find(&cache, &larger));
    keep(&sample, &series);
    assert_ptr_equal(find(&sample), &series);
}

/* What was asked for lately is found; whatever is found is right. */
static void many(void **state)
{
    (void)state;
    static struct series series[1000];
    static char texts[1000][16];
    series_cache_forget(&cache);
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
    assert_in_range(found, 50, SERIES_CACHE_SLOTS);
}

/* Values that are valid during the call only are copied; when there is no room for more, all is forgotten. */
static void transient_values(void **state)
{
    (void)state;
    static struct series series[200];
    static char text[1000];
    series_cache_forget(&cache);
    for (int i = 0; i < 200; i++) {
        memset(text, 'a' + i % 26, sizeof text);
        int length = snprintf(text, 16, "%d", i);
        text[length] = '-';
        struct label labels[] = {{SLICE("l"), {text, sizeof text}}, {SLICE("empty"), SLICE("")}};
        struct sample sample = sample_of(&hits, labels, 2);
        sample.transient = true;
        assert_null(find(&sample));
        keep(&sample, &series[i]);
        memset(text, '#', sizeof text);
        assert_null(find(&sample));
        memset(text, 'a' + i % 26, sizeof text);
        snprintf(text, 16, "%d", i);
        text[length] = '-';
        struct series *kept = find(&sample);
        assert_true(kept == NULL || kept == &series[i]); /* the slot may have been given to the other question */
        keep(&sample, &series[i]);
        assert_ptr_equal(find(&sample), &series[i]);
        assert_true(cache.text_used <= sizeof cache.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(found_by_metric_and_values),
        cmocka_unit_test(too_many_labels),
        cmocka_unit_test(many),
        cmocka_unit_test(transient_values),
    };
    return cmocka_run_group_tests_name("series_cache", tests, NULL, NULL);
}
