/* One line per event on stderr.  Never a password, never the text of a log line.  Any thread. */
#ifndef LOG_H
#define LOG_H

#include "base/slice.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* What is less important than level is not written.  Before any thread is started. */
void log_set_level(enum log_level level);

/* Write "time level message", without ever waiting: a line that stderr cannot take at once is not written.  Nor are
 * more than 20 lines in a second of one format.  How many were left out is told on a later line. */
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Write "time=... level=info " and these fields (logfmt, printable), whatever the level is, as above but up to 100
 * lines in a second.  How many were left out is told on the next one, as suppressed=. */
void log_write_access(struct slice fields);

/* How many lines were left out since this was last asked. */
unsigned log_take_dropped(void);

#endif
