#include "intake/origin.h"

#include <math.h>

#include "base/number.h"
#include "intake/cf_apps.h"

/* ---- senders ---- */

static bool is_log_shuttle(const struct origin_headers *headers)
{
    return slice_starts_with(headers->user_agent, SLICE("log-shuttle/"));
}

static bool is_logplex(const struct origin_headers *headers)
{
    return headers->drain_token.length > 0 || headers->frame_id.length > 0;
}

/* The platform's own messages in a Private Space. */
static bool is_private_space(const struct origin_headers *headers)
{
    return slice_starts_with(headers->user_agent, SLICE("excon/"));
}

static bool is_in_brackets(struct slice procid)
{
    return procid.length >= 2 && procid.at[0] == '[' && procid.at[procid.length - 1] == ']';
}

/* Is the first message of a body one of Cloud Foundry's? */
static bool begins_as_cloud_foundry(const struct origin_headers *headers)
{
    struct slice text = headers->body;
    struct line line;
    struct slice parts[3];
    size_t digits = 0;
    while (digits < text.length && slice_is_digit(text.at[digits]))
        digits++;
    if (digits > 0 && digits < text.length && text.at[digits] == ' ')
        text = slice_after(text, digits + 1);
    if (!syslog_parse(text, SYSLOG_LOGPLEX, &line) || !is_in_brackets(line.procid))
        return false;
    return cf_app_split_hostname(line.hostname, parts) || slice_starts_with(headers->user_agent, SLICE("fasthttp"));
}

static bool is_cloud_foundry(const struct origin_headers *headers)
{
    if (headers->platform != PLATFORM_BY_REQUEST)
        return headers->platform == PLATFORM_CLOUD_FOUNDRY;
    if (is_log_shuttle(headers) || is_logplex(headers) ||
        slice_starts_with(headers->content_type, SLICE("application/logplex-1")))
        return false;
    return begins_as_cloud_foundry(headers);
}

static bool is_any(const struct origin_headers *headers)
{
    (void)headers;
    return true;
}

/* Logplex names drain and frame; the same frame comes again under the same id. */
static void name_by_frame(const struct origin_headers *headers, struct origin *origin)
{
    if (headers->drain_token.length == 0)
        return;
    origin->drain = headers->drain_token;
    origin->id = headers->frame_id;
}

/* log-shuttle sets a request id, which stays the same when it tries again. */
static void name_by_request(const struct origin_headers *headers, struct origin *origin)
{
    origin->id = headers->request_id;
}

/* A request id is that of a router between, which gives each try its own. */
static void name_by_nothing(const struct origin_headers *headers, struct origin *origin)
{
    (void)headers;
    origin->cloud_foundry = true;
}

/* The first one that a request is of. */
static const struct sender {
    const char *name;
    bool (*is_sender)(const struct origin_headers *headers);
    enum syslog_shape shape;
    void (*name_batch)(const struct origin_headers *headers, struct origin *origin);
    bool repeats_body;
} senders[] = {
    {"cloudfoundry", is_cloud_foundry, SYSLOG_RFC5424, name_by_nothing, true},
    {"log-shuttle", is_log_shuttle, SYSLOG_RFC5424, name_by_request, true},
    {"logplex", is_logplex, SYSLOG_LOGPLEX, name_by_frame, false},
    {"private-space", is_private_space, SYSLOG_RFC5424, name_by_request, true},
    {"other", is_any, SYSLOG_RFC5424, name_by_request, false},
};

static const struct sender *find_sender(const struct origin_headers *headers)
{
    const struct sender *sender = senders;
    while (!sender->is_sender(headers))
        sender++;
    return sender;
}

/* ---- what the headers say ---- */

/* The number that a header spells, or NAN. */
static double read_number(struct slice text)
{
    uint64_t number; /* of at most 15 digits, which a double holds exactly */
    return number_read_decimal(text, 999999999999999, &number) ? (double)number : NAN;
}

static double read_loss(struct slice text)
{
    double number = read_number(text);
    return isnan(number) ? 0 : number;
}

struct origin origin_of(const struct origin_headers *headers)
{
    const struct sender *sender = find_sender(headers);
    struct origin origin = {
        .sender = sender->name,
        .shape = sender->shape,
        .repeats_body = sender->repeats_body,
        .drain_token = headers->drain_token,
        .announces_messages = headers->message_count.length > 0,
        .messages = read_number(headers->message_count),
        .lost = {[LOGPLEX_L12] = read_loss(headers->drop_count), [LOGPLEX_L13] = read_loss(headers->lost_count)},
    };
    sender->name_batch(headers, &origin);
    return origin;
}
