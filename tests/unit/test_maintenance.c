#include "output/maintenance.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/gzip.h"
#include "page_support.h"
#include "support.h"

/* The thread that writes pages and sweeps, without a server around it. */

enum { WORKER = 0, MAINTENANCE = 1, WAIT_MAX = 60 };

static struct entities *entities;
static struct store *store;
static struct maintenance *maintenance;

static const struct metric hits = {.name = "hits_total", .help = "Hits.", .type = METRIC_COUNTER, .cells = 1};

/* ---- pages ---- */

static void begin(struct page_reader *reader, bool gzip, uint64_t scraper)
{
    page_reader_begin(reader, maintenance, gzip, scraper);
}

/* The text of all that was read, valid until the next call. */
static const char *text_of(const struct page_reader *reader)
{
    static char text[16 << 20];
    struct buffer plain = {0};
    struct slice bytes = {reader->text.at, reader->text.length};
    if (reader->request.gzip) {
        assert_int_equal(decompress(SLICE("gzip"), bytes, sizeof text - 1, &plain), DECOMPRESS_DONE);
        bytes = (struct slice){plain.at, plain.length};
    }
    assert_true(bytes.length < sizeof text);
    memcpy(text, bytes.at, bytes.length);
    text[bytes.length] = '\0';
    buffer_free(&plain);
    return text;
}

/* Read to the end; the text stays. */
static void finish(struct page_reader *reader)
{
    assert_true(page_reader_finish(reader));
    page_reader_end(reader);
}

static bool has_line(const char *text, const char *line)
{
    char whole[256];
    snprintf(whole, sizeof whole, "\n%s\n", line);
    return strstr(text, whole) != NULL;
}

static bool page_has_line(const char *line, uint64_t scraper)
{
    struct page_reader reader;
    begin(&reader, false, scraper);
    finish(&reader);
    bool has = has_line(text_of(&reader), line);
    buffer_free(&reader.text);
    return has;
}

/* ---- what there is to see ---- */

static size_t count_connections(void *context)
{
    return *(size_t *)context;
}

/* Who holds it keeps the maintenance thread from beginning a page. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static unsigned pages_begun;

static void describe(void *context, struct store *described, unsigned slot, uint64_t now)
{
    (void)context;
    pthread_mutex_lock(&gate);
    pages_begun++;
    pthread_mutex_unlock(&gate);
    static const struct metric described_metric = {
        .name = "drain_exporter_described", .help = "Told.", .type = METRIC_GAUGE, .self = true};
    struct identity identity;
    assert_int_equal(identity_build(&identity, SLICE(""), SLICE("drain_exporter_described"), NULL, 0), IDENTITY_OK);
    struct value value = {.type = VALUE_GAUGE, .number = 7};
    store_update(described, slot, &identity, &described_metric, &value, false,
                 &(struct store_terms){.now = now, .exempt = true});
}

static size_t connections;

static void start(uint64_t scrape_interval, uint64_t shortest_life)
{
    connections = 3;
    pages_begun = 0;
    entities = entities_create(&(struct entities_settings){.app_silence = 0, .grace = 60000});
    store = store_create(
        &(struct store_settings){.max_series = 100000, .zero_time = scrape_interval, .slots = 2, .entities = entities});
    maintenance = maintenance_start(&(struct maintenance_settings){.store = store,
                                                                   .slot = MAINTENANCE,
                                                                   .scrape_interval = scrape_interval,
                                                                   .shortest_life = shortest_life,
                                                                   .count_connections = count_connections,
                                                                   .describe = describe,
                                                                   .context = &connections});
    assert_non_null(maintenance);
}

static void stop(void)
{
    maintenance_stop(maintenance);
    store_free(store);
    entities_free(entities);
}

static void count_hit(uint64_t lifetime)
{
    uint64_t now = clock_monotonic();
    struct identity identity;
    assert_int_equal(identity_build(&identity, SLICE(""), SLICE("hits_total"), NULL, 0), IDENTITY_OK);
    store_enter(store, WORKER);
    entity_id app = entities_app(entities, SLICE("app"), NULL, 0, now);
    enum store_result result =
        store_count(store, WORKER, &identity, &hits, 0, 1,
                    &(struct store_terms){.now = now, .lifetime = lifetime, .entity = app, .app = app});
    assert_true(result == STORE_RECORDED || result == STORE_CREATED);
    store_leave(store, WORKER);
}

/* ---- tests ---- */

