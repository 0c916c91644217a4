#include "server/http_internal.h"

#include <netdb.h>
#include <stdlib.h>
#include <sys/socket.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/clock.h"
#include "base/metric.h"
#include "output/encoder.h"

enum {
    /* Scrapes that wait or are being sent, for each worker: each may hold a page of its own. */
    SCRAPES_MAX = 16,
};

/* What was asked of the maintenance thread; it outlives the request of HTTP. */
struct scrape {
    struct page_request page_request; /* first */
    h2o_multithread_message_t message;
    struct worker *worker;
    struct page *page;
    struct scrape_hold *hold; /* NULL: the request is gone */
};

/* What hangs on the request's memory, and so learns when it is gone. */
struct scrape_hold {
    struct scrape *scrape; /* NULL: answered */
    struct page *page;     /* being sent */
    h2o_req_t *request;
    struct worker *worker;
    struct connection *connection;
};

enum admission get_metrics_admit(struct connection *connection, struct slice authorization)
{
    struct http_server *server = connection->worker->server;
    pthread_rwlock_rdlock(&server->access_lock);
    struct auth_realm realm = server->metrics_realm;
    pthread_rwlock_unlock(&server->access_lock);
    if (!auth_check(&realm, authorization))
        return ADMISSION_REFUSED;
    worker_trust(connection);
    return ADMISSION_GRANTED;
}

/* "q=0", "q=0.000": not wanted (RFC 9110, 12.4.2). */
static bool is_zero_weight(struct slice parameters)
{
    struct slice value = slice_trim(slice_after(parameters, slice_index(parameters, '=')));
    size_t i = 0;
    while (i < value.length && (value.at[i] == '=' || value.at[i] == ' ' || value.at[i] == '0' || value.at[i] == '.'))
        i++;
    return value.length > 1 && i == value.length;
}

/* RFC 9110, 12.5.3: is gzip, or else any encoding, in the list with a weight that is not zero? */
static bool accepts_gzip(struct slice list)
{
    bool any = false;
    while (list.length > 0) {
        struct slice item = {list.at, slice_index(list, ',')};
        list = slice_after(list, item.length < list.length ? item.length + 1 : item.length);
        struct slice name = {item.at, slice_index(item, ';')};
        bool wanted = !is_zero_weight(slice_after(item, name.length));
        name = slice_trim(name);
        if (name.length == 4 && strncasecmp(name.at, "gzip", 4) == 0)
            return wanted;
        if (slice_equals(name, SLICE("*")))
            any = wanted;
    }
    return any;
}

/* The request's memory is going: nothing may be sent to it any more. */
static void on_scrape_gone(void *memory)
{
    struct scrape_hold *hold = memory;
    hold->worker->scrapes--;
    hold->connection->responding = false;
    hold->connection->changed = clock_monotonic();
    if (hold->scrape != NULL)
        hold->scrape->hold = NULL;
    page_unref(hold->page);
}

/* On the maintenance thread's thread: send the page to the worker that wants it. */
static void on_page(struct page_request *page_request, struct page *page)
{
    struct scrape *scrape = (struct scrape *)page_request;
    scrape->page = page;
    h2o_multithread_send_message(&scrape->worker->pages, &scrape->message);
}

static void send_page(struct scrape_hold *hold)
{
    static h2o_generator_t generator;
    h2o_req_t *request = hold->request;
    struct page *page = hold->page;
    if (page == NULL) {
        response_send_text(request, "metrics", 503, "Service Unavailable", "out of memory\n");
        return;
    }
    response_count(hold->worker, "metrics", 200);
    request->res.status = 200;
    request->res.reason = "OK";
    request->res.content_length = page->text.length;
    h2o_add_header(&request->pool, &request->res.headers, H2O_TOKEN_CONTENT_TYPE, NULL, text_encoder.content_type,
                   strlen(text_encoder.content_type));
    h2o_add_header(&request->pool, &request->res.headers, H2O_TOKEN_VARY, NULL, H2O_STRLIT("Accept-Encoding"));
    if (page->gzip)
        h2o_add_header(&request->pool, &request->res.headers, H2O_TOKEN_CONTENT_ENCODING, NULL, H2O_STRLIT("gzip"));
    if (hold->worker->stopping)
        request->http1_is_persistent = 0;
    h2o_iovec_t text = h2o_iovec_init(page->text.at, page->text.length);
    h2o_start_response(request, &generator);
    h2o_send(request, &text, request_is(request, "HEAD") ? 0 : 1, H2O_SEND_STATE_FINAL);
}

