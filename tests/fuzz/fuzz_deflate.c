#include "base/gzip.h"
#include "fuzz.h"

/* What is compressed comes back: in pieces of a size that the first byte chooses, with the text as often as the second
 * says, a bit different each time, so that it fills blocks. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    size_t piece = (size_t)1 << data[0] % 20;
    struct buffer text = {0}, out = {0}, back = {0};
    for (unsigned i = 0; i <= data[1]; i++) {
        buffer_append(&text, (struct slice){(const char *)data + 2, size - 2});
        text.at[text.length - 1 - (i * 31) % (size - 2)] ^= (char)i;
    }
    struct gzip_writer *writer = gzip_begin();
    for (size_t at = 0; at < text.length; at += piece)
        REQUIRE(gzip_add(writer, (struct slice){text.at + at, text.length - at < piece ? text.length - at : piece},
                         at + piece >= text.length, &out));
    gzip_end(writer);
    REQUIRE(decompress(SLICE("gzip"), (struct slice){out.at, out.length}, text.length, &back) == DECOMPRESS_DONE);
    REQUIRE(back.length == text.length && memcmp(back.at, text.at, text.length) == 0);
    buffer_free(&text);
    buffer_free(&out);
    buffer_free(&back);
    return 0;
}
