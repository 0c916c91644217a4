#include "server/http_internal.h"

void get_health(h2o_req_t *request, struct slice query)
{
    (void)query;
    struct worker *worker = worker_of(request);
    bool healthy = !worker->stopping && !atomic_load_explicit(&worker->server->unhealthy, memory_order_relaxed);
    response_send(request, &(struct response){.path = "health",
                                              .status = healthy ? 200 : 503,
                                              .reason = healthy ? "OK" : "Service Unavailable",
                                              .type = "application/json",
                                              .body = healthy ? "{\"ok\":true}" : "{\"ok\":false}"});
}
