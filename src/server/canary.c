#include "server/canary.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/version.h"
#include "server/outgoing.h"
#include "store/self_metrics.h"

enum { FIRST_PART = 6 /* of the interval passes before the first line: a balancer has to find us */ };

#define X(id, label) label,
static const char *const failure_labels[CANARY_FAILURE_COUNT] = {CANARY_FAILURES(X)};
#undef X

static const struct metric sent = SELF_COUNTER("canary_sent_total", "Canary lines that were sent to CANARY_URL.");
static const struct metric failures = SELF_COUNTERS(
    "canary_failures_total", "Canary lines that were not answered 204, by reason.", "reason", failure_labels);
static const struct metric elsewhere =
    SELF_COUNTER("canary_elsewhere_total",
                 "Canary lines that were answered 204 but not read here: another exporter has taken them.");
static const struct metric others =
    SELF_COUNTER("canary_others_total", "Canary lines that were read here and that this process was not waiting for.");
static const struct metric last_success = {.name = "drain_exporter_canary_last_success_timestamp_seconds",
                                           .help = "When a canary line last came back, 0 if none has.",
                                           .type = METRIC_GAUGE,
                                           .self = true};
static const struct metric latency = {
    .name = "drain_exporter_canary_latency_seconds",
    .help = "How long the last canary line that came back was on its way until it was read.",
    .type = METRIC_GAUGE,
    .self = true};

enum { DRAIN_TOKEN_MAX = 40, HEADERS_MAX = 512, BODY_MAX = 512 };

struct canary {
    struct canary_settings settings; /* but its URL */
    struct outgoing *outgoing;
    pthread_t thread;
    bool started;
    char drain_token[DRAIN_TOKEN_MAX]; /* of the thread; empty: draw one */
    bool was_elsewhere;                /* that was said */
    pthread_mutex_t mutex;             /* guards what follows */
    pthread_cond_t changed;
    bool stopping;
    struct http_url url; /* secret */
    struct canary_view view;
    uint64_t counts[CANARY_FAILURE_COUNT], sent, elsewhere; /* that are not in the store yet */
};

/* ---- one line ---- */

/* A random UUID (RFC 9562), with something before it. */
static bool draw_uuid(const char *before, char *out, size_t capacity)
{
    uint64_t words[2];
    if (!digest_random(words, sizeof words))
        return false;
    snprintf(out, capacity, "%s%08x-%04x-4%03x-%04x-%012" PRIx64, before, (unsigned)(words[0] >> 32),
             (unsigned)(words[0] >> 16 & 0xffff), (unsigned)(words[0] & 0xfff),
             (unsigned)(words[1] >> 48 & 0x3fff) | 0x8000, words[1] & UINT64_C(0xffffffffffff));
    return true;
}

/* As Logplex writes it: its length, and a line of syslog. */
static void write_body(const char *message, char body[BODY_MAX])
{
    char line[BODY_MAX - 8], date[32];
    int64_t now = clock_wall();
    time_t seconds = (time_t)(now / 1000000);
    struct tm parts;
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &parts));
    int length = snprintf(line, sizeof line, "<190>1 %s.%06u+00:00 host " CANARY_APPNAME " " CANARY_PROCID " - %s\n",
                          date, (unsigned)(now % 1000000), message);
    snprintf(body, BODY_MAX, "%d %s", length, line);
}

static bool write_headers(struct canary *canary, char headers[HEADERS_MAX])
{
    char frame_id[DRAIN_TOKEN_MAX];
    if (canary->drain_token[0] == '\0' && !draw_uuid("d.", canary->drain_token, DRAIN_TOKEN_MAX))
        return false;
    if (!draw_uuid("", frame_id, sizeof frame_id))
        return false;
    snprintf(headers, HEADERS_MAX,
             "Content-Type: application/logplex-1\r\nLogplex-Msg-Count: 1\r\nLogplex-Frame-Id: %s\r\n"
             "Logplex-Drain-Token: %s\r\nUser-Agent: drain_exporter/" VERSION "\r\n",
             frame_id, canary->drain_token);
    return true;
}

