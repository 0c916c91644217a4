#include "config/settings.h"

#include <ctype.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/memory_limit.h"
#include "base/number.h"
#include "base/version.h"
#include "config/secret.h"

enum kind { TEXT, ADDRESSES, LABELS, SECRET, DOCUMENT, DURATION, SIZE, NUMBER, SWITCH, LEVEL, ACCESS, CF };

struct setting {
    const char *variable;
    enum kind kind;
    size_t offset;             /* in struct settings */
    const char *default_value; /* the default as a user would write it; NULL: none */
    uint64_t low;              /* the range of numbers */
    uint64_t high;
    const char *meaning;
};

#define AT(member) offsetof(struct settings, member)
#define SECONDS(count) ((count)*UINT64_C(1000))
#define DAYS(count) SECONDS((count)*UINT64_C(86400))

static const struct setting settings[] = {
    {"LISTEN_ADDRESS", TEXT, AT(listen_address), "0.0.0.0:8080", 0, 0,
     "host:port, [address]:port or :port to listen on"},
    {"METRICS_LISTEN_ADDRESS", TEXT, AT(metrics_listen_address), NULL, 0, 0,
     "a second address, for /metrics and the other pages; LISTEN_ADDRESS then serves /drain only; /health and /ready "
     "are on both"},
    {"ALLOW_DRAIN", ADDRESSES, AT(allow_drain), NULL, 0, 0,
     "addresses that may post to /drain, such as 192.0.2.0/24, 2001:db8::/32; if not set, any"},
    {"ALLOW_METRICS", ADDRESSES, AT(allow_metrics), NULL, 0, 0,
     "the same for who may get /metrics and the other pages"},
    {"TRUSTED_PROXIES", ADDRESSES, AT(trusted_proxies), NULL, 0, 0,
     "addresses of proxies and balancers in front; the client is then the right-most address of X-Forwarded-For that "
     "is "
     "not one of these"},
    {"PROXY_PROTOCOL", SWITCH, AT(proxy_protocol), "false", 0, 0,
     "whether TRUSTED_PROXIES begin each connection to LISTEN_ADDRESS with a PROXY header, of version 1 or 2"},
    {"PASSWORD_DRAIN", SECRET, AT(password_drain), NULL, 0, 0,
     "password of the user drain; required, unless a drain of the configuration has a password"},
    {"PASSWORD_METRICS", SECRET, AT(password_metrics), NULL, 0, 0,
     "password of the user metrics; required, unless TOKEN_METRICS is set"},
    {"PASSWORD_DRAIN_PREVIOUS", SECRET, AT(password_drain_previous), NULL, 0, 0,
     "a second password of drain, valid while it is rotated"},
    {"PASSWORD_METRICS_PREVIOUS", SECRET, AT(password_metrics_previous), NULL, 0, 0,
     "a second password of metrics, valid while it is rotated"},
    {"TOKEN_METRICS", SECRET, AT(token_metrics), NULL, 0, 0,
     "a bearer token that gets /metrics and the other pages, beside the password or in its place"},
    {"TOKEN_METRICS_PREVIOUS", SECRET, AT(token_metrics_previous), NULL, 0, 0,
     "a second token, valid while it is rotated"},
    {"CONFIG_FILE", TEXT, AT(config_file), NULL, 0, 0,
     "YAML file: apps with passwords and labels of their own, users who scrape some apps, rules"},
    {"CONFIG", DOCUMENT, AT(config_text), NULL, 0, 0,
     "the same YAML itself, for containers without files; it holds secrets"},
    {"EXPIRE_AFTER", DURATION, AT(expire_after), "600s", 0, DAYS(30),
     "how long a series that the app reports stays without an update; 0: for ever; up to 720h, as for the next three"},
    {"RUNTIME_EXPIRE_AFTER", DURATION, AT(runtime_expire_after), "2m", 0, DAYS(30),
     "the same for samples of dynos (log-runtime-metrics)"},
    {"REDIS_EXPIRE_AFTER", DURATION, AT(redis_expire_after), "5m", 0, DAYS(30),
     "the same for samples of Heroku Key-Value Store"},
    {"POSTGRES_EXPIRE_AFTER", DURATION, AT(postgres_expire_after), "15m", 0, DAYS(30),
     "the same for samples of Heroku Postgres, PgBouncer and all other add-ons"},
    {"SCRAPE_INTERVAL", DURATION, AT(scrape_interval), "60s", 10, SECONDS(3600),
     "how often Prometheus scrapes, which must agree with its scrape_interval; a new counter stands at 0 for that "
     "long, and the series of a dyno that has ended stay for two of these"},
    {"APP_EXPIRE_AFTER", DURATION, AT(app_expire_after), "24h", 0, DAYS(30),
     "how long an app may be silent before it leaves with all its series; 0: for ever"},
    {"MAX_SERIES", NUMBER, AT(max_series), "100000", 100, 100000000,
     "how many series may exist, counted in lines of the page; what a set or sketch holds counts too"},
    {"MAX_APP_SERIES", NUMBER, AT(max_app_series), "50000", 0, 100000000,
     "how many of them one app may have; 0: any number"},
    {"MAX_METRIC_SERIES", NUMBER, AT(max_metric_series), "10000", 0, 100000000,
     "how many of them one metric of an app may have; 0: any number"},
    {"MAX_APPS", NUMBER, AT(max_apps), "1024", 1, 100000,
     "how many apps may be known that no entry of drains has; apps of entries come on top"},
    {"MAX_NEW_APPS", NUMBER, AT(max_new_apps), "60", 0, 100000,
     "how many of these apps may be new in a minute, once half of MAX_APPS are known; 0: any number"},
    {"ONLY_LISTED_APPS", SWITCH, AT(only_listed_apps), "false", 0, 0,
     "whether users without an app of their own may post only for apps that an entry of drains has, and only with one "
     "of its tokens, if it has some"},
    {"MAX_L2MET_NAMES", NUMBER, AT(max_l2met_names), "200", 0, 1000000,
     "how many names an app may choose by count#, measure# and sample#; 0: any number"},
    {"EXTERNAL_LABELS", LABELS, AT(external_labels), NULL, 0, 0,
     "labels on every series of every page, such as replica=a, region=eu, to tell several exporters apart"},
    {"CF_LABELS", CF, AT(cf_labels), "names", 0, 0,
     "labels of Cloud Foundry's series beside app: none, names (organization_name, space_name, app_name) or "
     "promfetcher "
     "(also the GUIDs, and index and instance_id); an entry of drains may say otherwise"},
    {"ROUTER_BY_PROCESS", SWITCH, AT(router_by_process), "false", 0, 0,
     "whether requests are counted by dyno (web.1) and not only by process type; an entry of drains may say otherwise"},
    {"LEAVE_OUT_SELF_DRAIN", SWITCH, AT(leave_out_self_drain), "false", 0, 0,
     "whether requests that bring an app's own batches through its own router are not counted"},
    {"MAX_BODY_SIZE", SIZE, AT(max_body_size), "4MiB", 1024, 16 << 20,
     "largest request body, up to 16MiB; four times this when decompressed"},
    {"MAX_CONNECTIONS", NUMBER, AT(max_connections), "1024", 1, 100000,
     "how many connections may be open; beyond it, the one that has been idle for longest without a right password is "
     "closed for a new one"},
    {"MAX_ADDRESS_CONNECTIONS", NUMBER, AT(max_address_connections), "256", 0, 100000,
     "how many connections one address may have before a right password; 0: any number; this and the next do not bound "
     "an address from which a right password has come in the last day"},
    {"MAX_ADDRESS_LOGIN_FAILURES", NUMBER, AT(max_address_login_failures), "60", 0, 1000000,
     "how many log-ins of one address may fail in a minute before its passwords are not looked at; 0: any number"},
    {"MAX_INPUT_MEMORY", SIZE, AT(max_input_memory), NULL, 1 << 20, UINT64_C(1) << 40,
     "memory for all requests that are arriving; beyond it, connections without a right password are closed and others "
     "wait; if not set, a quarter of the memory limit, 64MiB at least"},
    {"WORKERS", NUMBER, AT(workers), NULL, 1, 64,
     "threads that take batches, up to 64; if not set, as many as there are usable cores, at most 8"},
    {"INGEST_PREFIX", TEXT, AT(ingest_prefix), "crates-io-heroku-metrics:ingest", 0, 0,
     "the word that starts a line of metrics that the app prints"},
    {"HEADER_TIMEOUT", DURATION, AT(header_timeout), "10s", 100, SECONDS(3600),
     "how long the header of a request may take to arrive"},
    {"REQUEST_TIMEOUT", DURATION, AT(request_timeout), "60s", 100, SECONDS(3600),
     "how long a whole request may take to arrive, and a response to be read"},
    {"IDLE_TIMEOUT", DURATION, AT(idle_timeout), "300s", 100, SECONDS(86400),
     "how long a connection may wait for its next request, at most 10s without a right password; Logplex itself closes "
     "after 144 s"},
    {"TLS_CERT_FILE", TEXT, AT(tls_cert_file), NULL, 0, 0, "certificate chain (PEM): serve TLS 1.2 and later"},
    {"TLS_KEY_FILE", TEXT, AT(tls_key_file), NULL, 0, 0, "private key (PEM) of the certificate"},
    {"TLS_CIPHERS", TEXT, AT(tls_ciphers), NULL, 0, 0,
     "which ciphers may be used: OpenSSL's names, with : between; TLS_... are those of TLS 1.3; a version of which "
     "none is named keeps all that are good"},
    {"TLS_CLIENT_CA_FILE", TEXT, AT(tls_client_ca_file), NULL, 0, 0,
     "authorities (PEM): TLS_CLIENT_PATHS need a client certificate of one of them, beside the password"},
    {"TLS_CLIENT_PATHS", TEXT, AT(tls_client_paths), "/drain, /metrics", 0, 0,
     "which paths need a client certificate; /metrics stands for the other pages too. Heroku's drains have none, so "
     "/metrics alone suits them"},
    {"STATE_FILE", TEXT, AT(state_file), NULL, 0, 0,
     "a file, or a folder for it, that keeps what is known from one start to the next; see docker/RESTARTS.md"},
    {"STATE_INTERVAL", DURATION, AT(state_interval), "30s", 100, SECONDS(3600),
     "how often STATE_FILE is written, beside at each stop"},
    {"CANARY_URL", SECRET, AT(canary_url), NULL, 0, 0,
     "our own public drain, https://drain:PASSWORD@host/drain?app_name=canary, to which a line is posted to see "
     "whether it comes back; see docker/CANARY.md"},
    {"CANARY_INTERVAL", DURATION, AT(canary_interval), "60s", 100, SECONDS(3600),
     "how often a line is posted to CANARY_URL"},
    {"WARM_START_URL", SECRET, AT(warm_start_url), NULL, 0, 0,
     "the state of the exporter that this one takes over from, https://metrics:PASSWORD@host/state, which is read at "
     "the "
     "start; see docker/RESTARTS.md"},
    {"WARM_START_TIMEOUT", DURATION, AT(warm_start_timeout), "10s", 100, SECONDS(600),
     "how long WARM_START_URL may take; then it starts with nothing"},
    {"OUTGOING_CA_FILE", TEXT, AT(outgoing_ca_file), NULL, 0, 0,
     "authorities (PEM) that certificates of CANARY_URL and WARM_START_URL may be of; if not set, those of the system"},
    {"SANDBOX", SWITCH, AT(sandbox), "false", 0, 0,
     "whether a filter (seccomp) ends the program at any system call that it does not need, such as to start another "
     "program"},
    {"SHOW_UNMATCHED", SWITCH, AT(show_unmatched), "true", 0, 0,
     "whether the status page shows the commonest kinds of lines that gave no metric, each with an example without "
     "what "
     "looks like a secret"},
    {"LOG_LEVEL", LEVEL, AT(log_level), "info", 0, 0,
     "error, warn, info, or debug, which has a line for each batch and response"},
    {"ACCESS_LOG", ACCESS, AT(access_log), "off", 0, 0,
     "which requests have a line (logfmt) on stderr: off, errors (those that are not answered 2xx) or all; up to 100 a "
     "second"},
};
enum { SETTING_COUNT = sizeof settings / sizeof settings[0] };
_Static_assert((int)SETTING_COUNT <= (int)SETTINGS_MAX, "there must be a place for the origin of each");

