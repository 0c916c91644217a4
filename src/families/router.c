#include "families/router.h"

#include <stdlib.h>

#include "base/keyvalue.h"
#include "base/process.h"
#include "base/scan.h"
#include "families/http_labels.h"

/* ---- metrics ---- */

/* Heroku's error codes, 2021 to 2026; H16 is retired, more may come (see other_code). */
/* clang-format off */
#define CODES(X)                                                                                                   \
    X(H10) X(H11) X(H12) X(H13) X(H14) X(H15) X(H16) X(H17) X(H18) X(H19) X(H20) X(H21) X(H22) X(H23) X(H24) X(H25) \
    X(H26) X(H27) X(H28) X(H31) X(H32) X(H80) X(H81) X(H82) X(H83) X(H99)
#define ERRORS(X)                                                                                                   \
    X(H10) X(H11) X(H12) X(H13) X(H14) X(H15) X(H16) X(H17) X(H18) X(H19) X(H20) X(H21) X(H22) X(H23) X(H24) X(H25) \
    X(H26) X(H31) X(H32) X(H99)
#define WARNINGS(X) X(H27) X(H28)
#define NOTICES(X) X(H80) X(H81) X(H82) X(H83)
/* clang-format on */

#define X(code) #code,
static const char *const codes[] = {CODES(X)};
static const char *const errors[] = {ERRORS(X)};
static const char *const warnings[] = {WARNINGS(X)};
static const char *const notices[] = {NOTICES(X)};
#undef X

#define COUNTER(text, meaning)                                                             \
    {                                                                                      \
        .name = "heroku_router_" text, .help = meaning, .type = METRIC_COUNTER, .cells = 1 \
    }
#define BY_CODE(text, meaning, values)                                                                  \
    {                                                                                                   \
        .name = "heroku_router_" text, .help = meaning, .type = METRIC_COUNTER, .cells = COUNT(values), \
        .label = "code", .label_values = values                                                         \
    }
#define HISTOGRAM(text, meaning, limits)                                                                      \
    {                                                                                                         \
        .name = "heroku_router_" text, .help = meaning, .type = METRIC_HISTOGRAM, .cells = COUNT(limits) + 2, \
        .bounds = limits                                                                                      \
    }
#define ERRORS_HELP "Router log lines with an H code, by code, but for warnings and notices."
#define ERROR_LINES_HELP \
    "Router log lines with an H code, by code and by what they say they are: error, warning or info."

static const struct metric router_errors = {.name = "heroku_router_errors",
                                            .help = ERRORS_HELP,
                                            .type = METRIC_COUNTER,
                                            .cells = COUNT(codes),
                                            .label = "code",
                                            .label_values = codes,
                                            .failure = true};
/* The same for a code that is not in the table: it is a label as any other. */
static const struct metric other_code = {
    .name = "heroku_router_errors", .help = ERRORS_HELP, .type = METRIC_COUNTER, .cells = 1, .failure = true};

/* A level that lines have (at=), and the codes that are known to come with it. */
static const struct metric error_codes = BY_CODE("error_lines_total", ERROR_LINES_HELP, errors);
static const struct metric warning_codes = BY_CODE("error_lines_total", ERROR_LINES_HELP, warnings);
static const struct metric notice_codes = BY_CODE("error_lines_total", ERROR_LINES_HELP, notices);
static const struct metric other_codes = COUNTER("error_lines_total", ERROR_LINES_HELP);
static const struct {
    struct slice at;
    const struct metric *metric;
} levels[] = {{{"error", 5}, &error_codes}, {{"warning", 7}, &warning_codes}, {{"info", 4}, &notice_codes}};

static const struct metric requests =
    COUNTER("requests_total", "Requests that the router has finished, by method and status.");
static const struct metric protocol_requests =
    COUNTER("protocol_requests_total", "Requests that the router has finished, by the client's protocol.");
static const struct metric response_bytes = COUNTER("response_bytes_total", "Bytes of the responses to clients.");

