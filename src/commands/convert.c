#include "commands/convert.h"

#include <stdio.h>

#include "commands/offline_run.h"

struct options {
    struct offline_run_options run;
    bool all;
};

static void print_page(struct slice page, bool all)
{
    while (page.length > 0) {
        struct slice line = slice_cut_line(&page);
        if (all || !offline_run_is_self_metric(line))
            printf("%.*s\n", (int)line.length, line.at);
    }
}

static int write_page(const struct offline_run *run, bool all)
{
    struct buffer page = {0};
    int status = 0;
    if (offline_run_page(run, &page))
        print_page((struct slice){page.at, page.length}, all);
    else
        status = command_fail(ERROR_NO_MEMORY);
    buffer_free(&page);
    return status;
}

int convert(int argc, char **argv)
{
    struct options options = {0};
    const struct command_option rows[] = {
        OFFLINE_RUN_OPTIONS(options.run),
        {"--all", NULL, "also our own metrics: what became of the messages", NULL, &options.all},
    };
    const struct command command = {
        "convert",
        "[LOGFILE]",
        "Print the page that a log makes, as GET /metrics would show it. LOGFILE, or stdin, holds what a drain was "
        "sent,\n"
        "syslog messages, or the output of heroku logs or cf logs. Settings are taken from the environment, as by the "
        "server.",
        rows,
        sizeof rows / sizeof rows[0],
        NULL,
    };
    const char *path;
    struct offline_run offline;
    int status = command_read(&command, argc, argv, &path, 0, 1);
    if (status != COMMAND_GO_ON)
        return status;
    if (!offline_run_open(&offline, &options.run, path))
        return COMMAND_FAILED;
    while (offline_run_next(&offline, NULL) > 0)
        ;
    status = log_input_error(offline.file.input) == 0 ? write_page(&offline, options.all) : 0;
    int closed = offline_run_close(&offline);
    int finished = command_finish();
    return status != 0 ? status : closed != 0 ? closed : finished;
}
