/* What the commands share: their arguments, their help, and how they fail.  A command is a function that takes what
 * stands behind its name and returns the exit status. */
#ifndef COMMAND_COMMAND_H
#define COMMAND_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/error.h"

enum {
    COMMAND_FAILED = 1,
    COMMAND_USAGE = 2,
    COMMAND_GO_ON = -1,
};

struct command_option {
    const char *name;     /* "--app" */
    const char *argument; /* what follows it, as the help calls it; NULL: nothing */
    const char *meaning;
    /* Takes the argument, which is as long-lived as argv; false if it cannot be used: then error says why. NULL:
     * it is put to destination as it is, a const char *, or true as a bool if there is none. */
    bool (*take)(void *destination, const char *argument, char error[ERROR_MAX]);
    void *destination;
};

struct command {
    const char *name;
    const char *operands; /* as the help shows them */
    const char *purpose;
    const struct command_option *options;
    size_t option_count;
    void (*print_more)(void); /* more help; may be NULL */
};

/* Read the arguments of a command.  Operands, which must be from least to most of them, are put in order; those that
 * are missing are NULL.  GO_ON, or the exit status if the command is over: the help was asked for, or there is a
 * mistake, which was told. */
int command_read(const struct command *command, int argc, char **argv, const char **operands, size_t least,
                 size_t most);

/* Say one sentence on stderr; returns COMMAND_FAILED. */
int command_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same for all mistakes, see config/mistakes.h, which are freed. */
int command_fail_all(struct buffer *mistakes);

/* Flush what was printed; COMMAND_FAILED with a sentence if it could not be written. */
int command_finish(void);

/* The command of this name, or NULL. */
typedef int command_run(int argc, char **argv);
command_run *command_find(const char *name);

#endif
