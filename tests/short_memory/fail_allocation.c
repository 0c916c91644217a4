/* Loaded before a program (LD_PRELOAD): its allocation number FAIL_ALLOCATION fails, once.  Who asked for it (libraries
 * and functions, one a line) is written to the file that FAILED_IN names, and at the exit of the process the number of
 * all allocations to the one that COUNT_ALLOCATIONS names.
 *
 * The C library's own functions stand behind: glibc exports them as __libc_malloc() and so on. */
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static atomic_ulong allocations;
static unsigned long fail_at;
static int failed_in = -1;

static int open_named(const char *variable)
{
    const char *path = getenv(variable);
    return path == NULL ? -1 : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

__attribute__((constructor)) static void start(void)
{
    void *callers[1];
    backtrace(callers, 1); /* the first call allocates */
    failed_in = open_named("FAILED_IN");
    const char *number = getenv("FAIL_ALLOCATION");
    fail_at = number == NULL ? 0 : strtoul(number, NULL, 10);
    atomic_store(&allocations, 0);
}

__attribute__((destructor)) static void end(void)
{
    char text[32];
    int fd = open_named("COUNT_ALLOCATIONS");
    if (fd < 0)
        return;
    int length = snprintf(text, sizeof text, "%lu\n", (unsigned long)atomic_load(&allocations));
    if (write(fd, text, (size_t)length) != length)
        _exit(99);
    close(fd);
}

static bool fails(void)
{
    if (atomic_fetch_add(&allocations, 1) + 1 != fail_at)
        return false;
    void *callers[16];
    int count = backtrace(callers, 16);
    if (failed_in >= 0)
        backtrace_symbols_fd(callers, count, failed_in);
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    return fails() ? NULL : __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : __libc_memalign(alignment, size);
}

void *memalign(size_t alignment, size_t size)
{
    return fails() ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
    if (fails())
        return ENOMEM;
    *memory = __libc_memalign(alignment, size);
    return *memory == NULL ? ENOMEM : 0;
}
