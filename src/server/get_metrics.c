#include "server/http_internal.h"

#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/clock.h"
#include "base/metric.h"
#include "output/encoder.h"

enum {
    SCRAPES_MAX = 16, /* that wait or are being sent, for each worker */
    STALLED = 100,    /* milliseconds after which a piece that is not taken makes place for others */
    TRIES_MAX = 50,   /* to begin a page while all pages hold too much: those given up are gone after a few */
};

/* What was asked of the maintenance thread; it outlives the request of HTTP. */
struct scrape {
    struct page_request page_request; /* first */
    h2o_multithread_message_t message;
    struct worker *worker;
    struct page_piece *piece; /* that has come and is not being sent yet; NULL if there is none */
    bool has_come;            /* a piece, or word that there is none */
    bool asks;                /* for a piece that has not come yet */
    struct scrape_hold *hold; /* NULL: the request is gone */
};

/* What hangs on the request's memory, and so learns when it is gone. */
struct scrape_hold {
    h2o_generator_t generator; /* first */
    struct scrape *scrape;     /* NULL: nothing more is wanted of it */
    struct page_piece *piece;  /* being sent */
    h2o_req_t *request;
    struct worker *worker;
    struct connection *connection;
    const char *path; /* as it is counted */
    uint64_t since;   /* when piece was given to libh2o, milliseconds */
    bool started;     /* the response */
    bool displaced;   /* it is not counted any more */
    unsigned tries;   /* that have failed */
};

