/* Metrics lines of Heroku's add-ons: app / heroku-<kind>.
 *
 *     source=DATABASE addon=postgresql-curly-12345 sample#db_size=26219348792bytes sample#tables=13 ...
 *     source=REDIS addon=redis-rugged-24473 sample#active-connections=4 sample#memory-redis=5116080bytes ...
 *     source=pgbouncer addon=postgresql-contoured-12345 sample#client_active=56 sample#avg_query=8751 ...
 *     source=KAFKA addon=kafka-curly-12345 sample#load-avg-1m=0.5 ...
 *
 * heroku_<kind>_<key>{addon}, with "-" as "_": a gauge for each pair, in base units, whether its key is known or not.
 * If a line has no addon, the labels are app and source: each app calls its database DATABASE.  With addon_app, app
 * stands beside addon.
 *
 * postgres   The database server's own log (procid postgres.<number>) is never read for these: it holds SQL, that is,
 *            anything.  Nor is what an app prints, which could be any text.
 * redis      On the smallest plans the server is shared: all but memory-redis, the connections, the hit rate and the
 *            evicted keys are those of the server then.
 * pgbouncer  The addon is the database's: source is the same for all.  The keys whose numbers are written without their
 *            units are named after them:
 *                max_wait   seconds             heroku_pgbouncer_max_wait_seconds
 *                avg_query  microseconds        heroku_pgbouncer_avg_query_seconds
 *                avg_recv   bytes per second    heroku_pgbouncer_received_bytes_per_second
 *                avg_sent   bytes per second    heroku_pgbouncer_sent_bytes_per_second
 * addon      All others that write as Heroku's own do.  If heroku_<kind> could be the start of another family's name
 *            (heroku-router), it is heroku_addon_<kind>.  An add-on chooses its procid, an app cannot. */
#ifndef FAMILY_ADDONS_H
#define FAMILY_ADDONS_H

#include "families/family.h"

extern const struct family postgres_family;
extern const struct family redis_family;
extern const struct family pgbouncer_family;
extern const struct family addon_family;

#endif