static const char *const switch_names[] = {"false", "true", NULL};
static const char *const level_names[] = {"error", "warn", "info", "debug", NULL};
static const char *const access_names[] = {"off", "errors", "all", NULL};

/* ---- values ---- */

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit duration_units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {NULL, 0}};
static const struct unit size_units[] = {{"", 1},          {"B", 1},         {"kB", 1000}, {"MB", 1000000},
                                         {"KiB", 1 << 10}, {"MiB", 1 << 20}, {NULL, 0}};
static const struct unit no_units[] = {{"", 1}, {NULL, 0}};

/* "600s", "4MiB", "1024": a whole number and one of the units; a plain 0 needs none. */
static bool read_quantity(const char *text, const struct unit *units, uint64_t *quantity)
{
    struct slice rest = slice_of(text);
    uint64_t number;
    if (!number_cut_decimal(&rest, UINT64_MAX, &number))
        return false;
    if (number == 0 && rest.length == 0) {
        *quantity = 0;
        return true;
    }
    for (; units->name != NULL; units++) {
        if (slice_equals(rest, slice_of(units->name)))
            return !__builtin_mul_overflow(number, units->factor, quantity);
    }
    return false;
}

static const struct unit *units_of(enum kind kind)
{
    return kind == DURATION ? duration_units : kind == SIZE ? size_units : no_units;
}