enum admission get_metrics_admit(struct connection *connection, struct slice authorization)
{
    struct worker *worker = connection->worker;
    struct http_server *server = worker->server;
    pthread_rwlock_rdlock(&server->access_lock);
    enum auth_secret secret = auth_check(&server->metrics_realm, authorization);
    if (secret != AUTH_NONE)
        credential_note(&server->metrics_credentials[secret], worker_second(worker));
    pthread_rwlock_unlock(&server->access_lock);
    if (secret == AUTH_NONE)
        return ADMISSION_REFUSED;
    access_log_let_in(connection->access, slice_of(secret < AUTH_TOKEN ? METRICS_USER : USER_TOKEN));
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

bool request_accepts_gzip(const h2o_req_t *request)
{
    return accepts_gzip(request_header(request, H2O_TOKEN_ACCEPT_ENCODING));
}

static void ask(struct scrape *scrape)
{
    scrape->asks = true;
    scrape->worker->pending++;
    maintenance_ask(scrape->worker->server->modules.maintenance, &scrape->page_request);
}

/* Nothing more is wanted.  complete: the page was sent to its end. */
static void end_scrape(struct scrape_hold *hold, bool complete)
{
    struct scrape *scrape = hold->scrape;
    hold->scrape = NULL;
    if (scrape == NULL)
        return;
    scrape->hold = NULL;
    if (scrape->has_come)
        page_piece_unref(scrape->piece);
    if (!scrape->asks) /* else once that has come */
        maintenance_end_page(scrape->worker->server->modules.maintenance, &scrape->page_request, complete);
}

/* The request's memory is going: nothing may be sent to it any more. */
static void on_scrape_gone(void *memory)
{
    struct scrape_hold *hold = memory;
    hold->worker->scrapes -= !hold->displaced;
    hold->connection->page = NULL;
    hold->connection->responding = false;
    hold->connection->changed = clock_monotonic();
    end_scrape(hold, false);
    page_piece_unref(hold->piece);
}

/* On the maintenance thread: send a piece to the worker that wants it. */
static void on_piece(struct page_request *page_request, struct page_piece *piece)
{
    struct scrape *scrape = (struct scrape *)page_request;
    scrape->piece = piece;
    h2o_multithread_send_message(&scrape->worker->pages, &scrape->message);
}

/* On the maintenance thread. */
static void on_release(struct page_request *page_request)
{
    free(page_request);
}

static void start_response(struct scrape_hold *hold)
{
    h2o_req_t *request = hold->request;
    const struct page_piece *piece = hold->piece;
    hold->started = true;
    response_count(hold->worker, hold->path, 200);
    request->res.status = 200;
    request->res.reason = "OK";
    if (piece->last)
        request->res.content_length = piece->text.length;
    const char *type =
        page_is_state(&hold->scrape->page_request.selection) ? "application/octet-stream" : text_encoder.content_type;
    h2o_add_header(&request->pool, &request->res.headers, H2O_TOKEN_CONTENT_TYPE, NULL, type, strlen(type));
    h2o_add_header(&request->pool, &request->res.headers, H2O_TOKEN_VARY, NULL, H2O_STRLIT("Accept-Encoding"));
    if (hold->scrape->page_request.gzip)
        h2o_add_header(&request->pool, &request->res.headers, H2O_TOKEN_CONTENT_ENCODING, NULL, H2O_STRLIT("gzip"));
    if (hold->worker->stopping || (!piece->last && request->version < 0x101))
        request->http1_is_persistent = 0; /* HTTP/1.0 has no chunks: the end is where the connection ends */
    h2o_start_response(request, &hold->generator);
}

/* Give up the page whose piece has not been taken for longest; false if each goes on. */
static bool displace_page(struct worker *worker)
{
    struct scrape_hold *chosen = NULL;
    for (h2o_linklist_t *at = worker->connections.next; at != &worker->connections; at = at->next) {
        struct scrape_hold *hold = H2O_STRUCT_FROM_MEMBER(struct connection, link, at)->page;
        if (hold != NULL && hold->piece != NULL && !hold->displaced && (chosen == NULL || hold->since < chosen->since))
            chosen = hold;
    }
    if (chosen == NULL || clock_monotonic() - chosen->since < STALLED)
        return false;
    chosen->displaced = true;
    worker->scrapes--;
    worker_end_connection(chosen->connection);
    return true;
}

/* All pages hold too much for a further one: give up one that nobody reads, and ask again. */
static bool try_again(struct scrape_hold *hold)
{
    const struct page_request *refused = &hold->scrape->page_request;
    if (!refused->busy || hold->started || hold->tries++ == TRIES_MAX)
        return false;
    if (!displace_page(hold->worker) && hold->tries == 1)
        return false;
    struct scrape *scrape = calloc(1, sizeof *scrape);
    if (scrape == NULL)
        return false;
    scrape->page_request = (struct page_request){.selection = refused->selection,
                                                 .gzip = refused->gzip,
                                                 .scraper = refused->scraper,
                                                 .deliver = on_piece,
                                                 .release = on_release};
    scrape->worker = hold->worker;
    end_scrape(hold, false);
    scrape->hold = hold;
    hold->scrape = scrape;
    ask(scrape);
    return true;
}

/* There is no piece. */
static void refuse(struct scrape_hold *hold)
{
    if (try_again(hold))
        return;
    bool busy = hold->scrape->page_request.busy;
    end_scrape(hold, false);
    if (hold->started) /* the scraper sees that the page has no end */
        h2o_send(hold->request, NULL, 0, H2O_SEND_STATE_ERROR);
    else
        response_send_text(hold->request, hold->path, 503, "Service Unavailable",
                           busy ? "too many pages are being sent\n" : "out of memory\n");
}

/* Send the piece that has come, and ask for the one that is sent next. */
static void send_piece(struct scrape_hold *hold)
{
    h2o_req_t *request = hold->request;
    struct page_piece *piece = hold->scrape->piece;
    hold->scrape->has_come = false;
    hold->piece = piece;
    hold->since = clock_monotonic();
    if (piece == NULL) {
        refuse(hold);
        return;
    }
    if (!hold->started)
        start_response(hold);
    h2o_iovec_t text = h2o_iovec_init(piece->text.at, piece->text.length);
    if (request_is(request, "HEAD")) {
        h2o_send(request, &text, 0, H2O_SEND_STATE_FINAL);
        return;
    }
    if (!piece->last)
        ask(hold->scrape);
    h2o_send(request, &text, 1, H2O_SEND_STATE_IN_PROGRESS);
}

/* A piece was sent: libh2o asks for more. */
static void on_sent(h2o_generator_t *generator, h2o_req_t *request)
{
    struct scrape_hold *hold = (struct scrape_hold *)generator;
    bool last = hold->piece->last;
    page_piece_unref(hold->piece);
    hold->piece = NULL;
    if (last) {
        /* Before the end is sent: the scraper may come again as soon as he has it. */
        end_scrape(hold, true);
        h2o_send(request, NULL, 0, H2O_SEND_STATE_FINAL);
    } else if (hold->scrape->has_come)
        send_piece(hold);
}

void get_metrics_on_pages(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages)
{
    (void)receiver;
    while (!h2o_linklist_is_empty(messages)) {
        struct scrape *scrape = H2O_STRUCT_FROM_MEMBER(struct scrape, message.link, http_take_first(messages));
        scrape->worker->pending--;
        scrape->asks = false;
        if (scrape->hold == NULL) {
            page_piece_unref(scrape->piece);
            maintenance_end_page(scrape->worker->server->modules.maintenance, &scrape->page_request, false);
            continue;
        }
        scrape->has_come = true;
        if (scrape->hold->piece == NULL)
            send_piece(scrape->hold);
    }
}

/* The user of a request; empty for a token.  The memory is credentials'. */
static struct slice user_of(h2o_req_t *request, struct auth_credentials *credentials)
{
    struct slice authorization = request_header(request, H2O_TOKEN_AUTHORIZATION);
    credentials->count = 0;
    return auth_read(credentials, authorization) ? auth_user(credentials->pairs[0]) : (struct slice){"", 0};
}

/* Who scrapes: the same user, program and address are the same scraper.  The address is the client's, not a proxy's.
 * HEAD shows nothing to anybody.  Nothing of a password is in it, as it may be kept in a file. */
static uint64_t hash_scraper(h2o_req_t *request)
{
    if (request_is(request, "HEAD"))
        return 0;
    struct auth_credentials credentials;
    struct slice parts[] = {user_of(request, &credentials), request_header(request, H2O_TOKEN_USER_AGENT),
                            request_header(request, H2O_TOKEN_X_FORWARDED_FOR)};
    char host[ADDRESS_TEXT_MAX];
    if (parts[2].length == 0) {
        address_spell(&connection_of(request)->peer, host);
        parts[2] = slice_of(host);
    }
    uint64_t hash = 0;
    for (size_t i = 0; i < COUNT(parts); i++)
        hash = XXH3_64bits_withSeed(parts[i].at, parts[i].length, hash);
    if (credentials.count > 0)
        auth_forget(&credentials);
    return hash != 0 ? hash : 1;
}

bool get_metrics_authorize(h2o_req_t *request, const char *path)
{
    struct slice authorization = request_header(request, H2O_TOKEN_AUTHORIZATION);
    if (get_metrics_admit(connection_of(request), authorization) == ADMISSION_GRANTED)
        return true;
    client_failed(connection_of(request), HTTP_METRICS, authorization);
    response_send_unauthorized(request, path, METRICS_CHALLENGE);
    return false;
}

void get_metrics(h2o_req_t *request, struct slice query)
{
    (void)query;
    if (get_metrics_authorize(request, "metrics"))
        get_metrics_respond(request, "metrics", &(struct page_selection){.kind = PAGE_ALL});
}

void get_self_page(h2o_req_t *request, struct slice query)
{
    (void)query;
    if (get_metrics_authorize(request, "self"))
        get_metrics_respond(request, "self", &(struct page_selection){.kind = PAGE_SELF});
}

void get_state(h2o_req_t *request, struct slice query)
{
    (void)query;
    if (get_metrics_authorize(request, "state"))
        get_metrics_respond(request, "state", &(struct page_selection){.kind = PAGE_STATE});
}

void get_metrics_respond(h2o_req_t *request, const char *path, const struct page_selection *selection)
{
    struct worker *worker = worker_of(request);
    bool has_place = worker->scrapes < SCRAPES_MAX || displace_page(worker);
    struct scrape *scrape = has_place ? calloc(1, sizeof *scrape) : NULL;
    if (scrape == NULL) {
        response_send_text(request, path, 503, "Service Unavailable", "too many scrapes at a time\n");
        return;
    }
    struct scrape_hold *hold = h2o_mem_alloc_shared(&request->pool, sizeof *hold, on_scrape_gone);
    *hold = (struct scrape_hold){.generator.proceed = on_sent,
                                 .scrape = scrape,
                                 .request = request,
                                 .worker = worker,
                                 .connection = connection_of(request),
                                 .path = path};
    hold->connection->responding = true;
    hold->connection->page = hold;
    worker->scrapes++;
    scrape->page_request.selection = *selection;
    scrape->page_request.gzip = request_accepts_gzip(request);
    scrape->page_request.scraper = hash_scraper(request);
    scrape->page_request.deliver = on_piece;
    scrape->page_request.release = on_release;
    scrape->worker = worker;
    scrape->hold = hold;
    ask(scrape);
}
