/* What explain, convert and init share: a log that goes the way that batches go in the server, without one. */
#ifndef COMMAND_OFFLINE_RUN_H
#define COMMAND_OFFLINE_RUN_H

#include "commands/command.h"
#include "commands/log_file.h"
#include "exporter.h"

/* What was asked for; all may be NULL. */
struct offline_run_options {
    const char *app;
    const char *config_file; /* instead of CONFIG_FILE and CONFIG */
};

/* The options' rows for a table of the command's. */
#define OFFLINE_RUN_OPTIONS(options)                                                                                 \
    {"--app", "NAME", "the label app of all series; without it there is none, as of a drain's URL without app_name", \
     NULL, (void *)&(options).app},                                                                                  \
    {                                                                                                                \
        "--config", "FILE",                                                                                          \
            "the YAML configuration, for rules and the fixed labels of the app; else CONFIG_FILE or CONFIG", NULL,   \
            (void *)&(options).config_file                                                                           \
    }

struct offline_run {
    struct log_file file;
    struct offline offline;
    struct batch batch; /* what all batches have in common */
    struct buffer body;
    bool taken; /* a batch was */
};

/* Load the configuration and open the log.  False if that fails, which was told: then there is nothing to close. */
bool offline_run_open(struct offline_run *run, const struct offline_run_options *options, const char *path);

/* Process the next messages, waiting only for the first one; returns how many, 0 at the end.  Of an empty log, an empty
 * batch is processed, since that makes the app known.  observer may be NULL. */
size_t offline_run_next(struct offline_run *run, struct batch_observer *observer);

/* Append the page of what was processed.  False if memory was short. */
bool offline_run_page(const struct offline_run *run, struct buffer *page);

/* Is a line of it, without its newline, about one of our own metrics? */
bool offline_run_is_self_metric(struct slice line);

/* Free all; returns the exit status of log_file_close(). */
int offline_run_close(struct offline_run *run);

#endif