/* Write a number as one would write it to set it: with the largest unit that divides it. */
static void spell_quantity(enum kind kind, uint64_t quantity, char out[32])
{
    const struct unit *best = units_of(kind); /* the first is 1 */
    for (const struct unit *unit = best; unit->name != NULL; unit++)
        if (quantity % unit->factor == 0 && unit->factor >= best->factor)
            best = unit;
    if (quantity == 0)
        snprintf(out, 32, "0");
    else
        snprintf(out, 32, "%llu%s", (unsigned long long)(quantity / best->factor), best->name);
}

static void *member_of(struct settings *config, const struct setting *setting)
{
    return (char *)config + setting->offset;
}

static bool set_number(struct settings *config, const struct setting *setting, const char *text, char error[ERROR_MAX])
{
    static const char *const examples[] = {[DURATION] = "a duration such as 500ms, 30s, 10m or 1h",
                                           [SIZE] = "a size such as 500kB or 4MiB",
                                           [NUMBER] = "a whole number"};
    uint64_t number;
    if (!read_quantity(text, units_of(setting->kind), &number))
        return error_set(error, "%s is not %s", setting->variable, examples[setting->kind]);
    if (number < setting->low || number > setting->high) {
        char low[32], high[32];
        spell_quantity(setting->kind, setting->low, low);
        spell_quantity(setting->kind, setting->high, high);
        return error_set(error, "%s must be from %s to %s", setting->variable, low, high);
    }
    *(uint64_t *)member_of(config, setting) = number;
    return true;
}

