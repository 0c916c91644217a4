#include <stdio.h>
#include <stdlib.h>

#include "output/page.h"
#include "support.h"

static struct entities *entities;
static struct store *store;
static uint64_t all_saw;
static struct page_selection selection;

static int setup(void **state)
{
    (void)state;
    entities = entities_create(&(struct entities_settings){.app_silence = 1000, .grace = 100});
    store = store_create(&(struct store_settings){.max_series = 10000, .slots = 1, .entities = entities});
    store_enter(store, 0);
    all_saw = UINT64_MAX;
    selection = (struct page_selection){.kind = PAGE_ALL};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    store_leave(store, 0);
    store_free(store);
    entities_free(entities);
    return 0;
}

static void put(const char *name, const char *app, const struct metric *metric, struct value *value)
{
    struct identity identity;
    struct label label = {SLICE("app"), slice_of(app)};
    identity_build(&identity, SLICE(""), slice_of(name), &label, 1);
    store_update(store, 0, &identity, metric, value, false, &(struct store_terms){.now = 1});
}

static void put_number(const char *name, const char *app, enum value_type type, double number)
{
    put(name, app, NULL, &(struct value){.type = (uint16_t)type, .number = number});
}

static void put_words(const char *name, enum value_type type, double number, uint32_t size, const double *words)
{
    size_t count = value_word_count(type, size);
    struct value *value = calloc(1, sizeof *value + count * sizeof value->words[0]);
    value->type = (uint16_t)type;
    value->number = number;
    value->size = size;
    for (size_t i = 0; i < count; i++)
        value->words[i].number = words[i];
    put(name, "a", NULL, value);
    free(value);
}

static struct slice external; /* labels of all series */

static const struct page_terms *terms(void)
{
    static struct page_terms all;
    all = (struct page_terms){.store = store,
                              .slot = 0,
                              .now = 1,
                              .all_saw = all_saw,
                              .encoder = &text_encoder,
                              .external = external,
                              .selection = selection};
    return &all;
}

static struct page_result write_page(struct buffer *page)
{
    return page_write(terms(), page);
}

/* Append the rest of a page in pieces of this size.  Whoever writes it may leave between two of them, and sweep. */
static void write_pieces(struct page_writer *writer, size_t size, struct buffer *page)
{
    for (bool more = true; more;) {
        struct buffer piece = {0};
        more = page_write_piece(writer, &piece, size);
        assert_false(piece.failed);
        assert_true(more ? piece.length >= size : piece.length <= size + 4096);
        assert_true(piece.length == 0 || piece.at[piece.length - 1] == '\n');
        buffer_append(page, (struct slice){piece.at, piece.length});
        buffer_free(&piece);
        store_leave(store, 0);
        store_enter(store, 0);
        store_sweep(store, 0, 1);
    }
}

/* The page is the same whole and in pieces, and a copy that is made anywhere goes on in the same way. */
static void assert_page(const char *expected)
{
    struct buffer page = {0};
    write_page(&page);
    assert_false(page.failed);
    buffer_append(&page, (struct slice){"", 1});
    assert_string_equal(page.at, expected);
    for (size_t size = 1; size < 2 * page.length; size = size < 300 ? size + 7 : size * 2) {
        struct buffer pieces = {0}, copied = {0};
        struct page_writer *writer = page_begin(terms());
        bool more = page_write_piece(writer, &pieces, size);
        buffer_append(&copied, (struct slice){pieces.at, pieces.length});
        struct page_writer *copy = page_copy(writer);
        if (more)
            write_pieces(writer, size, &pieces);
        page_end(writer);
        if (more)
            write_pieces(copy, size, &copied);
        page_end(copy);
        buffer_append(&pieces, (struct slice){"", 1});
        buffer_append(&copied, (struct slice){"", 1});
        assert_string_equal(pieces.at, expected);
        assert_string_equal(copied.at, expected);
        buffer_free(&pieces);
        buffer_free(&copied);
    }
    buffer_free(&page);
}

#define HEADER(name, type) "# HELP " name " Reported by the app on its log.\n# TYPE " name " " type "\n"

