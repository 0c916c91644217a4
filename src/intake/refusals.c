#include "intake/refusals.h"

#include <stdatomic.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/log.h"

/* Fewer than log_write() takes of one kind: what that leaves out would never be said. */
enum { NAMED_IN_A_SECOND = 10 };
enum { MORE_INTERVAL = 60 * 1000 /* milliseconds */, SHOWN_MAX = 100 /* bytes of a name */ };

static const char *const meanings[] = {[REFUSED_NOT] = "",
#define X(id, label, meaning) [id] = meaning,
                                       REFUSALS(X)
#undef X
};

static bool may_say_now(struct refusals *refusals, uint64_t now)
{
    uint64_t second = (now / 1000 + 1) << 8;
    uint64_t before = atomic_load_explicit(&refusals->second, memory_order_relaxed), after;
    do {
        after = (before & ~UINT64_C(0xFF)) == second ? before + 1 : second + 1;
        if ((after & 0xFF) > NAMED_IN_A_SECOND)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&refusals->second, &before, after, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

/* Is this the first time that it is said?  *is_full: it is new, but there is no place left to note it. */
static bool is_news(struct refusals *refusals, uint64_t hash, uint64_t now, bool *is_full)
{
    *is_full = false;
    for (unsigned i = 0; i < REFUSALS_NAMED; i++) {
        uint64_t named = atomic_load_explicit(&refusals->named[i], memory_order_relaxed);
        if (named == 0 && !may_say_now(refusals, now))
            return false;
        if (named == 0 && atomic_compare_exchange_strong_explicit(&refusals->named[i], &named, hash,
                                                                  memory_order_relaxed, memory_order_relaxed))
            return true;
        if (named == hash)
            return false;
    }
    *is_full = true;
    return false;
}

static void say_more(struct refusals *refusals, uint64_t now)
{
    uint64_t said = atomic_load_explicit(&refusals->said_more, memory_order_relaxed);
    if ((said == 0 || now >= said + MORE_INTERVAL) &&
        atomic_compare_exchange_strong_explicit(&refusals->said_more, &said, now, memory_order_relaxed,
                                                memory_order_relaxed))
        log_write(LOG_WARN, "batches of still more apps are turned away: see drain_exporter_messages_refused_total");
}

/* A stranger to the log has chosen the name: nothing of it may look like anything else. */
static void show(struct slice app, char shown[SHOWN_MAX + 1])
{
    size_t length = app.length < SHOWN_MAX ? app.length : SHOWN_MAX;
    for (size_t i = 0; i < length; i++)
        shown[i] = app.at[i] > ' ' && app.at[i] < '\x7f' ? app.at[i] : '?';
    shown[length] = '\0';
}

void refusals_say(struct refusals *refusals, enum refusal reason, struct slice app, uint64_t now)
{
    uint64_t hash = XXH3_64bits_withSeed(app.at, app.length, (uint64_t)reason) | 1;
    bool is_full;
    if (is_news(refusals, hash, now, &is_full)) {
        char shown[SHOWN_MAX + 1];
        show(app, shown);
        log_write(LOG_WARN, "batches of the app \"%s\" are turned away: %s", shown, meanings[reason]);
    } else if (is_full)
        say_more(refusals, now);
}
