#include "base/memory_limit.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>

enum { LINE_MAX_LENGTH = 4096, PATH_CAPACITY = LINE_MAX_LENGTH + 64 };

/* What follows part on the first line of a file that has it, without the newline; false if there is none. */
static bool read_after(const char *path, const char *part, char out[LINE_MAX_LENGTH])
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    const char *found = NULL;
    while (found == NULL && fgets(out, LINE_MAX_LENGTH, file) != NULL)
        found = strstr(out, part);
    fclose(file);
    if (found == NULL)
        return false;
    found += strlen(part);
    memmove(out, found, strlen(found) + 1);
    out[strcspn(out, "\n")] = '\0';
    return true;
}

/* The number behind part in a file, if it is less than limit; "max" is none. */
static uint64_t lower(const char *path, const char *part, uint64_t limit)
{
    char line[LINE_MAX_LENGTH];
    char *end;
    if (!read_after(path, part, line))
        return limit;
    unsigned long long number = strtoull(line, &end, 10);
    return end != line && number > 0 && number < limit ? number : limit;
}

/* Of version 2: a group is held to the limits of all that it is in, as far as these are seen. */
static uint64_t lower_by_groups(uint64_t limit)
{
    char group[LINE_MAX_LENGTH], path[PATH_CAPACITY];
    if (!read_after("/proc/self/cgroup", "0::", group))
        group[0] = '\0';
    for (char *end = group + strlen(group); end != NULL; end = strrchr(group, '/')) {
        *end = '\0';
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.max", group);
        limit = lower(path, "", limit);
    }
    return limit;
}

/* Of version 1: the kernel says what all these come to.  In a container the mounted folder is the group's own. */
static uint64_t lower_by_old_groups(uint64_t limit)
{
    static const char of_all[] = "hierarchical_memory_limit ";
    char group[LINE_MAX_LENGTH], path[PATH_CAPACITY];
    if (read_after("/proc/self/cgroup", ":memory:", group)) {
        snprintf(path, sizeof path, "/sys/fs/cgroup/memory%s/memory.stat", group);
        limit = lower(path, of_all, limit);
    }
    return lower("/sys/fs/cgroup/memory/memory.stat", of_all, limit);
}

uint64_t memory_limit(void)
{
    struct sysinfo machine;
    uint64_t limit = sysinfo(&machine) == 0 ? (uint64_t)machine.totalram * machine.mem_unit : UINT64_MAX;
    return lower_by_old_groups(lower_by_groups(limit));
}
