#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/settings.h"
#include "support.h"

static struct settings config;
static char error[ERROR_MAX];

/* Load with these flags ("a b c", cut at blanks) and variables ("X=1"), besides both passwords where they are not among
 * them. */
static enum settings_result load(const char *flags, ...)
{
    clearenv();
    setenv("PASSWORD_DRAIN", "d", 1);
    setenv("PASSWORD_METRICS", "m", 1);
    va_list variables;
    va_start(variables, flags);
    for (const char *variable; (variable = va_arg(variables, const char *)) != NULL;) {
        char name[64];
        size_t length = strcspn(variable, "=");
        snprintf(name, sizeof name, "%.*s", (int)length, variable);
        if (variable[length] == '=')
            setenv(name, variable + length + 1, 1);
        else
            unsetenv(name);
    }
    va_end(variables);
    static char text[1024];
    static char program[] = "drain_exporter";
    char *argv[32] = {program};
    int argc = 1;
    snprintf(text, sizeof text, "%s", flags);
    for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " "))
        argv[argc++] = word;
    error[0] = '\0';
    enum settings_result result = settings_load(&config, argc, argv, error);
    for (int i = 1; i < argc; i++)
        if (strstr(argv[i], "s3cret") != NULL)
            fail_msg("the argument %s still shows a password", argv[i]);
    return result;
}

static void defaults(void **state)
{
    (void)state;
    assert_int_equal(load("", NULL), SETTINGS_OK);
    assert_int_equal(config.action, SETTINGS_RUN);
    assert_string_equal(config.listen_host, "0.0.0.0");
    assert_string_equal(config.listen_port, "8080");
    assert_string_equal(config.password_drain, "d");
    assert_null(config.password_drain_previous);
    assert_int_equal(config.expire_after, 600000);
    assert_int_equal(config.scrape_interval, 60000);
    assert_false(config.router_by_process);
    assert_int_equal(config.max_series, 100000);
    assert_int_equal(config.max_body_size, 4 << 20);
    assert_int_equal(config.max_connections, 1024);
    assert_in_range(config.workers, 1, 8);
    assert_string_equal(config.ingest_prefix, "crates-io-heroku-metrics:ingest ");
    assert_int_equal(config.log_level, LOG_INFO);
    settings_free(&config);
}

static void values(void **state)
{
    (void)state;
    assert_int_equal(load("--expire-after=2h --max-body-size 512kB --listen-address [::1]:80 --log-level=debug",
                          "EXPIRE_AFTER=1s", "MAX_SERIES=500", "WORKERS=3", "INGEST_PREFIX=my ", "IDLE_TIMEOUT=1500ms",
                          NULL),
                     SETTINGS_OK);
    assert_int_equal(config.expire_after, 7200000); /* the flag wins */
    assert_int_equal(config.max_body_size, 512000);
    assert_string_equal(config.listen_host, "::1");
    assert_string_equal(config.listen_port, "80");
    assert_int_equal(config.max_series, 500);
    assert_int_equal(config.workers, 3);
    assert_string_equal(config.ingest_prefix, "my ");
    assert_int_equal(config.idle_timeout, 1500);
    assert_int_equal(config.log_level, LOG_DEBUG);
    settings_free(&config);
    assert_int_equal(load("", "EXPIRE_AFTER=0", "LISTEN_ADDRESS=:9", NULL), SETTINGS_OK);
    assert_int_equal(config.expire_after, 0);
    assert_string_equal(config.listen_host, "");
    settings_free(&config);
    static const enum settings_action actions[] = {SETTINGS_CHECK, SETTINGS_HEALTH_CHECK, SETTINGS_HELP,
                                                   SETTINGS_VERSION};
    static const char *const flags[] = {"--check-config", "--health-check", "--help", "--version"};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(load(flags[i], NULL), SETTINGS_OK);
        assert_int_equal(config.action, actions[i]);
        settings_free(&config);
    }
    assert_int_equal(load("--health-check", "PASSWORD_DRAIN", "PASSWORD_METRICS", NULL), SETTINGS_OK);
    settings_free(&config);
}

