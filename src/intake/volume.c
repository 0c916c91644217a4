#include "intake/volume.h"

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

static void record(const struct volume_speaker *speaker, struct slice app, struct sample_output *output)
{
    struct label labels[] = {{SLICE("app"), app},
                             {SLICE("source"), source_of(speaker->appname)},
                             {SLICE("process_type"), type_of(speaker->procid)}};
    struct sample sample = {.metric = &messages,
                            .name = SLICE("heroku_log_messages_total"),
                            .labels = labels,
                            .label_count = 3,
                            .amount = speaker->messages};
    output->record(output, &sample);
    sample.metric = &bytes;
    sample.name = SLICE("heroku_log_bytes_total");
    sample.amount = speaker->bytes;
    output->record(output, &sample);
}

void volume_add(struct volume *volume, const struct line *line, size_t length, struct slice app,
                struct sample_output *output)
{
    struct slice procid = line->procid;
    unsigned place = procid.length == 0 ? 0
                                        : (unsigned char)procid.at[0] * 3u +
                                              (unsigned char)procid.at[procid.length - 1] + (unsigned)procid.length;
    place += (unsigned)line->appname.length;
    struct volume_speaker *speaker = &volume->speakers[place % VOLUME_SPEAKERS];
    if (speaker->messages == 0 || !slice_equals(speaker->procid, procid) ||
        !slice_equals(speaker->appname, line->appname)) {
        if (speaker->messages > 0)
            record(speaker, app, output);
        *speaker = (struct volume_speaker){line->appname, procid, 0, 0};
    }
    speaker->messages++;
    speaker->bytes += (double)length;
}

void volume_record(struct volume *volume, struct slice app, struct sample_output *output)
{
    for (unsigned i = 0; i < VOLUME_SPEAKERS; i++)
        if (volume->speakers[i].messages > 0)
            record(&volume->speakers[i], app, output);
}
