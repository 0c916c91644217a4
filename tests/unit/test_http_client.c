#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "output/health_check.h"
#include "output/http_client.h"
#include "support.h"

/* ---- URLs ---- */

static void check_url(const char *text, const char *host, const char *port, const char *target,
                      const char *authorization)
{
    struct http_url url;
    char error[ERROR_MAX] = "";
    if (!http_url_read(text, &url, error))
        fail_msg("%s: %s", text, error);
    assert_string_equal(url.host, host);
    assert_string_equal(url.port, port);
    assert_string_equal(url.target, target);
    assert_string_equal(url.authorization, authorization);
    assert_int_equal(url.tls, strncmp(text, "https", 5) == 0);
}

static void urls(void **state)
{
    (void)state;
    check_url("http://a", "a", "80", "/", "");
    check_url("https://a/b?c=d#e", "a", "443", "/b?c=d", "");
    check_url("http://a:8080?c", "a", "8080", "/?c", "");
    check_url("http://[::1]:8080/x", "::1", "8080", "/x", "");
    check_url("http://drain:p@ss@a/x", "a", "80", "/x", "Basic ZHJhaW46cEBzcw==");
    check_url("http://drain@a/x", "a", "80", "/x", "Basic ZHJhaW46");
    static const char *const wrong[] = {"",
                                        "ftp://a",
                                        "http://",
                                        "http://:80",
                                        "http://a:",
                                        "http://a:x",
                                        "http://a:65536",
                                        "http://[::1",
                                        "http://[::1]x",
                                        "http://a/b c",
                                        "http://a b/",
                                        "http://a/\r\nX: y"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct http_url url;
        char error[ERROR_MAX] = "";
        if (http_url_read(wrong[i], &url, error))
            fail_msg("%s is read", wrong[i]);
        assert_true(strlen(error) > 0);
    }
    struct http_url url;
    char error[ERROR_MAX], text[3000] = "http://drain:secret@a/";
    memset(text + strlen(text), 'x', 2500);
    assert_false(http_url_read(text, &url, error));
    assert_null(strstr(error, "secret"));
}

/* ---- a server that answers as it is told ---- */

struct script {
    int listener;
    pthread_t thread;
    bool keeps_open;            /* after the last answer, until the client closes */
    const char *const *answers; /* one for each request, the last one NULL; "": close the connection */
    char requests[8][4096];
    unsigned count;
    unsigned connections;
};

/* Read until the text ends with what a request ends with here: an empty line or the body "body". */
static size_t read_request(int fd, char *text, size_t capacity)
{
    size_t length = 0;
    for (;;) {
        ssize_t more = read(fd, text + length, capacity - 1 - length);
        if (more <= 0)
            return 0;
        length += (size_t)more;
        text[length] = '\0';
        if (strncmp(text, "GET ", 4) == 0 ? strstr(text, "\r\n\r\n") != NULL
                                          : strstr(text, "\r\n\r\nbody") != NULL || strstr(text, "0\r\n\r\n") != NULL)
            return length;
    }
}

static void *serve(void *argument)
{
    struct script *script = argument;
    while (script->answers[script->count] != NULL) {
        int fd = accept(script->listener, NULL, NULL);
        script->connections++;
        while (script->answers[script->count] != NULL &&
               read_request(fd, script->requests[script->count], sizeof script->requests[0]) > 0) {
            const char *answer = script->answers[script->count++];
            if (answer[0] == '\0')
                break;
            if (send(fd, answer, strlen(answer), MSG_NOSIGNAL) < 0)
                break;
        }
        char more;
        while (script->keeps_open && read(fd, &more, 1) > 0)
            continue;
        close(fd);
    }
    return NULL;
}

static void start(struct script *script, const char *const *answers, bool keeps_open, struct http_url *url)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    *script =
        (struct script){.answers = answers, .keeps_open = keeps_open, .listener = socket(AF_INET, SOCK_STREAM, 0)};
    assert_int_equal(bind(script->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(script->listener, 8), 0);
    getsockname(script->listener, (struct sockaddr *)&address, &length);
    assert_int_equal(pthread_create(&script->thread, NULL, serve, script), 0);
    char text[64], error[ERROR_MAX];
    sprintf(text, "http://drain:pass@127.0.0.1:%u/drain", ntohs(address.sin_port));
    assert_true(http_url_read(text, url, error));
}

static void stop(struct script *script)
{
    pthread_join(script->thread, NULL);
    close(script->listener);
}

