#include "output/status.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/metric.h"

/* As in docker/prometheus/alerts.yml, which says the reasons; seconds and ratios. */
static const double silent_ticket = 300, silent_page = 900, quiet = 6 * 3600, never_seen = 600, late = 60;
static const double busy_messages = 60; /* in an hour */
static const double lost_page = 0.05, malformed_ticket = 0.01;
static const double bound_ticket = 0.9, bound_page = 0.98;
static const double logins_fail = 300, previous_used = 3600;
static const double canary_missing = 600, canary_slow = 2, canary_elsewhere = 7200;
static const double certificate_ticket = 14 * 86400, certificate_page = 3 * 86400;

/* ---- memory ---- */

/* What was allocated, newest first. */
struct block {
    struct block *next;
    size_t used, size;
    _Alignas(16) char memory[];
};

enum { BLOCK_SIZE = 64 * 1024 };

void *status_allocate(struct status *status, size_t size)
{
    size = (size + 15) & ~(size_t)15;
    struct block *block = status->memory;
    if (block == NULL || block->size - block->used < size) {
        size_t capacity = size > BLOCK_SIZE ? size : BLOCK_SIZE;
        block = calloc(1, sizeof *block + capacity);
        if (block == NULL) {
            status->failed = true;
            return NULL;
        }
        block->size = capacity;
        block->next = status->memory;
        status->memory = block;
    }
    block->used += size;
    return block->memory + block->used - size;
}

const char *status_keep(struct status *status, struct slice text)
{
    char *copy = status_allocate(status, text.length + 1);
    if (copy == NULL)
        return "";
    if (text.length > 0)
        memcpy(copy, text.at, text.length);
    return copy;
}

void status_free(struct status *status)
{
    while (status->memory != NULL) {
        struct block *block = status->memory;
        status->memory = block->next;
        free(block);
    }
}

/* ---- counts ---- */

void status_count_add(struct status_counts *counts, const char *name, double count)
{
    if (count == 0)
        return;
    counts->list[counts->count++] = (struct status_count){name, count};
    counts->total += count;
}

static int compare_counts(const void *a, const void *b)
{
    const struct status_count *x = a, *y = b;
    return x->count != y->count ? (x->count < y->count ? 1 : -1) : strcmp(x->name, y->name);
}

void status_counts_sort(struct status_counts *counts)
{
    if (counts->count > 1)
        qsort(counts->list, counts->count, sizeof *counts->list, compare_counts);
}

static const char *first_name(const struct status_counts *counts)
{
    return counts->count > 0 ? counts->list[0].name : NULL;
}

/* ---- what is wrong ---- */

/* What is said about an app, as it is found. */
struct findings {
    const struct status_app *app;
    struct status_problem *list;
    size_t count, capacity;
};

static void find(struct findings *findings, struct status_problem problem)
{
    problem.app = findings->app->name;
    if (findings->count++ < findings->capacity)
        findings->list[findings->count - 1] = problem;
}

/* What was counted in the last hour or, if that is not known, since the start. */
static double lately(double hour, double total, bool *in_hour)
{
    *in_hour = !isnan(hour);
    return *in_hour ? hour : total;
}

/* Has it sent a message a minute, so that silence means something? */
static bool is_busy(const struct status_app *app, double started)
{
    return app->received >= busy_messages && app->received >= (app->last_batch - started) * busy_messages / 3600;
}

static void judge_silence(struct findings *findings, double now, double started)
{
    const struct status_app *app = findings->app;
    if (app->last_batch == 0) {
        if (app->configured && now - started > never_seen)
            find(findings, (struct status_problem){
                               .level = STATUS_TICKET, .kind = STATUS_APP_NEVER_SEEN, .number = now - started});
        return;
    }
    double silence = now - app->last_batch;
    if (is_busy(app, started) && silence > silent_ticket)
        find(findings, (struct status_problem){.level = silence > silent_page ? STATUS_PAGE : STATUS_TICKET,
                                               .kind = STATUS_APP_SILENT,
                                               .number = silence});
    else if (silence > quiet)
        find(findings, (struct status_problem){.level = STATUS_TICKET, .kind = STATUS_APP_QUIET, .number = silence});
}

static void judge_losses(struct findings *findings)
{
    const struct status_app *app = findings->app;
    bool in_hour;
    double lost = lately(app->lost_hour, app->lost.total, &in_hour);
    double messages = in_hour ? app->messages_hour : app->received;
    if (lost > 0)
        find(findings,
             (struct status_problem){.level = lost / (lost + messages) > lost_page ? STATUS_PAGE : STATUS_TICKET,
                                     .kind = STATUS_MESSAGES_LOST,
                                     .number = lost,
                                     .detail = first_name(&app->lost),
                                     .in_hour = in_hour});
}

