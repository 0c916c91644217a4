/* Lines of Heroku's router: heroku / router.
 *
 *     at=error code=H12 desc="Request timeout" method=GET path="/" host=example.com dyno=web.1 connect=1ms
 *         service=30000ms status=503 bytes=0 protocol=http1.1 tls=true tls_version=tls1.3
 *
 * heroku_router_requests_total{app,method,status};
 * heroku_router_protocol_requests_total{app,protocol,tls}; heroku_router_service_duration_seconds,
 * heroku_router_websocket_duration_seconds (status 101), heroku_router_connect_duration_seconds (histograms) and
 * heroku_router_response_bytes_total by {app,process_type}.  With router_by_process, all but protocols have
 * process_type and process, and end with the process.
 *
 * heroku_router_errors{app,process,code}: lines with an H code, zero for each known code from the first router line
 * of an app and from the first line about a web process on.  A line without a dyno counts for the app without a
 * process. A line that says at=warning (H27, H28) or at=info (H80 to H83) is no error and not counted there.
 * heroku_router_error_lines_total{app,at,code} has them all: errors, warnings and notices by their at.
 *
 * Path, host, request id and client address are never labels.  If a drain's host is behind the router of an app that
 * it drains, each batch makes a router line, which comes in the next batch: such lines are counted in the context, and
 * left out elsewhere if the context says so. */
#ifndef FAMILY_ROUTER_H
#define FAMILY_ROUTER_H

#include "families/family.h"

extern const struct family router_family;

#endif
