/* POST /drain: who sends it, what is in it, and into the intake.
 *
 * A request waits, without holding up its thread, for two things: until its password is verified (verifier.h), and
 * while another thread takes the same batch (a sender that gave up waiting sends it again on another connection). */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/gzip.h"
#include "server/http_internal.h"
#include "server/query.h"

enum {
    DECOMPRESSED_FACTOR = 4,
    ENCODINGS_MAX = 256, /* bytes */
};

static const char name[] = "drain";

/* What is known about a request so far.  References to accounts and rules of the same configuration are held. */
struct post {
    h2o_req_t *request;
    struct slice query;
    struct accounts *accounts;
    struct rules *rules;
    uint64_t access;               /* the number of the accounts */
    const struct account *account; /* one of the accounts: whose batch it is */
    bool is_decoded;               /* the next two are known */
    struct slice body;             /* in the request, or in decompressed */
    struct buffer decompressed;
};

/* A request that waits.  On its memory, and so learns when the request is gone. */
struct waiting_post {
    h2o_linklist_t link; /* among the worker's; first */
    struct login login;
    struct post post;
    struct worker *worker;
    struct connection *connection;
    struct ticket *ticket; /* NULL: it does not, or no longer, wait for its password, but for another thread */
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

/* Headers that show who sends a batch, and where they go. */
static const struct {
    struct slice name;
    size_t offset;
} origin_headers[] = {
#define HEADER(text, field)                                              \
    {                                                                    \
        {text, sizeof(text) - 1}, offsetof(struct origin_headers, field) \
    }
    HEADER("logplex-drain-token", drain_token), HEADER("logplex-frame-id", frame_id),
    HEADER("logplex-msg-count", message_count), HEADER("logplex-drop-count", drop_count),
    HEADER("logplex-lost-count", lost_count),   HEADER("x-request-id", request_id),
    HEADER("user-agent", user_agent),
#undef HEADER
};

static struct slice *header_field(struct origin_headers *headers, size_t i)
{
    return (struct slice *)((char *)headers + origin_headers[i].offset);
}

/* Note the header at this index, if it is one of those; of several that are alike the first counts. */
static void note_header(const h2o_req_t *request, size_t index, struct origin_headers *headers)
{
    const h2o_iovec_t *lower = request->headers.entries[index].name; /* the name, in small letters */
    for (size_t i = 0; i < COUNT(origin_headers); i++) {
        struct slice *value = header_field(headers, i);
        if (!slice_equals(origin_headers[i].name, (struct slice){lower->base, lower->len}))
            continue;
        if (value->length == 0)
            *value = request_header_at(request, (ssize_t)index);
        return;
    }
}

/* One pass over the headers: to look up each by its name took 650 instructions. */
static struct origin origin_of_request(const struct post *post)
{
    h2o_req_t *request = post->request;
    char text[16];
    struct origin_headers headers = {
        .platform = accounts_platform(post->account),
        .body = post->body,
        .one_message = slice_equals(query_value(post->query, SLICE("body"), text, sizeof text), SLICE("message"))};
    for (size_t i = 0; i < COUNT(origin_headers); i++)
        *header_field(&headers, i) = SLICE("");
    for (size_t i = 0; i < request->headers.size; i++)
        note_header(request, i, &headers);
    return origin_of(&headers);
}

/* Who sends a batch whose messages say whose they are. */
struct cf_sender {
    struct batch_sender sender; /* first */
    const struct post *post;
};

static void describe_app(const struct batch_sender *of, const struct cf_app *app, struct batch *part)
{
    const struct post *post = ((const struct cf_sender *)of)->post;
    struct slice app_name = cf_app_name(app);
    const struct config_drain *entry = accounts_entry(post->accounts, post->account, app_name);
    part->foreign =
        !accounts_covers(post->account, cf_app_part(app, CF_ORGANIZATION), cf_app_part(app, CF_SPACE), app_name) ||
        !accounts_speaks_for(post->accounts, post->account, app_name, part->now);
    part->refused = accounts_refusal(post->accounts, post->account, app_name, SLICE(""));
    part->last_batch = accounts_last_batch(post->accounts, app_name);
    part->labels = entry->labels;
    part->label_count = entry->label_count;
    part->router_by_process = entry->router_by_process;
    part->addon_app = entry->addon_app;
    part->cf_labels = entry->cf_labels;
}

/* False if another thread is taking the same batch: the answer to the second one must not come before that is done. */
static bool take_body(const struct post *post)
{
    h2o_req_t *request = post->request;
    struct worker *worker = worker_of(request);
    char app_text[CONFIGURATION_APP_MAX + 1];
    struct slice url_app = query_value(post->query, SLICE("app_name"), app_text, sizeof app_text);
    if (url_app.length == 0)
        url_app = query_value(post->query, SLICE("app"), app_text, sizeof app_text);
    struct origin origin = origin_of_request(post);
    struct slice app = accounts_app(post->accounts, post->account, url_app, origin.drain_token);
    uint64_t now = clock_monotonic();
    const struct config_drain *entry = accounts_entry(post->accounts, post->account, app);
    const struct cf_sender sender = {{.user = accounts_user(post->account),
                                      .organization = accounts_organization(post->account),
                                      .space = accounts_space(post->account),
                                      .describe = describe_app},
                                     post};
    struct batch batch = {
        .body = post->body.length > 0 ? post->body : SLICE(""), /* which may be at no address */
        .received = request->entity.len,
        .app = app,
        /* Of Heroku's log: each message of Cloud Foundry is asked about.  No organization has an app of Heroku. */
        .foreign =
            sender.sender.organization.length > 0 || !accounts_speaks_for(post->accounts, post->account, app, now),
        .refused = accounts_refusal(post->accounts, post->account, app, origin.drain_token),
        .last_batch = accounts_last_batch(post->accounts, app),
        .labels = entry->labels,
        .label_count = entry->label_count,
        .rules = post->rules,
        .router_by_process = entry->router_by_process,
        .addon_app = entry->addon_app,
        .sender = &sender.sender,
        .origin = origin,
        .host = request_host(request),
        .time = clock_wall(),
        .now = now,
    };
    if (batch_process(worker->server->modules.intake, worker->slot, &batch) == BATCH_IN_PROGRESS)
        return false;
    log_write(LOG_DEBUG, "a batch of %zu bytes, %zu decompressed, was read in %llu ms by worker %u", batch.received,
              batch.body.length, (unsigned long long)(clock_monotonic() - now), worker->slot);
    response_send(request, &(struct response){.path = name, .status = 204, .reason = "No Content"});
    return true;
}

/* The values of all headers Content-Encoding, which are one list (RFC 9110, 5.3); empty if there are none, and cut off
 * if it is longer than any that we take. */
static struct slice encodings_of(const h2o_req_t *request, char text[ENCODINGS_MAX])
{
    size_t length = 0;
    ssize_t at = -1;
    while ((at = h2o_find_header(&request->headers, H2O_TOKEN_CONTENT_ENCODING, at)) >= 0 && length < ENCODINGS_MAX) {
        h2o_iovec_t value = request->headers.entries[at].value;
        length += (size_t)snprintf(text + length, ENCODINGS_MAX - length, "%s%.*s", length > 0 ? ", " : "",
                                   (int)value.len, value.base);
    }
    return (struct slice){text, length < ENCODINGS_MAX ? length : ENCODINGS_MAX - 1};
}

/* Find the body of a request, decompressed.  False if there is none that can be taken: then it was answered. */
static bool decode(struct post *post)
{
    h2o_req_t *request = post->request;
    struct slice sent = {request->entity.base, request->entity.len};
    size_t limit = worker_of(request)->server->settings.max_body_size;
    if (sent.length > limit) {
        response_send_text(request, name, 413, "Content Too Large", "the body is too large\n");
        return false;
    }
    char encodings[ENCODINGS_MAX];
    switch (decompress(encodings_of(request, encodings), sent, limit * DECOMPRESSED_FACTOR, &post->decompressed)) {
    case DECOMPRESS_PLAIN:
        post->body = sent;
        return true;
    case DECOMPRESS_DONE:
        post->body = (struct slice){post->decompressed.at, post->decompressed.length};
        return true;
    case DECOMPRESS_UNSUPPORTED:
        response_send_text(request, name, 415, "Unsupported Media Type", "this content-encoding is not supported\n");
        return false;
    case DECOMPRESS_CORRUPT:
        response_send_text(request, name, 422, "Unprocessable Content", "the body cannot be decompressed\n");
        return false;
    case DECOMPRESS_TOO_LARGE:
        response_send_text(request, name, 413, "Content Too Large", "the decompressed body is too large\n");
        return false;
    case DECOMPRESS_NO_MEMORY:
        break;
    }
    response_withhold(request, name);
    return false;
}

/* The request is let in: take what it brings.  False as of take_body(): then it can be called again. */
static bool take_post(struct post *post)
{
    if (!post->is_decoded && !decode(post))
        return true;
    post->is_decoded = true;
    return take_body(post);
}

/* ---- who sends it ---- */

static struct post begin_post(h2o_req_t *request, struct slice query)
{
    struct http_server *server = worker_of(request)->server;
    pthread_rwlock_rdlock(&server->access_lock);
    struct post post = {.request = request,
                        .query = query,
                        .accounts = accounts_ref(server->accounts),
                        .rules = rules_ref(server->rules),
                        .access = server->access};
    pthread_rwlock_unlock(&server->access_lock);
    return post;
}

/* Whom does a header let in?  As accounts_check(), which is asked if the connection does not know the header. */
static enum accounts_result check(struct connection *connection, struct accounts *accounts, uint64_t access,
                                  struct slice authorization, const struct account **account,
                                  struct verification **verification)
{
    *verification = NULL;
    *account = trust_recall(&connection->trust, access, authorization);
    if (*account != NULL)
        return ACCOUNTS_ALLOWED;
    enum accounts_result result = accounts_check(accounts, authorization, account, verification);
    if (result == ACCOUNTS_ALLOWED)
        trust_keep(&connection->trust, access, *account, authorization);
    return result;
}

enum admission post_drain_admit(struct connection *connection, struct slice authorization)
{
    struct http_server *server = connection->worker->server;
    pthread_rwlock_rdlock(&server->access_lock);
    struct accounts *accounts = accounts_ref(server->accounts);
    uint64_t access = server->access;
    pthread_rwlock_unlock(&server->access_lock);
    const struct account *account;
    struct verification *verification;
    enum accounts_result result = check(connection, accounts, access, authorization, &account, &verification);
    if (result == ACCOUNTS_PENDING)
        verification_free(verification);
    if (result == ACCOUNTS_ALLOWED) {
        access_log_let_in(connection->access, accounts_user(account));
        worker_trust(connection);
    }
    accounts_unref(accounts);
    return result == ACCOUNTS_DENIED      ? ADMISSION_REFUSED
           : result == ACCOUNTS_NO_MEMORY ? ADMISSION_WITHHELD
                                          : ADMISSION_GRANTED;
}

static void end_post(struct post *post)
{
    accounts_unref(post->accounts);
    rules_unref(post->rules);
    buffer_free(&post->decompressed);
}

/* Answer a request by what is known about its password.  False as of take_body(). */
static bool decide(struct post *post, enum accounts_result result)
{
    if (result == ACCOUNTS_ALLOWED) {
        account_note_use(post->account, worker_second(worker_of(post->request)));
        access_log_let_in(connection_of(post->request)->access, accounts_user(post->account));
        worker_trust(connection_of(post->request));
        return take_post(post);
    }
    if (result == ACCOUNTS_DENIED) {
        client_failed(connection_of(post->request), HTTP_DRAIN, request_header(post->request, H2O_TOKEN_AUTHORIZATION));
        response_send_unauthorized(post->request, name, DRAIN_CHALLENGE);
    } else
        response_withhold(post->request, name);
    return true;
}

/* ---- waiting ---- */

static void stop_waiting(struct waiting_post *waiting)
{
    if (!h2o_linklist_is_linked(&waiting->link))
        return;
    h2o_linklist_unlink(&waiting->link);
    waiting->worker->retries -= waiting->ticket == NULL;
    waiting->connection->waiting = false;
    waiting->connection->login = NULL;
    waiting->connection->changed = clock_monotonic(); /* it has as long as any other for its response */
}

/* The request's memory is going: nothing may be sent to it any more. */
static void on_waiting_gone(void *memory)
{
    struct waiting_post *waiting = memory;
    struct ticket *ticket = waiting->ticket;
    stop_waiting(waiting);
    if (ticket != NULL && verifier_cancel(waiting->worker->server->verifier, &ticket->of_verifier)) {
        waiting->worker->pending--;
        free(ticket);
    } else if (ticket != NULL)
        ticket->waiting = NULL;
    waiting->connection->responding = false;
    waiting->connection->changed = clock_monotonic();
    end_post(&waiting->post);
}

/* Nothing more is waited for: the request gets no response. */
static void give_up(struct login *login)
{
    struct waiting_post *waiting = H2O_STRUCT_FROM_MEMBER(struct waiting_post, login, login);
    stop_waiting(waiting);
    response_withhold(waiting->post.request, name);
}

/* Let a request wait: for the answer to a ticket, or if that is NULL for another thread.  What the post holds is let go
 * with the request. */
static struct waiting_post *start_waiting(const struct post *post, struct ticket *ticket)
{
    struct worker *worker = worker_of(post->request);
    struct waiting_post *waiting = h2o_mem_alloc_shared(&post->request->pool, sizeof *waiting, on_waiting_gone);
    *waiting = (struct waiting_post){.login = {worker_deadline(worker), give_up},
                                     .post = *post,
                                     .worker = worker,
                                     .connection = connection_of(post->request),
                                     .ticket = ticket};
    waiting->connection->responding = waiting->connection->waiting = true;
    waiting->connection->login = ticket != NULL ? &waiting->login : NULL;
    h2o_linklist_insert(&worker->waiting, &waiting->link);
    worker->retries += ticket == NULL;
    return waiting;
}

void post_drain_check(struct worker *worker, uint64_t now)
{
    h2o_linklist_t *next;
    for (h2o_linklist_t *at = worker->waiting.next; at != &worker->waiting; at = next) {
        struct waiting_post *waiting = H2O_STRUCT_FROM_MEMBER(struct waiting_post, link, at);
        next = at->next;
        if (now >= waiting->login.deadline)
            give_up(&waiting->login);
        else if (waiting->ticket == NULL && take_post(&waiting->post))
            stop_waiting(waiting);
    }
}

/* ---- passwords ---- */

/* On the verifier's thread: tell the worker whose request it is. */
static void on_verified(struct verifier_ticket *of_verifier, enum accounts_result result, const struct account *account)
{
    struct ticket *ticket = (struct ticket *)of_verifier;
    ticket->result = result;
    ticket->account = account;
    h2o_multithread_send_message(&ticket->worker->verified, &ticket->message);
}

/* A request's password is verified. */
static void go_on(struct waiting_post *waiting, const struct ticket *ticket)
{
    stop_waiting(waiting);
    waiting->ticket = NULL;
    waiting->post.account = ticket->account;
    if (decide(&waiting->post, ticket->result))
        return;
    waiting->connection->waiting = true;
    h2o_linklist_insert(&waiting->worker->waiting, &waiting->link);
    waiting->worker->retries++;
}

void post_drain_on_verified(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages)
{
    (void)receiver;
    while (!h2o_linklist_is_empty(messages)) {
        struct ticket *ticket = H2O_STRUCT_FROM_MEMBER(struct ticket, message.link, http_take_first(messages));
        struct waiting_post *waiting = ticket->waiting;
        ticket->worker->pending--;
        if (waiting != NULL && h2o_linklist_is_linked(&waiting->link))
            go_on(waiting, ticket);
        else if (waiting != NULL)
            waiting->ticket = NULL; /* it was given up */
        free(ticket);
    }
}

/* Let a request wait for its verification.  False if it cannot. */
static bool wait_for_password(const struct post *post, struct verification *verification)
{
    struct worker *worker = worker_of(post->request);
    struct ticket *ticket = calloc(1, sizeof *ticket);
    if (ticket == NULL) {
        verification_free(verification);
        return false;
    }
    ticket->of_verifier.done = on_verified;
    ticket->worker = worker;
    if (!verifier_submit(worker->server->verifier, verification, client_source(connection_of(post->request)),
                         &ticket->of_verifier)) {
        free(ticket);
        return false;
    }
    worker->pending++;
    ticket->waiting = start_waiting(post, ticket); /* its answer is read on this thread, so not before */
    return true;
}

void post_drain(h2o_req_t *request, struct slice query)
{
    struct post post = begin_post(request, query);
    struct verification *verification;
    enum accounts_result result = check(connection_of(request), post.accounts, post.access,
                                        request_header(request, H2O_TOKEN_AUTHORIZATION), &post.account, &verification);
    if (result == ACCOUNTS_PENDING && wait_for_password(&post, verification))
        return;
    if (decide(&post, result))
        end_post(&post);
    else
        start_waiting(&post, NULL);
}