static void simple(void **state)
{
    (void)state;
    struct buffer nothing = {0};
    assert_int_equal(write_page(&nothing).lines, 0);
    assert_int_equal(nothing.length, 0);
    static const struct metric gauge = {.name = "ours", .help = "With help.", .type = METRIC_GAUGE};
    put_number("b", "x", VALUE_COUNTER, 1e21);
    put_number("a", "", VALUE_GAUGE, -0.5);
    put("ours", "x", &gauge, &(struct value){.type = VALUE_GAUGE, .number = 2});
    assert_page(HEADER("a", "gauge") "a -0.5\n" HEADER(
        "b", "counter") "b{app=\"x\"} 1000000000000000000000\n"
                        "# HELP ours With help.\n# TYPE ours gauge\nours{app=\"x\"} 2\n");
}

static void composite(void **state)
{
    (void)state;
    put_words("h", VALUE_HISTOGRAM, 8, 2, (const double[]){9.5, 0.5, 1, 4, 2});
    put_words("s", VALUE_SUMMARY, 6, 2, (const double[]){12, 0.5, 0.99, 2, 3});
    assert_page(
        HEADER("h", "histogram") "h_bucket{app=\"a\",le=\"0.5\"} 4\nh_bucket{app=\"a\",le=\"1\"} "
                                 "6\nh_bucket{app=\"a\",le=\"+Inf\"} 8\n"
                                 "h_sum{app=\"a\"} 9.5\nh_count{app=\"a\"} 8\n" HEADER(
                                     "s", "summary") "s{app=\"a\",quantile=\"0.5\"} 2\ns{app=\"a\",quantile=\"0.99\"} "
                                                     "3\ns_sum{app=\"a\"} 12\ns_count{app=\"a\"} 6\n");
}

static void counted(void **state)
{
    (void)state;
    static const char *const codes[] = {"x", "y"};
    static const double bounds[] = {1, 2};
    static const struct metric counter = {
        .name = "c", .help = "C.", .type = METRIC_COUNTER, .cells = 2, .label = "code", .label_values = codes};
    static const struct metric histogram = {
        .name = "h", .help = "H.", .type = METRIC_HISTOGRAM, .cells = 4, .bounds = bounds};
    struct identity identity;
    identity_build(&identity, SLICE(""), SLICE("c"), NULL, 0);
    store_count(store, 0, &identity, &counter, 1, 3, &(struct store_terms){.now = 1});
    identity_build(&identity, SLICE(""), SLICE("h"), NULL, 0);
    for (unsigned cell = 0; cell < 4; cell++)
        store_count(store, 0, &identity, &histogram, cell, cell + 1, &(struct store_terms){.now = 1});
    assert_page("# HELP c C.\n# TYPE c counter\nc{code=\"x\"} 0\nc{code=\"y\"} 3\n# HELP h H.\n# TYPE h histogram\n"
                "h_bucket{le=\"1\"} 1\nh_bucket{le=\"2\"} 3\nh_bucket{le=\"+Inf\"} 6\nh_sum 4\nh_count 6\n");
}

/* They stand before all other labels. */
static void external_labels(void **state)
{
    (void)state;
    external = SLICE("region=\"eu\",replica=\"a\"");
    put_number("bare", "", VALUE_GAUGE, 1);
    put_number("c", "x", VALUE_COUNTER, 2);
    put_words("h", VALUE_HISTOGRAM, 8, 1, (const double[]){9.5, 0.5, 8});
    assert_page(HEADER("bare", "gauge") "bare{region=\"eu\",replica=\"a\"} 1\n" HEADER(
        "c",
        "counter") "c{region=\"eu\",replica=\"a\",app=\"x\"} 2\n" HEADER("h",
                                                                         "histogram") "h_bucket{region=\"eu\",replica="
                                                                                      "\"a\",app=\"a\",le=\"0.5\"} 8\n"
                                                                                      "h_bucket{region=\"eu\",replica="
                                                                                      "\"a\",app=\"a\",le=\"+Inf\"} 8\n"
                                                                                      "h_sum{region=\"eu\",replica="
                                                                                      "\"a\",app=\"a\"} "
                                                                                      "9.5\nh_count{region=\"eu\","
                                                                                      "replica=\"a\",app=\"a\"} 8\n");
    external = SLICE("");
}

/* One name, several types: one TYPE line, and it promises nothing. */
static void mixed_types(void **state)
{
    (void)state;
    put_number("m", "x", VALUE_COUNTER, 1);
    put_number("m", "y", VALUE_COUNTER, 2);
    put_number("m", "z", VALUE_GAUGE, 3);
    put_words("m", VALUE_HISTOGRAM, 1, 0, (const double[]){2});
    assert_page(HEADER("m", "untyped") "m{app=\"x\"} 1\nm{app=\"y\"} 2\nm{app=\"z\"} 3\n"
                                       "m_bucket{app=\"a\",le=\"+Inf\"} 1\nm_sum{app=\"a\"} 2\nm_count{app=\"a\"} 1\n");
}