static void invalid(const char *variable, const char *part)
{
    assert_int_equal(load("", variable, NULL), SETTINGS_INVALID);
    if (strstr(error, part) == NULL)
        fail_msg("%s: \"%s\" does not say \"%s\"", variable, error, part);
}

static void refusals(void **state)
{
    (void)state;
    invalid("PASSWORD_DRAIN", "PASSWORD_DRAIN is not set");
    invalid("PASSWORD_METRICS", "PASSWORD_METRICS is not set");
    invalid("PASSWORD_METRICS", ", TOKEN_METRICS or TOKEN_METRICS_FILE");
    invalid("PASSWORD_DRAIN=", "PASSWORD_DRAIN is empty");
    invalid("PASSWORD_METRICS_PREVIOUS=", "PASSWORD_METRICS_PREVIOUS is empty");
    invalid("PASSWORD_DRAIN_FILE=/x", "both PASSWORD_DRAIN and PASSWORD_DRAIN_FILE");
    invalid("PASSWORD_DRAIN_PREVIOUS_FILE=/does/not/exist", "cannot be opened");
    invalid("CONFIG_FILE=", "CONFIG_FILE is empty");
    invalid("CONFIG=", "CONFIG is empty");
    invalid("EXPIRE_AFTER=600", "EXPIRE_AFTER is not a duration");
    invalid("EXPIRE_AFTER=-1s", "EXPIRE_AFTER is not a duration");
    invalid("EXPIRE_AFTER=1d", "EXPIRE_AFTER is not a duration");
    invalid("EXPIRE_AFTER=99999h", "EXPIRE_AFTER must be from 0 to 720h");
    invalid("EXPIRE_AFTER=99999999999999999999s", "EXPIRE_AFTER is not a duration");
    invalid("EXPIRE_AFTER=9999999999999999999h", "EXPIRE_AFTER is not a duration");
    invalid("MAX_SERIES=x", "MAX_SERIES is not a whole number");
    invalid("MAX_SERIES=99", "MAX_SERIES must be from 100 to 100000000");
    invalid("MAX_BODY_SIZE=1GiB", "MAX_BODY_SIZE is not a size");
    invalid("MAX_BODY_SIZE=17MiB", "MAX_BODY_SIZE must be from 1KiB to 16MiB");
    invalid("WORKERS=0", "WORKERS must be from 1 to 64");
    invalid("ACCESS_LOG=true", "ACCESS_LOG is not off, errors or all");
    invalid("LOG_LEVEL=loud", "LOG_LEVEL is not error, warn, info or debug");
    invalid("TLS_CERT_FILE=x", "TLS_CERT_FILE and TLS_KEY_FILE");
    invalid("HEADER_TIMEOUT=100s", "HEADER_TIMEOUT is longer");
    static const char *const addresses[] = {"8080",   "host",    "host:",   ":0",      "host:65536",
                                            "::1:80", "[::1:80", "[::1]80", "[::1]:x", "a]:80"};
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        char variable[64];
        snprintf(variable, sizeof variable, "LISTEN_ADDRESS=%s", addresses[i]);
        if (load("", variable, NULL) != SETTINGS_INVALID)
            fail_msg("%s was accepted", addresses[i]);
        assert_non_null(strstr(error, "LISTEN_ADDRESS"));
    }
}

static void configuration(void **state)
{
    (void)state;
    assert_int_equal(load("--config-file /x", NULL), SETTINGS_OK);
    assert_string_equal(config.config_file, "/x");
    assert_null(config.config_text);
    settings_free(&config);
    /* It may hold the passwords of all users. */
    assert_int_equal(load("--config=drains:s3cret", "PASSWORD_DRAIN", NULL), SETTINGS_OK);
    assert_string_equal(config.config_text, "drains:s3cret");
    assert_null(config.password_drain);
    char text[8192];
    FILE *out = fmemopen(text, sizeof text, "w");
    settings_print(&config, out);
    fclose(out);
    assert_non_null(strstr(text, "CONFIG=(set)\n"));
    assert_null(strstr(text, "s3cret"));
    settings_free(&config);
    assert_int_equal(load("", "CONFIG=x", "CONFIG_FILE=/x", NULL), SETTINGS_INVALID);
    assert_string_equal(error, "both CONFIG and CONFIG_FILE are given");
    assert_int_equal(load("", "CONFIG=x", "PASSWORD_DRAIN", "PASSWORD_DRAIN_PREVIOUS=x", NULL), SETTINGS_INVALID);
    assert_string_equal(error, "PASSWORD_DRAIN is not set, nor is PASSWORD_DRAIN_FILE");
    assert_int_equal(load("--health-check", "CONFIG=x", "PASSWORD_DRAIN", NULL), SETTINGS_OK);
    settings_free(&config);
}

