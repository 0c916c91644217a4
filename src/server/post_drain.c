/* POST /drain: who sends it, what is in it, and into the intake.  A request whose password must be verified first waits
 * for that; see verifier.h. */
#include <sched.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/gzip.h"
#include "server/http_internal.h"
#include "server/query.h"

enum {
    DECOMPRESSED_FACTOR = 4,
    /* Milliseconds that a request waits at most; log-shuttle waits for an answer for five seconds, Logplex as well. */
    WAIT_MAX = 10000,
};

static const char name[] = "drain";

/* What is known about a request so far.  References to accounts and rules of the same configuration are held. */
struct post {
    h2o_req_t *request;
    struct slice query;
    struct accounts *accounts;
    struct rules *rules;
    const struct account *account; /* one of the accounts: whose batch it is */
};

/* A request that waits.  On its memory, and so learns when the request is gone. */
struct waiting_post {
    h2o_linklist_t link; /* among the worker's; first */
    struct post post;
    struct worker *worker;
    struct connection *connection;
    uint64_t deadline;
    struct ticket *ticket; /* NULL: none is out any more */
};

/* What the verifier answers to; it may outlive the request. */
struct ticket {
    struct verifier_ticket of_verifier; /* first */
    h2o_multithread_message_t message;
    struct worker *worker;
    struct waiting_post *waiting; /* NULL: the request is gone */
    enum accounts_result result;
    const struct account *account;
};

/* ---- the batch ---- */

