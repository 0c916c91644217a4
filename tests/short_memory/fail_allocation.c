/* Loaded before a program (LD_PRELOAD): its allocation number FAIL_ALLOCATION fails, once.  With COUNT_ALLOCATIONS the
 * number of all of them is written to the file of that name at the exit of the process or at its SIGTERM's end.
 *
 * The C library's own functions stand behind: glibc exports them as __libc_malloc() and so on. */
#include <errno.h>
#include <fcntl.h>
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

__attribute__((constructor)) static void start(void)
{
    const char *number = getenv("FAIL_ALLOCATION");
    fail_at = number == NULL ? 0 : strtoul(number, NULL, 10);
    atomic_store(&allocations, 0);
}

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("COUNT_ALLOCATIONS");
    char text[32];
    int fd = path == NULL ? -1 : open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
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
