/* Large tables: memory of the system's own, of which pages that were never touched cost nothing.  (calloc would do the
 * same for large sizes, but need not.) */
#ifndef MAPPING_H
#define MAPPING_H

#include <stddef.h>
#include <sys/mman.h>

/* Zeroes; NULL if memory is short. */
static inline void *map_zeroes(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

/* memory may be NULL. */
static inline void unmap(void *memory, size_t size)
{
    if (memory != NULL)
        munmap(memory, size);
}

#endif
