/* What Heroku's platform API did to the app: app / api, in older lines heroku / api.
 *
 *     Scaled to web@4:Standard-1X worker@1:Standard-2X by user someone@example.com
 *     Scale to mailer=1, web=3 by someone@example.com
 *     Release v138 created by user someone@example.com
 *
 * heroku_formation_dynos{app,process_type,size}: what each type was last scaled to; size is left out if the line has
 * none.  heroku_release_version{app}: the newest release.  heroku_api_events_total{app,event}: these and other events,
 * zero from the app's first batch on.  What a release command prints has the same author and may be any text, so a line
 * counts only if all of it has the pattern of an event.  Who did it, commands and the names of config vars are not
 * exported. */
#ifndef FAMILY_API_H
#define FAMILY_API_H

#include "families/family.h"

extern const struct family api_family;

#endif
