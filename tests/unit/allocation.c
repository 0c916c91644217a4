#include "allocation.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "support.h"

enum { ATTEMPTS_MAX = 100000 };

static atomic_ulong fail_at; /* which allocation fails, from 1 on; 0: none */
static atomic_ulong allocations;
static atomic_bool has_failed;
static atomic_long living;

/* Shall this one fail?  Counts it. */
static bool fails(void)
{
    unsigned long allocation = atomic_fetch_add(&allocations, 1) + 1;
    if (allocation != fail_at)
        return false;
    has_failed = true;
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

int __wrap_asprintf(char **text, const char *format, ...) __attribute__((format(printf, 2, 3)));
int __wrap_asprintf(char **text, const char *format, ...)
{
    if (fails())
        return -1;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(text, format, arguments);
    va_end(arguments);
    living += length >= 0;
    return length;
}

WRAPPED(FILE *, fopen, const char *path, const char *mode)
{
    return fails() ? NULL : __real_fopen(path, mode);
}

WRAPPED(int, pthread_create, pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *context)
{
    return fails() ? EAGAIN : __real_pthread_create(thread, attributes, run, context);
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

bool allocation_has_failed(void)
{
    return has_failed;
}

void allocation_fails_no_more(void)
{
    fail_at = 0;
}

static void each_fails(allocation_attempt *attempt, bool lasting)
{
    for (unsigned long k = 1; k < ATTEMPTS_MAX; k++) {
        allocations = 0;
        living = 0;
        has_failed = false;
        fail_at = k;
        bool done = attempt();
        fail_at = 0;
        if (living != 0 && !lasting)
            fail_msg("allocation %lu failed, and %ld pieces of memory were left behind", k, (long)living);
        if (!has_failed) {
            assert_true(done);
            assert_true(k > 1);
            return;
        }
    }
    fail_msg("each of %d attempts needed more memory", ATTEMPTS_MAX);
}

void each_allocation_fails(allocation_attempt *attempt)
{
    each_fails(attempt, false);
}

void each_allocation_of_lasting_fails(allocation_attempt *attempt)
{
    each_fails(attempt, true);
}
