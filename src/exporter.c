#include "exporter.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "allocator.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/privileges.h"
#include "base/sandbox.h"
#include "config/mistakes.h"
#include "config/suggestion.h"
#include "families/rule_metric.h"
#include "intake/app_status.h"
#include "output/http_client.h"
#include "output/maintenance.h"
#include "output/state_file.h"
#include "server/accounts.h"
#include "server/canary.h"
#include "server/http.h"
#include "server/survey.h"
#include "server/warm_start.h"

enum { SUGGESTIONS = 2 /* rules that are looked for at a time, on the thread that also writes pages */ };

/* ---- between a batch and a page ---- */

static struct store *open_store(const struct settings *config, struct entities *entities, unsigned slots)
{
    return store_create(&(struct store_settings){.max_series = config->max_series,
                                                 .max_app_series = config->max_app_series,
                                                 .max_metric_series = config->max_metric_series,
                                                 .max_names = config->max_l2met_names,
                                                 .zero_time = 2 * config->scrape_interval,
                                                 .slots = slots,
                                                 .entities = entities});
}

static uint64_t lifetime_of(enum family_lifetime lifetime, const struct settings *config)
{
    switch (lifetime) {
    case LIFETIME_DEFAULT:
        return config->expire_after;
    case LIFETIME_POSTGRES:
        return config->postgres_expire_after;
    case LIFETIME_REDIS:
        return config->redis_expire_after;
    case LIFETIME_RUNTIME:
        return config->runtime_expire_after;
    case LIFETIME_ENTITY:
        return 0;
    }
    return config->expire_after;
}

static struct intake *open_intake(const struct settings *config, struct pipeline *pipeline, unsigned workers)
{
    struct intake_settings settings = {.entities = pipeline->entities,
                                       .directory = pipeline->directory,
                                       .unmatched = pipeline->unmatched,
                                       .canary = &pipeline->canary,
                                       .ingest_prefix = slice_of(config->ingest_prefix),
                                       .external_labels = config->external_labels.labels,
                                       .leave_out_self_drain = config->leave_out_self_drain,
                                       .slots = workers};
    for (int id = 0; id < FAMILY_COUNT; id++)
        settings.lifetimes[id] = lifetime_of(families[id]->lifetime, config);
    return intake_create(pipeline->store, &settings);
}

/* No thread may use them any more. */
static void close_pipeline(struct pipeline *pipeline)
{
    intake_free(pipeline->intake);
    unmatched_free(pipeline->unmatched);
    store_free(pipeline->store);
    directory_free(pipeline->directory);
    entities_free(pipeline->entities);
    *pipeline = (struct pipeline){0};
}

/* False if memory is short: then there is nothing to close. */
static bool open_pipeline(struct pipeline *pipeline, const struct settings *config)
{
    unsigned workers = (unsigned)config->workers;
    *pipeline = (struct pipeline){.maintenance_slot = workers};
    pipeline->entities = entities_create(&(struct entities_settings){.app_silence = config->app_expire_after,
                                                                     .grace = 2 * config->scrape_interval,
                                                                     .max_apps = config->max_apps,
                                                                     .max_new_apps = config->max_new_apps});
    if (pipeline->entities != NULL)
        pipeline->directory = directory_create(pipeline->entities);
    if (pipeline->directory != NULL)
        pipeline->store = open_store(config, pipeline->entities, workers + 1);
    if (pipeline->store != NULL && config->show_unmatched)
        pipeline->unmatched = unmatched_create(workers);
    if (pipeline->store != NULL && (pipeline->unmatched != NULL || !config->show_unmatched))
        pipeline->intake = open_intake(config, pipeline, workers);
    if (pipeline->intake != NULL)
        return true;
    close_pipeline(pipeline);
    return false;
}

/* Milliseconds, within those that main.c has in all: for batches that are being processed when requests are cut off;
 * and for STATE_FILE to be written. */
enum { INTAKE_STOP_TIMEOUT = 500, STATE_STOP_TIMEOUT = 10000 };

/* ---- without a server ---- */

