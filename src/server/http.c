#include "server/http_internal.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/http_metrics.h"
#include "server/inherited_socket.h"

/* libh2o puts the name of a header, up to 400 KB, on the stack. */
enum { STACK_SIZE = 2 * 1024 * 1024 };

#define NEVER (UINT64_C(10) * 365 * 24 * 3600 * 1000) /* milliseconds */

h2o_linklist_t *http_take_first(h2o_linklist_t *list)
{
    h2o_linklist_t *first = list->next;
    h2o_linklist_unlink(first);
    return first;
}

static void configure(struct http_server *server)
{
    h2o_config_init(&server->config);
    server->config.server_name = h2o_iovec_init(NULL, 0);
    /* libh2o refuses chunks of exactly its limit; see post_drain(). */
    server->config.max_request_entity_size = server->settings.max_body_size + 1;
    server->config.http1.upgrade_to_http2 = 0;
    /* The timeouts are ours, see worker.c; those of libh2o must never come. */
    server->config.http1.req_timeout = NEVER;
    server->config.handshake_timeout = NEVER;
    h2o_hostconf_t *host = h2o_config_register_host(&server->config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    h2o_pathconf_t *path = h2o_config_register_path(host, "/", 0);
    h2o_handler_t *handler = h2o_create_handler(path, sizeof *handler);
    handler->on_req = routes_on_request;
    if (server->settings.access_log != ACCESS_LOG_OFF)
        h2o_create_logger(path, sizeof(h2o_logger_t))->log_access = response_on_done;
}

/* Let the process have as many file descriptors as it may.  False with one sentence in error if those are too few. */
static bool raise_descriptors(const struct http_settings *settings, char error[ERROR_MAX])
{
    enum { OTHERS = 64 /* files, signals, and some for each of the threads */, FOR_WORKER = 8 };
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return true;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    size_t needed = settings->max_connections + 2 * HTTP_RESERVED_CONNECTIONS + HTTP_INSIDE_CONNECTIONS + OTHERS +
                    settings->workers * FOR_WORKER;
    if (limit.rlim_max == RLIM_INFINITY || limit.rlim_max >= needed)
        return true;
    return error_set(error, "MAX_CONNECTIONS (%zu) needs %zu file descriptors, but %zu is the limit (ulimit -n)",
                     settings->max_connections, needed, (size_t)limit.rlim_max);
}

static void close_listeners(struct http_server *server)
{
    if (server->listener >= 0)
        close(server->listener);
    if (server->metrics_listener >= 0)
        close(server->metrics_listener);
    server->listener = server->metrics_listener = -1;
}

/* The socket of an address: the one that was inherited for it, or a new one. */
static int open_listener(unsigned number, const char *setting, const struct http_address *address,
                         char error[ERROR_MAX])
{
    return number < inherited_sockets() ? inherited_socket_take(number, setting, error)
                                        : listener_open(setting, address, error);
}

static bool open_listeners(struct http_server *server, char error[ERROR_MAX])
{
    const struct http_settings *settings = &server->settings;
    bool has_inside = settings->metrics_address.port != NULL;
    server->listener = server->metrics_listener = -1;
    if (inherited_sockets() > 1u + has_inside)
        return error_set(error,
                         "LISTEN_FDS says %u sockets: there is one for LISTEN_ADDRESS, and one for "
                         "METRICS_LISTEN_ADDRESS if that is set",
                         inherited_sockets());
    server->listener = open_listener(0, "LISTEN_ADDRESS", &settings->address, error);
    if (server->listener >= 0 && has_inside)
        server->metrics_listener = open_listener(1, "METRICS_LISTEN_ADDRESS", &settings->metrics_address, error);
    if (server->listener >= 0 && (!has_inside || server->metrics_listener >= 0))
        return true;
    close_listeners(server);
    return false;
}

struct http_server *http_open(const struct http_settings *settings, char error[ERROR_MAX])
{
    if (!raise_descriptors(settings, error))
        return NULL;
    struct http_server *server = aligned_alloc(64, (sizeof *server + 63) / 64 * 64);
    if (server == NULL)
        goto no_memory;
    memset(server, 0, sizeof *server);
    server->settings = *settings;
    server->opened = clock_wall() / 1000000;
    pthread_rwlock_init(&server->access_lock, NULL);
    server->workers = aligned_alloc(64, settings->workers * sizeof *server->workers);
    if (server->workers == NULL)
        goto free_server;
    memset(server->workers, 0, settings->workers * sizeof *server->workers);
    server->rejections = rejections_create();
    server->bounds = address_bounds_create(settings->max_address_connections, settings->max_address_failures);
    if (server->rejections == NULL || server->bounds == NULL) {
        error_set(error, ERROR_NO_MEMORY);
        goto free_workers;
    }
    if (settings->tls_cert_file != NULL && !tls_start(server, error))
        goto free_workers;
    if (!open_listeners(server, error))
        goto free_tls;
    configure(server);
    return server;

free_tls:
    SSL_CTX_free(server->tls);
free_workers:
    address_bounds_free(server->bounds);
    rejections_free(server->rejections);
    free(server->workers);
    free(server);
    return NULL;
free_server:
    free(server);
no_memory:
    error_set(error, ERROR_NO_MEMORY);
    return NULL;
}

/* Let each secret that stays keep the time when it was last used.  With the lock held for writing. */
static void keep_times(struct http_server *server, const struct auth_realm *realm)
{
    int64_t times[AUTH_SECRETS] = {0};
    for (enum auth_secret secret = 0; secret < AUTH_SECRETS; secret++) {
        enum auth_secret old = realm->has[secret] ? auth_find(&server->metrics_realm, realm, secret) : AUTH_NONE;
        times[secret] = old == AUTH_NONE ? 0 : credential_last_used(&server->metrics_credentials[old]);
    }
    for (enum auth_secret secret = 0; secret < AUTH_SECRETS; secret++)
        credential_note(&server->metrics_credentials[secret], times[secret]);
}

void http_allow(struct http_server *server, struct accounts *accounts, struct rules *rules,
                const struct auth_realm *metrics)
{
    pthread_rwlock_wrlock(&server->access_lock);
    struct accounts *old_accounts = server->accounts;
    struct rules *old_rules = server->rules;
    server->accounts = accounts_ref(accounts);
    server->access++;
    server->rules = rules_ref(rules);
    keep_times(server, metrics);
    server->metrics_realm = *metrics;
    pthread_rwlock_unlock(&server->access_lock);
    accounts_unref(old_accounts);
    rules_unref(old_rules);
    atomic_store_explicit(&server->loaded_at, clock_monotonic(), memory_order_relaxed);
    atomic_store_explicit(&server->loaded, clock_wall() / 1000000, memory_order_relaxed);
}

void http_note_failed_load(struct http_server *server)
{
    atomic_store_explicit(&server->load_failed, clock_wall() / 1000000, memory_order_relaxed);
}

void http_visit_credentials(struct http_server *server, credential_visitor *visitor, void *context)
{
    pthread_rwlock_rdlock(&server->access_lock);
    accounts_visit_credentials(server->accounts, visitor, context);
    for (enum auth_secret secret = 0; secret < AUTH_SECRETS; secret++) {
        bool is_previous = secret == AUTH_PREVIOUS_PASSWORD || secret == AUTH_PREVIOUS_TOKEN;
        if (!server->metrics_realm.has[secret])
            continue;
        visitor(context, &(struct credential_use){
                             .role = "metrics",
                             .name = slice_of(secret < AUTH_TOKEN ? METRICS_USER : USER_TOKEN),
                             .slot = is_previous ? CREDENTIAL_PREVIOUS : CREDENTIAL_CURRENT,
                             .last_used = credential_last_used(&server->metrics_credentials[secret]),
                         });
    }
    pthread_rwlock_unlock(&server->access_lock);
}

/* Nobody updates the gauge of a credential that is let in no more, so that it leaves.  Milliseconds. */
enum { CREDENTIAL_LIFETIME = 60 * 1000 };

static void record_credential(void *context, const struct credential_use *use)
{
    struct self_terms terms = *(const struct self_terms *)context;
    terms.lifetime = CREDENTIAL_LIFETIME;
    struct label labels[] = {{SLICE("name"), use->name},
                             {SLICE("role"), slice_of(use->role)},
                             {SLICE("slot"), slice_of(credential_slot_name(use->slot))}};
    self_set(&terms, &http_credential_used, labels, COUNT(labels), (double)use->last_used);
}

void http_describe(struct http_server *server, struct store *store, unsigned slot, uint64_t now)
{
    struct self_terms terms = {.store = store, .slot = slot, .now = now, .entity = ENTITY_NONE};
    tls_describe(server, &terms);
    self_set(&terms, &http_config_loaded, NULL, 0, (double)atomic_load_explicit(&server->loaded, memory_order_relaxed));
    self_set(&terms, &http_config_load_failed, NULL, 0,
             (double)atomic_load_explicit(&server->load_failed, memory_order_relaxed));
    http_visit_credentials(server, record_credential, &terms);
}

bool http_start(struct http_server *server, const struct http_modules *modules)
{
    server->modules = *modules;
    server->verifier = verifier_start();
    if (server->verifier == NULL)
        return false;
    pthread_barrier_init(&server->ready, NULL, server->settings.workers + 1);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    while (server->started < server->settings.workers) {
        struct worker *worker = &server->workers[server->started];
        worker->server = server;
        worker->slot = server->started;
        h2o_linklist_init_anchor(&worker->connections);
        h2o_linklist_init_anchor(&worker->waiting);
        h2o_linklist_init_anchor(&worker->handed_on);
        h2o_linklist_init_anchor(&worker->bodies);
        if (pthread_create(&worker->thread, &attributes, worker_run, worker) != 0)
            break;
        server->started++;
    }
    pthread_attr_destroy(&attributes);
    if (server->started < server->settings.workers)
        return false;
    pthread_barrier_wait(&server->ready);
    return true;
}

void http_unhealthy(struct http_server *server)
{
    atomic_store_explicit(&server->unhealthy, true, memory_order_relaxed);
}

bool http_stop(struct http_server *server, uint64_t timeout)
{
    http_accept(server); /* who got as far as the backlog may have sent a request */
    close_listeners(server);
    bool sent = true;
    for (unsigned i = 0; i < server->started; i++)
        sent &= worker_stop(&server->workers[i]);
    uint64_t deadline = clock_monotonic() + timeout;
    bool ended = sent;
    for (unsigned i = 0; i < server->started && ended; i++) {
        /* Asked again and again, since a join with a deadline follows a clock that can be set. */
        while (!(ended = pthread_tryjoin_np(server->workers[i].thread, NULL) == 0) && clock_monotonic() < deadline)
            usleep(2000);
    }
    if (ended) {
        verifier_stop(server->verifier);
        server->verifier = NULL;
    }
    return ended;
}

void http_close(struct http_server *server)
{
    close_listeners(server);
    if (server->started > 0)
        pthread_barrier_destroy(&server->ready);
    h2o_config_dispose(&server->config);
    SSL_CTX_free(server->tls);
    address_bounds_free(server->bounds);
    rejections_free(server->rejections);
    pthread_rwlock_destroy(&server->access_lock);
    accounts_unref(server->accounts);
    rules_unref(server->rules);
    free(server->workers);
    free(server);
}
