#include "allocation.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>

#include "support.h"

enum { ATTEMPTS_MAX = 100000 };

static unsigned long fail_at; /* which allocation fails, from 1 on; 0: none */
static unsigned long allocations;
static long living;

/* Shall this one fail?  Counts it. */
static bool fails(void)
{
    allocations++;
    if (fail_at == 0 || allocations != fail_at)
        return false;
    errno = ENOMEM;
    return true;
}

static void *count(void *memory)
{
    living += memory != NULL;
    return memory;
}

#define WRAPPED(result, name, ...)     \
    result __real_##name(__VA_ARGS__); \
    result __wrap_##name(__VA_ARGS__); \
    result __wrap_##name(__VA_ARGS__)

WRAPPED(void *, malloc, size_t size)
{
    return fails() ? NULL : count(__real_malloc(size));
}

WRAPPED(void *, calloc, size_t number, size_t size)
{
    return fails() ? NULL : count(__real_calloc(number, size));
}

WRAPPED(void *, aligned_alloc, size_t alignment, size_t size)
{
    return fails() ? NULL : count(__real_aligned_alloc(alignment, size));
}

WRAPPED(void *, realloc, void *memory, size_t size)
{
    if (fails())
        return NULL;
    void *larger = __real_realloc(memory, size);
    living += memory == NULL && larger != NULL;
    return larger;
}

WRAPPED(char *, strdup, const char *text)
{
    return fails() ? NULL : count(__real_strdup(text));
}

WRAPPED(char *, strndup, const char *text, size_t length)
{
    return fails() ? NULL : count(__real_strndup(text, length));
}

WRAPPED(void, free, void *memory)
{
    living -= memory != NULL;
    __real_free(memory);
}

WRAPPED(void *, mmap, void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
    if (fails())
        return MAP_FAILED;
    void *memory = __real_mmap(address, length, protection, flags, fd, offset);
    living += memory != MAP_FAILED;
    return memory;
}

WRAPPED(int, munmap, void *address, size_t length)
{
    living--;
    return __real_munmap(address, length);
}

void each_allocation_fails(allocation_attempt *attempt)
{
    for (unsigned long k = 1; k < ATTEMPTS_MAX; k++) {
        fail_at = k;
        allocations = 0;
        living = 0;
        bool done = attempt();
        fail_at = 0;
        if (living != 0)
            fail_msg("allocation %lu failed, and %ld pieces of memory were left behind", k, living);
        if (allocations < k) { /* none failed */
            assert_true(done);
            return;
        }
    }
    fail_msg("each of %d attempts needed more memory", ATTEMPTS_MAX);
}
