/* Who is at the other end of a connection, and what that address may do. */
#include "server/http_internal.h"

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
