#include "commands/replay.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/number.h"
#include "commands/command.h"
#include "commands/log_file.h"
#include "commands/sender.h"
#include "output/http_client.h"

enum {
    BATCH_BYTES = 102400, /* what Logplex fills a batch with, as the next two */
    TRIES = 3,
    RETRY_PAUSE = 100,     /* milliseconds, more each time */
    RETRY_AFTER_MAX = 5,   /* seconds that an response may ask for */
    BATCHES_A_SECOND = 10, /* if a rate is wanted: fewer messages each rather than longer pauses */
    BATCH_MAX = 1000000,
    CONNECTIONS_MAX = 64,
    RATE_MAX = 100000000,
    PROBLEMS_SHOWN = 5,
    PROGRESS_INTERVAL = 100, /* milliseconds */
};

/* Not a real drain's: "replay", spelled as hexadecimal digits. */
#define TOKEN "d.7265706c-6179-4000-8000-000000000000"

struct options {
    struct sender sender;
    uint64_t rate;  /* messages a second; 0: as fast as they are taken */
    uint64_t batch; /* messages; 0: as many as fit */
    uint64_t connections;
    bool insecure;
};

struct tally {
    uint64_t messages; /* of batches that were taken */
    uint64_t batches;
    uint64_t retries;
    uint64_t failures; /* batches that were given up */
};

/* The run: one thread reads, the others send.  A batch goes from the one to the others through next. */
struct run {
    const struct options *options;
    struct http_url url;
    struct log_file file;
    pthread_mutex_t lock;   /* guards all below */
    pthread_cond_t changed; /* next or ended */
    struct buffer next;     /* messages, framed; empty: there is none */
    bool ended;
    struct tally tally;
    uint64_t begin;
    uint64_t taken;       /* messages that were handed to senders */
    uint64_t progress_at; /* when the bar was drawn; the reader's own */
    bool has_bar;
};

/* ---- sending ---- */

static void pause_for(uint64_t milliseconds)
{
    struct timespec time = {(time_t)(milliseconds / 1000), (long)(milliseconds % 1000) * 1000000};
    nanosleep(&time, NULL);
}

static void clear_bar(const struct run *run)
{
    if (run->has_bar)
        fprintf(stderr, "\r\x1b[K");
}

/* With the lock held. */
static void tell_failure(struct run *run, const struct http_response *response)
{
    if (++run->tally.failures > PROBLEMS_SHOWN)
        return;
    clear_bar(run);
    if (response->status != 0)
        command_fail("a batch was given up: the server answered %d", response->status);
    else
        command_fail("a batch was given up: %s", response->error);
}

/* What Logplex tries again: all but success and what the request is to blame for. */
static bool is_temporary(int status)
{
    return status < 200 || (status >= 300 && status < 400) || status == 429 || status >= 500;
}

static void count_retry(struct run *run)
{
    pthread_mutex_lock(&run->lock);
    run->tally.retries++;
    pthread_mutex_unlock(&run->lock);
}

/* Send a batch until it is taken, refused for good, or was tried often enough. */
static void deliver(struct run *run, struct http_client *client, const struct http_request *post,
                    struct http_response *response)
{
    for (unsigned try = 1;; try++) {
        http_client_send(client, post, response);
        if (!is_temporary(response->status) || try == TRIES)
            return;
        count_retry(run);
        unsigned wanted = response->retry_after < RETRY_AFTER_MAX ? response->retry_after : RETRY_AFTER_MAX;
        pause_for(wanted > 0 ? wanted * 1000 : try * RETRY_PAUSE);
    }
}

static struct http_request post_of(const struct sender *sender, const struct sender_batch *batch)
{
    return (struct http_request){.method = "POST",
                                 .headers = {batch->headers.at, batch->headers.length},
                                 .body = {batch->body.at, batch->body.length},
                                 .chunked = sender_has(sender, HABIT_RFC5424),
                                 .close = sender_has(sender, HABIT_EXCON)};
}

