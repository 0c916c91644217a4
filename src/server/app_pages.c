/* Pages of one app or one instance, at the URLs of Promfetcher and Promregator:
 *
 *     /v1/apps/acme/prod/shop/metrics    /v1/apps/metrics?app=my-shop    /v2/apps/shop.example.com/only-app-metrics
 *     /singleTargetMetrics/6460bea4-c300-46a2-a6c2-3aa2fb271c86/0 */
#include <stdio.h>

#include "base/clock.h"
#include "base/percent.h"
#include "server/http_internal.h"
#include "server/query.h"

enum { TEXT_MAX = 1024 /* bytes that an app may be asked for with; there is none with a longer name */ };

static bool ends_with(struct slice text, struct slice end)
{
    return text.length >= end.length && memcmp(text.at + text.length - end.length, end.at, end.length) == 0;
}

/* A value may stand in double quotes, as in the README of Promfetcher. */
static struct slice unquote(struct slice text)
{
    if (text.length >= 2 && text.at[0] == '"' && text.at[text.length - 1] == '"')
        return (struct slice){text.at + 1, text.length - 2};
    return text;
}

/* "https://shop.example.com/path" and the like: the host. */
static struct slice host_of_route(struct slice route)
{
    static const struct slice schemes[] = {{"http://", 7}, {"https://", 8}};
    for (size_t i = 0; i < COUNT(schemes); i++)
        if (slice_starts_with(route, schemes[i]))
            route = slice_after(route, schemes[i].length);
    return (struct slice){route.at, slice_index(route, '/')};
}

static bool may_see(const void *access, const struct directory_app *app)
{
    return page_access_sees(access, app);
}

/* The app that is asked for by whatever this is, if who asks may see it. */
static bool find_app(struct directory *directory, struct slice text, bool is_route, const struct page_access *access,
                     struct directory_app *app)
{
    uint64_t now = clock_monotonic();
    const struct directory_viewer viewer = {may_see, access};
    return (!is_route && directory_find(directory, DIRECTORY_NAME, text, now, &viewer, app)) ||
           (!is_route && directory_find(directory, DIRECTORY_GUID, text, now, &viewer, app)) ||
           directory_find(directory, DIRECTORY_ROUTE, host_of_route(text), now, &viewer, app);
}

/* Which app a request is about. */
struct wanted {
    struct slice text; /* in place; empty: none */
    bool is_route;
    bool only_reported;
    char place[TEXT_MAX];
};

/* Read it from the path behind "/v1/apps/", and the query.  False if there is no such path. */
static bool read_wanted(struct slice path, struct slice query, struct wanted *wanted)
{
    static const struct slice all = {"metrics", 7}, reported = {"only-app-metrics", 16};
    wanted->is_route = false;
    wanted->only_reported = ends_with(path, reported);
    if (!wanted->only_reported && !ends_with(path, all))
        return false;
    size_t rest = path.length - (wanted->only_reported ? reported : all).length;
    if (rest > 0 && path.at[rest - 1] != '/')
        return false;
    if (rest > 0) {
        struct slice part = {path.at, rest - 1};
        wanted->text = (struct slice){wanted->place, percent_decode(part, false, wanted->place, sizeof wanted->place)};
        return true;
    }
    wanted->text = unquote(query_value(query, SLICE("app"), wanted->place, sizeof wanted->place));
    if (wanted->text.length == 0) {
        wanted->text = unquote(query_value(query, SLICE("route_url"), wanted->place, sizeof wanted->place));
        wanted->is_route = true;
    }
    return true;
}

static const char app_path[] = "app", target_path[] = "target"; /* as they are counted */

static void respond_app(h2o_req_t *request, struct slice query, const struct page_access *access)
{
    struct wanted wanted;
    struct directory_app app;
    struct slice path = slice_after(request_path(request), sizeof "/v1/apps/" - 1);
    if (!read_wanted(path, query, &wanted))
        response_send_text(request, app_path, 404, "Not Found", "not found: did you mean /v1/apps/APP/metrics?\n");
    else if (wanted.text.length == 0)
        response_send_text(request, app_path, 400, "Bad Request", "You must set app id or path\n");
    else if (!find_app(worker_of(request)->server->modules.directory, wanted.text, wanted.is_route, access, &app))
        response_send_text(request, app_path, 404, "Not Found",
                           "no such app: it has sent nothing lately, or its name, GUID or route is another one\n");
    else
        get_metrics_respond(
            request, app_path,
            &(struct page_selection){.kind = wanted.only_reported ? PAGE_REPORTED : PAGE_APP, .scope = app.scope});
}

void get_app_page(h2o_req_t *request, struct slice query)
{
    page_access_check(request, query, app_path, respond_app);
}

/* The process that an instance is: "0" is web.0, as in Cloud Foundry; else it is its name, "worker.1". */
static struct slice process_of(struct slice instance, char name[PROCESS_NAME_MAX])
{
    bool is_number = instance.length > 0 && instance.length <= 5;
    for (size_t i = 0; i < instance.length; i++)
        is_number &= slice_is_digit(instance.at[i]);
    if (!is_number)
        return instance;
    return (struct slice){name,
                          (size_t)snprintf(name, PROCESS_NAME_MAX, "web.%.*s", (int)instance.length, instance.at)};
}

static void respond_target(h2o_req_t *request, struct slice query, const struct page_access *access)
{
    (void)query;
    struct slice path = slice_after(request_path(request), sizeof "/singleTargetMetrics/" - 1);
    size_t slash = slice_index(path, '/');
    struct slice parts[] = {{path.at, slash}, slice_after(path, slash < path.length ? slash + 1 : slash)};
    char app_text[TEXT_MAX], instance[TEXT_MAX], process[PROCESS_NAME_MAX];
    parts[0] = (struct slice){app_text, percent_decode(parts[0], false, app_text, sizeof app_text)};
    parts[1] = (struct slice){instance, percent_decode(parts[1], false, instance, sizeof instance)};
    struct directory *directory = worker_of(request)->server->modules.directory;
    struct directory_app app;
    struct page_selection selection = {.kind = PAGE_PROCESS};
    if (find_app(directory, parts[0], false, access, &app) &&
        directory_find_process(directory, &app, process_of(parts[1], process), clock_monotonic(),
                               selection.processes)) {
        selection.scope = app.scope;
        get_metrics_respond(request, target_path, &selection);
    } else
        response_send_text(request, target_path, 404, "Not Found",
                           "no such instance: it has ended, or was never heard of\n");
}

void get_target_page(h2o_req_t *request, struct slice query)
{
    page_access_check(request, query, target_path, respond_target);
}
