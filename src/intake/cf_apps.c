#include "intake/cf_apps.h"

#include <pthread.h>
#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/structured_data.h"

enum { WAYS = 4, SETS = CF_APPS_MAX / WAYS };

struct cf_apps {
    pthread_mutex_t lock; /* guards the rest */
    struct set {
        unsigned next; /* whose place a new one takes */
        struct cf_app *apps[WAYS];
    } sets[SETS];
};

struct cf_apps *cf_apps_create(void)
{
    struct cf_apps *apps = calloc(1, sizeof *apps);
    if (apps != NULL)
        pthread_mutex_init(&apps->lock, NULL);
    return apps;
}

void cf_apps_free(struct cf_apps *apps)
{
    if (apps == NULL)
        return;
    for (int set = 0; set < SETS; set++)
        for (int way = 0; way < WAYS; way++)
            free(apps->sets[set].apps[way]);
    pthread_mutex_destroy(&apps->lock);
    free(apps);
}

/* ---- what a message says ---- */

static void add_part(struct cf_app *app, enum cf_app_part part, struct slice value, size_t *at, size_t end)
{
    value.length = value.length < end - *at ? value.length : end - *at;
    app->starts[part] = (uint16_t)*at;
    app->lengths[part] = (uint16_t)value.length;
    memcpy(app->text + *at, value.at, value.length);
    *at += value.length;
}

/* Write "organization/space/app".  False if a part is missing or holds a "/", which would make it another app's, or
 * they are too long together. */
static bool add_names(struct cf_app *app, const struct slice names[3])
{
    size_t at = 0, length = names[0].length + 1 + names[1].length + 1 + names[2].length;
    if (length > CF_APP_MAX)
        return false;
    for (int i = 0; i < 3; i++)
        if (names[i].length == 0 || slice_index(names[i], '/') < names[i].length)
            return false;
    for (int i = 0; i < 3; i++) {
        if (i > 0)
            app->text[at++] = '/';
        add_part(app, (enum cf_app_part)(CF_ORGANIZATION + i), names[i], &at, CF_APP_MAX);
    }
    app->length = (uint16_t)length;
    return true;
}

static void add_id(struct cf_app *app, enum cf_app_part part, struct slice id)
{
    size_t at = CF_APP_MAX + (size_t)(part - CF_ORGANIZATION_ID) * CF_GUID_MAX;
    add_part(app, part, id, &at, at + CF_GUID_MAX);
}

/* What is no type is not kept, but for SEVERAL. */
static const struct slice several = {"*", 1};

static void add_type(struct cf_app *app, struct slice type)
{
    size_t at = CF_APP_MAX + 3 * CF_GUID_MAX;
    if (!process_is_type(type) && !slice_equals(type, several))
        type.length = 0;
    add_part(app, CF_PROCESS_TYPE, type, &at, at + PROCESS_NAME_MAX);
}

static void add_ids(struct cf_app *app, const struct cf_message *message)
{
    const struct slice ids[] = {message->organization_id, message->space_id, message->app_id};
    for (size_t i = 0; i < 3; i++) {
        char text[CF_GUID_MAX];
        add_id(app, (enum cf_app_part)(CF_ORGANIZATION_ID + i), structured_data_unescape(ids[i], text, sizeof text));
    }
}

static bool add_tags(struct cf_app *app, const struct cf_message *message)
{
    char texts[3][CF_APP_MAX];
    const struct slice names[] = {structured_data_unescape(message->organization, texts[0], CF_APP_MAX),
                                  structured_data_unescape(message->space, texts[1], CF_APP_MAX),
                                  structured_data_unescape(message->name, texts[2], CF_APP_MAX)};
    if (!add_names(app, names))
        return false;
    add_type(app, message->process_type);
    return true;
}

/* "acme.prod.shop". */
static bool add_hostname(struct cf_app *app, struct slice hostname)
{
    struct slice names[3];
    for (int i = 0; i < 3; i++) {
        names[i] = (struct slice){hostname.at, slice_index(hostname, '.')};
        hostname = slice_after(hostname, names[i].length + (names[i].length < hostname.length));
    }
    return hostname.length == 0 && add_names(app, names);
}

/* ---- HOSTNAME ---- */

/* Is this the part of a HOSTNAME that the agents make of a name?  A blank becomes "-", only letters, digits and "-" are
 * kept, 63 bytes at most, and no "-" at the end. */
static bool makes(struct slice name, struct slice part)
{
    enum { PART_MAX = 63 };
    char made[PART_MAX];
    size_t length = 0;
    for (size_t i = 0; i < name.length && length < PART_MAX; i++) {
        char byte = name.at[i] == ' ' ? '-' : name.at[i];
        bool is_kept =
            slice_is_digit(byte) || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '-';
        if (is_kept)
            made[length++] = byte;
    }
    while (length > 0 && made[length - 1] == '-')
        length--;
    return slice_equals((struct slice){made, length}, part);
}

/* Do the names of the app make this HOSTNAME? */
static bool makes_hostname(const struct cf_app *app, struct slice hostname)
{
    for (int part = CF_ORGANIZATION; part <= CF_NAME; part++) {
        struct slice text = {hostname.at, slice_index(hostname, '.')};
        hostname = slice_after(hostname, text.length + (text.length < hostname.length));
        if (!makes(cf_app_part(app, (enum cf_app_part)part), text))
            return false;
    }
    return hostname.length == 0;
}

/* ---- what was said before ---- */

static struct set *set_of(struct cf_apps *apps, struct slice guid)
{
    return &apps->sets[XXH3_64bits(guid.at, guid.length) % SETS];
}

static bool is_of(const struct cf_app *known, struct slice guid)
{
    return known != NULL && slice_equals(cf_app_part(known, CF_GUID), guid);
}