void get_metrics_on_pages(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages)
{
    (void)receiver;
    while (!h2o_linklist_is_empty(messages)) {
        h2o_multithread_message_t *message = H2O_STRUCT_FROM_MEMBER(h2o_multithread_message_t, link, messages->next);
        struct scrape *scrape = H2O_STRUCT_FROM_MEMBER(struct scrape, message, message);
        h2o_linklist_unlink(&message->link);
        scrape->worker->pending--;
        struct scrape_hold *hold = scrape->hold;
        if (hold != NULL) {
            hold->scrape = NULL;
            hold->page = scrape->page;
            send_page(hold);
        } else
            page_unref(scrape->page);
        free(scrape);
    }
}

/* Who scrapes: the same user, program and address are the same scraper.  The address is the client's, not a proxy's.
 * HEAD shows nothing to anybody. */
static uint64_t hash_scraper(h2o_req_t *request)
{
    if (request_is(request, "HEAD"))
        return 0;
    struct slice parts[] = {request_header(request, H2O_TOKEN_AUTHORIZATION),
                            request_header(request, H2O_TOKEN_USER_AGENT),
                            request_header(request, H2O_TOKEN_X_FORWARDED_FOR)};
    struct sockaddr_storage peer;
    char host[NI_MAXHOST];
    if (parts[2].length == 0) {
        socklen_t length = request->conn->callbacks->get_peername(request->conn, (struct sockaddr *)&peer);
        if (getnameinfo((struct sockaddr *)&peer, length, host, sizeof host, NULL, 0, NI_NUMERICHOST) == 0)
            parts[2] = slice_of(host);
    }
    uint64_t hash = 0;
    for (size_t i = 0; i < COUNT(parts); i++)
        hash = XXH3_64bits_withSeed(parts[i].at, parts[i].length, hash);
    return hash != 0 ? hash : 1;
}

void get_metrics(h2o_req_t *request, struct slice query)
{
    (void)query;
    struct worker *worker = worker_of(request);
    struct slice authorization = request_header(request, H2O_TOKEN_AUTHORIZATION);
    if (get_metrics_admit(connection_of(request), authorization) != ADMISSION_GRANTED) {
        client_failed(connection_of(request), HTTP_METRICS, authorization);
        response_send_unauthorized(request, "metrics", METRICS_CHALLENGE);
        return;
    }
    struct scrape *scrape = worker->scrapes < SCRAPES_MAX ? calloc(1, sizeof *scrape) : NULL;
    if (scrape == NULL) {
        response_send_text(request, "metrics", 503, "Service Unavailable", "too many scrapes at a time\n");
        return;
    }
    struct scrape_hold *hold = h2o_mem_alloc_shared(&request->pool, sizeof *hold, on_scrape_gone);
    *hold = (struct scrape_hold){
        .scrape = scrape, .request = request, .worker = worker, .connection = connection_of(request)};
    hold->connection->responding = true;
    worker->scrapes++;
    worker->pending++;
    scrape->page_request.gzip = accepts_gzip(request_header(request, H2O_TOKEN_ACCEPT_ENCODING));
    scrape->page_request.scraper = hash_scraper(request);
    scrape->page_request.deliver = on_page;
    scrape->worker = worker;
    scrape->hold = hold;
    maintenance_request_page(worker->server->modules.maintenance, &scrape->page_request);
}