static struct http_response send_one(struct http_client *client, struct http_request request)
{
    struct http_response response;
    http_client_send(client, &request, &response);
    return response;
}

#define POST .method = "POST", .headers = SLICE("X-A: b\r\n"), .body = SLICE("body")

static void one_connection(void **state)
{
    (void)state;
    static const char *const answers[] = {"HTTP/1.1 204 No Content\r\n\r\n",
                                          "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
                                          "HTTP/1.1 503 x\r\nretry-after: 7\r\nContent-Length: 0\r\n\r\n",
                                          "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
                                          "HTTP/1.1 200 OK\r\n\r\nuntil the end",
                                          NULL};
    struct script script;
    struct http_url url;
    start(&script, answers, false, &url);
    struct http_client *client = http_client_create(&url, true);
    assert_int_equal(send_one(client, (struct http_request){POST}).status, 204);
    assert_int_equal(send_one(client, (struct http_request){.method = "GET"}).status, 200);
    struct http_response busy = send_one(client, (struct http_request){POST, .chunked = true});
    assert_int_equal(busy.status, 503);
    assert_int_equal(busy.retry_after, 7);
    assert_string_equal(busy.error, "");
    assert_int_equal(send_one(client, (struct http_request){POST}).status, 204);
    assert_int_equal(send_one(client, (struct http_request){POST}).status, 200);
    http_client_free(client);
    stop(&script);
    assert_int_equal(script.connections, 2);
    char expected[512];
    sprintf(expected,
            "POST /drain HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nAuthorization: Basic ZHJhaW46cGFzcw==\r\nX-A: b\r\n"
            "Content-Length: 4\r\n\r\nbody",
            url.port);
    assert_string_equal(script.requests[0], expected);
    assert_null(strstr(script.requests[1], "Content-Length"));
    assert_non_null(strstr(script.requests[2], "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"));
}

static void no_response(void **state)
{
    (void)state;
    static const char *const answers[] = {"", "rubbish\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n", NULL};
    struct script script;
    struct http_url url;
    start(&script, answers, false, &url);
    struct http_client *client = http_client_create(&url, true);
    struct http_response response = send_one(client, (struct http_request){POST});
    assert_int_equal(response.status, 0);
    assert_string_equal(response.error, "the connection was closed");
    response = send_one(client, (struct http_request){POST});
    assert_int_equal(response.status, 0);
    assert_string_equal(response.error, "the answer is not HTTP");
    response = send_one(client, (struct http_request){POST, .ignore_response = true});
    assert_int_equal(response.status, 0);
    assert_string_equal(response.error, "");
    stop(&script);
    /* Nobody listens any more. */
    response = send_one(client, (struct http_request){POST});
    assert_int_equal(response.status, 0);
    assert_string_equal(response.error, "cannot connect: Connection refused");
    http_client_free(client);
    http_client_free(NULL);
}

static void too_late(void **state)
{
    (void)state;
    static const char *const answers[] = {"HTTP/1.1 2", NULL};
    struct script script;
    struct http_url url;
    start(&script, answers, true, &url);
    struct http_client *client = http_client_create(&url, true);
    struct http_response response = send_one(client, (struct http_request){POST, .timeout = 100});
    assert_int_equal(response.status, 0);
    assert_string_equal(response.error, "no answer in time");
    http_client_free(client);
    stop(&script);
}

static void health(void **state)
{
    (void)state;
    static const char *const answers[] = {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                                          "HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n", NULL};
    struct script script;
    struct http_url url;
    char error[ERROR_MAX] = "", expected[ERROR_MAX];
    start(&script, answers, false, &url);
    assert_true(health_check("0.0.0.0", url.port, false, error));
    assert_false(health_check("", url.port, false, error));
    sprintf(expected, "127.0.0.1 port %s: the server answered 503", url.port);
    assert_string_equal(error, expected);
    stop(&script);
    assert_string_equal(script.requests[0], "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_false(health_check("127.0.0.1", url.port, false, error));
    sprintf(expected, "127.0.0.1 port %s: cannot connect: Connection refused", url.port);
    assert_string_equal(error, expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(urls), cmocka_unit_test(one_connection),
                                       cmocka_unit_test(no_response), cmocka_unit_test(too_late),
                                       cmocka_unit_test(health)};
    return cmocka_run_group_tests_name("http_client", tests, NULL, NULL);
}
