#include "intake/unmatched.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/digest.h"
#include "base/redaction.h"

enum { SECOND = 1000 /* milliseconds */ };

/* What a recording thread knows.  Its own, but for the totals, which others read. */
struct sampler {
    uint64_t random;
    uint64_t interval; /* lines of which one is looked at */
    uint64_t until;    /* lines until the next one */
    uint64_t pending;  /* lines for which the next one stands beside itself */
    uint64_t began;    /* this second, milliseconds */
    uint64_t in_second, looked_in_second;
    _Atomic uint64_t lines, looked_at;
} __attribute__((aligned(64)));

struct entry {
    uint64_t hash; /* of app and shape; 0: the place is free */
    uint64_t count;
    uint64_t first, last;
    bool is_tried;
    char *rule; /* owned; NULL: none */
    size_t message_length;
    char message[UNMATCHED_MESSAGE];
    char app[DIRECTORY_NAME_MAX + 1];
    char shape[UNMATCHED_SHAPE + 1];
    char example[UNMATCHED_EXAMPLE + 1];
};

struct unmatched {
    pthread_mutex_t lock; /* guards what is below, but for the samplers */
    unsigned suggested;
    unsigned slots;
    struct sampler *samplers;
    struct entry entries[UNMATCHED_SHAPES];
};

struct unmatched *unmatched_create(unsigned slots)
{
    struct unmatched *unmatched = calloc(1, sizeof *unmatched);
    if (unmatched == NULL)
        return NULL;
    pthread_mutex_init(&unmatched->lock, NULL);
    unmatched->slots = slots;
    unmatched->samplers = aligned_alloc(_Alignof(struct sampler), slots * sizeof unmatched->samplers[0]);
    uint64_t seed = 0;
    if (unmatched->samplers == NULL || !digest_random(&seed, sizeof seed)) {
        unmatched_free(unmatched);
        return NULL;
    }
    for (unsigned i = 0; i < slots; i++)
        unmatched->samplers[i] = (struct sampler){.random = (seed + i) | 1, .interval = 1, .until = 1};
    return unmatched;
}

static void leave(struct entry *entry)
{
    free(entry->rule);
    explicit_bzero(entry, sizeof *entry);
}

void unmatched_free(struct unmatched *unmatched)
{
    if (unmatched == NULL)
        return;
    for (size_t i = 0; i < UNMATCHED_SHAPES; i++)
        leave(&unmatched->entries[i]);
    free(unmatched->samplers);
    pthread_mutex_destroy(&unmatched->lock);
    free(unmatched);
}

/* ---- which lines are looked at ---- */

/* From 1 to twice the interval, less 1: the interval on average. */
static uint64_t draw(struct sampler *sampler)
{
    sampler->random ^= sampler->random << 13; /* xorshift64 of Marsaglia, 2003 */
    sampler->random ^= sampler->random >> 7;
    sampler->random ^= sampler->random << 17;
    return 1 + sampler->random % (2 * sampler->interval - 1);
}

static void pass(struct sampler *sampler, uint64_t lines)
{
    sampler->in_second += lines;
    sampler->pending += lines;
    atomic_fetch_add_explicit(&sampler->lines, lines, memory_order_relaxed);
}

uint64_t unmatched_begin(struct unmatched *unmatched, unsigned slot, uint64_t now)
{
    struct sampler *sampler = &unmatched->samplers[slot];
    uint64_t elapsed = now - sampler->began;
    if (elapsed < SECOND)
        return sampler->until;
    uint64_t interval = sampler->in_second * SECOND / elapsed / UNMATCHED_RATE;
    sampler->interval = interval > 0 ? interval : 1;
    sampler->began = now;
    sampler->in_second = sampler->looked_in_second = 0;
    if (sampler->until > 2 * sampler->interval - 1) /* there are fewer lines than there were */
        sampler->until = draw(sampler);
    return sampler->until;
}

void unmatched_end(struct unmatched *unmatched, unsigned slot, uint64_t passed)
{
    struct sampler *sampler = &unmatched->samplers[slot];
    pass(sampler, passed);
    sampler->until -= passed;
}

/* ---- shapes ---- */

/* The place for a new shape of an app: that of the one that was seen least, of the app if it has as many as it may.  A
 * free one was seen never. */
