#include "output/keeper.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zlib.h>

#include "allocator.h"
#include "base/clock.h"
#include "output/exposition.h"
#include "store/self_metrics.h"

struct keeper {
    struct keeper_settings settings;
    pthread_t thread;
    pthread_mutex_t lock; /* guards orders and stopping */
    pthread_cond_t changed;
    struct page_order *orders;
    bool stopping;
    struct exposition_result last;
    double last_duration;
    double last_size;
    double start_time;
};

void page_release(struct page *page)
{
    if (page == NULL || __atomic_sub_fetch(&page->shares, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    buffer_free(&page->text);
    free(page);
}

static struct page *page_share(struct page *page)
{
    if (page != NULL)
        __atomic_add_fetch(&page->shares, 1, __ATOMIC_RELAXED);
    return page;
}

static struct page *create_page(bool gzip)
{
    struct page *page = calloc(1, sizeof *page);
    if (page != NULL) {
        page->gzip = gzip;
        page->shares = 1;
    }
    return page;
}

/* ---- readings about the process ---- */

static double count_entries(const char *path)
{
    DIR *directory = opendir(path);
    if (directory == NULL)
        return NAN;
    double count = -1; /* the directory itself is open */
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

struct process_readings {
    double virtual_memory;
    double resident;
    double threads;
};

/* proc_pid_stat(5): field 20 is num_threads, 23 vsize in bytes, 24 rss in pages; the name, field 2, may hold blanks. */
static struct process_readings read_process(void)
{
    struct process_readings readings = {NAN, NAN, NAN};
    char text[1024];
    FILE *file = fopen("/proc/self/stat", "re");
    if (file == NULL)
        return readings;
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = '\0';
    char *at = strrchr(text, ')');
    if (at == NULL)
        return readings;
    double fields[25] = {0};
    char *rest = NULL;
    int field = 3;
    for (char *word = strtok_r(at + 1, " ", &rest); word != NULL && field < 25; word = strtok_r(NULL, " ", &rest))
        fields[field++] = strtod(word, NULL);
    readings.threads = fields[20];
    readings.virtual_memory = fields[23];
    readings.resident = fields[24] * (double)sysconf(_SC_PAGESIZE);
    return readings;
}

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static void write_readings(struct keeper *keeper, uint64_t now)
{
    struct store *store = keeper->settings.store;
    struct store_usage usage;
    store_usage(store, &usage);
    struct rusage resources = {0};
    getrusage(RUSAGE_SELF, &resources);
    struct rlimit files = {0};
    getrlimit(RLIMIT_NOFILE, &files);
    struct process_readings process = read_process();
    const double readings[SELF_READING_COUNT] = {
        [SELF_CONNECTIONS] = (double)keeper->settings.count_connections(keeper->settings.context),
        [SELF_SERIES] = (double)usage.series,
        [SELF_SERIES_LIMIT] = (double)usage.limit,
        [SELF_SERIES_EXPIRED] = (double)usage.expired,
        [SELF_SERIES_HIDDEN] = (double)keeper->last.hidden,
        [SELF_SCRAPE_DURATION] = keeper->last_duration,
        [SELF_SCRAPE_SIZE] = keeper->last_size,
        [SELF_SCRAPE_SAMPLES] = (double)keeper->last.lines,
        [SELF_MEMORY_ALLOCATED] = (double)allocator_allocated(),
        [SELF_CPU] = seconds_of(resources.ru_utime) + seconds_of(resources.ru_stime),
        [SELF_RESIDENT] = process.resident,
        [SELF_VIRTUAL] = process.virtual_memory,
        [SELF_START_TIME] = keeper->start_time,
        [SELF_OPEN_FDS] = count_entries("/proc/self/fd"),
        [SELF_MAX_FDS] = (double)files.rlim_cur,
        [SELF_THREADS] = process.threads,
    };
    for (int reading = 0; reading < SELF_READING_COUNT; reading++)
        if (!isnan(readings[reading])) /* without /proc some cannot be known */
            self_read(store, keeper->settings.slot, (enum self_reading)reading, readings[reading], now);
    self_build_info(store, keeper->settings.slot, now);
    if (keeper->settings.describe != NULL)
        keeper->settings.describe(keeper->settings.context, store, keeper->settings.slot, now);
}

/* ---- pages ---- */

static struct page *write_page(struct keeper *keeper)
{
    struct page *page = create_page(false);
    if (page == NULL)
        return NULL;
    double start = (double)clock_wall();
    uint64_t now = clock_monotonic();
    /* A page is about as large as the last one: no growing by copying. */
    buffer_reserve(&page->text, (size_t)(keeper->last_size * 1.1) + 4096);
    store_enter(keeper->settings.store, keeper->settings.slot);
    write_readings(keeper, now);
    keeper->last = exposition_write(keeper->settings.store, keeper->settings.slot, now, &page->text);
    store_leave(keeper->settings.store, keeper->settings.slot);
    keeper->last_duration = ((double)clock_wall() - start) / 1e6;
    keeper->last_size = (double)page->text.length;
    if (page->text.failed) {
        page_release(page);
        return NULL;
    }
    return page;
}

/* Level 1: a page is mostly repetition, and a higher level costs four times as much for a fifth less. */
static struct page *compress_page(const struct page *plain)
{
    struct page *page = create_page(true);
    z_stream stream = {.next_in = (unsigned char *)plain->text.at, .avail_in = (unsigned)plain->text.length};
    if (page == NULL || deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        page_release(page);
        return NULL;
    }
    int status = Z_OK;
    while (status == Z_OK) {
        char *place = buffer_reserve(&page->text, 65536);
        if (place == NULL)
            break;
        stream.next_out = (unsigned char *)place;
        stream.avail_out = 65536;
        status = deflate(&stream, Z_FINISH);
        page->text.length += 65536 - stream.avail_out;
    }
    deflateEnd(&stream);
    if (status != Z_STREAM_END) {
        page_release(page);
        return NULL;
    }
    return page;
}

/* One page serves all who ordered before it was begun. */
static void deliver(struct keeper *keeper, struct page_order *orders)
{
    struct page *plain = write_page(keeper);
    struct page *gzip = NULL;
    while (orders != NULL) {
        struct page_order *order = orders;
        orders = order->next;
        if (order->gzip && gzip == NULL && plain != NULL)
            gzip = compress_page(plain);
        order->deliver(order, page_share(order->gzip ? gzip : plain));
    }
    page_release(plain);
    page_release(gzip);
}

/* ---- the thread ---- */

/* Pages leave out what is over its lifetime, so sweeping is only for memory and the limit on series. */
static uint64_t sweep_interval(uint64_t shortest_life)
{
    uint64_t tenth = shortest_life / 10;
    return tenth == 0 || tenth > 5000 ? 5000 : tenth < 100 ? 100 : tenth;
}

static struct timespec deadline_of(uint64_t milliseconds)
{
    return (struct timespec){(time_t)(milliseconds / 1000), (long)(milliseconds % 1000) * 1000000};
}

static void *run(void *context)
{
    struct keeper *keeper = context;
    struct store *store = keeper->settings.store;
    uint64_t interval = sweep_interval(keeper->settings.shortest_life);
    uint64_t next_sweep = clock_monotonic() + interval;
    pthread_mutex_lock(&keeper->lock);
    for (;;) {
        struct timespec deadline = deadline_of(next_sweep);
        int waited = 0;
        while (keeper->orders == NULL && !keeper->stopping && waited != ETIMEDOUT)
            waited = pthread_cond_timedwait(&keeper->changed, &keeper->lock, &deadline);
        struct page_order *orders = keeper->orders;
        keeper->orders = NULL;
        if (orders == NULL && keeper->stopping)
            break;
        pthread_mutex_unlock(&keeper->lock);
        if (orders != NULL)
            deliver(keeper, orders);
        uint64_t now = clock_monotonic();
        if (now >= next_sweep) {
            store_enter(store, keeper->settings.slot);
            store_sweep(store, keeper->settings.slot, now);
            store_leave(store, keeper->settings.slot);
            next_sweep = now + interval;
        }
        pthread_mutex_lock(&keeper->lock);
    }
    pthread_mutex_unlock(&keeper->lock);
    return NULL;
}

struct keeper *keeper_start(const struct keeper_settings *settings)
{
    struct keeper *keeper = calloc(1, sizeof *keeper);
    if (keeper == NULL)
        return NULL;
    keeper->settings = *settings;
    keeper->start_time = (double)(clock_wall() / 1000) / 1e3;
    pthread_mutex_init(&keeper->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&keeper->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (pthread_create(&keeper->thread, NULL, run, keeper) != 0) {
        free(keeper);
        return NULL;
    }
    return keeper;
}

void keeper_order(struct keeper *keeper, struct page_order *order)
{
    pthread_mutex_lock(&keeper->lock);
    order->next = keeper->orders;
    keeper->orders = order;
    pthread_cond_signal(&keeper->changed);
    pthread_mutex_unlock(&keeper->lock);
}

void keeper_stop(struct keeper *keeper)
{
    pthread_mutex_lock(&keeper->lock);
    keeper->stopping = true;
    pthread_cond_signal(&keeper->changed);
    pthread_mutex_unlock(&keeper->lock);
    pthread_join(keeper->thread, NULL);
    pthread_cond_destroy(&keeper->changed);
    pthread_mutex_destroy(&keeper->lock);
    free(keeper);
}
