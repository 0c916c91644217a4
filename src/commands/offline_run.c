#include "commands/offline_run.h"

#include "base/clock.h"
#include "intake/cf_frame.h"
#include "output/page.h"

enum { BATCH_BYTES = 256 * 1024 };

bool offline_run_open(struct offline_run *run, const struct offline_run_options *options, const char *path)
{
    struct buffer mistakes = {0};
    *run = (struct offline_run){.file.fd = -1};
    if (!offline_open(&run->offline, options->config_file, &mistakes))
        command_fail_all(&mistakes);
    else if (log_file_open(&run->file, path)) {
        if (options->app != NULL)
            log_input_name_app(run->file.input, slice_of(options->app));
        run->batch = offline_batch(&run->offline, options->app);
        run->batch.now = clock_monotonic();
        return true;
    } else
        offline_close(&run->offline);
    return false;
}

size_t offline_run_next(struct offline_run *run, struct batch_observer *observer)
{
    struct log_input *input = run->file.input;
    size_t count = log_input_batch(input, BATCH_BYTES, &run->body);
    struct batch batch = run->batch; /* its now stands still, so that nothing leaves while we read */
    batch.body = (struct slice){run->body.at, run->body.length};
    batch.received = run->body.length;
    batch.time = clock_wall();
    batch.observer = observer;
    enum log_input_form form = log_input_form(input);
    enum syslog_shape shape = log_input_shape(form);
    batch.origin = (struct origin){.sender = "log",
                                   .shape = shape,
                                   .is_cloud_foundry = form == LOG_INPUT_CF ||
                                                       (shape == SYSLOG_RFC5424 && cf_frame_is_first(batch.body))};
    if (count > 0 || !run->taken)
        batch_process(run->offline.pipeline.intake, 0, &batch);
    run->taken = true;
    return count;
}

bool offline_run_page(const struct offline_run *run, struct buffer *page)
{
    const struct pipeline *pipeline = &run->offline.pipeline;
    store_enter(pipeline->store, pipeline->maintenance_slot);
    page_write(&(struct page_terms){.store = pipeline->store,
                                    .slot = pipeline->maintenance_slot,
                                    .now = run->batch.now,
                                    .all_saw = UINT64_MAX,
                                    .encoder = &text_encoder,
                                    .external = external_labels_text(&run->offline.settings.external_labels.labels)},
               page);
    store_leave(pipeline->store, pipeline->maintenance_slot);
    return !page->failed;
}

bool offline_run_is_self_metric(struct slice line)
{
    static const struct slice comments[] = {{"# HELP ", 7}, {"# TYPE ", 7}};
    for (size_t i = 0; i < 2; i++)
        if (slice_starts_with(line, comments[i]))
            line = slice_after(line, comments[i].length);
    return slice_starts_with(line, SLICE("drain_exporter_"));
}

int offline_run_close(struct offline_run *run)
{
    int status = log_file_close(&run->file);
    offline_close(&run->offline);
    buffer_free(&run->body);
    return status;
}
