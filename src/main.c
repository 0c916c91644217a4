/* drain_exporter: load the settings, open, serve, stop. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/version.h"
#include "commands/command.h"
#include "config/settings.h"
#include "exporter.h"
#include "intake/ledger.h"
#include "output/health_check.h"
#include "server/http.h"

enum {
    EXIT_INVALID = 1,
    EXIT_USAGE = 2,
    STOP_TIMEOUT = 12000,  /* milliseconds for requests in flight */
    UNHEALTHY_TIME = 5000, /* after SIGUSR1: time for a balancer to look elsewhere */
};

static int fail(int status, const char *sentence)
{
    fprintf(stderr, "drain_exporter: %s\n", sentence);
    return status;
}

/* Take the first line off text. */
static struct slice cut_line(struct slice *text)
{
    struct slice line = {text->at, slice_index(*text, '\n')};
    *text = slice_after(*text, line.length < text->length ? line.length + 1 : line.length);
    return line;
}

/* Say all mistakes, one on each line, and free them. */
static int fail_lines(struct buffer *mistakes)
{
    struct slice rest = {mistakes->at, mistakes->length};
    while (rest.length > 0) {
        struct slice line = cut_line(&rest);
        fprintf(stderr, "drain_exporter: %.*s\n", (int)line.length, line.at);
    }
    buffer_free(mistakes);
    return EXIT_INVALID;
}

/* Block the signals that we handle, for all threads to come, and return a descriptor that reads them. */
static int open_signals(void)
{
    signal(SIGPIPE, SIG_IGN);
    sigset_t handled;
    sigemptyset(&handled);
    sigaddset(&handled, SIGTERM);
    sigaddset(&handled, SIGINT);
    sigaddset(&handled, SIGUSR1);
    sigaddset(&handled, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &handled, NULL);
    return signalfd(-1, &handled, SFD_CLOEXEC);
}

/* ---- who may post ---- */

/* Set *file to what CONFIG_FILE or CONFIG holds, NULL where neither is set.  False with mistakes where it has some. */
static bool read_config_file(const struct settings *config, struct config_file **file, struct buffer *mistakes)
{
    bool has_shared = config->password_drain != NULL;
    *file = NULL;
    if (config->config_file != NULL)
        *file = config_file_read(config->config_file, "CONFIG_FILE", has_shared, mistakes);
    else if (config->config_text != NULL)
        *file = config_file_parse(slice_of(config->config_text), "CONFIG", has_shared, mistakes);
    else
        return true;
    return *file != NULL;
}

/* Who may post, and the rules for what they post: a share of both. */
struct access {
    struct accounts *accounts;
    struct rules *rules; /* NULL: there are none */
};

static void unref_access(struct access *access)
{
    accounts_unref(access->accounts);
    rules_unref(access->rules);
}

/* Without accounts, but with mistakes, where the configuration has some.  previous: the accounts that these replace, or
 * NULL. */
static struct access load_access(const struct settings *config, struct accounts *previous, struct buffer *mistakes)
{
    struct config_file *file;
    struct access access = {0};
    if (!read_config_file(config, &file, mistakes))
        return access;
    struct auth_realm shared = auth_realm_of(SHARED_USER, config->password_drain, config->password_drain_previous);
    access.rules = rules_ref(file == NULL ? NULL : file->rules);
    access.accounts = accounts_create(&shared, file, previous);
    if (access.accounts == NULL)
        buffer_append(mistakes, SLICE("there is not enough memory\n"));
    return access;
}

static void allow(struct http_server *server, const struct settings *config, const struct access *access)
{
    struct auth_realm metrics =
        auth_realm_of(METRICS_USER, config->password_metrics, config->password_metrics_previous);
    rules_enforce(access->rules);
    http_allow(server, access->accounts, access->rules, &metrics);
}

/* ---- serving ---- */

/* Series with fixed labels that no entry gives any more have ended; all others are kept. */
static void end_unlisted(struct entities *entities, const struct accounts *accounts)
{
    static uint64_t hashes[CONFIG_FILE_DRAINS_MAX];
    const struct label *labels;
    size_t count = 0, label_count;
    while ((labels = accounts_entry_labels(accounts, count, &label_count)) != NULL)
        hashes[count++] = entities_hash_labels(entities, labels, label_count);
    entities_allow_labels(entities, hashes, count, clock_monotonic());
}

