/* A filter of system calls (seccomp): what an attacker who has taken the program over could still do with the kernel.
 * No files are written, no program is started, no connection is opened. */
#ifndef SANDBOX_H
#define SANDBOX_H

#include <stdbool.h>

#include "base/error.h"

/* From now on, for this thread and those that it starts, only the calls that the server needs are let through; any
 * other ends the process by SIGSYS.  There is no way back.  False with one sentence in error if it cannot be had. */
bool sandbox_enter(char error[ERROR_MAX]);

#endif
