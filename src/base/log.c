#include "base/log.h"

#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    LINES_PER_SECOND = 20, /* of a kind */
    ACCESS_LINES_PER_SECOND = 100,
    KINDS_MAX = 64,
    LINE_MAX_LENGTH = 1024,
    NOTE_MAX_LENGTH = 64,
    TIME_MAX_LENGTH = 48,
};

/* Messages of the same format. */
struct kind {
    const char *format;
    time_t second;
    int lines; /* in that second */
    int left_out;
};

static enum log_level wanted = LOG_INFO;

static struct {
    pthread_mutex_t lock;
    struct kind kinds[KINDS_MAX]; /* the last one is for all further kinds */
    struct kind access;           /* without a format */
    int unwritten;                /* lines since the last that was written */
    unsigned dropped;             /* of all kinds, since they were asked for */
} state = {.lock = PTHREAD_MUTEX_INITIALIZER};

void log_set_level(enum log_level level)
{
    wanted = level;
}

unsigned log_take_dropped(void)
{
    pthread_mutex_lock(&state.lock);
    unsigned dropped = state.dropped;
    state.dropped = 0;
    pthread_mutex_unlock(&state.lock);
    return dropped;
}

static struct kind *kind_of(const char *format)
{
    struct kind *kind = state.kinds;
    while (kind < &state.kinds[KINDS_MAX - 1] && kind->format != NULL && kind->format != format)
        kind++;
    kind->format = format;
    return kind;
}

/* May a line be written now, of so many in a second? */
static int admit(struct kind *kind, int most, time_t now)
{
    if (kind->second != now) {
        kind->second = now;
        kind->lines = 0;
    }
    if (kind->lines++ < most)
        return 1;
    kind->left_out++;
    return 0;
}

static void spell_time(const struct timespec *now, char out[TIME_MAX_LENGTH])
{
    struct tm utc = {0};
    gmtime_r(&now->tv_sec, &utc); /* fails in the year 2147483648 */
    size_t length = strftime(out, TIME_MAX_LENGTH, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(out + length, TIME_MAX_LENGTH - length, ".%03ldZ", now->tv_nsec / 1000000);
}

static size_t begin_line(enum log_level level, const struct timespec *now, char *line)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    char time[TIME_MAX_LENGTH];
    spell_time(now, time);
    return (size_t)snprintf(line, LINE_MAX_LENGTH, "%s %s ", time, names[level]);
}

static size_t end_line(const struct kind *kind, char *line, size_t length)
{
    int missing = kind->left_out + state.unwritten;
    if (missing > 0)
        length +=
            (size_t)snprintf(line + length, LINE_MAX_LENGTH - length, " (%d lines before this one left out)", missing);
    line[length++] = '\n';
    return length;
}

/* One write, so that lines of several threads do not mix.  If nobody reads, and a pipe is full, the line is not
 * written: nothing waits for the log.  What poll() finds ready has space for a line.  Whether it was written. */
static bool write_line(struct kind *kind, const char *line, size_t length)
{
    struct pollfd out = {STDERR_FILENO, POLLOUT, 0};
    if (poll(&out, 1, 0) == 1 && (out.revents & POLLOUT) != 0 && write(STDERR_FILENO, line, length) > 0) {
        kind->left_out = 0;
        return true;
    }
    state.dropped++;
    return false;
}

void log_write(enum log_level level, const char *format, ...)
{
    struct timespec now;
    if (level > wanted)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    pthread_mutex_lock(&state.lock);
    struct kind *kind = kind_of(format);
    if (admit(kind, LINES_PER_SECOND, now.tv_sec)) {
        char line[LINE_MAX_LENGTH];
        size_t length = begin_line(level, &now, line);
        size_t capacity = sizeof line - length - NOTE_MAX_LENGTH;
        va_list arguments;
        va_start(arguments, format);
        int written = vsnprintf(line + length, capacity, format, arguments);
        va_end(arguments);
        if (written > 0)
            length += (size_t)written < capacity ? (size_t)written : capacity - 1;
        if (write_line(kind, line, end_line(kind, line, length)))
            state.unwritten = 0;
        else
            state.unwritten++;
    } else
        state.dropped++;
    pthread_mutex_unlock(&state.lock);
}

void log_write_access(struct slice fields)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    pthread_mutex_lock(&state.lock);
    struct kind *kind = &state.access;
    if (admit(kind, ACCESS_LINES_PER_SECOND, now.tv_sec)) {
        char line[LINE_MAX_LENGTH], time[TIME_MAX_LENGTH], note[NOTE_MAX_LENGTH] = "";
        spell_time(&now, time);
        if (kind->left_out > 0)
            snprintf(note, sizeof note, " suppressed=%d", kind->left_out);
        int most = LINE_MAX_LENGTH - TIME_MAX_LENGTH - NOTE_MAX_LENGTH - (int)sizeof "time= level=info \n";
        int length = snprintf(line, sizeof line, "time=%s level=info %.*s%s\n", time,
                              fields.length < (size_t)most ? (int)fields.length : most, fields.at, note);
        kind->left_out += !write_line(kind, line, (size_t)length);
    } else
        state.dropped++;
    pthread_mutex_unlock(&state.lock);
}
