#include "intake/log_volume.h"

#include "base/process.h"

static const struct metric messages = {.name = "heroku_log_messages_total",
                                       .help = "Log messages of an app, by who wrote them.",
                                       .type = METRIC_COUNTER,
                                       .cells = 1,
                                       .volume = true};
static const struct metric bytes = {.name = "heroku_log_bytes_total",
                                    .help = "Bytes of the log messages of an app, headers included.",
                                    .type = METRIC_COUNTER,
                                    .cells = 1,
                                    .volume = true};

static struct slice source_of(struct slice appname)
{
    if (appname.length == 0 || slice_equals(appname, SLICE("app")) || slice_equals(appname, SLICE("heroku")))
        return appname;
    return SLICE("other");
}

/* "web.1" is of the type "web", "postgres.1105947" of "postgres"; "router" is what it is. */
static struct slice type_of(struct slice procid)
{
    size_t digits = 0;
    while (digits < procid.length && slice_is_digit(procid.at[procid.length - 1 - digits]))
        digits++;
    if (digits > 0 && digits + 1 < procid.length && procid.at[procid.length - 1 - digits] == '.')
        procid.length -= digits + 1;
    if (procid.length == 0)
        return procid;
    return process_is_type(procid) ? procid : SLICE("other");
}

static void record(const struct log_source *source, const struct procid *procid, struct slice app,
                   struct sample_output *output)
{
    struct label labels[] = {{SLICE("app"), app},
                             {SLICE("source"), source_of(procid->appname)},
                             {SLICE("process_type"), type_of(procid->procid)}};
    struct sample sample = {.metric = &messages,
                            .name = SLICE("heroku_log_messages_total"),
                            .labels = labels,
                            .label_count = 3,
                            .amount = source->messages};
    output->record(output, &sample);
    sample.metric = &bytes;
    sample.name = SLICE("heroku_log_bytes_total");
    sample.amount = source->bytes;
    output->record(output, &sample);
}

void log_volume_record(const struct log_volume *volume, const struct procids *procids, struct slice app,
                       struct sample_output *output)
{
    for (unsigned i = 0; i < volume->count; i++)
        if (volume->sources[i].messages > 0)
            record(&volume->sources[i], &procids->list[i], app, output);
}
