/* What explain and convert share: a log that goes through the rooms of the server, without one. */
#ifndef COMMAND_READING_H
#define COMMAND_READING_H

#include "commands/command.h"
#include "commands/log_file.h"
#include "config/config_file.h"
#include "exporter.h"

/* What was asked for; all may be NULL. */
struct reading_options {
    const char *app;
    const char *config_file; /* instead of CONFIG_FILE */
};

/* The options' rows for a table of the command's. */
#define READING_OPTIONS(options)                                                                                    \
    {"--app", "NAME", "whose log it is; without, as a drain's URL without app_name", NULL, (void *)&(options).app}, \
    {                                                                                                               \
        "--config", "FILE", "the YAML configuration, for rules and the fixed labels of the app; else CONFIG_FILE",  \
            NULL, (void *)&(options).config_file                                                                    \
    }

struct reading {
    struct log_file file;
    struct settings config;
    struct config_file *config_file; /* NULL: none */
    struct pipeline pipeline;
    struct batch batch; /* what all batches have in common */
    struct buffer body;
    bool taken; /* a batch was */
};

/* Read the settings and open the log.  False where that fails, which was told: then there is nothing to close. */
bool reading_open(struct reading *reading, const struct reading_options *options, const char *path);

/* Take the next messages, waiting only for the first one; how many, 0 at the end.  Of an empty log, an empty batch is
 * taken, since that makes the app known.  observer may be NULL. */
size_t reading_take(struct reading *reading, struct batch_observer *observer);

/* Free all; returns the exit status that log_file_close() gives. */
int reading_close(struct reading *reading);

#endif