/* What came in vain, by what it was, since the start; but not if all was well in the last hour. */
static void judge_unusable(struct findings *findings)
{
    const struct status_app *app = findings->app;
    const struct {
        enum status_problem_kind kind;
        double count, tolerated; /* of the messages */
        const char *detail;
    } counts[] = {
        {STATUS_MESSAGES_MALFORMED, app->malformed.total, malformed_ticket, first_name(&app->malformed)},
        {STATUS_MESSAGES_FOREIGN, app->foreign, 0, NULL},
        {STATUS_SERIES_REFUSED, app->series_refused, 0, NULL},
    };
    if (app->unusable_hour == 0)
        return;
    for (size_t i = 0; i < COUNT(counts); i++)
        if (counts[i].count > counts[i].tolerated * app->received)
            find(findings, (struct status_problem){.level = STATUS_TICKET,
                                                   .kind = counts[i].kind,
                                                   .number = counts[i].count,
                                                   .detail = counts[i].detail});
    if (app->refused.total > 0)
        find(findings, (struct status_problem){.level = STATUS_TICKET,
                                               .kind = STATUS_MESSAGES_REFUSED,
                                               .number = app->refused.total,
                                               .detail = first_name(&app->refused)});
}

static int compare_problems(const void *a, const void *b)
{
    const struct status_problem *x = a, *y = b;
    return x->level != y->level ? (int)y->level - (int)x->level : (int)x->kind - (int)y->kind;
}

size_t status_judge_app(const struct status_app *app, double now, double started, struct status_problem *problems,
                        size_t capacity)
{
    struct findings findings = {.app = app, .list = problems, .capacity = capacity};
    judge_silence(&findings, now, started);
    judge_losses(&findings);
    if (app->lag > late)
        find(&findings, (struct status_problem){.level = STATUS_TICKET, .kind = STATUS_LINES_LATE, .number = app->lag});
    judge_unusable(&findings);
    if (app->series_limit > 0 && app->series >= bound_ticket * app->series_limit)
        find(&findings, (struct status_problem){.level = STATUS_TICKET,
                                                .kind = STATUS_SERIES_BOUND,
                                                .number = app->series / app->series_limit});
    qsort(problems, findings.count < capacity ? findings.count : capacity, sizeof *problems, compare_problems);
    return findings.count;
}

void status_add_problem(struct status *status, const struct status_problem *problem)
{
    status->problem_count++;
    if (problem->level > status->level)
        status->level = problem->level;
    size_t at = status->problems_shown;
    while (at > 0 && status->problems[at - 1].level < problem->level)
        at--;
    if (at == STATUS_PROBLEMS_MAX)
        return;
    if (status->problems_shown < STATUS_PROBLEMS_MAX)
        status->problems_shown++;
    memmove(&status->problems[at + 1], &status->problems[at],
            (status->problems_shown - 1 - at) * sizeof *status->problems);
    status->problems[at] = *problem;
}

static void judge_bound(struct status *status)
{
    double ratio = status->series / status->series_limit;
    if (status->series_limit > 0 && ratio >= bound_ticket)
        status_add_problem(status, &(struct status_problem){.level = ratio >= bound_page ? STATUS_PAGE : STATUS_TICKET,
                                                            .kind = STATUS_SERIES_BOUND,
                                                            .number = ratio});
}

static void judge_certificate(struct status *status)
{
    double left = status->certificate_expiry - status->now;
    if (status->has_tls && left < certificate_ticket)
        status_add_problem(status,
                           &(struct status_problem){.level = left < certificate_page ? STATUS_PAGE : STATUS_TICKET,
                                                    .kind = STATUS_CERTIFICATE_EXPIRES,
                                                    .number = left});
}

static void judge_canary(struct status *status)
{
    const struct status_canary *canary = &status->canary;
    bool has_come = canary->last_success > 0;
    double missing = status->now - (has_come ? canary->last_success : status->started);
    if (!canary->is_set)
        return;
    if (!canary->is_elsewhere && missing > canary_missing)
        status_add_problem(status, &(struct status_problem){.level = STATUS_PAGE,
                                                            .kind = STATUS_CANARY_MISSING,
                                                            .number = missing,
                                                            .detail = canary->error});
    else if (missing > canary_elsewhere)
        status_add_problem(status, &(struct status_problem){
                                       .level = STATUS_TICKET, .kind = STATUS_CANARY_ELSEWHERE, .number = missing});
    else if (has_come && canary->latency > canary_slow)
        status_add_problem(status, &(struct status_problem){
                                       .level = STATUS_TICKET, .kind = STATUS_CANARY_SLOW, .number = canary->latency});
}

