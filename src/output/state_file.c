#include "output/state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/self_metrics.h"

enum {
    NAME_MAX_BYTES = 240, /* of the file; its other names are longer */
    READ_SIZE = 256 * 1024,
    LOCK_INTERVAL = 1000, /* milliseconds after which who has not got the lock asks for it again */
};

/* No more is read or written. */
#define SIZE_MOST (INT64_C(16) << 30)

/* What became of the file at the start: a cell of loads_total. */
enum load { LOAD_NONE, LOAD_ORDERLY, LOAD_CRASHED, LOAD_UNUSABLE, LOAD_PASSED_OVER, LOADS };
static const char *const load_labels[LOADS] = {"none", "orderly", "crashed", "unusable", "passed_over"};

enum save { SAVE_DONE, SAVE_FAILED, SAVES };
static const char *const save_labels[SAVES] = {"saved", "failed"};

static const struct metric loads =
    SELF_COUNTERS("state_loads_total", "Starts of the program, by what STATE_FILE held then.", "found", load_labels);
static const struct metric saves =
    SELF_COUNTERS("state_saves_total", "Times that STATE_FILE was to be written.", "result", save_labels);
static const struct metric last_save = {.name = "drain_exporter_state_saved_timestamp_seconds",
                                        .help = "When STATE_FILE was last written.",
                                        .type = METRIC_GAUGE,
                                        .self = true};
static const struct metric duration = {.name = "drain_exporter_state_save_duration_seconds",
                                       .help = "How long it took to write STATE_FILE.",
                                       .type = METRIC_GAUGE,
                                       .self = true};
static const struct metric size_bytes = {
    .name = "drain_exporter_state_size_bytes", .help = "Size of STATE_FILE.", .type = METRIC_GAUGE, .self = true};

struct state_file {
    int folder;    /* open */
    int lock;      /* open; -1: it is not ours */
    bool is_taken; /* another program has the lock: that was said */
    char path[1024];
    char name[NAME_MAX_BYTES + 1];
    char names[3][NAME_MAX_BYTES + 16];
    enum load found;
    bool has_counted_load;          /* in the store */
    struct state_load_tally loaded; /* what the file held */
    bool is_unmarked;               /* it said that its program had stopped, and does not any more */
    struct maintenance *maintenance;
    uint64_t interval;
    pthread_t thread;
    bool started;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    bool stopping;
    struct page_request request;
    bool has_piece, is_released;
    struct page_piece *piece;
    bool is_failing;        /* the last time failed: that was said */
    uint64_t counts[SAVES]; /* that are not in the store yet */
    int64_t saved_at;       /* microseconds since 1970; 0: not yet */
    double save_duration;
    double save_size;
};

enum { NEW, LOCK, UNUSABLE };
static const char *const suffixes[] = {".new", ".lock", ".unusable"};

/* ---- open ---- */

#define FILE_IN_FOLDER "drain_exporter.state"

static bool ends_in_slash(const char *path)
{
    size_t length = strlen(path);
    return length > 0 && path[length - 1] == '/';
}

/* "/a/b" is "b" in "/a", "b" is in ".".  What others use, such as /dev/null, must not give way to a state. */
static bool split_path(struct state_file *file, char error[ERROR_MAX])
{
    struct stat status;
    bool is_there = stat(file->path, &status) == 0;
    if (is_there && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))
        return error_set(error, "STATE_FILE: %s is neither a file nor a folder", file->path);
    if (is_there && S_ISDIR(status.st_mode))
        strcat(file->path, ends_in_slash(file->path) ? FILE_IN_FOLDER : "/" FILE_IN_FOLDER);
    if (ends_in_slash(file->path))
        return error_set(error, "STATE_FILE: there is no folder %s", file->path);
    const char *slash = strrchr(file->path, '/');
    const char *name = slash == NULL ? file->path : slash + 1;
    if (name[0] == '\0' || strlen(name) > NAME_MAX_BYTES)
        return error_set(error, "STATE_FILE: the name of the file has more than %d bytes", NAME_MAX_BYTES);
    strcpy(file->name, name);
    for (int i = 0; i < 3; i++)
        snprintf(file->names[i], sizeof file->names[i], "%.*s%s", NAME_MAX_BYTES, name, suffixes[i]);
    return true;
}

