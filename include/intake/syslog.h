/* Read one syslog message: RFC 5424 as Logplex sends it, without STRUCTURED-DATA, and the full form.
 * Pure: no I/O, no allocation.
 *
 *     <158>1 2022-12-07T15:54:57.123456+00:00 host heroku router - at=info method=GET ...
 *      pri   timestamp                        hostname appname procid msgid message
 */
#ifndef SYSLOG_H
#define SYSLOG_H

#include <stdint.h>

#include "base/line.h"

/* The two shapes cannot be distinguished by the message alone: a Logplex message may start with "- " or "[".  The
 * request decides: Logplex's own headers mean that there is no STRUCTURED-DATA. */
enum syslog_shape {
    SYSLOG_LOGPLEX, /* all after MSGID is the message */
    SYSLOG_RFC5424, /* MSGID is followed by "-" or "[id@number ...]" and then the message */
};

/* Split a message into its parts.  False if it has no syslog header: then line->message is the whole text and the
 * other parts are empty. */
bool syslog_parse(struct slice text, enum syslog_shape shape, struct line *line);

/* Microseconds since 1970 (UTC) of an RFC 3339 timestamp: 0 to 9 digits of fraction, "Z" or an offset.  False if it
 * cannot be read; *microseconds is then untouched. */
bool syslog_time(struct slice timestamp, int64_t *microseconds);

/* The minute of the timestamp that was read last. */
struct syslog_minute {
    int64_t microseconds; /* at which it begins */
    char text[17];        /* "2022-12-07T15:54:" */
    char offset[9];       /* "+00:00" */
    size_t offset_length;
};

/* The same, quicker if the timestamp is of the same minute as the one before it, as those of a batch mostly are.  near:
 * all zero at first, then what the last call left. */
bool syslog_time_near(struct slice timestamp, struct syslog_minute *near, int64_t *microseconds);

#endif
