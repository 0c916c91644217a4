#include "allocator.h"

#ifdef WITHOUT_JEMALLOC

#include <malloc.h>

size_t allocator_allocated(void)
{
    return mallinfo2().uordblks;
}

void allocator_start_thread(void)
{
}

/* For LeakSanitizer.  libh2o 2.2.5 has no way to free an event loop, its queues, or the buffers that a thread keeps for
 * re-use. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libh2o-evloop\n";
}

const char *__lsan_default_options(void);
const char *__lsan_default_options(void)
{
    return "print_suppressions=0";
}

#else

#include <jemalloc/jemalloc.h>
#include <stdbool.h>
#include <stdint.h>

/* Small residence before speed: few arenas, and freed pages go back to the system within a second or two.  Also those
 * of 8 MiB and more, which would go back at once: that is what the buffer of a body of 4 MiB grows to, and to get its
 * pages anew for each cost 1.6 times what all else of the request does. */
const char *malloc_conf = "dirty_decay_ms:1000,muzzy_decay_ms:0,narenas:4,tcache_max:4096,oversize_threshold:0";

void allocator_start_thread(void)
{
    bool on = true;
    mallctl("background_thread", NULL, NULL, &on, sizeof on);
}

size_t allocator_allocated(void)
{
    uint64_t epoch = 1;
    size_t size = sizeof epoch;
    mallctl("epoch", &epoch, &size, &epoch, size);
    size_t allocated = 0;
    size = sizeof allocated;
    mallctl("stats.allocated", &allocated, &size, NULL, 0);
    return allocated;
}

#endif
