/* A filter of system calls (seccomp): what an attacker who has taken the program over could still do with the kernel.
 * No files are written but in one folder, no program is started, no connection is opened. */
#ifndef SANDBOX_H
#define SANDBOX_H

#include <stdbool.h>

#include "base/error.h"

/* From now on, for this thread and those that it starts, only the calls that the server needs are let through; any
 * other ends the process by SIGSYS.  There is no way back.  False with one sentence in error if it cannot be had.
 * writable: the descriptor of a folder, by which files in it may be written, renamed and removed; -1: none.  If the kernel
 * has Landlock, that is also true of what the names of these files lead to. */
bool sandbox_enter(int writable, char error[ERROR_MAX]);

#endif
