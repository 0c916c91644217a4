#include <dlfcn.h>
#include <netdb.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "scripted_server.h"
#include "server/outgoing.h"
#include "server/response_head.h"
#include "support.h"

/* ---- a resolver that can be held up ---- */

static atomic_bool is_held_up;
static atomic_int lookups; /* that have begun */

/* Stands in for that of the C library, which it asks. */
int getaddrinfo(const char *restrict host, const char *restrict service, const struct addrinfo *restrict hints,
                struct addrinfo **restrict addresses)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    atomic_fetch_add(&lookups, 1);
    while (atomic_load(&is_held_up))
        usleep(1000);
    return real(host, service, hints, addresses);
}

static void await_lookup(int number)
{
    while (atomic_load(&lookups) < number)
        usleep(1000);
}

/* ---- heads ---- */

static void heads(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum response_head_result result;
        int status;
    } cases[] = {
        {"HTTP/1.1 204 No Content\r\n\r\n", RESPONSE_HEAD_READ, 204},
        {"HTTP/1.0 200\r\nContent-Length: 5\r\n\r\nhello", RESPONSE_HEAD_READ, 200},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", RESPONSE_HEAD_READ, 200},
        {"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200", RESPONSE_HEAD_READ, 103},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", RESPONSE_HEAD_INVALID, 0},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", RESPONSE_HEAD_INVALID, 0},
        {"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", RESPONSE_HEAD_INVALID, 0},
        {"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", RESPONSE_HEAD_INVALID, 0},
        {"HTTP/1.1 200 OK\r\ncontent-length:\r\n\r\n", RESPONSE_HEAD_INVALID, 0},
        {"HTTP/1.1 200 OK\r\ncontent-length: \t5\r\n\r\n", RESPONSE_HEAD_READ, 200},
        {"HTTP/1.1 200 OK\r\ncontent-length: 5 \r\n\r\n", RESPONSE_HEAD_INVALID, 0},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\t\r\n\r\n", RESPONSE_HEAD_INVALID, 0},
        {"HTTP/1.1 200 OK\r\ncontent-length: 1234567890123456789\r\n\r\n", RESPONSE_HEAD_INVALID, 0},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", RESPONSE_HEAD_INVALID, 0},
        {"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", RESPONSE_HEAD_INVALID, 0},
        {"HTTP/1.1 200 OK\r\nA b\r\n\r\n", RESPONSE_HEAD_INVALID, 0},
        {"HTTP/1.1 200 OK\r\nA: \x01\r\n\r\n", RESPONSE_HEAD_INVALID, 0},
        {"HTTP/1.1 200 OK\nA: b\n\n", RESPONSE_HEAD_INVALID, 0},
        {"HTTP/2 200\r\n\r\n", RESPONSE_HEAD_INVALID, 0},
        {"HTTP/1.1 20 OK\r\n\r\n", RESPONSE_HEAD_INVALID, 0},
        {"HTTP/1.1 2000 OK\r\n\r\n", RESPONSE_HEAD_INVALID, 0},
        {"\r\n\r\n", RESPONSE_HEAD_INVALID, 0},
        {"", RESPONSE_HEAD_INCOMPLETE, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct response_head head;
        const char *reason = NULL;
        struct slice text = slice_of(cases[i].text);
        enum response_head_result result = response_head_read(guarded(text), &head, &reason);
        if (result != cases[i].result)
            fail_msg("%s: %d", cases[i].text, (int)result);
        assert_int_equal(result == RESPONSE_HEAD_INVALID, reason != NULL);
        if (result != RESPONSE_HEAD_READ)
            continue;
        assert_int_equal(head.status, cases[i].status);
        assert_int_equal(head.is_informational, cases[i].status == 103);
        for (size_t part = 0; part < head.length; part++)
            assert_int_equal(response_head_read(guarded((struct slice){text.at, part}), &head, &reason),
                             RESPONSE_HEAD_INCOMPLETE);
    }
}

