/* Have files changed on disk?  Asked now and then: a look is a stat(2) of each.  It sees files that are written anew,
 * and names and links that lead to another file, as certbot and Kubernetes exchange them.
 *
 * Who writes two files writes one after the other, so a change is told only when it is the same at the next look. */
#ifndef FILE_WATCH_H
#define FILE_WATCH_H

#include <stdbool.h>
#include <sys/stat.h>

enum { FILE_WATCH_MAX = 4 };

/* What tells a file from what it was before; all 0: there is none. */
struct file_mark {
    dev_t device;
    ino_t number;
    off_t size;
    struct timespec written, changed;
};

struct file_watch {
    const char *paths[FILE_WATCH_MAX];
    unsigned count;
    struct file_mark read[FILE_WATCH_MAX];   /* when they were read */
    struct file_mark looked[FILE_WATCH_MAX]; /* at the last look */
};

/* Watch one file more; path must live as long.  False if there are FILE_WATCH_MAX. */
bool file_watch_add(struct file_watch *watch, const char *path);

/* The files are about to be read as they are now. */
void file_watch_note_read(struct file_watch *watch);

/* Look.  Have they changed since they were read, and are they as they were at the last look? */
bool file_watch_has_changed(struct file_watch *watch);

#endif
