/* What an app prints in the convention of l2met and Librato: app / <process>.
 *
 *     at=finish count#requests=1 measure#db.latency=4ms sample#queue.size=100GB source=us-east
 *
 * anywhere in a line of key=value pairs, but not within a value; a name without "=" has the value 1.  From such a
 * line of web.1:
 *
 *     count#name    l2met_<name>_total{app,process_type,source}     counter; each line adds its value
 *     measure#name  l2met_<name>_<unit>{app,process_type,source}    histogram; each line adds an observation
 *     sample#name   l2met_<name>_<unit>{app,process,source}         gauge
 *     unique#name   nothing
 *
 * measure.name is measure#name, if the line starts with it.  The unit is seconds or bytes, or left out; a name that
 * ends in it, or in total, does not get it twice.  Another unit than those of keyvalue.h is not converted.  Counts and
 * measurements are not negative.  A name has letters, digits, "." ":" "_" and "-".  The gauges of one-off dynos, whose
 * names are numbers that do not come again, have process_type instead of process.  Here source is what the app means
 * by it.  A histogram whose name ends in seconds has bounds for times.  Whatever these lines resemble, their metrics
 * start with l2met: an app cannot forge heroku_postgres_db_size.
 */
#ifndef FAMILY_L2MET_H
#define FAMILY_L2MET_H

#include "families/family.h"

extern const struct family l2met_family;

/* How older versions of l2met spell measure#. */
#define L2MET_LEGACY SLICE("measure.")

/* Might a line be one?  It is not, if this says no.  hashes: of the batch, as few lines have any "#", so that it is
 * looked for in all of them at once; NULL: in this line alone.  *position: where its first "#" is. */
static inline bool l2met_might_own(struct slice text, struct scan_ahead *hashes, size_t *position)
{
    *position = hashes != NULL ? scan_ahead(hashes, text, '#') : slice_index(text, '#');
    return *position < text.length || slice_starts_with(text, L2MET_LEGACY);
}

#endif
