/* Metrics lines of PgBouncer, the connection pool of Heroku Postgres: app / heroku-pgbouncer.
 *
 *     source=pgbouncer addon=postgresql-contoured-12345 sample#client_active=56 sample#avg_query=8751 ...
 *
 * heroku_pgbouncer_<key>{addon}, see addon_samples.h.  The addon is the database's: source is the same for all.  The
 * keys whose numbers are written without their units are named after them:
 *
 *     max_wait   seconds             heroku_pgbouncer_max_wait_seconds
 *     avg_query  microseconds        heroku_pgbouncer_avg_query_seconds
 *     avg_recv   bytes per second    heroku_pgbouncer_received_bytes_per_second
 *     avg_sent   bytes per second    heroku_pgbouncer_sent_bytes_per_second */
#ifndef FAMILY_PGBOUNCER_H
#define FAMILY_PGBOUNCER_H

#include "families/family.h"

extern const struct family pgbouncer_family;

#endif
