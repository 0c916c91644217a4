/* Lines of Heroku's router: heroku / router.
 *
 *     at=error code=H12 desc="Request timeout" method=GET path="/" host=example.com dyno=web.1 ... status=503 bytes=0
 *
 * heroku_router_errors{app,process,code}: lines with an H code, zero for each known code from the first line of an app
 * and of a process on.  A line without a dyno counts for the app without a process.  An error code on a line that says
 * at=info is not an error and not counted, but for H80, H81 and H82, which are always logged so. */
#ifndef FAMILY_ROUTER_H
#define FAMILY_ROUTER_H

#include "family.h"

extern const struct family router_family;

#endif