bool offline_open(struct offline *offline, const char *config_file, struct buffer *mistakes)
{
    char error[ERROR_MAX];
    *offline = (struct offline){0};
    if (settings_load_for_command(&offline->settings, config_file, error) != SETTINGS_OK) {
        mistakes_add(mistakes, "%s", error);
        return false;
    }
    offline->settings.workers = 1;
    offline->settings.max_new_apps = 0; /* a log of many hours is read in a second */
    if (configuration_load(&offline->settings, &offline->configuration, mistakes)) {
        if (open_pipeline(&offline->pipeline, &offline->settings)) {
            rules_enforce(offline->configuration->rules);
            return true;
        }
        mistakes_add(mistakes, ERROR_NO_MEMORY);
    }
    offline_close(offline);
    return false;
}

/* The entry whose drains have this app: that of the shared user, else the first one. */
static const struct config_drain *find_entry(const struct configuration *configuration, const char *app)
{
    const struct config_drain *found = NULL;
    for (size_t i = 0; app != NULL && i < configuration->drain_count; i++) {
        const struct config_drain *entry = &configuration->drains[i];
        if (entry->app == NULL || strcmp(entry->app, app) != 0)
            continue;
        if (!config_drain_has_password(entry) || entry->shared)
            return entry;
        found = found == NULL ? entry : found;
    }
    return found;
}

struct batch offline_batch(const struct offline *offline, const char *app)
{
    const struct config_drain *entry = find_entry(offline->configuration, app);
    if (entry == NULL)
        entry = &offline->configuration->others;
    return (struct batch){.app = slice_of(app == NULL ? "" : app),
                          .labels = entry->labels,
                          .label_count = entry->label_count,
                          .rules = offline->configuration->rules,
                          .router_by_process = entry->router_by_process,
                          .addon_app = entry->addon_app,
                          .cf_labels = entry->cf_labels};
}

void offline_close(struct offline *offline)
{
    close_pipeline(&offline->pipeline);
    configuration_free(offline->configuration);
    settings_free(&offline->settings);
    *offline = (struct offline){0};
}

/* ---- the server ---- */

/* Who may post, and the rules for what is posted. */
struct access {
    struct accounts *accounts; /* a reference of each */
    struct rules *rules;       /* NULL: there are none */
};

/* An app that is or was configured, and when its last batch arrived.  It stays through reloads, so that a batch can
 * still note its time while the configuration changes. */
struct known_app {
    struct known_app *next;
    _Atomic int64_t last_batch; /* see struct config_drain */
    char name[];
};

struct exporter {
    struct settings *settings;
    struct pipeline pipeline;
    pthread_mutex_t lock; /* guards access, which a reload changes */
    struct access access;
    struct known_app *known_apps; /* of the thread that loads */
    struct http_server *server;
    struct app_statuses *statuses;
    struct loads *loads;
    struct status_setting *set; /* for people; so many */
    size_t set_count;
    struct maintenance *maintenance;
    struct state_file *state_file;   /* NULL: none */
    const struct scrapers *scrapers; /* that the former start knew; NULL: none */
    struct canary *canary;           /* NULL: none */
    bool is_warm_start;              /* one was tried, and this came of it: */
    enum warm_start_result warm_start;
    bool has_counted_warm_start; /* in the store */
};

static struct access ref_access(struct exporter *exporter)
{
    pthread_mutex_lock(&exporter->lock);
    struct access access = {accounts_ref(exporter->access.accounts), rules_ref(exporter->access.rules)};
    pthread_mutex_unlock(&exporter->lock);
    return access;
}

static void unref_access(struct access *access)
{
    accounts_unref(access->accounts);
    rules_unref(access->rules);
}

/* The app of this name, added if it is new; NULL if memory is short. */
static struct known_app *know_app(struct exporter *exporter, const char *name)
{
    for (struct known_app *app = exporter->known_apps; app != NULL; app = app->next)
        if (strcmp(app->name, name) == 0)
            return app;
    struct known_app *app = calloc(1, sizeof *app + strlen(name) + 1);
    if (app == NULL)
        return NULL;
    strcpy(app->name, name);
    app->next = exporter->known_apps;
    exporter->known_apps = app;
    return app;
}

static bool know_apps(struct exporter *exporter, struct configuration *configuration)
{
    for (size_t i = 0; i < configuration->drain_count; i++) {
        struct config_drain *drain = &configuration->drains[i];
        struct known_app *app = drain->app == NULL ? NULL : know_app(exporter, drain->app);
        if (drain->app != NULL && app == NULL)
            return false;
        drain->last_batch = app == NULL ? NULL : &app->last_batch;
    }
    return true;
}

