/* The way of a batch without HTTP: give one body to batch_process() again and again, each time under a new frame id.
 *
 *     lines BODY TIMES [THREADS [RULES [APPS]]]
 *
 * RULES is a configuration with rules, for its lines; "-" for none.  APPS: so many apps have posted the body before,
 * and the last of them is the one that posts it now.
 *
 * Under callgrind, runs with 1 and with 11 times tell what 10 batches cost, start and end of the program cancelled out.
 * With several threads, each takes the body so many times in a slot of its own: how the store scales where no socket
 * does. */
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "config/configuration.h"
#include "intake/batch.h"
#include "intake/cf_frame.h"
#include "intake/messages.h"

enum { THREADS_MAX = 64, MAX_SERIES = 100000, MINUTE = 60 * 1000, EXPIRE_AFTER = 10 * MINUTE, DAY = 24 * 60 * MINUTE };

struct job {
    struct intake *intake;
    struct slice body;
    bool of_cloud_foundry;
    const struct rules *rules;
    unsigned app; /* the number of the one that posts */
    unsigned slot;
    unsigned long times;
    pthread_barrier_t *start;
};

static struct slice read_file(const char *path)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0) {
        perror(path);
        exit(1);
    }
    char *text = malloc((size_t)status.st_size + 1);
    ssize_t length = text == NULL ? -1 : read(fd, text, (size_t)status.st_size);
    close(fd);
    if (length != status.st_size) {
        fprintf(stderr, "lines: %s cannot be read\n", path);
        exit(1);
    }
    return (struct slice){text, (size_t)length};
}

static void take(const struct job *job, unsigned long time)
{
    char frame[32];
    int length = snprintf(frame, sizeof frame, "%08x%016lx", job->slot, time);
    char app[32] = "bench";
    if (job->app > 0)
        snprintf(app, sizeof app, "bench-%u", job->app);
    struct batch batch = {
        .body = job->body,
        .received = job->body.length,
        .app = slice_of(app),
        .rules = job->rules,
        .origin = origin_of(&(struct origin_headers){.drain_token = SLICE("d.cfcd3264-0000-4000-8000-000000000000"),
                                                     .frame_id = {frame, (size_t)length},
                                                     .user_agent = SLICE("Logplex/v93")}),
        .time = clock_wall(),
        .now = clock_monotonic(),
    };
    if (job->of_cloud_foundry) {
        batch.origin = origin_of(&(struct origin_headers){.body = job->body});
        batch.cf_labels = CF_LABELS_NAMES;
        batch.app = (struct slice){frame, (size_t)length}; /* whose batch it is: or the next one would be a duplicate */
    }
    if (batch_process(job->intake, job->slot, &batch) != BATCH_TAKEN)
        abort();
}

static void *run(void *argument)
{
    struct job *job = argument;
    pthread_barrier_wait(job->start);
    for (unsigned long time = 0; time < job->times; time++)
        take(job, time);
    return NULL;
}

/* Let apps 1 to count - 1 post the body once. */
static void take_for_others(struct job job, unsigned count)
{
    for (job.app = 1; job.app < count; job.app++)
        take(&job, ULONG_MAX);
}

static double seconds(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

struct cost {
    double wall; /* seconds from the common start to the end of the last */
    double cpu;  /* seconds of all threads */
};

static struct cost run_all(struct job *jobs, unsigned count)
{
    pthread_barrier_t start;
    pthread_barrier_init(&start, NULL, count + 1);
    pthread_t threads[THREADS_MAX];
    for (unsigned i = 0; i < count; i++) {
        jobs[i].start = &start;
        if (pthread_create(&threads[i], NULL, run, &jobs[i]) != 0)
            abort();
    }
    pthread_barrier_wait(&start);
    double begin = seconds(CLOCK_MONOTONIC);
    double begin_cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (unsigned i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    struct cost cost = {seconds(CLOCK_MONOTONIC) - begin, seconds(CLOCK_PROCESS_CPUTIME_ID) - begin_cpu};
    pthread_barrier_destroy(&start);
    return cost;
}

static unsigned long count_lines(struct slice body)
{
    struct origin origin = {.is_cloud_foundry = cf_frame_is_first(body), .shape = SYSLOG_RFC5424};
    struct messages messages;
    messages_begin(&messages, &origin, body);
    messages_skip(&messages);
    return messages.count;
}

/* NULL where no file is named. */
static struct configuration *read_rules(const char *path)
{
    struct buffer mistakes = {0};
    if (path == NULL || strcmp(path, "-") == 0)
        return NULL;
    struct configuration *file = configuration_read(path, PASSWORDS_UNKNOWN, &mistakes);
    if (file == NULL) {
        fprintf(stderr, "%.*s", (int)mistakes.length, mistakes.at);
        exit(1);
    }
    return file;
}

int main(int argc, char **argv)
{
    unsigned long times = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    unsigned threads = argc > 3 ? (unsigned)atoi(argv[3]) : 1;
    unsigned apps = argc > 5 ? (unsigned)atoi(argv[5]) : 0;
    if (times == 0 || threads == 0 || threads > THREADS_MAX) {
        fprintf(stderr, "usage: lines BODY TIMES [THREADS [RULES [APPS]]]\n");
        return 2;
    }
    struct slice body = read_file(argv[1]);
    struct configuration *file = read_rules(argc > 4 ? argv[4] : NULL);
    struct entities *entities =
        entities_create(&(struct entities_settings){.app_silence = DAY, .grace = MINUTE, .max_apps = apps});
    struct store *store = store_create(&(struct store_settings){
        .max_series = MAX_SERIES * (1 + apps / 100), .slots = threads + 1, .entities = entities});
    struct intake_settings settings = {.entities = entities,
                                       .lifetimes = {[0 ... FAMILY_COUNT - 1] = EXPIRE_AFTER},
                                       .ingest_prefix = SLICE("crates-io-heroku-metrics:ingest "),
                                       .slots = threads};
    struct intake *intake = store == NULL ? NULL : intake_create(store, &settings);
    if (intake == NULL)
        abort();
    struct job jobs[THREADS_MAX];
    for (unsigned i = 0; i < threads; i++)
        jobs[i] = (struct job){.intake = intake,
                               .body = body,
                               .of_cloud_foundry = cf_frame_is_first(body),
                               .rules = file == NULL ? NULL : file->rules,
                               .app = apps,
                               .slot = i,
                               .times = times};
    take_for_others(jobs[0], apps);
    struct cost cost = run_all(jobs, threads);
    printf("{\"lines\": %lu, \"batches\": %lu, \"seconds\": %.6f, \"cpu\": %.6f}\n", count_lines(body), times * threads,
           cost.wall, cost.cpu);
    intake_free(intake);
    store_free(store);
    entities_free(entities);
    configuration_free(file);
    free((char *)(uintptr_t)body.at);
    return 0;
}
