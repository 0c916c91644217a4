#include "commands/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands/command.h"

static ssize_t read_file(void *context, char *bytes, size_t capacity)
{
    return read(((struct log_file *)context)->fd, bytes, capacity);
}

bool log_file_open(struct log_file *file, const char *path)
{
    struct stat status;
    *file = (struct log_file){.path = path, .fd = STDIN_FILENO};
    if (path == NULL || strcmp(path, "-") == 0)
        file->path = "stdin";
    else
        file->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (file->fd < 0) {
        command_fail("%s cannot be opened: %s", path, strerror(errno));
        return false;
    }
    if (fstat(file->fd, &status) == 0 && S_ISREG(status.st_mode))
        file->size = (uint64_t)status.st_size;
    file->input = log_input_open(&(struct log_input_source){.read = read_file, .context = file});
    if (file->input != NULL)
        return true;
    command_fail(ERROR_NO_MEMORY);
    log_file_close(file);
    return false;
}

bool log_file_would_wait(struct log_file *file)
{
    return !log_input_has_next(file->input) && poll(&(struct pollfd){file->fd, POLLIN, 0}, 1, 0) == 0;
}

int log_file_close(struct log_file *file)
{
    int error = file->input != NULL ? log_input_error(file->input) : 0;
    log_input_close(file->input);
    if (file->fd > STDIN_FILENO)
        close(file->fd);
    return error == 0 ? 0 : command_fail("%s cannot be read: %s", file->path, strerror(error));
}
