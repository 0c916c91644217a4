#include "families/cf_router.h"

#include "base/keyvalue.h"
#include "base/number.h"
#include "families/cf_series.h"
#include "families/http_labels.h"

/* ---- metrics ---- */

#define COUNTER(text, meaning)                                                           \
    {                                                                                    \
        .name = "cf_router_" text, .help = (meaning), .type = METRIC_COUNTER, .cells = 1 \
    }
#define HISTOGRAM(text, meaning)                                                                            \
    {                                                                                                       \
        .name = "cf_router_" text, .help = (meaning), .type = METRIC_HISTOGRAM, .cells = COUNT(bounds) + 2, \
        .bounds = bounds                                                                                    \
    }
#define ERRORS "cf_router_errors_total"
#define ERRORS_HELP "Requests that the router could not have answered by the app, by error."

/* As those of Heroku's router, so that dashboards agree. */
static const double bounds[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 29, 35, 60, 300};

static const struct metric requests =
    COUNTER("requests_total", "Requests that the router has finished, by method and status.");
static const struct metric durations =
    HISTOGRAM("request_duration_seconds", "Time from a request's arrival at the router to the end of its response.");
static const struct metric router_durations =
    HISTOGRAM("gorouter_duration_seconds", "Time that requests spent in the router itself.");
static const struct metric request_bytes = COUNTER("request_bytes_total", "Bytes of the bodies of requests.");
static const struct metric response_bytes = COUNTER("response_bytes_total", "Bytes of the bodies of responses.");

/* What the router of 2026 writes; that of a limit on connections is "Connection Limit Reached". */
static const char *const known_errors[] = {
    "Connection",
    "empty_host",
    "endpoint_failure",
    "expired_route_service_signature",
    "invalid_cf_app_instance_header",
    "invalid_cf_process_instance_header",
    "max-request-size-exceeded",
    "no_endpoints",
    "route_service_unsupported",
    "unknown_route",
};
static const struct metric errors = {.name = ERRORS,
                                     .help = ERRORS_HELP,
                                     .type = METRIC_COUNTER,
                                     .cells = COUNT(known_errors),
                                     .label = "error",
                                     .label_values = known_errors,
                                     .failure = true};
/* The same for an error that is not in the table: it is a label as any other. */
static const struct metric other_error = {
    .name = ERRORS, .help = ERRORS_HELP, .type = METRIC_COUNTER, .cells = 1, .failure = true};

/* ---- reading ---- */

struct router_line {
    struct slice host; /* that the client asked for */
    struct slice method;
    struct slice status;
    struct slice request_bytes;
    struct slice response_bytes;
    struct slice response_time;
    struct slice gorouter_time;
    struct slice error;
};

static bool skip(struct slice *text, struct slice word)
{
    if (!slice_starts_with(*text, word))
        return false;
    *text = slice_after(*text, word.length);
    return true;
}

/* Cut off what stands up to the next blank or, in quotes, up to the quote that ends it; and the blank behind it.  The
 * value is without quotes, with its escapes; "-" is read as empty. */
static struct slice take(struct slice *text)
{
    bool quoted = text->length > 0 && text->at[0] == '"';
    size_t start = quoted, end = start + slice_index(slice_after(*text, start), quoted ? '"' : ' ');
    if (quoted && end < text->length && text->at[end - 1] == '\\') /* that quote may be escaped: look at each byte */
        for (end = start; end < text->length && text->at[end] != '"';)
            end += text->at[end] == '\\' ? 2 : 1;
    if (end > text->length)
        end = text->length;
    struct slice value = {text->at + start, end - start};
    *text = slice_after(*text, end);
    skip(text, SLICE("\""));
    skip(text, SLICE(" "));
    return slice_equals(value, SLICE("-")) ? (struct slice){"", 0} : value;
}

/* "response_time:0.263000 gorouter_time:..." up to x_cf_routererror: what operators have added stands behind it.  Of
 * two fields with one name the first counts. */
static void read_pairs(struct slice text, struct router_line *line)
{
    const struct {
        struct slice key;
        struct slice *place;
    } fields[] = {{SLICE("response_time:"), &line->response_time},
                  {SLICE("gorouter_time:"), &line->gorouter_time},
                  {SLICE("x_cf_routererror:"), &line->error}};
    unsigned read = 0;
    while (text.length > 0 && !(read & 4)) {
        size_t colon = slice_index(text, ':');
        size_t blank = slice_index(text, ' ');
        if (colon >= blank) { /* an address without quotes, or what is no field */
            take(&text);
            continue;
        }
        struct slice key = {text.at, colon + 1};
        text = slice_after(text, colon + 1);
        struct slice value = take(&text);
        for (unsigned i = 0; i < COUNT(fields); i++) {
            if ((read & 1U << i) || !slice_equals(key, fields[i].key))
                continue;
            *fields[i].place = value;
            read |= 1U << i;
        }
    }
}

