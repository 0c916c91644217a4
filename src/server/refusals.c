#include "server/refusals.h"

#include <pthread.h>
#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/log.h"
#include "config/secret.h"

enum {
    BUCKETS = 256,
    SLOTS_MAX = 2048,
    CLIENTS_MAX = 4,           /* addresses that a line names */
    LINE_INTERVAL = 60 * 1000, /* milliseconds from a line to the next one of the same slot */
    LINES_PER_SECOND = 10,     /* fewer than the log takes */
};

static const char *const reason_labels[] = {"allow_drain", "allow_metrics",  "certificate",
                                            "connections", "login_failures", "proxy_header"};

const struct metric refusals_logins = SELF_COUNTER(
    "login_failures_total", "Requests with a wrong user or password, by role and user; __other__: users that are not "
                            "configured, __none__: no credentials, __token__: bearer tokens.");
const struct metric refusals_clients = SELF_COUNTERS(
    "clients_refused_total", "Requests and connections refused because of where they come from, by reason.", "reason",
    reason_labels);

/* What is said of a refusal, behind the count. */
static const struct text {
    const char *role; /* NULL: it is no log-in */
    const char *what;
} texts[REFUSALS] = {
    [REFUSED_DRAIN_LOGIN] = {"drain", NULL},
    [REFUSED_METRICS_LOGIN] = {"metrics", NULL},
    [REFUSED_ALLOW_DRAIN] = {NULL, "requests to /drain, because ALLOW_DRAIN lacks the address"},
    [REFUSED_ALLOW_METRICS] = {NULL, "requests to /metrics, because ALLOW_METRICS lacks the address"},
    [REFUSED_CERTIFICATE] = {NULL, "requests without a certificate of TLS_CLIENT_CA_FILE"},
    [REFUSED_CONNECTIONS] = {NULL, "connections of addresses with MAX_ADDRESS_CONNECTIONS"},
    [REFUSED_LOCKED] = {NULL,
                        "requests of addresses with MAX_ADDRESS_LOGIN_FAILURES, whose passwords were not looked at"},
    [REFUSED_PROXY_HEADER] = {NULL, "connections of TRUSTED_PROXIES without a valid PROXY header"},
};

/* The refusals for one reason; for log-ins, of one user. */
struct slot {
    struct slot *next;
    enum refusal refusal;
    bool is_recorded;  /* there is a series */
    uint64_t recorded; /* of count, what is in the store */
    uint64_t count;
    uint64_t said; /* of count, what the log has told */
    uint64_t said_at;
    unsigned clients; /* since then; those beyond CLIENTS_MAX are not kept */
    struct address addresses[CLIENTS_MAX];
    size_t user_length;
    char user[USER_MAX];
};

struct refusals {
    pthread_mutex_t lock; /* guards the rest */
    struct slot *buckets[BUCKETS];
    size_t slots;
    uint64_t first_due; /* nothing has to be said before */
    uint64_t second;    /* when it began, and the lines in it */
    unsigned lines;
    bool is_changed; /* since it was last recorded */
};

void refusals_free(struct refusals *refusals)
{
    if (refusals == NULL)
        return;
    for (unsigned i = 0; i < BUCKETS; i++)
        for (struct slot *slot = refusals->buckets[i], *next; slot != NULL; slot = next) {
            next = slot->next;
            free(slot);
        }
    pthread_mutex_destroy(&refusals->lock);
    free(refusals);
}

/* ---- noting, with the lock held ---- */

static bool is_about(const struct slot *slot, enum refusal refusal, struct slice user)
{
    return slot->refusal == refusal && slice_equals((struct slice){slot->user, slot->user_length}, user);
}

/* The slot for this, a new one if need be; NULL if there are too many or memory is short. */
static struct slot *find_slot(struct refusals *refusals, enum refusal refusal, struct slice user)
{
    struct slot **at = &refusals->buckets[XXH3_64bits_withSeed(user.at, user.length, refusal) % BUCKETS];
    while (*at != NULL && !is_about(*at, refusal, user))
        at = &(*at)->next;
    if (*at != NULL || refusals->slots == SLOTS_MAX)
        return *at;
    struct slot *slot = calloc(1, sizeof *slot);
    if (slot == NULL)
        return NULL;
    slot->refusal = refusal;
    slot->user_length = user.length;
    memcpy(slot->user, user.at, user.length);
    refusals->slots++;
    return *at = slot;
}

struct refusals *refusals_create(void)
{
    struct refusals *refusals = calloc(1, sizeof *refusals);
    if (refusals == NULL)
        return NULL;
    pthread_mutex_init(&refusals->lock, NULL);
    refusals->is_changed = true;
    /* Those that there always are: they are shown as 0, and have a place when there is none for others. */
    for (enum refusal refusal = 0; refusal < REFUSALS; refusal++)
        if (find_slot(refusals, refusal, slice_of(texts[refusal].role != NULL ? USER_UNKNOWN : "")) == NULL) {
            refusals_free(refusals);
            return NULL;
        }
    return refusals;
}

