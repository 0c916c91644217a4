#include "server/http_internal.h"

#include <sched.h>

#include "base/clock.h"
#include "base/gzip.h"
#include "server/query.h"

enum { DECOMPRESSED_FACTOR = 4 };

/* The Host header, which libh2o takes away; where there is none it puts its own name for us. */
static struct slice host_of(const h2o_req_t *request)
{
    h2o_iovec_t host = request->input.authority;
    bool is_sent = host.base != request->hostconf->authority.hostport.base;
    return is_sent ? (struct slice){host.base, host.len} : (struct slice){"", 0};
}

/* Whose batch it is, one of the accounts, and the rules for it.  A share of both is held. */
struct poster {
    struct accounts *accounts;
    const struct account *account;
    struct rules *rules;
};

/* Accounts and rules of the same configuration. */
static struct poster ref_access(struct http_server *server)
{
    pthread_rwlock_rdlock(&server->access_lock);
    struct poster poster = {.accounts = accounts_ref(server->accounts), .rules = rules_ref(server->rules)};
    pthread_rwlock_unlock(&server->access_lock);
    return poster;
}

static void unref_access(struct poster *poster)
{
    accounts_unref(poster->accounts);
    rules_unref(poster->rules);
}

/* A request that began before the stop is in flight and finished; a later one is for whoever comes after us. */
static bool is_too_late(h2o_req_t *request)
{
    struct worker *worker = worker_of(request);
    return worker->stopping && timercmp(&request->timestamps.request_begin_at, &worker->stopped_at, >=);
}

static struct origin origin_of_request(h2o_req_t *request)
{
    return origin_of(&(struct origin_headers){
        .drain_token = request_header_named(request, SLICE("logplex-drain-token")),
        .frame_id = request_header_named(request, SLICE("logplex-frame-id")),
        .request_id = request_header_named(request, SLICE("x-request-id")),
        .user_agent = request_header(request, H2O_TOKEN_USER_AGENT),
        .content_type = request_header(request, H2O_TOKEN_CONTENT_TYPE),
        .message_count = request_header_named(request, SLICE("logplex-msg-count")),
        .drop_count = request_header_named(request, SLICE("logplex-drop-count")),
        .lost_count = request_header_named(request, SLICE("logplex-lost-count")),
    });
}

static void take_batch(h2o_req_t *request, const struct poster *poster, struct slice query, struct slice body)
{
    struct worker *worker = worker_of(request);
    char app_text[CONFIGURATION_APP_MAX];
    struct slice url_app = query_value(query, SLICE("app_name"), app_text, sizeof app_text);
    if (url_app.length == 0)
        url_app = query_value(query, SLICE("app"), app_text, sizeof app_text);
    struct origin origin = origin_of_request(request);
    struct slice app = accounts_app(poster->accounts, poster->account, url_app, origin.drain_token);
    uint64_t now = clock_monotonic();
    const struct config_drain *entry = accounts_entry(poster->accounts, poster->account, app);
    struct batch batch = {
        .body = body,
        .received = request->entity.len,
        .app = app,
        .foreign = !accounts_speaks_for(poster->accounts, poster->account, app, now),
        .last_batch = accounts_last_batch(poster->accounts, app),
        .labels = entry->labels,
        .label_count = entry->label_count,
        .rules = poster->rules,
        .router_by_process = entry->router_by_process,
        .addon_app = entry->addon_app,
        .origin = origin,
        .host = host_of(request),
        .time = clock_wall(),
        .now = now,
    };
    /* While another thread takes the same batch: the answer to a duplicate must not come before that is done. */
    while (batch_process(worker->server->rooms.intake, worker->slot, &batch) == BATCH_IN_PROGRESS)
        sched_yield();
    response_send(request, &(struct response){.path = "drain", .status = 204, .reason = "No Content"});
}

static void answer_batch(h2o_req_t *request, const struct poster *poster, struct slice query)
{
    if (is_too_late(request)) {
        response_send_text(request, "drain", 503, "Service Unavailable", "stopping\n");
        return;
    }
    struct slice body = {request->entity.base, request->entity.len};
    size_t limit = worker_of(request)->server->settings.max_body_size;
    if (body.length > limit) {
        response_send_text(request, "drain", 413, "Content Too Large", "the body is too large\n");
        return;
    }
    struct buffer decompressed = {0};
    switch (decompress(request_header(request, H2O_TOKEN_CONTENT_ENCODING), body, limit * DECOMPRESSED_FACTOR,
                       &decompressed)) {
    case DECOMPRESS_PLAIN:
        take_batch(request, poster, query, body);
        break;
    case DECOMPRESS_DONE:
        take_batch(request, poster, query, (struct slice){decompressed.at, decompressed.length});
        break;
    case DECOMPRESS_UNSUPPORTED:
        response_send_text(request, "drain", 415, "Unsupported Media Type", "this content-encoding is not supported\n");
        break;
    case DECOMPRESS_CORRUPT:
        response_send_text(request, "drain", 422, "Unprocessable Content", "the body cannot be decompressed\n");
        break;
    case DECOMPRESS_TOO_LARGE:
        response_send_text(request, "drain", 413, "Content Too Large", "the decompressed body is too large\n");
        break;
    case DECOMPRESS_NO_MEMORY:
        response_send_text(request, "drain", 503, "Service Unavailable", "out of memory\n");
        break;
    }
    buffer_free(&decompressed);
}

void post_drain(h2o_req_t *request, struct slice query)
{
    struct poster poster = ref_access(worker_of(request)->server);
    switch (accounts_check(poster.accounts, request_header(request, H2O_TOKEN_AUTHORIZATION), clock_monotonic(),
                           &poster.account)) {
    case ACCOUNTS_ALLOWED:
        answer_batch(request, &poster, query);
        break;
    case ACCOUNTS_DENIED:
        response_send_unauthorized(request, "drain", "Basic realm=\"drain\"");
        break;
    case ACCOUNTS_BUSY:
        response_send(request, &(struct response){"drain", 503, "Service Unavailable", "text/plain; charset=utf-8",
                                                  "the password cannot be verified now\n", H2O_TOKEN_RETRY_AFTER, "1"});
        break;
    }
    unref_access(&poster);
}
