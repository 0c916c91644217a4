/* The configuration of several apps, and of rules: a YAML document, from a file or from a variable.  The room of
 * libyaml.
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
#ifndef CONFIG_FILE_H
#define CONFIG_FILE_H

#include "base/buffer.h"
#include "base/identity.h"
#include "config/secret.h"
#include "families/rules.h"

enum {
    CONFIG_FILE_SIZE_MAX = 1 << 20,
    CONFIG_FILE_DRAINS_MAX = 1000,
    CONFIG_FILE_APP_MAX = 256,
    CONFIG_FILE_LABELS_ROOM = 2048, /* bytes of all labels of a drain: they are part of each of its series */
};

/* One entry of "drains".  All texts are owned by the file, hold no NUL, and are not empty where they are there. */
struct config_drain {
    char *name;          /* the user of its URL; no other entry has it */
    char *app;           /* NULL: none */
    char *password;      /* NULL: none; also what password_file holds; empty once it is forgotten */
    char *password_hash; /* NULL: none; never beside a password; crypt(3) knows its kind */
    char **tokens;       /* each stands in one entry only, and that has an app */
    size_t token_count;
    struct label labels[FIXED_LABELS_MAX]; /* legal names, each once */
    size_t label_count;
};

struct config_file {
    struct config_drain *drains;
    size_t drain_count;
    struct rules *rules; /* a share; NULL: there are none */
};

/* Has the entry a password of its own?  If not, it has an app, and no other such entry has this app. */
static inline bool config_drain_has_password(const struct config_drain *drain)
{
    return drain->password != NULL || drain->password_hash != NULL;
}

/* Read text.  source is what mistakes are said to be in; has_shared: the user SHARED_USER exists besides those of
 * the file, so that none of these may have its name, nor need any have a password.
 *
 * NULL where there is a mistake.  Then each was appended to mistakes as a line "source:line:column: what is wrong".
 * Mistakes show names of entries, and nothing else of the text, since a secret may stand where none is expected. */
struct config_file *config_file_parse(struct slice text, const char *source, bool has_shared, struct buffer *mistakes);

/* The same for the text in the file at path. */
struct config_file *config_file_read(const char *path, const char *source, bool has_shared, struct buffer *mistakes);

/* Wipe the passwords, not the hashes: for who has made digests of them. */
void config_file_forget_passwords(struct config_file *file);

/* Wipe the passwords and free all.  NULL is harmless. */
void config_file_free(struct config_file *file);

#endif
