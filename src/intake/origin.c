#include "intake/origin.h"

#include <math.h>

#include "base/number.h"
#include "intake/cf_frame.h"

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

static bool is_cloud_foundry(const struct origin_headers *headers)
{
    return headers->platform == PLATFORM_CLOUD_FOUNDRY ||
           (headers->platform == PLATFORM_BY_REQUEST && cf_frame_is_first(headers->body));
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

/* Cloud Foundry's agents name nothing, and a request id would be a proxy's, another one at each try. */
static void name_by_content(const struct origin_headers *headers, struct origin *origin)
{
    (void)headers, (void)origin;
}

/* The first one that a request is of. */
static const struct sender {
    const char *name;
    bool (*is_sender)(const struct origin_headers *headers);
    enum syslog_shape shape;
    void (*name_batch)(const struct origin_headers *headers, struct origin *origin);
    bool repeats; /* the same body only if it tries again, since each message has its time */
} senders[] = {
    {"log-shuttle", is_log_shuttle, SYSLOG_RFC5424, name_by_request, true},
    {"logplex", is_logplex, SYSLOG_LOGPLEX, name_by_frame, false},
    {"private-space", is_private_space, SYSLOG_RFC5424, name_by_request, true},
    {"cloud-foundry", is_cloud_foundry, SYSLOG_RFC5424, name_by_content, true},
    {"other", is_any, SYSLOG_RFC5424, name_by_request, false},
};

static const struct sender *find_sender(const struct origin_headers *headers)
{
    const struct sender *sender = senders;
    bool is_pinned = headers->platform == PLATFORM_CLOUD_FOUNDRY;
    while (is_pinned ? sender->is_sender != is_cloud_foundry : !sender->is_sender(headers))
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
        .is_cloud_foundry = sender->is_sender == is_cloud_foundry,
        .drain_token = headers->drain_token,
        .announces_messages = headers->message_count.length > 0,
        .messages = read_number(headers->message_count),
        .lost = {[LOGPLEX_L12] = read_loss(headers->drop_count), [LOGPLEX_L13] = read_loss(headers->lost_count)},
    };
    sender->name_batch(headers, &origin);
    origin.is_named_by_content = origin.id.length == 0 && sender->repeats;
    return origin;
}