/* Without accounts, but with mistakes, if the configuration has some.  What is known about passwords is taken over from
 * the accounts that there are. */
static struct access load_access(struct exporter *exporter, struct buffer *mistakes)
{
    const struct settings *settings = exporter->settings;
    struct configuration *configuration;
    struct access access = {0};
    if (!configuration_load(settings, &configuration, mistakes))
        return access;
    struct auth_realm shared = auth_realm_of(SHARED_USER, settings->password_drain, settings->password_drain_previous);
    access.rules = rules_ref(configuration->rules);
    if (know_apps(exporter, configuration))
        access.accounts = accounts_create(&shared, configuration, exporter->access.accounts);
    else
        configuration_free(configuration);
    if (access.accounts == NULL)
        mistakes_add(mistakes, ERROR_NO_MEMORY);
    return access;
}

/* Let this access be in force. */
static void allow(struct exporter *exporter, struct access *access)
{
    const struct settings *settings = exporter->settings;
    struct auth_realm metrics =
        auth_realm_of(METRICS_USER, settings->password_metrics, settings->password_metrics_previous);
    auth_allow_token(&metrics, AUTH_TOKEN, settings->token_metrics);
    auth_allow_token(&metrics, AUTH_PREVIOUS_TOKEN, settings->token_metrics_previous);
    rules_enforce(access->rules);
    http_allow(exporter->server, access->accounts, access->rules, &metrics);
    pthread_mutex_lock(&exporter->lock);
    struct access old = exporter->access;
    exporter->access = *access;
    pthread_mutex_unlock(&exporter->lock);
    unref_access(&old);
}

static const struct address_ranges *ranges_of(const struct setting_addresses *addresses)
{
    return addresses->text == NULL ? NULL : &addresses->ranges;
}

static struct http_settings http_settings_of(const struct settings *settings)
{
    bool has_ca = settings->tls_client_ca_file != NULL;
    return (struct http_settings){
        .address = {settings->listen_host, settings->listen_port},
        .metrics_address = {settings->metrics_listen_host, settings->metrics_listen_port},
        .workers = (unsigned)settings->workers,
        .max_body_size = settings->max_body_size,
        .max_connections = settings->max_connections,
        .max_input_memory = settings->max_input_memory,
        .header_timeout = settings->header_timeout,
        .request_timeout = settings->request_timeout,
        .idle_timeout = settings->idle_timeout,
        .tls_cert_file = settings->tls_cert_file,
        .tls_key_file = settings->tls_key_file,
        .tls_ciphers = settings->tls_ciphers,
        .tls_client_ca_file = settings->tls_client_ca_file,
        .needs_certificate = {[HTTP_DRAIN] = has_ca && settings->tls_client_drain,
                              [HTTP_METRICS] = has_ca && settings->tls_client_metrics},
        .allowed =
            {[HTTP_DRAIN] = ranges_of(&settings->allow_drain), [HTTP_METRICS] = ranges_of(&settings->allow_metrics)},
        .trusted = ranges_of(&settings->trusted_proxies),
        .access_log = settings->access_log,
        .proxy_protocol = settings->proxy_protocol,
        .max_address_connections = settings->max_address_connections,
        .max_address_failures = settings->max_address_login_failures,
    };
}

static size_t count_connections(void *context)
{
    return http_connections(((struct exporter *)context)->server);
}

static void describe_apps(struct exporter *exporter, const struct configuration *configuration, unsigned slot,
                          uint64_t now)
{
    const struct pipeline *pipeline = &exporter->pipeline;
    for (size_t i = 0; i < configuration->drain_count; i++) {
        const struct config_drain *drain = &configuration->drains[i];
        if (drain->app != NULL)
            ledger_describe_app(pipeline->store, pipeline->entities, slot, slice_of(drain->app), drain->last_batch,
                                now);
    }
}

