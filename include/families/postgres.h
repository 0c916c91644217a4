/* Metrics lines of Heroku Postgres: app / heroku-postgres.
 *
 *     source=DATABASE addon=postgresql-curly-12345 sample#db_size=26219348792bytes sample#tables=13 ...
 *
 * heroku_postgres_<key, - to _>{addon}, see addon_samples.h.  The database server's own log (procid postgres.<number>)
 * is never read for these: it holds SQL, that is, anything.  Nor is what an app prints, which could be any text. */
#ifndef FAMILY_POSTGRES_H
#define FAMILY_POSTGRES_H

#include "families/family.h"

extern const struct family postgres_family;

#endif