/* Send it as the sender's habits want it. */
static void send_batch(struct run *run, struct http_client *client, const struct sender_batch *batch)
{
    const struct sender *sender = &run->options->sender;
    struct http_request post = post_of(sender, batch), broken = post;
    struct http_response response;
    broken.cut = sender_has(sender, HABIT_CUT);
    broken.ignore_response = sender_has(sender, HABIT_NO_WAIT);
    if (broken.cut || broken.ignore_response)
        http_client_send(client, &broken, &response);
    deliver(run, client, &post, &response);
    bool taken = response.status >= 200 && response.status < 300;
    if (taken && sender_has(sender, HABIT_DUPLICATE)) {
        deliver(run, client, &post, &response);
        taken = response.status >= 200 && response.status < 300;
    }
    pthread_mutex_lock(&run->lock);
    if (taken) {
        run->tally.batches++;
        run->tally.messages += batch->messages;
    } else
        tell_failure(run, &response);
    pthread_mutex_unlock(&run->lock);
}

/* Take the next batch's messages; false when there will be none. */
static bool take_messages(struct run *run, struct buffer *messages)
{
    pthread_mutex_lock(&run->lock);
    while (run->next.length == 0 && !run->ended)
        pthread_cond_wait(&run->changed, &run->lock);
    struct buffer taken = run->next;
    run->next = *messages;
    run->next.length = 0;
    *messages = taken;
    pthread_cond_broadcast(&run->changed);
    pthread_mutex_unlock(&run->lock);
    return messages->length > 0;
}

static void *send_batches(void *context)
{
    struct run *run = context;
    struct http_client *client = http_client_create(&run->url, !run->options->insecure);
    struct sender_batch batch = {0};
    struct buffer messages = {0};
    while (take_messages(run, &messages)) {
        struct http_response no_memory = {.error = ERROR_NO_MEMORY};
        if (client != NULL && sender_write(&run->options->sender, (struct slice){messages.at, messages.length}, &batch))
            send_batch(run, client, &batch);
        else {
            pthread_mutex_lock(&run->lock);
            tell_failure(run, &no_memory);
            pthread_mutex_unlock(&run->lock);
        }
    }
    buffer_free(&messages);
    buffer_free(&batch.headers);
    buffer_free(&batch.body);
    http_client_free(client);
    return NULL;
}

/* ---- reading ---- */

static void draw_bar(struct run *run)
{
    enum { WIDTH = 30 };
    uint64_t now = clock_monotonic();
    if (!run->has_bar || now - run->progress_at < PROGRESS_INTERVAL)
        return;
    run->progress_at = now;
    char bar[WIDTH + 16] = "";
    uint64_t size = run->file.size, position = log_input_position(run->file.input);
    if (size > 0) {
        int done = position < size ? (int)((double)position / (double)size * WIDTH) : WIDTH;
        snprintf(bar, sizeof bar, "[%-*.*s] ", WIDTH, done, "##############################");
    }
    double seconds = (double)(now - run->begin) / 1000;
    fprintf(stderr, "\r\x1b[K%s%" PRIu64 " messages, %.0f a second", bar, run->taken,
            seconds > 0 ? (double)run->taken / seconds : 0);
}

/* How many messages a batch may have. */
static uint64_t batch_limit(const struct options *options)
{
    uint64_t limit = options->batch > 0 ? options->batch : BATCH_MAX;
    uint64_t paced = options->rate / BATCHES_A_SECOND > 0 ? options->rate / BATCHES_A_SECOND : 1;
    return options->rate > 0 && paced < limit ? paced : limit;
}

/* Wait until as many messages as were taken are due. */
static void keep_rate(const struct run *run)
{
    uint64_t rate = run->options->rate;
    uint64_t due = rate == 0 ? 0 : run->begin + run->taken * 1000 / rate;
    uint64_t now = clock_monotonic();
    if (due > now)
        pause_for(due - now);
}

