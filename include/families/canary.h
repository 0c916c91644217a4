/* The line that an exporter sends to its own drain, to see that the way there is open (server/canary.h): appname
 * drain_exporter, procid canary.  No platform lets an app choose these two.
 *
 *     canary=3f0c5d1b9a7e42c86d15f0a2b3c4d5e1
 *
 * There are no samples: the arrival is noted in the context's token. */
#ifndef FAMILY_CANARY_H
#define FAMILY_CANARY_H

#include "families/family.h"

extern const struct family canary_family;

#endif
