#include "base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/number.h"

enum { IPV4_BITS = 96 /* in front of an address of IPv4 */ };

static const unsigned char ipv4_prefix[IPV4_BITS / 8] = {[10] = 0xff, [11] = 0xff};

bool address_is_ipv4(const struct address *address)
{
    return memcmp(address->bytes, ipv4_prefix, sizeof ipv4_prefix) == 0;
}

struct address address_of_ipv4(const unsigned char bytes[4])
{
    struct address address;
    memcpy(address.bytes, ipv4_prefix, sizeof ipv4_prefix);
    memcpy(address.bytes + sizeof ipv4_prefix, bytes, 4);
    return address;
}

bool address_read(struct slice text, struct address *address)
{
    char copy[ADDRESS_TEXT_MAX];
    unsigned char ipv4[4];
    if (text.length >= sizeof copy || slice_index(text, '\0') < text.length)
        return false;
    memcpy(copy, text.at, text.length);
    copy[text.length] = '\0';
    if (inet_pton(AF_INET, copy, ipv4) == 1)
        *address = address_of_ipv4(ipv4);
    else if (inet_pton(AF_INET6, copy, address->bytes) != 1)
        return false;
    return true;
}

static bool is_port(struct slice text)
{
    uint64_t port;
    return number_read_decimal(text, 65535, &port);
}

bool address_read_with_port(struct slice text, struct address *address)
{
    if (text.length > 0 && text.at[0] == '[') {
        size_t end = slice_index(text, ']');
        struct slice port = slice_after(text, end < text.length ? end + 1 : end);
        return end < text.length && (port.length == 0 || (port.at[0] == ':' && is_port(slice_after(port, 1)))) &&
               address_read((struct slice){text.at + 1, end - 1}, address);
    }
    if (address_read(text, address))
        return true;
    size_t colon = slice_index(text, ':');
    return colon < text.length && is_port(slice_after(text, colon + 1)) &&
           address_read((struct slice){text.at, colon}, address);
}

bool address_of_socket(const struct sockaddr_storage *socket, struct address *address)
{
    if (socket->ss_family == AF_INET)
        *address = address_of_ipv4((const unsigned char *)&((const struct sockaddr_in *)socket)->sin_addr);
    else if (socket->ss_family == AF_INET6)
        memcpy(address->bytes, &((const struct sockaddr_in6 *)socket)->sin6_addr, sizeof address->bytes);
    else
        return false;
    return true;
}

void address_spell(const struct address *address, char out[ADDRESS_TEXT_MAX])
{
    bool is_ipv4 = address_is_ipv4(address);
    out[0] = '\0';
    inet_ntop(is_ipv4 ? AF_INET : AF_INET6, address->bytes + (is_ipv4 ? sizeof ipv4_prefix : 0), out, ADDRESS_TEXT_MAX);
}

bool address_is_localhost(const struct address *address)
{
    static const struct address ipv6 = {.bytes = {[15] = 1}};
    static const struct address ipv4 = {.bytes = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}};
    return address_equals(address, &ipv6) || address_equals(address, &ipv4);
}

struct address address_subscriber(const struct address *address)
{
    struct address subscriber = *address;
    if (!address_is_ipv4(address))
        memset(subscriber.bytes + 8, 0, 8);
    return subscriber;
}

/* ---- ranges ---- */

/* Are the first so many bits of both the same? */
static bool same_bits(const struct address *a, const struct address *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    return memcmp(a->bytes, b->bytes, whole) == 0 &&
           (rest == 0 || ((a->bytes[whole] ^ b->bytes[whole]) & (0xff00 >> rest) & 0xff) == 0);
}

/* Is one of the bits behind the first so many set? */
static bool has_bits_behind(const struct address *address, unsigned bits)
{
    for (unsigned i = bits; i < 8 * sizeof address->bytes; i++)
        if ((address->bytes[i / 8] & (0x80 >> i % 8)) != 0)
            return true;
    return false;
}

/* What is wrong with "10.0.0.0/8", or NULL. */
static const char *read_range(struct slice text, struct address_range *range)
{
    size_t slash = slice_index(text, '/');
    uint64_t bits;
    if (!address_read((struct slice){text.at, slash}, &range->network))
        return "is no address";
    bool is_ipv4 = address_is_ipv4(&range->network) && slice_index(text, ':') >= slash;
    unsigned most = is_ipv4 ? 32 : 128;
    if (slash == text.length)
        bits = most;
    else if (!number_read_decimal(slice_after(text, slash + 1), most, &bits))
        return is_ipv4 ? "needs a number from 0 to 32 behind its /" : "needs a number from 0 to 128 behind its /";
    range->bits = (unsigned)bits + (is_ipv4 ? IPV4_BITS : 0);
    return has_bits_behind(&range->network, range->bits) ? "is not the first address of its range" : NULL;
}

bool address_ranges_read(struct slice text, struct address_ranges *ranges, char error[ERROR_MAX])
{
    ranges->count = 0;
    for (bool more = true; more;) {
        struct slice one = {text.at, slice_index(text, ',')};
        more = one.length < text.length;
        text = slice_after(text, one.length + more);
        one = slice_trim(one);
        if (ranges->count == ADDRESS_RANGES_MAX)
            return error_set(error, "has more than %d ranges", ADDRESS_RANGES_MAX);
        const char *wrong = read_range(one, &ranges->ranges[ranges->count]);
        if (wrong != NULL)
            return error_set(error, "has \"%.*s\", which %s", one.length < 64 ? (int)one.length : 64, one.at, wrong);
        ranges->count++;
    }
    return true;
}

bool address_ranges_hold(const struct address_ranges *ranges, const struct address *address)
{
    unsigned least = address_is_ipv4(address) ? IPV4_BITS : 0;
    for (size_t i = 0; i < ranges->count; i++)
        if (ranges->ranges[i].bits >= least && same_bits(&ranges->ranges[i].network, address, ranges->ranges[i].bits))
            return true;
    return false;
}
