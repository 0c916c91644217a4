#include <pthread.h>
#include <stdio.h>

#include "intake/unmatched.h"
#include "support.h"

static struct unmatched_shape shapes[UNMATCHED_SHAPES];

/* As a batch of one app does: count lines with this message. */
static void take(struct unmatched *unmatched, unsigned slot, const char *app, const char *message, size_t count,
                 uint64_t now)
{
    struct line line = {.appname = slice_of("app"), .procid = slice_of("web.1"), .message = slice_of(message)};
    uint64_t announced = unmatched_begin(unmatched, slot, now), until = announced;
    for (size_t i = 0; i < count; i++)
        if (--until == 0)
            until = announced = unmatched_look(unmatched, slot, slice_of(app), &line, now);
    unmatched_end(unmatched, slot, announced - until);
}

static size_t read_shapes(struct unmatched *unmatched)
{
    return unmatched_most(unmatched, NULL, NULL, shapes, UNMATCHED_SHAPES);
}

static void few_lines_are_all_looked_at(void **state)
{
    (void)state;
    struct unmatched *unmatched = unmatched_create(1);
    take(unmatched, 0, "shop", "Completed 200 OK in 35ms", 3, 1000);
    take(unmatched, 0, "shop", "Completed 404 OK in 1ms", 2, 1000);
    take(unmatched, 0, "blog", "order 12345678 of bob@example.com, token=a1b2", 4, 1000);
    assert_int_equal(read_shapes(unmatched), 2);
    assert_string_equal(shapes[0].app, "shop");
    assert_string_equal(shapes[0].shape, "app[web]: Completed <n> OK in <n>ms");
    assert_string_equal(shapes[0].example, "Completed 200 OK in 35ms");
    assert_int_equal(shapes[0].count, 5);
    assert_string_equal(shapes[1].example, "order <digits> of <email>, token=<secret>");
    assert_int_equal(shapes[1].count, 4);
    struct unmatched_total total = unmatched_total(unmatched);
    assert_int_equal(total.looked_at, 9);
    assert_int_equal(total.lines, 9);
    unmatched_free(unmatched);
    unmatched_free(NULL);
}

/* Two kinds, one of which is nine times as frequent; by far too many to look at. */
static void many_lines_are_sampled(void **state)
{
    (void)state;
    struct unmatched *unmatched = unmatched_create(1);
    uint64_t now = 1000, sent = 0;
    for (int second = 0; second < 200; second++, now += 1000)
        for (int i = 0; i < 100; i++, sent += 100) {
            take(unmatched, 0, "shop", "frequent 1", 90, now);
            take(unmatched, 0, "shop", "rare 1", 10, now);
        }
    struct unmatched_total total = unmatched_total(unmatched);
    assert_int_equal(total.lines, sent);
    assert_true(total.looked_at < 200 * 3 * UNMATCHED_RATE);
    assert_true(total.looked_at > 200 * UNMATCHED_RATE / 2);
    assert_int_equal(read_shapes(unmatched), 2);
    assert_string_equal(shapes[0].shape, "app[web]: frequent <n>");
    double part = (double)shapes[0].count / (double)sent;
    assert_true(part > 0.85 && part < 0.95);
    assert_true(shapes[0].count + shapes[1].count <= sent);
    assert_true(shapes[0].count + shapes[1].count > sent - 2000);
    /* It is quiet again: all are looked at, at once. */
    now += 10000;
    take(unmatched, 0, "shop", "quiet", 1, now);
    take(unmatched, 0, "shop", "quiet", 1, now + 1000);
    assert_int_equal(read_shapes(unmatched), 3);
    unmatched_free(unmatched);
}

static void an_app_has_a_share(void **state)
{
    (void)state;
    struct unmatched *unmatched = unmatched_create(1);
    char message[32];
    uint64_t now = 1000;
    take(unmatched, 0, "blog", "hello", 1, now);
    for (int i = 0; i < 1000; i++, now += 1000) { /* letters, since numbers are not told apart */
        snprintf(message, sizeof message, "kind %c%c", 'a' + i / 32 % 26, 'a' + i % 26);
        take(unmatched, 0, "shop", message, 1, now);
        take(unmatched, 0, "shop", "common", 2, now);
    }
    size_t count = read_shapes(unmatched), of_shop = 0, of_blog = 0;
    for (size_t i = 0; i < count; i++) {
        of_shop += strcmp(shapes[i].app, "shop") == 0;
        of_blog += strcmp(shapes[i].app, "blog") == 0;
    }
    assert_int_equal(of_shop, UNMATCHED_APP_SHAPES);
    assert_int_equal(of_blog, 1);
    assert_string_equal(shapes[0].shape, "app[web]: common");
    for (int i = 0; i < 2 * UNMATCHED_SHAPES; i++, now += 1000) { /* more apps than there are places */
        snprintf(message, sizeof message, "app-%d", i);
        take(unmatched, 0, message, "hello", 1, now);
    }
    assert_int_equal(read_shapes(unmatched), UNMATCHED_SHAPES);
    unmatched_free(unmatched);
}