/* What became of a line. */
struct outcome {
    struct outgoing_response response;
    double latency; /* seconds until it was read; 0: it was not */
};

/* False if the system has no random bytes. */
static bool send_line(struct canary *canary, struct outcome *outcome)
{
    char message[CANARY_LINE_MAX], body[BODY_MAX], headers[HEADERS_MAX];
    struct canary_token *token = canary->settings.token;
    uint64_t interval = canary->settings.interval;
    if (!write_headers(canary, headers) || !canary_token_send(token, message))
        return false;
    write_body(message, body);
    pthread_mutex_lock(&canary->mutex);
    struct http_url url = canary->url;
    pthread_mutex_unlock(&canary->mutex);
    struct outgoing_request request = {.url = &url,
                                       .method = "POST",
                                       .headers = slice_of(headers),
                                       .body = slice_of(body),
                                       .timeout = interval < CANARY_TIMEOUT ? interval : CANARY_TIMEOUT};
    uint64_t start = clock_monotonic_micros();
    outgoing_ask(canary->outgoing, &request, &outcome->response);
    uint64_t arrived = canary_token_end(token);
    outcome->latency = arrived > start ? (double)(arrived - start) / 1e6 : 0;
    explicit_bzero(&url, sizeof url);
    return true;
}

/* ---- what became of it ---- */

static enum canary_failure failure_of(enum outgoing_result result)
{
    switch (result) {
    case OUTGOING_NOT_FOUND:
        return CANARY_FAILED_DNS;
    case OUTGOING_NOT_CONNECTED:
        return CANARY_FAILED_CONNECT;
    case OUTGOING_NO_TLS:
        return CANARY_FAILED_TLS;
    case OUTGOING_TIMEOUT:
        return CANARY_FAILED_TIMEOUT;
    case OUTGOING_ANSWERED:
        return CANARY_FAILED_STATUS;
    case OUTGOING_BROKEN:
    case OUTGOING_STOPPED:
        break;
    }
    return CANARY_FAILED_RESPONSE;
}

/* Once for each time that it begins to fail, and when that is over. */
static void say(const struct canary *canary, const char *error, bool has_failed)
{
    if (error[0] != '\0' && !has_failed)
        log_write(LOG_WARN, "canary: the line to CANARY_URL does not come back: %s", error);
    else if (error[0] == '\0' && has_failed)
        log_write(LOG_INFO, "canary: the line to CANARY_URL comes back again");
    else if (canary->view.is_elsewhere && !canary->was_elsewhere)
        log_write(LOG_INFO, "canary: the line to CANARY_URL was taken by another exporter behind the same address");
}

static void note(struct canary *canary, const struct outcome *outcome)
{
    const struct outgoing_response *response = &outcome->response;
    struct canary_view *view = &canary->view;
    bool taken = response->result == OUTGOING_ANSWERED && response->status == 204;
    bool had_failed = view->error[0] != '\0';
    char error[ERROR_MAX] = "";
    if (response->result == OUTGOING_ANSWERED && !taken)
        error_set(error, "the server answered %d", response->status);
    else if (!taken)
        error_set(error, "%s", response->error);
    pthread_mutex_lock(&canary->mutex);
    canary->sent++;
    memcpy(view->error, error, sizeof error);
    view->is_elsewhere = taken && outcome->latency == 0;
    if (!taken)
        canary->counts[failure_of(response->result)]++;
    else if (view->is_elsewhere)
        canary->elsewhere++;
    else {
        view->last_success = (double)clock_wall() / 1e6;
        view->latency = outcome->latency;
    }
    pthread_mutex_unlock(&canary->mutex);
    say(canary, error, had_failed);
    canary->was_elsewhere |= view->is_elsewhere;
    if (!taken || view->is_elsewhere)
        canary->drain_token[0] = '\0';
}

/* ---- the thread ---- */

/* Wait until then.  False: it is to end. */
static bool await(struct canary *canary, uint64_t until)
{
    struct timespec deadline = {(time_t)(until / 1000), (long)(until % 1000) * 1000000};
    int waited = 0;
    pthread_mutex_lock(&canary->mutex);
    while (!canary->stopping && waited != ETIMEDOUT)
        waited = pthread_cond_timedwait(&canary->changed, &canary->mutex, &deadline);
    bool stopping = canary->stopping;
    pthread_mutex_unlock(&canary->mutex);
    return !stopping;
}