/* May it hold passwords? */
static bool is_secret(const struct setting *setting)
{
    return setting->kind == SECRET || setting->kind == DOCUMENT;
}

/* Is it kept as it was written? */
static bool is_text(const struct setting *setting)
{
    return setting->kind == TEXT || setting->kind == ADDRESSES || setting->kind == LABELS;
}

static void free_text(const struct setting *setting, char *text)
{
    if (is_secret(setting))
        secret_free(text);
    else
        free(text);
}

static bool set_addresses(struct settings *config, const struct setting *setting, const char *text,
                          char error[ERROR_MAX])
{
    struct setting_addresses *addresses = member_of(config, setting);
    char wrong[ERROR_MAX];
    return address_ranges_read(slice_of(text), &addresses->ranges, wrong) ||
           error_set(error, "%s %.200s", setting->variable, wrong);
}

static bool set_labels(struct settings *config, const struct setting *setting, const char *text, char error[ERROR_MAX])
{
    struct setting_labels *labels = member_of(config, setting);
    char wrong[ERROR_MAX];
    return external_labels_read(slice_of(text), &labels->labels, wrong) ||
           error_set(error, "%s %.200s", setting->variable, wrong);
}

/* Set what has one of a few names. */
static bool set_name(struct settings *config, const struct setting *setting, const char *text, char error[ERROR_MAX])
{
    static const struct {
        const char *const *names;
        const char *spelled;
    } choices[] = {[SWITCH] = {switch_names, "true or false"},
                   [LEVEL] = {level_names, "error, warn, info or debug"},
                   [ACCESS] = {access_names, "off, errors or all"}};
    int which = 0;
    while (choices[setting->kind].names[which] != NULL && strcmp(choices[setting->kind].names[which], text) != 0)
        which++;
    if (choices[setting->kind].names[which] == NULL)
        return error_set(error, "%s is not %s", setting->variable, choices[setting->kind].spelled);
    if (setting->kind == SWITCH)
        *(bool *)member_of(config, setting) = which;
    else if (setting->kind == LEVEL)
        *(enum log_level *)member_of(config, setting) = (enum log_level)which;
    else
        *(enum access_log *)member_of(config, setting) = (enum access_log)which;
    return true;
}

static bool set_value(struct settings *config, const struct setting *setting, const char *text, char error[ERROR_MAX])
{
    switch (setting->kind) {
    case TEXT:
    case ADDRESSES:
    case LABELS:
    case DOCUMENT:
    case SECRET: {
        if (text[0] == '\0')
            return error_set(error, "%s is empty", setting->variable);
        if (setting->kind == SECRET && strlen(text) > PASSWORD_MAX)
            return error_set(error, "%s is longer than %d bytes", setting->variable, PASSWORD_MAX);
        char **member = member_of(config, setting);
        free_text(setting, *member);
        *member = is_secret(setting) ? secret_keep(text) : strdup(text);
        if (*member == NULL)
            return error_set(error, ERROR_NO_MEMORY);
        if (setting->kind == ADDRESSES)
            return set_addresses(config, setting, text, error);
        return setting->kind != LABELS || set_labels(config, setting, text, error);
    }
    case DURATION:
    case SIZE:
    case NUMBER:
        return set_number(config, setting, text, error);
    case SWITCH:
    case LEVEL:
    case ACCESS:
        return set_name(config, setting, text, error);
    case CF:
        return cf_labels_read(slice_of(text), member_of(config, setting)) ||
               error_set(error, "%s is not none, names or promfetcher", setting->variable);
    }
    return false;
}

