/* How much an app logs, and which part of it: messages and bytes by who wrote them.
 *
 *     heroku_log_messages_total{app="my-app",source="app",process_type="web"} 4711
 *
 * source is the appname (app, heroku, or other), process_type the procid without its number. */
#ifndef LOG_VOLUME_H
#define LOG_VOLUME_H

#include "base/sample.h"
#include "intake/syslog.h"

enum { LOG_SOURCES = 32 };

/* What one appname and procid has said in a batch.  Slices of its lines. */
struct log_source {
    struct slice appname;
    struct slice procid;
    double messages; /* 0: free */
    double bytes;
};

/* A batch's volume; begin with all zero. */
struct log_volume {
    struct log_source sources[LOG_SOURCES];
};

/* Count a message of so many bytes.  What has to make room for it goes to output. */
void log_volume_add(struct log_volume *volume, const struct line *line, size_t bytes, struct slice app,
                    struct sample_output *output);

/* Record all that was counted. */
void log_volume_record(struct log_volume *volume, struct slice app, struct sample_output *output);

#endif