/* Record what the configuration says that there is, on the maintenance thread. */
static void describe(void *context, struct store *store, unsigned slot, uint64_t now)
{
    struct exporter *exporter = context;
    struct access access = ref_access(exporter);
    ledger_describe_rules(access.rules, store, slot, now);
    describe_apps(exporter, accounts_configuration(access.accounts), slot, now);
    http_describe(exporter->server, store, slot, now);
    if (exporter->state_file != NULL)
        state_file_describe(exporter->state_file, store, slot, now);
    if (exporter->is_warm_start && !exporter->has_counted_warm_start)
        warm_start_describe(exporter->warm_start, store, slot, now);
    exporter->has_counted_warm_start = true;
    canary_describe(exporter->canary, store, slot, now);
    unref_access(&access);
}

/* Note how the apps fare, on the maintenance thread. */
static void watch(void *context, struct store *store, unsigned slot, uint64_t now)
{
    struct exporter *exporter = context;
    struct access access = ref_access(exporter);
    ledger_describe_rules(access.rules, store, slot, now);
    describe_apps(exporter, accounts_configuration(access.accounts), slot, now);
    unref_access(&access);
    app_statuses_update(exporter->statuses, slot, now);
    if (exporter->pipeline.unmatched != NULL) {
        unmatched_expire(exporter->pipeline.unmatched, now);
        unmatched_suggest(exporter->pipeline.unmatched, SUGGESTIONS, suggestion_make);
    }
}

/* The shortest time after which something may have to leave. */
static uint64_t shortest_life(const struct settings *settings)
{
    const uint64_t lives[] = {settings->expire_after,        settings->postgres_expire_after,
                              settings->redis_expire_after,  settings->runtime_expire_after,
                              2 * settings->scrape_interval, settings->app_expire_after};
    uint64_t shortest = 0;
    for (size_t i = 0; i < sizeof lives / sizeof lives[0]; i++)
        if (lives[i] != 0 && (shortest == 0 || lives[i] < shortest))
            shortest = lives[i];
    return shortest;
}

/* ---- the state, from one start to the next ---- */

static void save_last_batch(const struct config_drain *drain, struct buffer *out)
{
    int64_t time = drain->last_batch == NULL ? 0 : atomic_load_explicit(drain->last_batch, memory_order_relaxed);
    if (time == 0)
        return;
    size_t record = state_begin_record(out, STATE_LAST_BATCH);
    state_put_text(out, slice_of(drain->app));
    state_put_signed(out, time);
    state_end_record(out, record);
}

/* The records of the intake, and behind them ours. */
static bool save_others(void *context, uint64_t now, bool is_whole, size_t *position, struct buffer *out)
{
    struct exporter *exporter = context;
    if (intake_save(exporter->pipeline.intake, now, is_whole, position, out))
        return true;
    struct access access = ref_access(exporter);
    const struct configuration *configuration = accounts_configuration(access.accounts);
    for (size_t i = 0; i < configuration->drain_count; i++)
        if (configuration->drains[i].app != NULL)
            save_last_batch(&configuration->drains[i], out);
    unref_access(&access);
    return false;
}

/* What a state is loaded into. */
struct loading {
    struct exporter *exporter;
    const struct configuration *configuration;
};

static void restore_last_batch(const struct configuration *configuration, struct state_fields *fields)
{
    struct slice app = state_get_text(fields);
    int64_t time = state_get_signed(fields);
    for (size_t i = 0; i < configuration->drain_count && !fields->failed; i++) {
        const struct config_drain *drain = &configuration->drains[i];
        if (drain->app != NULL && drain->last_batch != NULL && slice_equals(slice_of(drain->app), app))
            atomic_store_explicit(drain->last_batch, time, memory_order_relaxed);
    }
}

static bool restore_other(void *context, unsigned char tag, struct state_fields *fields, uint64_t ago, uint64_t now)
{
    const struct loading *loading = context;
    if (tag != STATE_LAST_BATCH)
        return intake_restore(loading->exporter->pipeline.intake, tag, fields, ago, now);
    restore_last_batch(loading->configuration, fields);
    return true;
}

/* With ONLY_LISTED_APPS an app must be one of an entry of drains. */
static bool allows_app(void *context, struct slice name)
{
    const struct configuration *configuration = ((const struct loading *)context)->configuration;
    if (!configuration->only_listed_apps)
        return true;
    for (size_t i = 0; i < configuration->drain_count; i++) {
        const struct config_drain *drain = &configuration->drains[i];
        if (drain->app != NULL && slice_equals(slice_of(drain->app), name))
            return true;
        if (drain->organization != NULL && config_is_within(name, drain->organization, drain->space))
            return true;
    }
    return false;
}

