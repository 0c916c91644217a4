#include "server/http_metrics.h"

static const char *const status_labels[HTTP_STATUSES] = {"200", "204", "400", "401", "403", "404",  "405",  "413",
                                                         "415", "417", "422", "429", "503", "none", "other"};

const struct metric http_requests =
    SELF_COUNTERS("http_requests_total",
                  "HTTP requests by path and status of the response; none: the connection was closed without one.",
                  "status", status_labels);
const struct metric http_connections_refused = SELF_COUNTER(
    "connections_refused_total", "Connections closed without a response because MAX_CONNECTIONS were open.");
const struct metric http_connections_displaced =
    SELF_COUNTER("connections_displaced_total", "Connections without a right password that were closed for others, "
                                                "because of MAX_CONNECTIONS or MAX_INPUT_MEMORY.");
const struct metric http_certificate_expiry = {.name = "drain_exporter_tls_certificate_expiry_timestamp_seconds",
                                               .help = "When the certificate of TLS_CERT_FILE, or one of its chain, "
                                                       "expires, seconds since 1970.",
                                               .type = METRIC_GAUGE,
                                               .self = true};
const struct metric http_credential_used = {
    .name = "drain_exporter_credential_last_used_timestamp_seconds",
    .help = "When a password or token was last used, seconds since 1970, by role, user (__token__: bearer tokens) and "
            "slot (current, previous); 0: not since the start.",
    .type = METRIC_GAUGE,
    .self = true};
const struct metric http_config_loaded = {
    .name = "drain_exporter_config_loaded_timestamp_seconds",
    .help = "When the configuration and the secrets that are in force were read, seconds since 1970.",
    .type = METRIC_GAUGE,
    .self = true};
const struct metric http_config_load_failed = {.name = "drain_exporter_config_load_failed_timestamp_seconds",
                                               .help = "When the configuration was last read again and had mistakes, "
                                                       "so that nothing was changed; 0: not since the start.",
                                               .type = METRIC_GAUGE,
                                               .self = true};
const struct metric log_lines_dropped =
    SELF_COUNTER("log_lines_dropped_total",
                 "Lines of the program's log that were left out: too many alike in a second, or nobody reads stderr.");
const struct metric http_connections_timed_out =
    SELF_COUNTER("connections_timed_out_total", "Connections closed because a request or a response took too long.");

unsigned http_status_cell(int status)
{
    if (status == 0)
        return HTTP_STATUSES - 2;
    char text[3] = {(char)('0' + status / 100 % 10), (char)('0' + status / 10 % 10), (char)('0' + status % 10)};
    unsigned cell = 0;
    while (cell < HTTP_STATUSES - 1 && memcmp(status_labels[cell], text, 3) != 0)
        cell++;
    return cell;
}
