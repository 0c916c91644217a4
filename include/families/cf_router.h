/* Cloud Foundry's router, one line for each request, [RTR/n]:
 *
 *     shop.example.com - [2026-02-03T04:05:06.123456789Z] "GET / HTTP/1.1" 200 0 109 "-" "curl/7.43.0"
 *         "10.0.2.150:4070" "10.0.48.66:60815" x_forwarded_for:"..." x_forwarded_proto:"https" vcap_request_id:"..."
 *         response_time:0.263000 gorouter_time:0.000123 app_id:"..." app_index:"0" instance_id:"a"
 *         x_cf_routererror:"endpoint_failure (dial tcp ...)"
 *
 * and as in 2016: addresses and ids without quotes, no gorouter_time, no x_cf_routererror.  Anything may be "-", which
 * means that there is none.  Strings are quoted as Go does it, so what a client chose cannot forge a field; a line may
 * be cut at 65 KB.
 *
 *     cf_router_requests_total{app,process_type,method,status}      counter
 *     cf_router_request_duration_seconds{app,process_type}          histogram, response_time
 *     cf_router_gorouter_duration_seconds{app,process_type}         histogram, gorouter_time
 *     cf_router_request_bytes_total, cf_router_response_bytes_total counters
 *     cf_router_errors_total{app,process_type,error}                counter; known errors are 0 from the first line on
 *
 * No path, host, address, user agent or id becomes a label, and no instance: they are many. */
#ifndef FAMILY_CF_ROUTER_H
#define FAMILY_CF_ROUTER_H

#include "families/family.h"

extern const struct family cf_router_family;

#endif