/* A line that a histogram or summary prints belongs to it; others of that name stay. */
static void taken_names(void **state)
{
    (void)state;
    put_number("h_count", "a", VALUE_GAUGE, 99);
    put_number("h_sum", "a", VALUE_GAUGE, 99);
    put_number("h_count", "b", VALUE_GAUGE, 3);
    put_number("h_bucket", "a", VALUE_GAUGE, 99);
    put_number("h_bucketed", "a", VALUE_GAUGE, 6);
    put_number("g_count", "a", VALUE_GAUGE, 5);
    put_number("g", "a", VALUE_GAUGE, 4);
    put_words("h", VALUE_HISTOGRAM, 1, 0, (const double[]){2});
    struct buffer page = {0};
    assert_int_equal(write_page(&page).hidden, 3);
    buffer_free(&page);
    assert_page(HEADER("g", "gauge") "g{app=\"a\"} 4\n" HEADER("g_count", "gauge") "g_count{app=\"a\"} 5\n" HEADER(
        "h", "histogram") "h_bucket{app=\"a\",le=\"+Inf\"} 1\nh_sum{app=\"a\"} 2\nh_count{app=\"a\"} 1\n"
                          "h_count{app=\"b\"} 3\n" HEADER("h_bucketed", "gauge") "h_bucketed{app=\"a\"} 6\n");
}

/* A sibling that is itself a histogram is hidden, so its own siblings are families like any other; and a histogram's
 * siblings follow it at once, whatever sorts between them. */
static void siblings_of_siblings(void **state)
{
    (void)state;
    put_words("h", VALUE_HISTOGRAM, 1, 0, (const double[]){2});
    put_words("h_count", VALUE_HISTOGRAM, 1, 0, (const double[]){2});
    put_number("h_count", "b", VALUE_GAUGE, 3);
    put_number("h_count_sum", "a", VALUE_GAUGE, 4);
    put_number("h_bystander", "a", VALUE_GAUGE, 5);
    assert_page(HEADER(
        "h", "histogram") "h_bucket{app=\"a\",le=\"+Inf\"} 1\nh_sum{app=\"a\"} 2\nh_count{app=\"a\"} 1\n"
                          "h_count{app=\"b\"} 3\n" HEADER("h_bystander", "gauge") "h_bystander{app=\"a\"} 5\n" HEADER(
                              "h_count_sum", "gauge") "h_count_sum{app=\"a\"} 4\n");
}

/* A summary prints no buckets: that name is another metric's. */
static void siblings_of_a_summary(void **state)
{
    (void)state;
    put_words("s", VALUE_SUMMARY, 6, 1, (const double[]){12, 0.5, 2});
    put_number("s_bucket", "a", VALUE_GAUGE, 7);
    put_number("s_sum", "a", VALUE_GAUGE, 99);
    assert_page(HEADER("s", "summary") "s{app=\"a\",quantile=\"0.5\"} 2\ns_sum{app=\"a\"} 12\ns_count{app=\"a\"} "
                                       "6\n" HEADER("s_bucket", "gauge") "s_bucket{app=\"a\"} 7\n");
}

static void add(const char *name, const struct metric *metric, unsigned cell, uint64_t now)
{
    struct identity identity;
    identity_build(&identity, SLICE(""), slice_of(name), NULL, 0);
    store_count(store, 0, &identity, metric, cell, 7, &(struct store_terms){.now = now});
}

static void add_value(const char *name, enum value_type type, const double *words, size_t count, uint32_t size)
{
    struct identity identity;
    identity_build(&identity, SLICE(""), slice_of(name), NULL, 0);
    struct value *value = calloc(1, sizeof *value + count * sizeof value->words[0]);
    value->type = (uint16_t)type;
    value->number = 3;
    value->size = size;
    for (size_t i = 0; i < count; i++)
        value->words[i].number = words[i];
    store_update(store, 0, &identity, NULL, value, true, &(struct store_terms){.now = 3});
    free(value);
}

