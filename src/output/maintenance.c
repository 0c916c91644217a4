#include "output/maintenance.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/gzip.h"
#include "output/audiences.h"
#include "output/self_gauges.h"

/* A page that is being written and read. */
struct page {
    struct page *next;
    struct page_request *readers; /* at least one */
    struct page_selection selection;
    bool gzip;
    uint64_t now;                                 /* when it was begun */
    uint64_t micros;                              /* that writing took */
    uint64_t size;                                /* bytes before compression */
    struct page_writer *writer;                   /* NULL: all is written, or it failed */
    struct gzip_member member;                    /* if it is compressed */
    struct page_piece *pieces[MAINTENANCE_AHEAD]; /* those that were made and not taken by all, by their number */
    uint64_t made;                                /* pieces */
    uint64_t kept;                                /* the first that is still there */
    size_t held;                                  /* bytes that it is written with, as they are counted */
    bool failed;
};

struct maintenance {
    struct maintenance_settings settings;
    pthread_t thread;
    pthread_mutex_t lock; /* guards the queue, the tasks and stopping */
    pthread_cond_t changed;
    struct page_request *first, *last; /* the queue: who asks or ends */
    struct maintenance_task *first_task, *last_task;
    atomic_bool stopping;
    struct page_request *waiting; /* for a page to be begun */
    struct page *pages;
    struct buffer plain; /* what is compressed next */
    struct audiences audiences;
    struct page_result last_result;
    double last_duration;
    double last_size;
    double start_time;
    atomic_uint_least64_t last_sweep;
    uint64_t next_sweep, next_watch; /* the thread's own */
};

/* ---- pieces ---- */

/* Bytes that all pages hold.  Pieces may outlive the maintenance. */
static atomic_size_t held;

static bool is_over_budget(void)
{
    return atomic_load_explicit(&held, memory_order_relaxed) >= MAINTENANCE_BUDGET;
}

