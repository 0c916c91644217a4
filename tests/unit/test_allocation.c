/* What happens if memory is short, at each place that asks for some. */
#include "allocation.h"
#include "base/buffer.h"
#include "base/json.h"
#include "base/line_patterns.h"
#include "intake/dedup.h"
#include "intake/log_input.h"
#include "store/store.h"
#include "support.h"

static bool attempt_buffer(void)
{
    struct buffer buffer = {0};
    for (int i = 0; i < 100; i++)
        buffer_append(&buffer,
                      SLICE("a text that is appended again and again until the buffer has grown several times"));
    bool done = !buffer.failed;
    buffer_free(&buffer);
    return done;
}

static void a_buffer_says_that_it_failed(void **state)
{
    (void)state;
    each_allocation_fails(attempt_buffer);
}

static bool attempt_json(void)
{
    struct json *json = json_create(1024);
    if (json == NULL)
        return false;
    bool done = json_read(json, SLICE("{\"a\":[1,2,{\"b\":\"c\"}]}")) != NULL;
    json_free(json);
    return done;
}

static void json(void **state)
{
    (void)state;
    each_allocation_fails(attempt_json);
}

static bool attempt_patterns(void)
{
    struct line_patterns *patterns = line_patterns_create(32);
    if (patterns == NULL)
        return false;
    for (int i = 0; i < 20; i++) {
        char text[2] = {(char)('a' + i), '\0'};
        line_patterns_add(patterns, slice_of(text), slice_of(text));
    }
    bool done = line_patterns_total(patterns).counted == 20;
    line_patterns_free(patterns);
    return done;
}

static void line_patterns(void **state)
{
    (void)state;
    each_allocation_fails(attempt_patterns);
}

static bool attempt_dedup(void)
{
    struct dedup *dedup = dedup_create();
    dedup_free(dedup);
    return dedup != NULL;
}

static void dedup(void **state)
{
    (void)state;
    each_allocation_fails(attempt_dedup);
}

/* ---- the store ---- */

static const struct metric counter = {.name = "counter", .help = "", .type = METRIC_COUNTER, .cells = 1};

static bool record(struct store *store, struct entities *entities, const char *label, uint64_t now)
{
    struct identity identity;
    struct label labels = {SLICE("l"), slice_of(label)};
    entity_id app = entities_app(entities, SLICE("app"), NULL, 0, now);
    struct store_terms terms = {.now = now, .lifetime = 1000, .entity = app, .app = app};
    struct value value = {.type = VALUE_GAUGE, .number = 1};
    bool done = identity_build(&identity, SLICE(""), SLICE("counter"), &labels, 1) == IDENTITY_OK;
    enum store_result counted = store_count(store, 0, &identity, &counter, 0, 1, &terms);
    done &= counted == STORE_RECORDED || counted == STORE_CREATED;
    identity_build(&identity, SLICE(""), SLICE("gauge"), &labels, 1);
    enum store_result updated = store_update(store, 0, &identity, NULL, &value, false, &terms);
    return done && (updated == STORE_RECORDED || updated == STORE_CREATED);
}

static bool count_series(void *context, const struct store_series_view *series)
{
    (void)series;
    ++*(unsigned *)context;
    return true;
}

static unsigned count_all(struct store *store, uint64_t now)
{
    struct store_metric_view views[8];
    unsigned count = 0;
    size_t metrics = store_metrics(store, views, 8);
    for (size_t i = 0; i < metrics && i < 8; i++)
        store_each_series(store, 1, views[i].handle, now, count_series, &count);
    return count;
}

static bool attempt_store(void)
{
    struct entities *entities = entities_create(&(struct entities_settings){.app_silence = 5000, .grace = 10});
    struct store *store =
        entities == NULL ? NULL
                         : store_create(&(struct store_settings){.max_series = 100, .slots = 2, .entities = entities});
    bool done = store != NULL;
    for (int i = 0; store != NULL && i < 40; i++) {
        char label[2] = {(char)('0' + i % 20), '\0'};
        store_enter(store, 0);
        done &= record(store, entities, label, 1000);
        store_leave(store, 0);
    }
    if (store != NULL) {
        store_enter(store, 1);
        unsigned count = count_all(store, 1000);
        done &= count == 40;
        store_sweep(store, 1, 3000);
        assert_int_equal(count_all(store, 3000), 0);
        store_leave(store, 1);
        /* What was refused for want of memory can be recorded again. */
        store_enter(store, 0);
        done &= record(store, entities, "again", 3000);
        store_leave(store, 0);
    }
    store_free(store);
    entities_free(entities);
    return done;
}

static void store(void **state)
{
    (void)state;
    each_allocation_fails(attempt_store);
}

/* ---- logs ---- */

static struct slice log_rest;

static ssize_t read_log(void *context, char *place, size_t capacity)
{
    (void)context;
    size_t length = log_rest.length < capacity ? log_rest.length : capacity;
    length = length < 10 ? length : 10;
    memcpy(place, log_rest.at, length);
    log_rest = slice_after(log_rest, length);
    return (ssize_t)length;
}

static bool attempt_log(void)
{
    log_rest =
        SLICE("2026-02-03T04:05:06.000001+00:00 app[web.1]: one\n2026-02-03T04:05:06.000001+00:00 app[web.1]: two\n");
    struct log_input *input = log_input_open(&(struct log_input_source){read_log, NULL});
    if (input == NULL)
        return false;
    struct buffer body = {0};
    size_t count = 0;
    for (size_t some; (some = log_input_batch(input, 64, &body)) > 0;)
        count += some;
    bool done = log_input_error(input) == 0 && !body.failed;
    assert_true(!done || count == 2);
    buffer_free(&body);
    log_input_close(input);
    return done;
}

static void log_input(void **state)
{
    (void)state;
    each_allocation_fails(attempt_log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_says_that_it_failed),
        cmocka_unit_test(json),
        cmocka_unit_test(line_patterns),
        cmocka_unit_test(dedup),
        cmocka_unit_test(store),
        cmocka_unit_test(log_input),
    };
    return cmocka_run_group_tests_name("allocation", tests, NULL, NULL);
}