static bool set_from_file(struct settings *config, const struct setting *setting, const char *path,
                          char error[ERROR_MAX])
{
    char text[SECRET_CAPACITY];
    char reason[ERROR_MAX];
    if (!secret_read(path, text, reason))
        return error_set(error, "the file that %s_FILE names %s", setting->variable, reason);
    bool set = set_value(config, setting, text, error);
    explicit_bzero(text, sizeof text);
    return set;
}

/* ---- sources ---- */

/* What was given for each setting, from flags and from the environment. */
struct given {
    const char *flag;
    const char *flag_file;
    bool is_replaced; /* by another setting: it counts as not given */
};

/* "LISTEN_ADDRESS" is the flag "listen-address". */
static void spell_flag(const char *variable, char out[64])
{
    size_t i = 0;
    for (; variable[i] != '\0' && i < 63; i++)
        out[i] = variable[i] == '_' ? '-' : (char)tolower((unsigned char)variable[i]);
    out[i] = '\0';
}

/* The setting that a flag of this name and length sets; *file: it names the secret's file. */
static int find_flag(const char *name, size_t length, bool *file)
{
    for (int i = 0; i < SETTING_COUNT; i++) {
        char flag[64];
        spell_flag(settings[i].variable, flag);
        size_t own = strlen(flag);
        if (length < own || strncmp(name, flag, own) != 0)
            continue;
        *file = length == own + 5 && settings[i].kind == SECRET && strncmp(name + own, "-file", 5) == 0;
        if (length == own || *file)
            return i;
    }
    return -1;
}

static enum settings_result read_flags(struct settings *config, int argc, char **argv, struct given *given,
                                       char error[ERROR_MAX])
{
    static const struct {
        const char *flag;
        enum settings_action action;
    } actions[] = {
        {"--help", SETTINGS_HELP},
        {"-h", SETTINGS_HELP},
        {"--version", SETTINGS_VERSION},
        {"--check-config", SETTINGS_CHECK},
        {"--health-check", SETTINGS_HEALTH_CHECK},
    };
    for (int i = 1; i < argc; i++) {
        bool is_action = false;
        for (size_t j = 0; j < sizeof actions / sizeof actions[0]; j++) {
            if (strcmp(argv[i], actions[j].flag) == 0) {
                config->action = actions[j].action;
                is_action = true;
            }
        }
        if (is_action)
            continue;
        if (strncmp(argv[i], "--", 2) != 0) {
            error_set(error, "there is no argument \"%s\"; see --help", argv[i]);
            return SETTINGS_USAGE;
        }
        char *name = argv[i] + 2;
        size_t length = strcspn(name, "=");
        bool file;
        int setting = find_flag(name, length, &file);
        if (setting < 0) {
            name[length] = '\0'; /* what follows may be a secret */
            error_set(error, "there is no flag --%s; see --help", name);
            return SETTINGS_USAGE;
        }
        if (name[length] == '\0' && i + 1 == argc) {
            error_set(error, "--%s needs a value", name);
            return SETTINGS_USAGE;
        }
        const char *value = name[length] == '=' ? name + length + 1 : argv[++i];
        *(file ? &given[setting].flag_file : &given[setting].flag) = value;
    }
    return SETTINGS_OK;
}

static const char *environment_file(const struct setting *setting)
{
    char variable[64];
    snprintf(variable, sizeof variable, "%s_FILE", setting->variable);
    return setting->kind == SECRET ? getenv(variable) : NULL;
}

/* Which of config->secret_files belongs to a secret. */
static char *const *file_of(const struct settings *config, const struct setting *setting)
{
    int secret = 0;
    for (const struct setting *other = settings; other < setting; other++)
        secret += other->kind == SECRET;
    return &config->secret_files[secret];
}

static bool apply(struct settings *config, const struct setting *setting, const struct given *given,
                  char error[ERROR_MAX])
{
    unsigned char *origin = &config->origins[setting - settings];
    const char *value = given->flag;
    const char *file = given->flag_file;
    bool is_flag = value != NULL || file != NULL;
    if (given->is_replaced)
        return true;
    if (!is_flag) {
        value = getenv(setting->variable);
        file = environment_file(setting);
    }
    if (value != NULL && file != NULL)
        return error_set(error, "both %s and %s_FILE are given", setting->variable, setting->variable);
    if (file != NULL) {
        *origin = is_flag ? SETTINGS_FLAG_FILE : SETTINGS_VARIABLE_FILE;
        char **kept = (char **)file_of(config, setting);
        if ((*kept = strdup(file)) == NULL)
            return error_set(error, ERROR_NO_MEMORY);
        return set_from_file(config, setting, file, error);
    }
    *origin = is_flag ? SETTINGS_FLAG : value != NULL ? SETTINGS_VARIABLE : SETTINGS_BY_DEFAULT;
    if (value == NULL)
        value = setting->default_value;
    return value == NULL || set_value(config, setting, value, error);
}

