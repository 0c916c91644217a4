#include "families/addons.h"

#include "base/keyvalue.h"

/* ---- the add-ons that we know ---- */

/* A key that we can say more about. */
struct addon_key {
    struct slice key;
    struct metric metric; /* its help and type */
    struct slice name;    /* what it is called after the namespace; empty: as the key */
    double divisor;       /* what makes base units of a number without a unit; 0: it is in base units */
};

struct addon {
    struct slice namespace;
    const struct addon_key *keys; /* in the order in which lines have them: they are found faster then */
    size_t key_count;
    const struct metric *unknown; /* of all other keys */
};

#define ADDON_KEY(text, meaning) .key = {text, sizeof text - 1}, .metric = {.help = meaning, .type = METRIC_GAUGE}
#define NAMED(text) .name = {text, sizeof text - 1}
#define UNKNOWN_KEY(of)                                                                  \
    {                                                                                    \
        .help = "A sample# key of " of " log line, in base units.", .type = METRIC_GAUGE \
    }
#define ADDON(prefix, known_keys, any)                                  \
    {                                                                   \
        {prefix, sizeof prefix - 1}, known_keys, COUNT(known_keys), any \
    }

static const struct metric postgres_key = UNKNOWN_KEY("a Heroku Postgres");
static const struct metric redis_key = UNKNOWN_KEY("a Heroku Key-Value Store");
static const struct metric pgbouncer_key = UNKNOWN_KEY("a PgBouncer");
static const struct metric any_key = UNKNOWN_KEY("an add-on's");

