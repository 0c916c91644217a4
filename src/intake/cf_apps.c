#include "intake/cf_apps.h"

#include <pthread.h>
#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/digest.h"
#include "base/structured_data.h"

enum {
    WAYS = 4,
    SETS = CF_APPS_KNOWN / WAYS,
    LOCKS = 64,
    PART_MAX = 63, /* bytes of a part of HOSTNAME */
};

/* The names of an app. */
struct known {
    uint64_t key; /* 0: none */
    uint64_t learned;
    uint16_t lengths[CF_APP_TAGS];
    char text[CF_APP_TEXT];
};

struct cf_apps {
    uint64_t seed;
    _Atomic uint64_t clock; /* counts what is learned */
    pthread_mutex_t locks[LOCKS];
    struct known sets[SETS][WAYS];
};

struct cf_apps *cf_apps_create(void)
{
    struct cf_apps *apps = calloc(1, sizeof *apps);
    if (apps == NULL || !digest_random(&apps->seed, sizeof apps->seed)) {
        free(apps);
        return NULL;
    }
    for (int i = 0; i < LOCKS; i++)
        pthread_mutex_init(&apps->locks[i], NULL);
    return apps;
}

void cf_apps_free(struct cf_apps *apps)
{
    if (apps == NULL)
        return;
    for (int i = 0; i < LOCKS; i++)
        pthread_mutex_destroy(&apps->locks[i]);
    free(apps);
}

/* ---- HOSTNAME ---- */

bool cf_app_split_hostname(struct slice hostname, struct slice parts[3])
{
    for (int i = 0; i < 3; i++) {
        size_t dot = slice_index(hostname, '.');
        if (dot == 0 || (dot == hostname.length) != (i == 2))
            return false;
        parts[i] = (struct slice){hostname.at, dot};
        hostname = slice_after(hostname, i == 2 ? dot : dot + 1);
    }
    return true;
}

/* Is this part of HOSTNAME made of this name?  Blanks become "-", other characters than letters, digits and "-" go, so
 * does what is longer, and then each "-" at the end. */
static bool is_made_of(struct slice part, struct slice name)
{
    char made[PART_MAX];
    size_t length = 0;
    for (size_t i = 0; i < name.length && length < sizeof made; i++) {
        char byte = name.at[i] == ' ' ? '-' : name.at[i];
        if (slice_is_digit(byte) || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '-')
            made[length++] = byte;
    }
    while (length > 0 && made[length - 1] == '-')
        length--;
    return slice_equals(part, (struct slice){made, length});
}

/* ---- what is known ---- */

static uint64_t key_of(const struct cf_apps *apps, const struct cf_app *app)
{
    uint64_t key = XXH3_64bits_withSeed(app->hostname.at, app->hostname.length,
                                        XXH3_64bits_withSeed(app->appname.at, app->appname.length, apps->seed));
    return key == 0 ? 1 : key;
}

/* The lock of a set is held.  The place of a key, or the oldest one. */
static struct known *find(struct cf_apps *apps, uint64_t key)
{
    struct known *set = apps->sets[key % SETS], *oldest = set;
    for (int i = 0; i < WAYS; i++) {
        if (set[i].key == key)
            return &set[i];
        if (set[i].learned < oldest->learned)
            oldest = &set[i];
    }
    return oldest;
}

static pthread_mutex_t *lock_of(struct cf_apps *apps, uint64_t key)
{
    return &apps->locks[key % SETS % LOCKS];
}

static bool says(const struct known *known, const struct slice tags[CF_APP_TAGS])
{
    size_t at = 0;
    for (int i = 0; i < CF_APP_TAGS; at += known->lengths[i++])
        if (!slice_equals(tags[i], (struct slice){known->text + at, known->lengths[i]}))
            return false;
    return true;
}

static void learn(struct cf_apps *apps, const struct cf_app *app)
{
    uint64_t key = key_of(apps, app);
    pthread_mutex_lock(lock_of(apps, key));
    struct known *known = find(apps, key);
    if (known->key != key || !says(known, app->tags)) {
        size_t at = 0;
        known->key = key;
        for (int i = 0; i < CF_APP_TAGS; at += known->lengths[i++]) { /* together they fit: see read_tags() */
            known->lengths[i] = (uint16_t)app->tags[i].length;
            memcpy(known->text + at, app->tags[i].at, app->tags[i].length);
        }
    }
    known->learned = ++apps->clock;
    pthread_mutex_unlock(lock_of(apps, key));
}

/* Complete what the tags do not tell. */
static void complete(struct cf_apps *apps, struct cf_app *app)
{
    uint64_t key = key_of(apps, app);
    pthread_mutex_lock(lock_of(apps, key));
    const struct known *known = find(apps, key);
    size_t at = 0;
    if (known->key == key) {
        memcpy(app->text, known->text, sizeof app->text); /* nothing is in it: there were not all tags */
        for (int i = 0; i < CF_APP_TAGS; at += known->lengths[i++])
            app->tags[i] = (struct slice){app->text + at, known->lengths[i]};
    }
    pthread_mutex_unlock(lock_of(apps, key));
}

/* ---- an app ---- */

