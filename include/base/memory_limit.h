/* How much memory this process may use. */
#ifndef MEMORY_LIMIT_H
#define MEMORY_LIMIT_H

#include <stdint.h>

/* Bytes: the limit of the control group (of version 2 or 1) and of those that it is in, if it is less than what the
 * machine has. */
uint64_t memory_limit(void);

#endif
