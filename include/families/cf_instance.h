/* The life of an app's instances on Cloud Foundry, as its API and its cells tell of it.  The wording of several
 * versions:
 *
 *     [API/1]   App instance exited with guid 78fc0ad1-... payload: {"instance"=>"3ba32957-...", "index"=>0,
 *               "reason"=>"CRASHED", "exit_description"=>"APP/PROC/WEB: Exited with status 1", ...}
 *     [API/1]   Updated app with guid 78fc0ad1-... ({"instances"=>2})     or {"state"=>"STOPPED"}, until API v3
 *     [API/1]   Stopping app with guid 78fc0ad1-...    Deleted app with guid 78fc0ad1-...
 *     [API/1]   Terminating process: "web", index: "0"    Deleting process: "worker"
 *     [CELL/0]  Cell bed4ba78-... successfully created container for instance 4f9d7c54-...
 *     [CELL/0]  Cell bed4ba78-... stopping instance 4f9d7c54-...
 *     [CELL/0]  Cell bed4ba78-... destroying container for instance 4f9d7c54-...
 *     [CELL/0]  Successfully created container    Destroying container                  until 2018
 *
 * Ruby writes "index" => 0 with blanks from 3.4 on.
 *
 *     cf_instance_crashes_total{app,process_type}   counter
 *     cf_instance_starts_total{app,process_type}    counter; containers that were created
 *     cf_instance_stops_total{app,process_type}     counter; containers that were destroyed, after a crash as well
 *
 * The series of an instance that is stopped, scaled away or replaced leave.  What [HEALTH/n] says is the reason for a
 * crash, which the API tells of as well: such lines are for the users' rules. */
#ifndef FAMILY_CF_INSTANCE_H
#define FAMILY_CF_INSTANCE_H

#include "families/family.h"

extern const struct family cf_instance_family;

#endif
