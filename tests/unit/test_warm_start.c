#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "scripted_server.h"
#include "server/warm_start.h"
#include "support.h"

/* A state without series, of this format. */
static void write_state(struct buffer *out, uint64_t format)
{
    size_t block = state_begin_block(out), record = state_begin_record(out, STATE_HEADER);
    state_put_number(out, format);
    state_put_text(out, SLICE("0"));
    state_put_signed(out, clock_wall());
    state_put_number(out, 0);
    state_end_record(out, record);
    state_end_block(out, block, 0);
    state_put_end(out, 1, false);
}

static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n";

/* What comes of a server that answers with head (of a body of so many bytes) and body. */
static enum warm_start_result result_of(const char *head, size_t announced, struct slice body, enum server_after after,
                                        uint64_t timeout)
{
    struct buffer says = {0};
    char text[256];
    int length = snprintf(text, sizeof text, head, announced);
    buffer_append(&says, (struct slice){text, (size_t)length});
    buffer_append(&says, body);
    struct scripted_server server;
    scripted_server_start_bytes(&server, says.at, says.length, after);
    snprintf(text, sizeof text, "http://metrics:secret@127.0.0.1:%u/state", server.port);
    struct state_load_settings load = {.wall = clock_wall(), .now = clock_monotonic()}; /* it is only looked at */
    enum warm_start_result result = warm_start(&(struct warm_start_settings){.url = text, .timeout = timeout}, &load);
    scripted_server_stop(&server);
    buffer_free(&says);
    assert_false(load.orderly);
    assert_non_null(strstr(server.request, "GET /state HTTP/1.1\r\n"));
    assert_non_null(strstr(server.request, "\r\nAuthorization: Basic bWV0cmljczpzZWNyZXQ=\r\n"));
    return result;
}

enum { LONG = 30000, SHORT = 200 /* milliseconds */ };

static void results(void **state)
{
    (void)state;
    struct buffer good = {0}, later = {0}, damaged = {0};
    write_state(&good, STATE_FORMAT);
    write_state(&later, STATE_FORMAT + 1);
    write_state(&damaged, STATE_FORMAT);
    damaged.at[STATE_BLOCK_HEAD + 6] ^= 1;
    struct slice whole = {good.at, good.length}, cut = {good.at, good.length - 1};
    struct slice without_end = {good.at, good.length - STATE_END_SIZE};
    assert_int_equal(result_of(ok, whole.length, whole, SERVER_STALLS, LONG), WARM_START_LOADED);
    assert_int_equal(result_of("HTTP/1.1 200 OK\r\n\r\n", 0, whole, SERVER_CLOSES, LONG), WARM_START_LOADED);
    assert_int_equal(result_of("HTTP/1.1 200 OK\r\n\r\n", 0, without_end, SERVER_CLOSES, LONG), WARM_START_CUT);
    assert_int_equal(result_of(ok, whole.length, cut, SERVER_CLOSES, LONG), WARM_START_CUT);
    assert_int_equal(result_of(ok, cut.length, cut, SERVER_STALLS, LONG), WARM_START_CUT);
    assert_int_equal(result_of(ok, whole.length, cut, SERVER_STALLS, SHORT), WARM_START_TIMEOUT);
    assert_int_equal(result_of(ok, later.length, (struct slice){later.at, later.length}, SERVER_STALLS, LONG),
                     WARM_START_LATER);
    assert_int_equal(result_of(ok, damaged.length, (struct slice){damaged.at, damaged.length}, SERVER_STALLS, LONG),
                     WARM_START_DAMAGED);
    assert_int_equal(result_of(ok, 18, SLICE("hello, I am a page"), SERVER_STALLS, LONG), WARM_START_DAMAGED);
    buffer_append(&good, SLICE("x")); /* may move it */
    assert_int_equal(result_of(ok, good.length, (struct slice){good.at, good.length}, SERVER_STALLS, LONG),
                     WARM_START_DAMAGED);
    good.length--;
    struct slice again = {good.at, good.length};
    assert_int_equal(
        result_of("HTTP/1.1 503 x\r\nContent-Length: %zu\r\n\r\n", again.length, again, SERVER_STALLS, LONG),
        WARM_START_STATUS);
    assert_int_equal(result_of("HTTP/1.1 204 x\r\n\r\n", 0, SLICE(""), SERVER_STALLS, LONG), WARM_START_STATUS);
    assert_int_equal(result_of("hello\r\n\r\n", 0, SLICE(""), SERVER_STALLS, LONG), WARM_START_CUT);
    buffer_free(&good);
    buffer_free(&later);
    buffer_free(&damaged);
}

static void nobody_there(void **state)
{
    (void)state;
    struct scripted_server server;
    char text[64];
    scripted_server_start(&server, NULL, SERVER_CLOSES, NULL);
    scripted_server_stop(&server);
    snprintf(text, sizeof text, "http://127.0.0.1:%u/state", server.port);
    struct state_load_settings load = {0};
    assert_int_equal(warm_start(&(struct warm_start_settings){.url = text, .timeout = LONG}, &load),
                     WARM_START_UNREACHABLE);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN); /* as main.c does */
    const struct CMUnitTest tests[] = {cmocka_unit_test(results), cmocka_unit_test(nobody_there)};
    return cmocka_run_group_tests_name("warm_start", tests, NULL, NULL);
}
