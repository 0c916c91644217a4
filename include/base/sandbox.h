/* A filter of system calls (seccomp): what an attacker who has taken the program over could still do with the kernel.
 * No files are written but in one folder, no program is started, and no connection is opened unless that is wanted. */
#ifndef SANDBOX_H
#define SANDBOX_H

#include <stdbool.h>

#include "base/error.h"

/* From now on, for this thread and those that it starts, only the calls that the server needs are let through; any
 * other ends the process by SIGSYS.  There is no way back.  False with one sentence in error if it cannot be had.
 * writable: the descriptor of a folder, by which files in it may be written, renamed and removed; -1: none.  If the
 * kernel has Landlock, that is also true of what the names of these files lead to.  connects: other servers may be
 * connected to, over IPv4 and IPv6. */
bool sandbox_enter(int writable, bool connects, char error[ERROR_MAX]);

#endif
