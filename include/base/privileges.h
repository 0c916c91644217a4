/* What this process may do, and who may look into it.  Linux; what a kernel does not know is no error. */
#ifndef PRIVILEGES_H
#define PRIVILEGES_H

#include <stdbool.h>

#include "base/error.h"

/* From now on no core is written, and nobody without CAP_SYS_PTRACE can read our memory or attach to us.  Not in builds
 * with a sanitizer, which looks for leaks in this way. */
void privileges_hide_memory(void);

/* Give up all capabilities, for good: also what a program that we started would get.  Of this thread and those that it
 * starts from now on: so before there are others.  False with one sentence in error. */
bool privileges_drop(char error[ERROR_MAX]);

#endif
