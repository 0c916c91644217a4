/* Memory that is short on purpose.  The k-th allocation of an attempt fails, for every k, until an attempt needs no
 * more than k: so each place that allocates has failed once.
 *
 * The linker gives our objects these functions in place of the C library's (see the Makefile: --wrap); libraries go on
 * as they are.  A thread that cannot be created, and a file that cannot be opened, count as allocations that fail. */
#ifndef ALLOCATION_H
#define ALLOCATION_H

#include <stdbool.h>

/* An attempt makes what it tests, uses it and frees it.  It must end well whichever allocation fails; true: all that
 * was wanted was done. */
typedef bool allocation_attempt(void);

/* Run it with each allocation failing in turn, and at last with none, which must return true.  Fails the test if memory
 * is left behind, or if an attempt never ends well. */
void each_allocation_fails(allocation_attempt *attempt);

/* The same for what is never freed, on purpose, once it was made. */
void each_allocation_of_lasting_fails(allocation_attempt *attempt);

/* In an attempt: has one failed yet?  And: from here on none fails. */
bool allocation_has_failed(void);
void allocation_fails_no_more(void);

#endif