static const struct metric *find_rule_metric(void *context, const struct metric *described, const char *labels)
{
    (void)context;
    return rule_metric_find(described, labels);
}

static bool has_prefix(struct slice name, const struct family *family)
{
    for (int i = 0; i < FAMILY_PREFIXES_MAX && family->prefixes[i] != NULL; i++) {
        struct slice prefix = slice_of(family->prefixes[i]);
        if (slice_starts_with(name, prefix) && name.length > prefix.length && name.at[prefix.length] == '_')
            return true;
    }
    return false;
}

static uint64_t lifetime_of_name(void *context, struct slice name)
{
    const struct settings *settings = ((const struct loading *)context)->exporter->settings;
    for (int id = 0; id < FAMILY_COUNT; id++)
        if (has_prefix(name, families[id]))
            return lifetime_of(families[id]->lifetime, settings);
    return settings->expire_after;
}

/* Series with fixed labels that no entry has any more have ended; all others are kept. */
static void end_unlisted(struct entities *entities, const struct configuration *configuration)
{
    static uint64_t hashes[CONFIGURATION_DRAINS_MAX];
    for (size_t i = 0; i < configuration->drain_count; i++)
        hashes[i] =
            entities_hash_labels(entities, configuration->drains[i].labels, configuration->drains[i].label_count);
    entities_allow_labels(entities, hashes, configuration->drain_count, clock_monotonic());
}

/* How a state is taken in.  The configuration is in force; no other thread runs. */
static struct state_load_settings load_settings_of(const struct loading *loading)
{
    const struct pipeline *pipeline = &loading->exporter->pipeline;
    return (struct state_load_settings){.store = pipeline->store,
                                        .slot = pipeline->maintenance_slot,
                                        .entities = pipeline->entities,
                                        .directory = pipeline->directory,
                                        .external = &loading->exporter->settings->external_labels.labels,
                                        .wall = clock_wall(),
                                        .now = clock_monotonic(),
                                        .restore = restore_other,
                                        .allows_app = allows_app,
                                        .rule_metric = find_rule_metric,
                                        .lifetime_of = lifetime_of_name,
                                        .context = (void *)loading};
}

/* Go on from the state of the former start. */
static void load_state(struct exporter *exporter, const struct configuration *configuration)
{
    const struct pipeline *pipeline = &exporter->pipeline;
    struct loading loading = {exporter, configuration};
    struct state_load_settings settings = load_settings_of(&loading);
    store_enter(pipeline->store, pipeline->maintenance_slot);
    exporter->scrapers = state_file_load(exporter->state_file, &settings);
    store_leave(pipeline->store, pipeline->maintenance_slot);
}

/* Begin with the state of another exporter.  False: there is none, or only a part of it was loaded. */
static bool load_from_url(struct exporter *exporter, const struct configuration *configuration)
{
    const struct pipeline *pipeline = &exporter->pipeline;
    const struct settings *set = exporter->settings;
    struct loading loading = {exporter, configuration};
    struct state_load_settings settings = load_settings_of(&loading);
    struct warm_start_settings from = {set->warm_start_url, set->outgoing_ca_file, set->warm_start_timeout};
    store_enter(pipeline->store, pipeline->maintenance_slot);
    exporter->warm_start = warm_start(&from, &settings);
    exporter->is_warm_start = true;
    store_leave(pipeline->store, pipeline->maintenance_slot);
    return exporter->warm_start == WARM_START_LOADED;
}

static struct app_statuses *open_statuses(const struct exporter *exporter)
{
    const struct pipeline *pipeline = &exporter->pipeline;
    return app_statuses_create(&(struct app_status_settings){.store = pipeline->store,
                                                             .entities = pipeline->entities,
                                                             .directory = pipeline->directory,
                                                             .max_app_series = exporter->settings->max_app_series});
}