/* Overwrite the passwords among the arguments; they have been copied. */
static void hide_secrets(const struct given *given)
{
    for (int i = 0; i < SETTING_COUNT; i++)
        if (is_secret(&settings[i]) && given[i].flag != NULL)
            memset((char *)given[i].flag, '*', strlen(given[i].flag));
}

void settings_hide_environment(void)
{
    for (int i = 0; i < SETTING_COUNT; i++) {
        char *value = is_secret(&settings[i]) ? getenv(settings[i].variable) : NULL;
        if (value != NULL)
            memset(value, '*', strlen(value));
    }
}

/* ---- what one setting alone cannot tell ---- */

static bool split_address(const char *name, const char *text, char **host_part, char **port_part, char error[ERROR_MAX])
{
    const char *colon = strrchr(text, ':');
    size_t host = colon == NULL ? 0 : (size_t)(colon - text);
    bool bracketed = host >= 2 && text[0] == '[' && text[host - 1] == ']';
    bool plain = strcspn(text, ":[]") >= host;
    uint64_t port;
    if (colon == NULL || !(bracketed || plain) || !read_quantity(colon + 1, no_units, &port) || port < 1 ||
        port > 65535)
        return error_set(error, "%s is not host:port or [address]:port with a port from 1 to 65535", name);
    *host_part = bracketed ? strndup(text + 1, host - 2) : strndup(text, host);
    *port_part = strdup(colon + 1);
    return (*host_part != NULL && *port_part != NULL) || error_set(error, ERROR_NO_MEMORY);
}

static bool split_addresses(struct settings *config, char error[ERROR_MAX])
{
    return split_address("LISTEN_ADDRESS", config->listen_address, &config->listen_host, &config->listen_port, error) &&
           (config->metrics_listen_address == NULL ||
            split_address("METRICS_LISTEN_ADDRESS", config->metrics_listen_address, &config->metrics_listen_host,
                          &config->metrics_listen_port, error));
}

static bool add_final_space(char **text)
{
    size_t length = strlen(*text);
    if ((*text)[length - 1] == ' ')
        return true;
    char *longer = realloc(*text, length + 2);
    if (longer == NULL)
        return false;
    memcpy(longer + length, " ", 2);
    *text = longer;
    return true;
}

static uint64_t usable_cores(void)
{
    cpu_set_t cores;
    if (sched_getaffinity(0, sizeof cores, &cores) != 0)
        return 1;
    int count = CPU_COUNT(&cores);
    return count < 1 ? 1 : count > 8 ? 8 : (uint64_t)count;
}

static uint64_t default_input_memory(void)
{
    uint64_t least = 64 << 20;
    uint64_t quarter = memory_limit() / 4;
    return quarter > least ? quarter : least;
}

/* The server reads passwords, and a check of what the server would do.  A health check runs beside the server, maybe
 * without its secrets; a command runs where nobody has them. */
static bool reads_passwords(const struct settings *config)
{
    return config->action != SETTINGS_HEALTH_CHECK && config->action != SETTINGS_COMMAND;
}

static bool has_configuration(const struct settings *config)
{
    return config->config_file != NULL || config->config_text != NULL;
}

/* A configuration can be checked where nobody has the passwords. */
static bool check_passwords(const struct settings *config, char error[ERROR_MAX])
{
    if (!reads_passwords(config) || (config->action == SETTINGS_CHECK && has_configuration(config)))
        return true;
    if (config->password_drain == NULL && (!has_configuration(config) || config->password_drain_previous != NULL))
        return error_set(error, "PASSWORD_DRAIN is not set, nor is PASSWORD_DRAIN_FILE");
    if (config->password_metrics == NULL && config->token_metrics == NULL)
        return error_set(
            error, "PASSWORD_METRICS is not set, nor is PASSWORD_METRICS_FILE, TOKEN_METRICS or TOKEN_METRICS_FILE");
    return true;
}

