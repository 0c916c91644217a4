/* The metrics about requests and connections. */
#ifndef HTTP_METRICS_H
#define HTTP_METRICS_H

#include "store/self_metrics.h"

/* Requests, for each path; a cell for each status, one for no response and one for all others. */
enum { HTTP_STATUSES = 15 };
extern const struct metric http_requests;

/* The cell that a status is counted in; 0: no response. */
unsigned http_status_cell(int status);

extern const struct metric http_connections_refused;
extern const struct metric http_connections_displaced;
extern const struct metric http_connections_timed_out;

extern const struct metric http_certificate_expiry;

extern const struct metric http_credential_used;
extern const struct metric http_config_loaded;
extern const struct metric http_config_load_failed;

extern const struct metric log_lines_dropped;

#endif
