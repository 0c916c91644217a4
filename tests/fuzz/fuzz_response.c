/* Heads of responses: what server/response_head.h lets through, libh2o's own parser reads as the same head, and has no
 * header that libh2o's client ends the process for. */
#include <strings.h>
#include <sys/types.h>

#include "fuzz.h"
#include "server/response_head.h"

/* Of picohttpparser, which is part of libh2o; its header is not installed. */
struct phr_header {
    const char *name;
    size_t name_length;
    const char *value;
    size_t value_length;
};
int phr_parse_response(const char *bytes, size_t length, int *minor_version, int *status, const char **message,
                       size_t *message_length, struct phr_header *headers, size_t *header_count, size_t last_length);

enum { HEADERS_MAX = 100 /* as libh2o has it */ };

static struct slice name_of(const struct phr_header *header)
{
    return (struct slice){header->name, header->name_length};
}

static bool is_named(const struct phr_header *header, struct slice name)
{
    return header->name_length == name.length && strncasecmp(header->name, name.at, name.length) == 0;
}

/* See http1client.c of libh2o. */
static void check_header(const struct phr_header *header)
{
    struct slice value = {header->value, header->value_length};
    REQUIRE(name_of(header).length > 0);
    if (is_named(header, SLICE("transfer-encoding")))
        REQUIRE(slice_equals(value, SLICE("chunked")) || slice_equals(value, SLICE("identity")));
    if (is_named(header, SLICE("content-length"))) {
        REQUIRE(value.length > 0 && value.length < 19);
        for (size_t i = 0; i < value.length; i++)
            REQUIRE(slice_is_digit(value.at[i]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = {(const char *)data, size};
    struct response_head head;
    const char *reason = NULL, *message;
    enum response_head_result result = response_head_read(text, &head, &reason);
    REQUIRE((result == RESPONSE_HEAD_INVALID) == (reason != NULL));
    if (result != RESPONSE_HEAD_READ)
        return 0;
    struct phr_header headers[HEADERS_MAX];
    size_t count = HEADERS_MAX, message_length;
    int minor_version, status;
    int length =
        phr_parse_response(text.at, size, &minor_version, &status, &message, &message_length, headers, &count, 0);
    REQUIRE(length != -2);
    if (length == -1) /* more headers than it has room for, or a name that it does not like: it says so and goes on */
        return 0;
    REQUIRE((size_t)length == head.length && status == head.status);
    for (size_t i = 0; i < count; i++)
        check_header(&headers[i]);
    return 0;
}