static void write_tags(const struct cf_message *message, struct slice tags[CF_APP_TAGS])
{
    tags[CF_ORGANIZATION] = message->organization;
    tags[CF_SPACE] = message->space;
    tags[CF_NAME] = message->name;
    tags[CF_ORGANIZATION_ID] = message->organization_id;
    tags[CF_SPACE_ID] = message->space_id;
    tags[CF_APP_ID] = message->app_id;
}

bool cf_app_is_of(const struct cf_app *app, const struct line *line, const struct cf_message *message)
{
    struct slice tags[CF_APP_TAGS];
    if (!slice_equals(app->appname, line->appname) || !slice_equals(app->hostname, line->hostname))
        return false;
    write_tags(message, tags);
    for (int i = 0; i < CF_APP_TAGS; i++)
        if (!slice_equals(app->written[i], tags[i]))
            return false;
    return true;
}

/* Take the tags without their escapes.  Together they are no longer than text: of more, the rest is unknown. */
static void read_tags(struct cf_app *app)
{
    size_t left = sizeof app->text;
    for (int i = 0; i < CF_APP_TAGS; i++) {
        app->tags[i] = structured_data_unescape(app->written[i], app->text + sizeof app->text - left, left);
        left -= app->tags[i].length;
    }
}

static bool tells_names(const struct cf_app *app)
{
    return app->tags[CF_ORGANIZATION].length > 0 && app->tags[CF_SPACE].length > 0 && app->tags[CF_NAME].length > 0;
}

static bool is_made_of_names(const struct slice parts[3], const struct cf_app *app)
{
    return is_made_of(parts[0], app->tags[CF_ORGANIZATION]) && is_made_of(parts[1], app->tags[CF_SPACE]) &&
           is_made_of(parts[2], app->tags[CF_NAME]);
}

/* Is one of the names of a message what the binding says?  part: of HOSTNAME, for a message that does not tell it.
 * Then it is that name from now on, or an organization whose name differs only in what HOSTNAME lacks could be meant.
 */
static bool is_bound_to(struct slice bound, struct slice part, struct slice *name, bool told)
{
    if (bound.length == 0 || slice_equals(bound, *name))
        return true;
    if (told || part.length == 0 || !is_made_of(part, bound))
        return false;
    *name = bound;
    return true;
}

static void write_name(struct cf_app *app, const struct slice names[3])
{
    size_t length = 0;
    for (int i = 0; i < 3; i++) {
        if (length + (i > 0) + names[i].length > CF_APP_NAME_MAX) {
            app->name_length = CF_APP_NAME_MAX + 1;
            return;
        }
        if (i > 0 && names[i].length > 0)
            app->name[length++] = '/';
        memcpy(app->name + length, names[i].at, names[i].length);
        length += names[i].length;
    }
    app->name_length = length;
}

void cf_apps_find(struct cf_apps *apps, const struct line *line, const struct cf_message *message,
                  const struct cf_binding *binding, struct cf_app *app)
{
    struct slice parts[3] = {{"", 0}, {"", 0}, {"", 0}};
    bool has_parts = cf_app_split_hostname(line->hostname, parts);
    if (!has_parts)
        parts[0] = parts[1] = (struct slice){"", 0};
    app->hostname = line->hostname;
    app->appname = line->appname;
    write_tags(message, app->written);
    read_tags(app);
    bool told = tells_names(app);
    if (told && has_parts && is_made_of_names(parts, app))
        learn(apps, app);
    else if (!told) {
        complete(apps, app);
        told = tells_names(app);
    }
    for (int i = 0; !told && i < CF_APP_ID; i++)
        app->tags[i] = (struct slice){"", 0}; /* of a part of the names, the rest may be another app's */
    struct slice names[3] = {line->appname, {"", 0}, {"", 0}}; /* nothing else tells it apart */
    for (int i = 0; (told || has_parts) && i < 3; i++)
        names[i] = told ? app->tags[CF_ORGANIZATION + i] : parts[i];
    app->foreign = !is_bound_to(binding->organization, parts[0], &names[0], told) ||
                   !is_bound_to(binding->space, parts[1], &names[1], told);
    write_name(app, names);
}

size_t cf_app_labels(const struct cf_app *app, enum app_labels labels, struct label list[CF_APP_LABELS_MAX])
{
    static const struct {
        struct slice name;
        enum cf_app_tag tag;
        bool of_promfetcher;
    } known[CF_APP_LABELS_MAX] = {{{"organization_name", 17}, CF_ORGANIZATION, false},
                                  {{"space_name", 10}, CF_SPACE, false},
                                  {{"app_name", 8}, CF_NAME, false},
                                  {{"organization_id", 15}, CF_ORGANIZATION_ID, true},
                                  {{"space_id", 8}, CF_SPACE_ID, true},
                                  {{"app_id", 6}, CF_APP_ID, true}};
    size_t count = 0;
    for (size_t i = 0; labels != APP_LABELS_NONE && i < CF_APP_LABELS_MAX; i++)
        if (app->tags[known[i].tag].length > 0 && (labels == APP_LABELS_PROMFETCHER || !known[i].of_promfetcher))
            list[count++] = (struct label){known[i].name, app->tags[known[i].tag]};
    return count;
}