void page_piece_unref(struct page_piece *piece)
{
    if (piece == NULL || __atomic_sub_fetch(&piece->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    atomic_fetch_sub_explicit(&held, piece->held, memory_order_relaxed);
    buffer_free(&piece->text);
    free(piece);
}

static struct page_piece *piece_ref(struct page_piece *piece)
{
    __atomic_add_fetch(&piece->references, 1, __ATOMIC_RELAXED);
    return piece;
}

static void record_gauges(struct maintenance *maintenance, uint64_t now)
{
    const struct maintenance_settings *settings = &maintenance->settings;
    self_gauges_record(settings->store, settings->slot, now,
                       &(struct self_gauges){.connections = (double)settings->count_connections(settings->context),
                                             .start_time = maintenance->start_time,
                                             .page_duration = maintenance->last_duration,
                                             .page_size = maintenance->last_size,
                                             .page_samples = (double)maintenance->last_result.lines,
                                             .page_hidden = (double)maintenance->last_result.hidden});
    if (settings->describe != NULL)
        settings->describe(settings->context, settings->store, settings->slot, now);
}

/* ---- pages ---- */

/* Give a page what it is written with, and count what that holds.  False if that is NULL: memory was short. */
static bool set_writer(struct page *page, struct page_writer *writer)
{
    page->writer = writer;
    page->held = writer == NULL ? 0 : page_memory(writer);
    atomic_fetch_add_explicit(&held, page->held, memory_order_relaxed);
    return writer != NULL;
}

/* Nothing more can be written of a page. */
static void end_writing(struct page *page)
{
    page_end(page->writer);
    page->writer = NULL;
    atomic_fetch_sub_explicit(&held, page->held, memory_order_relaxed);
    page->held = 0;
}

static void free_page(struct page *page)
{
    end_writing(page);
    for (; page->kept < page->made; page->kept++)
        page_piece_unref(page->pieces[page->kept % MAINTENANCE_AHEAD]);
    free(page);
}

/* Milliseconds for which a request waits for others at most. */
enum { SHARING_MAX = 1000 };

static bool shows_ourselves(const struct page *page)
{
    return page->selection.kind == PAGE_ALL || page->selection.kind == PAGE_SELF;
}

/* Begin a page for what the request asks; NULL if memory is short. */
static struct page *begin_page(struct maintenance *maintenance, const struct page_request *request)
{
    struct store *store = maintenance->settings.store;
    unsigned slot = maintenance->settings.slot;
    struct page *page = calloc(1, sizeof *page);
    if (page == NULL)
        return NULL;
    uint64_t start = clock_monotonic_micros();
    page->selection = request->selection;
    page->gzip = request->gzip;
    page->now = clock_monotonic();
    bool is_state = page_is_state(&page->selection);
    struct page_selection seen = is_state ? (struct page_selection){.kind = PAGE_ALL} : page->selection;
    if (!is_state)
        store_note_page(store);
    store_enter(store, slot);
    if (shows_ourselves(page))
        record_gauges(maintenance, page->now);
    struct page_writer *writer =
        page_begin(&(struct page_terms){.store = store,
                                        .slot = slot,
                                        .now = page->now,
                                        .all_saw = audiences_all_saw(&maintenance->audiences, &seen, page->now),
                                        .encoder = &text_encoder,
                                        .external = maintenance->settings.external,
                                        .selection = page->selection,
                                        .sources = &maintenance->settings.state,
                                        .scrapers = &maintenance->audiences.all.scrapers});
    store_leave(store, slot);
    bool done = set_writer(page, writer);
    page->micros = clock_monotonic_micros() - start;
    if (done)
        return page;
    free(page);
    return NULL;
}

/* Most series print less. */
enum { SERIES_SIZE = 4096 };

/* How large the next piece of a page is.  Small if so many pages are being sent that some may be read by nobody: behind
 * the first 4 MB, which is more than a socket takes, this one is read. */
static size_t piece_size(const struct page *page)
{
    bool is_small = atomic_load_explicit(&held, memory_order_relaxed) > MAINTENANCE_BUDGET / 8;
    return is_small && page->size < 4 * 1024 * 1024 ? MAINTENANCE_PIECE : MAINTENANCE_LARGE_PIECE;
}

/* Write a part of the page.  Whether there is more; false with text->failed if memory was short. */
static bool write_text(struct maintenance *maintenance, struct page *page, struct buffer *text, size_t size)
{
    size_t length = text->length;
    buffer_reserve(text, size + SERIES_SIZE); /* at once, without growing by copying */
    store_enter(maintenance->settings.store, maintenance->settings.slot);
    bool more = page_write_piece(page->writer, text, size);
    store_leave(maintenance->settings.store, maintenance->settings.slot);
    page->size += text->length - length;
    return more && !text->failed;
}

static bool write_compressed(struct maintenance *maintenance, struct page *page, struct buffer *text)
{
    struct buffer *plain = &maintenance->plain;
    bool more = true;
    while (more && text->length < MAINTENANCE_PIECE / 2) {
        plain->length = 0;
        plain->failed = false;
        more = write_text(maintenance, page, plain, MAINTENANCE_PIECE);
        if (plain->failed || !gzip_add(&page->member, (struct slice){plain->at, plain->length}, !more, text)) {
            text->failed = true;
            return false;
        }
    }
    return more;
}

/* What is told of the page before; of one that shows all. */
static void note_page(struct maintenance *maintenance, const struct page *page)
{
    if (page->selection.kind != PAGE_ALL)
        return;
    maintenance->last_result = page_result(page->writer);
    maintenance->last_duration = (double)page->micros / 1e6;
    maintenance->last_size = (double)page->size;
}

/* Make the next piece.  There must be a place for it. */
static void make_piece(struct maintenance *maintenance, struct page *page)
{
    struct page_piece *piece = calloc(1, sizeof *piece);
    bool more = false;
    if (piece != NULL) {
        uint64_t start = clock_monotonic_micros();
        piece->references = 1;
        more = page->gzip ? write_compressed(maintenance, page, &piece->text)
                          : write_text(maintenance, page, &piece->text, piece_size(page));
        piece->last = !more;
        if (!more)
            buffer_fit(&piece->text);
        piece->held = piece->text.capacity + sizeof *piece;
        atomic_fetch_add_explicit(&held, piece->held, memory_order_relaxed);
        page->micros += clock_monotonic_micros() - start;
    }
    page->failed = piece == NULL || piece->text.failed;
    if (page->failed) {
        page_piece_unref(piece);
        end_writing(page);
        return;
    }
    page->pieces[page->made++ % MAINTENANCE_AHEAD] = piece;
    if (!more) {
        note_page(maintenance, page);
        end_writing(page);
    }
}

/* ---- readers ---- */

static void give_nothing(struct page_request *request, bool busy)
{
    request->waits = false;
    request->busy = busy;
    request->deliver(request, NULL);
}

/* Let go of the pieces that all readers have taken. */
static void drop_taken(struct page *page)
{
    uint64_t least = page->made;
    for (struct page_request *reader = page->readers; reader != NULL; reader = reader->next)
        if (reader->taken < least)
            least = reader->taken;
    for (; page->kept < least; page->kept++)
        page_piece_unref(page->pieces[page->kept % MAINTENANCE_AHEAD]);
}

/* Move the readers of a page that have taken fewer pieces to another one. */
static void move_readers(struct page *page, struct page *target, uint64_t taken)
{
    for (struct page_request **at = &page->readers; *at != NULL;) {
        struct page_request *reader = *at;
        if (reader->taken >= taken) {
            at = &reader->next;
            continue;
        }
        *at = reader->next;
        reader->page = target;
        reader->next = target->readers;
        target->readers = reader;
    }
}

/* Let those who have taken fewer pieces go on with a page of their own.  If memory is short for that, the others wait
 * for them. */
static void part(struct maintenance *maintenance, struct page *page, uint64_t taken)
{
    struct page *slow = malloc(sizeof *slow);
    if (slow == NULL)
        return;
    *slow = *page;
    slow->readers = NULL;
    if (!set_writer(slow, page_copy(page->writer))) {
        free(slow);
        return;
    }
    for (uint64_t i = slow->kept; i < slow->made; i++)
        piece_ref(slow->pieces[i % MAINTENANCE_AHEAD]);
    move_readers(page, slow, taken);
    slow->next = maintenance->pages;
    maintenance->pages = slow;
    drop_taken(page);
}

/* Make the piece that a reader waits for, if there is, or can be made, a place for it. */
static void make_wanted(struct maintenance *maintenance, struct page *page)
{
    if (is_over_budget() && page->made > page->kept)
        part(maintenance, page, page->made);
    else if (page->made - page->kept == MAINTENANCE_AHEAD)
        part(maintenance, page, page->kept + 1);
    if (page->made - page->kept < MAINTENANCE_AHEAD && (page->made == page->kept || !is_over_budget()))
        make_piece(maintenance, page);
}

/* Give each reader who waits what there is for him.  Returns whether one of them wants more than there is. */
static bool give(struct page *page)
{
    bool wants = false;
    for (struct page_request *reader = page->readers; reader != NULL; reader = reader->next) {
        if (!reader->waits)
            continue;
        if (reader->taken < page->made) {
            reader->waits = false;
            reader->deliver(reader, piece_ref(page->pieces[reader->taken++ % MAINTENANCE_AHEAD]));
        } else if (page->failed)
            give_nothing(reader, false);
        else
            wants = true;
    }
    drop_taken(page);
    return wants;
}

/* May the next piece be made before a reader asks for it?  One who reads asks while it is made, so that this thread
 * need not be put to sleep and woken for each.  Who reads nothing holds one piece more. */
static bool may_run_ahead(const struct page *page)
{
    return page->writer != NULL && page->made > 0 && page->made == page->kept &&
           atomic_load_explicit(&held, memory_order_relaxed) < MAINTENANCE_BUDGET / 2;
}

/* Go on with all pages by a piece, and then by one that nobody waits for yet. */
static void serve_pages(struct maintenance *maintenance)
{
    for (struct page *page = maintenance->pages; page != NULL; page = page->next) {
        if (give(page)) {
            make_wanted(maintenance, page);
            give(page);
        }
    }
    for (struct page *page = maintenance->pages; page != NULL; page = page->next)
        if (may_run_ahead(page))
            make_piece(maintenance, page);
}

/* Take a request off a list that it may be on. */
static void take_off(struct page_request **list, const struct page_request *request)
{
    while (*list != NULL && *list != request)
        list = &(*list)->next;
    if (*list != NULL)
        *list = request->next;
}

static void end_request(struct maintenance *maintenance, struct page_request *request)
{
    struct page *page = request->page;
    if (page != NULL) {
        if (request->complete && !page_is_state(&page->selection))
            audiences_note(&maintenance->audiences, &page->selection, request->scraper, page->now);
        take_off(&page->readers, request);
        drop_taken(page);
    }
    request->release(request);
}

/* Free the pages that nobody reads any more. */
static void end_pages(struct maintenance *maintenance)
{
    for (struct page **at = &maintenance->pages; *at != NULL;) {
        struct page *page = *at;
        if (page->readers != NULL) {
            at = &page->next;
            continue;
        }
        *at = page->next;
        free_page(page);
    }
}

/* ---- requests for a page ---- */

static bool is_for(const struct page *page, const struct page_request *request)
{
    return page->gzip == request->gzip && page_selection_equals(&page->selection, &request->selection);
}

/* Until when the request waits, so that others can share its page: a page like it is being written, and as long as one
 * takes has not passed since it was begun.  0: it need not wait. */
static uint64_t sharing_time(const struct maintenance *maintenance, const struct page_request *request)
{
    double duration = maintenance->last_duration * 1e3;
    uint64_t longest = duration < SHARING_MAX ? (uint64_t)duration : SHARING_MAX;
    for (const struct page *page = maintenance->pages; page != NULL; page = page->next)
        if (page->writer != NULL && is_for(page, request) && page->now + longest > clock_monotonic())
            return page->now + longest;
    return 0;
}

/* Begin a page for all who wait for one as the first of them. */
static void begin_shared(struct maintenance *maintenance)
{
    struct page_request *first = maintenance->waiting;
    bool busy = is_over_budget();
    struct page *page = busy ? NULL : begin_page(maintenance, first);
    struct page_request *ready = NULL;
    for (struct page_request **at = &maintenance->waiting; *at != NULL;) {
        struct page_request *request = *at;
        if (request->gzip != first->gzip || !page_selection_equals(&request->selection, &first->selection)) {
            at = &request->next;
            continue;
        }
        *at = request->next;
        request->next = ready;
        ready = request;
    }
    if (page != NULL) {
        for (struct page_request *request = ready; request != NULL; request = request->next)
            request->page = page;
        page->readers = ready;
        page->next = maintenance->pages;
        maintenance->pages = page;
        return;
    }
    while (ready != NULL) {
        struct page_request *request = ready;
        ready = request->next;
        give_nothing(request, busy);
    }
}

/* ---- the queue ---- */

static void enqueue(struct maintenance *maintenance, struct page_request *request)
{
    if (!request->is_queued) {
        request->is_queued = true;
        request->queued = NULL;
        *(maintenance->first == NULL ? &maintenance->first : &maintenance->last->queued) = request;
        maintenance->last = request;
    }
}

/* The first one of a queue that was taken over. */
static struct page_request *dequeue(struct maintenance *maintenance, struct page_request **queue, bool *asks,
                                    bool *ends)
{
    pthread_mutex_lock(&maintenance->lock);
    struct page_request *request = *queue;
    *queue = request->queued;
    request->is_queued = false;
    *asks = request->asks;
    *ends = request->ends;
    request->asks = false;
    pthread_mutex_unlock(&maintenance->lock);
    return request;
}

/* Take in what a queue says. */
static void take_in(struct maintenance *maintenance, struct page_request *queue)
{
    while (queue != NULL) {
        bool asks;
        bool ends;
        struct page_request *request = dequeue(maintenance, &queue, &asks, &ends);
        if (ends) {
            end_request(maintenance, request);
            continue;
        }
        request->waits = asks;
        if (request->page == NULL) {
            request->next = maintenance->waiting;
            maintenance->waiting = request;
        }
    }
    end_pages(maintenance);
}

/* Begin the pages that need not wait for more who share them.  Returns when that is to be done again; 0: when asked. */
static uint64_t begin_pages(struct maintenance *maintenance)
{
    uint64_t next = 0;
    struct page_request *later = NULL;
    while (maintenance->waiting != NULL) {
        struct page_request *request = maintenance->waiting;
        uint64_t time = maintenance->stopping ? 0 : sharing_time(maintenance, request);
        if (time == 0) {
            begin_shared(maintenance);
            continue;
        }
        maintenance->waiting = request->next;
        request->next = later;
        later = request;
        next = next == 0 || time < next ? time : next;
    }
    maintenance->waiting = later;
    return next;
}

/* ---- tasks ---- */

/* Go on with the first task by a step. */
static void run_task(struct maintenance *maintenance)
{
    struct store *store = maintenance->settings.store;
    pthread_mutex_lock(&maintenance->lock);
    struct maintenance_task *task = maintenance->first_task;
    pthread_mutex_unlock(&maintenance->lock);
    if (task == NULL)
        return;
    store_enter(store, maintenance->settings.slot);
    bool more = task->step(task, clock_monotonic());
    store_leave(store, maintenance->settings.slot);
    if (more)
        return;
    pthread_mutex_lock(&maintenance->lock);
    maintenance->first_task = task->next;
    pthread_mutex_unlock(&maintenance->lock);
    task->done(task);
}

void maintenance_run(struct maintenance *maintenance, struct maintenance_task *task)
{
    task->next = NULL;
    pthread_mutex_lock(&maintenance->lock);
    *(maintenance->first_task == NULL ? &maintenance->first_task : &maintenance->last_task->next) = task;
    maintenance->last_task = task;
    pthread_mutex_unlock(&maintenance->lock);
    pthread_cond_signal(&maintenance->changed);
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

/* Sweep, and call whoever watches, each if it is time.  Returns when that is to be done again. */
static uint64_t look_after_store(struct maintenance *maintenance)
{
    const struct maintenance_settings *settings = &maintenance->settings;
    uint64_t now = clock_monotonic();
    bool watches = settings->watch != NULL && now >= maintenance->next_watch;
    bool sweeps = now >= maintenance->next_sweep;
    if (watches || sweeps)
        store_enter(settings->store, settings->slot);
    if (sweeps) {
        store_sweep(settings->store, settings->slot, now);
        atomic_store_explicit(&maintenance->last_sweep, now, memory_order_relaxed);
        maintenance->next_sweep = now + sweep_interval(settings->shortest_life);
    }
    if (watches) {
        settings->watch(settings->context, settings->store, settings->slot, now);
        maintenance->next_watch = now + MAINTENANCE_WATCH;
    }
    if (watches || sweeps)
        store_leave(settings->store, settings->slot);
    return settings->watch != NULL && maintenance->next_watch < maintenance->next_sweep ? maintenance->next_watch
                                                                                        : maintenance->next_sweep;
}

static void *run(void *context)
{
    struct maintenance *maintenance = context;
    maintenance->next_sweep = clock_monotonic() + sweep_interval(maintenance->settings.shortest_life);
    uint64_t next_look = look_after_store(maintenance);
    uint64_t next_begin = 0;
    pthread_mutex_lock(&maintenance->lock);
    for (;;) {
        struct timespec deadline = deadline_of(next_begin != 0 && next_begin < next_look ? next_begin : next_look);
        int waited = 0;
        while (maintenance->first == NULL && maintenance->first_task == NULL && !maintenance->stopping &&
               waited != ETIMEDOUT)
            waited = pthread_cond_timedwait(&maintenance->changed, &maintenance->lock, &deadline);
        struct page_request *queue = maintenance->first;
        maintenance->first = NULL;
        if (queue == NULL && next_begin == 0 && maintenance->first_task == NULL && maintenance->stopping)
            break;
        pthread_mutex_unlock(&maintenance->lock);
        take_in(maintenance, queue);
        next_begin = begin_pages(maintenance);
        serve_pages(maintenance);
        run_task(maintenance);
        next_look = look_after_store(maintenance);
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
    audiences_start(&maintenance->audiences, settings->scrape_interval);
    if (settings->scrapers != NULL)
        scrapers_restore(&maintenance->audiences.all.scrapers, settings->scrapers);
    atomic_init(&maintenance->last_sweep, clock_monotonic());
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

uint64_t maintenance_last_sweep(const struct maintenance *maintenance)
{
    return atomic_load_explicit(&maintenance->last_sweep, memory_order_relaxed);
}

void maintenance_ask(struct maintenance *maintenance, struct page_request *request)
{
    pthread_mutex_lock(&maintenance->lock);
    request->asks = true;
    enqueue(maintenance, request);
    pthread_mutex_unlock(&maintenance->lock);
    pthread_cond_signal(&maintenance->changed);
}

void maintenance_end_page(struct maintenance *maintenance, struct page_request *request, bool complete)
{
    pthread_mutex_lock(&maintenance->lock);
    request->ends = true;
    request->complete = complete;
    enqueue(maintenance, request);
    pthread_mutex_unlock(&maintenance->lock);
    pthread_cond_signal(&maintenance->changed);
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
    while (maintenance->pages != NULL) {
        struct page *page = maintenance->pages;
        maintenance->pages = page->next;
        free_page(page);
    }
    buffer_free(&maintenance->plain);
    audiences_end(&maintenance->audiences);
    free(maintenance);
}