static void *run(void *argument)
{
    struct canary *canary = argument;
    uint64_t interval = canary->settings.interval, next = clock_monotonic() + interval / FIRST_PART;
    while (await(canary, next)) {
        struct outcome outcome;
        next = clock_monotonic() + interval;
        if (send_line(canary, &outcome) && outcome.response.result != OUTGOING_STOPPED)
            note(canary, &outcome);
    }
    return NULL;
}

/* ---- all of it ---- */

bool canary_set_url(struct canary *canary, const char *text, char error[ERROR_MAX])
{
    struct http_url url;
    char reason[ERROR_MAX];
    if (!http_url_read(text, &url, reason))
        return error_set(error, "CANARY_URL: %.200s", reason);
    pthread_mutex_lock(&canary->mutex);
    canary->url = url;
    pthread_mutex_unlock(&canary->mutex);
    explicit_bzero(&url, sizeof url);
    return true;
}

struct canary *canary_start(const struct canary_settings *settings, char error[ERROR_MAX])
{
    struct canary *canary = calloc(1, sizeof *canary);
    if (canary == NULL) {
        error_set(error, ERROR_NO_MEMORY);
        return NULL;
    }
    canary->settings = *settings;
    canary->view.is_set = true;
    pthread_mutex_init(&canary->mutex, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&canary->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (canary_set_url(canary, settings->url, error) &&
        (canary->outgoing = outgoing_create(settings->ca_file, false, error)) != NULL) {
        canary->started = pthread_create(&canary->thread, NULL, run, canary) == 0;
        if (canary->started)
            return canary;
        error_set(error, "CANARY_URL: a thread cannot be started");
    }
    canary_free(canary);
    return NULL;
}

void canary_stop(struct canary *canary)
{
    if (canary == NULL || !canary->started)
        return;
    pthread_mutex_lock(&canary->mutex);
    canary->stopping = true;
    pthread_cond_signal(&canary->changed);
    pthread_mutex_unlock(&canary->mutex);
    outgoing_cancel(canary->outgoing);
    pthread_join(canary->thread, NULL);
    canary->started = false;
}

void canary_free(struct canary *canary)
{
    if (canary == NULL)
        return;
    outgoing_free(canary->outgoing);
    pthread_cond_destroy(&canary->changed);
    pthread_mutex_destroy(&canary->mutex);
    explicit_bzero(&canary->url, sizeof canary->url);
    free(canary);
}

static void count(const struct self_terms *terms, const struct metric *metric, unsigned cell, uint64_t *amount)
{
    self_count(terms, metric, NULL, 0, cell, (double)*amount);
    *amount = 0;
}

void canary_describe(struct canary *canary, struct store *store, unsigned slot, uint64_t now)
{
    if (canary == NULL)
        return;
    struct self_terms terms = {.store = store, .slot = slot, .now = now, .entity = ENTITY_NONE};
    uint64_t of_others = atomic_exchange_explicit(&canary->settings.token->others, 0, memory_order_relaxed);
    count(&terms, &others, 0, &of_others);
    pthread_mutex_lock(&canary->mutex);
    for (unsigned i = 0; i < CANARY_FAILURE_COUNT; i++)
        count(&terms, &failures, i, &canary->counts[i]);
    count(&terms, &sent, 0, &canary->sent);
    count(&terms, &elsewhere, 0, &canary->elsewhere);
    self_set(&terms, &last_success, NULL, 0, canary->view.last_success);
    if (canary->view.last_success != 0)
        self_set(&terms, &latency, NULL, 0, canary->view.latency);
    pthread_mutex_unlock(&canary->mutex);
}

void canary_look(struct canary *canary, struct canary_view *view)
{
    *view = (struct canary_view){0};
    if (canary == NULL)
        return;
    pthread_mutex_lock(&canary->mutex);
    *view = canary->view;
    pthread_mutex_unlock(&canary->mutex);
}
