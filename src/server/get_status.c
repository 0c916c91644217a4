/* GET /: the status page.  GET /status, /status/working and so on: the same as JSON.
 *
 * Who has the metrics password sees everything, an entry of "scrapes" its apps.  The document is put together and
 * written out on the maintenance thread, between pieces of pages, so a worker never waits for it. */
#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/gzip.h"
#include "base/version.h"
#include "output/status_html.h"
#include "output/status_json.h"
#include "server/canary.h"
#include "server/http_internal.h"
#include "server/query.h"
#include "server/survey.h"

enum {
    INQUIRIES_MAX = 8, /* at a time, for each worker */
    CREDENTIALS_SHOWN = 200,
    LOGINS_SHOWN = 50,
    COMPRESSION = 1,
};

static const char name[] = "status"; /* as it is counted */

/* What was asked of the maintenance thread; it outlives the request of HTTP. */
struct inquiry {
    struct maintenance_task task; /* first */
    h2o_multithread_message_t message;
    struct worker *worker;
    struct inquiry_hold *hold; /* NULL: the request is gone */
    struct survey *survey;
    bool is_html;
    bool gzip;
    bool stopping;
    enum status_section section;
    struct buffer body;
};

/* What hangs on the request's memory, and so learns when it is gone. */
struct inquiry_hold {
    struct inquiry *inquiry; /* NULL: it was answered */
    h2o_req_t *request;
    struct connection *connection;
};

/* ---- what the server knows, on the maintenance thread ---- */

/* Items that somebody lists; the memory is the document's. */
struct credential_list {
    struct status *status;
    struct status_credential *all; /* malloc */
    size_t count, capacity;
};

static void list_credential(void *context, const struct credential_use *use)
{
    struct credential_list *list = context;
    if (list->count == list->capacity) {
        size_t capacity = 2 * list->capacity + 16;
        struct status_credential *all = realloc(list->all, capacity * sizeof *all);
        if (all == NULL) {
            list->status->failed = true;
            return;
        }
        list->all = all;
        list->capacity = capacity;
    }
    list->all[list->count++] = (struct status_credential){.role = use->role,
                                                          .name = status_keep(list->status, use->name),
                                                          .slot = credential_slot_name(use->slot),
                                                          .is_previous = use->slot == CREDENTIAL_PREVIOUS,
                                                          .last_used = (double)use->last_used};
}

/* Previous ones first: whoever rotates passwords looks for them.  Then those that were used last. */
static int compare_credentials(const void *a, const void *b)
{
    const struct status_credential *x = a, *y = b;
    if (x->is_previous != y->is_previous)
        return (int)y->is_previous - (int)x->is_previous;
    if (x->last_used != y->last_used)
        return x->last_used < y->last_used ? 1 : -1;
    int order = strcmp(x->role, y->role);
    return order != 0 ? order : strcmp(x->name, y->name);
}

static void describe_credentials(struct http_server *server, struct status *status)
{
    struct credential_list list = {.status = status};
    http_visit_credentials(server, list_credential, &list);
    if (list.count > 1)
        qsort(list.all, list.count, sizeof *list.all, compare_credentials);
    status->credential_count = list.count;
    size_t shown = list.count < CREDENTIALS_SHOWN ? list.count : CREDENTIALS_SHOWN;
    status->credentials = status_allocate(status, shown * sizeof *status->credentials);
    if (status->credentials != NULL && shown > 0) {
        memcpy(status->credentials, list.all, shown * sizeof *status->credentials);
        status->credentials_shown = shown;
    }
    free(list.all);
}

/* Is it of a user that is configured? */
static bool is_known(const struct status_login *login)
{
    return strncmp(login->user, "__", 2) != 0;
}

/* Those of users that are configured first, then the latest. */
static bool is_before(const struct status_login *a, const struct status_login *b)
{
    if (is_known(a) != is_known(b))
        return is_known(a);
    return a->last > b->last;
}

static void list_login(struct status *status, const struct status_login *login)
{
    status->login_count++;
    size_t at = status->logins_shown;
    while (at > 0 && is_before(login, &status->logins[at - 1]))
        at--;
    if (at == LOGINS_SHOWN)
        return;
    if (status->logins_shown < LOGINS_SHOWN)
        status->logins_shown++;
    memmove(&status->logins[at + 1], &status->logins[at], (status->logins_shown - 1 - at) * sizeof *login);
    status->logins[at] = *login;
}

static void list_rejection(void *context, const struct rejection_view *view)
{
    struct status *status = context;
    if (view->role == NULL)
        status_count_add(&status->refused_clients, view->reason, (double)view->count);
    else
        list_login(status, &(struct status_login){.role = view->role,
                                                  .user = status_keep(status, view->user),
                                                  .failures = (double)view->count,
                                                  .last = (double)view->last});
}

