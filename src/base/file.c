#include "base/file.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIPE_WAIT = 1000 /* milliseconds */ };

FILE *file_open(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return NULL;
    poll(&(struct pollfd){fd, POLLIN, 0}, 1, PIPE_WAIT); /* a file is ready at once */
    FILE *file = fdopen(fd, "r");
    if (file == NULL)
        close(fd);
    else
        setvbuf(file, NULL, _IONBF, 0);
    return file;
}

bool file_is_regular(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}