static void usage(void **state)
{
    (void)state;
    assert_int_equal(load("--nonsense", NULL), SETTINGS_USAGE);
    assert_string_equal(error, "there is no flag --nonsense; see --help");
    assert_int_equal(load("--nonsense=s3cre", NULL), SETTINGS_USAGE);
    assert_null(strstr(error, "s3cre"));
    assert_int_equal(load("--max-series", NULL), SETTINGS_USAGE);
    assert_int_equal(load("file", NULL), SETTINGS_USAGE);
    assert_int_equal(load("--max-series-file x", NULL), SETTINGS_USAGE); /* only secrets */
}

static void secrets(void **state)
{
    (void)state;
    char path[] = "/tmp/drain_exporter_test_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, "s3cret one\n", 11) == 11);
    char variable[128], flag[128];
    snprintf(variable, sizeof variable, "PASSWORD_DRAIN_FILE=%s", path);
    snprintf(flag, sizeof flag, "--password-metrics s3cret --password-drain-previous-file %s", path);
    assert_int_equal(load(flag, "PASSWORD_DRAIN", variable, NULL), SETTINGS_OK);
    assert_string_equal(config.password_drain, "s3cret one");
    assert_string_equal(config.password_drain_previous, "s3cret one");
    assert_string_equal(config.password_metrics, "s3cret");

    /* Nothing of them is ever printed. */
    char text[8192];
    FILE *out = fmemopen(text, sizeof text, "w");
    settings_print(&config, out);
    settings_print_help(out);
    fclose(out);
    assert_non_null(strstr(text, "PASSWORD_DRAIN=(set)\n"));
    assert_non_null(strstr(text, "PASSWORD_METRICS_PREVIOUS=(not set)\n"));
    assert_non_null(strstr(text, "EXPIRE_AFTER=10m\n"));
    assert_null(strstr(text, "s3cret"));

    /* Read again: what came from files changes, what did not stays, and a file that cannot be used changes nothing. */
    assert_int_equal(pwrite(fd, "s3cret two", 10, 0), 10);
    struct settings fresh;
    assert_true(settings_read_secrets(&config, &fresh, error));
    assert_string_equal(config.password_drain, "s3cret one");
    settings_exchange_secrets(&config, &fresh);
    assert_string_equal(fresh.password_drain, "s3cret one");
    settings_free(&fresh);
    assert_string_equal(config.password_drain, "s3cret two");
    assert_string_equal(config.password_drain_previous, "s3cret two");
    assert_string_equal(config.password_metrics, "s3cret");
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_false(settings_read_secrets(&config, &fresh, error));
    assert_string_equal(error, "PASSWORD_DRAIN is empty");
    assert_string_equal(config.password_drain, "s3cret two");
    settings_free(&config);

    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(load("", "PASSWORD_DRAIN", variable, NULL), SETTINGS_INVALID);
    assert_int_equal(ftruncate(fd, 5000), 0);
    assert_int_equal(load("", "PASSWORD_DRAIN", variable, NULL), SETTINGS_INVALID);
    close(fd);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),      cmocka_unit_test(values), cmocka_unit_test(refusals),
        cmocka_unit_test(configuration), cmocka_unit_test(usage),  cmocka_unit_test(secrets),
    };
    int failed = cmocka_run_group_tests_name("config", tests, NULL, NULL);
    return failed;
}
