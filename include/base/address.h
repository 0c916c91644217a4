/* Addresses of IPv4 and IPv6, and lists of ranges of them.  Pure values: nothing is resolved, nothing is allocated.
 *
 * Example: "10.0.0.0/8, 2001:db8::/32, 192.0.2.7" is a list of three ranges; it holds 10.1.2.3 and ::ffff:10.1.2.3,
 * which are the same address. */
#ifndef ADDRESS_H
#define ADDRESS_H

#include <sys/socket.h>

#include "base/error.h"
#include "base/slice.h"

enum {
    ADDRESS_TEXT_MAX = 46,    /* bytes of an address as text, its NUL included */
    ADDRESS_RANGES_MAX = 128, /* ranges of a list */
};

/* IPv6, in network order; an address of IPv4 is one of ::ffff:0:0/96 (RFC 4291, 2.5.5.2).  Compare with
 * address_equals(). */
struct address {
    unsigned char bytes[16];
};

/* Read "192.0.2.1", "2001:db8::1" or "::ffff:192.0.2.1": no port, no brackets, no zone, no leading zeros in IPv4. False
 * if text is nothing of the kind. */
bool address_read(struct slice text, struct address *address);

/* Read what proxies write, too: "192.0.2.1:4711", "[2001:db8::1]", "[2001:db8::1]:4711". */
bool address_read_with_port(struct slice text, struct address *address);

/* That of the four bytes of IPv4, in network order. */
struct address address_of_ipv4(const unsigned char bytes[4]);

/* The address of a socket's end; false if it is of another kind. */
bool address_of_socket(const struct sockaddr_storage *socket, struct address *address);

/* Write it as people do: "192.0.2.1" or "2001:db8::1". */
void address_spell(const struct address *address, char out[ADDRESS_TEXT_MAX]);

static inline bool address_equals(const struct address *a, const struct address *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

bool address_is_ipv4(const struct address *address);

/* 127.0.0.1 or ::1: by which a machine speaks to itself, unless it is told otherwise. */
bool address_is_localhost(const struct address *address);

/* What one subscriber has: the address itself for IPv4, its /64 for IPv6. */
struct address address_subscriber(const struct address *address);

struct address_range {
    struct address network;
    unsigned bits; /* 0 to 128 that must be the same; 96 more than written for IPv4 */
};

struct address_ranges {
    size_t count;
    struct address_range ranges[ADDRESS_RANGES_MAX];
};

/* Read a list of ranges (CIDR, RFC 4632), separated by commas, with blanks around them if one likes; an address alone
 * is a range of one.  At least one.  False with the end of a sentence in error, such as 'has "10.0.0.1/8", which ...'.
 */
bool address_ranges_read(struct slice text, struct address_ranges *ranges, char error[ERROR_MAX]);

/* Does the list hold the address?  A range of IPv6, as ::/0, holds no address of IPv4. */
bool address_ranges_hold(const struct address_ranges *ranges, const struct address *address);

#endif