static const struct addon_key postgres_keys[] = {
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
static const struct addon postgres = ADDON("heroku_postgres", postgres_keys, &postgres_key);

static const struct addon_key redis_keys[] = {
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
static const struct addon redis = ADDON("heroku_redis", redis_keys, &redis_key);

static const struct addon_key pgbouncer_keys[] = {
    {ADDON_KEY("client_active", "Clients that are connected to a server connection.")},
    {ADDON_KEY("client_waiting", "Clients that wait for a server connection.")},
    {ADDON_KEY("server_active", "Server connections in use by a client.")},
    {ADDON_KEY("server_idle", "Server connections that are ready for a client.")},
    {ADDON_KEY("max_wait", "How long the client that waits longest has waited."), NAMED("max_wait_seconds")},
    {ADDON_KEY("avg_query", "Average duration of queries."), NAMED("avg_query_seconds"), .divisor = 1000000},
    {ADDON_KEY("avg_recv", "Bytes that clients sent, per second."), NAMED("received_bytes_per_second")},
    {ADDON_KEY("avg_sent", "Bytes that were sent to clients, per second."), NAMED("sent_bytes_per_second")},
};
static const struct addon pgbouncer = ADDON("heroku_pgbouncer", pgbouncer_keys, &pgbouncer_key);

/* ---- samples ---- */

/* Find a key.  Lines list their keys in one order, so the search goes on where the last one ended. */
static const struct addon_key *find_key(const struct addon *addon, struct slice key, size_t *next)
{
    for (size_t i = 0; i < addon->key_count; i++) {
        size_t at = *next + i < addon->key_count ? *next + i : *next + i - addon->key_count;
        if (slice_equals(addon->keys[at].key, key)) {
            *next = at + 1;
            return &addon->keys[at];
        }
    }
    return NULL;
}

/* Record a line's pairs as samples that have all but their own parts already; returns how many there are. */
static size_t read_pairs(struct slice text, const struct addon *addon, struct sample *sample,
                         struct sample_output *output)
{
    struct slice start = SLICE("sample#");
    struct keyvalue_reader reader;
    struct keyvalue pair;
    size_t count = 0;
    size_t next = 0;
    keyvalue_start(&reader, text);
    while (keyvalue_next(&reader, &pair)) {
        if (!slice_starts_with(pair.key, start))
            continue;
        count++;
        struct quantity quantity;
        if (!keyvalue_quantity(pair.value, &quantity) || quantity.unit == UNIT_OTHER) {
            output->reject(output, REJECTED_VALUE);
            continue;
        }
        struct slice key = slice_after(pair.key, start.length);
        const struct addon_key *known = find_key(addon, key, &next);
        if (known != NULL && known->divisor != 0 && quantity.unit == UNIT_NONE)
            quantity.number /= known->divisor;
        struct value value = {.type = VALUE_GAUGE, .number = quantity.number};
        sample->metric = known != NULL ? &known->metric : addon->unknown;
        sample->name = known != NULL && known->name.length > 0 ? known->name : key;
        sample->value = &value;
        output->record(output, sample);
    }
    return count;
}

static enum verdict read_samples(const struct line *line, const struct family_context *context,
                                 const struct addon *addon, struct sample_output *output)
{
    struct label by_addon[] = {{.name = SLICE("addon")}, {SLICE("app"), context->app}};
    struct label by_source[] = {{SLICE("app"), context->app}, {.name = SLICE("source")}};
    struct keyvalue_reader reader;
    struct keyvalue pair;
    keyvalue_start(&reader, line->message);
    while (by_addon[0].value.length == 0 && keyvalue_next(&reader, &pair)) {
        if (slice_equals(pair.key, by_addon[0].name))
            by_addon[0].value = pair.value;
        else if (slice_equals(pair.key, by_source[1].name) && by_source[1].value.length == 0)
            by_source[1].value = pair.value;
    }
    bool has_addon = by_addon[0].value.length > 0;
    struct sample sample = {.namespace = addon->namespace,
                            .labels = has_addon ? by_addon : by_source,
                            .label_count = has_addon && !context->addon_app ? 1 : 2,
                            .labels_of_line = true};
    return read_pairs(line->message, addon, &sample, output) > 0 ? VERDICT_RECOGNISED : VERDICT_NOT_A_METRIC;
}

/* ---- the families ---- */

/* A line of a database under the procid of another add-on.  No dyno and no command of the app's has such a procid. */
static bool is_forwarded(const struct line *line)
{
    return slice_starts_with(line->message, SLICE("source=HEROKU_POSTGRES"));
}

static bool hears_postgres(const struct line *line)
{
    return slice_starts_with(line->procid, SLICE("heroku-")) &&
           (slice_equals(line->appname, SLICE("app")) || slice_equals(line->procid, SLICE("heroku-postgres")));
}

static bool owns_postgres(const struct line *line, const struct family_context *context)
{
    (void)context;
    return slice_equals(line->procid, SLICE("heroku-postgres")) || is_forwarded(line);
}

static enum verdict read_postgres(const struct line *line, struct family_context *context, struct sample_output *output)
{
    return read_samples(line, context, &postgres, output);
}

static bool hears_redis(const struct line *line)
{
    return slice_equals(line->procid, SLICE("heroku-redis"));
}

static enum verdict read_redis(const struct line *line, struct family_context *context, struct sample_output *output)
{
    return read_samples(line, context, &redis, output);
}

static bool hears_pgbouncer(const struct line *line)
{
    return slice_equals(line->procid, SLICE("heroku-pgbouncer"));
}

static enum verdict read_pgbouncer(const struct line *line, struct family_context *context,
                                   struct sample_output *output)
{
    return read_samples(line, context, &pgbouncer, output);
}

enum { KIND_MAX = 64 };

static bool is_kind(struct slice text)
{
    for (size_t i = 0; i < text.length; i++)
        if (!slice_is_digit(text.at[i]) && !(text.at[i] >= 'a' && text.at[i] <= 'z') && text.at[i] != '-')
            return false;
    return text.length > 0 && text.length <= KIND_MAX;
}

static bool starts_with_one_of(struct slice kind, const char *const *prefixes, size_t count)
{
    struct slice start = SLICE("heroku_");
    for (size_t i = 0; i < count && prefixes[i] != NULL; i++) {
        struct slice prefix = slice_of(prefixes[i]);
        if (slice_starts_with(prefix, start) && slice_starts_with(kind, slice_after(prefix, start.length)))
            return true;
    }
    return false;
}

/* Could heroku_<kind> be the start of the name of a metric of another family, or of intake/log_volume.h? */
static bool is_taken(struct slice kind)
{
    static const char *const others[] = {"heroku_log"};
    for (int id = 0; id < FAMILY_COUNT; id++)
        if (starts_with_one_of(kind, families[id]->prefixes, FAMILY_PREFIXES_MAX))
            return true;
    return starts_with_one_of(kind, others, COUNT(others));
}

static bool hears_addon(const struct line *line)
{
    struct slice start = SLICE("heroku-");
    return slice_starts_with(line->procid, start) && slice_equals(line->appname, SLICE("app")) &&
           is_kind(slice_after(line->procid, start.length));
}

static enum verdict read_addon(const struct line *line, struct family_context *context, struct sample_output *output)
{
    struct slice start = SLICE("heroku-");
    struct slice kind = slice_after(line->procid, start.length);
    char text[sizeof "heroku-addon-" + KIND_MAX];
    struct slice prefix = is_taken(kind) ? SLICE("heroku-addon-") : start;
    memcpy(text, prefix.at, prefix.length);
    memcpy(text + prefix.length, kind.at, kind.length);
    struct addon addon = {.namespace = {text, prefix.length + kind.length}, .unknown = &any_key};
    return read_samples(line, context, &addon, output);
}

#define ROW(name, prefix, setting, claim)                                                                     \
    {                                                                                                         \
        .prefixes = {prefix}, .lifetime = setting, .rules_after = true, .hears = hears_##name, .owns = claim, \
        .read = read_##name                                                                                   \
    }
const struct family postgres_family = ROW(postgres, "heroku_postgres", LIFETIME_POSTGRES, owns_postgres);
const struct family redis_family = ROW(redis, "heroku_redis", LIFETIME_REDIS, NULL);
const struct family pgbouncer_family = ROW(pgbouncer, "heroku_pgbouncer", LIFETIME_POSTGRES, NULL);
const struct family addon_family = ROW(addon, "heroku_addon", LIFETIME_POSTGRES, NULL);