/* Users that are configured, whose password is wrong or an old one. */
static void judge_users(struct status *status)
{
    for (size_t i = 0; i < status->logins_shown; i++) {
        const struct status_login *login = &status->logins[i];
        bool is_drain = strcmp(login->role, "drain") == 0;
        if (strncmp(login->user, "__", 2) != 0 && status->now - login->last < logins_fail)
            status_add_problem(status, &(struct status_problem){.level = is_drain ? STATUS_PAGE : STATUS_TICKET,
                                                                .kind = STATUS_LOGINS_FAIL,
                                                                .number = status->now - login->last,
                                                                .detail = login->user});
    }
    for (size_t i = 0; i < status->credentials_shown; i++) {
        const struct status_credential *credential = &status->credentials[i];
        if (credential->is_previous && credential->last_used > 0 && status->now - credential->last_used < previous_used)
            status_add_problem(status, &(struct status_problem){.level = STATUS_TICKET,
                                                                .kind = STATUS_PREVIOUS_PASSWORD,
                                                                .number = status->now - credential->last_used,
                                                                .detail = credential->name});
    }
}

void status_judge(struct status *status)
{
    if (status->stopping)
        status_add_problem(status, &(struct status_problem){.level = STATUS_TICKET, .kind = STATUS_STOPPING});
    if (!status->sees_all)
        return;
    judge_bound(status);
    judge_certificate(status);
    judge_canary(status);
    judge_users(status);
    for (size_t i = 0; i < status->rules_shown; i++)
        if (status->rules[i].off)
            status_add_problem(status, &(struct status_problem){.level = STATUS_TICKET,
                                                                .kind = STATUS_RULE_OFF,
                                                                .detail = status->rules[i].name});
    if (status->failed_load.time > status->load.time)
        status_add_problem(status, &(struct status_problem){.level = STATUS_TICKET,
                                                            .kind = STATUS_RELOAD_FAILED,
                                                            .number = status->now - status->failed_load.time});
}

/* ---- names ---- */

static const char *const problem_names[] = {
#define X(id, name) [id] = name,
    STATUS_PROBLEMS(X)
#undef X
};

const char *status_problem_name(enum status_problem_kind kind)
{
    return problem_names[kind];
}

const char *status_level_name(enum status_level level)
{
    static const char *const names[] = {"well", "ticket", "page"};
    return names[level];
}

static const struct {
    const char *name;
    bool is_private;
} sections[STATUS_SECTIONS] = {
    [STATUS_WORKING] = {"working", false},  [STATUS_SEES] = {"sees", false},        [STATUS_RATES] = {"rates", false},
    [STATUS_SPEAKERS] = {"speakers", true}, [STATUS_SETTINGS] = {"settings", true},
};

const char *status_section_name(enum status_section section)
{
    return sections[section].name;
}

bool status_section_is_private(enum status_section section)
{
    return sections[section].is_private;
}

bool status_section_of(struct slice name, enum status_section *section)
{
    for (unsigned i = 0; i < STATUS_SECTIONS; i++)
        if (slice_equals(name, slice_of(sections[i].name))) {
            *section = (enum status_section)i;
            return true;
        }
    return false;
}

/* ---- sentences ---- */

/* The sentence of a kind.  %1: the number, spelled as the kind's numbers are; %2: " (detail)", or nothing; %3: "in the
 * last hour" or "since the start". */