/* "/drain, /metrics", in any order. */
static bool read_paths(struct settings *config, char error[ERROR_MAX])
{
    struct slice text = slice_of(config->tls_client_paths);
    for (bool more = true; more;) {
        struct slice path = {text.at, slice_index(text, ',')};
        more = path.length < text.length;
        text = slice_after(text, path.length + more);
        path = slice_trim(path);
        if (slice_equals(path, SLICE("/drain")))
            config->tls_client_drain = true;
        else if (slice_equals(path, SLICE("/metrics")))
            config->tls_client_metrics = true;
        else
            return error_set(error, "TLS_CLIENT_PATHS is not /drain, /metrics or both, separated by a comma");
    }
    return true;
}

static bool check_client_certificates(struct settings *config, char error[ERROR_MAX])
{
    if (config->tls_client_ca_file != NULL && config->tls_cert_file == NULL)
        return error_set(error, "TLS_CLIENT_CA_FILE needs TLS_CERT_FILE: without TLS there are no certificates");
    return read_paths(config, error);
}

/* What depends on the machine. */
static void compute_defaults(struct settings *config)
{
    for (int i = 0; i < SETTING_COUNT; i++)
        if (settings[i].default_value == NULL && settings[i].high > 0 &&
            *(const uint64_t *)member_of(config, &settings[i]) == 0)
            config->origins[i] = SETTINGS_COMPUTED;
    if (config->max_input_memory == 0)
        config->max_input_memory = default_input_memory();
    if (config->workers == 0)
        config->workers = usable_cores();
}

static bool complete(struct settings *config, char error[ERROR_MAX])
{
    if (!split_addresses(config, error))
        return false;
    if (config->config_file != NULL && config->config_text != NULL)
        return error_set(error, "both CONFIG and CONFIG_FILE are given");
    if (!check_passwords(config, error))
        return false;
    if ((config->tls_cert_file == NULL) != (config->tls_key_file == NULL))
        return error_set(error, "TLS_CERT_FILE and TLS_KEY_FILE go together: one of them is missing");
    if (config->tls_ciphers != NULL && config->tls_cert_file == NULL)
        return error_set(error, "TLS_CIPHERS is set, but TLS_CERT_FILE is not");
    if (!check_client_certificates(config, error))
        return false;
    if (config->proxy_protocol && config->trusted_proxies.text == NULL)
        return error_set(error, "PROXY_PROTOCOL needs TRUSTED_PROXIES: anybody could say who they are");
    if (config->header_timeout > config->request_timeout)
        return error_set(error, "HEADER_TIMEOUT is longer than REQUEST_TIMEOUT");
    compute_defaults(config);
    return add_final_space(&config->ingest_prefix) || error_set(error, ERROR_NO_MEMORY);
}

static enum settings_result apply_all(struct settings *config, const struct given *given, char error[ERROR_MAX])
{
    for (int i = 0; i < SETTING_COUNT; i++)
        if ((reads_passwords(config) || settings[i].kind != SECRET) && !apply(config, &settings[i], &given[i], error))
            return SETTINGS_INVALID;
    return complete(config, error) ? SETTINGS_OK : SETTINGS_INVALID;
}

enum settings_result settings_load(struct settings *config, int argc, char **argv, char error[ERROR_MAX])
{
    *config = (struct settings){0};
    struct given given[SETTING_COUNT] = {0};
    enum settings_result result = read_flags(config, argc, argv, given, error);
    if (result == SETTINGS_OK && config->action != SETTINGS_HELP && config->action != SETTINGS_VERSION)
        result = apply_all(config, given, error);
    hide_secrets(given);
    if (result != SETTINGS_OK)
        settings_free(config);
    return result;
}

enum settings_result settings_load_for_command(struct settings *config, const char *config_file, char error[ERROR_MAX])
{
    *config = (struct settings){.action = SETTINGS_COMMAND};
    struct given given[SETTING_COUNT] = {0};
    for (int i = 0; config_file != NULL && i < SETTING_COUNT; i++) {
        if (settings[i].offset == AT(config_file))
            given[i].flag = config_file;
        given[i].is_replaced = settings[i].offset == AT(config_text);
    }
    enum settings_result result = apply_all(config, given, error);
    if (result != SETTINGS_OK)
        settings_free(config);
    return result;
}

bool settings_read_secrets(const struct settings *config, struct settings *fresh, char error[ERROR_MAX])
{
    *fresh = (struct settings){0};
    bool read = true;
    for (int i = 0; read && i < SETTING_COUNT; i++)
        if (settings[i].kind == SECRET && *file_of(config, &settings[i]) != NULL)
            read = set_from_file(fresh, &settings[i], *file_of(config, &settings[i]), error);
    if (!read)
        settings_free(fresh);
    return read;
}

