#include "server/rejections.h"

#include <pthread.h>
#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/clock.h"
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

const struct metric rejections_logins = SELF_COUNTER(
    "login_failures_total", "Requests with a wrong user or password, by role and user; __other__: users that are not "
                            "configured, __none__: no credentials, __token__: bearer tokens.");
const struct metric rejections_clients = SELF_COUNTERS(
    "clients_refused_total", "Requests and connections refused because of where they come from, by reason.", "reason",
    reason_labels);

/* What is said of a rejection, behind the count. */
static const struct text {
    const char *role; /* NULL: it is no log-in */
    const char *what;
} texts[REJECTIONS] = {
    [REJECTED_DRAIN_LOGIN] = {"drain", NULL},
    [REJECTED_METRICS_LOGIN] = {"metrics", NULL},
    [REJECTED_ALLOW_DRAIN] = {NULL, "requests to /drain, because ALLOW_DRAIN lacks the address"},
    [REJECTED_ALLOW_METRICS] = {NULL, "requests to /metrics, because ALLOW_METRICS lacks the address"},
    [REJECTED_CERTIFICATE] = {NULL, "requests without a certificate of TLS_CLIENT_CA_FILE"},
    [REJECTED_CONNECTIONS] = {NULL, "connections of addresses with MAX_ADDRESS_CONNECTIONS"},
    [REJECTED_LOCKED] = {NULL,
                         "requests of addresses with MAX_ADDRESS_LOGIN_FAILURES, whose passwords were not looked at"},
    [REJECTED_PROXY_HEADER] = {NULL, "connections of TRUSTED_PROXIES without a valid PROXY header"},
};

/* The rejections for one reason; for log-ins, of one user. */
struct slot {
    struct slot *next;
    enum rejection rejection;
    bool is_recorded;  /* there is a series */
    uint64_t recorded; /* of count, what is in the store */
    uint64_t count;
    int64_t last;  /* seconds since 1970 */
    uint64_t said; /* of count, what the log has told */
    uint64_t said_at;
    unsigned clients; /* since then; those beyond CLIENTS_MAX are not kept */
    struct address addresses[CLIENTS_MAX];
    size_t user_length;
    char user[USER_MAX];
};

struct rejections {
    pthread_mutex_t lock; /* guards the rest */
    struct slot *buckets[BUCKETS];
    size_t slots;
    uint64_t first_due; /* nothing has to be said before */
    uint64_t second;    /* when it began, and the lines in it */
    unsigned lines;
    bool is_changed; /* since it was last recorded */
};

void rejections_free(struct rejections *rejections)
{
    if (rejections == NULL)
        return;
    for (unsigned i = 0; i < BUCKETS; i++)
        for (struct slot *slot = rejections->buckets[i], *next; slot != NULL; slot = next) {
            next = slot->next;
            free(slot);
        }
    pthread_mutex_destroy(&rejections->lock);
    free(rejections);
}

/* ---- noting, with the lock held ---- */

static bool is_about(const struct slot *slot, enum rejection rejection, struct slice user)
{
    return slot->rejection == rejection && slice_equals((struct slice){slot->user, slot->user_length}, user);
}

/* The slot for this, a new one if need be; NULL if there are too many or memory is short. */
static struct slot *find_slot(struct rejections *rejections, enum rejection rejection, struct slice user)
{
    struct slot **at = &rejections->buckets[XXH3_64bits_withSeed(user.at, user.length, rejection) % BUCKETS];
    while (*at != NULL && !is_about(*at, rejection, user))
        at = &(*at)->next;
    if (*at != NULL || rejections->slots == SLOTS_MAX)
        return *at;
    struct slot *slot = calloc(1, sizeof *slot);
    if (slot == NULL)
        return NULL;
    slot->rejection = rejection;
    slot->user_length = user.length;
    memcpy(slot->user, user.at, user.length);
    rejections->slots++;
    return *at = slot;
}