static struct maintenance *start_maintenance(struct exporter *exporter)
{
    return maintenance_start(
        &(struct maintenance_settings){.store = exporter->pipeline.store,
                                       .slot = exporter->pipeline.maintenance_slot,
                                       .scrape_interval = exporter->settings->scrape_interval,
                                       .external = external_labels_text(&exporter->settings->external_labels.labels),
                                       .shortest_life = shortest_life(exporter->settings),
                                       .count_connections = count_connections,
                                       .describe = describe,
                                       .watch = watch,
                                       .context = exporter,
                                       .state = {.entities = exporter->pipeline.entities,
                                                 .directory = exporter->pipeline.directory,
                                                 .save = save_others,
                                                 .variant_of = rule_metric_labels,
                                                 .context = exporter},
                                       .scrapers = exporter->scrapers});
}

/* Keep what is reserved for them, and for no others. */
static void reserve(struct pipeline *pipeline, const struct configuration *configuration)
{
    static struct entity_app apps[CONFIGURATION_DRAINS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < configuration->drain_count; i++) {
        const struct config_drain *drain = &configuration->drains[i];
        if (drain->app != NULL)
            apps[count++] = (struct entity_app){slice_of(drain->app), drain->labels, drain->label_count};
    }
    if (!entities_configure(pipeline->entities, apps, count, clock_monotonic()))
        log_write(LOG_WARN, "too many apps were configured lately: some entries of drains count towards MAX_APPS");
    store_reserve(pipeline->store, count);
}

/* Empty, with what the configuration says.  False if memory is short. */
static bool begin_pipeline(struct exporter *exporter, const struct access *access)
{
    close_pipeline(&exporter->pipeline);
    for (struct known_app *app = exporter->known_apps; app != NULL; app = app->next)
        atomic_store_explicit(&app->last_batch, 0, memory_order_relaxed);
    if (!open_pipeline(&exporter->pipeline, exporter->settings))
        return false;
    rules_enforce(access->rules);
    reserve(&exporter->pipeline, accounts_configuration(access->accounts));
    return true;
}

/* What is known from before: from STATE_FILE, if its program has stopped, since counters can go on then; else from the
 * exporter that runs, which knows more than any file; else from the file of one that has crashed, or still runs.  False
 * if memory is short. */
static bool load_states(struct exporter *exporter, const struct access *access)
{
    const struct configuration *configuration = accounts_configuration(access->accounts);
    struct state_file *file = exporter->state_file;
    bool asks = exporter->settings->warm_start_url != NULL && (file == NULL || !state_file_is_orderly(file));
    if (asks && load_from_url(exporter, configuration)) {
        if (file != NULL)
            state_file_pass_over(file);
        return true;
    }
    if (asks && !begin_pipeline(exporter, access)) /* without what was loaded */
        return false;
    if (file != NULL)
        load_state(exporter, configuration);
    return true;
}

/* What takes batches, as the state of the former start has it.  Before the sockets are open. */
static bool make_pipeline(struct exporter *exporter, const struct access *access, struct buffer *mistakes)
{
    const struct settings *settings = exporter->settings;
    char error[ERROR_MAX];
    if (!exporter_check_urls(settings, error)) {
        mistakes_add(mistakes, "%s", error);
        return false;
    }
    if (settings->state_file != NULL && (exporter->state_file = state_file_open(settings->state_file, error)) == NULL) {
        mistakes_add(mistakes, "%s", error);
        return false;
    }
    exporter->loads = loads_create();
    exporter->set = survey_list_settings(settings, &exporter->set_count);
    if (exporter->loads == NULL || exporter->set == NULL || !begin_pipeline(exporter, access) ||
        !load_states(exporter, access) || (exporter->statuses = open_statuses(exporter)) == NULL) {
        mistakes_add(mistakes, ERROR_NO_MEMORY);
        return false;
    }
    if (exporter->state_file != NULL || exporter->is_warm_start)
        end_unlisted(exporter->pipeline.entities, accounts_configuration(access->accounts));
    return true;
}

static bool make_server(struct exporter *exporter, struct buffer *mistakes)
{
    char error[ERROR_MAX];
    struct http_settings server_settings = http_settings_of(exporter->settings);
    exporter->server = http_open(&server_settings, error);
    if (exporter->server == NULL)
        mistakes_add(mistakes, "%s", error);
    return exporter->server != NULL;
}

