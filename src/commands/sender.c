#include "commands/sender.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "base/digest.h"
#include "base/gzip.h"
#include "intake/cf_frame.h"
#include "intake/frame.h"
#include "intake/syslog.h"

#define X(id, name, meaning) name,
const char *const bad_habit_names[BAD_HABIT_COUNT] = {BAD_HABITS(X)};
#undef X
#define X(id, name, meaning) meaning,
const char *const bad_habit_meanings[BAD_HABIT_COUNT] = {BAD_HABITS(X)};
#undef X

static void append_text(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void append_text(struct buffer *buffer, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    buffer_append(buffer, (struct slice){text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1});
}

/* ---- messages ---- */

static int spell_now(char out[64])
{
    struct timespec now;
    struct tm utc;
    char seconds[32];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &utc);
    return snprintf(out, 64, "%s.%06ld+00:00", seconds, now.tv_nsec / 1000);
}

/* Append a message, rewritten as the sender wants it. */
static void append_message(const struct sender *sender, struct slice message, struct buffer *out)
{
    struct line line;
    bool has_header = syslog_parse(message, SYSLOG_LOGPLEX, &line);
    if (has_header && sender->now) {
        char now[64];
        buffer_append(out, (struct slice){message.at, (size_t)(line.timestamp.at - message.at)});
        buffer_append(out, (struct slice){now, (size_t)spell_now(now)});
        message = slice_after(message, (size_t)(line.timestamp.at - message.at) + line.timestamp.length);
    }
    if (has_header && sender_has(sender, HABIT_RFC5424)) {
        size_t header = (size_t)(line.message.at - message.at);
        buffer_append(out, (struct slice){message.at, header});
        buffer_append(out, message.at[header - 1] == ' ' ? SLICE("- ") : SLICE(" - "));
        message = slice_after(message, header);
    }
    buffer_append(out, message);
}

static void append_frame(const struct sender *sender, struct slice message, struct buffer *body)
{
    struct slice newline = sender_has(sender, HABIT_CRLF) ? SLICE("\r\n") : SLICE("\n");
    size_t count = message.length;
    if (!sender_has(sender, HABIT_NEWLINE_OUTSIDE))
        count += newline.length;
    if (sender_has(sender, HABIT_WRONG_COUNT))
        count -= count < 2 ? count : 2;
    if (sender_has(sender, HABIT_BLANKS))
        buffer_append(body, SLICE(" \t\r\n "));
    if (!sender_has(sender, HABIT_NO_COUNT))
        append_text(body, "%zu ", count);
    buffer_append(body, message);
    buffer_append(body, newline);
}

static void append_l10(struct buffer *body)
{
    char now[64], message[256];
    spell_now(now);
    int length = snprintf(message, sizeof message,
                          "<172>1 %s host heroku logplex - Error L10 (output buffer overflow): 1 messages dropped "
                          "since %s.",
                          now, now);
    append_text(body, "%d ", length);
    buffer_append(body, (struct slice){message, (size_t)length});
}

static void append_messages(const struct sender *sender, struct slice messages, struct sender_batch *batch)
{
    struct buffer rewritten = {0};
    struct slice message;
    if (sender_has(sender, HABIT_L10))
        append_l10(&batch->body);
    while (frame_next(&messages, &message) != FRAME_END) {
        rewritten.length = 0;
        append_message(sender, message, &rewritten);
        append_frame(sender, (struct slice){rewritten.at, rewritten.length}, &batch->body);
        batch->messages++;
    }
    batch->body.failed = batch->body.failed || rewritten.failed;
    buffer_free(&rewritten);
}

/* ---- the body as a whole ---- */

static bool compress_body(struct buffer *body)
{
    struct buffer compressed = {0};
    if (!gzip_compress((struct slice){body->at, body->length}, &compressed)) {
        buffer_free(&compressed);
        return false;
    }
    buffer_free(body);
    *body = compressed;
    return true;
}

/* ---- headers ---- */

/* A batch's id, the same whenever it is sent: 32 hexadecimal digits, or a UUID. */
static void append_id(struct buffer *headers, const char *name, bool uuid)
{
    unsigned char bytes[16] = {0};
    if (!digest_random(bytes, sizeof bytes))
        headers->failed = true; /* a second batch of one id would be left out */
    append_text(headers, "%s: ", name);
    for (int i = 0; i < 16; i++)
        append_text(headers, uuid ? "%s%02x" : "%s%02X", uuid && (i == 4 || i == 6 || i == 8 || i == 10) ? "-" : "",
                    bytes[i]);
    append_text(headers, "\r\n");
}

/* The agents of Cloud Foundry say nothing of a batch but its type. */
static void append_cf_headers(const struct sender *sender, struct sender_batch *batch)
{
    append_text(&batch->headers, "Content-Type: text/plain\r\nUser-Agent: fasthttp\r\n");
    if (sender_has(sender, HABIT_GZIP))
        append_text(&batch->headers, "Content-Encoding: gzip\r\n");
}

static void append_headers(const struct sender *sender, struct sender_batch *batch)
{
    struct buffer *headers = &batch->headers;
    bool shuttle = sender_has(sender, HABIT_RFC5424), excon = sender_has(sender, HABIT_EXCON);
    size_t messages = batch->messages + sender_has(sender, HABIT_L10) + sender_has(sender, HABIT_COUNT_OFF);
    append_text(headers, "Content-Type: application/logplex-1\r\nLogplex-Msg-Count: %zu\r\n", messages);
    if (shuttle || excon)
        append_id(headers, "X-Request-Id", true);
    else {
        append_id(headers, "Logplex-Frame-Id", false);
        append_text(headers, "Logplex-Drain-Token: %s\r\n", sender->token);
    }
    append_text(headers, "User-Agent: %s\r\n",
                shuttle ? "log-shuttle/0.18.0 (go1.22; linux; amd64; gc)"
                : excon ? "excon/0.76.0"
                        : "Logplex/v93");
    if (sender_has(sender, HABIT_GZIP))
        append_text(headers, "Content-Encoding: gzip\r\n");
    if (sender_has(sender, HABIT_DROP_HEADERS))
        append_text(headers, "Logplex-Drop-Count: 1\r\nLogplex-Lost-Count: 1\r\n");
}

bool sender_write(const struct sender *sender, struct slice body, struct sender_batch *batch)
{
    batch->headers.length = batch->body.length = batch->messages = 0;
    append_messages(sender, body, batch);
    if (cf_frame_is_first(body) && !sender_has(sender, HABIT_RFC5424) && !sender_has(sender, HABIT_EXCON))
        append_cf_headers(sender, batch);
    else
        append_headers(sender, batch);
    if (batch->headers.failed || batch->body.failed)
        return false;
    return !sender_has(sender, HABIT_GZIP) || compress_body(&batch->body);
}
