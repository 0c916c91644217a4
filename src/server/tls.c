#include "server/http_internal.h"

#include <openssl/err.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "server/http_metrics.h"

/* An encrypted key is refused: nobody sits at a terminal. */
static int refuse_passphrase(char *buffer, int size, int is_writing, void *context)
{
    (void)buffer, (void)size, (void)is_writing, (void)context;
    return -1;
}

/* ---- what is in the files ---- */

/* Which names are meant: OpenSSL keeps those of TLS 1.3 in a list of their own. */
enum cipher_version { BEFORE_1_3, OF_1_3 };

static void pick_ciphers(const char *names, enum cipher_version version, char *picked)
{
    struct slice rest = slice_of(names);
    char *end = picked;
    while (rest.length > 0) {
        struct slice name = {rest.at, slice_index(rest, ':')};
        rest = slice_after(rest, name.length < rest.length ? name.length + 1 : name.length);
        if (name.length == 0 || slice_starts_with(name, SLICE("TLS_")) != (version == OF_1_3))
            continue;
        if (end != picked)
            *end++ = ':';
        memcpy(end, name.at, name.length);
        end += name.length;
    }
    *end = '\0';
}

/* Does it encrypt so that nothing can be altered, with keys that the certificate's does not tell? */
static bool is_good(const SSL_CIPHER *cipher)
{
    int exchange = SSL_CIPHER_get_kx_nid(cipher);
    return SSL_CIPHER_is_aead(cipher) && SSL_CIPHER_get_auth_nid(cipher) != NID_auth_null &&
           (exchange == NID_kx_ecdhe || exchange == NID_kx_dhe || exchange == NID_kx_any);
}

/* OpenSSL is content if it knows one of them. */
static bool knows_all(SSL_CTX *tls, const char *names)
{
    char name[128];
    for (size_t length; *names != '\0'; names += length + (names[length] == ':')) {
        length = strcspn(names, ":");
        if (strchr("!-+@", names[0]) != NULL) /* does not name what to use */
            continue;
        if (length >= sizeof name)
            return false;
        memcpy(name, names, length);
        name[length] = '\0';
        if (SSL_CTX_set_cipher_list(tls, name) != 1)
            return false;
    }
    return true;
}

static bool set_ciphers(SSL_CTX *tls, const char *names, char error[ERROR_MAX])
{
    enum { NAMES_MAX = 1024 };
    static const char good[] = "ECDHE+AESGCM:ECDHE+CHACHA20"; /* of TLS 1.2; those of 1.3 are all as good */
    char old[NAMES_MAX + 1] = "", new[NAMES_MAX + 1] = "";
    if (names != NULL && strlen(names) > NAMES_MAX)
        return error_set(error, "TLS_CIPHERS is longer than %d bytes", NAMES_MAX);
    if (names != NULL) {
        pick_ciphers(names, BEFORE_1_3, old);
        pick_ciphers(names, OF_1_3, new);
    }
    if (!knows_all(tls, old) || SSL_CTX_set_cipher_list(tls, old[0] != '\0' ? old : good) != 1 ||
        (new[0] != '\0' && SSL_CTX_set_ciphersuites(tls, new) != 1))
        return error_set(error, names == NULL ? "TLS cannot be set up"
                                              : "TLS_CIPHERS: there is a name that OpenSSL does not know");
    const STACK_OF(SSL_CIPHER) *ciphers = SSL_CTX_get_ciphers(tls);
    for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); i++) {
        const SSL_CIPHER *cipher = sk_SSL_CIPHER_value(ciphers, i);
        if (!is_good(cipher))
            return error_set(error, "TLS_CIPHERS: %s has no forward secrecy or no authenticated encryption",
                             SSL_CIPHER_get_name(cipher));
    }
    return true;
}

/* Fill what was just made.  False with a sentence in error; that of OpenSSL's queue may follow it. */
static bool load(SSL_CTX *tls, const struct http_settings *settings, char error[ERROR_MAX])
{
    static char protocol[] = "http/1.1";
    static h2o_iovec_t protocols[] = {{protocol, sizeof protocol - 1}, {NULL, 0}}; /* libh2o keeps the pointer */
    if (SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION) != 1)
        return error_set(error, "TLS cannot be set up");
    if (!set_ciphers(tls, settings->tls_ciphers, error))
        return false;
    SSL_CTX_set_default_passwd_cb(tls, refuse_passphrase);
    SSL_CTX_set_options(tls, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_COMPRESSION);
    h2o_ssl_register_alpn_protocols(tls, protocols);
    if (settings->tls_client_ca_file != NULL && !client_certificate_ask(tls, settings->tls_client_ca_file, error))
        return false;
    if (SSL_CTX_use_certificate_chain_file(tls, settings->tls_cert_file) != 1)
        return error_set(error, "TLS_CERT_FILE: the file cannot be read as a PEM certificate");
    if (SSL_CTX_use_PrivateKey_file(tls, settings->tls_key_file, SSL_FILETYPE_PEM) != 1)
        return error_set(error, "TLS_KEY_FILE: the file cannot be read as a PEM key, or does not fit the certificate");
    return true;
}