static void a_page(void **state)
{
    (void)state;
    start(1000, 0);
    count_hit(0);
    struct page_reader plain, gzip;
    begin(&plain, false, 0);
    finish(&plain);
    assert_int_equal(plain.pieces, 1);
    assert_true(has_line(text_of(&plain), "hits_total 1"));
    assert_true(has_line(text_of(&plain), "drain_exporter_connections 3"));
    assert_true(has_line(text_of(&plain), "drain_exporter_described 7"));
    begin(&gzip, true, 0);
    finish(&gzip);
    assert_true(has_line(text_of(&gzip), "hits_total 1"));
    buffer_free(&plain.text);
    buffer_free(&gzip.text);
    page_piece_unref(NULL);
    stop();
}

/* Each who asks gets a page. */
static void many_at_once(void **state)
{
    (void)state;
    enum { REQUESTS = 200 };
    static struct page_reader readers[REQUESTS];
    start(1000, 0);
    count_hit(0);
    for (unsigned i = 0; i < REQUESTS; i++)
        begin(&readers[i], i % 2 == 1, 0);
    for (unsigned i = 0; i < REQUESTS; i++) {
        finish(&readers[i]);
        assert_true(has_line(text_of(&readers[i]), "hits_total 1"));
        buffer_free(&readers[i].text);
    }
    stop();
}

/* Enough for pages of many pieces, also when they are compressed. */
enum { MANY = 30000 };

static void set_many(void)
{
    uint64_t now = clock_monotonic();
    uint64_t random = 88172645463325252u;
    store_enter(store, WORKER);
    for (unsigned i = 0; i < MANY; i++) {
        char text[64];
        random = random * 6364136223846793005u + 1442695040888963407u;
        snprintf(text, sizeof text, "%016llx%u", (unsigned long long)random, i);
        struct label label = {SLICE("key"), slice_of(text)};
        struct identity identity;
        identity_build(&identity, SLICE(""), SLICE("depth"), &label, 1);
        struct value value = {.type = VALUE_GAUGE, .number = i};
        assert_int_equal(store_update(store, WORKER, &identity, NULL, &value, false, &(struct store_terms){.now = now}),
                         STORE_CREATED);
    }
    store_leave(store, WORKER);
}

/* All of set_many() stands on the page, each series once, behind one header, and the page goes on behind it. */
static void assert_many(const struct page_reader *reader)
{
    const char *at = strstr(text_of(reader), "\n# TYPE depth gauge\n");
    assert_non_null(at);
    at = strchr(at + 1, '\n') + 1;
    for (unsigned i = 0; i < MANY; i++) {
        char end[16];
        size_t length = (size_t)snprintf(end, sizeof end, " %u", i);
        const char *next = strchr(at, '\n');
        assert_memory_equal(at, "depth{key=\"", 11);
        assert_memory_equal(next - length, end, length);
        at = next + 1;
    }
    assert_memory_equal(at, "# HELP drain_exporter_", 22);
}

static void pieces(void **state)
{
    (void)state;
    start(1000, 1000);
    set_many();
    for (unsigned gzip = 0; gzip < 2; gzip++) {
        struct page_reader reader;
        begin(&reader, gzip != 0, 0);
        finish(&reader);
        assert_true(reader.pieces >= 3);
        assert_true(reader.text.length > (reader.pieces - 1) * MAINTENANCE_PIECE / 2);
        assert_true(reader.text.length < reader.pieces * (MAINTENANCE_LARGE_PIECE + 4096));
        assert_many(&reader);
        buffer_free(&reader.text);
    }
    stop();
}

/* Who asks while another page is being begun shares one; and if they do not read at the same pace, each gets all. */
static void sharing(void **state)
{
    (void)state;
    enum { READERS = 6 };
    for (unsigned gzip = 0; gzip < 2; gzip++) {
        struct page_reader first, other, readers[READERS];
        start(1000, 0);
        set_many();
        pthread_mutex_lock(&gate);
        begin(&first, gzip != 0, 0);
        for (unsigned i = 0; i < READERS; i++)
            begin(&readers[i], gzip != 0, 0);
        begin(&other, gzip == 0, 0);
        pthread_mutex_unlock(&gate);
        finish(&first);
        for (unsigned i = 0; i < READERS; i++)
            assert_true(page_reader_await(&readers[i]));
        /* One for the first, at most: it may share theirs as well. */
        assert_in_range(pages_begun, 2, 3);
        finish(&other);
        /* The last reads all, while the others have one piece; then each in turn. */
        for (unsigned i = READERS; i-- > 0;) {
            if (!readers[i].complete)
                page_reader_ask(&readers[i]);
            finish(&readers[i]);
            assert_many(&readers[i]);
        }
        assert_in_range(pages_begun, 2, 3);
        for (unsigned i = 0; i < READERS; i++)
            buffer_free(&readers[i].text);
        buffer_free(&first.text);
        buffer_free(&other.text);
        stop();
    }
}