/* The router gives up after 30 s (H12) and calls it 30000 or 30001 ms; a response that goes on may take longer. */
static const double service_bounds[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 29, 35, 60, 300};
/* It gives up to connect after 5 s (H19); a dyno that wakes up may take longer. */
static const double connect_bounds[] = {0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                        0.5,   1,     2.5,   4.9,  7.5,   10,   30};
static const struct metric service_duration =
    HISTOGRAM("service_duration_seconds", "Time from the start of a request to a dyno to the end of its response.",
              service_bounds);
/* A WebSocket may last for a day: then its dyno starts anew. */
static const double websocket_bounds[] = {1, 5, 15, 60, 300, 900, 1800, 3600, 7200, 14400, 28800, 86400};
static const struct metric websocket_duration = HISTOGRAM(
    "websocket_duration_seconds", "Time from the start of a WebSocket (status 101) to its end.", websocket_bounds);
static const struct metric connect_duration =
    HISTOGRAM("connect_duration_seconds", "Time that it took the router to connect to a dyno.", connect_bounds);

/* ---- memory: the series that the batch's lines speak of ---- */

static const struct slice protocols[] = {{"http1.1", 7}, {"http2.0", 7}, {"http1.0", 7}, {"http3.0", 7},
                                         {"https", 5},   {"http", 4},    {"other", 5}};
enum { PROTOCOLS = COUNT(protocols) };

struct dyno_series {
    struct slice dyno;
    struct slice type; /* empty: it is none of a process */
    bool known;        /* the others were found */
    struct series *service;
    struct series *websocket; /* NULL until there is one */
    struct series *connect;
    struct series *bytes;
};
struct request_series {
    unsigned key;      /* of method and status */
    struct slice dyno; /* by process */
    struct series *requests;
};
enum { DYNO_SLOTS = 32, REQUEST_SLOTS = 64 };

struct router {
    uint64_t generation; /* of the output that gave the series */
    struct dyno_series dynos[DYNO_SLOTS];
    struct request_series requests[REQUEST_SLOTS];
    struct series *protocols[PROTOCOLS][3];
    const struct dyno_series *last; /* that was found; NULL: none */
    bool has_errors;                /* the app's own zeros are recorded */
};

static void *create_state(void)
{
    return calloc(1, sizeof(struct router));
}

static struct router *router_of(const struct family_context *context)
{
    return context->states[FAMILY_ROUTER];
}

/* ---- reading ---- */

static bool hears(const struct line *line)
{
    return slice_equals(line->procid, SLICE("router")) && slice_equals(line->appname, SLICE("heroku"));
}

enum { NONE = -1 }; /* a number that a line does not have */

/* What this family wants of a line. */
struct router_line {
    struct slice at;
    struct slice code;
    struct slice method;
    struct slice client; /* what follows the method: the part that the client chose, and all else */
    struct slice dyno;
    struct slice status;
    struct slice protocol;
    struct slice tls;
    int64_t connect; /* milliseconds */
    int64_t service; /* milliseconds */
    int64_t bytes;
    bool read; /* at least one of the router's own fields is there */
};

/* Take a pair; false if it starts the part of the line that the client chose. */
static bool read_head(const struct keyvalue *pair, struct router_line *line)
{
    if (slice_equals(pair->key, SLICE("at")))
        line->at = pair->value;
    else if (slice_equals(pair->key, SLICE("code")))
        line->code = pair->value;
    else if (slice_equals(pair->key, SLICE("error")) && pair->bare)
        line->at = pair->key; /* on H31, once */
    else if (slice_equals(pair->key, SLICE("method"))) {
        line->method = pair->value;
        line->read = true;
        return false;
    }
    return !slice_equals(pair->key, SLICE("path")) && !slice_equals(pair->key, SLICE("dyno"));
}

/* The number at the start of text, before a unit (which may be missing: "connect=0" on H25); *at is put behind both.
 * Not by number.h: each router line has four or more, and 18 digits cannot overflow. */
