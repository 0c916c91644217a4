#include "server/http_internal.h"

#include "base/clock.h"

bool request_is(h2o_req_t *request, const char *method)
{
    return h2o_memis(request->method.base, request->method.len, method, strlen(method));
}

struct slice request_header_at(const h2o_req_t *request, ssize_t index)
{
    if (index < 0)
        return (struct slice){"", 0};
    h2o_iovec_t value = request->headers.entries[index].value;
    return slice_trim((struct slice){value.base, value.len}); /* libh2o leaves blanks at its end */
}

struct slice request_header(const h2o_req_t *request, const h2o_token_t *token)
{
    return request_header_at(request, h2o_find_header(&request->headers, token, -1));
}

struct slice request_header_named(const h2o_req_t *request, struct slice name)
{
    return request_header_at(request, h2o_find_header_by_str(&request->headers, name.at, name.length, -1));
}

struct slice request_path(const h2o_req_t *request)
{
    return (struct slice){request->path.base,
                          request->query_at < request->path.len ? request->query_at : request->path.len};
}

struct slice request_host(const h2o_req_t *request)
{
    h2o_iovec_t host = request->input.authority; /* if there is none, libh2o puts its own name for us */
    bool is_sent = host.base != request->hostconf->authority.hostport.base;
    return is_sent ? (struct slice){host.base, host.len} : (struct slice){"", 0};
}

/* Which listeners serve a route. */
enum side { BOTH_SIDES, OUTSIDE, INSIDE /* the public one too, if there is no METRICS_LISTEN_ADDRESS */ };

/* One row a route.  A path is compared as it was sent: "/drain/" and "/x/../drain" are other paths.  One that ends in a
 * slash is that of all paths that begin with it, but for "/". */
static const struct route {
    const char *path;
    const char *name;    /* as it is counted */
    const char *methods; /* as the header Allow has them */
    enum side side;
    enum http_role role;   /* HTTP_ROLES: of anybody, then the next two are NULL */
    const char *challenge; /* for who has no right password */
    enum admission (*admit)(struct connection *connection, struct slice authorization);
    route_handler *handler;
} routes[] = {
    {"/drain", "drain", "POST", OUTSIDE, HTTP_DRAIN, DRAIN_CHALLENGE, post_drain_admit, post_drain},
    {"/metrics", "metrics", "GET, HEAD", INSIDE, HTTP_METRICS, METRICS_CHALLENGE, get_metrics_admit, get_metrics},
    {"/v1/apps/", "app", "GET, HEAD", INSIDE, HTTP_METRICS, METRICS_CHALLENGE, page_access_admit, get_app_page},
    {"/v2/apps/", "app", "GET, HEAD", INSIDE, HTTP_METRICS, METRICS_CHALLENGE, page_access_admit, get_app_page},
    {"/singleTargetMetrics/", "target", "GET, HEAD", INSIDE, HTTP_METRICS, METRICS_CHALLENGE, get_metrics_admit,
     get_target_page},
    {"/promregatorMetrics", "self", "GET, HEAD", INSIDE, HTTP_METRICS, METRICS_CHALLENGE, get_metrics_admit,
     get_self_page},
    {"/discovery", "discovery", "GET, HEAD", INSIDE, HTTP_METRICS, METRICS_CHALLENGE, page_access_admit, get_discovery},
    {"/state", "state", "GET, HEAD", INSIDE, HTTP_METRICS, METRICS_CHALLENGE, get_metrics_admit, get_state},
    {"/", "status", "GET, HEAD", INSIDE, HTTP_METRICS, METRICS_CHALLENGE, get_status_page_admit, get_status_page},
    {"/status", "status", "GET, HEAD", INSIDE, HTTP_METRICS, METRICS_CHALLENGE, page_access_admit, get_status},
    {"/status/", "status", "GET, HEAD", INSIDE, HTTP_METRICS, METRICS_CHALLENGE, page_access_admit, get_status},
    {"/health", "health", "GET, HEAD", BOTH_SIDES, HTTP_ROLES, NULL, NULL, get_health},
    {"/ready", "ready", "GET, HEAD", BOTH_SIDES, HTTP_ROLES, NULL, NULL, get_ready},
};

