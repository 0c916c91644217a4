#include "commands/reading.h"

#include "base/clock.h"

enum { BATCH_BYTES = 256 * 1024 };

/* Say all mistakes, each of which is a line. */
static void tell_mistakes(struct slice mistakes)
{
    while (mistakes.length > 0) {
        size_t length = slice_index(mistakes, '\n');
        command_fail("%.*s", (int)length, mistakes.at);
        mistakes = slice_after(mistakes, length < mistakes.length ? length + 1 : length);
    }
}

static bool read_settings(struct reading *reading, const struct reading_options *options)
{
    char error[256];
    struct buffer mistakes = {0};
    if (settings_load_for_command(&reading->config, error) != SETTINGS_OK) {
        command_fail("%s", error);
        return false;
    }
    reading->config.workers = 1;
    const char *path = options->config_file != NULL ? options->config_file : reading->config.config_file;
    const char *text = reading->config.config_text;
    /* Entries may lack passwords: who posts does not matter here. */
    if (path != NULL)
        reading->config_file = config_file_read(path, path, true, &mistakes);
    else if (text != NULL)
        reading->config_file = config_file_parse(slice_of(text), "CONFIG", true, &mistakes);
    else
        return true;
    if (reading->config_file == NULL)
        tell_mistakes((struct slice){mistakes.at, mistakes.length});
    buffer_free(&mistakes);
    return reading->config_file != NULL;
}

/* The entry whose drains have this app: that of the shared user, else the first one. */
static const struct config_drain *find_entry(const struct config_file *file, const char *app)
{
    const struct config_drain *found = NULL;
    for (size_t i = 0; file != NULL && app != NULL && i < file->drain_count; i++) {
        const struct config_drain *entry = &file->drains[i];
        if (entry->app == NULL || strcmp(entry->app, app) != 0)
            continue;
        if (!config_drain_has_password(entry))
            return entry;
        found = found == NULL ? entry : found;
    }
    return found;
}

static struct batch common_batch(const struct reading *reading, const char *app)
{
    struct batch batch = {.now = clock_monotonic()};
    const struct config_drain *entry = find_entry(reading->config_file, app);
    if (reading->config_file != NULL)
        batch.rules = reading->config_file->rules;
    if (app != NULL)
        batch.app = slice_of(app);
    if (entry != NULL) {
        batch.labels = entry->labels;
        batch.label_count = entry->label_count;
    }
    return batch;
}

bool reading_open(struct reading *reading, const struct reading_options *options, const char *path)
{
    *reading = (struct reading){.file.fd = -1};
    if (read_settings(reading, options) && log_file_open(&reading->file, path)) {
        if (pipeline_open(&reading->pipeline, &reading->config)) {
            rules_enforce(reading->config_file != NULL ? reading->config_file->rules : NULL);
            reading->batch = common_batch(reading, options->app);
            return true;
        }
        command_fail("there is not enough memory");
    }
    reading_close(reading);
    return false;
}

size_t reading_take(struct reading *reading, struct batch_observer *observer)
{
    struct log_input *input = reading->file.input;
    size_t count = log_input_batch(input, BATCH_BYTES, &reading->body);
    struct batch batch = reading->batch; /* its now stands still, so that nothing leaves while we read */
    batch.body = (struct slice){reading->body.at, reading->body.length};
    batch.received = reading->body.length;
    batch.time = clock_wall();
    batch.observer = observer;
    /* As of a sender that writes no structured data. */
    if (log_input_shape(log_input_form(input)) == SYSLOG_LOGPLEX)
        batch.frame_id = SLICE("log");
    if (count > 0 || !reading->taken)
        batch_process(reading->pipeline.intake, 0, &batch);
    reading->taken = true;
    return count;
}

int reading_close(struct reading *reading)
{
    int status = log_file_close(&reading->file);
    pipeline_close(&reading->pipeline);
    config_file_free(reading->config_file);
    settings_free(&reading->config);
    buffer_free(&reading->body);
    return status;
}
