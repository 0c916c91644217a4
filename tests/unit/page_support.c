#include "page_support.h"

#include <pthread.h>
#include <stdio.h>

#include "output/encoder.h"
#include "output/page.h"
#include "support.h"

char page_text[8 << 20];

void page_take(struct store *store, unsigned slot, uint64_t now)
{
    struct buffer buffer = {0};
    store_enter(store, slot);
    page_write(
        &(struct page_terms){.store = store, .slot = slot, .now = now, .all_saw = UINT64_MAX, .encoder = &text_encoder},
        &buffer);
    store_leave(store, slot);
    assert_true(buffer.length < sizeof page_text);
    if (buffer.length > 0)
        memcpy(page_text, buffer.at, buffer.length);
    page_text[buffer.length] = '\0';
    buffer_free(&buffer);
}

/* The lines of the page that contain text. */
static const char *lines_with(const char *text)
{
    static char found[900]; /* cmocka shows no more */
    found[0] = '\0';
    for (char *line = page_text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        if (strstr(line, text) != NULL && strlen(found) + strlen(line) + 2 < sizeof found)
            strcat(strcat(found, line), "\n");
        *end = '\n';
    }
    return found;
}

void page_has(const char *line)
{
    char text[512] = "\n";
    strcat(text, line);
    strcat(text, "\n");
    if (strstr(page_text, text) == NULL) {
        text[strcspn(text, "{")] = '\0';
        fail_msg("no line %s but\n%s", line, lines_with(text + 1));
    }
}

void page_has_not(const char *text)
{
    if (strstr(page_text, text) != NULL)
        fail_msg("%s stands in\n%s", text, lines_with(text));
}

unsigned page_count(const char *text)
{
    unsigned count = 0;
    for (const char *at = page_text; (at = strstr(at, text)) != NULL; at++)
        count++;
    return count;
}

/* ---- pages of a maintenance thread ---- */

enum { WAIT_MAX = 60 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void deliver(struct page_request *request, struct page_piece *piece)
{
    struct page_reader *reader = (struct page_reader *)request;
    pthread_mutex_lock(&lock);
    if (piece != NULL)
        buffer_append(&reader->text, (struct slice){piece->text.at, piece->text.length});
    reader->pieces += piece != NULL;
    reader->refused = piece == NULL;
    reader->complete = piece != NULL && piece->last;
    reader->waits = false;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    page_piece_unref(piece);
}

static void release(struct page_request *request)
{
    pthread_mutex_lock(&lock);
    ((struct page_reader *)request)->released = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

/* Wait until what is pointed to has the value. */
static void await_value(const bool *what, bool value)
{
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += WAIT_MAX;
    int waited = 0;
    pthread_mutex_lock(&lock);
    while (*what != value && waited == 0)
        waited = pthread_cond_timedwait(&changed, &lock, &deadline);
    pthread_mutex_unlock(&lock);
    assert_int_equal(waited, 0);
}

void page_reader_begin(struct page_reader *reader, struct maintenance *maintenance, bool gzip, uint64_t scraper)
{
    *reader =
        (struct page_reader){.request = {.gzip = gzip, .scraper = scraper, .deliver = deliver, .release = release},
                             .maintenance = maintenance};
    page_reader_ask(reader);
}

void page_reader_ask(struct page_reader *reader)
{
    reader->waits = true;
    maintenance_ask(reader->maintenance, &reader->request);
}

bool page_reader_await(struct page_reader *reader)
{
    await_value(&reader->waits, false);
    return !reader->refused;
}

bool page_reader_finish(struct page_reader *reader)
{
    while (page_reader_await(reader)) {
        if (reader->complete)
            return true;
        page_reader_ask(reader);
    }
    return false;
}

void page_reader_end(struct page_reader *reader)
{
    maintenance_end_page(reader->maintenance, &reader->request, reader->complete);
    await_value(&reader->released, true);
}
