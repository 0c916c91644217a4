/* Who is at the other end of a connection, and what that address may do. */
#include "server/http_internal.h"
#include "server/proxy_header.h"

static bool is_trusted(const struct connection *connection, const struct address *address)
{
    const struct address_ranges *trusted = connection->worker->server->settings.trusted;
    return trusted != NULL && address_ranges_hold(trusted, address);
}

/* ---- connections ---- */

/* What has arrived is read by who serves the connection. */
static void open_behind_header(struct connection *connection, const struct proxy_header *header)
{
    h2o_socket_read_stop(connection->socket);
    h2o_buffer_consume(&connection->socket->input, header->length);
    if (header->has_client)
        connection->peer = connection->client = header->client;
    worker_open(connection);
}

static void on_header(h2o_socket_t *socket, const char *error)
{
    struct connection *connection = socket->on_close.data;
    struct proxy_header header = {0};
    if (error != NULL) {
        h2o_socket_close(socket);
        return;
    }
    switch (proxy_header_read((struct slice){socket->input->bytes, socket->input->size}, &header)) {
    case PROXY_HEADER_INCOMPLETE:
        return;
    case PROXY_HEADER_READ:
        open_behind_header(connection, &header);
        return;
    case PROXY_HEADER_ABSENT: /* a health check on this machine has none; what a proxy hands on always has */
        if (address_is_localhost(&connection->peer)) {
            open_behind_header(connection, &header);
            return;
        }
        break;
    case PROXY_HEADER_INVALID:
        break;
    }
    refusals_note(connection->worker->server->refusals, REFUSED_PROXY_HEADER, SLICE(""), &connection->peer);
    h2o_socket_close(socket);
}

void client_open(struct connection *connection)
{
    bool has_header = connection->worker->server->settings.proxy_protocol && !connection->inside;
    if (has_header && is_trusted(connection, &connection->peer))
        h2o_socket_read_start(connection->socket, on_header);
    else
        worker_open(connection);
}

/* ---- requests ---- */

void client_begin_request(struct connection *connection, const struct request_head *head)
{
    const struct address_ranges *trusted = connection->worker->server->settings.trusted;
    if (trusted != NULL)
        connection->client = forwarded_client(&head->forwarded, &connection->peer, trusted);
}

static struct response forbidden(const char *path, const char *sentence)
{
    return (struct response){path, 403, "Forbidden", "text/plain; charset=utf-8", sentence, NULL, NULL};
}

bool client_is_refused(struct connection *connection, enum http_role role, struct response *response)
{
    static const struct {
        const char *path;
        enum refusal not_allowed;
        const char *sentence;
    } roles[HTTP_ROLES] = {
        [HTTP_DRAIN] = {"drain", REFUSED_ALLOW_DRAIN, "ALLOW_DRAIN does not list your address\n"},
        [HTTP_METRICS] = {"metrics", REFUSED_ALLOW_METRICS, "ALLOW_METRICS does not list your address\n"},
    };
    struct http_server *server = connection->worker->server;
    const struct address_ranges *allowed = server->settings.allowed[role];
    if (allowed == NULL || address_ranges_hold(allowed, &connection->client))
        return false;
    refusals_note(server->refusals, roles[role].not_allowed, SLICE(""), &connection->client);
    *response = forbidden(roles[role].path, roles[role].sentence);
    return true;
}

/* ---- wrong credentials ---- */

static bool is_user(struct http_server *server, enum http_role role, struct slice name)
{
    if (role == HTTP_METRICS)
        return slice_equals(name, SLICE(METRICS_USER));
    pthread_rwlock_rdlock(&server->access_lock);
    bool is_known = accounts_has_user(server->accounts, name);
    pthread_rwlock_unlock(&server->access_lock);
    return is_known;
}

void client_failed(struct connection *connection, enum http_role role, struct slice authorization)
{
    struct http_server *server = connection->worker->server;
    enum refusal refusal = role == HTTP_DRAIN ? REFUSED_DRAIN_LOGIN : REFUSED_METRICS_LOGIN;
    struct auth_credentials credentials;
    if (!auth_read(&credentials, authorization)) {
        refusals_note(server->refusals, refusal, SLICE(USER_MISSING), &connection->client);
        return;
    }
    struct slice user = SLICE(USER_UNKNOWN);
    for (unsigned i = 0; i < credentials.count; i++)
        if (is_user(server, role, auth_user(credentials.pairs[i])))
            user = auth_user(credentials.pairs[i]);
    refusals_note(server->refusals, refusal, user, &connection->client);
    auth_forget(&credentials);
}