static bool is_served(const struct route *route, const struct connection *connection)
{
    if (route->side == BOTH_SIDES || connection->worker->server->settings.metrics_address.port == NULL)
        return true;
    return (route->side == INSIDE) == connection->inside;
}

static bool is_for(const struct route *route, struct slice path)
{
    struct slice own = slice_of(route->path);
    return own.length > 1 && own.at[own.length - 1] == '/' ? slice_starts_with(path, own) : slice_equals(path, own);
}

static const struct route *find_route(struct slice path, const struct connection *connection)
{
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
        if (is_for(&routes[i], path) && is_served(&routes[i], connection))
            return &routes[i];
    return NULL;
}

static bool allows_method(const struct route *route, struct slice wanted)
{
    struct slice list = slice_of(route->methods);
    while (list.length > 0) {
        struct slice method = {list.at, slice_index(list, ',')};
        if (slice_equals(method, wanted))
            return true;
        list = slice_after(list, method.length + 2 < list.length ? method.length + 2 : list.length);
    }
    return false;
}

/* May a request with this route, NULL if there is none, and method have a response of its route?  On REFUSED, instead
 * is what it gets. */
static enum admission admit(struct connection *connection, const struct route *route, struct slice method,
                            struct response *instead)
{
    static const char text[] = "text/plain; charset=utf-8";
    if (route == NULL)
        *instead = (struct response){"other", 404, "Not Found", text, "not found\n", NULL, NULL};
    else if (!allows_method(route, method))
        *instead = (struct response){route->name,     405,           "Method Not Allowed", text, "method not allowed\n",
                                     H2O_TOKEN_ALLOW, route->methods};
    else if (route->role == HTTP_ROLES || connection->admitted)
        return ADMISSION_GRANTED;
    else
        return client_admit(connection, route->role, instead);
    return ADMISSION_REFUSED;
}

/* A reserved place is not for batches, which stay for long. */
static bool is_kept_out(const struct route *route, struct connection *connection)
{
    if (!connection->reserved || route == NULL || route->handler != post_drain)
        return false;
    atomic_fetch_add_explicit(&connection->worker->server->refused, 1, memory_order_relaxed);
    return true;
}

enum admission routes_admit(struct connection *connection, const struct request_head *head, struct response *response)
{
    struct slice path = {head->target.at, slice_index(head->target, '?')};
    const struct route *route = find_route(path, connection);
    enum admission admission = admit(connection, route, head->method, response);
    if (admission != ADMISSION_GRANTED)
        return admission;
    response->path = route->name;
    if (is_kept_out(route, connection))
        admission = ADMISSION_WITHHELD;
    else
        admission = route->admit == NULL ? ADMISSION_GRANTED : route->admit(connection, head->authorization);
    if (admission == ADMISSION_REFUSED) {
        client_failed(connection, route->role, head->authorization);
        *response = response_unauthorized(route->name, route->challenge);
    }
    connection->admitted = admission == ADMISSION_GRANTED;
    if (admission != ADMISSION_GRANTED || route->handler == post_drain)
        return admission;
    *response = (struct response){
        route->name, 400, "Bad Request", "text/plain; charset=utf-8", "no body is taken here\n", NULL, NULL};
    return ADMISSION_REFUSED;
}

int routes_on_request(h2o_handler_t *handler, h2o_req_t *request)
{
    (void)handler;
    struct connection *connection = connection_of(request);
    connection->requests++;
    connection->changed = clock_monotonic();
    struct slice target = {request->path.base, request->path.len};
    struct slice path = request_path(request);
    struct slice query = slice_after(target, path.length < target.length ? path.length + 1 : target.length);
    const struct route *route = find_route(path, connection);
    struct slice method = {request->method.base, request->method.len};
    struct response instead;
    if (connection->reserved)
        request->http1_is_persistent = 0;
    enum admission admission =
        is_kept_out(route, connection) ? ADMISSION_WITHHELD : admit(connection, route, method, &instead);
    if (admission == ADMISSION_GRANTED)
        route->handler(request, query);
    else if (admission == ADMISSION_REFUSED)
        response_send(request, &instead);
    else
        response_withhold(request, route->name);
    connection->admitted = false;
    return 0;
}
