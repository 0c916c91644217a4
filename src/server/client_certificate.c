/* Certificates of clients, which prove that they may ask for /drain or /metrics.
 *
 * Each client is asked for one, but none is turned away in the handshake: a health check has none, and whoever has a
 * wrong one is told so by a response (client.c). */
#include "server/http_internal.h"

#include "base/file.h"

/* The result is kept by OpenSSL, with the session too. */
static int on_verified(int is_right, X509_STORE_CTX *store)
{
    (void)is_right, (void)store;
    return 1;
}

static void on_state(const SSL *ssl, int where, int result)
{
    (void)result;
    if ((where & SSL_CB_HANDSHAKE_DONE) == 0)
        return;
    h2o_socket_t *socket = BIO_get_data(SSL_get_rbio(ssl)); /* where libh2o itself finds its socket again */
    struct connection *connection = socket->on_close.data;
    connection->certified = SSL_get0_peer_certificate(ssl) != NULL && SSL_get_verify_result(ssl) == X509_V_OK;
}

bool client_certificate_ask(SSL_CTX *tls, const char *ca_file, char error[ERROR_MAX])
{
    enum { DEPTH_MAX = 8 /* authorities between a client and one of the file */ };
    static const unsigned char context[] = "drain_exporter";
    STACK_OF(X509_NAME) *names = file_is_regular(ca_file) ? SSL_load_client_CA_file(ca_file) : NULL;
    bool is_read = names != NULL && SSL_CTX_load_verify_locations(tls, ca_file, NULL) == 1 &&
                   SSL_CTX_set_session_id_context(tls, context, sizeof context - 1) == 1;
    if (!is_read) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return error_set(error, "TLS_CLIENT_CA_FILE: the file cannot be read as PEM certificates");
    }
    SSL_CTX_set_verify_depth(tls, DEPTH_MAX);
    SSL_CTX_set_client_CA_list(tls, names);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, on_verified);
    SSL_CTX_set_info_callback(tls, on_state);
    return true;
}
