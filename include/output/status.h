/* The status document: what an operator asks at three in the morning, as plain values.  The HTML page (status_html.h)
 * and the JSON (status_json.h) are both written from it, and from nothing else, so they cannot disagree.
 *
 * Example of a problem: "my-app: no batch for 14 min".
 *
 * MEMORY   All texts and arrays live in the document's own memory (status_allocate()) or longer than it.
 * UNKNOWN  A number that is not known is NAN, a text NULL.
 * TEXTS    Names come from logs, and may hold any byte but NUL: who writes them escapes them.
 * Pure: no I/O.  One thread at a time. */
#ifndef STATUS_H
#define STATUS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

enum {
    STATUS_APPS_MAX = 100,    /* that are shown: the worst ones */
    STATUS_PROBLEMS_MAX = 50, /* likewise */
    STATUS_MINUTES = 60,      /* of a history */
};

/* The severities of docker/prometheus/alerts.yml. */
enum status_level {
    STATUS_WELL,
    STATUS_TICKET, /* waits for the working day */
    STATUS_PAGE,   /* users are harmed, or nobody would see it if they were */
};

/* What can be wrong; constant, name in JSON.  Those with an alert in docker/prometheus/alerts.yml are called as it is.
 */
#define STATUS_PROBLEMS(X)                                   \
    X(STATUS_APP_SILENT, "AppSilent")                        \
    X(STATUS_APP_QUIET, "AppQuiet")                          \
    X(STATUS_APP_NEVER_SEEN, "AppNeverSeen")                 \
    X(STATUS_MESSAGES_LOST, "MessagesLost")                  \
    X(STATUS_LINES_LATE, "LinesLate")                        \
    X(STATUS_MESSAGES_MALFORMED, "MessagesMalformed")        \
    X(STATUS_MESSAGES_FOREIGN, "MessagesForeign")            \
    X(STATUS_MESSAGES_REFUSED, "MessagesRefused")            \
    X(STATUS_SERIES_REFUSED, "SeriesRefused")                \
    X(STATUS_SERIES_BOUND, "SeriesBoundReached")             \
    X(STATUS_RULE_OFF, "RuleSwitchedOff")                    \
    X(STATUS_LOGINS_FAIL, "LoginsFail")                      \
    X(STATUS_PREVIOUS_PASSWORD, "PreviousPasswordStillUsed") \
    X(STATUS_CERTIFICATE_EXPIRES, "CertificateExpires")      \
    X(STATUS_RELOAD_FAILED, "ReloadFailed")                  \
    X(STATUS_CANARY_MISSING, "CanaryMissing")                \
    X(STATUS_CANARY_SLOW, "CanarySlow")                      \
    X(STATUS_CANARY_ELSEWHERE, "CanaryElsewhere")            \
    X(STATUS_STOPPING, "Stopping")

enum status_problem_kind {
#define X(id, name) id,
    STATUS_PROBLEMS(X)
#undef X
        STATUS_PROBLEM_KINDS
};

struct status_problem {
    enum status_level level;
    enum status_problem_kind kind;
    const char *app;    /* NULL: it is not about one app */
    double number;      /* what the kind's sentence is about: seconds, messages, series, a ratio */
    const char *detail; /* a reason, a rule, a user; NULL: none */
    bool in_hour;       /* number is of the last hour, not since the start */
};

/* "AppSilent" */
const char *status_problem_name(enum status_problem_kind kind);

/* Append its sentence, without the app: "no batch for 14 min". */
void status_problem_text(const struct status_problem *problem, struct buffer *out);

/* "well", "ticket", "page" */
const char *status_level_name(enum status_level level);

/* Something by what it is: messages by family, by reason. */
struct status_count {
    const char *name;
    double count;
};
struct status_counts {
    struct status_count *list; /* the largest first; none is 0 */
    size_t count;
    double total;
};

/* Of each of the last minutes, the oldest first; NAN: nothing is known of it. */
struct status_minutes {
    double values[STATUS_MINUTES];
    bool known; /* of any of them */
};

/* A kind of line that gave no metric. */
struct status_shape {
    double lines;
    const char *shape;
    const char *example; /* cut, and without what may be a secret */
    const char *rule;    /* of a configuration, to start from */
};

struct status_app {
    const char *name;
    enum status_level level;
    bool configured;   /* an entry of drains has it */
    double last_batch; /* seconds since 1970; 0: never */
    double messages_per_second;
    double lag; /* seconds from a line's time to its arrival, on average */
    double received, recognised, ignored, duplicate, foreign, mixed; /* messages since the start */
    struct status_counts malformed, lost, refused;                   /* by reason, or code of the log system */
    struct status_counts rejected;                                   /* samples, by reason */
    double series_refused;                                           /* samples whose series would be over a bound */
    struct status_counts families;                                   /* messages that each took */
    double series, series_limit;                                     /* limit 0: none */
    /* Of the last hour: messages that came, that were lost, and messages or samples that were of no use. */
    double messages_hour, lost_hour, unusable_hour;
    size_t process_count; /* that live */
    const char **processes;
    size_t processes_shown;
    struct status_minutes messages, errors, lags;
    struct status_shape *shapes;
    size_t shape_count;
};

