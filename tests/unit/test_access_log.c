#include "server/access_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/metric.h"
#include "support.h"

static struct access_entry entry;

static struct access_result result_of(int status)
{
    static struct address client;
    assert_true(address_read(SLICE("2001:db8::1"), &client));
    return (struct access_result){.status = status, .received = 12, .sent = 3456, .now = 1042, .client = &client};
}

static const char *spell(int status)
{
    static char text[ACCESS_LOG_LINE_MAX + 1];
    struct access_result result = result_of(status);
    struct slice line = access_log_spell(&entry, &result, text);
    text[line.length] = '\0';
    return text;
}

static void begin(const char *method, const char *target)
{
    access_log_begin(&entry, slice_of(method), guarded(slice_of(target)), 1000);
}

static void lines(void **state)
{
    (void)state;
    begin("POST", "/drain?app_name=x");
    assert_string_equal(spell(401),
                        "event=request method=POST path=/drain status=401 client=2001:db8::1 duration_ms=42 "
                        "received=12 sent=3456");
    access_log_let_in(&entry, SLICE("shop"));
    assert_string_equal(spell(0), "event=request method=POST path=/drain status=none client=2001:db8::1 user=shop "
                                  "duration_ms=42 received=12 sent=3456");
    begin("GET", "/"); /* nobody was let in yet */
    assert_null(strstr(spell(200), "user"));
    entry = (struct access_entry){0};
    assert_string_equal(
        spell(400), "event=request method=- path=- status=400 client=2001:db8::1 duration_ms=0 received=12 sent=3456");
    access_log_let_in(NULL, SLICE("shop"));
}

static void check_path(const char *target, const char *path)
{
    begin("GET", target);
    assert_string_equal(entry.path, path);
}

static void paths(void **state)
{
    (void)state;
    check_path("/", "/");
    check_path("/v1/apps/my-app.2_~/", "/v1/apps/my-app.2_~/");
    check_path("//", "//");
    check_path("/drain?p=secret/x", "/drain");
    check_path("/drain#secret", "/drain");
    check_path("/drain%3Fsecret", "/*");
    check_path("/a;secret/b:secret/secret@host/c=secret/d", "/*/*/*/*/d");
    check_path("https://user:secret@host/drain?x", "/drain");
    check_path("https://user:secret@host", "");
    check_path("https:/", "");
    check_path("*", "");
    check_path("", "");
    check_path("user:secret", "");
    check_path("/a\x1b[31m/\xc3\xbc/\r\n/\"", "/*/*/*/*");
    char longest[1000], expected[ACCESS_LOG_PATH_MAX + 1];
    for (size_t i = 0; i < sizeof longest; i++)
        longest[i] = "/x"[i % 2];
    longest[sizeof longest - 1] = '\0';
    memcpy(expected, longest, ACCESS_LOG_PATH_MAX);
    expected[ACCESS_LOG_PATH_MAX] = '\0';
    check_path(longest, expected);
}

static void methods(void **state)
{
    (void)state;
    begin("PROPFIND-15-long", "/");
    assert_string_equal(entry.method, "*");
    begin("PROPFIND-15-lon", "/");
    assert_string_equal(entry.method, "PROPFIND-15-lon");
    begin("G\x07T", "/");
    assert_string_equal(entry.method, "*");
}

/* The longest line is not cut off. */
static void users(void **state)
{
    (void)state;
    char target[ACCESS_LOG_PATH_MAX * 2], user[USER_MAX];
    memset(user, '\x1b', sizeof user);
    for (size_t i = 0; i < sizeof target; i++)
        target[i] = "/x"[i % 2];
    access_log_begin(&entry, SLICE("PROPFIND-15-lon"), guarded((struct slice){target, sizeof target}), 1000);
    access_log_let_in(&entry, guarded((struct slice){user, sizeof user}));
    assert_non_null(strstr(spell(200), "\\u001b\\u001b\" duration_ms=42 received=12 sent=3456"));
    begin("GET", "/");
    access_log_let_in(&entry, SLICE("a \"b\" \\ \xc3\xbc"));
    assert_non_null(strstr(spell(200), " user=\"a \\\"b\\\" \\\\ \\u00c3\\u00bc\" "));
    char too_long[USER_MAX + 1] = "";
    begin("GET", "/");
    access_log_let_in(&entry, (struct slice){too_long, sizeof too_long});
    assert_null(strstr(spell(200), "user"));
}

/* Which lines are written, of requests with these statuses. */
static void which(void **state)
{
    (void)state;
    static const int statuses[] = {0, 100, 199, 200, 204, 299, 300, 401, 503};
    static const size_t expected[] = {[ACCESS_LOG_OFF] = 0, [ACCESS_LOG_ERRORS] = 6, [ACCESS_LOG_ALL] = 9};
    int saved = dup(STDERR_FILENO);
    begin("GET", "/health");
    for (enum access_log level = ACCESS_LOG_OFF; level <= ACCESS_LOG_ALL; level++) {
        char text[4096];
        FILE *file = tmpfile();
        dup2(fileno(file), STDERR_FILENO);
        for (size_t i = 0; i < COUNT(statuses); i++) {
            struct access_result result = result_of(statuses[i]);
            access_log_end(level, &entry, &result);
        }
        dup2(saved, STDERR_FILENO);
        rewind(file);
        text[fread(text, 1, sizeof text - 1, file)] = '\0';
        fclose(file);
        size_t count = 0;
        for (const char *at = text; (at = strstr(at, "level=info event=request method=GET ")) != NULL; at++)
            count++;
        assert_int_equal(count, expected[level]);
    }
    close(saved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lines), cmocka_unit_test(paths), cmocka_unit_test(methods),
                                       cmocka_unit_test(users), cmocka_unit_test(which)};
    return cmocka_run_group_tests_name("access_log", tests, NULL, NULL);
}