static void add_client(struct slot *slot, const struct address *client)
{
    unsigned kept = slot->clients < CLIENTS_MAX ? slot->clients : CLIENTS_MAX;
    for (unsigned i = 0; i < kept; i++)
        if (address_equals(&slot->addresses[i], client))
            return;
    if (kept < CLIENTS_MAX)
        slot->addresses[kept] = *client;
    slot->clients = kept + 1;
}

void refusals_note(struct refusals *refusals, enum refusal refusal, struct slice user, const struct address *client)
{
    if (texts[refusal].role == NULL)
        user = SLICE("");
    pthread_mutex_lock(&refusals->lock);
    struct slot *slot = user.length <= USER_MAX ? find_slot(refusals, refusal, user) : NULL;
    if (slot == NULL && texts[refusal].role != NULL)
        slot = find_slot(refusals, refusal, SLICE(USER_UNKNOWN));
    if (slot != NULL) {
        slot->count++;
        add_client(slot, client);
        refusals->is_changed = true;
    }
    pthread_mutex_unlock(&refusals->lock);
}

/* ---- reporting, with the lock held ---- */

static void record(struct slot *slot, const struct self_terms *terms)
{
    double more = (double)(slot->count - slot->recorded);
    slot->is_recorded = true;
    slot->recorded = slot->count;
    const char *role = texts[slot->refusal].role;
    if (role == NULL) {
        self_count(terms, &refusals_clients, NULL, 0, slot->refusal - REFUSED_ALLOW_DRAIN, more);
        return;
    }
    struct label labels[] = {{SLICE("role"), slice_of(role)}, {SLICE("user"), {slot->user, slot->user_length}}};
    self_count(terms, &refusals_logins, labels, COUNT(labels), 0, more);
}

/* "192.0.2.1, 192.0.2.9 and others" */
static void spell_clients(const struct slot *slot, char *out, size_t capacity)
{
    size_t length = 0;
    for (unsigned i = 0; i < slot->clients && i < CLIENTS_MAX; i++) {
        char address[ADDRESS_TEXT_MAX];
        address_spell(&slot->addresses[i], address);
        length += (size_t)snprintf(out + length, capacity - length, "%s%s", i > 0 ? ", " : "", address);
    }
    snprintf(out + length, capacity - length, "%s", slot->clients > CLIENTS_MAX ? " and others" : "");
}

/* May a further line be written? */
static bool may_say(struct refusals *refusals, uint64_t now)
{
    if (now - refusals->second >= 1000) {
        refusals->second = now;
        refusals->lines = 0;
    }
    return refusals->lines++ < LINES_PER_SECOND;
}

static void say(struct slot *slot, uint64_t now)
{
    char clients[CLIENTS_MAX * (ADDRESS_TEXT_MAX + 2) + sizeof " and others"];
    unsigned long long count = slot->count - slot->said;
    spell_clients(slot, clients, sizeof clients);
    const char *role = texts[slot->refusal].role;
    if (role != NULL)
        log_write(LOG_WARN, "log-in failed: the user %.*s of /%s, %llu times since this was last said, from %s",
                  (int)slot->user_length, slot->user, role, count, clients);
    else
        log_write(LOG_WARN, "refused: %llu %s; from %s", count, texts[slot->refusal].what, clients);
    slot->said = slot->count;
    slot->said_at = now;
    slot->clients = 0;
}

/* When the next line of a slot may be written; UINT64_MAX if there is nothing to say. */
static uint64_t due_of(const struct slot *slot)
{
    if (slot->count == slot->said)
        return UINT64_MAX;
    return slot->said == 0 ? 0 : slot->said_at + LINE_INTERVAL;
}

void refusals_report(struct refusals *refusals, const struct self_terms *terms)
{
    pthread_mutex_lock(&refusals->lock);
    bool is_idle = !refusals->is_changed && refusals->first_due > terms->now;
    uint64_t first = UINT64_MAX;
    for (unsigned i = 0; i < BUCKETS && !is_idle; i++)
        for (struct slot *slot = refusals->buckets[i]; slot != NULL; slot = slot->next) {
            if (!slot->is_recorded || slot->recorded != slot->count)
                record(slot, terms);
            if (due_of(slot) <= terms->now && may_say(refusals, terms->now))
                say(slot, terms->now);
            first = due_of(slot) < first ? due_of(slot) : first;
        }
    if (!is_idle)
        refusals->first_due = first;
    refusals->is_changed = false;
    pthread_mutex_unlock(&refusals->lock);
}