/* Hand a batch of messages to whoever sends next. */
static void hand_over(struct run *run, struct buffer *messages, uint64_t count)
{
    if (count == 0)
        return;
    keep_rate(run);
    pthread_mutex_lock(&run->lock);
    while (run->next.length > 0)
        pthread_cond_wait(&run->changed, &run->lock);
    struct buffer spare = run->next;
    run->next = *messages;
    *messages = spare;
    messages->length = 0;
    run->taken += count;
    pthread_cond_broadcast(&run->changed);
    draw_bar(run);
    pthread_mutex_unlock(&run->lock);
}

/* Fill batches as Logplex does: with what is there, up to the limits, and a message that is larger alone. */
static void read_messages(struct run *run)
{
    struct log_input *input = run->file.input;
    struct buffer messages = {0}, one = {0};
    uint64_t limit = batch_limit(run->options), count = 0;
    while (log_input_batch(input, 1, &one) > 0) {
        if (messages.length + one.length > BATCH_BYTES) {
            hand_over(run, &messages, count);
            count = 0;
        }
        buffer_append(&messages, (struct slice){one.at, one.length});
        count++;
        if (count == limit || log_file_would_wait(&run->file)) {
            hand_over(run, &messages, count);
            count = 0;
        }
    }
    hand_over(run, &messages, count);
    buffer_free(&messages);
    buffer_free(&one);
}

static bool start_senders(struct run *run, pthread_t *threads)
{
    for (uint64_t i = 0; i < run->options->connections; i++)
        if (pthread_create(&threads[i], NULL, send_batches, run) != 0)
            return false;
    return true;
}

static void end_senders(struct run *run, const pthread_t *threads)
{
    pthread_mutex_lock(&run->lock);
    run->ended = true;
    pthread_cond_broadcast(&run->changed);
    pthread_mutex_unlock(&run->lock);
    for (uint64_t i = 0; i < run->options->connections; i++)
        pthread_join(threads[i], NULL);
}

static int send_all(struct run *run)
{
    pthread_t threads[CONNECTIONS_MAX] = {0};
    signal(SIGPIPE, SIG_IGN);
    run->begin = clock_monotonic();
    run->has_bar = isatty(STDERR_FILENO) == 1;
    if (!start_senders(run, threads))
        _exit(command_fail("the sending threads cannot be started")); /* those that run end with the process */
    read_messages(run);
    end_senders(run, threads);
    clear_bar(run);
    const struct tally *tally = &run->tally;
    printf("%" PRIu64 " messages in %" PRIu64 " batches delivered, %" PRIu64 " retries, %" PRIu64
           " batches failed, %.2f s\n",
           tally->messages, tally->batches, tally->retries, tally->failures,
           (double)(clock_monotonic() - run->begin) / 1000);
    return tally->failures == 0 ? 0 : COMMAND_FAILED;
}

/* ---- the command ---- */

static bool read_number(const char *text, uint64_t most, uint64_t *number, char error[ERROR_MAX])
{
    if (number_read_decimal(slice_of(text), most, number) && *number >= 1)
        return true;
    return error_set(error, "it must be a whole number from 1 to %" PRIu64, most);
}

static bool take_rate(void *destination, const char *text, char error[ERROR_MAX])
{
    return read_number(text, RATE_MAX, destination, error);
}

static bool take_batch(void *destination, const char *text, char error[ERROR_MAX])
{
    return read_number(text, BATCH_MAX, destination, error);
}

static bool take_connections(void *destination, const char *text, char error[ERROR_MAX])
{
    return read_number(text, CONNECTIONS_MAX, destination, error);
}

