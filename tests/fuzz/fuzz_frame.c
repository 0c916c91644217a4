#include "families/family.h"
#include "fuzz.h"
#include "intake/cf_frame.h"
#include "intake/frame.h"
#include "intake/syslog.h"

/* What was read of a message on the way to its end is what it says. */
static void check_line(struct slice message, const struct line *line)
{
    struct line parsed;
    if (line->structured_data.length == 0)
        return;
    REQUIRE(syslog_parse(message, SYSLOG_RFC5424, &parsed));
    const struct slice *a = (const struct slice *)line, *b = (const struct slice *)&parsed;
    for (size_t i = 0; i < sizeof parsed / sizeof *a; i++)
        REQUIRE(a[i].length == b[i].length && (a[i].length == 0 || a[i].at == b[i].at));
}

static enum frame_result next_of_cloud_foundry(struct slice *body, struct slice *message)
{
    struct line line;
    struct syslog_minute minute = {0};
    enum frame_result result = cf_frame_next(body, message, &line, &minute);
    if (result != FRAME_END && message->length <= FAMILY_MESSAGE_MAX)
        check_line(*message, &line);
    return result;
}

static enum frame_result whole_of_cloud_foundry(struct slice *body, struct slice *message)
{
    struct line line;
    struct syslog_minute minute = {0};
    return cf_frame_whole(body, message, &line, &minute);
}

/* Messages lie inside the body, in order, without overlap, and the reading ends. */
static void read_all(const uint8_t *data, size_t size, enum frame_result (*next)(struct slice *, struct slice *))
{
    struct slice body = {(const char *)data, size}, message;
    const char *end = (const char *)data;
    size_t left = size;
    while (next(&body, &message) != FRAME_END) {
        REQUIRE(body.length < left);
        REQUIRE(message.at >= end && message.at + message.length <= body.at);
        REQUIRE(body.at + body.length == (const char *)data + size);
        left = body.length;
        end = message.at + message.length;
    }
    REQUIRE(body.length == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice body, message;
    read_all(data, size, frame_next);
    read_all(data, size, next_of_cloud_foundry);
    read_all(data, size, whole_of_cloud_foundry);

    /* Right counts: what is framed comes back, whatever its bytes are, but for one newline at its end. */
    if (size > 0 && size < 100000) {
        char *framed = malloc(2 * size + 64);
        int prefix = 0;
        size_t number = size, digits = 1;
        for (; number >= 10; number /= 10)
            digits++;
        number = size;
        for (size_t i = digits; i > 0; i--, number /= 10)
            framed[prefix + (int)i - 1] = (char)('0' + number % 10);
        framed[digits] = ' ';
        memcpy(framed + digits + 1, data, size);
        memcpy(framed + digits + 1 + size, "5 <1>1", 6);
        body = (struct slice){framed, digits + 1 + size + 6};
        REQUIRE(frame_next(&body, &message) == FRAME_MESSAGE);
        REQUIRE(message.at == framed + digits + 1);
        REQUIRE(size - message.length <= 2);
        free(framed);
    }
    return 0;
}