/* Pages that nobody reads hold some memory each, and are refused when it is too much; it comes back when they end. */
static void budget(void **state)
{
    (void)state;
    enum { READERS = 1000 };
    static struct page_reader readers[READERS];
    struct page_reader reader;
    unsigned count = 0;
    start(1000, 0);
    set_many();
    begin(&reader, true, 0);
    finish(&reader);
    buffer_free(&reader.text);
    for (; count < READERS; count++) {
        begin(&readers[count], true, 0);
        if (!page_reader_await(&readers[count]))
            break;
        assert_false(readers[count].complete);
    }
    assert_in_range(count, 20, READERS - 1);
    assert_true(readers[count].request.busy);
    begin(&reader, false, 0);
    assert_false(page_reader_await(&reader));
    assert_true(reader.request.busy);
    page_reader_end(&reader);
    /* Those that have begun can be read. */
    page_reader_ask(&readers[0]);
    assert_true(page_reader_finish(&readers[0]));
    assert_many(&readers[0]);
    for (unsigned i = 0; i <= count; i++) {
        page_reader_end(&readers[i]);
        buffer_free(&readers[i].text);
    }
    begin(&reader, false, 0);
    finish(&reader);
    assert_many(&reader);
    buffer_free(&reader.text);
    stop();
}

/* It sweeps without being asked, ten times in the shortest life. */
static void sweeping(void **state)
{
    (void)state;
    start(1000, 1000);
    count_hit(1000);
    struct store_usage usage;
    store_usage(store, &usage);
    assert_int_equal(usage.expired, 0);
    for (uint64_t begin = clock_monotonic(); usage.expired == 0;) {
        assert_true(clock_monotonic() - begin < WAIT_MAX * 1000);
        usleep(1000);
        store_usage(store, &usage);
    }
    stop();
}

/* A counter that is new to a scraper who comes regularly stands at 0 until he has had a page with it, and an interval
 * is over. */
static void newborn(void **state)
{
    (void)state;
    enum { INTERVAL = 200 };
    start(INTERVAL, 0);
    uint64_t now = clock_monotonic();
    entities_app(entities, SLICE("app"), NULL, 0, now);
    assert_false(page_has_line("hits_total 0", 1)); /* the app is known before this page */
    uint64_t born = clock_monotonic();
    count_hit(0);
    assert_true(page_has_line("hits_total 0", 1));
    bool shown = false;
    while (!shown) {
        assert_true(clock_monotonic() - born < WAIT_MAX * 1000);
        shown = page_has_line("hits_total 1", 1);
    }
    assert_true(clock_monotonic() - born >= INTERVAL - INTERVAL / 10);
    stop();
}

static void wait_until(uint64_t time)
{
    while (clock_monotonic() < time)
        usleep(1000);
}

/* A page that was not read to its end has shown nothing, however often it is asked for. */
static void unread(void **state)
{
    (void)state;
    enum { INTERVAL = 2000 };
    start(INTERVAL, 0);
    entities_app(entities, SLICE("app"), NULL, 0, clock_monotonic());
    assert_false(page_has_line("hits_total 0", 1));
    wait_until(clock_monotonic() + INTERVAL / 2); /* who comes again after that is waited for */
    assert_false(page_has_line("hits_total 0", 1));
    count_hit(0);
    uint64_t seen = clock_monotonic();
    for (unsigned i = 0; i < 5; i++) {
        struct page_reader reader;
        begin(&reader, false, 1);
        assert_true(page_reader_await(&reader));
        reader.complete = false;
        page_reader_end(&reader);
        buffer_free(&reader.text);
        wait_until(seen + INTERVAL * (i + 1) / 4);
    }
    assert_true(page_has_line("hits_total 0", 1));
    wait_until(clock_monotonic() + INTERVAL);
    assert_true(page_has_line("hits_total 1", 1));
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page), cmocka_unit_test(many_at_once), cmocka_unit_test(pieces),  cmocka_unit_test(sharing),
        cmocka_unit_test(budget), cmocka_unit_test(sweeping),     cmocka_unit_test(newborn), cmocka_unit_test(unread),
    };
    return cmocka_run_group_tests_name("maintenance", tests, NULL, NULL);
}
