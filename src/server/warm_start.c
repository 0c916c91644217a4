#include "server/warm_start.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "server/outgoing.h"
#include "store/self_metrics.h"

#define SIZE_MOST (UINT64_C(16) << 30) /* bytes, as of STATE_FILE */

#define X(id, label) label,
static const char *const result_labels[WARM_START_RESULT_COUNT] = {WARM_START_RESULTS(X)};
#undef X

static const struct metric starts =
    SELF_COUNTERS("warm_starts_total", "Starts with WARM_START_URL, by what came of it.", "result", result_labels);

/* What arrives. */
struct arriving {
    struct state_load *load;
    enum state_load_result result;
    uint64_t size;
};

static bool on_body(void *context, int status, struct slice bytes)
{
    struct arriving *arriving = context;
    if (status != 200)
        return false;
    arriving->size += bytes.length;
    arriving->result = state_load_add(arriving->load, bytes);
    return arriving->result == STATE_LOAD_GOES_ON || arriving->result == STATE_LOAD_ENDED;
}

static enum warm_start_result result_of_state(const struct arriving *arriving, char error[ERROR_MAX])
{
    switch (arriving->result) {
    case STATE_LOAD_ENDED:
        if (arriving->size == state_load_tally(arriving->load)->end_at + STATE_END_SIZE)
            return WARM_START_LOADED;
        error_set(error, "what it answered has more behind its end");
        return WARM_START_DAMAGED;
    case STATE_LOAD_LATER:
        error_set(error, "its state is of another version of the program");
        return WARM_START_LATER;
    case STATE_LOAD_NO_MEMORY:
        error_set(error, ERROR_NO_MEMORY);
        return WARM_START_DAMAGED;
    case STATE_LOAD_DAMAGED:
        error_set(error, "what it answered is damaged, or no state");
        return WARM_START_DAMAGED;
    case STATE_LOAD_GOES_ON:
        break;
    }
    error_set(error, "its state was cut off");
    return WARM_START_CUT;
}

static enum warm_start_result result_of(const struct arriving *arriving, const struct outgoing_response *response,
                                        char error[ERROR_MAX])
{
    error_set(error, "%s", response->error);
    if (response->status != 0 && response->status != 200) {
        error_set(error, "the server answered %d", response->status);
        return WARM_START_STATUS;
    }
    switch (response->result) {
    case OUTGOING_NOT_FOUND:
    case OUTGOING_NOT_CONNECTED:
        return WARM_START_UNREACHABLE;
    case OUTGOING_NO_TLS:
        return WARM_START_TLS;
    case OUTGOING_TIMEOUT:
        return WARM_START_TIMEOUT;
    case OUTGOING_BROKEN:
        return WARM_START_CUT;
    case OUTGOING_ANSWERED:
    case OUTGOING_STOPPED:
        break;
    }
    return result_of_state(arriving, error);
}

static void say(enum warm_start_result result, const struct http_url *url, const struct state_load_tally *tally,
                uint64_t start, const char *error)
{
    if (result == WARM_START_LOADED && tally != NULL) /* there is one */
        log_write(tally->refused > 0 || tally->bad > 0 ? LOG_WARN : LOG_INFO,
                  "WARM_START_URL: %zu series are there as %s has them, counters begin at 0, %zu are over%s%s; it took "
                  "%.1f s",
                  tally->restored, url->host_header, tally->expired,
                  tally->refused > 0 ? ", others are beyond our bounds" : "",
                  tally->bad > 0 ? ", some records could not be understood" : "",
                  (double)(clock_monotonic() - start) / 1e3);
    else
        log_write(LOG_WARN, "WARM_START_URL: nothing was loaded from %s: %s", url->host_header, error);
}

/* ---- to stop meanwhile ---- */

enum { STOPS = 2 };
static const int stops[STOPS] = {SIGTERM, SIGINT};

static void on_stop(int number)
{
    static const char sentence[] = "drain_exporter: stopped while it asked WARM_START_URL\n";
    (void)number;
    _exit(write(STDERR_FILENO, sentence, sizeof sentence - 1) < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

/* What signals did before. */
struct signals {
    sigset_t mask;
    struct sigaction actions[STOPS];
};

/* Nothing is served yet and nothing could be lost: who wants us to stop need not wait for another exporter.  This
 * thread alone hears it; with a function, since the first process of a container hears nothing by default. */
static void allow_stop(struct signals *before)
{
    struct sigaction action = {.sa_handler = on_stop};
    sigset_t set;
    sigemptyset(&set);
    for (int i = 0; i < STOPS; i++) {
        sigaddset(&set, stops[i]);
        sigaction(stops[i], &action, &before->actions[i]);
    }
    pthread_sigmask(SIG_UNBLOCK, &set, &before->mask);
}

static void restore_signals(const struct signals *before)
{
    pthread_sigmask(SIG_SETMASK, &before->mask, NULL);
    for (int i = 0; i < STOPS; i++)
        sigaction(stops[i], &before->actions[i], NULL);
}

/* ---- ask ---- */

/* Ask, and load what comes. */
static enum warm_start_result ask(const struct warm_start_settings *settings, const struct http_url *url,
                                  struct arriving *arriving, char error[ERROR_MAX])
{
    struct outgoing *outgoing = outgoing_create(settings->ca_file, true, error);
    struct outgoing_response response;
    struct signals before;
    if (outgoing == NULL)
        return WARM_START_UNREACHABLE;
    allow_stop(&before); /* the client's thread is there already, and does not hear it */
    outgoing_ask(outgoing,
                 &(struct outgoing_request){.url = url,
                                            .method = "GET",
                                            .headers = SLICE(""),
                                            .timeout = settings->timeout,
                                            .max_body = SIZE_MOST,
                                            .on_body = on_body,
                                            .context = arriving},
                 &response);
    restore_signals(&before);
    outgoing_free(outgoing);
    return result_of(arriving, &response, error);
}

enum warm_start_result warm_start(const struct warm_start_settings *settings, struct state_load_settings *load)
{
    struct http_url url = {0};
    char error[ERROR_MAX];
    uint64_t start = clock_monotonic();
    load->orderly = false;
    struct arriving arriving = {.load = state_load_create(load), .result = STATE_LOAD_GOES_ON};
    enum warm_start_result result = WARM_START_UNREACHABLE;
    if (arriving.load == NULL)
        error_set(error, ERROR_NO_MEMORY);
    else if (http_url_read(settings->url, &url, error))
        result = ask(settings, &url, &arriving, error);
    say(result, &url, arriving.load == NULL ? NULL : state_load_tally(arriving.load), start, error);
    state_load_free(arriving.load);
    explicit_bzero(&url, sizeof url);
    return result;
}

void warm_start_describe(enum warm_start_result result, struct store *store, unsigned slot, uint64_t now)
{
    struct self_terms terms = {.store = store, .slot = slot, .now = now, .entity = ENTITY_NONE};
    self_count(&terms, &starts, NULL, 0, (unsigned)result, 1);
}
