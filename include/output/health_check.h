/* Ask a server for its health, as a container's health check does: without shell or curl in the image. */
#ifndef HEALTH_CHECK_H
#define HEALTH_CHECK_H

#include <stdbool.h>

/* GET /health from the server that listens on host (empty or a wildcard address: this machine) and port, with TLS but
 * without looking at its certificate where tls is set.  True when it answers 200, and no step of that takes longer than
 * three seconds; else problem says why not. */
bool health_check(const char *host, const char *port, bool tls, char problem[256]);

#endif
