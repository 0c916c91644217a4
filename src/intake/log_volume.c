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

static void record(const struct log_source *source, struct slice app, struct sample_output *output)
{
    struct label labels[] = {{SLICE("app"), app},
                             {SLICE("source"), source_of(source->appname)},
                             {SLICE("process_type"), type_of(source->procid)}};
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

void log_volume_add(struct log_volume *volume, const struct line *line, size_t length, struct slice app,
                    struct sample_output *output)
{
    struct slice procid = line->procid;
    unsigned place = procid.length == 0 ? 0
                                        : (unsigned char)procid.at[0] * 3u +
                                              (unsigned char)procid.at[procid.length - 1] + (unsigned)procid.length;
    place += (unsigned)line->appname.length;
    struct log_source *source = &volume->sources[place % LOG_SOURCES];
    if (source->messages == 0 || !slice_equals(source->procid, procid) ||
        !slice_equals(source->appname, line->appname)) {
        if (source->messages > 0)
            record(source, app, output);
        *source = (struct log_source){line->appname, procid, 0, 0};
    }
    source->messages++;
    source->bytes += (double)length;
}

void log_volume_record(struct log_volume *volume, struct slice app, struct sample_output *output)
{
    for (unsigned i = 0; i < LOG_SOURCES; i++)
        if (volume->sources[i].messages > 0)
            record(&volume->sources[i], app, output);
}
