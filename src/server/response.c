#include "server/http_internal.h"

#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "server/http_metrics.h"

/* The series of a path, mostly that of the worker's last request: to find it by its name took 700 instructions.  Inside
 * the store. */
static struct series *find_requests(struct worker *worker, const struct self_terms *terms, const char *path)
{
    struct counted_path *counted = &worker->counted;
    uint64_t removals = store_removals(terms->store);
    if (counted->path == path && counted->removals == removals &&
        self_counts_again(terms, &http_requests, counted->requests))
        return counted->requests;
    struct label label = {SLICE("path"), slice_of(path)};
    struct series *requests = self_find(terms, &http_requests, &label, 1);
    *counted = (struct counted_path){requests == NULL ? NULL : path, requests, removals};
    return requests;
}

void response_count(struct worker *worker, const char *path, int status)
{
    struct store *store = worker->server->modules.store;
    store_enter(store, worker->slot);
    struct self_terms terms = {.store = store, .slot = worker->slot, .now = clock_monotonic(), .entity = ENTITY_NONE};
    struct series *requests = find_requests(worker, &terms, path);
    if (requests != NULL)
        store_add(requests, worker->slot, http_status_cell(status), 1);
    store_leave(store, worker->slot);
    if (status == 0)
        log_write(LOG_DEBUG, "a request for %s: no response", path);
    else
        log_write(LOG_DEBUG, "a request for %s: %d", path, status);
}

static void log_end(struct connection *connection, struct access_result *result)
{
    result->now = clock_monotonic();
    result->client = &connection->client;
    access_log_end(connection->worker->server->settings.access_log, connection->access, result);
    *connection->access = (struct access_entry){0};
}

void response_log(struct connection *connection, int status, uint64_t sent)
{
    if (connection->access != NULL)
        log_end(connection, &(struct access_result){.status = status, .sent = sent});
}

void response_on_done(h2o_logger_t *logger, h2o_req_t *request)
{
    (void)logger;
    struct connection *connection = connection_of(request);
    if (connection->access != NULL && connection->access->method[0] != '\0') /* else the gate has refused it */
        log_end(connection, &(struct access_result){.status = connection->access->is_withheld ? 0 : request->res.status,
                                                    .received = request->entity.len,
                                                    .sent = request->bytes_sent});
}

/* h2o_send_inline() with an empty body gives the socket a buffer of no bytes behind the head, and libh2o then waits
 * until it can write that: four system calls more, a quarter of what a request costs. */
static void send_body(h2o_req_t *request, const char *body)
{
    static h2o_generator_t generator;
    if (body != NULL && *body != '\0') {
        h2o_send_inline(request, body, strlen(body));
        return;
    }
    h2o_start_response(request, &generator);
    h2o_send(request, &(h2o_iovec_t){NULL, 0}, 0, H2O_SEND_STATE_FINAL);
}

void response_send(h2o_req_t *request, const struct response *response)
{
    struct worker *worker = worker_of(request);
    response_count(worker, response->path, response->status);
    request->res.status = response->status;
    request->res.reason = response->reason;
    /* Without a length libh2o would use chunks, which Logplex takes for the next response. */
    request->res.content_length = response->body != NULL ? strlen(response->body) : 0;
    if (response->type != NULL)
        h2o_add_header(&request->pool, &request->res.headers, H2O_TOKEN_CONTENT_TYPE, NULL, response->type,
                       strlen(response->type));
    if (response->header != NULL)
        h2o_add_header(&request->pool, &request->res.headers, response->header, NULL, response->value,
                       strlen(response->value));
    if (worker->stopping)
        request->http1_is_persistent = 0;
    send_body(request, response->body);
}

void response_send_text(h2o_req_t *request, const char *path, int status, const char *reason, const char *body)
{
    response_send(request, &(struct response){path, status, reason, "text/plain; charset=utf-8", body, NULL, NULL});
}

struct response response_unauthorized(const char *path, const char *challenge)
{
    return (struct response){path,
                             401,
                             "Unauthorized",
                             "text/plain; charset=utf-8",
                             "wrong user or password\n",
                             H2O_TOKEN_WWW_AUTHENTICATE,
                             challenge};
}

void response_send_unauthorized(h2o_req_t *request, const char *path, const char *challenge)
{
    struct response response = response_unauthorized(path, challenge);
    response_send(request, &response);
}

void response_withhold(h2o_req_t *request, const char *path)
{
    response_count(worker_of(request), path, 0);
    if (connection_of(request)->access != NULL)
        connection_of(request)->access->is_withheld = true;
    /* libh2o has no way to end a connection from here, but does when it finds that it cannot write to it. */
    shutdown(h2o_socket_get_fd(connection_of(request)->socket), SHUT_RDWR);
    request->http1_is_persistent = 0;
    request->res.status = 503;
    request->res.reason = "Service Unavailable";
    request->res.content_length = 0;
    send_body(request, NULL);
}
