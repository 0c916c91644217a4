#include "commands/convert.h"

#include <stdio.h>

#include "commands/reading.h"
#include "output/page.h"

struct options {
    struct reading_options reading;
    bool all;
};

/* Is it a line about one of our own metrics? */
static bool is_own(struct slice line)
{
    static const struct slice comments[] = {{"# HELP ", 7}, {"# TYPE ", 7}};
    for (size_t i = 0; i < 2; i++)
        if (slice_starts_with(line, comments[i]))
            line = slice_after(line, comments[i].length);
    return slice_starts_with(line, SLICE("drain_exporter_"));
}

static void print_page(struct slice page, bool all)
{
    while (page.length > 0) {
        struct slice line = {page.at, slice_index(page, '\n') + 1};
        if (all || !is_own(line))
            fwrite(line.at, 1, line.length, stdout);
        page = slice_after(page, line.length);
    }
}

static int write_page(const struct reading *reading, bool all)
{
    struct store *store = reading->pipeline.store;
    struct buffer page = {0};
    int status = 0;
    store_enter(store, reading->pipeline.maintenance_slot);
    page_write(&(struct page_terms){.store = store,
                                    .slot = reading->pipeline.maintenance_slot,
                                    .now = reading->batch.now,
                                    .all_saw = UINT64_MAX,
                                    .encoder = &text_encoder},
               &page);
    store_leave(store, reading->pipeline.maintenance_slot);
    if (page.failed)
        status = command_fail("there is not enough memory for the page");
    else
        print_page((struct slice){page.at, page.length}, all);
    buffer_free(&page);
    return status;
}

int convert(int argc, char **argv)
{
    struct options options = {0};
    const struct command_option rows[] = {
        READING_OPTIONS(options.reading),
        {"--all", NULL, "also our own metrics: what became of the messages", NULL, &options.all},
    };
    const struct command command = {
        "convert",
        "[LOGFILE]",
        "Print the page that a log makes, as GET /metrics would show it. LOGFILE, or stdin, holds what a drain was "
        "sent,\n"
        "syslog messages, or the output of heroku logs. Settings are taken from the environment, as by the server.",
        rows,
        sizeof rows / sizeof rows[0],
        NULL,
    };
    const char *path;
    struct reading reading;
    int status = command_read(&command, argc, argv, &path, 0, 1);
    if (status != COMMAND_GO_ON)
        return status;
    if (!reading_open(&reading, &options.reading, path))
        return COMMAND_FAILED;
    while (reading_take(&reading, NULL) > 0)
        ;
    status = log_input_error(reading.file.input) == 0 ? write_page(&reading, options.all) : 0;
    int closed = reading_close(&reading);
    int finished = command_finish();
    return status != 0 ? status : closed != 0 ? closed : finished;
}
