#include "base/memory_limit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>

enum { LINE_MAX_LENGTH = 4096 };

/* The first line of a file that starts so, without that start and its newline; false if there is none. */
static int read_line(const char *path, const char *start, char out[LINE_MAX_LENGTH])
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    int found = 0;
    while (!found && fgets(out, LINE_MAX_LENGTH, file) != NULL)
        found = strncmp(out, start, strlen(start)) == 0;
    fclose(file);
    if (!found)
        return 0;
    memmove(out, out + strlen(start), strlen(out) - strlen(start) + 1);
    out[strcspn(out, "\n")] = '\0';
    return 1;
}

/* The number in a file, if it is less than limit; "max" is none. */
static uint64_t lower(const char *path, uint64_t limit)
{
    char line[LINE_MAX_LENGTH];
    char *end;
    if (!read_line(path, "", line))
        return limit;
    unsigned long long number = strtoull(line, &end, 10);
    return end != line && number > 0 && number < limit ? number : limit;
}

uint64_t memory_limit(void)
{
    struct sysinfo machine;
    uint64_t limit = sysinfo(&machine) == 0 ? (uint64_t)machine.totalram * machine.mem_unit : UINT64_MAX;
    char group[LINE_MAX_LENGTH];
    char path[2 * LINE_MAX_LENGTH];
    if (read_line("/proc/self/cgroup", "0::", group)) {
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.max", group);
        limit = lower(path, limit);
    }
    limit = lower("/sys/fs/cgroup/memory.max", limit);
    return lower("/sys/fs/cgroup/memory/memory.limit_in_bytes", limit);
}
