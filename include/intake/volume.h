/* How much an app logs, and which part of it: messages and bytes by who wrote them.
 *
 *     heroku_log_messages_total{app="my-app",source="app",process_type="web"} 4711
 *
 * source is the appname (app, heroku, or other), process_type the procid without its number. */
#ifndef VOLUME_H
#define VOLUME_H

#include "base/sample.h"
#include "intake/syslog.h"

enum { VOLUME_SPEAKERS = 32 };

/* What one appname and procid has said in a batch.  Slices of its lines. */
struct volume_speaker {
    struct slice appname;
    struct slice procid;
    double messages; /* 0: free */
    double bytes;
};

/* A batch's volume; begin with all zero. */
struct volume {
    struct volume_speaker speakers[VOLUME_SPEAKERS];
};

/* Count a message of so many bytes.  What has to make room for it goes to output. */
void volume_add(struct volume *volume, const struct line *line, size_t bytes, struct slice app,
                struct sample_output *output);

/* Record all that was counted. */
void volume_record(struct volume *volume, struct slice app, struct sample_output *output);

#endif
