/* What one address may have: so many connections before a right password, and so many failed log-ins a minute.  A table
 * of bounded size.  Any thread.
 *
 * Example: 203.0.113.7 tries 60 passwords, and then one a second is looked at.
 *
 * WHO     An address of IPv4, or a /64 of IPv6, which one subscriber has.
 * NEVER   An address from which a right password has come in the last day is not bounded: behind it are also those who
 *         must get in.  Nor is this machine itself.
 * BOUNDS  4096 addresses.  If there is no place for a further one, the one that was not heard of for longest goes, but
 *         none that has connections or has sent a right password; if that leaves none, the further one is not bounded.
 */
#ifndef ADDRESS_BOUNDS_H
#define ADDRESS_BOUNDS_H

#include <stdint.h>

#include "base/address.h"

struct address_bounds;

/* connections: that are open; failures: a minute.  0: no bound.  NULL if memory or randomness is short. */
struct address_bounds *address_bounds_create(uint64_t connections, uint64_t failures);
void address_bounds_free(struct address_bounds *bounds);

/* A connection comes; now: milliseconds of the monotonic clock.  False if the address has too many. */
bool address_bounds_enter(struct address_bounds *bounds, const struct address *address, uint64_t now);

/* A connection that came in has gone, or has sent a right password. */
void address_bounds_leave(struct address_bounds *bounds, const struct address *address);

void address_bounds_succeed(struct address_bounds *bounds, const struct address *address, uint64_t now);
void address_bounds_fail(struct address_bounds *bounds, const struct address *address, uint64_t now);

/* Has the address failed so often that its passwords are not looked at now? */
bool address_bounds_is_locked(struct address_bounds *bounds, const struct address *address, uint64_t now);

#endif
