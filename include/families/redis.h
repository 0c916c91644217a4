/* Metrics lines of Heroku Key-Value Store: app / heroku-redis.
 *
 *     source=REDIS addon=redis-rugged-24473 sample#active-connections=4 sample#memory-redis=5116080bytes ...
 *
 * heroku_redis_<key, - to _>{addon}, see addon_samples.h.  On the smallest plans the server is shared: all but
 * memory-redis, the connections, the hit rate and the evicted keys tell of the server then. */
#ifndef FAMILY_REDIS_H
#define FAMILY_REDIS_H

#include "families/family.h"

extern const struct family redis_family;

#endif