static inline int64_t take_number(const char **at, const char *end, char unit)
{
    enum { DIGITS = 18 };
    const char *start = *at, *digit = start, *most = end - start > DIGITS ? start + DIGITS : end;
    uint64_t number = 0;
    for (; digit < most && slice_is_digit(*digit); digit++)
        number = number * 10 + (uint64_t)(*digit - '0');
    *at = digit;
    if (*at == start)
        return NONE;
    if (unit != '\0' && end - *at >= 2 && (*at)[0] == unit && (*at)[1] == 's')
        *at += 2;
    return (int64_t)number;
}

static int64_t number_of(struct slice text, char unit)
{
    const char *at = text.at, *end = text.at + text.length;
    int64_t number = take_number(&at, end, unit);
    return at == end ? number : NONE;
}

static void forget_tail(struct router_line *line)
{
    line->status = line->protocol = line->tls = (struct slice){"", 0};
    line->connect = line->service = line->bytes = NONE;
}

/* Take a pair of what stands from dyno on. */
static void read_tail_pair(const struct keyvalue *pair, struct router_line *line)
{
    if (slice_equals(pair->key, SLICE("connect")))
        line->connect = number_of(pair->value, 'm');
    else if (slice_equals(pair->key, SLICE("service")))
        line->service = number_of(pair->value, 'm');
    else if (slice_equals(pair->key, SLICE("status")))
        line->status = pair->value;
    else if (slice_equals(pair->key, SLICE("bytes")))
        line->bytes = number_of(pair->value, '\0');
    else if (slice_equals(pair->key, SLICE("protocol")))
        line->protocol = pair->value;
    else if (slice_equals(pair->key, SLICE("tls")))
        line->tls = pair->value;
}

/* Read what stands from the last dyno= of a text on. */
static void read_pairs(struct slice text, struct router_line *line)
{
    struct keyvalue_reader reader;
    struct keyvalue pair;
    keyvalue_start(&reader, text);
    while (keyvalue_next(&reader, &pair)) {
        if (slice_equals(pair.key, SLICE("dyno"))) {
            line->dyno = pair.value;
            line->read = true;
            forget_tail(line);
        } else
            read_tail_pair(&pair, line);
    }
}

/* Put *at behind " name=" if that stands there. */
#define SKIP(at, end, name)                                                                     \
    ((size_t)((end) - *(at)) >= sizeof name - 1 && memcmp(*(at), name, sizeof name - 1) == 0 && \
     (*(at) += sizeof name - 1))

/* Up to the next blank, eight bytes at a time: there are six words in a line, and byte by byte they were the tenth part
 * of its time. */
static inline struct slice take_word(const char **at, const char *end)
{
    const char *start = *at;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    static const uint64_t ones = UINT64_C(0x0101010101010101);
    while (end - *at >= 8) {
        uint64_t bytes;
        memcpy(&bytes, *at, sizeof bytes);
        bytes ^= ones * ' ';
        uint64_t blanks = (bytes - ones) & ~bytes & (ones << 7); /* the lowest bit is that of the first blank */
        if (blanks != 0) {
            *at += __builtin_ctzll(blanks) / 8;
            return (struct slice){start, (size_t)(*at - start)};
        }
        *at += 8;
    }
#endif
    while (*at < end && **at != ' ')
        (*at)++;
    return (struct slice){start, (size_t)(*at - start)};
}

/* Read what stands from the value of dyno on, nearly always in this order; what is different is read as pairs. */
static void read_tail(const char *at, const char *end, struct router_line *line)
{
    line->dyno = take_word(&at, end);
    if (SKIP(&at, end, " connect="))
        line->connect = take_number(&at, end, 'm');
    if (SKIP(&at, end, " service="))
        line->service = take_number(&at, end, 'm');
    if (SKIP(&at, end, " status="))
        line->status = take_word(&at, end);
    if (SKIP(&at, end, " bytes="))
        line->bytes = take_number(&at, end, '\0');
    if (SKIP(&at, end, " protocol="))
        line->protocol = take_word(&at, end);
    if (SKIP(&at, end, " tls="))
        line->tls = take_word(&at, end);
    if (SKIP(&at, end, " tls_version="))
        take_word(&at, end);
    if (at < end)
        read_pairs((struct slice){at, (size_t)(end - at)}, line);
}

