#include "families/postgres.h"

#include "families/addon_samples.h"

static const struct addon_key known_keys[] = {
    {ADDON_KEY("current_transaction", "Current transaction id.")},
    {ADDON_KEY("db_size", "Size of the database in bytes, bloat included.")},
    {ADDON_KEY("db-size-percentage-used", "Size of the database, as a ratio (0-1) of the plan's limit.")},
    {ADDON_KEY("db-max-size", "The plan's limit on the size of the database in bytes.")},
    {ADDON_KEY("tables", "Number of tables.")},
    {ADDON_KEY("active-connections", "Established connections.")},
    {ADDON_KEY("waiting-connections", "Connections that wait for a lock.")},
    {ADDON_KEY("max-connections", "The plan's limit on connections.")},
    {ADDON_KEY("connections-percentage-used", "Connections, as a ratio (0-1) of the plan's limit.")},
    {ADDON_KEY("index-cache-hit-rate", "Ratio (0-1) of index look-ups served from the cache.")},
    {ADDON_KEY("table-cache-hit-rate", "Ratio (0-1) of table look-ups served from the cache.")},
    {ADDON_KEY("load-avg-1m", "Average load of the server over 1 minute, divided by its CPUs.")},
    {ADDON_KEY("load-avg-5m", "Average load of the server over 5 minutes, divided by its CPUs.")},
    {ADDON_KEY("load-avg-15m", "Average load of the server over 15 minutes, divided by its CPUs.")},
    {ADDON_KEY("read-iops", "Read operations per second, in blocks of 16 kB.")},
    {ADDON_KEY("write-iops", "Write operations per second, in blocks of 16 kB.")},
    {ADDON_KEY("max-iops", "The plan's limit on operations per second.")},
    {ADDON_KEY("iops-percentage-used", "Operations per second, as a ratio (0-1) of the plan's limit.")},
    {ADDON_KEY("tmp-disk-used", "Temporary disk in use, in bytes.")},
    {ADDON_KEY("tmp-disk-available", "Temporary disk left, in bytes.")},
    {ADDON_KEY("memory-total", "Memory of the server in bytes.")},
    {ADDON_KEY("memory-free", "Free memory of the server in bytes.")},
    {ADDON_KEY("memory-cached", "Memory that the server uses as a disk cache, in bytes.")},
    {ADDON_KEY("memory-postgres", "Memory that the database uses, shared buffers included, in bytes.")},
    {ADDON_KEY("memory-percentage-used", "Memory in use, as a ratio (0-1) of the server's memory.")},
    {ADDON_KEY("follower-lag-commits", "Commits that a follower is behind its leader.")},
    {ADDON_KEY("wal-percentage-used", "Disk that the write-ahead log uses, as a ratio (0-1) of what it may use.")},
};

static const struct metric unknown_key = {.help = "A sample# key of a Heroku Postgres log line, in base units.",
                                          .type = METRIC_GAUGE};

static const struct addon postgres = {.namespace = {"heroku_postgres", sizeof "heroku_postgres" - 1},
                                      .keys = known_keys,
                                      .key_count = sizeof known_keys / sizeof known_keys[0],
                                      .unknown = &unknown_key};

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

static enum verdict read_line(const struct line *line, struct family_context *context, struct sample_output *output)
{
    return addon_samples_read(line, context, &postgres, output);
}

const struct family postgres_family = {.owns = owns, .read = read_line};
