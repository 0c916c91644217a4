/* When the configuration was read last, and when that failed last: what a status page says of its version.  Any thread.
 *
 * Example: read from /etc/drain_exporter.yaml three hours ago; an hour ago it could not be read, so the version of
 * three hours ago is still in force. */
#ifndef LOADS_H
#define LOADS_H

#include <stdint.h>

#include "config/configuration.h"

enum { LOADS_SOURCE_MAX = 256, LOADS_MISTAKES_MAX = 8192 /* bytes; what is longer is cut off */ };

struct load {
    int64_t time;                     /* microseconds since 1970; 0: there was none */
    char source[LOADS_SOURCE_MAX];    /* the file, or "CONFIG"; empty: there is no document */
    char digest[2 * DIGEST_SIZE + 1]; /* as in struct configuration, as is the next one */
    bool digest_is_keyed;
    char mistakes[LOADS_MISTAKES_MAX]; /* of a load that failed: a line each.  They show no secrets */
};

struct loads;

struct loads *loads_create(void); /* NULL if memory is short */
void loads_free(struct loads *loads);

/* It was read, or could not be: for what reasons. */
void loads_note(struct loads *loads, const struct settings *settings, const struct configuration *configuration);
void loads_note_failure(struct loads *loads, const struct settings *settings, struct slice mistakes);

/* Copies of what was noted last of either kind. */
void loads_read(struct loads *loads, struct load *good, struct load *failed);

#endif
