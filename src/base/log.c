#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINES_PER_SECOND = 20 };

static enum log_level wanted = LOG_INFO;

static struct {
    pthread_mutex_t lock;
    time_t second;
    int lines;
    int suppressed;
} rate = {.lock = PTHREAD_MUTEX_INITIALIZER};

void log_set_level(enum log_level level)
{
    wanted = level;
}

/* May a line be written now?  *suppressed is how many were not since the last one that was. */
static int admit(time_t now, int *suppressed)
{
    pthread_mutex_lock(&rate.lock);
    if (rate.second != now) {
        rate.second = now;
        rate.lines = 0;
    }
    int admitted = rate.lines++ < LINES_PER_SECOND;
    *suppressed = 0;
    if (admitted) {
        *suppressed = rate.suppressed;
        rate.suppressed = 0;
    } else
        rate.suppressed++;
    pthread_mutex_unlock(&rate.lock);
    return admitted;
}

void log_write(enum log_level level, const char *format, ...)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int suppressed;
    if (level > wanted || !admit(now.tv_sec, &suppressed))
        return;

    char line[1024];
    struct tm utc;
    gmtime_r(&now.tv_sec, &utc);
    size_t length = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &utc);
    length += (size_t)snprintf(line + length, sizeof line - length, ".%03ldZ %s ", now.tv_nsec / 1000000, names[level]);
    va_list arguments;
    va_start(arguments, format);
    int written = vsnprintf(line + length, sizeof line - length - 64, format, arguments);
    va_end(arguments);
    if (written > 0)
        length += (size_t)written < sizeof line - length - 64 ? (size_t)written : sizeof line - length - 65;
    if (suppressed > 0)
        length +=
            (size_t)snprintf(line + length, sizeof line - length, " (%d lines before this one left out)", suppressed);
    line[length++] = '\n';
    /* One write, so that lines of several threads do not mix. */
    if (write(STDERR_FILENO, line, length) < 0)
        return;
}
