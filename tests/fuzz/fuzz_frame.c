#include "fuzz.h"
#include "intake/cf_frame.h"
#include "intake/frame.h"

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
    read_all(data, size, cf_frame_next);
    read_all(data, size, cf_frame_whole);

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
