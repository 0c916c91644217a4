/* One line per event on stderr.  Never a password, never the text of a log line.  Any thread. */
#ifndef LOG_H
#define LOG_H

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* What is less important than level is not written.  Before any thread is started. */
void log_set_level(enum log_level level);

/* Write "time level message".  More than 20 lines in a second are not written but counted, and the number is written
 * later. */
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
