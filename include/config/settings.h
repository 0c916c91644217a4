/* The settings: one table of names, defaults, ranges and meanings; from environment variables and flags.
 * Nothing is opened but the files that hold secrets. */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdint.h>
#include <stdio.h>

#include "base/address.h"
#include "base/cf_labels.h"
#include "base/external_labels.h"
#include "base/log.h"
#include "config/secret.h"

enum settings_action {
    SETTINGS_RUN,
    SETTINGS_CHECK,        /* --check-config: passwords are not needed if there is a configuration to check */
    SETTINGS_HEALTH_CHECK, /* --health-check: passwords are not needed */
    SETTINGS_COMMAND,      /* a command that does not serve: nor are they here */
    SETTINGS_HELP,
    SETTINGS_VERSION,
};

/* Which requests have a line in the log: none, those that are not answered 2xx, or all. */
enum access_log { ACCESS_LOG_OFF, ACCESS_LOG_ERRORS, ACCESS_LOG_ALL };

/* A list of addresses, and how it was written; NULL: it is not set, and so empty. */
struct setting_addresses {
    char *text; /* first */
    struct address_ranges ranges;
};

enum { SETTINGS_MAX = 96 /* that there may be */ };

/* Labels, likewise. */
struct setting_labels {
    char *text; /* first */
    struct external_labels labels;
};

/* All settings, in base units.  Strings are owned by the struct. */
struct settings {
    enum settings_action action;
    char *listen_address;
    char *listen_host; /* empty: all addresses */
    char *listen_port;
    char *metrics_listen_address; /* NULL: none; then so are the next two */
    char *metrics_listen_host;
    char *metrics_listen_port;
    struct setting_addresses allow_drain;
    struct setting_addresses allow_metrics;
    struct setting_addresses trusted_proxies;
    bool proxy_protocol;
    char *password_drain;            /* NULL: none, which only a configuration file allows */
    char *password_metrics;          /* NULL: none, if there is a token */
    char *password_drain_previous;   /* NULL: none */
    char *password_metrics_previous; /* NULL: none */
    char *token_metrics;             /* NULL: none, as the next one */
    char *token_metrics_previous;
    char *config_file;              /* NULL: none */
    char *config_text;              /* the same inline; holds secrets; NULL: none */
    uint64_t expire_after;          /* milliseconds; 0: never */
    uint64_t postgres_expire_after; /* likewise, as the next two */
    uint64_t redis_expire_after;
    uint64_t runtime_expire_after;
    uint64_t scrape_interval;  /* milliseconds */
    uint64_t app_expire_after; /* milliseconds; 0: never */
    uint64_t max_series;
    uint64_t max_app_series; /* 0: no bound, as the next two */
    uint64_t max_metric_series;
    uint64_t max_l2met_names;
    uint64_t max_apps;
    uint64_t max_new_apps; /* 0: no bound */
    char *state_file;      /* NULL: none */
    uint64_t state_interval;
    char *canary_url; /* a secret; NULL: none */
    uint64_t canary_interval;
    char *warm_start_url; /* a secret; NULL: none */
    uint64_t warm_start_timeout;
    char *outgoing_ca_file; /* NULL: the system's */
    bool only_listed_apps;
    bool leave_out_self_drain;
    enum cf_labels cf_labels;
    struct setting_labels external_labels;
    bool router_by_process; /* unless the entry of an app says otherwise */
    uint64_t max_body_size; /* bytes */
    uint64_t max_connections;
    uint64_t max_address_connections; /* 0: no bound, as for the next one */
    uint64_t max_address_login_failures;
    uint64_t max_input_memory; /* bytes */
    uint64_t workers;
    char *ingest_prefix;     /* with its final space */
    uint64_t header_timeout; /* milliseconds, as the next two */
    uint64_t request_timeout;
    uint64_t idle_timeout;
    char *tls_cert_file; /* NULL: no TLS */
    char *tls_key_file;
    char *tls_ciphers;        /* NULL: all that are good */
    char *tls_client_ca_file; /* NULL: clients need no certificates */
    char *tls_client_paths;
    bool tls_client_drain; /* as tls_client_paths say, also without tls_client_ca_file */
    bool tls_client_metrics;
    bool sandbox;
    bool show_unmatched;
    enum log_level log_level;
    enum access_log access_log;
    unsigned char origins[SETTINGS_MAX]; /* enum settings_origin of each setting, in the order of --help */
    char *secret_files[8];               /* where the secrets came from, in the order above; NULL: not from a file */
};

enum settings_result {
    SETTINGS_OK,
    SETTINGS_INVALID, /* a bad or missing value: exit status 1 */
    SETTINGS_USAGE,   /* a flag that does not exist or lacks its value: exit status 2 */
};

/* Where the value of a setting is from. */
enum settings_origin {
    SETTINGS_BY_DEFAULT,
    SETTINGS_COMPUTED, /* from what this machine has, as there is no default that suits all */
    SETTINGS_VARIABLE,
    SETTINGS_FLAG,
    SETTINGS_VARIABLE_FILE, /* the file that a variable or a flag names */
    SETTINGS_FLAG_FILE,
};

/* "default", "variable" and so on. */
const char *settings_origin_name(enum settings_origin origin);

/* Read the settings; a flag wins over its variable, and a secret may be in the file that <variable>_FILE names.  On any
 * result but OK, error holds one sentence without secrets.  Passwords among the arguments are overwritten with '*', so
 * that no process list shows them. */
enum settings_result settings_load(struct settings *config, int argc, char **argv, char error[ERROR_MAX]);

/* The settings of a command that does not serve: from environment variables, without passwords.  config_file, unless it
 * is NULL, stands in for CONFIG_FILE and CONFIG. */
enum settings_result settings_load_for_command(struct settings *config, const char *config_file, char error[ERROR_MAX]);

/* Overwrite passwords in the environment with '*', so that neither memory nor /proc shows them: once, when they are no
 * longer needed there. */
void settings_hide_environment(void);

/* Read the secrets that came from files again into fresh, which holds nothing else then.  False with one sentence in
 * error if one of them cannot be read; there is nothing to free then. */
bool settings_read_secrets(const struct settings *config, struct settings *fresh, char error[ERROR_MAX]);

/* Exchange the secrets that came from files with those in fresh; all others stay.  Doing it again undoes it. */
void settings_exchange_secrets(struct settings *config, struct settings *fresh);

void settings_free(struct settings *config);

/* What is set, for people: of a secret, only whether it is. */
struct settings_view {
    const char *name;
    const char *value; /* in text, or part of the settings; NULL: not set */
    enum settings_origin origin;
    bool is_secret; /* value is "set" or NULL */
    char text[32];
};

/* The setting with this number, from 0 on; false behind the last. */
bool settings_look(const struct settings *config, size_t number, struct settings_view *view);

/* The help text, and a list of all settings with their values, but no secrets. */
void settings_print_help(FILE *out);
void settings_print(const struct settings *config, FILE *out);

#endif