/* TLS with the certificate and key of these settings; NULL with a sentence in error. */
static SSL_CTX *open_tls(const struct http_settings *settings, char error[ERROR_MAX])
{
    ERR_clear_error();
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    if (tls == NULL) {
        error_set(error, "TLS cannot be set up");
        return NULL;
    }
    if (load(tls, settings, error))
        return tls;
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    size_t length = strlen(error);
    if (reason != NULL)
        snprintf(error + length, ERROR_MAX - length, ": %s", reason);
    ERR_clear_error();
    SSL_CTX_free(tls);
    return NULL;
}

/* ---- expiry ---- */

static int64_t expiry_of(const X509 *certificate)
{
    struct tm time;
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &time) != 1)
        return INT64_MAX;
    return timegm(&time);
}

/* Of the certificate and its chain, what expires first; seconds since 1970. */
static int64_t first_expiry(SSL_CTX *tls)
{
    int64_t first = expiry_of(SSL_CTX_get0_certificate(tls));
    STACK_OF(X509) *chain = NULL;
    SSL_CTX_get0_chain_certs(tls, &chain);
    for (int i = 0; i < sk_X509_num(chain); i++) { /* -1 of NULL */
        int64_t expiry = expiry_of(sk_X509_value(chain, i));
        first = expiry < first ? expiry : first;
    }
    return first;
}

/* A sentence if that is soon, else an empty text. */
static void spell_warning(int64_t expiry, char warning[ERROR_MAX])
{
    enum { DAY = 24 * 3600, SOON = 30 * DAY };
    int64_t left = expiry - clock_wall() / 1000000;
    time_t seconds = expiry;
    struct tm time;
    char date[32];
    warning[0] = '\0';
    if (left >= SOON || gmtime_r(&seconds, &time) == NULL ||
        strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S", &time) == 0)
        return;
    error_set(warning, "TLS_CERT_FILE: the certificate, or one of its chain, %s %s UTC",
              left <= 0 ? "has expired:" : "expires soon:", date);
}

/* ---- what is served ---- */

/* Serve this from now on. */
static void take(struct http_server *server, SSL_CTX *fresh)
{
    char warning[ERROR_MAX];
    int64_t expiry = first_expiry(fresh);
    pthread_rwlock_wrlock(&server->access_lock);
    SSL_CTX *old = server->tls;
    server->tls = fresh;
    pthread_rwlock_unlock(&server->access_lock);
    SSL_CTX_free(old);
    atomic_store_explicit(&server->tls_expiry, expiry, memory_order_relaxed);
    spell_warning(expiry, warning);
    if (warning[0] != '\0')
        log_write(LOG_WARN, "%s", warning);
}

bool tls_start(struct http_server *server, char error[ERROR_MAX])
{
    const struct http_settings *settings = &server->settings;
    const char *const paths[] = {settings->tls_cert_file, settings->tls_key_file, settings->tls_client_ca_file};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        if (paths[i] != NULL)
            file_watch_add(&server->tls_files, paths[i]);
    SSL_CTX *tls = open_tls(settings, error);
    if (tls != NULL)
        take(server, tls);
    return tls != NULL;
}

bool http_check_tls(const struct http_settings *settings, char warning[ERROR_MAX], char error[ERROR_MAX])
{
    warning[0] = '\0';
    if (settings->tls_cert_file == NULL)
        return true;
    SSL_CTX *tls = open_tls(settings, error);
    if (tls == NULL)
        return false;
    spell_warning(first_expiry(tls), warning);
    SSL_CTX_free(tls);
    return true;
}

bool http_reload_tls(struct http_server *server, char error[ERROR_MAX])
{
    const struct http_settings *settings = &server->settings;
    if (settings->tls_cert_file == NULL)
        return true;
    file_watch_note_read(&server->tls_files);
    if (!file_is_regular(settings->tls_cert_file) || !file_is_regular(settings->tls_key_file))
        return error_set(error, "TLS_CERT_FILE or TLS_KEY_FILE: there is no such file");
    SSL_CTX *fresh = open_tls(settings, error);
    if (fresh != NULL)
        take(server, fresh);
    return fresh != NULL;
}

void http_watch_tls(struct http_server *server)
{
    char error[ERROR_MAX];
    if (!file_watch_has_changed(&server->tls_files))
        return;
    if (http_reload_tls(server, error))
        log_write(LOG_INFO, "TLS_CERT_FILE and TLS_KEY_FILE have changed and were read again");
    else
        log_write(LOG_ERROR, "TLS_CERT_FILE and TLS_KEY_FILE have changed, but the old ones stay: %s", error);
}

void tls_describe(const struct http_server *server, const struct self_terms *terms)
{
    int64_t expiry = atomic_load_explicit(&server->tls_expiry, memory_order_relaxed);
    if (expiry != 0)
        self_set(terms, &http_certificate_expiry, NULL, 0, (double)expiry);
}

SSL_CTX *tls_ref(struct http_server *server)
{
    if (server->settings.tls_cert_file == NULL)
        return NULL;
    pthread_rwlock_rdlock(&server->access_lock);
    SSL_CTX *tls = server->tls;
    SSL_CTX_up_ref(tls);
    pthread_rwlock_unlock(&server->access_lock);
    return tls;
}