static bool is_same_part(const struct cf_app *a, const struct cf_app *b, enum cf_app_part part)
{
    return slice_equals(cf_app_part(a, part), cf_app_part(b, part));
}

/* What was said of the app in its own space: another one may claim its GUID, but takes nothing away by that. */
static struct cf_app **find(struct set *set, const struct cf_app *app)
{
    for (int way = 0; way < WAYS; way++)
        if (is_of(set->apps[way], cf_app_part(app, CF_GUID)) && is_same_part(set->apps[way], app, CF_ORGANIZATION) &&
            is_same_part(set->apps[way], app, CF_SPACE))
            return &set->apps[way];
    return NULL;
}

/* The app has what was known before, too: another type, or the same. */
static void merge_type(struct cf_app *app, const struct cf_app *known)
{
    struct slice type = cf_app_part(app, CF_PROCESS_TYPE), before = cf_app_part(known, CF_PROCESS_TYPE);
    if (type.length == 0)
        add_type(app, before);
    else if (before.length > 0 && !slice_equals(before, type))
        add_type(app, several);
}

void cf_apps_learn(struct cf_apps *apps, struct cf_app *app)
{
    struct slice guid = cf_app_part(app, CF_GUID);
    if (guid.length == 0 || !app->is_news)
        return;
    pthread_mutex_lock(&apps->lock);
    struct set *set = set_of(apps, guid);
    struct cf_app **known = find(set, app);
    if (known != NULL)
        merge_type(app, *known);
    else
        known = &set->apps[set->next++ % WAYS];
    if (*known == NULL)
        *known = malloc(sizeof **known);
    if (*known != NULL) {
        **known = *app;
        (*known)->is_news = false;
    }
    pthread_mutex_unlock(&apps->lock);
}

bool cf_apps_save(struct cf_apps *apps, size_t *position,
                  void (*save)(void *context, const struct slice parts[CF_APP_PARTS]), void *context)
{
    bool found = false;
    pthread_mutex_lock(&apps->lock);
    for (; !found && *position < CF_APPS_MAX; ++*position) {
        const struct cf_app *app = apps->sets[*position / WAYS].apps[*position % WAYS];
        struct slice parts[CF_APP_PARTS];
        for (int part = 0; app != NULL && part < CF_APP_PARTS; part++)
            parts[part] = cf_app_part(app, (enum cf_app_part)part);
        found = app != NULL;
        if (found)
            save(context, parts);
    }
    pthread_mutex_unlock(&apps->lock);
    return found;
}

void cf_apps_restore(struct cf_apps *apps, const struct slice parts[CF_APP_PARTS])
{
    struct cf_app app = {.is_tagged = true, .is_news = true};
    for (int part = CF_ORGANIZATION_ID; part <= CF_GUID; part++)
        add_id(&app, (enum cf_app_part)part, parts[part]);
    add_type(&app, parts[CF_PROCESS_TYPE]);
    if (add_names(&app, parts))
        cf_apps_learn(apps, &app);
}

static bool recall(struct cf_apps *apps, struct slice guid, struct slice hostname, struct cf_app *app)
{
    bool fits = false;
    pthread_mutex_lock(&apps->lock);
    const struct set *set = set_of(apps, guid);
    for (int way = 0; way < WAYS && !fits; way++) {
        fits = is_of(set->apps[way], guid) && makes_hostname(set->apps[way], hostname);
        if (fits)
            *app = *set->apps[way];
    }
    pthread_mutex_unlock(&apps->lock);
    return fits;
}

void cf_apps_find(struct cf_apps *apps, const struct line *line, const struct cf_message *message, struct cf_app *app)
{
    *app = (struct cf_app){0};
    add_ids(app, message);
    struct slice guid = cf_app_part(app, CF_GUID);
    if (add_tags(app, message)) {
        app->is_tagged = true;
        app->is_news = makes_hostname(app, line->hostname);
        return;
    }
    if (message->tags.length == 0 && recall(apps, guid, line->hostname, app))
        return;
    if (add_hostname(app, line->hostname))
        return;
    memcpy(app->text, guid.at, guid.length); /* which stands further behind */
    app->length = (uint16_t)guid.length;
}

void cf_app_bind(struct cf_app *app, struct slice organization, struct slice space)
{
    struct cf_app before = *app;
    struct slice names[3], bound[] = {organization, space};
    if (app->is_tagged)
        return;
    for (int i = 0; i < 3; i++) {
        names[i] = cf_app_part(&before, (enum cf_app_part)(CF_ORGANIZATION + i));
        if (i < 2 && names[i].length > 0 && makes(bound[i], names[i]))
            names[i] = bound[i];
    }
    if (!add_names(app, names))
        *app = before;
}

/* ---- labels ---- */

size_t cf_app_labels(const struct cf_app *app, enum cf_labels which, struct label labels[CF_LABELS_MAX])
{
    static const struct slice names[CF_GUID + 1] = {
        [CF_ORGANIZATION] = {"organization_name", 17},  [CF_SPACE] = {"space_name", 10}, [CF_NAME] = {"app_name", 8},
        [CF_ORGANIZATION_ID] = {"organization_id", 15}, [CF_SPACE_ID] = {"space_id", 8}, [CF_GUID] = {"app_id", 6}};
    size_t count = 0;
    if (which == CF_LABELS_NONE || !app->is_tagged)
        return 0;
    for (int part = 0; part <= (which == CF_LABELS_NAMES ? CF_NAME : CF_GUID); part++) {
        struct slice value = cf_app_part(app, (enum cf_app_part)part);
        if (value.length > 0)
            labels[count++] = (struct label){names[part], value};
    }
    return count;
}