static void describe_rejections(struct http_server *server, struct status *status)
{
    status->logins = status_allocate(status, LOGINS_SHOWN * sizeof *status->logins);
    status->refused_clients.list = status_allocate(status, REJECTIONS * sizeof *status->refused_clients.list);
    if (status->failed)
        return;
    rejections_visit(server->rejections, list_rejection, status);
    status_counts_sort(&status->refused_clients);
}

static void describe_canary(struct canary *canary, struct status *status)
{
    struct canary_view view;
    canary_look(canary, &view);
    status->canary =
        (struct status_canary){.is_set = view.is_set,
                               .last_success = view.last_success,
                               .latency = view.latency,
                               .is_elsewhere = view.is_elsewhere,
                               .error = view.error[0] == '\0' ? NULL : status_keep(status, slice_of(view.error))};
}

static void describe_server(struct http_server *server, struct status *status)
{
    int64_t expiry = atomic_load_explicit(&server->tls_expiry, memory_order_relaxed);
    status->connections = (double)http_connections(server);
    status->has_tls = expiry != 0;
    status->certificate_expiry = expiry != 0 ? (double)expiry : NAN;
    describe_canary(server->modules.canary, status);
    describe_credentials(server, status);
    describe_rejections(server, status);
}

/* ---- on the maintenance thread ---- */

static bool on_step(struct maintenance_task *task, uint64_t now)
{
    return survey_step(((struct inquiry *)task)->survey, now);
}

static bool write_plain(const struct inquiry *inquiry, const struct status *status, struct buffer *text)
{
    if (!inquiry->is_html)
        return status_write_json(status, inquiry->section, text);
    status_write_html(status, text);
    return !text->failed;
}

/* Write the body; empty if memory is short. */
static void write_body(struct inquiry *inquiry, const struct status *status)
{
    struct buffer text = {0};
    bool is_written = !status->failed && write_plain(inquiry, status, &text);
    if (is_written && !inquiry->gzip) {
        inquiry->body = text;
        return;
    }
    if (is_written && !gzip_compress((struct slice){text.at, text.length}, &inquiry->body))
        buffer_free(&inquiry->body);
    buffer_free(&text);
}

static void on_done(struct maintenance_task *task)
{
    struct inquiry *inquiry = (struct inquiry *)task;
    struct status *status = survey_status(inquiry->survey);
    status->stopping = inquiry->stopping;
    if (status->sees_all)
        describe_server(inquiry->worker->server, status);
    status_judge(status);
    write_body(inquiry, status);
    survey_end(inquiry->survey);
    h2o_multithread_send_message(&inquiry->worker->statuses, &inquiry->message);
}

/* ---- the response ---- */

static void add_header(h2o_req_t *request, const char *header, const char *value)
{
    h2o_add_header_by_str(&request->pool, &request->res.headers, header, strlen(header), 1, NULL, value, strlen(value));
}

/* What this is must not be kept, guessed at, framed, or named to others. */
static void add_safety(h2o_req_t *request, bool is_html)
{
    char *policy = h2o_mem_alloc_pool(&request->pool, STATUS_POLICY_MAX);
    strcpy(policy, "default-src 'none'; frame-ancestors 'none'");
    if (is_html)
        status_policy(policy);
    add_header(request, "content-security-policy", policy);
    add_header(request, "cache-control", "no-store");
    add_header(request, "x-content-type-options", "nosniff");
    add_header(request, "referrer-policy", "no-referrer");
}

static void answer(h2o_req_t *request, const struct inquiry *inquiry)
{
    if (inquiry->body.length == 0) {
        response_send_text(request, name, 503, "Service Unavailable", "out of memory\n");
        return;
    }
    struct worker *worker = worker_of(request);
    response_count(worker, name, 200);
    request->res.status = 200;
    request->res.reason = "OK";
    request->res.content_length = inquiry->body.length;
    add_header(request, "content-type", inquiry->is_html ? "text/html; charset=utf-8" : "application/json");
    add_header(request, "vary", "Accept-Encoding");
    if (inquiry->gzip)
        add_header(request, "content-encoding", "gzip");
    add_safety(request, inquiry->is_html);
    if (worker->stopping)
        request->http1_is_persistent = 0;
    h2o_send_inline(request, inquiry->body.at, inquiry->body.length);
}

static void let_go(struct inquiry_hold *hold)
{
    hold->inquiry->hold = NULL;
    hold->inquiry = NULL;
    hold->connection->responding = hold->connection->waiting = false;
    hold->connection->changed = clock_monotonic();
}

/* The request's memory is going: nothing may be sent to it any more. */
static void on_gone(void *memory)
{
    struct inquiry_hold *hold = memory;
    if (hold->inquiry != NULL)
        let_go(hold);
}