/* What is born after a page stands at 0 until all have seen it; what was there before, and gauges, do not. */
static void newborn(void **state)
{
    (void)state;
    static const char *const codes[] = {"x", "y"};
    static const double bounds[] = {1, 2};
    static const struct metric counter = {
        .name = "c", .help = "C.", .type = METRIC_COUNTER, .cells = 2, .label = "code", .label_values = codes};
    static const struct metric old = {.name = "old", .help = "O.", .type = METRIC_COUNTER, .cells = 1};
    static const struct metric histogram = {
        .name = "h", .help = "H.", .type = METRIC_HISTOGRAM, .cells = 4, .bounds = bounds};
    add("old", &old, 0, 1);
    store_note_page(store);
    add("c", &counter, 1, 3);
    for (unsigned cell = 0; cell < 4; cell++)
        add("h", &histogram, cell, 3);
    add("old", &old, 0, 3);
    add_value("added", VALUE_COUNTER, NULL, 0, 0);
    add_value("gauge", VALUE_GAUGE, NULL, 0, 0);
    add_value("reported", VALUE_HISTOGRAM, (const double[]){9.5, 0.5, 1, 2, 1}, 5, 2);
    /* One bin of three times 1: key 1338 stands for it. */
    add_value("sketch", VALUE_SKETCH, (const double[]){3, 1, 1, 1338, 3}, 5, 1);
#define QUANTILES(number)                                                                                         \
    "sketch{quantile=\"0.5\"} " number "\nsketch{quantile=\"0.75\"} " number "\nsketch{quantile=\"0.9\"} " number \
    "\nsketch{quantile=\"0.95\"} " number "\nsketch{quantile=\"0.99\"} " number "\n"
    all_saw = 2;
    assert_page(
        HEADER("added", "counter") "added 0\n# HELP c C.\n# TYPE c counter\nc{code=\"x\"} 0\nc{code=\"y\"} 0\n" HEADER(
            "gauge",
            "gauge") "gauge 3\n# HELP h H.\n# TYPE h histogram\nh_bucket{le=\"1\"} 0\nh_bucket{le=\"2\"} 0\n"
                     "h_bucket{le=\"+Inf\"} 0\nh_sum 0\nh_count 0\n# HELP old O.\n# TYPE old counter\nold 14\n" HEADER(
                         "reported", "histogram") "reported_bucket{le=\"0.5\"} 0\nreported_bucket{le=\"1\"} "
                                                  "0\nreported_bucket{le=\"+Inf\"} 0\n"
                                                  "reported_sum 0\nreported_count 0\n" HEADER("sketch", "summary")
                                                      QUANTILES("1") "sketch_sum 0\nsketch_count 0\n");
    all_saw = 3;
    assert_page(
        HEADER("added", "counter") "added 3\n# HELP c C.\n# TYPE c counter\nc{code=\"x\"} 0\nc{code=\"y\"} 7\n" HEADER(
            "gauge", "gauge") "gauge 3\n# HELP h H.\n# TYPE h histogram\nh_bucket{le=\"1\"} 7\nh_bucket{le=\"2\"} 14\n"
                              "h_bucket{le=\"+Inf\"} 21\nh_sum 7\nh_count 21\n# HELP old O.\n# TYPE old counter\nold "
                              "14\n" HEADER("reported",
                                            "histogram") "reported_bucket{le=\"0.5\"} 2\nreported_bucket{le=\"1\"} "
                                                         "3\nreported_bucket{le=\"+Inf\"} 3\n"
                                                         "reported_sum 9.5\nreported_count 3\n" HEADER("sketch",
                                                                                                       "summary")
                                                             QUANTILES("1") "sketch_sum 3\nsketch_count 3\n");
}

static void put_living(const char *name, unsigned number, enum value_type type, uint64_t lifetime)
{
    struct identity identity;
    char text[8];
    snprintf(text, sizeof text, "%u", number);
    struct label label = {SLICE("n"), slice_of(text)};
    identity_build(&identity, SLICE(""), slice_of(name), &label, 1);
    struct value value = {.type = (uint16_t)type, .number = number};
    store_update(store, 0, &identity, NULL, &value, false,
                 &(struct store_terms){.now = lifetime == 0 ? 50 : 1, .lifetime = lifetime});
}

/* What is swept away between two pieces, before and behind where the page is, displaces nothing; and what is born
 * behind it stands on the next page. */
