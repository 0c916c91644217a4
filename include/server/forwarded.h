/* Whom proxies in front speak for: the header X-Forwarded-For.  Pure.
 *
 * Example: a balancer at 10.0.0.5 hands on "X-Forwarded-For: 198.51.100.1, 203.0.113.7".  203.0.113.7 it has seen
 * itself; what stands before that is what this client has sent, and may be a lie. */
#ifndef FORWARDED_H
#define FORWARDED_H

#include "base/address.h"

enum { FORWARDED_MAX = 8 /* headers of a request; of more, the last ones count */ };

/* The values of the headers X-Forwarded-For, in their order: one list (RFC 9110, 5.3). */
struct forwarded {
    struct slice values[FORWARDED_MAX];
    size_t count;
};

void forwarded_add(struct forwarded *forwarded, struct slice value);

/* The client of a request that came from peer: the right-most address that is not trusted.  If that address is trusted
 * which stands left-most, or beside something that is no address, then this one: it has sent the request itself, or
 * does not say for whom. */
struct address forwarded_client(const struct forwarded *forwarded, const struct address *peer,
                                const struct address_ranges *trusted);

#endif
