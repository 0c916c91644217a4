/* How much an app logs, and which part of it: messages and bytes by who wrote them.
 *
 *     heroku_log_messages_total{app="my-app",source="app",process_type="web"} 4711
 *
 * source is the appname (app, heroku, or other), process_type the procid without its number. */
#ifndef LOG_VOLUME_H
#define LOG_VOLUME_H

#include "base/sample.h"
#include "intake/procids.h"

/* What one appname and procid has said. */
struct log_source {
    double messages;
    double bytes;
};

/* What a batch has said, by the numbers of procids.h. */
struct log_volume {
    unsigned count; /* those that are used */
    struct log_source sources[PROCIDS_MAX];
};

/* Forget all. */
static inline void log_volume_start(struct log_volume *volume)
{
    volume->count = 0;
}

/* Count a message of so many bytes. */
static inline void log_volume_add(struct log_volume *volume, unsigned procid, size_t bytes)
{
    while (volume->count <= procid)
        volume->sources[volume->count++] = (struct log_source){0, 0};
    volume->sources[procid].messages++;
    volume->sources[procid].bytes += (double)bytes;
}

/* Record all that was counted. */
void log_volume_record(const struct log_volume *volume, const struct procids *procids, struct slice app,
                       struct sample_output *output);

#endif