static void sweeping_between_pieces(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 12; i++)
        put_living("m", i, VALUE_GAUGE, i % 3 == 1 ? 10 : 0);
    put_living("short", 0, VALUE_GAUGE, 10);
    struct page_terms now = *terms();
    struct buffer page = {0};
    struct page_writer *writer = page_begin(&now);
    while (page.length < sizeof HEADER("m", "gauge") + sizeof "m{n=\"0\"} 0" * 5)
        assert_true(page_write_piece(writer, &page, page.length + 1));
    struct page_writer *copy = page_copy(writer);
    struct buffer copied = {0};
    buffer_append(&copied, (struct slice){page.at, page.length});
    store_sweep(store, 0, 40);
    put_living("m", 99, VALUE_GAUGE, 0);
    put_living("n", 1, VALUE_GAUGE, 0);
    write_pieces(writer, 1, &page);
    page_end(writer);
    write_pieces(copy, 1, &copied);
    page_end(copy);
    buffer_append(&page, (struct slice){"", 1});
    buffer_append(&copied, (struct slice){"", 1});
    assert_string_equal(copied.at, page.at);
    assert_string_equal(
        page.at, HEADER("m", "gauge") "m{n=\"0\"} 0\nm{n=\"1\"} 1\nm{n=\"2\"} 2\nm{n=\"3\"} 3\nm{n=\"4\"} 4\n"
                                      "m{n=\"5\"} 5\nm{n=\"6\"} 6\nm{n=\"8\"} 8\nm{n=\"9\"} 9\nm{n=\"11\"} 11\n");
    buffer_free(&page);
    buffer_free(&copied);
    /* What no page holds any more can go. */
    struct store_usage usage;
    store_sweep(store, 0, 40);
    store_usage(store, &usage);
    assert_int_equal(usage.metrics, 2);
    assert_int_equal(usage.expired, 5);
}

/* The begin of a family was given away: what changes its type then can stand there as another number, but not as a
 * histogram. */
static void types_that_change_between_pieces(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 6; i++)
        put_living("m", i, VALUE_GAUGE, 0);
    struct buffer page = {0};
    struct page_writer *writer = page_begin(terms());
    assert_true(page_write_piece(writer, &page, 1));
    put_living("m", 0, VALUE_COUNTER, 0);
    put_living("m", 2, VALUE_COUNTER, 0);
    struct identity identity;
    identity_build(&identity, SLICE(""), SLICE("m"), &(struct label){SLICE("n"), SLICE("3")}, 1);
    struct {
        struct value value;
        union value_word words[4];
    } histogram = {.value = {.type = VALUE_HISTOGRAM, .number = 1}};
    store_update(store, 0, &identity, NULL, &histogram.value, false, &(struct store_terms){.now = 50});
    write_pieces(writer, 1, &page);
    assert_int_equal(page_result(writer).hidden, 1);
    assert_int_equal(page_result(writer).lines, 5);
    page_end(writer);
    buffer_append(&page, (struct slice){"", 1});
    assert_string_equal(page.at, HEADER("m", "gauge") "m{n=\"0\"} 0\nm{n=\"1\"} 1\nm{n=\"2\"} 2\nm{n=\"4\"} 4\n"
                                                      "m{n=\"5\"} 5\n");
    buffer_free(&page);
    assert_page(HEADER("m", "untyped") "m{n=\"0\"} 0\nm{n=\"1\"} 1\nm{n=\"2\"} 2\nm_bucket{n=\"3\",le=\"+Inf\"} 1\n"
                                       "m_sum{n=\"3\"} 0\nm_count{n=\"3\"} 1\nm{n=\"4\"} 4\nm{n=\"5\"} 5\n");
}

/* A series of an app; entity: it, or one of its processes. */
static void put_of(const char *name, entity_id app, entity_id entity, const char *label, const struct metric *metric)
{
    struct identity identity;
    struct label labels[] = {{SLICE("l"), slice_of(label)}};
    struct store_terms terms = {.now = 1, .app = app, .entity = entity, .exempt = metric != NULL && metric->self};
    struct value value = {.type = VALUE_GAUGE, .number = 7};
    identity_build(&identity, SLICE(""), slice_of(name), labels, 1);
    assert_int_equal(store_update(store, 0, &identity, metric, &value, false, &terms), STORE_CREATED);
}

#define OURS(name) "# HELP " name " h\n# TYPE " name " gauge\n"

