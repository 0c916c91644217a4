/* Set the wall clock of one program, for tests: preloaded, it adds to CLOCK_REALTIME the seconds that stand as a binary
 * int64_t at the start of the file that $SET_CLOCK names.  They may change while the program runs. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *seconds;

__attribute__((constructor)) static void map_seconds(void)
{
    int fd = open(getenv("SET_CLOCK"), O_RDONLY | O_CLOEXEC);
    void *map = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *seconds, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        abort();
    close(fd);
    seconds = map;
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
    int result = (int)syscall(SYS_clock_gettime, clock, time);
    if (result == 0 && clock == CLOCK_REALTIME && seconds != NULL)
        time->tv_sec += *seconds;
    return result;
}