/* The Host header, which libh2o takes away; if there is none it puts its own name for us. */
static struct slice host_of(const h2o_req_t *request)
{
    h2o_iovec_t host = request->input.authority;
    bool is_sent = host.base != request->hostconf->authority.hostport.base;
    return is_sent ? (struct slice){host.base, host.len} : (struct slice){"", 0};
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

static void take_body(const struct post *post, struct slice body)
{
    h2o_req_t *request = post->request;
    struct worker *worker = worker_of(request);
    char app_text[CONFIGURATION_APP_MAX];
    struct slice url_app = query_value(post->query, SLICE("app_name"), app_text, sizeof app_text);
    if (url_app.length == 0)
        url_app = query_value(post->query, SLICE("app"), app_text, sizeof app_text);
    struct origin origin = origin_of_request(request);
    struct slice app = accounts_app(post->accounts, post->account, url_app, origin.drain_token);
    uint64_t now = clock_monotonic();
    const struct config_drain *entry = accounts_entry(post->accounts, post->account, app);
    struct batch batch = {
        .body = body,
        .received = request->entity.len,
        .app = app,
        .foreign = !accounts_speaks_for(post->accounts, post->account, app, now),
        .last_batch = accounts_last_batch(post->accounts, app),
        .labels = entry->labels,
        .label_count = entry->label_count,
        .rules = post->rules,
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
    response_send(request, &(struct response){.path = name, .status = 204, .reason = "No Content"});
}

/* The request is let in: take what it brings. */
static void take_post(const struct post *post)
{
    h2o_req_t *request = post->request;
    struct slice body = {request->entity.base, request->entity.len};
    size_t limit = worker_of(request)->server->settings.max_body_size;
    if (body.length > limit) {
        response_send_text(request, name, 413, "Content Too Large", "the body is too large\n");
        return;
    }
    struct buffer decompressed = {0};
    switch (decompress(request_header(request, H2O_TOKEN_CONTENT_ENCODING), body, limit * DECOMPRESSED_FACTOR,
                       &decompressed)) {
    case DECOMPRESS_PLAIN:
        take_body(post, body);
        break;
    case DECOMPRESS_DONE:
        take_body(post, (struct slice){decompressed.at, decompressed.length});
        break;
    case DECOMPRESS_UNSUPPORTED:
        response_send_text(request, name, 415, "Unsupported Media Type", "this content-encoding is not supported\n");
        break;
    case DECOMPRESS_CORRUPT:
        response_send_text(request, name, 422, "Unprocessable Content", "the body cannot be decompressed\n");
        break;
    case DECOMPRESS_TOO_LARGE:
        response_send_text(request, name, 413, "Content Too Large", "the decompressed body is too large\n");
        break;
    case DECOMPRESS_NO_MEMORY:
        response_withhold(request, name);
        break;
    }
    buffer_free(&decompressed);
}

/* ---- who sends it ---- */

static struct post begin_post(h2o_req_t *request, struct slice query)
{
    struct http_server *server = worker_of(request)->server;
    pthread_rwlock_rdlock(&server->access_lock);
    struct post post = {.request = request,
                        .query = query,
                        .accounts = accounts_ref(server->accounts),
                        .rules = rules_ref(server->rules)};
    pthread_rwlock_unlock(&server->access_lock);
    return post;
}

static void end_post(struct post *post)
{
    accounts_unref(post->accounts);
    rules_unref(post->rules);
}

static void decide(const struct post *post, enum accounts_result result)
{
    if (result == ACCOUNTS_ALLOWED)
        take_post(post);
    else if (result == ACCOUNTS_DENIED)
        response_send_unauthorized(post->request, name, "Basic realm=\"drain\"");
    else
        response_withhold(post->request, name);
}

/* ---- waiting ---- */

/* The request's memory is going: nothing may be sent to it any more. */
static void on_waiting_gone(void *memory)
{
    struct waiting_post *waiting = memory;
    struct ticket *ticket = waiting->ticket;
    if (h2o_linklist_is_linked(&waiting->link))
        h2o_linklist_unlink(&waiting->link);
    if (ticket != NULL && verifier_cancel(waiting->worker->server->verifier, &ticket->of_verifier)) {
        waiting->worker->pending--;
        free(ticket);
    } else if (ticket != NULL)
        ticket->waiting = NULL;
    waiting->connection->responding = false;
    waiting->connection->changed = clock_monotonic();
    end_post(&waiting->post);
}

/* On the verifier's thread: tell the worker whose request it is. */
static void on_verified(struct verifier_ticket *of_verifier, enum accounts_result result, const struct account *account)
{
    struct ticket *ticket = (struct ticket *)of_verifier;
    ticket->result = result;
    ticket->account = account;
    h2o_multithread_send_message(&ticket->worker->verified, &ticket->message);
}

/* The end of the waiting; the connection then has as long as any other for its response. */
static void stop_waiting(struct waiting_post *waiting)
{
    h2o_linklist_unlink(&waiting->link);
    waiting->connection->waiting = false;
    waiting->connection->changed = clock_monotonic();
}

void post_drain_on_verified(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages)
{
    (void)receiver;
    while (!h2o_linklist_is_empty(messages)) {
        struct ticket *ticket = H2O_STRUCT_FROM_MEMBER(struct ticket, message.link, messages->next);
        struct waiting_post *waiting = ticket->waiting;
        h2o_linklist_unlink(&ticket->message.link);
        ticket->worker->pending--;
        if (waiting != NULL) {
            waiting->ticket = NULL;
            if (h2o_linklist_is_linked(&waiting->link)) {
                stop_waiting(waiting);
                waiting->post.account = ticket->account;
                decide(&waiting->post, ticket->result);
            }
        }
        free(ticket);
    }
}

void post_drain_check(struct worker *worker, uint64_t now)
{
    h2o_linklist_t *next;
    for (h2o_linklist_t *at = worker->waiting.next; at != &worker->waiting; at = next) {
        struct waiting_post *waiting = H2O_STRUCT_FROM_MEMBER(struct waiting_post, link, at);
        next = at->next;
        if (now < waiting->deadline)
            continue;
        stop_waiting(waiting);
        response_withhold(waiting->post.request, name);
    }
}

/* Let a request wait for its verification.  False if it cannot. */
static bool wait_for(const struct post *post, struct verification *verification)
{
    struct worker *worker = worker_of(post->request);
    struct ticket *ticket = calloc(1, sizeof *ticket);
    if (ticket == NULL) {
        verification_free(verification);
        return false;
    }
    ticket->of_verifier.done = on_verified;
    ticket->worker = worker;
    if (!verifier_submit(worker->server->verifier, verification, &ticket->of_verifier)) {
        free(ticket);
        return false;
    }
    uint64_t timeout = worker->server->settings.request_timeout;
    struct waiting_post *waiting = h2o_mem_alloc_shared(&post->request->pool, sizeof *waiting, on_waiting_gone);
    *waiting = (struct waiting_post){.post = *post,
                                     .worker = worker,
                                     .connection = connection_of(post->request),
                                     .deadline = clock_monotonic() + (timeout < WAIT_MAX ? timeout : WAIT_MAX),
                                     .ticket = ticket};
    waiting->connection->responding = waiting->connection->waiting = true;
    h2o_linklist_insert(&worker->waiting, &waiting->link);
    worker->pending++;
    ticket->waiting = waiting; /* its answer is read on this thread, so not before */
    return true;
}

void post_drain(h2o_req_t *request, struct slice query)
{
    struct post post = begin_post(request, query);
    struct verification *verification;
    enum accounts_result result =
        accounts_check(post.accounts, request_header(request, H2O_TOKEN_AUTHORIZATION), &post.account, &verification);
    if (result == ACCOUNTS_PENDING && wait_for(&post, verification))
        return; /* what it holds is let go with the request */
    decide(&post, result);
    end_post(&post);
}
