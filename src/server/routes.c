#include "server/http_internal.h"

#include <strings.h>

#include "base/clock.h"

bool request_is(h2o_req_t *request, const char *method)
{
    return h2o_memis(request->method.base, request->method.len, method, strlen(method));
}

/* The value of the header at this index, empty if the index says that there is none. */
static struct slice header_at(const h2o_req_t *request, ssize_t index)
{
    if (index < 0)
        return (struct slice){"", 0};
    h2o_iovec_t value = request->headers.entries[index].value;
    return (struct slice){value.base, value.len};
}

struct slice request_header(const h2o_req_t *request, const h2o_token_t *token)
{
    return header_at(request, h2o_find_header(&request->headers, token, -1));
}

struct slice request_header_named(const h2o_req_t *request, struct slice name)
{
    return header_at(request, h2o_find_header_by_str(&request->headers, name.at, name.length, -1));
}

static bool is_header(struct slice line, struct slice name)
{
    return line.length > name.length && strncasecmp(line.at, name.at, name.length) == 0;
}

/* Does the header tell the body's length in two ways?  libh2o believes one of them, and a proxy before us may have
 * believed the other: then what we read as a batch is what somebody smuggled past the proxy (RFC 9112, 6.3 and 11.2).
 * libh2o removes these lines from the request, but keeps the header's text in front of the body until the request is
 * answered. */
static bool has_two_lengths(const h2o_buffer_t *input)
{
    struct slice text = {input->bytes, input->size};
    unsigned lengths = 0;
    while (text.length > 0 && (text.at[0] == '\r' || text.at[0] == '\n'))
        text = slice_after(text, 1); /* an empty line before the request is allowed (RFC 9112, 2.2) */
    for (;;) {
        size_t end = slice_index(text, '\n');
        struct slice line = {text.at, end};
        if (end == text.length || end <= 1)
            return lengths > 1;
        lengths += is_header(line, SLICE("content-length:")) || is_header(line, SLICE("transfer-encoding:"));
        text = slice_after(text, end + 1);
    }
}

/* Which listeners serve a route. */
enum side { BOTH_SIDES, OUTSIDE, INSIDE /* the public one too, if there is no METRICS_LISTEN_ADDRESS */ };

/* One row a route.  A path is compared as it was sent: "/drain/" and "/x/../drain" are other paths. */
static const struct route {
    const char *path;
    const char *name;    /* as it is counted */
    const char *methods; /* as the header Allow has them */
    enum side side;
    route_handler *handler;
} routes[] = {
    {"/drain", "drain", "POST", OUTSIDE, post_drain},
    {"/metrics", "metrics", "GET, HEAD", INSIDE, get_metrics},
    {"/health", "health", "GET, HEAD", BOTH_SIDES, get_health},
};

static bool is_served(const struct route *route, const struct connection *connection)
{
    if (route->side == BOTH_SIDES || connection->worker->server->settings.metrics_address.port == NULL)
        return true;
    return (route->side == INSIDE) == connection->inside;
}

static const struct route *find_route(struct slice path, const struct connection *connection)
{
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
        if (slice_equals(path, slice_of(routes[i].path)) && is_served(&routes[i], connection))
            return &routes[i];
    return NULL;
}

static bool allows_method(const struct route *route, h2o_req_t *request)
{
    struct slice list = slice_of(route->methods);
    while (list.length > 0) {
        struct slice method = {list.at, slice_index(list, ',')};
        if (h2o_memis(request->method.base, request->method.len, method.at, method.length))
            return true;
        list = slice_after(list, method.length + 2 < list.length ? method.length + 2 : list.length);
    }
    return false;
}

static void follow(const struct route *route, h2o_req_t *request, struct slice query)
{
    if (route == NULL)
        response_send_text(request, "other", 404, "Not Found", "not found\n");
    else if (allows_method(route, request))
        route->handler(request, query);
    else
        response_send(request, &(struct response){route->name, 405, "Method Not Allowed", "text/plain; charset=utf-8",
                                                  "method not allowed\n", H2O_TOKEN_ALLOW, route->methods});
}

int routes_on_request(h2o_handler_t *handler, h2o_req_t *request)
{
    (void)handler;
    struct connection *connection = connection_of(request);
    connection->requests++;
    connection->changed = clock_monotonic();
    struct slice target = {request->path.base, request->path.len};
    struct slice path = {target.at, request->query_at < target.length ? request->query_at : target.length};
    struct slice query = slice_after(target, path.length < target.length ? path.length + 1 : target.length);
    const struct route *route = find_route(path, connection);
    if (connection->reserved)
        request->http1_is_persistent = 0;
    if (connection->reserved && route != NULL && route->handler == post_drain) {
        atomic_fetch_add_explicit(&connection->worker->server->refused, 1, memory_order_relaxed);
        response_withhold(request, "drain");
    } else if (has_two_lengths(connection->socket->input)) {
        request->http1_is_persistent = 0;
        response_send_text(request, "unread", 400, "Bad Request", "the length of the body is given twice\n");
    } else
        follow(route, request, query);
    return 0;
}