/* ---- asking ---- */

struct body {
    char text[1 << 16];
    size_t length, most; /* most: when it wants no more */
};

static bool take(void *context, int status, struct slice bytes)
{
    struct body *body = context;
    assert_int_equal(status, 200);
    if (body->length + bytes.length >= sizeof body->text)
        return false;
    memcpy(body->text + body->length, bytes.at, bytes.length);
    body->length += bytes.length;
    body->text[body->length] = '\0';
    return body->length < body->most;
}

static struct http_url url_of(const char *scheme, const char *host, unsigned port)
{
    struct http_url url;
    char text[512], error[ERROR_MAX];
    snprintf(text, sizeof text, "%s://user:secret@%s:%u/path?query=secret", scheme, host, port);
    assert_true(http_url_read(text, &url, error));
    return url;
}

static struct body body;

static struct outgoing_response ask(struct outgoing *outgoing, const struct http_url *url, uint64_t timeout,
                                    uint64_t max_body)
{
    struct outgoing_response response;
    body.length = 0;
    body.text[0] = '\0';
    outgoing_ask(outgoing,
                 &(struct outgoing_request){.url = url,
                                            .method = "GET",
                                            .headers = SLICE("X-A: b\r\n"),
                                            .timeout = timeout,
                                            .max_body = max_body,
                                            .on_body = take,
                                            .context = &body},
                 &response);
    assert_int_equal(response.result == OUTGOING_ANSWERED, response.error[0] == '\0');
    assert_null(strstr(response.error, "secret"));
    return response;
}

enum { LONG = 30000, SHORT = 200 /* milliseconds */ };

static struct outgoing *create(const char *ca_file)
{
    char error[ERROR_MAX];
    struct outgoing *outgoing = outgoing_create(ca_file, true, error);
    assert_non_null(outgoing);
    return outgoing;
}

/* One client asks all of these servers, one after the other. */
static void responses(void **state)
{
    (void)state;
    static char endless[80 * 1024] = "HTTP/1.1 200 OK\r\nA: ";
    memset(endless + strlen(endless), 'x', sizeof endless - 1 - strlen(endless));
    static const struct {
        const char *says;
        int after;
        uint64_t timeout;
        enum outgoing_result result;
        int status;
        const char *body;
    } cases[] = {
        {"HTTP/1.1 204 No Content\r\n\r\n", SERVER_STALLS, LONG, OUTGOING_ANSWERED, 204, ""},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", SERVER_STALLS, LONG, OUTGOING_ANSWERED, 200, "hello"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", SERVER_STALLS, LONG, OUTGOING_ANSWERED, 200, ""},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", SERVER_STALLS, LONG,
         OUTGOING_ANSWERED, 200, "hello"},
        {"HTTP/1.1 200 OK\r\n\r\nhello", SERVER_CLOSES, LONG, OUTGOING_ANSWERED, 200, "hello"},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
         SERVER_STALLS, LONG, OUTGOING_ANSWERED, 200, "x"},
        /* what libh2o's client would end the process for, or read without an end */
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", SERVER_CLOSES, LONG, OUTGOING_BROKEN, 0, ""},
        {"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello", SERVER_CLOSES, LONG, OUTGOING_BROKEN, 0, ""},
        {endless, SERVER_STALLS, LONG, OUTGOING_BROKEN, 0, ""},
        {"SSH-2.0-OpenSSH\r\n\r\n", SERVER_STALLS, LONG, OUTGOING_BROKEN, 0, ""},
        /* cut */
        {NULL, SERVER_CLOSES, LONG, OUTGOING_BROKEN, 0, ""},
        {"HTTP/1.1 200 OK\r\nContent-Le", SERVER_CLOSES, LONG, OUTGOING_BROKEN, 0, ""},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", SERVER_CLOSES, LONG, OUTGOING_BROKEN, 200, "hel"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", SERVER_CLOSES, LONG, OUTGOING_BROKEN, 200,
         "hel"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\nhel", SERVER_CLOSES, LONG, OUTGOING_BROKEN, 200,
         ""},
        /* no end in time */
        {NULL, SERVER_STALLS, SHORT, OUTGOING_TIMEOUT, 0, ""},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", SERVER_STALLS, SHORT, OUTGOING_TIMEOUT, 0, ""},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", SERVER_STALLS, SHORT, OUTGOING_TIMEOUT, 200, "hel"},
        /* more than is wanted */
        {"HTTP/1.1 200 OK\r\nContent-Length: 26\r\n\r\nabcdefghijklmnopqrstuvwxyz", SERVER_CLOSES, LONG,
         OUTGOING_BROKEN, 200, ""},
    };
    struct outgoing *outgoing = create(NULL);
    body.most = SIZE_MAX;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct scripted_server server;
        scripted_server_start(&server, cases[i].says, cases[i].after, NULL);
        struct http_url url = url_of("http", "127.0.0.1", server.port);
        struct outgoing_response response = ask(outgoing, &url, cases[i].timeout, 20);
        scripted_server_stop(&server);
        bool is_late = response.result == OUTGOING_TIMEOUT; /* how far it came depends on the machine */
        if (response.result != cases[i].result || (!is_late && response.status != cases[i].status))
            fail_msg("case %zu: %d, status %d, %s", i, (int)response.result, response.status, response.error);
        if (response.status == 200 && !is_late)
            assert_string_equal(body.text, cases[i].body);
    }
    outgoing_free(outgoing);
}

