/* One log line: a message split into who wrote it, when, and what it says.  A plain value; intake/syslog.h makes
 * it.
 *
 *     <158>1 2022-12-07T15:54:57.123456+00:00 host heroku router - at=info method=GET ...
 *            timestamp                        hostname appname procid message
 */
#ifndef LINE_H
#define LINE_H

#include "base/slice.h"

/* All slices are parts of the message that was read, and valid as long as it is.  What a message lacks is empty. */
struct line {
    struct slice timestamp; /* as it was written; syslog_time() reads it */
    struct slice hostname;
    struct slice appname;
    struct slice procid;          /* the nil value "-" is read as empty */
    struct slice structured_data; /* "[id@number name="value"]...", its brackets and escapes as they stand */
    struct slice message;
};

#endif
