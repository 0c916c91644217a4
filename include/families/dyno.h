/* What Heroku says about an app's dynos: heroku / web.1.
 *
 *     source=web.1 dyno=heroku.2808254.d97d0ea7-… sample#load_avg_1m=2.46 sample#load_avg_5m=1.06
 *     source=web.1 dyno=heroku.2808254.d97d0ea7-… sample#memory_total=21.00MB sample#memory_pgpgin=348836pages
 *     State changed from starting to up
 *     Process exited with status 137
 *     Error R14 (Memory quota exceeded)
 *
 * heroku_dyno_<key>, with the unit behind it, {app,process,process_type}: a gauge for each sample# key; memory_pgpgin
 * and memory_pgpgout are counters that start again with the dyno.  What happens to dynos is counted by
 * {app,process_type}. The id in dyno= only serves to notice a new instance.  One-off dynos (run.1234) have no process
 * label: they are folded into their type; their page counters, each of its own instance, are left out.
 *
 * A restart shows as a change of state (to starting, of a dyno that has run before) or as a new id in dyno=; if both
 * show it, it counts once.  heroku_dyno_up{app,process,process_type} is 1, or 0 while the dyno is known to be down or
 * crashed.  It follows the changes of state alone, and stays until the app is scaled down. */
#ifndef FAMILY_DYNO_H
#define FAMILY_DYNO_H

#include "families/family.h"

extern const struct family dyno_family;

#endif