/* Heroku writes its own words first (at, code), then what the client chose (path, host, fwd), then its own again, from
 * dyno on.  The middle part is long and, should a quote of the client's ever get through, a place for forged words: so
 * it is not read at all.  Only lines that end in a quote (agent, on H31) or have no dyno near their end are read as a
 * whole. */
static void read_fields(struct slice text, struct router_line *line)
{
    enum { TAIL = 320 };
    struct keyvalue_reader reader;
    struct keyvalue pair;
    const struct slice none = {"", 0};
    line->at = none;
    line->code = none;
    line->method = none;
    line->dyno = none;
    line->read = false;
    forget_tail(line);
    const char *at = text.at, *end = text.at + text.length;
    if (SKIP(&at, end, "at=info method=")) { /* nearly always */
        line->at = SLICE("info");
        line->method = take_word(&at, end);
        line->read = true;
        line->client = (struct slice){at, (size_t)(end - at)};
    } else {
        keyvalue_start(&reader, text);
        while (keyvalue_next(&reader, &pair) && read_head(&pair, line))
            ;
        line->client = (struct slice){reader.at, (size_t)(reader.end - reader.at)};
    }
    const char *tail =
        text.length > 0 && text.at[text.length - 1] == '"' ? NULL : scan_last(text, SLICE(" dyno="), TAIL);
    if (tail != NULL) {
        line->read = true;
        read_tail(tail + sizeof " dyno=" - 1, end, line);
    } else
        read_pairs(text, line);
    line->read = line->read || line->at.length > 0 || line->code.length > 0;
}

/* ---- errors ---- */

static void record_zeros(const struct metric *metric, struct label second, struct slice process,
                         struct family_context *context, struct sample_output *output)
{
    struct label labels[] = {{SLICE("app"), context->app}, second};
    struct sample sample = {
        .metric = metric, .name = slice_of(metric->name), .labels = labels, .label_count = 2, .process = process};
    output->record(output, &sample);
}

/* Count the code in the cell of a metric that has one for it; false if it has none. */
static bool count_cell(const struct metric *metric, struct sample *sample, struct slice code,
                       struct sample_output *output)
{
    for (unsigned i = 0; i < metric->cells; i++) {
        if (slice_equals(slice_of(metric->label_values[i]), code)) {
            sample->metric = metric;
            sample->cell = i;
            output->record(output, sample);
            return true;
        }
    }
    return false;
}

/* heroku_router_errors, as it has always been: of errors alone.  A warning or a notice with a code is none. */
static void count_code(const struct router_line *line, struct slice dyno, struct family_context *context,
                       struct sample_output *output)
{
    if (slice_equals(line->at, SLICE("info")) || slice_equals(line->at, SLICE("warning")))
        return;
    struct label labels[] = {{SLICE("app"), context->app},
                             {SLICE("process"), dyno},
                             {SLICE("code"), family_is_code(line->code, 'H') ? line->code : SLICE("other")}};
    struct sample sample = {
        .name = slice_of(router_errors.name), .labels = labels, .label_count = 2, .amount = 1, .process = dyno};
    if (count_cell(&router_errors, &sample, line->code, output))
        return;
    sample.metric = &other_code;
    sample.label_count = 3;
    output->record(output, &sample);
}

static void count_level(const struct router_line *line, struct family_context *context, struct sample_output *output)
{
    struct label labels[] = {{SLICE("app"), context->app},
                             {SLICE("at"), SLICE("other")},
                             {SLICE("code"), family_is_code(line->code, 'H') ? line->code : SLICE("other")}};
    struct sample sample = {.name = slice_of(error_codes.name), .labels = labels, .label_count = 2, .amount = 1};
    for (size_t i = 0; i < COUNT(levels); i++) {
        if (!slice_equals(levels[i].at, line->at))
            continue;
        labels[1].value = levels[i].at;
        if (count_cell(levels[i].metric, &sample, line->code, output))
            return;
    }
    sample.metric = &other_codes;
    sample.label_count = 3;
    output->record(output, &sample);
}

