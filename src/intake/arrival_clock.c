#include "intake/arrival_clock.h"

int64_t arrival_clock_read(struct arrival_clock *clock, int64_t wall, uint64_t now)
{
    pthread_mutex_lock(&clock->lock);
    /* Of two threads, the one that has looked at the monotonic clock first may get here last. */
    uint64_t passed = now > clock->now ? now - clock->now : 0;
    int64_t slow = clock->time + (int64_t)(passed * 1000 / 2);
    clock->time = wall > slow ? wall : slow;
    clock->now += passed;
    int64_t time = clock->time;
    pthread_mutex_unlock(&clock->lock);
    return time;
}

int64_t arrival_clock_last(struct arrival_clock *clock)
{
    pthread_mutex_lock(&clock->lock);
    int64_t time = clock->time;
    pthread_mutex_unlock(&clock->lock);
    return time;
}

void arrival_clock_go_on(struct arrival_clock *clock, int64_t last, uint64_t now)
{
    pthread_mutex_lock(&clock->lock);
    clock->time = last;
    clock->now = now;
    pthread_mutex_unlock(&clock->lock);
}
