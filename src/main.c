/* drain_exporter: load the settings, open, serve, stop. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "clock.h"
#include "config.h"
#include "health_check.h"
#include "http.h"
#include "version.h"

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

static void allow(struct http_server *server, const struct config *config)
{
    struct auth_realm drain = config_drain_realm(config);
    struct auth_realm metrics = config_metrics_realm(config);
    http_allow(server, &drain, &metrics);
}

/* SIGHUP: take the settings that can change while we serve, which are the secrets in files. */
static void reload(struct http_server *server, struct config *config)
{
    char error[256];
    if (!config_reload_secrets(config, error)) {
        log_write(LOG_ERROR, "reload: %s; nothing was changed", error);
        return;
    }
    allow(server, config);
    log_write(LOG_INFO, "reload: passwords in files were read again, all series are kept");
}

/* Accept connections until a signal says to stop. */
static void serve(struct http_server *server, int signals, struct config *config)
{
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
            reload(server, config);
        else if (signal.ssi_signo == SIGUSR1) {
            http_unhealthy(server);
            log_write(LOG_INFO, "unhealthy from now on, stopping in %d s", UNHEALTHY_TIME / 1000);
            if (stop_at == 0)
                stop_at = clock_monotonic() + UNHEALTHY_TIME; /* poll() may have slept for long */
        } else
            return;
    }
}

static struct http_server *open_server(const struct config *config, char error[256])
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
        allow(server, config);
    return server;
}

static size_t count_connections(void *server)
{
    return http_connections(server);
}

/* Build the rooms, serve, and take them down in reverse order. */
static int run(struct config *config)
{
    int status = EXIT_INVALID;
    char error[256];
    int signals = open_signals();
    struct http_server *server = open_server(config, error);
    if (server == NULL)
        return fail(EXIT_INVALID, error);
    unsigned keeper_slot = (unsigned)config->workers;
    struct store *store = store_create(config->max_series, keeper_slot + 1);
    struct drain *drain =
        store == NULL ? NULL
                      : drain_create(store, &(struct drain_settings){config->expire_after,
                                                                     slice_of(config->ingest_prefix), keeper_slot});
    struct keeper *keeper = drain == NULL
                                ? NULL
                                : keeper_start(&(struct keeper_settings){.store = store,
                                                                         .slot = keeper_slot,
                                                                         .expire_after = config->expire_after,
                                                                         .count_connections = count_connections,
                                                                         .context = server});
    if (keeper == NULL) {
        fail(EXIT_INVALID, "there is not enough memory to start");
        goto done;
    }
    if (!http_start(server, &(struct http_rooms){drain, store, keeper})) {
        /* Some workers may run already; they end with the process. */
        _exit(fail(EXIT_INVALID, "the worker threads cannot be started"));
    }
    log_write(LOG_INFO, "drain_exporter " VERSION " listens on %s with %u workers", config->listen_address,
              keeper_slot);
    serve(server, signals, config);
    log_write(LOG_INFO, "stopping");
    if (!http_stop(server, STOP_TIMEOUT)) {
        log_write(LOG_WARN, "requests in flight were cut off after %d s", STOP_TIMEOUT / 1000);
        _exit(EXIT_SUCCESS);
    }
    log_write(LOG_INFO, "stopped");
    status = EXIT_SUCCESS;
    keeper_stop(keeper);
done:
    drain_free(drain);
    http_close(server);
    store_free(store);
    close(signals);
    return status;
}

static int check_health(const struct config *config)
{
    char problem[256];
    if (health_check(config->listen_host, config->listen_port, config->tls_cert_file != NULL, problem))
        return EXIT_SUCCESS;
    return fail(EXIT_INVALID, problem);
}

int main(int argc, char **argv)
{
    struct config config;
    char error[256];
    switch (config_load(&config, argc, argv, error)) {
    case CONFIG_OK:
        break;
    case CONFIG_INVALID:
        return fail(EXIT_INVALID, error);
    case CONFIG_USAGE:
        return fail(EXIT_USAGE, error);
    }
    int status = EXIT_SUCCESS;
    switch (config.action) {
    case CONFIG_HELP:
        config_print_help(stdout);
        break;
    case CONFIG_VERSION:
        printf("drain_exporter " VERSION "\n");
        break;
    case CONFIG_CHECK:
        config_print(&config, stdout);
        printf("the settings are valid\n");
        break;
    case CONFIG_HEALTH_CHECK:
        status = check_health(&config);
        break;
    case CONFIG_RUN:
        log_set_level(config.log_level);
        status = run(&config);
        break;
    }
    config_free(&config);
    return status;
}