static void request_text(void **state)
{
    (void)state;
    struct outgoing *outgoing = create(NULL);
    struct outgoing_response response;
    struct scripted_server server;
    scripted_server_start(&server, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 100\r\n\r\n", SERVER_STALLS, NULL);
    struct http_url url = url_of("http", "127.0.0.1", server.port);
    outgoing_ask(
        outgoing,
        &(struct outgoing_request){
            .url = &url, .method = "POST", .headers = SLICE("X-A: b\r\n"), .body = SLICE("body"), .timeout = LONG},
        &response);
    scripted_server_stop(&server);
    assert_int_equal(response.result, OUTGOING_ANSWERED); /* nobody wants its body, so nobody waits for that */
    assert_int_equal(response.status, 401);
    char expected[512];
    snprintf(expected, sizeof expected,
             "POST /path?query=secret HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n"
             "Authorization: Basic dXNlcjpzZWNyZXQ=\r\nX-A: b\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody",
             server.port);
    assert_string_equal(server.request, expected);
    outgoing_free(outgoing);
}

static void nobody_there(void **state)
{
    (void)state;
    struct outgoing *outgoing = create(NULL);
    struct scripted_server server;
    scripted_server_start(&server, NULL, SERVER_CLOSES, NULL);
    scripted_server_stop(&server);
    struct http_url url = url_of("http", "127.0.0.1", server.port);
    assert_int_equal(ask(outgoing, &url, LONG, 1).result, OUTGOING_NOT_CONNECTED);
    /* A label has at most 63 bytes, so nobody has to be asked for this one. */
    url = url_of("http", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.", 80);
    assert_int_equal(ask(outgoing, &url, LONG, 1).result, OUTGOING_NOT_FOUND);
    outgoing_free(outgoing);
    outgoing_free(NULL);
}

/* localhost may be two addresses, and the server has one. */
static void second_address(void **state)
{
    (void)state;
    struct outgoing *outgoing = create(NULL);
    struct scripted_server server;
    scripted_server_start(&server, "HTTP/1.1 204 x\r\n\r\n", SERVER_CLOSES, NULL);
    struct http_url url = url_of("http", "localhost", server.port);
    assert_int_equal(ask(outgoing, &url, LONG, 1).status, 204);
    scripted_server_stop(&server);
    outgoing_free(outgoing);
}

static void unwanted_body(void **state)
{
    (void)state;
    struct outgoing *outgoing = create(NULL);
    struct scripted_server server;
    scripted_server_start(&server, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhello", SERVER_STALLS, NULL);
    struct http_url url = url_of("http", "127.0.0.1", server.port);
    body.most = 1;
    struct outgoing_response response = ask(outgoing, &url, LONG, 1000);
    scripted_server_stop(&server);
    assert_int_equal(response.result, OUTGOING_STOPPED);
    outgoing_free(outgoing);
}

static void *cancel(void *outgoing)
{
    outgoing_cancel(outgoing);
    return NULL;
}

struct cancelled_lookup {
    struct outgoing *outgoing;
    int number;
};

static void *cancel_lookup(void *argument)
{
    struct cancelled_lookup *lookup = argument;
    await_lookup(lookup->number);
    outgoing_cancel(lookup->outgoing);
    return NULL;
}

/* Whenever it comes, the one that asks is answered. */
static void cancelled(void **state)
{
    (void)state;
    for (unsigned wait = 0; wait < 20; wait++) {
        struct outgoing *outgoing = create(NULL);
        struct scripted_server server;
        pthread_t thread;
        scripted_server_start(&server, wait % 2 == 0 ? NULL : "HTTP/1.1 200 OK\r\n\r\n", SERVER_STALLS, NULL);
        struct http_url url = url_of("http", wait % 3 == 0 ? "localhost" : "127.0.0.1", server.port);
        body.most = SIZE_MAX;
        assert_int_equal(pthread_create(&thread, NULL, cancel, outgoing), 0);
        assert_int_equal(ask(outgoing, &url, LONG, 1000).result, OUTGOING_STOPPED);
        assert_int_equal(ask(outgoing, &url, LONG, 1000).result, OUTGOING_STOPPED);
        pthread_join(thread, NULL);
        outgoing_free(outgoing);
        scripted_server_stop(&server);
    }
}

/* Nothing can break a lookup off: who asks is answered all the same, and who frees the client does not wait. */
static void slow_lookups(void **state)
{
    (void)state;
    struct outgoing *outgoing = create(NULL);
    struct scripted_server server;
    scripted_server_start(&server, "HTTP/1.1 204 x\r\n\r\n", SERVER_CLOSES, NULL);
    struct http_url url = url_of("http", "127.0.0.1", server.port);
    atomic_store(&is_held_up, true);
    assert_int_equal(ask(outgoing, &url, SHORT, 1).result, OUTGOING_TIMEOUT);
    assert_int_equal(ask(outgoing, &url, SHORT, 1).result, OUTGOING_TIMEOUT); /* the first one still goes on */
    atomic_store(&is_held_up, false);
    assert_int_equal(ask(outgoing, &url, LONG, 1).status, 204);
    scripted_server_stop(&server);
    atomic_store(&is_held_up, true);
    int before = atomic_load(&lookups);
    pthread_t thread;
    assert_int_equal(ask(outgoing, &url, SHORT, 1).result, OUTGOING_TIMEOUT);
    outgoing_free(outgoing);
    outgoing = create(NULL);
    assert_int_equal(pthread_create(&thread, NULL, cancel_lookup, &(struct cancelled_lookup){outgoing, before + 2}), 0);
    assert_int_equal(ask(outgoing, &url, LONG, 1).result, OUTGOING_STOPPED);
    pthread_join(thread, NULL);
    outgoing_free(outgoing);
    atomic_store(&is_held_up, false);
}

/* ---- TLS ---- */

static X509 *make_certificate(EVP_PKEY *key, const char *names)
{
    X509 *certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"a test", -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    return certificate;
}

struct identity_of_server {
    SSL_CTX *tls;
    char file[64]; /* its certificate, as an authority */
};

static void make_identity(struct identity_of_server *identity, const char *names, int version)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = make_certificate(key, names);
    identity->tls = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(identity->tls, certificate);
    SSL_CTX_use_PrivateKey(identity->tls, key);
    SSL_CTX_set_min_proto_version(identity->tls, version);
    SSL_CTX_set_max_proto_version(identity->tls, version);
    strcpy(identity->file, "/tmp/test_outgoing.XXXXXX");
    FILE *file = fdopen(mkstemp(identity->file), "w");
    assert_non_null(file);
    PEM_write_X509(file, certificate);
    fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static void free_identity(struct identity_of_server *identity)
{
    unlink(identity->file);
    SSL_CTX_free(identity->tls);
}

static void certificates(void **state)
{
    (void)state;
    static const struct {
        const char *names, *host;
        bool is_accepted;
    } cases[] = {
        {"DNS:localhost", "localhost", true},      {"DNS:localhost", "127.0.0.1", false},
        {"IP:127.0.0.1", "127.0.0.1", true},       {"IP:127.0.0.2", "127.0.0.1", false},
        {"DNS:other.example", "localhost", false}, {"DNS:*.example,DNS:localhost", "localhost", true},
    };
    for (size_t i = 0; i < 2 * (sizeof cases / sizeof cases[0]); i++) {
        bool expected = cases[i / 2].is_accepted;
        struct identity_of_server identity;
        make_identity(&identity, cases[i / 2].names, i % 2 == 0 ? TLS1_2_VERSION : TLS1_3_VERSION);
        struct outgoing *outgoing = create(identity.file);
        struct scripted_server server;
        scripted_server_start(&server, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", SERVER_STALLS,
                              identity.tls);
        struct http_url url = url_of("https", cases[i / 2].host, server.port);
        body.most = SIZE_MAX;
        struct outgoing_response response = ask(outgoing, &url, LONG, 20);
        outgoing_free(outgoing);
        scripted_server_stop(&server);
        if (response.result != (expected ? OUTGOING_ANSWERED : OUTGOING_NO_TLS))
            fail_msg("case %zu: %d, %s", i, (int)response.result, response.error);
        if (expected)
            assert_string_equal(body.text, "hello");
        else
            assert_int_equal(server.request_length, 0); /* it got no password */
        free_identity(&identity);
    }
}

static void other_authorities(void **state)
{
    (void)state;
    struct identity_of_server identity, other;
    make_identity(&identity, "DNS:localhost", TLS1_3_VERSION);
    make_identity(&other, "DNS:localhost", TLS1_3_VERSION);
    const char *const files[] = {other.file, NULL, "/nowhere"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct outgoing *outgoing = create(files[i]);
        struct scripted_server server;
        scripted_server_start(&server, "HTTP/1.1 204 x\r\n\r\n", SERVER_CLOSES, identity.tls);
        struct http_url url = url_of("https", "localhost", server.port);
        assert_int_equal(ask(outgoing, &url, LONG, 20).result, OUTGOING_NO_TLS);
        outgoing_free(outgoing);
        scripted_server_stop(&server);
        assert_int_equal(server.request_length, 0);
    }
    /* A server without TLS */
    struct outgoing *outgoing = create(identity.file);
    struct scripted_server server;
    scripted_server_start(&server, "HTTP/1.1 204 x\r\n\r\n", SERVER_CLOSES, NULL);
    struct http_url url = url_of("https", "localhost", server.port);
    assert_int_equal(ask(outgoing, &url, SHORT, 20).result == OUTGOING_ANSWERED, false);
    outgoing_free(outgoing);
    scripted_server_stop(&server);
    free_identity(&identity);
    free_identity(&other);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN); /* as main.c does */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads),          cmocka_unit_test(responses),
        cmocka_unit_test(request_text),   cmocka_unit_test(nobody_there),
        cmocka_unit_test(second_address), cmocka_unit_test(unwanted_body),
        cmocka_unit_test(cancelled),      cmocka_unit_test(slow_lookups),
        cmocka_unit_test(certificates),   cmocka_unit_test(other_authorities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
