/* GET /health: is it alive?  GET /ready: may requests be sent to it?  GET /health?verbose, for who has the metrics
 * password: how is it? */
#include "base/clock.h"
#include "base/version.h"
#include "server/http_internal.h"
#include "server/query.h"

enum {
    WORKER_SILENCE = 5000, /* milliseconds; a worker looks at its connections every second */
};

static const char health[] = "health";

static bool is_healthy(const struct worker *worker)
{
    return !worker->stopping && !atomic_load_explicit(&worker->server->unhealthy, memory_order_relaxed);
}

static bool is_ready(const struct worker *worker)
{
    return is_healthy(worker) && atomic_load_explicit(&worker->server->loaded, memory_order_relaxed) != 0;
}

static void respond(h2o_req_t *request, const char *path, bool is_well, const char *body)
{
    response_send(request, &(struct response){.path = path,
                                              .status = is_well ? 200 : 503,
                                              .reason = is_well ? "OK" : "Service Unavailable",
                                              .type = "application/json",
                                              .body = body});
}

/* Other threads may be a moment ahead of now.  Milliseconds. */
static uint64_t age_of(uint64_t then, uint64_t now)
{
    return now > then ? now - then : 0;
}

static unsigned count_alive(const struct http_server *server, uint64_t now)
{
    unsigned alive = 0;
    for (unsigned i = 0; i < server->started; i++)
        alive += age_of(atomic_load_explicit(&server->workers[i].checked, memory_order_relaxed), now) < WORKER_SILENCE;
    return alive;
}

static void respond_verbosely(h2o_req_t *request)
{
    enum { CAPACITY = 1024 };
    char text[CAPACITY];
    struct worker *worker = worker_of(request);
    struct http_server *server = worker->server;
    uint64_t now = clock_monotonic();
    bool healthy = is_healthy(worker);
    int length = snprintf(text, CAPACITY,
                          "{\"ok\":%s,\"ready\":%s,\"version\":\"" VERSION "\","
                          "\"configuration\":{\"loaded\":%lld,\"age_seconds\":%.3f,\"load_failed\":%lld},"
                          "\"workers\":{\"started\":%u,\"alive\":%u},\"sweep\":{\"age_seconds\":%.3f}",
                          healthy ? "true" : "false", is_ready(worker) ? "true" : "false",
                          (long long)atomic_load_explicit(&server->loaded, memory_order_relaxed),
                          (double)age_of(atomic_load_explicit(&server->loaded_at, memory_order_relaxed), now) / 1e3,
                          (long long)atomic_load_explicit(&server->load_failed, memory_order_relaxed), server->started,
                          count_alive(server, now),
                          (double)age_of(maintenance_last_sweep(server->modules.maintenance), now) / 1e3);
    snprintf(text + length, CAPACITY - (size_t)length, "}\n");
    respond(request, health, healthy, text);
}

/* As for pages: by address, certificate and password, and inside if there is an inside. */
static bool may_read_all(h2o_req_t *request)
{
    struct connection *connection = connection_of(request);
    struct response instead;
    if (worker_of(request)->server->settings.metrics_address.port != NULL && !connection->inside)
        response_send_text(request, health, 404, "Not Found", "not found\n");
    else if (client_admit(connection, HTTP_METRICS, &instead) != ADMISSION_GRANTED)
        response_send(request, &instead);
    else
        return get_metrics_authorize(request, health);
    return false;
}

void get_health(h2o_req_t *request, struct slice query)
{
    bool healthy = is_healthy(worker_of(request));
    if (!query_has(query, SLICE("verbose")))
        respond(request, health, healthy, healthy ? "{\"ok\":true}" : "{\"ok\":false}");
    else if (may_read_all(request))
        respond_verbosely(request);
}

void get_ready(h2o_req_t *request, struct slice query)
{
    (void)query;
    bool ready = is_ready(worker_of(request));
    respond(request, "ready", ready, ready ? "{\"ready\":true}" : "{\"ready\":false}");
}
