/* The database server's own log: app / postgres.<number>.
 *
 *     [YELLOW] [12-1]  sql_error_code = 28000 user="u" application_name="psql" FATAL:  no pg_hba.conf entry ...
 *      source   message 12, part 1      pairs                                  severity
 *
 * heroku_postgres_log_messages_total{app,source,severity,sqlstate_class}: messages, by the first two characters of the
 * code.  Further parts ([12-2]), and DETAIL, HINT and the like, belong to a message that was counted.  The pairs hold
 * what clients chose, the text after the severity is SQL: neither is read for anything else, nor becomes a label.  A
 * line of another pattern is not ours: the app may have a process type of this name. */
#ifndef FAMILY_POSTGRES_LOG_H
#define FAMILY_POSTGRES_LOG_H

#include "families/family.h"

extern const struct family postgres_log_family;

#endif
