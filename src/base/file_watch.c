#include "base/file_watch.h"

#include <string.h>

static struct file_mark mark_of(const char *path)
{
    struct stat status;
    struct file_mark mark;
    memset(&mark, 0, sizeof mark); /* marks are compared as they lie in memory */
    if (stat(path, &status) == 0) {
        mark.device = status.st_dev;
        mark.number = status.st_ino;
        mark.size = status.st_size;
        mark.written = status.st_mtim;
        mark.changed = status.st_ctim;
    }
    return mark;
}

static bool is_same(const struct file_mark *a, const struct file_mark *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

bool file_watch_add(struct file_watch *watch, const char *path)
{
    if (watch->count == FILE_WATCH_MAX)
        return false;
    watch->read[watch->count] = watch->looked[watch->count] = mark_of(path);
    watch->paths[watch->count++] = path;
    return true;
}

void file_watch_note_read(struct file_watch *watch)
{
    for (unsigned i = 0; i < watch->count; i++)
        watch->read[i] = watch->looked[i] = mark_of(watch->paths[i]);
}

bool file_watch_has_changed(struct file_watch *watch)
{
    bool is_settled = true, is_other = false;
    for (unsigned i = 0; i < watch->count; i++) {
        struct file_mark mark = mark_of(watch->paths[i]);
        is_settled &= is_same(&mark, &watch->looked[i]);
        is_other |= !is_same(&mark, &watch->read[i]);
        watch->looked[i] = mark;
    }
    return is_settled && is_other;
}