static bool start_canary(struct exporter *exporter, struct buffer *mistakes)
{
    const struct settings *settings = exporter->settings;
    char error[ERROR_MAX];
    if (settings->canary_url == NULL)
        return true;
    exporter->canary = canary_start(&(struct canary_settings){.url = settings->canary_url,
                                                              .ca_file = settings->outgoing_ca_file,
                                                              .interval = settings->canary_interval,
                                                              .token = &exporter->pipeline.canary},
                                    error);
    if (exporter->canary == NULL)
        mistakes_add(mistakes, "%s", error);
    return exporter->canary != NULL;
}

/* The sockets are open, and there is no thread yet. */
static bool give_up_rights(const struct exporter *exporter, struct buffer *mistakes)
{
    char error[ERROR_MAX];
    int writable = exporter->state_file == NULL ? -1 : state_file_folder(exporter->state_file);
    if (privileges_drop(error) &&
        (!exporter->settings->sandbox || sandbox_enter(writable, exporter->settings->canary_url != NULL, error)))
        return true;
    mistakes_add(mistakes, "%s", error);
    return false;
}

/* What is counted from now on is part of the last hour. */
static void begin_statuses(struct exporter *exporter)
{
    const struct pipeline *pipeline = &exporter->pipeline;
    store_enter(pipeline->store, pipeline->maintenance_slot);
    app_statuses_update(exporter->statuses, pipeline->maintenance_slot, clock_monotonic());
    store_leave(pipeline->store, pipeline->maintenance_slot);
}

/* All in order; false, with mistakes, at the first that cannot be made. */
static bool make_all(struct exporter *exporter, struct buffer *mistakes)
{
    struct access access = load_access(exporter, mistakes);
    if (access.accounts == NULL || !make_pipeline(exporter, &access, mistakes) || !make_server(exporter, mistakes)) {
        unref_access(&access);
        return false;
    }
    allow(exporter, &access);
    loads_note(exporter->loads, exporter->settings, accounts_configuration(exporter->access.accounts));
    if (!give_up_rights(exporter, mistakes))
        return false;
    allocator_start_thread();
    begin_statuses(exporter);
    if (!start_canary(exporter, mistakes))
        return false;
    exporter->maintenance = start_maintenance(exporter);
    if (exporter->maintenance == NULL)
        mistakes_add(mistakes, ERROR_NO_MEMORY);
    return exporter->maintenance != NULL;
}

struct exporter *exporter_open(struct settings *settings, struct buffer *mistakes)
{
    struct exporter *exporter = calloc(1, sizeof *exporter);
    if (exporter == NULL) {
        mistakes_add(mistakes, ERROR_NO_MEMORY);
        return NULL;
    }
    exporter->settings = settings;
    pthread_mutex_init(&exporter->lock, NULL);
    if (make_all(exporter, mistakes))
        return exporter;
    exporter_close(exporter);
    return NULL;
}

bool exporter_start(struct exporter *exporter)
{
    const struct pipeline *pipeline = &exporter->pipeline;
    return http_start(exporter->server, &(struct http_modules){.intake = pipeline->intake,
                                                               .store = pipeline->store,
                                                               .directory = pipeline->directory,
                                                               .maintenance = exporter->maintenance,
                                                               .statuses = exporter->statuses,
                                                               .unmatched = pipeline->unmatched,
                                                               .loads = exporter->loads,
                                                               .canary = exporter->canary,
                                                               .settings = exporter->set,
                                                               .setting_count = exporter->set_count}) &&
           (exporter->state_file == NULL ||
            state_file_start(exporter->state_file, exporter->maintenance, exporter->settings->state_interval));
}

void exporter_listeners(const struct exporter *exporter, int listeners[2])
{
    http_listeners(exporter->server, listeners);
}

void exporter_accept(struct exporter *exporter)
{
    http_accept(exporter->server);
}

/* ---- reload ---- */

static void log_mistake(struct slice mistake)
{
    log_write(LOG_ERROR, "reload: %.*s", (int)mistake.length, mistake.at);
}