/* What a signal can change. */
struct service {
    struct entities *entities;
    struct settings *config;
    struct access access;
    struct http_server *server;
};

static void log_mistakes(struct buffer *mistakes)
{
    struct slice rest = {mistakes->at, mistakes->length};
    log_write(LOG_ERROR, "reload: nothing was changed, because there are mistakes");
    while (rest.length > 0) {
        struct slice line = cut_line(&rest);
        log_write(LOG_ERROR, "reload: %.*s", (int)line.length, line.at);
    }
}

/* SIGHUP: take the settings that can change while we serve, all of them or none: the secrets in files, and the
 * configuration file. */
static void reload(struct service *service)
{
    struct buffer mistakes = {0};
    struct settings fresh = {0};
    char error[256];
    bool has_secrets = settings_read_secrets(service->config, &fresh, error);
    if (has_secrets)
        settings_exchange_secrets(service->config, &fresh);
    else {
        buffer_append(&mistakes, slice_of(error));
        buffer_append(&mistakes, SLICE("\n"));
    }
    struct access access = load_access(service->config, service->access.accounts, &mistakes);
    if (has_secrets && access.accounts != NULL) {
        allow(service->server, service->config, &access);
        unref_access(&service->access);
        service->access = access;
        end_unlisted(service->entities, access.accounts);
        log_write(LOG_INFO, "reload: passwords in files and CONFIG_FILE were read again, series that match are kept");
    } else {
        if (has_secrets)
            settings_exchange_secrets(service->config, &fresh);
        unref_access(&access);
        log_mistakes(&mistakes);
    }
    settings_free(&fresh);
    buffer_free(&mistakes);
}

/* Accept connections until a signal says to stop. */
static void serve(struct service *service, int signals)
{
    struct http_server *server = service->server;
    struct pollfd waits[] = {{http_listener(server), POLLIN, 0}, {signals, POLLIN, 0}};
    uint64_t stop_at = 0; /* 0: it was not decided yet */
    for (;;) {
        uint64_t now = clock_monotonic();
        if (stop_at != 0 && now >= stop_at)
            return;
        poll(waits, 2, stop_at == 0 ? -1 : (int)(stop_at - now));
        if (waits[0].revents != 0)
            http_accept(server);
        struct signalfd_siginfo signal;
        if (waits[1].revents == 0 || read(signals, &signal, sizeof signal) != sizeof signal)
            continue;
        if (signal.ssi_signo == SIGHUP)
            reload(service);
        else if (signal.ssi_signo == SIGUSR1) {
            http_unhealthy(server);
            log_write(LOG_INFO, "unhealthy from now on, stopping in %d s", UNHEALTHY_TIME / 1000);
            if (stop_at == 0)
                stop_at = clock_monotonic() + UNHEALTHY_TIME; /* poll() may have slept for long */
        } else
            return;
    }
}

static struct http_server *open_server(const struct settings *config, const struct access *access, char error[256])
{
    struct http_settings settings = {
        .host = config->listen_host,
        .port = config->listen_port,
        .workers = (unsigned)config->workers,
        .max_body_size = config->max_body_size,
        .max_connections = config->max_connections,
        .header_timeout = config->header_timeout,
        .request_timeout = config->request_timeout,
        .idle_timeout = config->idle_timeout,
        .tls_cert_file = config->tls_cert_file,
        .tls_key_file = config->tls_key_file,
    };
    struct http_server *server = http_open(&settings, error);
    if (server != NULL)
        allow(server, config, access);
    return server;
}

static size_t count_connections(void *server)
{
    return http_connections(server);
}

static void describe(void *server, struct store *store, unsigned slot, uint64_t now)
{
    struct rules *rules = http_rules(server);
    ledger_describe_rules(rules, store, slot, now);
    rules_unref(rules);
}

/* The shortest time after which something may have to leave. */
static uint64_t shortest_life(const struct settings *config)
{
    const uint64_t lives[] = {config->expire_after,         config->postgres_expire_after, config->redis_expire_after,
                              config->runtime_expire_after, 2 * config->scrape_interval,   config->app_expire_after};
    uint64_t shortest = 0;
    for (size_t i = 0; i < sizeof lives / sizeof lives[0]; i++)
        if (lives[i] != 0 && (shortest == 0 || lives[i] < shortest))
            shortest = lives[i];
    return shortest;
}

