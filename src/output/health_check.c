#include "output/health_check.h"

#include <string.h>

#include "output/http_client.h"

/* Where a server that listens on this host can be reached. */
static const char *reachable(const char *host)
{
    if (host[0] == '\0' || strcmp(host, "0.0.0.0") == 0)
        return "127.0.0.1";
    return strcmp(host, "::") == 0 ? "::1" : host;
}

bool health_check(const char *host, const char *port, bool tls, char error[ERROR_MAX])
{
    struct http_url url = {.tls = tls, .host_header = "localhost", .target = "/health"};
    if (snprintf(url.host, sizeof url.host, "%s", reachable(host)) >= (int)sizeof url.host ||
        snprintf(url.port, sizeof url.port, "%s", port) >= (int)sizeof url.port)
        return error_set(error, "the address is too long");
    struct http_client *client = http_client_create(&url, false);
    if (client == NULL)
        return error_set(error, ERROR_NO_MEMORY);
    struct http_response response;
    http_client_send(client, &(struct http_request){.method = "GET", .close = true, .timeout = 3000}, &response);
    http_client_free(client);
    if (response.status == 200)
        return true;
    if (response.status != 0)
        return error_set(error, "%s port %s: the server answered %d", url.host, url.port, response.status);
    return error_set(error, "%s port %s: %s", url.host, url.port, response.error);
}