void settings_exchange_secrets(struct settings *config, struct settings *fresh)
{
    for (int i = 0; i < SETTING_COUNT; i++) {
        if (settings[i].kind != SECRET || *file_of(config, &settings[i]) == NULL)
            continue;
        char **old = member_of(config, &settings[i]);
        char **new = member_of(fresh, &settings[i]);
        char *secret = *old;
        *old = *new;
        *new = secret;
    }
}

void settings_free(struct settings *config)
{
    for (size_t i = 0; i < sizeof config->secret_files / sizeof config->secret_files[0]; i++) {
        free(config->secret_files[i]);
        config->secret_files[i] = NULL;
    }
    for (int i = 0; i < SETTING_COUNT; i++) {
        if (!is_text(&settings[i]) && !is_secret(&settings[i]))
            continue;
        char **member = member_of(config, &settings[i]);
        free_text(&settings[i], *member);
        *member = NULL;
    }
    free(config->listen_host);
    free(config->listen_port);
    free(config->metrics_listen_host);
    free(config->metrics_listen_port);
    config->listen_host = config->listen_port = config->metrics_listen_host = config->metrics_listen_port = NULL;
}

void settings_print_help(FILE *out)
{
    fprintf(
        out,
        "drain_exporter " VERSION ": takes log drains of Heroku and Cloud Foundry, serves Prometheus metrics.\n\n"
        "  drain_exporter                  serve POST /drain for logs, GET /metrics for Prometheus, GET / for people\n"
        "  drain_exporter --check-config   check and print the settings, then exit\n"
        "  drain_exporter --health-check   ask the server at LISTEN_ADDRESS; exit status 0 if it is well\n"
        "  drain_exporter --help | --version\n\n"
        "Commands, each with a --help of its own:\n\n"
        "  drain_exporter init             print a configuration to start with, made from a log\n"
        "  drain_exporter explain          print what each line of a log yields, or why it yields nothing\n"
        "  drain_exporter convert          print the page that a log makes, without a server\n"
        "  drain_exporter replay           send a log to a drain as Logplex does\n"
        "  drain_exporter hash-password    print a hash of a password, for password_hash in the configuration\n\n"
        "Settings: an environment variable, or a flag, which wins. A secret can be in a file: <VARIABLE>_FILE. Only "
        "the two passwords are required.\n\n");
    for (int i = 0; i < SETTING_COUNT; i++) {
        char flag[64];
        spell_flag(settings[i].variable, flag);
        fprintf(out, "  %s, --%s=...\n        %s", settings[i].variable, flag, settings[i].meaning);
        if (settings[i].default_value != NULL)
            fprintf(out, " [%s]", settings[i].default_value);
        fprintf(out, "\n");
    }
}

const char *settings_origin_name(enum settings_origin origin)
{
    static const char *const names[] = {
        [SETTINGS_BY_DEFAULT] = "default", [SETTINGS_COMPUTED] = "computed",  [SETTINGS_VARIABLE] = "variable",
        [SETTINGS_FLAG] = "flag",          [SETTINGS_VARIABLE_FILE] = "file", [SETTINGS_FLAG_FILE] = "file",
    };
    return names[origin];
}

bool settings_look(const struct settings *config, size_t number, struct settings_view *view)
{
    if (number >= SETTING_COUNT)
        return false;
    const struct setting *setting = &settings[number];
    const void *member = (const char *)config + setting->offset;
    *view = (struct settings_view){.name = setting->variable,
                                   .origin = (enum settings_origin)config->origins[number],
                                   .is_secret = is_secret(setting)};
    switch (setting->kind) {
    case TEXT:
    case ADDRESSES:
    case LABELS:
        view->value = *(char *const *)member;
        break;
    case DOCUMENT:
    case SECRET:
        view->value = *(char *const *)member == NULL ? NULL : "set";
        break;
    case SWITCH:
        view->value = switch_names[*(const bool *)member];
        break;
    case CF:
        view->value = cf_labels_name(*(const enum cf_labels *)member);
        break;
    case ACCESS:
        view->value = access_names[*(const enum access_log *)member];
        break;
    case LEVEL:
        view->value = level_names[*(const enum log_level *)member];
        break;
    case DURATION:
    case SIZE:
    case NUMBER:
        spell_quantity(setting->kind, *(const uint64_t *)member, view->text);
        view->value = view->text;
        break;
    }
    return true;
}

void settings_print(const struct settings *config, FILE *out)
{
    struct settings_view view;
    for (size_t i = 0; settings_look(config, i, &view); i++) {
        const char *text = view.value == NULL ? "not set" : view.value;
        size_t length = strlen(text);
        if (text == config->ingest_prefix && length > 0)
            length--; /* the final space, which is not the user's */
        fprintf(out, view.is_secret || view.value == NULL ? "%s=(%.*s)\n" : "%s=%.*s\n", view.name, (int)length, text);
    }
}