void exporter_reload(struct exporter *exporter)
{
    struct buffer mistakes = {0};
    struct settings fresh = {0};
    char error[ERROR_MAX];
    bool has_secrets = settings_read_secrets(exporter->settings, &fresh, error);
    if (has_secrets)
        settings_exchange_secrets(exporter->settings, &fresh);
    else
        mistakes_add(&mistakes, "%s", error);
    struct access access = load_access(exporter, &mistakes);
    bool is_valid = has_secrets && access.accounts != NULL;
    if (is_valid && (!exporter_check_urls(exporter->settings, error) || !http_reload_tls(exporter->server, error))) {
        mistakes_add(&mistakes, "%s", error);
        is_valid = false;
    }
    if (is_valid) {
        reserve(&exporter->pipeline, accounts_configuration(access.accounts));
        allow(exporter, &access);
        if (exporter->canary != NULL)
            canary_set_url(exporter->canary, exporter->settings->canary_url, error);
        if (exporter->pipeline.unmatched != NULL)
            unmatched_clear(exporter->pipeline.unmatched); /* other rules take other lines */
        loads_note(exporter->loads, exporter->settings, accounts_configuration(access.accounts));
        end_unlisted(exporter->pipeline.entities, accounts_configuration(access.accounts));
        log_write(LOG_INFO, "reload: passwords in files and CONFIG_FILE were read again, series that match are kept");
    } else {
        if (has_secrets)
            settings_exchange_secrets(exporter->settings, &fresh);
        unref_access(&access);
        http_note_failed_load(exporter->server);
        loads_note_failure(exporter->loads, exporter->settings, (struct slice){mistakes.at, mistakes.length});
        log_write(LOG_ERROR, "reload: nothing was changed, because there are mistakes");
    }
    mistakes_tell(&mistakes, log_mistake);
    settings_free(&fresh);
}

void exporter_watch(struct exporter *exporter)
{
    http_watch_tls(exporter->server);
}

bool exporter_check_tls(const struct settings *settings, char warning[ERROR_MAX], char error[ERROR_MAX])
{
    struct http_settings server_settings = http_settings_of(settings);
    return http_check_tls(&server_settings, warning, error);
}

static bool check_url(const char *name, const char *text, char error[ERROR_MAX])
{
    struct http_url url;
    char reason[ERROR_MAX];
    bool is_valid = text == NULL || http_url_read(text, &url, reason);
    explicit_bzero(&url, sizeof url);
    return is_valid || error_set(error, "%s: %.200s", name, reason);
}

bool exporter_check_urls(const struct settings *settings, char error[ERROR_MAX])
{
    return check_url("CANARY_URL", settings->canary_url, error) &&
           check_url("WARM_START_URL", settings->warm_start_url, error);
}

/* ---- the end ---- */

void exporter_unhealthy(struct exporter *exporter)
{
    http_unhealthy(exporter->server);
}

/* Write STATE_FILE once more, until the deadline.  What is not answered by now will come again, and is counted then. */
static bool stop_state(struct exporter *exporter, uint64_t deadline)
{
    if (exporter->state_file == NULL || !intake_stop(exporter->pipeline.intake, INTAKE_STOP_TIMEOUT))
        return true;
    uint64_t now = clock_monotonic();
    return state_file_stop(exporter->state_file, now < deadline ? deadline - now : 0);
}

bool exporter_stop(struct exporter *exporter, uint64_t timeout)
{
    uint64_t deadline = clock_monotonic() + timeout + STATE_STOP_TIMEOUT;
    canary_stop(exporter->canary);
    bool ended = http_stop(exporter->server, timeout);
    if (!ended)
        log_write(LOG_WARN, "requests in flight were cut off after %d s", (int)(timeout / 1000));
    bool saved = stop_state(exporter, deadline);
    if (!saved)
        log_write(LOG_WARN, "STATE_FILE was not written in time");
    return ended && saved;
}

void exporter_close(struct exporter *exporter)
{
    canary_stop(exporter->canary);
    if (exporter->state_file != NULL)
        state_file_stop(exporter->state_file, 0);
    if (exporter->maintenance != NULL)
        maintenance_stop(exporter->maintenance);
    if (exporter->server != NULL)
        http_close(exporter->server);
    canary_free(exporter->canary);
    state_file_free(exporter->state_file);
    app_statuses_free(exporter->statuses);
    loads_free(exporter->loads);
    free(exporter->set);
    close_pipeline(&exporter->pipeline);
    unref_access(&exporter->access);
    while (exporter->known_apps != NULL) {
        struct known_app *next = exporter->known_apps->next;
        free(exporter->known_apps);
        exporter->known_apps = next;
    }
    pthread_mutex_destroy(&exporter->lock);
    free(exporter);
}