static const struct sentence {
    enum { COUNT_OF, TIME_OF, PERCENT_OF, NOTHING_OF } number;
    const char *before; /* the number */
    const char *behind; /* it, then the detail in brackets */
    bool has_window;
} sentences[STATUS_PROBLEM_KINDS] = {
    [STATUS_APP_SILENT] = {TIME_OF, "no batch for ", ", and it was busy before", false},
    [STATUS_APP_QUIET] = {TIME_OF, "no batch for ", "", false},
    [STATUS_APP_NEVER_SEEN] = {TIME_OF, "it is in the configuration, and has posted nothing in the ",
                               " since the exporter started", false},
    [STATUS_MESSAGES_LOST] = {COUNT_OF, "", " messages lost before they reached us", true},
    [STATUS_LINES_LATE] = {TIME_OF, "its lines arrive ", " late", false},
    [STATUS_MESSAGES_MALFORMED] = {COUNT_OF, "", " messages that could not be read", true},
    [STATUS_MESSAGES_FOREIGN] = {COUNT_OF, "", " messages of a sender who may not speak for it", true},
    [STATUS_MESSAGES_REFUSED] = {COUNT_OF, "", " messages of apps that are turned away", true},
    [STATUS_SERIES_REFUSED] = {COUNT_OF, "", " samples refused, because it has too many series", true},
    [STATUS_SERIES_BOUND] = {PERCENT_OF, "", " of the series that there may be are used", false},
    [STATUS_RULE_OFF] = {NOTHING_OF, "a rule is switched off, because its expression takes too long", "", false},
    [STATUS_LOGINS_FAIL] = {TIME_OF, "a log-in with a wrong password failed ", " ago", false},
    [STATUS_PREVIOUS_PASSWORD] = {TIME_OF, "the previous password was used ", " ago", false},
    [STATUS_CERTIFICATE_EXPIRES] = {TIME_OF, "the TLS certificate expires in ", "", false},
    [STATUS_RELOAD_FAILED] = {TIME_OF, "the configuration could not be read ",
                              " ago, and the one before it is still in force", false},
    [STATUS_CANARY_MISSING] = {TIME_OF, "canary: none has come back for ", "", false},
    [STATUS_CANARY_SLOW] = {TIME_OF, "canary: the last one that came back took ", "", false},
    [STATUS_CANARY_ELSEWHERE] = {TIME_OF, "canary: for ", " each was taken by another exporter", false},
    [STATUS_STOPPING] = {NOTHING_OF, "it is stopping", "", false},
};

static void append(struct buffer *out, const char *text)
{
    buffer_append(out, slice_of(text));
}

static void append_number(const struct sentence *sentence, double number, struct buffer *out)
{
    char text[STATUS_TEXT_MAX] = "";
    if (sentence->number == TIME_OF)
        status_duration(number, text);
    else if (sentence->number == COUNT_OF)
        status_number(number, text);
    else if (sentence->number == PERCENT_OF)
        snprintf(text, sizeof text, "%.0f %%", number * 100);
    append(out, text);
}

void status_problem_text(const struct status_problem *problem, struct buffer *out)
{
    const struct sentence *sentence = &sentences[problem->kind];
    if (problem->kind == STATUS_CERTIFICATE_EXPIRES && problem->number <= 0) {
        append(out, "the TLS certificate has expired");
        return;
    }
    append(out, sentence->before);
    append_number(sentence, problem->number, out);
    append(out, sentence->behind);
    if (problem->detail != NULL) {
        append(out, " (");
        append(out, problem->detail);
        append(out, ")");
    }
    if (sentence->has_window)
        append(out, problem->in_hour ? " in the last hour" : " since the start");
}

/* ---- texts ---- */

void status_duration(double seconds, char out[STATUS_TEXT_MAX])
{
    static const struct {
        double size;
        const char *name;
    } units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
    if (isnan(seconds)) {
        snprintf(out, STATUS_TEXT_MAX, "-");
        return;
    }
    seconds = seconds < 0 ? 0 : floor(seconds);
    size_t unit = 0;
    while (unit < COUNT(units) - 1 && seconds < units[unit].size)
        unit++;
    double count = floor(seconds / units[unit].size);
    double rest = unit < 2 ? floor((seconds - count * units[unit].size) / units[unit + 1].size) : 0;
    if (rest > 0)
        snprintf(out, STATUS_TEXT_MAX, "%.0f %s %.0f %s", count, units[unit].name, rest, units[unit + 1].name);
    else
        snprintf(out, STATUS_TEXT_MAX, "%.0f %s", count, units[unit].name);
}

void status_number(double number, char out[STATUS_TEXT_MAX])
{
    char digits[STATUS_TEXT_MAX];
    if (!(fabs(number) < 1e15)) {
        snprintf(out, STATUS_TEXT_MAX, isfinite(number) ? "%.3g" : "-", number);
        return;
    }
    size_t length = (size_t)snprintf(digits, sizeof digits, "%.0f", fabs(number));
    char *at = out;
    if (number < 0)
        *at++ = '-';
    for (size_t i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            *at++ = ',';
        *at++ = digits[i];
    }
    *at = '\0';
}

void status_rate(double rate, char out[STATUS_TEXT_MAX])
{
    if (!isfinite(rate))
        snprintf(out, STATUS_TEXT_MAX, "-");
    else if (fabs(rate) >= 100 || rate == 0)
        status_number(rate, out);
    else
        snprintf(out, STATUS_TEXT_MAX, fabs(rate) >= 10 ? "%.1f" : "%.2f", rate);
}

void status_time(double seconds, char out[STATUS_TEXT_MAX])
{
    time_t time = (time_t)seconds;
    struct tm parts;
    if (!(fabs(seconds) < 1e12) || gmtime_r(&time, &parts) == NULL ||
        strftime(out, STATUS_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
        snprintf(out, STATUS_TEXT_MAX, "-");
}
