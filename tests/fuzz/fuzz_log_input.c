/* A log in any form.  The messages are the same however the bytes come in, and a batch made of them holds just these.
 */
#include "fuzz.h"
#include "intake/frame.h"
#include "intake/log_input.h"

struct text {
    struct slice rest;
    size_t piece;
};

static ssize_t read_text(void *context, char *buffer, size_t capacity)
{
    struct text *text = context;
    size_t length = text->rest.length < capacity ? text->rest.length : capacity;
    if (length > text->piece)
        length = text->piece;
    if (length > 0)
        memcpy(buffer, text->rest.at, length);
    text->rest = slice_after(text->rest, length);
    return (ssize_t)length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t piece = size > 0 ? 1 + data[size - 1] % 16u : 1;
    struct text whole_text = {{(const char *)data, size}, size + 1}, cut_text = {{(const char *)data, size}, piece};
    struct log_input *whole = log_input_open(&(struct log_input_source){read_text, &whole_text});
    struct log_input *cut = log_input_open(&(struct log_input_source){read_text, &cut_text});
    struct buffer body = {0};
    struct slice expected, message;
    size_t count;
    while ((count = log_input_batch(whole, 64, &body)) > 0) {
        struct slice rest = {body.at, body.length};
        for (; count > 0; count--) {
            REQUIRE(log_input_next(cut, &expected));
            REQUIRE(frame_next(&rest, &message) == FRAME_MESSAGE);
            REQUIRE(slice_equals(message, expected));
            REQUIRE(message.length <= size + 64);
        }
        REQUIRE(frame_next(&rest, &message) == FRAME_END);
    }
    REQUIRE(!log_input_next(cut, &expected));
    REQUIRE(log_input_form(whole) == log_input_form(cut));
    REQUIRE(log_input_position(whole) == size && log_input_position(cut) == size);
    buffer_free(&body);
    log_input_close(whole);
    log_input_close(cut);
    return 0;
}