static bool open_folder(struct state_file *file, char error[ERROR_MAX])
{
    char folder[sizeof file->path];
    size_t length = strlen(file->path) - strlen(file->name);
    memcpy(folder, file->path, length);
    strcpy(folder + length, length == 0 ? "." : "");
    file->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return file->folder >= 0 ||
           error_set(error, "STATE_FILE: the folder %s cannot be opened: %s", folder, strerror(errno));
}

/* Is the file ours to write?  A file system without locks has no say. */
static bool take_lock(struct state_file *file)
{
    if (file->lock >= 0)
        return true;
    int lock = openat(file->folder, file->names[LOCK], O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock < 0)
        return errno != EWOULDBLOCK; /* writing will fail as well, and say why */
    if (flock(lock, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) {
        file->lock = lock;
        return true;
    }
    close(lock);
    return false;
}

struct state_file *state_file_open(const char *path, char error[ERROR_MAX])
{
    struct state_file *file = calloc(1, sizeof *file);
    if (file == NULL || strlen(path) + 32 > sizeof file->path) {
        free(file);
        error_set(error, file == NULL ? ERROR_NO_MEMORY : "STATE_FILE is too long");
        return NULL;
    }
    file->folder = file->lock = -1;
    strcpy(file->path, path);
    pthread_mutex_init(&file->mutex, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&file->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (split_path(file, error) && open_folder(file, error))
        return file;
    state_file_free(file);
    return NULL;
}

int state_file_folder(const struct state_file *file)
{
    return file->folder;
}

void state_file_free(struct state_file *file)
{
    if (file == NULL)
        return;
    if (file->folder >= 0)
        close(file->folder);
    if (file->lock >= 0)
        close(file->lock);
    pthread_cond_destroy(&file->changed);
    pthread_mutex_destroy(&file->mutex);
    free(file);
}

/* ---- load ---- */

/* Read all of an open file as settings say.  Errors of reading set *reason. */
static enum state_load_result read_all(int fd, const struct state_load_settings *settings,
                                       struct state_load_tally *tally, int64_t *size, int *reason)
{
    enum state_load_result result = STATE_LOAD_NO_MEMORY;
    struct state_load *load = state_load_create(settings);
    char *bytes = malloc(READ_SIZE);
    if (load != NULL && bytes != NULL) {
        ssize_t length;
        result = STATE_LOAD_GOES_ON;
        *size = 0;
        while (result == STATE_LOAD_GOES_ON && *size < SIZE_MOST &&
               (length = pread(fd, bytes, READ_SIZE, *size)) != 0) {
            if (length < 0) {
                *reason = errno;
                break;
            }
            *size += length;
            result = state_load_add(load, (struct slice){bytes, (size_t)length});
        }
        *tally = *state_load_tally(load);
    }
    free(bytes);
    state_load_free(load);
    return result;
}

/* Let the file say whether its program has stopped. */
static bool write_end(struct state_file *file, int fd, bool orderly)
{
    struct buffer end = {0};
    state_put_end(&end, file->loaded.end_block, orderly);
    bool written = !end.failed && pwrite(fd, end.at, end.length, (off_t)file->loaded.end_at) == (ssize_t)end.length &&
                   fsync(fd) == 0;
    buffer_free(&end);
    return written;
}

static bool mark(struct state_file *file, bool orderly)
{
    int fd = openat(file->folder, file->name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    bool marked = fd >= 0 && write_end(file, fd, orderly);
    if (fd >= 0)
        close(fd);
    return marked;
}

/* Why a file cannot be used; NULL: it can.  Its end is known then. */
static const char *examine(struct state_file *file, int fd, const struct state_load_settings *settings)
{
    struct state_load_settings look = {.wall = settings->wall};
    struct stat status;
    int64_t size = 0;
    int reason = 0;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        return "it is no regular file";
    switch (read_all(fd, &look, &file->loaded, &size, &reason)) {
    case STATE_LOAD_ENDED:
        return (int64_t)file->loaded.end_at + STATE_END_SIZE == status.st_size ? NULL : "it has more behind its end";
    case STATE_LOAD_LATER:
        return "it is of another version of the program";
    case STATE_LOAD_NO_MEMORY:
        return ERROR_NO_MEMORY;
    case STATE_LOAD_GOES_ON:
        return reason != 0 ? strerror(reason) : size == 0 ? "it is empty" : "it has no end";
    case STATE_LOAD_DAMAGED:
        break;
    }
    return "it is damaged, or not of this program";
}

static void keep_aside(struct state_file *file, const char *why)
{
    bool kept = file->lock >= 0 && renameat(file->folder, file->name, file->folder, file->names[UNUSABLE]) == 0;
    file->found = LOAD_UNUSABLE;
    log_write(LOG_ERROR, "STATE_FILE %s cannot be used, nothing is known from before: %s; %s%s", file->path, why,
              kept ? "it is kept as " : "it stays where it is", kept ? file->names[UNUSABLE] : "");
}

static void say_loaded(const struct state_file *file, const struct state_load_tally *tally)
{
    bool orderly = file->found == LOAD_ORDERLY;
    log_write(tally->refused > 0 || tally->bad > 0 ? LOG_WARN : LOG_INFO,
              "STATE_FILE %s was written %.1f s ago%s: %zu series are back%s, %zu are over%s%s", file->path,
              (double)tally->ago / 1e3, orderly ? ", when the program stopped" : "", tally->restored,
              orderly ? "" : ", counters begin at 0", tally->expired,
              tally->refused > 0 ? ", others are beyond today's bounds" : "",
              tally->bad > 0 ? ", some records could not be understood" : "");
}

/* A file that can be used. */
static void load_file(struct state_file *file, int fd, struct state_load_settings *settings)
{
    struct state_load_tally tally = {0};
    int64_t size;
    int reason = 0;
    /* Whoever starts after us must not go on from here: by then scrapers will have seen more. */
    file->is_unmarked = file->lock >= 0 && file->loaded.orderly && mark(file, false);
    settings->orderly = file->is_unmarked;
    file->found = settings->orderly ? LOAD_ORDERLY : LOAD_CRASHED;
    if (read_all(fd, settings, &tally, &size, &reason) == STATE_LOAD_NO_MEMORY)
        log_write(LOG_ERROR, "STATE_FILE %s was not read to its end: %s", file->path, ERROR_NO_MEMORY);
    file->loaded.scrapers = tally.scrapers;
    say_loaded(file, &tally);
}

bool state_file_is_orderly(struct state_file *file)
{
    struct state_load_settings settings = {.wall = clock_wall()};
    bool ours = take_lock(file);
    int fd = openat(file->folder, file->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool orderly = ours && fd >= 0 && examine(file, fd, &settings) == NULL && file->loaded.orderly;
    if (fd >= 0)
        close(fd);
    return orderly;
}

void state_file_pass_over(struct state_file *file)
{
    file->found = faccessat(file->folder, file->name, F_OK, 0) == 0 ? LOAD_PASSED_OVER : LOAD_NONE;
}

const struct scrapers *state_file_load(struct state_file *file, struct state_load_settings *settings)
{
    file->found = LOAD_NONE;
    take_lock(file);
    int fd = openat(file->folder, file->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT) {
        log_write(LOG_INFO, "STATE_FILE %s is not there yet: nothing is known from before", file->path);
        return NULL;
    }
    const char *why = fd < 0 ? strerror(errno) : examine(file, fd, settings);
    if (why == NULL)
        load_file(file, fd, settings);
    else
        keep_aside(file, why);
    if (fd >= 0)
        close(fd);
    return file->found == LOAD_ORDERLY ? &file->loaded.scrapers : NULL;
}

/* ---- pieces of the maintenance thread ---- */

static struct state_file *file_of(struct page_request *request)
{
    return (struct state_file *)((char *)request - offsetof(struct state_file, request));
}

static void on_piece(struct page_request *request, struct page_piece *piece)
{
    struct state_file *file = file_of(request);
    pthread_mutex_lock(&file->mutex);
    file->piece = piece;
    file->has_piece = true;
    pthread_cond_signal(&file->changed);
    pthread_mutex_unlock(&file->mutex);
}

static void on_release(struct page_request *request)
{
    struct state_file *file = file_of(request);
    pthread_mutex_lock(&file->mutex);
    file->is_released = true;
    pthread_cond_signal(&file->changed);
    pthread_mutex_unlock(&file->mutex);
}

static void wait_until(struct state_file *file, const bool *condition)
{
    pthread_mutex_lock(&file->mutex);
    while (!*condition)
        pthread_cond_wait(&file->changed, &file->mutex);
    pthread_mutex_unlock(&file->mutex);
}

/* NULL: there is none. */
static struct page_piece *next_piece(struct state_file *file)
{
    file->has_piece = false;
    maintenance_ask(file->maintenance, &file->request);
    wait_until(file, &file->has_piece);
    return file->piece;
}

/* ---- save ---- */

static bool write_all(int fd, const char *at, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, at, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        at += written;
        length -= (size_t)written;
    }
    return true;
}

/* Write all pieces; the last one is the end, and says what it is to say here.  errno says why not. */
static bool write_pieces(struct state_file *file, int fd, bool orderly, int64_t *size)
{
    for (uint64_t number = 0;; number++) {
        struct page_piece *piece = next_piece(file);
        if (piece == NULL) {
            errno = ENOMEM;
            return false;
        }
        bool last = piece->last;
        if (last) {
            piece->text.length = 0;
            state_put_end(&piece->text, number, orderly);
        }
        *size += (int64_t)piece->text.length;
        errno = piece->text.failed ? ENOMEM : EFBIG;
        bool written = !piece->text.failed && *size <= SIZE_MOST && write_all(fd, piece->text.at, piece->text.length);
        int reason = errno;
        page_piece_unref(piece);
        errno = reason;
        if (!written || last)
            return written;
    }
}

static bool write_state(struct state_file *file, int fd, bool orderly, int64_t *size)
{
    *size = 0;
    file->is_released = false;
    file->request =
        (struct page_request){.selection = {.kind = PAGE_STATE_WHOLE}, .deliver = on_piece, .release = on_release};
    bool written = write_pieces(file, fd, orderly, size);
    int reason = errno;
    maintenance_end_page(file->maintenance, &file->request, written);
    wait_until(file, &file->is_released);
    errno = reason;
    return written && fsync(fd) == 0;
}

static bool replace_file(struct state_file *file, bool orderly, int64_t *size)
{
    const char *name = file->names[NEW];
    int fd = openat(file->folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return false;
    bool written = write_state(file, fd, orderly, size);
    int reason = errno;
    close(fd);
    if (written && renameat(file->folder, name, file->folder, file->name) == 0) {
        fsync(file->folder); /* not all file systems have that; then the name is as safe as it can be */
        return true;
    }
    reason = written ? errno : reason;
    unlinkat(file->folder, name, 0);
    errno = reason;
    return false;
}

/* Once for each time that it begins to fail. */
static void say_failed(struct state_file *file, int reason)
{
    if (!file->is_failing)
        log_write(LOG_ERROR, "STATE_FILE %s cannot be written, it stays as it was: %s", file->path, strerror(reason));
    file->is_failing = true;
}

static void note_saved(struct state_file *file, uint64_t start, int64_t size)
{
    pthread_mutex_lock(&file->mutex);
    file->saved_at = clock_wall();
    file->save_duration = (double)(clock_monotonic_micros() - start) / 1e6;
    file->save_size = (double)size;
    file->counts[SAVE_DONE]++;
    pthread_mutex_unlock(&file->mutex);
    if (file->is_failing)
        log_write(LOG_INFO, "STATE_FILE %s is written again", file->path);
    file->is_failing = false;
}

static void save(struct state_file *file, bool orderly)
{
    int64_t size;
    uint64_t start = clock_monotonic_micros();
    if (replace_file(file, orderly, &size)) {
        note_saved(file, start, size);
        return;
    }
    say_failed(file, errno);
    pthread_mutex_lock(&file->mutex);
    file->counts[SAVE_FAILED]++;
    pthread_mutex_unlock(&file->mutex);
}

/* ---- the thread ---- */

/* Is the file ours?  If not, that is said once. */
static bool is_ours(struct state_file *file)
{
    bool ours = take_lock(file);
    if (!ours && !file->is_taken)
        log_write(LOG_WARN, "STATE_FILE %s is another program's: it is not written here until that one has stopped",
                  file->path);
    file->is_taken = !ours;
    return ours;
}

static void *run(void *context)
{
    struct state_file *file = context;
    uint64_t next = clock_monotonic() + file->interval;
    bool stopping = false;
    while (!stopping) {
        bool ours = is_ours(file);
        uint64_t look = clock_monotonic() + LOCK_INTERVAL, until = ours || next < look ? next : look;
        struct timespec deadline = {(time_t)(until / 1000), (long)(until % 1000) * 1000000};
        int waited = 0;
        pthread_mutex_lock(&file->mutex);
        while (!file->stopping && waited != ETIMEDOUT)
            waited = pthread_cond_timedwait(&file->changed, &file->mutex, &deadline);
        stopping = file->stopping;
        pthread_mutex_unlock(&file->mutex);
        bool is_time = stopping || !ours || clock_monotonic() >= next;
        if (is_time && is_ours(file)) {
            save(file, stopping);
            next = clock_monotonic() + file->interval;
        }
    }
    return NULL;
}

bool state_file_start(struct state_file *file, struct maintenance *maintenance, uint64_t interval)
{
    file->maintenance = maintenance;
    file->interval = interval;
    file->started = pthread_create(&file->thread, NULL, run, file) == 0;
    return file->started;
}

bool state_file_stop(struct state_file *file, uint64_t timeout)
{
    if (!file->started) {
        if (file->is_unmarked)
            mark(file, true);
        return true;
    }
    pthread_mutex_lock(&file->mutex);
    file->stopping = true;
    pthread_cond_signal(&file->changed);
    pthread_mutex_unlock(&file->mutex);
    /* As in http_stop(): a join with a deadline follows a clock that can be set. */
    uint64_t deadline = clock_monotonic() + timeout;
    bool ended;
    while (!(ended = pthread_tryjoin_np(file->thread, NULL) == 0) && clock_monotonic() < deadline)
        usleep(2000);
    file->started = !ended;
    file->is_unmarked = false;
    return ended;
}

/* ---- metrics ---- */

static void count(const struct self_terms *terms, const struct metric *metric, unsigned cell, uint64_t amount)
{
    self_count(terms, metric, NULL, 0, cell, (double)amount);
}

void state_file_describe(struct state_file *file, struct store *store, unsigned slot, uint64_t now)
{
    struct self_terms terms = {.store = store, .slot = slot, .now = now, .entity = ENTITY_NONE};
    count(&terms, &loads, file->found, !file->has_counted_load);
    file->has_counted_load = true;
    pthread_mutex_lock(&file->mutex);
    for (unsigned i = 0; i < SAVES; i++) {
        count(&terms, &saves, i, file->counts[i]);
        file->counts[i] = 0;
    }
    if (file->saved_at != 0) {
        self_set(&terms, &last_save, NULL, 0, (double)file->saved_at / 1e6);
        self_set(&terms, &duration, NULL, 0, file->save_duration);
        self_set(&terms, &size_bytes, NULL, 0, file->save_size);
    }
    pthread_mutex_unlock(&file->mutex);
}