static bool read_fields(struct slice text, struct router_line *line)
{
    *line = (struct router_line){0};
    struct slice host = {text.at, slice_index(text, ' ')};
    text = slice_after(text, host.length);
    if (host.length == 0 || !skip(&text, SLICE(" - [")))
        return false;
    line->host = host;
    text = slice_after(text, slice_index(text, ']'));
    if (!skip(&text, SLICE("] \"")))
        return false;
    line->method = (struct slice){text.at, slice_index(text, ' ')};
    text = (struct slice){text.at - 1, text.length + 1}; /* with its quote */
    take(&text);
    line->status = take(&text);
    line->request_bytes = take(&text);
    line->response_bytes = take(&text);
    take(&text); /* the referer */
    take(&text); /* the user agent */
    read_pairs(text, line);
    return true;
}

/* ---- samples ---- */

struct request {
    const struct family_context *context;
    struct sample_output *output;
    struct slice type;
};

static struct series *find(const struct request *request, const struct metric *metric, struct slice name,
                           const struct label *more, size_t count)
{
    struct label labels[4] = {{SLICE("app"), request->context->app}, {SLICE("process_type"), request->type}};
    for (size_t i = 0; i < count; i++)
        labels[2 + i] = more[i];
    struct sample sample = {.metric = metric, .name = name, .labels = labels, .label_count = 2 + count};
    return request->output->find(request->output, &sample);
}

static void count(const struct request *request, const struct metric *metric, const struct label *more,
                  size_t more_count, unsigned cell, double amount)
{
    struct series *series = find(request, metric, slice_of(metric->name), more, more_count);
    if (series != NULL)
        request->output->add(request->output, series, cell, amount);
}

static void count_bytes(const struct request *request, const struct metric *metric, struct slice text)
{
    uint64_t bytes;
    if (number_read_decimal(text, 999999999999999, &bytes))
        count(request, metric, NULL, 0, 0, (double)bytes);
}

static void measure(const struct request *request, const struct metric *metric, struct slice text)
{
    double seconds;
    if (text.length == 0)
        return;
    if (!keyvalue_number(text, &seconds) || seconds < 0) {
        request->output->reject(request->output, REJECTED_VALUE);
        return;
    }
    struct series *series = find(request, metric, slice_of(metric->name), NULL, 0);
    if (series != NULL)
        request->output->observe(request->output, series, metric, seconds);
}

/* "endpoint_failure (dial tcp ...)": the first word, if it is one. */
static struct slice error_of(struct slice text)
{
    enum { ERROR_MAX_BYTES = 64 };
    size_t length = 0;
    while (length < text.length && text.at[length] != ' ' && text.at[length] != '(' && text.at[length] != '[')
        length++;
    for (size_t i = 0; i < length; i++) {
        char byte = text.at[i];
        if (!slice_is_digit(byte) && !(byte >= 'a' && byte <= 'z') && !(byte >= 'A' && byte <= 'Z') && byte != '_' &&
            byte != '-' && byte != '.')
            return SLICE("other");
    }
    return length == 0 || length > ERROR_MAX_BYTES ? SLICE("other") : (struct slice){text.at, length};
}

/* All that are known are there from the first request on: they are cells of one series. */
static void count_error(const struct request *request, struct slice text)
{
    if (text.length == 0) {
        count(request, &errors, NULL, 0, 0, 0);
        return;
    }
    struct slice error = error_of(text);
    for (unsigned i = 0; i < COUNT(known_errors); i++) {
        if (slice_equals(slice_of(known_errors[i]), error)) {
            count(request, &errors, NULL, 0, i, 1);
            return;
        }
    }
    struct label label = {SLICE("error"), error};
    count(request, &other_error, &label, 1, 0, 1);
}

/* ---- lines ---- */

static bool hears(const struct line *line)
{
    return slice_starts_with(line->procid, SLICE("[RTR/"));
}

static bool owns(const struct line *line, const struct family_context *context)
{
    (void)line;
    return context->cf != NULL && context->cf->kind == CF_LOG;
}

static enum verdict read_line(const struct line *line, struct family_context *context, struct sample_output *output)
{
    struct router_line fields;
    if (!read_fields(line->message, &fields))
        return verdict_malformed(MALFORMED_PAIRS);
    if (output->route != NULL)
        output->route(output, fields.host);
    struct request request = {context, output, cf_process_of(line, context).type};
    struct label labels[] = {{SLICE("method"), http_method_of(fields.method)},
                             {SLICE("status"), http_status_of(fields.status)}};
    count(&request, &requests, labels, 2, 0, 1);
    measure(&request, &durations, fields.response_time);
    measure(&request, &router_durations, fields.gorouter_time);
    count_bytes(&request, &request_bytes, fields.request_bytes);
    count_bytes(&request, &response_bytes, fields.response_bytes);
    count_error(&request, fields.error);
    return VERDICT_RECOGNISED;
}

const struct family cf_router_family = {.prefixes = {"cf_router"}, .hears = hears, .owns = owns, .read = read_line};
