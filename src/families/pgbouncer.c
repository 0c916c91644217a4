#include "families/pgbouncer.h"

#include "families/addon_samples.h"

#define NAMED(text) .name = {text, sizeof text - 1}

static const struct addon_key known_keys[] = {
    {ADDON_KEY("client_active", "Clients that are connected to a server connection.")},
    {ADDON_KEY("client_waiting", "Clients that wait for a server connection.")},
    {ADDON_KEY("server_active", "Server connections in use by a client.")},
    {ADDON_KEY("server_idle", "Server connections that are ready for a client.")},
    {ADDON_KEY("max_wait", "How long the client that waits longest has waited."), NAMED("max_wait_seconds")},
    {ADDON_KEY("avg_query", "Average duration of queries."), NAMED("avg_query_seconds"), .divisor = 1000000},
    {ADDON_KEY("avg_recv", "Bytes that clients sent, per second."), NAMED("received_bytes_per_second")},
    {ADDON_KEY("avg_sent", "Bytes that were sent to clients, per second."), NAMED("sent_bytes_per_second")},
};

static const struct metric unknown_key = {.help = "A sample# key of a PgBouncer log line, in base units.",
                                          .type = METRIC_GAUGE};

static const struct addon pgbouncer = {.namespace = {"heroku_pgbouncer", sizeof "heroku_pgbouncer" - 1},
                                       .keys = known_keys,
                                       .key_count = sizeof known_keys / sizeof known_keys[0],
                                       .unknown = &unknown_key};

static bool owns(const struct line *line, const struct family_context *context)
{
    (void)context;
    return slice_equals(line->procid, SLICE("heroku-pgbouncer"));
}

static enum verdict read_line(const struct line *line, struct family_context *context, struct sample_output *output)
{
    return addon_samples_read(line, context, &pgbouncer, output);
}

const struct family pgbouncer_family = {.owns = owns, .read = read_line};