struct rejections *rejections_create(void)
{
    struct rejections *rejections = calloc(1, sizeof *rejections);
    if (rejections == NULL)
        return NULL;
    pthread_mutex_init(&rejections->lock, NULL);
    rejections->is_changed = true;
    /* Those that there always are: they are shown as 0, and have a place when there is none for others. */
    for (enum rejection rejection = 0; rejection < REJECTIONS; rejection++)
        if (find_slot(rejections, rejection, slice_of(texts[rejection].role != NULL ? USER_UNKNOWN : "")) == NULL) {
            rejections_free(rejections);
            return NULL;
        }
    return rejections;
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

void rejections_note(struct rejections *rejections, enum rejection rejection, struct slice user,
                     const struct address *client)
{
    if (texts[rejection].role == NULL)
        user = SLICE("");
    pthread_mutex_lock(&rejections->lock);
    struct slot *slot = user.length <= USER_MAX ? find_slot(rejections, rejection, user) : NULL;
    if (slot == NULL && texts[rejection].role != NULL)
        slot = find_slot(rejections, rejection, SLICE(USER_UNKNOWN));
    if (slot != NULL) {
        slot->count++;
        slot->last = clock_wall() / 1000000;
        add_client(slot, client);
        rejections->is_changed = true;
    }
    pthread_mutex_unlock(&rejections->lock);
}

/* ---- reporting, with the lock held ---- */

static void record(struct slot *slot, const struct self_terms *terms)
{
    double more = (double)(slot->count - slot->recorded);
    slot->is_recorded = true;
    slot->recorded = slot->count;
    const char *role = texts[slot->rejection].role;
    if (role == NULL) {
        self_count(terms, &rejections_clients, NULL, 0, slot->rejection - REJECTED_ALLOW_DRAIN, more);
        return;
    }
    struct label labels[] = {{SLICE("role"), slice_of(role)}, {SLICE("user"), {slot->user, slot->user_length}}};
    self_count(terms, &rejections_logins, labels, COUNT(labels), 0, more);
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
static bool may_say(struct rejections *rejections, uint64_t now)
{
    if (now - rejections->second >= 1000) {
        rejections->second = now;
        rejections->lines = 0;
    }
    return rejections->lines++ < LINES_PER_SECOND;
}

static void say(struct slot *slot, uint64_t now)
{
    char clients[CLIENTS_MAX * (ADDRESS_TEXT_MAX + 2) + sizeof " and others"];
    unsigned long long count = slot->count - slot->said;
    spell_clients(slot, clients, sizeof clients);
    const char *role = texts[slot->rejection].role;
    if (role != NULL)
        log_write(LOG_WARN, "log-in failed: the user %.*s of /%s, %llu times since this was last said, from %s",
                  (int)slot->user_length, slot->user, role, count, clients);
    else
        log_write(LOG_WARN, "refused: %llu %s; from %s", count, texts[slot->rejection].what, clients);
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

void rejections_report(struct rejections *rejections, const struct self_terms *terms)
{
    pthread_mutex_lock(&rejections->lock);
    bool is_idle = !rejections->is_changed && rejections->first_due > terms->now;
    uint64_t first = UINT64_MAX;
    for (unsigned i = 0; i < BUCKETS && !is_idle; i++)
        for (struct slot *slot = rejections->buckets[i]; slot != NULL; slot = slot->next) {
            if (!slot->is_recorded || slot->recorded != slot->count)
                record(slot, terms);
            if (due_of(slot) <= terms->now && may_say(rejections, terms->now))
                say(slot, terms->now);
            first = due_of(slot) < first ? due_of(slot) : first;
        }
    if (!is_idle)
        rejections->first_due = first;
    rejections->is_changed = false;
    pthread_mutex_unlock(&rejections->lock);
}

void rejections_visit(struct rejections *rejections, rejection_visitor *visitor, void *context)
{
    pthread_mutex_lock(&rejections->lock);
    for (unsigned i = 0; i < BUCKETS; i++)
        for (const struct slot *slot = rejections->buckets[i]; slot != NULL; slot = slot->next) {
            const char *role = texts[slot->rejection].role;
            struct rejection_view view = {.role = role,
                                          .user = {slot->user, role == NULL ? 0 : slot->user_length},
                                          .reason = role == NULL ? reason_labels[slot->rejection - REJECTED_ALLOW_DRAIN]
                                                                 : NULL,
                                          .count = slot->count,
                                          .last = slot->last};
            if (slot->count > 0)
                visitor(context, &view);
        }
    pthread_mutex_unlock(&rejections->lock);
}
