/* What strangers and proxies say about addresses: the first byte chooses how it is read. */
#include "fuzz.h"
#include "server/forwarded.h"
#include "server/proxy_header.h"

/* Whatever is read can be spelled, and means the same then. */
static void check_address(const struct address *address)
{
    char text[ADDRESS_TEXT_MAX];
    struct address again;
    address_spell(address, text);
    REQUIRE(address_read((struct slice){text, strlen(text)}, &again) && address_equals(address, &again));
}

static void read_ranges(struct slice text)
{
    static struct address_ranges ranges;
    char error[ERROR_MAX];
    if (!address_ranges_read(text, &ranges, error))
        return;
    REQUIRE(ranges.count > 0 && ranges.count <= ADDRESS_RANGES_MAX);
    for (size_t i = 0; i < ranges.count; i++)
        REQUIRE(address_ranges_hold(&ranges, &ranges.ranges[i].network));
}

static void read_forwarded(struct slice text)
{
    static const struct address_ranges trusted = {.count = 1, .ranges = {{{{10}}, 8}}};
    struct address peer = {{10}};
    struct forwarded forwarded = {.count = 0};
    while (text.length > 0)
        forwarded_add(&forwarded, slice_cut_line(&text));
    struct address client = forwarded_client(&forwarded, &peer, &trusted);
    check_address(&client);
}

static void read_header(struct slice text)
{
    struct proxy_header header, cut;
    enum proxy_header_result result = proxy_header_read(text, &header);
    if (result != PROXY_HEADER_READ)
        return;
    REQUIRE(header.length > 0 && header.length <= text.length && header.length <= PROXY_HEADER_MAX);
    if (header.has_client)
        check_address(&header.client);
    text.length = header.length - 1;
    REQUIRE(proxy_header_read(text, &cut) == PROXY_HEADER_INCOMPLETE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct address address;
    if (size == 0)
        return 0;
    struct slice text = {(const char *)data + 1, size - 1};
    switch (data[0]) {
    case 'a':
        if (address_read_with_port(text, &address))
            check_address(&address);
        break;
    case 'r':
        read_ranges(text);
        break;
    case 'f':
        read_forwarded(text);
        break;
    case 'p':
        read_header(text);
        break;
    }
    return 0;
}