static bool make(struct slice message, unsigned number, struct buffer *out)
{
    char text[64];
    snprintf(text, sizeof text, "- name: rule-%u\n", number);
    buffer_append(out, slice_of(text));
    return !slice_equals(message, slice_of("no rule"));
}

static void rules_are_made_of_the_commonest(void **state)
{
    (void)state;
    static char longest[UNMATCHED_MESSAGE + 2];
    memset(longest, 'x', UNMATCHED_MESSAGE + 1);
    struct unmatched *unmatched = unmatched_create(1);
    take(unmatched, 0, "shop", "no rule", 3, 1000);
    take(unmatched, 0, "shop", "some rule", 2, 1000);
    take(unmatched, 0, "shop", longest, 1, 1000);
    assert_int_equal(unmatched_suggest(unmatched, 1, make), 1);
    read_shapes(unmatched);
    assert_true(shapes[0].is_tried && !shapes[1].is_tried);
    assert_string_equal(shapes[0].rule, "");
    assert_int_equal(unmatched_suggest(unmatched, 5, make), 1);
    assert_int_equal(unmatched_suggest(unmatched, 5, make), 0);
    read_shapes(unmatched);
    assert_string_equal(shapes[1].rule, "- name: rule-2\n");
    assert_true(shapes[2].is_tried); /* of a part of a message none can be made */
    assert_string_equal(shapes[2].rule, "");
    unmatched_free(unmatched);
}

static void what_is_old_leaves(void **state)
{
    (void)state;
    struct unmatched *unmatched = unmatched_create(1);
    take(unmatched, 0, "shop", "old", 1, 1000);
    take(unmatched, 0, "shop", "new", 1, 2000);
    unmatched_expire(unmatched, 1000 + UNMATCHED_LIFETIME);
    assert_int_equal(read_shapes(unmatched), 1);
    assert_string_equal(shapes[0].example, "new");
    unmatched_clear(unmatched);
    assert_int_equal(read_shapes(unmatched), 0);
    unmatched_free(unmatched);
}

static bool is_blog(const void *who, const char *app)
{
    return strcmp(app, who) == 0;
}

static void who_asks_sees_what_he_may(void **state)
{
    (void)state;
    struct unmatched *unmatched = unmatched_create(1);
    take(unmatched, 0, "shop", "a", 2, 1000);
    take(unmatched, 0, "blog", "b", 1, 1000);
    assert_int_equal(unmatched_most(unmatched, is_blog, "blog", shapes, UNMATCHED_SHAPES), 1);
    assert_string_equal(shapes[0].app, "blog");
    assert_int_equal(unmatched_most(unmatched, NULL, NULL, shapes, 1), 1);
    assert_string_equal(shapes[0].app, "shop");
    unmatched_free(unmatched);
}

static void bytes_may_be_anything(void **state)
{
    (void)state;
    char message[600];
    struct unmatched *unmatched = unmatched_create(1);
    for (unsigned i = 0; i < 2000; i++) {
        size_t length = i % sizeof message;
        for (size_t at = 0; at < length; at++)
            message[at] = (char)(i * 31 + at * (i % 7 + 1));
        struct line line = {.message = guarded((struct slice){message, length})};
        unmatched_begin(unmatched, 0, i * 1000ul);
        unmatched_look(unmatched, 0, (struct slice){message, length}, &line, i * 1000ul);
        unmatched_end(unmatched, 0, 0);
    }
    assert_true(read_shapes(unmatched) > 1);
    unmatched_free(unmatched);
}

enum { THREADS = 4, LINES = 20000 };

struct worker {
    struct unmatched *unmatched;
    unsigned slot;
};

static void *record(void *context)
{
    const struct worker *worker = context;
    for (int i = 0; i < LINES / 100; i++)
        take(worker->unmatched, worker->slot, i % 2 == 0 ? "shop" : "blog", "hello 1", 100, (uint64_t)i * 100);
    return NULL;
}

static void threads(void **state)
{
    (void)state;
    struct unmatched *unmatched = unmatched_create(THREADS);
    struct worker workers[THREADS];
    pthread_t ids[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){unmatched, i};
        assert_int_equal(pthread_create(&ids[i], NULL, record, &workers[i]), 0);
    }
    for (int i = 0; i < 50; i++) {
        read_shapes(unmatched);
        unmatched_suggest(unmatched, 2, make);
        unmatched_total(unmatched);
        if (i % 10 == 0)
            unmatched_clear(unmatched);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(ids[i], NULL);
    assert_int_equal(unmatched_total(unmatched).lines, THREADS * LINES);
    unmatched_free(unmatched);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_lines_are_all_looked_at), cmocka_unit_test(many_lines_are_sampled),
        cmocka_unit_test(an_app_has_a_share),          cmocka_unit_test(rules_are_made_of_the_commonest),
        cmocka_unit_test(what_is_old_leaves),          cmocka_unit_test(who_asks_sees_what_he_may),
        cmocka_unit_test(bytes_may_be_anything),       cmocka_unit_test(threads),
    };
    return cmocka_run_group_tests_name("unmatched", tests, NULL, NULL);
}