static bool take_token(void *destination, const char *text, char error[ERROR_MAX])
{
    bool valid = text[0] != '\0' && strlen(text) <= 128;
    for (const char *at = text; *at != '\0'; at++)
        valid = valid && *at > ' ' && *at < 0x7f;
    *(const char **)destination = text;
    return valid || error_set(error, "it must be 1 to 128 characters of ASCII without blanks");
}

static bool take_habit(void *destination, const char *text, char error[ERROR_MAX])
{
    for (unsigned habit = 0; habit < BAD_HABIT_COUNT; habit++) {
        if (strcmp(text, bad_habit_names[habit]) == 0) {
            *(unsigned *)destination |= 1u << habit;
            return true;
        }
    }
    return error_set(error, "there is no such bad habit; see --help");
}

static void print_habits(void)
{
    printf("\nBad habits, each of which some real sender has:\n\n");
    for (int habit = 0; habit < BAD_HABIT_COUNT; habit++)
        printf("  %s\n        %s\n", bad_habit_names[habit], bad_habit_meanings[habit]);
}

/* Passwords among the arguments are shown by every list of processes. */
static void hide_password(char *url)
{
    char *start = strstr(url, "//") + 2;
    for (size_t i = strcspn(start, "/?#"); i > 0; i--) {
        if (start[i] == '@') {
            memset(start, '*', i);
            return;
        }
    }
}

static int run_replay(const struct options *options, const char *path, struct run *run)
{
    if (!log_file_open(&run->file, path))
        return COMMAND_FAILED;
    run->options = options;
    pthread_mutex_init(&run->lock, NULL);
    pthread_cond_init(&run->changed, NULL);
    int status = send_all(run);
    buffer_free(&run->next);
    pthread_cond_destroy(&run->changed);
    pthread_mutex_destroy(&run->lock);
    int closed = log_file_close(&run->file);
    int finished = command_finish();
    return status != 0 ? status : closed != 0 ? closed : finished;
}

int replay(int argc, char **argv)
{
    struct options options = {.sender.token = TOKEN, .connections = 1};
    const struct command_option rows[] = {
        {"--rate", "LINES_PER_SECOND", "how many messages to send a second; else as fast as they are taken", take_rate,
         &options.rate},
        {"--batch", "N", "how many messages a batch holds at most; else as many as fit into 100 KB", take_batch,
         &options.batch},
        {"--connections", "N", "how many connections to send over; else 1", take_connections, &options.connections},
        {"--token", "TOKEN", "the drain token; else " TOKEN, take_token, (void *)&options.sender.token},
        {"--now", NULL, "send messages with the present time, not their own", NULL, &options.sender.now},
        {"--insecure", NULL, "do not verify the server's certificate", NULL, &options.insecure},
        {"--bad-habit", "NAME", "send as a certain kind of bad sender; may be repeated", take_habit,
         &options.sender.habits},
    };
    const struct command command = {
        "replay",
        "URL [LOGFILE]",
        "Send a log to a drain, https://USER:PASSWORD@HOST/drain?app_name=NAME, as Logplex does: a batch that is not "
        "taken\n"
        "is tried three times, unless it is refused for good. LOGFILE, or stdin, holds what a drain was sent, syslog\n"
        "messages, or the output of heroku logs or cf logs. What is of Cloud Foundry is sent as by its agents. Exit "
        "status\n"
        "0 says that all was delivered.",
        rows,
        sizeof rows / sizeof rows[0],
        print_habits,
    };
    const char *operands[2];
    char error[ERROR_MAX];
    struct run run = {0};
    int status = command_read(&command, argc, argv, operands, 1, 2);
    if (status != COMMAND_GO_ON)
        return status;
    if (!http_url_read(operands[0], &run.url, error)) {
        command_fail("%s", error);
        return COMMAND_USAGE;
    }
    hide_password((char *)(uintptr_t)operands[0]);
    status = run_replay(&options, operands[1], &run);
    explicit_bzero(run.url.authorization, sizeof run.url.authorization);
    return status;
}
