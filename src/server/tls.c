#include "server/http_internal.h"

#include <openssl/err.h>
#include <sys/stat.h>

/* An encrypted key is refused: nobody sits at a terminal. */
static int refuse_passphrase(char *buffer, int size, int is_writing, void *context)
{
    (void)buffer, (void)size, (void)is_writing, (void)context;
    return -1;
}

/* A pipe is read once, and would hold the reload up. */
static bool is_regular(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

bool http_reload_tls(struct http_server *server, char error[ERROR_MAX])
{
    const struct http_settings *settings = &server->settings;
    if (settings->tls_cert_file == NULL)
        return true;
    if (!is_regular(settings->tls_cert_file) || !is_regular(settings->tls_key_file))
        return error_set(error, "TLS_CERT_FILE or TLS_KEY_FILE: there is no such file");
    SSL_CTX *fresh = tls_open(settings, error);
    if (fresh == NULL)
        return false;
    pthread_rwlock_wrlock(&server->access_lock);
    SSL_CTX *old = server->tls;
    server->tls = fresh;
    pthread_rwlock_unlock(&server->access_lock);
    SSL_CTX_free(old);
    return true;
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

SSL_CTX *tls_open(const struct http_settings *settings, char error[ERROR_MAX])
{
    ERR_clear_error();
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    if (tls == NULL) {
        error_set(error, "TLS cannot be set up");
        return NULL;
    }
    SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(tls, "ECDHE+AESGCM:ECDHE+CHACHA20"); /* of TLS 1.2; those of 1.3 are all as good */
    SSL_CTX_set_default_passwd_cb(tls, refuse_passphrase);
    SSL_CTX_set_options(tls, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_COMPRESSION);
    static char protocol[] = "http/1.1";
    static h2o_iovec_t protocols[] = {{protocol, sizeof protocol - 1}, {NULL, 0}}; /* libh2o keeps the pointer */
    h2o_ssl_register_alpn_protocols(tls, protocols);
    if (settings->tls_client_ca_file != NULL && !client_certificate_ask(tls, settings->tls_client_ca_file, error)) {
        SSL_CTX_free(tls);
        return NULL;
    }
    const char *wrong = NULL;
    if (SSL_CTX_use_certificate_chain_file(tls, settings->tls_cert_file) != 1)
        wrong = "TLS_CERT_FILE: the file cannot be read as a PEM certificate";
    else if (SSL_CTX_use_PrivateKey_file(tls, settings->tls_key_file, SSL_FILETYPE_PEM) != 1)
        wrong = "TLS_KEY_FILE: the file cannot be read as a PEM key, or does not fit the certificate";
    if (wrong == NULL)
        return tls;
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    error_set(error, "%s%s%s", wrong, reason != NULL ? ": " : "", reason != NULL ? reason : "");
    SSL_CTX_free(tls);
    return NULL;
}
