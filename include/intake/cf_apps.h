/* Whose a Cloud Foundry message is: the name of its app, and the labels that all of its series have.
 *
 *     tags@47450 organization_name="acme" space_name="prod" app_name="my_shop" ...      acme/prod/my_shop
 *     HOSTNAME acme.prod.myshop, and no tags                                            acme/prod/myshop
 *
 * HOSTNAME cannot tell all names apart: what is neither letter, digit nor "-" is gone from it.  So names are remembered
 * by APPNAME (the app's GUID) and HOSTNAME once tags have told them, and a message without tags gets them:
 * acme/prod/my_shop from then on.  Only names that make this very HOSTNAME are remembered: who could lie about them
 * could lie about HOSTNAME as well.
 *
 * BOUNDS  The names of the last CF_APPS_KNOWN apps at most; of one app, CF_APP_TEXT bytes.  A lock for a moment, once
 *         for each app in a part of a batch.  Any number of threads. */
#ifndef CF_APPS_H
#define CF_APPS_H

#include <stdint.h>

#include "base/identity.h"
#include "base/platform.h"
#include "families/cf_message.h"

enum {
    CF_APPS_KNOWN = 4096,
    CF_APP_NAME_MAX = 256, /* bytes of organization/space/name */
    CF_APP_TEXT = 1024,    /* bytes of the names and GUIDs of an app */
    CF_APP_LABELS_MAX = 6,
};

struct cf_apps;

struct cf_apps *cf_apps_create(void); /* NULL if memory is short */
void cf_apps_free(struct cf_apps *apps);

/* What tags say of an app.  Empty: unknown. */
enum cf_app_tag {
    CF_ORGANIZATION,
    CF_SPACE,
    CF_NAME,
    CF_ORGANIZATION_ID,
    CF_SPACE_ID,
    CF_APP_ID,
    CF_APP_TAGS,
};

/* The apps whose messages a password may bring.  Empty: any. */
struct cf_binding {
    struct slice organization;
    struct slice space;
};

/* An app as messages name it.  It is not moved while it is used. */
struct cf_app {
    struct slice hostname, appname;    /* of the message, as the next one */
    struct slice written[CF_APP_TAGS]; /* tags with their escapes; all messages of the app have the same */
    struct slice tags[CF_APP_TAGS];    /* without them, completed; parts of the message or of text */
    bool foreign;                      /* it is none of the binding's */
    size_t name_length;                /* CF_APP_NAME_MAX + 1: it is longer than an app's name can be */
    char name[CF_APP_NAME_MAX + 1];
    char text[CF_APP_TEXT];
};

/* The parts of HOSTNAME: organization, space, name.  False if it is not made of three. */
bool cf_app_split_hostname(struct slice hostname, struct slice parts[3]);

/* Is this message of the same app? */
bool cf_app_is_of(const struct cf_app *app, const struct line *line, const struct cf_message *message);

/* Find out whose a message is.  binding may be empty.  The app is valid as long as the message is. */
void cf_apps_find(struct cf_apps *apps, const struct line *line, const struct cf_message *message,
                  const struct cf_binding *binding, struct cf_app *app);

/* Put the app's labels of this kind into list, and return how many; what tags have not told has none. */
size_t cf_app_labels(const struct cf_app *app, enum app_labels labels, struct label list[CF_APP_LABELS_MAX]);

static inline struct slice cf_app_name(const struct cf_app *app)
{
    return (struct slice){app->name, app->name_length};
}

#endif
