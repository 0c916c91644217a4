#include "output/maintenance.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/gzip.h"
#include "output/scrapers.h"
#include "output/self_gauges.h"

struct maintenance {
    struct maintenance_settings settings;
    pthread_t thread;
    pthread_mutex_t lock; /* guards requests and stopping */
    pthread_cond_t changed;
    struct page_request *requests;
    bool stopping;
    struct scrapers scrapers;
    struct page_result last;
    double last_duration;
    double last_size;
    double start_time;
};

void page_unref(struct page *page)
{
    if (page == NULL || __atomic_sub_fetch(&page->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    buffer_free(&page->text);
    free(page);
}

static struct page *page_ref(struct page *page)
{
    if (page != NULL)
        __atomic_add_fetch(&page->references, 1, __ATOMIC_RELAXED);
    return page;
}

static struct page *create_page(bool gzip)
{
    struct page *page = calloc(1, sizeof *page);
    if (page != NULL) {
        page->gzip = gzip;
        page->references = 1;
    }
    return page;
}

static void record_gauges(struct maintenance *maintenance, uint64_t now)
{
    const struct maintenance_settings *settings = &maintenance->settings;
    self_gauges_record(settings->store, settings->slot, now,
                       &(struct self_gauges){.connections = (double)settings->count_connections(settings->context),
                                             .start_time = maintenance->start_time,
                                             .page_duration = maintenance->last_duration,
                                             .page_size = maintenance->last_size,
                                             .page_samples = (double)maintenance->last.lines,
                                             .page_hidden = (double)maintenance->last.hidden});
    if (settings->describe != NULL)
        settings->describe(settings->context, settings->store, settings->slot, now);
}

/* ---- pages ---- */

/* A batch notes when it began, and what it creates is to be seen a little later: for that long a page does not count as
 * one that has shown a series.  Milliseconds; of a short scrape interval, a 16th. */
enum { BATCH_TIME = 1000 };

/* What was born by then has been seen by all who scrape. */
static uint64_t all_saw(const struct maintenance *maintenance, uint64_t now)
{
    uint64_t margin = maintenance->scrapers.interval / 16;
    uint64_t seen = scrapers_all_saw(&maintenance->scrapers, now);
    margin = margin < BATCH_TIME ? margin : BATCH_TIME;
    return seen > margin ? seen - margin : 0;
}

/* A page of 100,000 series is 9 MB of memory that was never used before: let the system give it 2 MB at a time, where
 * it can, or a third of a scrape goes to page faults. */
static void advise_huge_pages(const struct buffer *text)
{
    const uintptr_t huge = 2 * 1024 * 1024;
    uintptr_t start = ((uintptr_t)text->at + huge - 1) & ~(huge - 1);
    uintptr_t end = ((uintptr_t)text->at + text->capacity) & ~(huge - 1);
    if (end > start)
        madvise((void *)start, end - start, MADV_HUGEPAGE);
}

static struct page *write_page(struct maintenance *maintenance, const struct page_selection *selection, uint64_t now)
{
    struct store *store = maintenance->settings.store;
    unsigned slot = maintenance->settings.slot;
    struct page *page = create_page(false);
    if (page == NULL)
        return NULL;
    uint64_t start = clock_monotonic_micros();
    /* A page is about as large as the last one: no growing by copying. */
    buffer_reserve(&page->text, (size_t)(maintenance->last_size * 1.1) + 4096);
    advise_huge_pages(&page->text);
    store_note_page(store);
    store_enter(store, slot);
    record_gauges(maintenance, now);
    struct page_terms terms = {.store = store,
                               .slot = slot,
                               .now = now,
                               .all_saw = all_saw(maintenance, now),
                               .encoder = &text_encoder,
                               .selection = *selection};
    maintenance->last = page_write(&terms, &page->text);
    store_leave(store, slot);
    maintenance->last_duration = (double)(clock_monotonic_micros() - start) / 1e6;
    maintenance->last_size = (double)page->text.length;
    if (page->text.failed) {
        page_unref(page);
        return NULL;
    }
    return page;
}

/* Level 1: a page is mostly repetition, and a higher level costs four times as much for a fifth less. */
static struct page *compress_page(const struct page *plain)
{
    struct page *page = create_page(true);
    if (page != NULL && !gzip_compress((struct slice){plain->text.at, plain->text.length}, 1, &page->text)) {
        page_unref(page);
        return NULL;
    }
    return page;
}

/* Take the requests of the same selection as the first one off the list. */
static struct page_request *take_equal(struct page_request **requests)
{
    struct page_selection selection = (*requests)->selection;
    struct page_request *taken = NULL;
    while (*requests != NULL) {
        struct page_request *request = *requests;
        if (!page_selection_equals(&request->selection, &selection)) {
            requests = &request->next;
            continue;
        }
        *requests = request->next;
        request->next = taken;
        taken = request;
    }
    return taken;
}

/* One page serves all who asked for it before it was begun. */
static void deliver_page(struct maintenance *maintenance, struct page_request *requests)
{
    uint64_t now = clock_monotonic();
    struct page *plain = write_page(maintenance, &requests->selection, now);
    struct page *gzip = NULL;
    while (requests != NULL) {
        struct page_request *request = requests;
        requests = request->next;
        if (plain != NULL)
            scrapers_note(&maintenance->scrapers, request->scraper, now);
        if (request->gzip && gzip == NULL && plain != NULL)
            gzip = compress_page(plain);
        request->deliver(request, page_ref(request->gzip ? gzip : plain));
    }
    page_unref(plain);
    page_unref(gzip);
}

static void deliver(struct maintenance *maintenance, struct page_request *requests)
{
    while (requests != NULL)
        deliver_page(maintenance, take_equal(&requests));
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
    struct maintenance *maintenance = context;
    struct store *store = maintenance->settings.store;
    uint64_t interval = sweep_interval(maintenance->settings.shortest_life);
    uint64_t next_sweep = clock_monotonic() + interval;
    pthread_mutex_lock(&maintenance->lock);
    for (;;) {
        struct timespec deadline = deadline_of(next_sweep);
        int waited = 0;
        while (maintenance->requests == NULL && !maintenance->stopping && waited != ETIMEDOUT)
            waited = pthread_cond_timedwait(&maintenance->changed, &maintenance->lock, &deadline);
        struct page_request *requests = maintenance->requests;
        maintenance->requests = NULL;
        if (requests == NULL && maintenance->stopping)
            break;
        pthread_mutex_unlock(&maintenance->lock);
        if (requests != NULL)
            deliver(maintenance, requests);
        uint64_t now = clock_monotonic();
        if (now >= next_sweep) {
            store_enter(store, maintenance->settings.slot);
            store_sweep(store, maintenance->settings.slot, now);
            store_leave(store, maintenance->settings.slot);
            next_sweep = now + interval;
        }
        pthread_mutex_lock(&maintenance->lock);
    }
    pthread_mutex_unlock(&maintenance->lock);
    return NULL;
}

struct maintenance *maintenance_start(const struct maintenance_settings *settings)
{
    struct maintenance *maintenance = calloc(1, sizeof *maintenance);
    if (maintenance == NULL)
        return NULL;
    maintenance->settings = *settings;
    maintenance->scrapers.interval = settings->scrape_interval;
    maintenance->start_time = (double)(clock_wall() / 1000) / 1e3;
    pthread_mutex_init(&maintenance->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&maintenance->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (pthread_create(&maintenance->thread, NULL, run, maintenance) != 0) {
        free(maintenance);
        return NULL;
    }
    return maintenance;
}

void maintenance_request_page(struct maintenance *maintenance, struct page_request *request)
{
    pthread_mutex_lock(&maintenance->lock);
    request->next = maintenance->requests;
    maintenance->requests = request;
    pthread_cond_signal(&maintenance->changed);
    pthread_mutex_unlock(&maintenance->lock);
}

void maintenance_stop(struct maintenance *maintenance)
{
    pthread_mutex_lock(&maintenance->lock);
    maintenance->stopping = true;
    pthread_cond_signal(&maintenance->changed);
    pthread_mutex_unlock(&maintenance->lock);
    pthread_join(maintenance->thread, NULL);
    pthread_cond_destroy(&maintenance->changed);
    pthread_mutex_destroy(&maintenance->lock);
    free(maintenance);
}
