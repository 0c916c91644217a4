/* Ask a server for its health, as a container's health check does: without shell or curl in the image. */
#ifndef HEALTH_CHECK_H
#define HEALTH_CHECK_H

#include "base/error.h"

/* GET /health from the server that listens on host (empty or a wildcard address: this machine) and port, with TLS but
 * without looking at its certificate if tls is set.  True if it answers 200; else error says why not.  Takes no
 * longer than three seconds to connect and three for the rest. */
bool health_check(const char *host, const char *port, bool tls, char error[ERROR_MAX]);

#endif
