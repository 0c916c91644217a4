#include "server/proxy_header.h"

#include "base/number.h"

enum {
    TEXT_MAX = 107,     /* bytes of version 1, with its end of line */
    BINARY_LENGTH = 16, /* bytes of version 2 before its addresses */
};

#define TEXT_START SLICE("PROXY ")
#define BINARY_START SLICE("\r\n\r\n\0\r\nQUIT\n")

/* Is text the beginning of start, or longer and starts with it? */
static bool may_start_with(struct slice text, struct slice start)
{
    size_t shorter = text.length < start.length ? text.length : start.length;
    return shorter == 0 || memcmp(text.at, start.at, shorter) == 0;
}

static struct slice cut_word(struct slice *text)
{
    struct slice word = {text->at, slice_index(*text, ' ')};
    *text = slice_after(*text, word.length < text->length ? word.length + 1 : word.length);
    return word;
}

/* "TCP4 203.0.113.7 10.0.0.9 40001 443", which stands behind "PROXY " */
static bool read_words(struct slice line, struct proxy_header *header)
{
    struct slice protocol = cut_word(&line);
    header->has_client = !slice_equals(protocol, SLICE("UNKNOWN"));
    if (!header->has_client)
        return true; /* what follows is to be ignored */
    bool is_ipv6 = slice_equals(protocol, SLICE("TCP6"));
    if (!is_ipv6 && !slice_equals(protocol, SLICE("TCP4")))
        return false;
    struct slice source = cut_word(&line), destination = cut_word(&line), source_port = cut_word(&line);
    struct address to;
    uint64_t port;
    bool is_written_so = (slice_index(source, ':') < source.length) == is_ipv6;
    return is_written_so && address_read(source, &header->client) && address_read(destination, &to) &&
           number_read_decimal(source_port, 65535, &port) && number_read_decimal(line, 65535, &port);
}

static enum proxy_header_result read_text(struct slice text, struct proxy_header *header)
{
    size_t end = slice_index(text, '\n');
    if (end >= TEXT_MAX)
        return PROXY_HEADER_INVALID;
    if (end == text.length)
        return PROXY_HEADER_INCOMPLETE;
    if (text.at[end - 1] != '\r')
        return PROXY_HEADER_INVALID;
    header->length = end + 1;
    struct slice line = {text.at + TEXT_START.length, end - 1 - TEXT_START.length};
    return read_words(line, header) ? PROXY_HEADER_READ : PROXY_HEADER_INVALID;
}

/* The source address of version 2; false if there must be one and is none. */
static bool read_source(const unsigned char *bytes, size_t length, unsigned family, struct proxy_header *header)
{
    enum { IPV4 = 1, IPV6 = 2, IPV4_LENGTH = 12, IPV6_LENGTH = 36 /* two addresses, two ports */ };
    header->has_client = family == IPV4 || family == IPV6;
    if (family == IPV4 && length >= IPV4_LENGTH)
        header->client = address_of_ipv4(bytes);
    else if (family == IPV6 && length >= IPV6_LENGTH)
        memcpy(header->client.bytes, bytes, sizeof header->client.bytes);
    else
        return !header->has_client;
    return true;
}

static enum proxy_header_result read_binary(struct slice text, struct proxy_header *header)
{
    enum { LOCAL = 0x20, PROXY = 0x21 /* version 2, and the command */ };
    if (text.length < BINARY_LENGTH)
        return PROXY_HEADER_INCOMPLETE;
    const unsigned char *bytes = (const unsigned char *)text.at;
    size_t length = (size_t)bytes[14] << 8 | bytes[15];
    header->length = BINARY_LENGTH + length;
    if ((bytes[12] != LOCAL && bytes[12] != PROXY) || header->length > PROXY_HEADER_MAX)
        return PROXY_HEADER_INVALID;
    if (text.length < header->length)
        return PROXY_HEADER_INCOMPLETE;
    if (bytes[12] == LOCAL)
        return PROXY_HEADER_READ;
    return read_source(bytes + BINARY_LENGTH, length, bytes[13] >> 4, header) ? PROXY_HEADER_READ
                                                                              : PROXY_HEADER_INVALID;
}

enum proxy_header_result proxy_header_read(struct slice text, struct proxy_header *header)
{
    *header = (struct proxy_header){0};
    if (!may_start_with(text, TEXT_START) && !may_start_with(text, BINARY_START))
        return PROXY_HEADER_ABSENT;
    if (slice_starts_with(text, TEXT_START))
        return read_text(text, header);
    return slice_starts_with(text, BINARY_START) ? read_binary(text, header) : PROXY_HEADER_INCOMPLETE;
}