static void selections(void **state)
{
    (void)state;
    static const struct metric platform = {.name = "heroku_x", .help = "h", .type = METRIC_GAUGE};
    static const struct metric rule = {.name = "by_rule", .help = "h", .type = METRIC_GAUGE, .of_rule = true};
    static const struct metric self = {.name = "drain_exporter_x", .help = "h", .type = METRIC_GAUGE, .self = true};
    entity_id shop = entities_app(entities, SLICE("shop"), NULL, 0, 1),
              blog = entities_app(entities, SLICE("blog"), NULL, 0, 1),
              other = entities_app(entities, SLICE("o"), NULL, 0, 1);
    entity_id web = entities_process(entities, shop, SLICE("web.1"), 1),
              second = entities_process(entities, shop, SLICE("web.2"), 1);
    put_of("depth", shop, web, "shop web.1", NULL);
    put_of("depth", shop, second, "shop web.2", NULL);
    put_of("depth", blog, blog, "blog", NULL);
    put_of("by_rule", shop, shop, "shop", &rule);
    put_of("heroku_x", shop, entities_position(entities, web), "shop web.1", &platform);
    put_of("heroku_x", blog, blog, "blog", &platform);
    put_of("heroku_addon_kind_x", shop, shop, "shop", NULL);
    put_of("drain_exporter_x", shop, shop, "shop", &self);
    selection = (struct page_selection){.kind = PAGE_APP, .scope = {{shop}, 1}};
    assert_page(OURS("by_rule") "by_rule{l=\"shop\"} 7\n" HEADER(
        "depth", "gauge") "depth{l=\"shop web.1\"} 7\ndepth{l=\"shop web.2\"} "
                          "7\n" HEADER("heroku_addon_kind_x", "gauge") "heroku_addon_kind_x{l=\"shop\"} "
                                                                       "7\n" OURS("heroku_x") "heroku_x{l="
                                                                                              "\"shop "
                                                                                              "web.1\"} "
                                                                                              "7\n");
    selection.kind = PAGE_REPORTED;
    assert_page(OURS("by_rule") "by_rule{l=\"shop\"} 7\n" HEADER(
        "depth", "gauge") "depth{l=\"shop web.1\"} 7\ndepth{l=\"shop web.2\"} 7\n");
    selection = (struct page_selection){.kind = PAGE_PROCESS, .scope = {{shop}, 1}, .processes = {web}};
    assert_page(
        HEADER("depth", "gauge") "depth{l=\"shop web.1\"} 7\n" OURS("heroku_x") "heroku_x{l=\"shop web.1\"} 7\n");
    selection.processes[0] = ENTITY_NONE;
    assert_page("");
    selection = (struct page_selection){.kind = PAGE_APP, .scope = {{blog, other}, 2}};
    assert_page(HEADER("depth", "gauge") "depth{l=\"blog\"} 7\n" OURS("heroku_x") "heroku_x{l=\"blog\"} 7\n");
    selection = (struct page_selection){.kind = PAGE_APP};
    assert_page("");
    selection.kind = PAGE_SELF;
    assert_page(OURS("drain_exporter_x") "drain_exporter_x{l=\"shop\"} 7\n");
}

static void equal_selections(void **state)
{
    (void)state;
    const struct page_selection all[] = {
        {.kind = PAGE_ALL},
        {.kind = PAGE_SELF},
        {.kind = PAGE_APP, .scope = {{256}, 1}},
        {.kind = PAGE_APP, .scope = {{512}, 1}},
        {.kind = PAGE_APP, .scope = {{256, 512}, 2}},
        {.kind = PAGE_REPORTED, .scope = {{256}, 1}},
        {.kind = PAGE_PROCESS, .scope = {{256}, 1}, .processes = {1}},
        {.kind = PAGE_PROCESS, .scope = {{256}, 1}, .processes = {2}},
    };
    for (size_t i = 0; i < COUNT(all); i++)
        for (size_t j = 0; j < COUNT(all); j++)
            assert_int_equal(page_selection_equals(&all[i], &all[j]), i == j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(simple, setup, teardown),
        cmocka_unit_test_setup_teardown(composite, setup, teardown),
        cmocka_unit_test_setup_teardown(counted, setup, teardown),
        cmocka_unit_test_setup_teardown(external_labels, setup, teardown),
        cmocka_unit_test_setup_teardown(mixed_types, setup, teardown),
        cmocka_unit_test_setup_teardown(taken_names, setup, teardown),
        cmocka_unit_test_setup_teardown(siblings_of_siblings, setup, teardown),
        cmocka_unit_test_setup_teardown(siblings_of_a_summary, setup, teardown),
        cmocka_unit_test_setup_teardown(newborn, setup, teardown),
        cmocka_unit_test_setup_teardown(selections, setup, teardown),
        cmocka_unit_test(equal_selections),
        cmocka_unit_test_setup_teardown(sweeping_between_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(types_that_change_between_pieces, setup, teardown),
    };
    return cmocka_run_group_tests_name("page", tests, NULL, NULL);
}