static void start_app(struct family_context *context, struct sample_output *output)
{
    for (size_t i = 0; i < COUNT(levels); i++)
        record_zeros(levels[i].metric, (struct label){SLICE("at"), levels[i].at}, SLICE(""), context, output);
}

/* The zeros of heroku_router_errors for a dyno, and for the app, as its first H14 has no dyno. */
static void start_app_errors(struct family_context *context, struct sample_output *output)
{
    record_zeros(&router_errors, (struct label){SLICE("process"), SLICE("")}, SLICE(""), context, output);
}

static void start_dyno_errors(struct slice dyno, struct family_context *context, struct sample_output *output)
{
    record_zeros(&router_errors, (struct label){SLICE("process"), dyno}, dyno, context, output);
}

static void start_process(struct slice name, struct family_context *context, struct sample_output *output)
{
    struct process process;
    if (process_read(name, &process) && slice_equals(process.type, SLICE("web"))) {
        start_app_errors(context, output);
        start_dyno_errors(name, context, output);
    }
}

/* ---- requests ---- */

/* The dyno that requests went to: as the line says, which may be empty or none; and what it is, its type is empty if
 * it is none. */
struct target {
    struct slice dyno;
    struct process process;
};

static struct target target_of(struct slice dyno)
{
    struct target target = {.dyno = dyno};
    if (!process_read(dyno, &target.process))
        target.process = (struct process){0};
    return target;
}

/* Find the series of a metric that has these labels (at most 3, app first) and, if with_type or by process, those of
 * the target; by process it ends with the dyno. */
static struct series *find_series(const struct metric *metric, const struct label *given, size_t count,
                                  const struct target *target, bool with_type, const struct family_context *context,
                                  struct sample_output *output)
{
    struct label labels[5];
    struct sample sample = {.metric = metric, .name = slice_of(metric->name), .labels = labels};
    if (context->router_by_process && target->process.type.length > 0 && !target->process.one_off)
        sample.process = target->dyno;
    memcpy(labels, given, count * sizeof labels[0]);
    if (with_type || context->router_by_process)
        labels[count++] = (struct label){SLICE("process_type"), target->process.type};
    if (context->router_by_process)
        labels[count++] = (struct label){SLICE("process"), sample.process};
    sample.label_count = count;
    return output->find(output, &sample);
}

/* A status as a number; 0 if there is none, 1 if it is none that we count as such. */
static unsigned number_of_status(struct slice text)
{
    if (!http_is_status(text))
        return text.length > 0;
    return (unsigned)(text.at[0] - '0') * 100 + (unsigned)(text.at[1] - '0') * 10 + (unsigned)(text.at[2] - '0');
}

static void count_request(const struct router_line *line, unsigned status, struct family_context *context,
                          struct sample_output *output)
{
    bool by_process = context->router_by_process;
    unsigned method = http_index_of(line->method, http_methods, HTTP_METHODS);
    unsigned key = status * HTTP_METHODS + method, slot = key;
    if (by_process && line->dyno.length > 0)
        slot += (unsigned char)line->dyno.at[line->dyno.length - 1] * HTTP_METHODS;
    struct request_series *series = &router_of(context)->requests[slot % REQUEST_SLOTS];
    if (series->requests == NULL || series->key != key || (by_process && !slice_equals(series->dyno, line->dyno))) {
        struct label labels[] = {{SLICE("app"), context->app},
                                 {SLICE("method"), http_methods[method]},
                                 {SLICE("status"), status == 1 ? SLICE("other") : line->status}};
        series->key = key;
        series->dyno = line->dyno;
        struct target target = by_process ? target_of(line->dyno) : (struct target){0};
        series->requests = find_series(&requests, labels, COUNT(labels), &target, false, context, output);
    }
    if (series->requests != NULL)
        output->add(output, series->requests, 0, 1);
}

