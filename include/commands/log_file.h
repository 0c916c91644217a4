/* The log that a command reads: a file, or stdin. */
#ifndef COMMAND_LOG_FILE_H
#define COMMAND_LOG_FILE_H

#include "intake/log_input.h"

struct log_file {
    struct log_input *input;
    const char *path;
    int fd;
    uint64_t size; /* of the file, 0 if that is not known */
};

/* Open path; NULL and "-" are stdin.  False if it cannot be read, which was told. */
bool log_file_open(struct log_file *file, const char *path);

/* Must the next message be waited for? */
bool log_file_would_wait(struct log_file *file);

/* Close it.  Returns an exit status: 0, or that of a log that could not be read to its end, which was told. */
int log_file_close(struct log_file *file);

#endif