void get_status_on_written(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages)
{
    (void)receiver;
    while (!h2o_linklist_is_empty(messages)) {
        struct inquiry *inquiry = H2O_STRUCT_FROM_MEMBER(struct inquiry, message.link, http_take_first(messages));
        struct inquiry_hold *hold = inquiry->hold;
        inquiry->worker->pending--;
        inquiry->worker->inquiries--;
        if (hold != NULL) {
            let_go(hold);
            answer(hold->request, inquiry);
        }
        buffer_free(&inquiry->body);
        free(inquiry);
    }
}

/* ---- the request ---- */

static struct survey *begin_survey(struct http_server *server, const struct page_access *access, struct slice only)
{
    const struct http_modules *modules = &server->modules;
    struct survey_sources sources = {.statuses = modules->statuses,
                                     .unmatched = modules->unmatched,
                                     .directory = modules->directory,
                                     .store = modules->store,
                                     .loads = modules->loads,
                                     .settings = modules->settings,
                                     .setting_count = modules->setting_count,
                                     .started = server->opened};
    pthread_rwlock_rdlock(&server->access_lock);
    struct accounts *accounts = accounts_ref(access->scrape == NULL ? server->accounts : access->accounts);
    pthread_rwlock_unlock(&server->access_lock);
    struct survey *survey = survey_begin(&sources, &(struct survey_question){accounts, access->scrape, only});
    accounts_unref(accounts);
    return survey;
}

static void inquire(h2o_req_t *request, struct slice query, const struct page_access *access, bool is_html,
                    enum status_section section)
{
    char only[DIRECTORY_NAME_MAX + 1];
    struct worker *worker = worker_of(request);
    struct inquiry *inquiry = worker->inquiries < INQUIRIES_MAX ? calloc(1, sizeof *inquiry) : NULL;
    if (inquiry != NULL)
        inquiry->survey = begin_survey(worker->server, access, query_value(query, SLICE("app"), only, sizeof only));
    if (inquiry == NULL || inquiry->survey == NULL) {
        free(inquiry);
        response_send_text(request, name, 503, "Service Unavailable", "too much is asked at a time\n");
        return;
    }
    struct inquiry_hold *hold = h2o_mem_alloc_shared(&request->pool, sizeof *hold, on_gone);
    *hold = (struct inquiry_hold){inquiry, request, connection_of(request)};
    hold->connection->responding = hold->connection->waiting = true;
    inquiry->task = (struct maintenance_task){.step = on_step, .done = on_done};
    inquiry->worker = worker;
    inquiry->hold = hold;
    inquiry->is_html = is_html;
    inquiry->section = section;
    inquiry->gzip = request_accepts_gzip(request);
    inquiry->stopping = worker->stopping || atomic_load_explicit(&worker->server->unhealthy, memory_order_relaxed);
    worker->pending++;
    worker->inquiries++;
    maintenance_run(worker->server->modules.maintenance, &inquiry->task);
}

static void respond_html(h2o_req_t *request, struct slice query, const struct page_access *access)
{
    inquire(request, query, access, true, STATUS_SECTIONS);
}

static void respond_json(h2o_req_t *request, struct slice query, const struct page_access *access)
{
    struct slice rest = slice_after(request_path(request), sizeof "/status" - 1);
    enum status_section section = STATUS_SECTIONS;
    if (rest.length > 0 && !status_section_of(slice_after(rest, 1), &section))
        response_send_text(request, name, 404, "Not Found",
                           "not found: there are /status, and /status/working, sees, rates, speakers and settings\n");
    else if (section != STATUS_SECTIONS && access->scrape != NULL && status_section_is_private(section))
        response_send_text(request, name, 403, "Forbidden", "this is for who may see all apps\n");
    else
        inquire(request, query, access, false, section);
}

void get_status(h2o_req_t *request, struct slice query)
{
    page_access_check(request, query, name, respond_json);
}

/* A browser asks without a password first, and so may anybody who wonders what this is: it is no failed log-in. */
enum admission get_status_page_admit(struct connection *connection, struct slice authorization)
{
    return authorization.length == 0 ? ADMISSION_GRANTED : page_access_admit(connection, authorization);
}

void get_status_page(h2o_req_t *request, struct slice query)
{
    if (request_header(request, H2O_TOKEN_AUTHORIZATION).length > 0) {
        page_access_check(request, query, name, respond_html);
        return;
    }
    struct response response = response_unauthorized(name, METRICS_CHALLENGE);
    response.body = "drain_exporter " VERSION " turns log drains into Prometheus metrics, which are at /metrics; "
                    "who may read them gets the state of all of it here.\n";
    response_send(request, &response);
}