/* Router 2.0 tells protocol and tls; the older one http or https. */
static void count_protocol(const struct router_line *line, struct family_context *context, struct sample_output *output)
{
    static const struct slice tls_values[] = {{"true", 4}, {"false", 5}, {"", 0}};
    if (line->protocol.length == 0)
        return;
    unsigned protocol = http_index_of(line->protocol, protocols, PROTOCOLS);
    struct slice told = line->tls;
    if (told.length == 0)
        told = protocol == 4 ? tls_values[0] : protocol == 5 ? tls_values[1] : told;
    unsigned tls = http_index_of(told, tls_values, COUNT(tls_values));
    struct series **slot = &router_of(context)->protocols[protocol][tls];
    if (*slot == NULL) {
        struct label labels[] = {
            {SLICE("app"), context->app}, {SLICE("protocol"), protocols[protocol]}, {SLICE("tls"), tls_values[tls]}};
        struct sample sample = {
            .metric = &protocol_requests, .name = slice_of(protocol_requests.name), .labels = labels, .label_count = 3};
        *slot = output->find(output, &sample);
    }
    if (*slot != NULL)
        output->add(output, *slot, 0, 1);
}

static struct series *find_by_dyno(const struct metric *metric, const struct target *target,
                                   struct family_context *context, struct sample_output *output)
{
    struct label app = {SLICE("app"), context->app};
    return find_series(metric, &app, 1, target, true, context, output);
}

/* The series that all dynos of a type share are mostly those that the dyno before has: in a batch of few lines nearly
 * each names another dyno. */
static bool copy_last(struct dyno_series *series, const struct router *router, const struct family_context *context)
{
    const struct dyno_series *last = router->last;
    if (context->router_by_process || last == NULL || !slice_equals(last->type, series->type))
        return false;
    series->service = last->service;
    series->connect = last->connect;
    series->bytes = last->bytes;
    return true;
}

static void find_all_by_dyno(struct dyno_series *series, const struct target *target, struct family_context *context,
                             struct sample_output *output)
{
    series->service = find_by_dyno(&service_duration, target, context, output);
    series->connect = find_by_dyno(&connect_duration, target, context, output);
    series->bytes = find_by_dyno(&response_bytes, target, context, output);
}

/* Meet a dyno: the series of it or of its type. */
static void start_dyno(struct dyno_series *series, const struct target *target, struct family_context *context,
                       struct sample_output *output)
{
    struct router *router = router_of(context);
    router->last = router->last == series ? NULL : router->last;
    series->dyno = target->dyno;
    series->type = target->process.type;
    series->websocket = NULL;
    if (!copy_last(series, router, context))
        find_all_by_dyno(series, target, context, output);
    series->known = series->service != NULL && series->connect != NULL && series->bytes != NULL;
    if (series->known)
        router->last = series;
}

/* The host that the client asked for; empty if the line has none. */
static struct slice host_of(const struct router_line *line)
{
    struct keyvalue_reader reader;
    struct keyvalue pair;
    keyvalue_start(&reader, line->client);
    while (keyvalue_next(&reader, &pair))
        if (slice_equals(pair.key, SLICE("host")))
            return pair.value;
    return SLICE("");
}

/* What is recorded of a dyno once in a while: its zeros and those of the app, and that the line's host is a route of
 * the app.  To do so for each dyno of each batch was half the time of a batch of few lines. */
static void introduce(const struct target *target, const struct router_line *line, struct family_context *context,
                      struct sample_output *output)
{
    if (output->knows != NULL && output->knows(output, target->dyno))
        return;
    struct router *router = router_of(context);
    if (!router->has_errors)
        start_app_errors(context, output);
    router->has_errors = true;
    if (target->process.type.length > 0)
        start_dyno_errors(target->dyno, context, output);
    if (output->route != NULL)
        output->route(output, host_of(line));
}