static struct entry *find_place(struct unmatched *unmatched, const char *app)
{
    struct entry *least = NULL, *own = NULL;
    size_t owned = 0;
    for (size_t i = 0; i < UNMATCHED_SHAPES; i++) {
        struct entry *entry = &unmatched->entries[i];
        if (least == NULL || entry->count < least->count)
            least = entry;
        if (entry->hash == 0 || strcmp(entry->app, app) != 0)
            continue;
        owned++;
        if (own == NULL || entry->count < own->count)
            own = entry;
    }
    return owned < UNMATCHED_APP_SHAPES ? least : own;
}

static struct entry *find_entry(struct unmatched *unmatched, uint64_t hash)
{
    for (size_t i = 0; i < UNMATCHED_SHAPES; i++)
        if (unmatched->entries[i].hash == hash)
            return &unmatched->entries[i];
    return NULL;
}

/* Copy what fits, with a NUL behind it. */
static void copy(struct slice text, char *out, size_t size)
{
    size_t length = text.length < size ? text.length : size - 1;
    if (length > 0)
        memcpy(out, text.at, length);
    out[length] = '\0';
}

static void begin_entry(struct entry *entry, uint64_t hash, const char *app, struct slice shape, struct slice message,
                        uint64_t now)
{
    uint64_t count = entry->count;
    leave(entry);
    entry->hash = hash;
    entry->count = count;
    entry->first = now;
    copy(slice_of(app), entry->app, sizeof entry->app);
    entry->shape[redaction_write(shape, entry->shape, UNMATCHED_SHAPE)] = '\0';
    entry->example[redaction_write(message, entry->example, UNMATCHED_EXAMPLE)] = '\0';
    entry->message_length = message.length <= sizeof entry->message ? message.length : 0;
    entry->is_tried = entry->message_length == 0; /* of a part there is no rule */
    if (entry->message_length > 0)
        memcpy(entry->message, message.at, message.length);
}

static void count_shape(struct unmatched *unmatched, struct slice app, const struct line *line, uint64_t lines,
                        uint64_t now)
{
    char name[DIRECTORY_NAME_MAX + 1], shape[LINE_SHAPE_MAX];
    copy(app, name, sizeof name);
    size_t length = line_shape_of(line, shape);
    uint64_t hash = XXH3_64bits_withSeed(shape, length, XXH3_64bits(name, strlen(name))) | 1;
    struct entry *entry = find_entry(unmatched, hash);
    if (entry == NULL) {
        entry = find_place(unmatched, name);
        begin_entry(entry, hash, name, (struct slice){shape, length}, line->message, now);
    }
    entry->count += lines;
    entry->last = now;
}

uint64_t unmatched_look(struct unmatched *unmatched, unsigned slot, struct slice app, const struct line *line,
                        uint64_t now)
{
    struct sampler *sampler = &unmatched->samplers[slot];
    pass(sampler, sampler->until);
    if (pthread_mutex_trylock(&unmatched->lock) == 0) {
        count_shape(unmatched, app, line, sampler->pending, now);
        pthread_mutex_unlock(&unmatched->lock);
        sampler->pending = 0;
        atomic_fetch_add_explicit(&sampler->looked_at, 1, memory_order_relaxed);
    }
    if (++sampler->looked_in_second % UNMATCHED_RATE == 0)
        sampler->interval *= 2;
    sampler->until = draw(sampler);
    return sampler->until;
}

/* ---- rules ---- */

/* The commonest shape for which no rule was looked for. */
static struct entry *find_untried(struct unmatched *unmatched)
{
    struct entry *found = NULL;
    for (size_t i = 0; i < UNMATCHED_SHAPES; i++) {
        struct entry *entry = &unmatched->entries[i];
        if (entry->hash != 0 && !entry->is_tried && (found == NULL || entry->count > found->count))
            found = entry;
    }
    return found;
}

/* Take the message of a shape out of its place.  False if there is none. */
static bool take_untried(struct unmatched *unmatched, char message[UNMATCHED_MESSAGE], size_t *length, uint64_t *hash,
                         unsigned *number)
{
    pthread_mutex_lock(&unmatched->lock);
    struct entry *entry = find_untried(unmatched);
    if (entry != NULL) {
        *length = entry->message_length;
        *hash = entry->hash;
        *number = ++unmatched->suggested;
        memcpy(message, entry->message, entry->message_length);
        explicit_bzero(entry->message, sizeof entry->message);
        entry->message_length = 0;
        entry->is_tried = true;
    }
    pthread_mutex_unlock(&unmatched->lock);
    return entry != NULL;
}

