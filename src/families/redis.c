#include "families/redis.h"

#include "families/addon_samples.h"

static const struct addon_key known_keys[] = {
    {ADDON_KEY("active-connections", "Established connections.")},
    {ADDON_KEY("max-connections", "The plan's limit on connections.")},
    {ADDON_KEY("connection-percentage-used", "Connections, as a ratio (0-1) of the plan's limit.")},
    {ADDON_KEY("load-avg-1m", "Average load of the server over 1 minute, divided by its CPUs.")},
    {ADDON_KEY("load-avg-5m", "Average load of the server over 5 minutes, divided by its CPUs.")},
    {ADDON_KEY("load-avg-15m", "Average load of the server over 15 minutes, divided by its CPUs.")},
    {ADDON_KEY("read-iops", "Read operations per second, in blocks of 16 kB.")},
    {ADDON_KEY("write-iops", "Write operations per second, in blocks of 16 kB.")},
    {ADDON_KEY("max-iops", "The plan's limit on operations per second.")},
    {ADDON_KEY("iops-percentage-used", "Operations per second, as a ratio (0-1) of the plan's limit.")},
    {ADDON_KEY("memory-total", "Memory of the server in bytes.")},
    {ADDON_KEY("memory-free", "Free memory of the server in bytes.")},
    {ADDON_KEY("memory-percentage-used", "Memory in use, as a ratio (0-1) of the server's memory.")},
    {ADDON_KEY("memory-cached", "Memory that the server uses as a disk cache, in bytes.")},
    {ADDON_KEY("memory-redis", "Memory that the instance itself uses, in bytes.")},
    {ADDON_KEY("hit-rate", "Ratio (0-1) of key look-ups that found the key.")},
    {ADDON_KEY("evicted-keys", "Keys that were evicted to stay within the memory limit.")},
};

static const struct metric unknown_key = {.help = "A sample# key of a Heroku Key-Value Store log line, in base units.",
                                          .type = METRIC_GAUGE};

static const struct addon redis = {.namespace = {"heroku_redis", sizeof "heroku_redis" - 1},
                                   .keys = known_keys,
                                   .key_count = sizeof known_keys / sizeof known_keys[0],
                                   .unknown = &unknown_key};

static bool owns(const struct line *line, const struct family_context *context)
{
    (void)context;
    return slice_equals(line->procid, SLICE("heroku-redis"));
}

static enum verdict read_line(const struct line *line, struct family_context *context, struct sample_output *output)
{
    return addon_samples_read(line, context, &redis, output);
}

const struct family redis_family = {.owns = owns, .read = read_line};