struct status_rule {
    const char *name;
    bool off;
    double lines, errors, unread;
};

struct status_credential {
    const char *role; /* "drain", "metrics" */
    const char *name;
    const char *slot; /* "current", "previous" */
    bool is_previous;
    double last_used; /* seconds since 1970; 0: not since the start */
};

struct status_login {
    const char *role;
    const char *user; /* "__other__" and the like: none that is configured */
    double failures;  /* since the start */
    double last;      /* seconds since 1970 */
};

struct status_setting {
    const char *name;
    const char *value;
    const char *origin; /* "default", "variable", "flag" ... */
    bool secret;        /* value is "set" or "not set" */
};

struct status_load {
    double time;          /* seconds since 1970; 0: there was none */
    const char *source;   /* "CONFIG", the file's name; NULL: there is no document */
    const char *digest;   /* of the document: SHA-256 in hexadecimal */
    bool digest_is_keyed; /* under a key of this process, so that nobody can guess passwords by it */
    const char *messages; /* of a load that failed: a line each */
};

/* The line that the exporter posts to its own drain (CANARY_URL). */
struct status_canary {
    bool is_set;
    double last_success; /* seconds since 1970; 0: none has come back since the start */
    double latency;      /* seconds, of that one */
    bool is_elsewhere;   /* the last one was taken by another exporter */
    const char *error;   /* why the last one failed; NULL: it did not */
};

struct status {
    void *memory; /* status_allocate()'s */
    bool failed;  /* memory was short: the document is not complete */

    const char *version;
    double now, started; /* seconds since 1970 */
    bool sees_all;       /* who asks may see everything; if not, only some apps, and none of what follows them */
    const char *only;    /* the one app that was asked for; NULL: any */
    bool stopping;

    /* Is it working? */
    enum status_level level;
    struct status_problem problems[STATUS_PROBLEMS_MAX]; /* the worst first */
    size_t problem_count, problems_shown;
    struct status_app *apps; /* the worst first, then the busiest */
    size_t app_count, apps_shown;
    double received, messages_per_second; /* of all apps that who asks may see */
    double series, series_limit;
    struct status_counts refused_clients; /* by reason */
    double connections;
    struct status_canary canary;

    /* What does it see? */
    struct status_rule *rules;
    size_t rule_count, rules_shown;
    bool has_shapes; /* if not, a setting turned them off */

    /* Who speaks? */
    struct status_credential *credentials;
    size_t credential_count, credentials_shown;
    struct status_login *logins;
    size_t login_count, logins_shown;
    bool has_tls;
    double certificate_expiry; /* seconds since 1970; of the next certificate that expires */

    /* What is set? */
    const struct status_setting *settings;
    size_t setting_count;
    struct status_load load, failed_load;
};

/* Memory for the document, zeroed; NULL, and failed set, if it is short. */
void *status_allocate(struct status *status, size_t size);
const char *status_keep(struct status *status, struct slice text); /* a copy with a NUL at its end */

/* Free what the document holds. */
void status_free(struct status *status);

/* Add a count, if it is not 0; the list must have a place for it. */
void status_count_add(struct status_counts *counts, const char *name, double count);
void status_counts_sort(struct status_counts *counts);

/* What is wrong with an app: up to capacity problems, the worst first; returns how many there are.  They point into
 * app.  now, started: as in the document. */
size_t status_judge_app(const struct status_app *app, double now, double started, struct status_problem *problems,
                        size_t capacity);

/* Put a problem among those of the document, if it is one of the worst. */
void status_add_problem(struct status *status, const struct status_problem *problem);

/* Find what is wrong beside the apps, and the document's level.  After the rest was filled in. */
void status_judge(struct status *status);

/* Which sections somebody wants. */
enum status_section {
    STATUS_WORKING,
    STATUS_SEES,
    STATUS_RATES,
    STATUS_SPEAKERS,
    STATUS_SETTINGS,
    STATUS_SECTIONS,
};
const char *status_section_name(enum status_section section); /* "working" */
bool status_section_of(struct slice name, enum status_section *section);

/* Is the section for who sees all alone? */
bool status_section_is_private(enum status_section section);

/* ---- texts ---- */

/* "14 min", "3 s", "2 h 5 min", "3 d 4 h" */
enum { STATUS_TEXT_MAX = 48 };
void status_duration(double seconds, char out[STATUS_TEXT_MAX]);

/* "1,234,567"; "-" if it is not known */
void status_number(double number, char out[STATUS_TEXT_MAX]);

/* "12.3", "0.04": three digits; "-" if it is not known */
void status_rate(double rate, char out[STATUS_TEXT_MAX]);

/* "2026-02-03T04:05:06Z" (RFC 3339) */
void status_time(double seconds, char out[STATUS_TEXT_MAX]);

#endif