static struct maintenance *start_keeper(const struct settings *config, const struct pipeline *pipeline,
                                        struct http_server *server)
{
    return maintenance_start(&(struct maintenance_settings){.store = pipeline->store,
                                                            .slot = pipeline->maintenance_slot,
                                                            .shortest_life = shortest_life(config),
                                                            .count_connections = count_connections,
                                                            .describe = describe,
                                                            .context = server});
}

/* Build the rooms, serve, and take them down in reverse order. */
static int run(struct settings *config)
{
    int status = EXIT_INVALID;
    char error[256];
    struct buffer mistakes = {0};
    struct service service = {.config = config, .access = load_access(config, NULL, &mistakes)};
    if (service.access.accounts == NULL)
        return fail_lines(&mistakes);
    int signals = open_signals();
    struct http_server *server = service.server = open_server(config, &service.access, error);
    if (server == NULL) {
        unref_access(&service.access);
        return fail(EXIT_INVALID, error);
    }
    struct pipeline pipeline = {0};
    struct maintenance *maintenance = pipeline_open(&pipeline, config) ? start_keeper(config, &pipeline, server) : NULL;
    service.entities = pipeline.entities;
    if (maintenance == NULL) {
        fail(EXIT_INVALID, "there is not enough memory to start");
        goto done;
    }
    if (!http_start(server, &(struct http_rooms){pipeline.intake, pipeline.store, maintenance})) {
        /* Some workers may run already; they end with the process. */
        _exit(fail(EXIT_INVALID, "the worker threads cannot be started"));
    }
    log_write(LOG_INFO, "drain_exporter " VERSION " listens on %s with %u workers", config->listen_address,
              (unsigned)config->workers);
    serve(&service, signals);
    log_write(LOG_INFO, "stopping");
    if (!http_stop(server, STOP_TIMEOUT)) {
        log_write(LOG_WARN, "requests in flight were cut off after %d s", STOP_TIMEOUT / 1000);
        _exit(EXIT_SUCCESS);
    }
    log_write(LOG_INFO, "stopped");
    status = EXIT_SUCCESS;
    maintenance_stop(maintenance);
done:
    http_close(server);
    pipeline_close(&pipeline);
    unref_access(&service.access);
    close(signals);
    return status;
}

/* Check all that can be without opening anything, and print it. */
static int check_config(const struct settings *config)
{
    struct buffer mistakes = {0};
    struct config_file *file;
    if (!read_config_file(config, &file, &mistakes))
        return fail_lines(&mistakes);
    settings_print(config, stdout);
    if (file != NULL) {
        size_t with_password = 0;
        for (size_t i = 0; i < file->drain_count; i++)
            with_password += config_drain_has_password(&file->drains[i]);
        printf("%zu drains, %zu of them with a password\n", file->drain_count, with_password);
        printf("%zu rules\n", rules_count(file->rules));
    }
    printf("the settings are valid\n");
    config_file_free(file);
    return EXIT_SUCCESS;
}

static int check_health(const struct settings *config)
{
    char problem[256];
    if (health_check(config->listen_host, config->listen_port, config->tls_cert_file != NULL, problem))
        return EXIT_SUCCESS;
    return fail(EXIT_INVALID, problem);
}

int main(int argc, char **argv)
{
    struct settings config;
    char error[256];
    command_run *command = argc > 1 ? command_find(argv[1]) : NULL;
    if (command != NULL)
        return command(argc - 2, argv + 2);
    switch (settings_load(&config, argc, argv, error)) {
    case SETTINGS_OK:
        break;
    case SETTINGS_INVALID:
        return fail(EXIT_INVALID, error);
    case SETTINGS_USAGE:
        return fail(EXIT_USAGE, error);
    }
    int status = EXIT_SUCCESS;
    switch (config.action) {
    case SETTINGS_HELP:
        settings_print_help(stdout);
        break;
    case SETTINGS_VERSION:
        printf("drain_exporter " VERSION "\n");
        break;
    case SETTINGS_CHECK:
        status = check_config(&config);
        break;
    case SETTINGS_HEALTH_CHECK:
        status = check_health(&config);
        break;
    case SETTINGS_COMMAND:
        break;
    case SETTINGS_RUN:
        log_set_level(config.log_level);
        status = run(&config);
        break;
    }
    settings_free(&config);
    return status;
}
