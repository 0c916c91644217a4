/* Who is at the other end of a connection, and what that address may do. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/clock.h"
#include "server/http_internal.h"
#include "server/proxy_header.h"

static bool is_trusted(const struct connection *connection, const struct address *address)
{
    const struct address_ranges *trusted = connection->worker->server->settings.trusted;
    return trusted != NULL && address_ranges_hold(trusted, address);
}

/* ---- connections ---- */

bool client_may_connect(struct http_server *server, const struct address *peer)
{
    bool may = address_bounds_enter(server->bounds, peer, clock_monotonic());
    if (!may)
        rejections_note(server->rejections, REJECTED_CONNECTIONS, SLICE(""), peer);
    return may;
}

void client_uncount(struct http_server *server, const struct address *peer)
{
    address_bounds_leave(server->bounds, peer);
}

/* What has arrived is read by who serves the connection. */
static void open_behind_header(struct connection *connection, const struct proxy_header *header)
{
    h2o_socket_read_stop(connection->socket);
    h2o_buffer_consume(&connection->socket->input, header->length);
    if (header->has_client)
        connection->peer = connection->client = header->client;
    bool is_proxy = is_trusted(connection, &connection->peer); /* which has the connections of all its clients */
    connection->counted = !is_proxy && client_may_connect(connection->worker->server, &connection->peer);
    if (is_proxy || connection->counted)
        worker_open(connection);
    else
        h2o_socket_close(connection->socket);
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
    rejections_note(connection->worker->server->rejections, REJECTED_PROXY_HEADER, SLICE(""), &connection->peer);
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
    connection->admitted = false; /* libh2o may have answered the one before by itself */
    if (connection->access != NULL)
        access_log_begin(connection->access, head->method, head->target, clock_monotonic());
    if (trusted != NULL)
        connection->client = forwarded_client(&head->forwarded, &connection->peer, trusted);
}

/* Is the client known as one with a right password, lately and by this connection?  Then there is nothing to look up.
 */
static bool is_vouched_for(const struct connection *connection)
{
    enum { INTERVAL = 60 * 60 * 1000 /* milliseconds until it is noted again */ };
    return connection->vouched != 0 && address_equals(&connection->voucher, &connection->client) &&
           connection->changed - connection->vouched < INTERVAL;
}

static bool is_locked(const struct connection *connection)
{
    struct http_server *server = connection->worker->server;
    return !is_vouched_for(connection) && !is_trusted(connection, &connection->client) &&
           address_bounds_is_locked(server->bounds, &connection->client, clock_monotonic());
}

/* What a request that is refused is answered. */
static const struct {
    const char *path;
    enum rejection not_allowed;
    const char *sentence;
} roles[HTTP_ROLES] = {
    [HTTP_DRAIN] = {"drain", REJECTED_ALLOW_DRAIN, "ALLOW_DRAIN does not list your address\n"},
    [HTTP_METRICS] = {"metrics", REJECTED_ALLOW_METRICS, "ALLOW_METRICS does not list your address\n"},
};

static enum admission refuse(struct connection *connection, enum rejection rejection, struct response *response,
                             const struct response *refused)
{
    rejections_note(connection->worker->server->rejections, rejection, SLICE(""), &connection->client);
    *response = *refused;
    response->type = "text/plain; charset=utf-8";
    return ADMISSION_REFUSED;
}

enum admission client_admit(struct connection *connection, enum http_role role, struct response *response)
{
    const struct http_settings *settings = &connection->worker->server->settings;
    const struct address_ranges *allowed = settings->allowed[role];
    struct response refused = {.path = roles[role].path, .status = 403, .reason = "Forbidden"};
    if (allowed != NULL && !address_ranges_hold(allowed, &connection->client)) {
        refused.body = roles[role].sentence;
        return refuse(connection, roles[role].not_allowed, response, &refused);
    }
    if (settings->needs_certificate[role] && !connection->certified) {
        refused.body = "a client certificate of TLS_CLIENT_CA_FILE is needed here\n";
        return refuse(connection, REJECTED_CERTIFICATE, response, &refused);
    }
    if (!is_locked(connection))
        return ADMISSION_GRANTED;
    refused.status = 429;
    refused.reason = "Too Many Requests";
    refused.body = "there were too many wrong passwords from your address\n";
    refuse(connection, REJECTED_LOCKED, response, &refused);
    /* Its password may be right: a batch is sent again if there is no answer. */
    return role == HTTP_DRAIN ? ADMISSION_WITHHELD : ADMISSION_REFUSED;
}

/* ---- credentials ---- */

uint64_t client_source(const struct connection *connection)
{
    struct address source = address_subscriber(&connection->client);
    return XXH3_64bits(&source, sizeof source);
}

void client_succeeded(struct connection *connection)
{
    if (is_vouched_for(connection) || is_trusted(connection, &connection->client))
        return;
    connection->voucher = connection->client;
    connection->vouched = connection->changed;
    address_bounds_succeed(connection->worker->server->bounds, &connection->client, clock_monotonic());
}

static bool is_user(struct http_server *server, enum http_role role, struct slice name)
{
    if (role == HTTP_METRICS && slice_equals(name, SLICE(METRICS_USER)))
        return true;
    pthread_rwlock_rdlock(&server->access_lock);
    bool is_known =
        role == HTTP_METRICS ? accounts_has_scraper(server->accounts, name) : accounts_has_user(server->accounts, name);
    pthread_rwlock_unlock(&server->access_lock);
    return is_known;
}

void client_failed(struct connection *connection, enum http_role role, struct slice authorization)
{
    struct http_server *server = connection->worker->server;
    enum rejection rejection = role == HTTP_DRAIN ? REJECTED_DRAIN_LOGIN : REJECTED_METRICS_LOGIN;
    struct auth_credentials credentials = {.count = 0};
    struct slice token, user = SLICE(USER_UNKNOWN);
    if (role == HTTP_METRICS && auth_read_token(authorization, &token))
        user = SLICE(USER_TOKEN);
    else if (!auth_read(&credentials, authorization))
        user = SLICE(USER_MISSING);
    if (!slice_equals(user, SLICE(USER_MISSING)) && !is_trusted(connection, &connection->client))
        address_bounds_fail(server->bounds, &connection->client, clock_monotonic());
    for (unsigned i = 0; i < credentials.count; i++)
        if (is_user(server, role, auth_user(credentials.pairs[i])))
            user = auth_user(credentials.pairs[i]);
    rejections_note(server->rejections, rejection, user, &connection->client);
    auth_forget(&credentials);
}