static void keep_rule(struct unmatched *unmatched, uint64_t hash, const struct buffer *rule)
{
    char *text = rule->length > UNMATCHED_RULE ? NULL : strndup(rule->at, rule->length);
    pthread_mutex_lock(&unmatched->lock);
    struct entry *entry = find_entry(unmatched, hash);
    if (entry != NULL && entry->rule == NULL) {
        entry->rule = text;
        text = NULL;
    }
    pthread_mutex_unlock(&unmatched->lock);
    free(text);
}

size_t unmatched_suggest(struct unmatched *unmatched, size_t count,
                         bool (*make)(struct slice message, unsigned number, struct buffer *out))
{
    char message[UNMATCHED_MESSAGE];
    size_t length = 0, tried = 0;
    uint64_t hash = 0;
    unsigned number = 0;
    while (tried < count && take_untried(unmatched, message, &length, &hash, &number)) {
        struct buffer rule = {0};
        if (make((struct slice){message, length}, number, &rule))
            keep_rule(unmatched, hash, &rule);
        buffer_free(&rule);
        tried++;
    }
    explicit_bzero(message, sizeof message);
    return tried;
}

/* ---- what leaves ---- */

void unmatched_clear(struct unmatched *unmatched)
{
    pthread_mutex_lock(&unmatched->lock);
    for (size_t i = 0; i < UNMATCHED_SHAPES; i++)
        leave(&unmatched->entries[i]);
    pthread_mutex_unlock(&unmatched->lock);
}

void unmatched_expire(struct unmatched *unmatched, uint64_t now)
{
    pthread_mutex_lock(&unmatched->lock);
    for (size_t i = 0; i < UNMATCHED_SHAPES; i++) {
        struct entry *entry = &unmatched->entries[i];
        if (entry->hash != 0 && now > entry->last && now - entry->last >= UNMATCHED_LIFETIME)
            leave(entry);
    }
    pthread_mutex_unlock(&unmatched->lock);
}

/* ---- reading ---- */

static int compare_counts(const void *a, const void *b)
{
    const struct entry *x = *(const struct entry *const *)a, *y = *(const struct entry *const *)b;
    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    return (x->hash > y->hash) - (x->hash < y->hash); /* the same order each time */
}

static void show(const struct entry *entry, struct unmatched_shape *shape)
{
    memcpy(shape->app, entry->app, sizeof shape->app);
    memcpy(shape->shape, entry->shape, sizeof shape->shape);
    memcpy(shape->example, entry->example, sizeof shape->example);
    copy(slice_of(entry->rule == NULL ? "" : entry->rule), shape->rule, sizeof shape->rule);
    shape->is_tried = entry->is_tried;
    shape->count = entry->count;
    shape->first = entry->first;
    shape->last = entry->last;
}

size_t unmatched_most(struct unmatched *unmatched, bool (*sees)(const void *who, const char *app), const void *who,
                      struct unmatched_shape *shapes, size_t capacity)
{
    const struct entry *found[UNMATCHED_SHAPES];
    size_t count = 0;
    pthread_mutex_lock(&unmatched->lock);
    for (size_t i = 0; i < UNMATCHED_SHAPES; i++) {
        const struct entry *entry = &unmatched->entries[i];
        if (entry->hash != 0 && (sees == NULL || sees(who, entry->app)))
            found[count++] = entry;
    }
    qsort(found, count, sizeof found[0], compare_counts);
    if (count > capacity)
        count = capacity;
    for (size_t i = 0; i < count; i++)
        show(found[i], &shapes[i]);
    pthread_mutex_unlock(&unmatched->lock);
    return count;
}

struct unmatched_total unmatched_total(struct unmatched *unmatched)
{
    struct unmatched_total total = {0};
    for (unsigned i = 0; i < unmatched->slots; i++) {
        total.looked_at += atomic_load_explicit(&unmatched->samplers[i].looked_at, memory_order_relaxed);
        total.lines += atomic_load_explicit(&unmatched->samplers[i].lines, memory_order_relaxed);
    }
    return total;
}
