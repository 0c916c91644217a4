/* Whose a message of Cloud Foundry is.
 *
 *     tags:      organization_name="acme" space_name="prod" app_name="my_shop"     acme/prod/my_shop
 *     HOSTNAME:  acme.prod.myshop, without tags                                    acme/prod/myshop
 *
 * HOSTNAME lacks the characters that a host name may not have, so apps can look alike there.  So the names that tags
 * have said of a GUID are remembered, for messages of that app without tags (a drain with disable-metadata=true).  Only
 * names that make this very HOSTNAME are: whoever could lie about them could lie about HOSTNAME as well.  Of several
 * spaces that claim one GUID each has its own names.
 *
 * So is the type of its processes, "web", unless tags have told of several: a metric without tags is of one of them,
 * and nobody can say of which. */
#ifndef CF_APPS_H
#define CF_APPS_H

#include <stdint.h>

#include "base/cf_labels.h"
#include "base/identity.h"
#include "base/process.h"
#include "families/cf_message.h"

enum {
    CF_APP_MAX = 256,   /* bytes of organization/space/app */
    CF_GUID_MAX = 64,   /* bytes; a longer one is cut off */
    CF_APPS_MAX = 4096, /* GUIDs that are remembered; a new one takes the place of an older one beyond that */
};

enum cf_app_part {
    CF_ORGANIZATION,
    CF_SPACE,
    CF_NAME,
    CF_ORGANIZATION_ID,
    CF_SPACE_ID,
    CF_GUID,
    CF_PROCESS_TYPE, /* "*": there are several */
    CF_APP_PARTS
};

/* What is known of an app.  A plain value. */
struct cf_app {
    bool is_tagged;                 /* its names were said by tags, now or before */
    bool is_news;                   /* they were said now, and fit HOSTNAME: worth to be learned */
    uint16_t starts[CF_APP_PARTS];  /* in text */
    uint16_t lengths[CF_APP_PARTS]; /* 0: unknown */
    uint16_t length;                /* of organization/space/app, with which text begins; of the GUID if the names are
                                       unknown or too long */
    char text[CF_APP_MAX + 3 * CF_GUID_MAX + PROCESS_NAME_MAX];
};

/* A name or GUID; empty: unknown. */
static inline struct slice cf_app_part(const struct cf_app *app, enum cf_app_part part)
{
    return (struct slice){app->text + app->starts[part], app->lengths[part]};
}

/* The type that all of its processes have; empty: unknown, or there are several. */
static inline struct slice cf_app_process_type(const struct cf_app *app)
{
    struct slice type = cf_app_part(app, CF_PROCESS_TYPE);
    return process_is_type(type) ? type : (struct slice){"", 0};
}

/* "acme/prod/shop". */
static inline struct slice cf_app_name(const struct cf_app *app)
{
    return (struct slice){app->text, app->length};
}

struct cf_apps;

struct cf_apps *cf_apps_create(void); /* NULL if memory is short */
void cf_apps_free(struct cf_apps *apps);

/* Whose the message is, by its tags, else by what was learned before of its GUID, else by HOSTNAME.  Any thread; a
 * short lock. */
void cf_apps_find(struct cf_apps *apps, const struct line *line, const struct cf_message *message, struct cf_app *app);

/* Remember what the tags of a message said, for the messages of its GUID that have none; *app: with the process type
 * that messages before it have told, too.  Only if its sender may speak for the app: otherwise anybody could rename the
 * apps of others.  If memory is short it is not remembered.  Any thread; a short lock. */
void cf_apps_learn(struct cf_apps *apps, struct cf_app *app);

/* From one start of the program to the next: the parts of the app at *position (0 at first) or of the next one behind
 * it, handed to save with the lock held; false if there is none.  And to remember an app of these parts. */
bool cf_apps_save(struct cf_apps *apps, size_t *position,
                  void (*save)(void *context, const struct slice parts[CF_APP_PARTS]), void *context);
void cf_apps_restore(struct cf_apps *apps, const struct slice parts[CF_APP_PARTS]);

/* The app is known by HOSTNAME alone, and its password is bound to an organization, maybe to a space: may HOSTNAME mean
 * these?  Then the app is of them, as it could not be of one whose name merely looks alike there:
 *
 *     acme.prod.shop, bound to the organization "ac_me"      ac_me/prod/shop
 *
 * What tags have said stays as it is.  Empty: not bound. */
void cf_app_bind(struct cf_app *app, struct slice organization, struct slice space);

/* The labels that tell whose a series is.  Only what tags have said: an absent tag means an absent label.  Returns how
 * many; their values are parts of app. */
size_t cf_app_labels(const struct cf_app *app, enum cf_labels which, struct label labels[CF_LABELS_MAX]);

#endif
