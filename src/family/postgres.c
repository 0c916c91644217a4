#include "family/postgres.h"

#include "keyvalue.h"

#define GAUGE(text)                        \
    {                                      \
        .help = text, .type = METRIC_GAUGE \
    }

static const struct {
    struct slice key;
    struct metric metric;
} known_keys[] = {
    {{"current_transaction", 19}, GAUGE("Current transaction id.")},
    {{"db_size", 7}, GAUGE("Size of the database in bytes, bloat included.")},
    {{"db-size-percentage-used", 23}, GAUGE("Size of the database, as a ratio (0-1) of the plan's limit.")},
    {{"db-max-size", 11}, GAUGE("The plan's limit on the size of the database in bytes.")},
    {{"tables", 6}, GAUGE("Number of tables.")},
    {{"active-connections", 18}, GAUGE("Established connections.")},
    {{"waiting-connections", 19}, GAUGE("Connections that wait for a lock.")},
    {{"max-connections", 15}, GAUGE("The plan's limit on connections.")},
    {{"connections-percentage-used", 27}, GAUGE("Connections, as a ratio (0-1) of the plan's limit.")},
    {{"index-cache-hit-rate", 20}, GAUGE("Ratio (0-1) of index look-ups served from the cache.")},
    {{"table-cache-hit-rate", 20}, GAUGE("Ratio (0-1) of table look-ups served from the cache.")},
    {{"load-avg-1m", 11}, GAUGE("Average load of the server over 1 minute, divided by its CPUs.")},
    {{"load-avg-5m", 11}, GAUGE("Average load of the server over 5 minutes, divided by its CPUs.")},
    {{"load-avg-15m", 12}, GAUGE("Average load of the server over 15 minutes, divided by its CPUs.")},
    {{"read-iops", 9}, GAUGE("Read operations per second, in blocks of 16 kB.")},
    {{"write-iops", 10}, GAUGE("Write operations per second, in blocks of 16 kB.")},
    {{"max-iops", 8}, GAUGE("The plan's limit on operations per second.")},
    {{"iops-percentage-used", 20}, GAUGE("Operations per second, as a ratio (0-1) of the plan's limit.")},
    {{"tmp-disk-used", 13}, GAUGE("Temporary disk in use, in bytes.")},
    {{"tmp-disk-available", 18}, GAUGE("Temporary disk left, in bytes.")},
    {{"memory-total", 12}, GAUGE("Memory of the server in bytes.")},
    {{"memory-free", 11}, GAUGE("Free memory of the server in bytes.")},
    {{"memory-cached", 13}, GAUGE("Memory that the server uses as a disk cache, in bytes.")},
    {{"memory-postgres", 15}, GAUGE("Memory that the database uses, shared buffers included, in bytes.")},
    {{"memory-percentage-used", 22}, GAUGE("Memory in use, as a ratio (0-1) of the server's memory.")},
    {{"follower-lag-commits", 20}, GAUGE("Commits that a follower is behind its leader.")},
    {{"wal-percentage-used", 19}, GAUGE("Disk that the write-ahead log uses, as a ratio (0-1) of what it may use.")},
};

static const struct metric unknown_key = GAUGE("A sample# key of a Heroku Postgres log line, in base units.");

static const struct metric *metric_of(struct slice key)
{
    for (size_t i = 0; i < sizeof known_keys / sizeof known_keys[0]; i++)
        if (slice_equals(known_keys[i].key, key))
            return &known_keys[i].metric;
    return &unknown_key;
}

/* A line of a database under the procid of another add-on.  No dyno and no command of the app's has such a procid. */
static bool is_forwarded(const struct line *line)
{
    return slice_starts_with(line->message, SLICE("source=HEROKU_POSTGRES")) &&
           slice_equals(line->appname, SLICE("app")) && slice_starts_with(line->procid, SLICE("heroku-"));
}

static bool owns(const struct line *line, const struct family_context *context)
{
    (void)context;
    return slice_equals(line->procid, SLICE("heroku-postgres")) || is_forwarded(line);
}

/* Read a line's sample# pairs with the label that tells its database. */
static size_t read_samples(struct slice text, const struct label *label, struct sample_output *output)
{
    struct slice start = SLICE("sample#");
    struct keyvalue_reader reader;
    struct keyvalue pair;
    size_t count = 0;
    keyvalue_start(&reader, text);
    while (keyvalue_next(&reader, &pair)) {
        if (!slice_starts_with(pair.key, start))
            continue;
        count++;
        struct slice key = slice_after(pair.key, start.length);
        struct value value = {.type = VALUE_GAUGE};
        if (!keyvalue_number(pair.value, &value.number)) {
            output->reject(output, REJECTED_VALUE);
            continue;
        }
        struct sample sample = {.metric = metric_of(key),
                                .namespace = SLICE("heroku_postgres"),
                                .name = key,
                                .labels = label,
                                .label_count = 1,
                                .value = &value};
        output->record(output, &sample);
    }
    return count;
}

static enum verdict read_line(const struct line *line, struct family_context *context, struct sample_output *output)
{
    (void)context;
    struct label addon = {.name = SLICE("addon")};
    struct label source = {.name = SLICE("source")};
    struct keyvalue_reader reader;
    struct keyvalue pair;
    keyvalue_start(&reader, line->message);
    while (addon.value.length == 0 && keyvalue_next(&reader, &pair)) {
        if (slice_equals(pair.key, addon.name))
            addon.value = pair.value;
        else if (slice_equals(pair.key, source.name) && source.value.length == 0)
            source.value = pair.value;
    }
    size_t count = read_samples(line->message, addon.value.length > 0 ? &addon : &source, output);
    return count > 0 ? VERDICT_RECOGNISED : VERDICT_NOT_A_METRIC;
}

const struct family postgres_family = {.owns = owns, .read = read_line};
