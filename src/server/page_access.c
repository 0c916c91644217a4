/* Who may read the pages of apps: who has the metrics password everything, an entry of "scrapes" its apps.
 *
 * A request waits, without holding up its thread, until its password is verified (verifier.h). */
#include <stdlib.h>

#include "base/clock.h"
#include "server/http_internal.h"

/* A request that may have to wait.  On its memory, and so learns when the request is gone. */
struct asking {
    struct login login; /* first */
    h2o_req_t *request;
    struct worker *worker;
    struct connection *connection;
    const char *path; /* as it is counted */
    struct slice query;
    page_handler *handler;
    struct accounts *accounts;  /* a reference */
    struct page_ticket *ticket; /* NULL: it does not wait */
};

/* What the verifier answers to; it may outlive the request. */
struct page_ticket {
    struct verifier_ticket of_verifier; /* first */
    h2o_multithread_message_t message;
    struct worker *worker;
    struct asking *asking; /* NULL: the request is gone */
    enum accounts_result result;
    const struct account *account;
};

/* The accounts, with a reference. */
static struct accounts *take_accounts(struct http_server *server)
{
    pthread_rwlock_rdlock(&server->access_lock);
    struct accounts *accounts = accounts_ref(server->accounts);
    pthread_rwlock_unlock(&server->access_lock);
    return accounts;
}

enum admission page_access_admit(struct connection *connection, struct slice authorization)
{
    if (get_metrics_admit(connection, authorization) == ADMISSION_GRANTED)
        return ADMISSION_GRANTED;
    struct accounts *accounts = take_accounts(connection->worker->server);
    enum accounts_result result = ACCOUNTS_DENIED;
    if (accounts_have_scrapes(accounts)) {
        const struct account *account;
        struct verification *verification;
        result = accounts_check_scrape(accounts, authorization, &account, &verification);
        verification_free(verification);
    }
    accounts_unref(accounts);
    return result == ACCOUNTS_DENIED      ? ADMISSION_REFUSED
           : result == ACCOUNTS_NO_MEMORY ? ADMISSION_WITHHELD
                                          : ADMISSION_GRANTED;
}

bool page_access_sees(const struct page_access *access, const struct directory_app *app)
{
    return access->scrape == NULL || config_scrape_sees(access->scrape, app->name);
}

/* ---- decisions ---- */

static void decide(struct asking *asking, enum accounts_result result, const struct account *account)
{
    h2o_req_t *request = asking->request;
    switch (result) {
    case ACCOUNTS_ALLOWED:
        account_note_use(account, worker_second(asking->worker));
        access_log_let_in(asking->connection->access, accounts_user(account));
        worker_trust(asking->connection);
        asking->handler(request, asking->query, &(struct page_access){account_scrape(account), asking->accounts});
        return;
    case ACCOUNTS_DENIED:
        client_failed(asking->connection, HTTP_METRICS, request_header(request, H2O_TOKEN_AUTHORIZATION));
        response_send_unauthorized(request, asking->path, METRICS_CHALLENGE);
        return;
    case ACCOUNTS_PENDING:
    case ACCOUNTS_NO_MEMORY:
        response_send_text(request, asking->path, 503, "Service Unavailable",
                           "the password cannot be verified now: there is too much to do\n");
        return;
    }
}

/* ---- waiting ---- */

static void stop_waiting(struct asking *asking)
{
    asking->ticket = NULL;
    asking->connection->waiting = asking->connection->responding = false;
    asking->connection->login = NULL;
    asking->connection->changed = clock_monotonic();
}

/* The verification, if there is one, is for nobody any more. */
static void cancel(struct asking *asking)
{
    struct page_ticket *ticket = asking->ticket;
    if (ticket == NULL)
        return;
    if (verifier_cancel(asking->worker->server->verifier, &ticket->of_verifier)) {
        asking->worker->pending--;
        free(ticket);
    } else
        ticket->asking = NULL;
    stop_waiting(asking);
}

/* The request's memory is going: nothing may be sent to it any more. */
static void on_gone(void *memory)
{
    struct asking *asking = memory;
    cancel(asking);
    accounts_unref(asking->accounts);
}

static void give_up(struct login *login)
{
    struct asking *asking = (struct asking *)login;
    cancel(asking);
    asking->request->http1_is_persistent = 0;
    decide(asking, ACCOUNTS_PENDING, NULL);
}

/* On the verifier's thread: tell the worker whose request it is. */
static void on_verified(struct verifier_ticket *of_verifier, enum accounts_result result, const struct account *account)
{
    struct page_ticket *ticket = (struct page_ticket *)of_verifier;
    ticket->result = result;
    ticket->account = account;
    h2o_multithread_send_message(&ticket->worker->verified_scrapes, &ticket->message);
}

void page_access_on_verified(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages)
{
    (void)receiver;
    while (!h2o_linklist_is_empty(messages)) {
        struct page_ticket *ticket =
            H2O_STRUCT_FROM_MEMBER(struct page_ticket, message.link, http_take_first(messages));
        struct asking *asking = ticket->asking;
        ticket->worker->pending--;
        if (asking != NULL) {
            stop_waiting(asking);
            decide(asking, ticket->result, ticket->account);
        }
        free(ticket);
    }
}

/* Let a request wait for its verification.  False if it cannot. */
static bool wait_for_password(struct asking *asking, struct verification *verification)
{
    struct page_ticket *ticket = calloc(1, sizeof *ticket);
    if (ticket == NULL) {
        verification_free(verification);
        return false;
    }
    ticket->of_verifier.done = on_verified;
    ticket->worker = asking->worker;
    ticket->asking = asking; /* the answer is read on this thread, so not before all is set */
    if (!verifier_submit(asking->worker->server->verifier, verification, client_source(asking->connection),
                         &ticket->of_verifier)) {
        free(ticket);
        return false;
    }
    asking->worker->pending++;
    asking->ticket = ticket;
    asking->login = (struct login){worker_deadline(asking->worker), give_up};
    asking->connection->responding = asking->connection->waiting = true;
    asking->connection->login = &asking->login;
    return true;
}

void page_access_check(h2o_req_t *request, struct slice query, const char *path, page_handler *handler)
{
    struct connection *connection = connection_of(request);
    struct slice authorization = request_header(request, H2O_TOKEN_AUTHORIZATION);
    if (get_metrics_admit(connection, authorization) == ADMISSION_GRANTED) {
        handler(request, query, &(struct page_access){NULL, NULL});
        return;
    }
    struct asking *asking = h2o_mem_alloc_shared(&request->pool, sizeof *asking, on_gone);
    *asking = (struct asking){.request = request,
                              .worker = worker_of(request),
                              .connection = connection,
                              .path = path,
                              .query = query,
                              .handler = handler,
                              .accounts = take_accounts(worker_of(request)->server)};
    const struct account *account = NULL;
    struct verification *verification = NULL;
    enum accounts_result result = ACCOUNTS_DENIED;
    if (accounts_have_scrapes(asking->accounts))
        result = accounts_check_scrape(asking->accounts, authorization, &account, &verification);
    if (result != ACCOUNTS_PENDING || !wait_for_password(asking, verification))
        decide(asking, result, account);
}