/* The series of the line's dyno, or of its type; that may be empty or none. */
static struct dyno_series *dyno_series_of(const struct router_line *line, struct family_context *context,
                                          struct sample_output *output)
{
    struct slice dyno = line->dyno;
    unsigned slot = dyno.length < 2 ? 0
                                    : (unsigned char)dyno.at[dyno.length - 1] * 7u +
                                          (unsigned char)dyno.at[dyno.length - 2] + (unsigned)dyno.length;
    struct dyno_series *series = &router_of(context)->dynos[slot % DYNO_SLOTS];
    if (!series->known || !slice_equals(series->dyno, dyno)) {
        struct target target = target_of(dyno);
        introduce(&target, line, context, output);
        start_dyno(series, &target, context, output);
    }
    return series;
}

/* How long a WebSocket was open.  Hours of that would be no time of a response. */
static void measure_websocket(const struct router_line *line, struct dyno_series *series,
                              struct family_context *context, struct sample_output *output)
{
    if (series->websocket == NULL) {
        struct target target = target_of(line->dyno);
        series->websocket = find_by_dyno(&websocket_duration, &target, context, output);
    }
    if (series->websocket != NULL)
        output->observe(output, series->websocket, &websocket_duration, (double)line->service / 1000);
}

static void measure(const struct router_line *line, unsigned status, struct family_context *context,
                    struct sample_output *output)
{
    enum { SWITCHING_PROTOCOLS = 101 };
    struct dyno_series *series = dyno_series_of(line, context, output);
    if (status == SWITCHING_PROTOCOLS && line->service != NONE)
        measure_websocket(line, series, context, output);
    else if (series->service != NULL && line->service != NONE)
        output->observe(output, series->service, &service_duration, (double)line->service / 1000);
    if (series->connect != NULL && line->connect != NONE)
        output->observe(output, series->connect, &connect_duration, (double)line->connect / 1000);
    if (series->bytes != NULL && line->bytes != NONE)
        output->add(output, series->bytes, 0, (double)line->bytes);
}

/* ---- lines ---- */

/* Is it the line about a request that brought a batch of this drain: POST /drain on the host that the batch came to? */
static bool is_own(const struct router_line *line, const struct family_context *context)
{
    struct slice client = line->client;
    struct slice path = SLICE(" path=\"/drain");
    if (context->host.length == 0 || !slice_equals(line->method, SLICE("POST")) || !slice_starts_with(client, path) ||
        client.length == path.length || (client.at[path.length] != '"' && client.at[path.length] != '?'))
        return false;
    return slice_equals(host_of(line), context->host);
}

static enum verdict read_line(const struct line *line, struct family_context *context, struct sample_output *output)
{
    struct router_line fields;
    read_fields(line->message, &fields);
    if (!fields.read)
        return verdict_malformed(MALFORMED_PAIRS);
    struct router *router = router_of(context);
    if (router->generation != output->generation) {
        memset(router, 0, sizeof *router);
        router->generation = output->generation;
    }
    if (is_own(&fields, context)) {
        context->self_drain++;
        if (context->leave_out_self_drain)
            return VERDICT_NOT_A_METRIC;
    }
    unsigned status = number_of_status(fields.status);
    count_request(&fields, status, context, output);
    count_protocol(&fields, context, output);
    measure(&fields, status, context, output);
    if (fields.code.length > 0) {
        struct process process;
        count_code(&fields, process_read(fields.dyno, &process) ? fields.dyno : SLICE(""), context, output);
        count_level(&fields, context, output);
    }
    return VERDICT_RECOGNISED;
}

/* A line that it has no use for was left out on request: the users' rules do not see it either. */
const struct family router_family = {.prefixes = {"heroku_router"},
                                     .create_state = create_state,
                                     .free_state = free,
                                     .hears = hears,
                                     .read = read_line,
                                     .start_app = start_app,
                                     .start_process = start_process};
