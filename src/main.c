/* drain_exporter: flags, signals, and the life of the process. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/privileges.h"
#include "base/version.h"
#include "commands/command.h"
#include "config/mistakes.h"
#include "exporter.h"
#include "output/health_check.h"

enum {
    STOP_TIMEOUT = 12000,  /* milliseconds for requests in flight */
    UNHEALTHY_TIME = 5000, /* after SIGUSR1: time for a balancer to look elsewhere */
};

/* A library called abort(): libh2o does so if it has no memory.  The process ends by the signal when this returns. */
static void on_abort(int signal)
{
    static const char sentence[] = "drain_exporter: a library gave up, most likely because memory is short\n";
    (void)signal;
    if (write(STDERR_FILENO, sentence, sizeof sentence - 1) < 0)
        return; /* nobody can be told */
}

/* When the signal to stop came, milliseconds of the monotonic clock. */
static uint64_t stopping_since;

/* A further signal to stop ends the process at once, for who is impatient.  Within a second it is the same wish told
 * twice: a terminal and a script, or timeout(1), which signals the program and then its group. */
static void on_further_stop(int number)
{
    if (clock_monotonic() - stopping_since < 1000)
        return;
    signal(number, SIG_DFL);
    raise(number);
}

/* Block the signals that we handle, for all threads to come, and return a descriptor that reads them. */
static int open_signals(void)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file that may grow no more is an error of writing */
    sigset_t handled;
    sigemptyset(&handled);
    sigaddset(&handled, SIGTERM);
    sigaddset(&handled, SIGINT);
    sigaddset(&handled, SIGUSR1);
    sigaddset(&handled, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &handled, NULL);
    return signalfd(-1, &handled, SFD_CLOEXEC);
}

/* Accept connections until a signal says to stop. */
static void serve(struct exporter *exporter, int signals)
{
    int listeners[2];
    exporter_listeners(exporter, listeners);
    struct pollfd waits[] = {{signals, POLLIN, 0}, {listeners[0], POLLIN, 0}, {listeners[1], POLLIN, 0}};
    uint64_t stop_at = 0; /* 0: it was not decided yet */
    uint64_t watch_at = 0;
    for (;;) {
        uint64_t now = clock_monotonic();
        if (stop_at != 0 && now >= stop_at)
            return;
        if (now >= watch_at) {
            exporter_watch(exporter);
            watch_at = now + EXPORTER_WATCH_INTERVAL;
        }
        uint64_t until = stop_at != 0 && stop_at < watch_at ? stop_at : watch_at;
        poll(waits, 3, (int)(until - now));
        if (waits[1].revents != 0 || waits[2].revents != 0)
            exporter_accept(exporter);
        struct signalfd_siginfo signal;
        if (waits[0].revents == 0 || read(signals, &signal, sizeof signal) != sizeof signal)
            continue;
        if (signal.ssi_signo == SIGHUP)
            exporter_reload(exporter);
        else if (signal.ssi_signo == SIGUSR1) {
            exporter_unhealthy(exporter);
            log_write(LOG_INFO, "unhealthy from now on, stopping in %d s", UNHEALTHY_TIME / 1000);
            if (stop_at == 0)
                stop_at = clock_monotonic() + UNHEALTHY_TIME; /* poll() may have slept for long */
        } else
            return;
    }
}

static int run(struct settings *settings)
{
    struct buffer mistakes = {0};
    log_set_level(settings->log_level);
    signal(SIGABRT, on_abort);
    int signals = open_signals();
    settings_hide_environment();
    struct exporter *exporter = exporter_open(settings, &mistakes);
    if (exporter == NULL)
        return command_fail_all(&mistakes);
    if (!exporter_start(exporter)) {
        /* Some threads may run already; they end with the process. */
        _exit(command_fail("the worker threads cannot be started"));
    }
    bool is_apart = settings->metrics_listen_address != NULL;
    log_write(LOG_INFO, "drain_exporter " VERSION " listens on %s%s%s%s with %u workers", settings->listen_address,
              is_apart ? ", and for /metrics on " : "", is_apart ? settings->metrics_listen_address : "",
              is_apart ? "," : "", (unsigned)settings->workers);
    serve(exporter, signals);
    stopping_since = clock_monotonic();
    signal(SIGTERM, on_further_stop);
    signal(SIGINT, on_further_stop);
    sigset_t stops;
    sigemptyset(&stops);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGINT);
    pthread_sigmask(SIG_UNBLOCK, &stops, NULL);
    log_write(LOG_INFO, "stopping");
    if (!exporter_stop(exporter, STOP_TIMEOUT))
        _exit(EXIT_SUCCESS);
    log_write(LOG_INFO, "stopped");
    exporter_close(exporter);
    close(signals);
    return EXIT_SUCCESS;
}

/* Check all that can be without opening a socket, and print it. */
static int check_config(const struct settings *settings)
{
    struct buffer mistakes = {0};
    struct configuration *configuration;
    char warning[ERROR_MAX], error[ERROR_MAX];
    if (!exporter_check_tls(settings, warning, error))
        mistakes_add(&mistakes, "%s", error);
    if (!exporter_check_urls(settings, error))
        mistakes_add(&mistakes, "%s", error);
    if (!configuration_load(settings, &configuration, &mistakes))
        return command_fail_all(&mistakes);
    if (mistakes.length > 0) {
        configuration_free(configuration);
        return command_fail_all(&mistakes);
    }
    settings_print(settings, stdout);
    if (settings->config_file != NULL || settings->config_text != NULL) {
        size_t with_password = 0;
        for (size_t i = 0; i < configuration->drain_count; i++)
            with_password += config_drain_has_password(&configuration->drains[i]);
        printf("%zu drains, %zu of them with a password\n", configuration->drain_count, with_password);
        printf("%zu users of scrapes\n", configuration->scrape_count);
        printf("%zu rules\n", rules_count(configuration->rules));
    }
    if (warning[0] != '\0')
        fprintf(stderr, "drain_exporter: warning: %s\n", warning);
    printf("the settings are valid\n");
    configuration_free(configuration);
    return command_finish();
}

static int check_health(const struct settings *settings)
{
    char error[ERROR_MAX];
    if (health_check(settings->listen_host, settings->listen_port, settings->tls_cert_file != NULL, error))
        return EXIT_SUCCESS;
    return command_fail("%s", error);
}

static int act(struct settings *settings)
{
    switch (settings->action) {
    case SETTINGS_HELP:
        settings_print_help(stdout);
        return command_finish();
    case SETTINGS_VERSION:
        printf("drain_exporter " VERSION "\n");
        return command_finish();
    case SETTINGS_CHECK:
        return check_config(settings);
    case SETTINGS_HEALTH_CHECK:
        return check_health(settings);
    case SETTINGS_COMMAND: /* is not among the flags */
    case SETTINGS_RUN:
        break;
    }
    return run(settings);
}

int main(int argc, char **argv)
{
    struct settings settings;
    char error[ERROR_MAX];
    privileges_hide_memory(); /* before there is a secret in it */
    command_run *command = argc > 1 ? command_find(argv[1]) : NULL;
    if (command != NULL)
        return command(argc - 2, argv + 2);
    enum settings_result result = settings_load(&settings, argc, argv, error);
    if (result != SETTINGS_OK) {
        command_fail("%s", error);
        return result == SETTINGS_USAGE ? COMMAND_USAGE : COMMAND_FAILED;
    }
    int status = act(&settings);
    settings_free(&settings);
    return status;
}
