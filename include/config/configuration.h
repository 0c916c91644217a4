/* The configuration of several apps, and of rules: a YAML document, from a file or from a variable.
 *
 *     drains:
 *       - name: shop
 *         app: my-shop
 *         password_hash: '$y$j9T$...'
 *         tokens: [d.9ed29e1c-...]
 *         labels: {team: payments}
 *     rules:
 *       - name: sidekiq
 *         match: '^sidekiq job=(?<job>\w+)'
 *         metrics: [{counter: sidekiq_jobs_total, labels: {job: $job}}]
 */
#ifndef CONFIGURATION_H
#define CONFIGURATION_H

#include "base/buffer.h"
#include "base/cf_labels.h"
#include "base/digest.h"
#include "base/identity.h"
#include "base/platform.h"
#include "config/secret.h"
#include "config/settings.h"
#include "families/rules.h"

enum {
    CONFIGURATION_SIZE_MAX = 1 << 20,
    CONFIGURATION_DRAINS_MAX = 1000,
    CONFIGURATION_SCRAPES_MAX = 1000,
    CONFIGURATION_SCRAPE_APPS_MAX = 1000,
    CONFIGURATION_APP_MAX = 256,
    CONFIGURATION_LABELS_MAX = 2048, /* bytes of all labels of a drain: they are part of each of its series */
};

/* What is known about the passwords beside the configuration. */
enum configuration_passwords {
    PASSWORDS_WITHOUT_SHARED, /* there is no user SHARED_USER: some entry must have a password */
    PASSWORDS_WITH_SHARED,    /* there is: no entry may have its name, nor need any have a password */
    PASSWORDS_UNKNOWN,        /* nobody posts, or the text is only checked: either may be, and no file is opened */
};

/* One entry of "drains".  All texts are owned by the configuration and hold no NUL; none is empty. */
struct config_drain {
    char *name;          /* the user of its URL; no other entry has it */
    char *app;           /* NULL: none */
    char *password;      /* NULL: none; also what password_file holds; empty once it is forgotten */
    char *password_hash; /* NULL: none; never beside a password; crypt(3) knows its kind */
    char **tokens;       /* each stands in one entry only, and that has an app */
    size_t token_count;
    struct label labels[FIXED_LABELS_MAX]; /* legal names, each once */
    size_t label_count;
    bool shared;                 /* it has a password, and yet the shared user may post for its app as well */
    bool router_by_process;      /* see struct family_context, as of addon_app */
    bool says_router_by_process; /* if not, ROUTER_BY_PROCESS does */
    bool addon_app;
    enum platform platform;
    char *organization; /* of Cloud Foundry: its messages must be of this one; NULL: any */
    char *space;        /* NULL: any; never without an organization */
    enum cf_labels cf_labels;
    bool says_cf_labels;         /* if not, CF_LABELS does */
    _Atomic int64_t *last_batch; /* when one of its app arrived last, microseconds since 1970; 0: never.  Not the
                                    configuration's; NULL: nobody keeps it */
};

/* One entry of "scrapes": who may read the pages of some apps. */
struct config_scrape {
    struct config_drain user; /* name and password; it has nothing else */
    char **apps;              /* their names; or: */
    size_t app_count;
    char *organization; /* of Cloud Foundry: all of its apps; NULL: none */
    char *space;        /* of these, only those of this space; NULL: all */
};

/* Is the app of this name of the organization, and of the space unless that is NULL: does the name begin with them? */
bool config_is_within(struct slice app, const char *organization, const char *space);

/* May the entry read the pages of the app of this name? */
bool config_scrape_sees(const struct config_scrape *scrape, const char *app);

struct configuration {
    struct config_drain *drains;
    size_t drain_count;
    struct config_scrape *scrapes;
    size_t scrape_count;
    struct config_drain others; /* what is said of apps without an entry */
    bool only_listed_apps;      /* users without an app post only for apps of entries */
    struct rules *rules;        /* a reference; NULL: there are none */
    /* Which document it is: SHA-256 of the text, in hexadecimal.  If passwords stand in it, it is under a key that only
     * this process has, or a short password could be guessed by it.  Empty: there is no document. */
    char digest[2 * DIGEST_SIZE + 1];
    bool digest_is_keyed;
};

/* Has the entry a password of its own?  If not, it has an app, and no other such entry has this app. */
static inline bool config_drain_has_password(const struct config_drain *drain)
{
    return drain->password != NULL || drain->password_hash != NULL;
}

/* Can an app have this name? */
bool configuration_is_app(struct slice name);

/* Read text.  source is what mistakes are said to be in.
 *
 * NULL if there is a mistake.  Then each was appended to mistakes as a line "source:line:column: what is wrong".
 * Mistakes show names of entries, and nothing else of the text, since a secret may stand where none is expected. */
struct configuration *configuration_parse(struct slice text, const char *source, enum configuration_passwords passwords,
                                          struct buffer *mistakes);

/* The same for a text without passwords, whose rules are only tried, see rules_create_on_trial().  Any thread. */
struct configuration *configuration_try(struct slice text, const char *source, struct buffer *mistakes);

/* The same as configuration_parse() for the text in the file at path, which mistakes name as it is given here. */
struct configuration *configuration_read(const char *path, enum configuration_passwords passwords,
                                         struct buffer *mistakes);

/* What the settings say: the file of CONFIG_FILE, else the text of CONFIG, else a configuration with nothing in it.
 * False, with mistakes, if it cannot be had.  If a command or a
 * check knows no password, those of the drains are not looked for either. */
bool configuration_load(const struct settings *settings, struct configuration **configuration, struct buffer *mistakes);

/* Wipe the passwords, not the hashes, once digests of them were made. */
void configuration_forget_passwords(struct configuration *configuration);

/* Wipe the passwords and free all.  NULL is harmless. */
void configuration_free(struct configuration *configuration);

#endif
