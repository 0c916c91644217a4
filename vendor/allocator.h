/* What the program wants of its allocator beyond malloc: jemalloc, or the C library's in builds with sanitizers. */
#ifndef ALLOCATOR_H
#define ALLOCATOR_H

#include <stddef.h>

/* Bytes that the program has allocated now. */
size_t allocator_allocated(void);

/* Let a thread of its own give freed pages back to the system, also when nothing is allocated any more. */
void allocator_start_thread(void);

#endif
