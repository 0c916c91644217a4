/* The section "drains" of the configuration. */
#include <stdlib.h>

#include "config/document.h"
#include "config/password_hash.h"
#include "config/secret.h"

/* ---- a drain ---- */

struct slice config_read_user(struct document_reader *reader, const yaml_node_t *value)
{
    struct slice name;
    if (!config_read_text(reader, value, "name", USER_MAX, &name))
        return (struct slice){"", 0};
    if (config_has_control(name))
        config_note(reader, &value->start_mark, "name holds a control character");
    else if (slice_index(name, ':') < name.length)
        config_note(reader, &value->start_mark, "name holds a ':', which ends the user in a request");
    else
        return name;
    return (struct slice){"", 0};
}

static void read_name(struct document_reader *reader, void *into, const yaml_node_t *value)
{
    struct config_drain *drain = into;
    struct slice name = config_read_user(reader, value);
    if (name.length == 0)
        return;
    if (reader->passwords == PASSWORDS_WITH_SHARED && slice_equals(name, SLICE(SHARED_USER)))
        config_note(reader, &value->start_mark, "this name is the user of PASSWORD_DRAIN");
    else {
        drain->name = config_keep(reader, name);
        config_remember(reader, &reader->names, name, &value->start_mark, NULL);
    }
}

static void read_app(struct document_reader *reader, void *into, const yaml_node_t *value)
{
    struct config_drain *drain = into;
    struct slice app;
    if (!config_read_text(reader, value, "app", CONFIGURATION_APP_MAX, &app))
        return;
    if (!configuration_is_app(app)) /* in which it differs from other texts: */
        config_note(reader, &value->start_mark, "app starts with \"__\"");
    else
        drain->app = config_keep(reader, app);
}

void config_read_password(struct document_reader *reader, void *into, const yaml_node_t *value)
{
    struct config_drain *drain = into;
    struct slice password;
    if (config_read_text(reader, value, "password", PASSWORD_MAX, &password))
        drain->password = config_keep(reader, password);
    reader->configuration->digest_is_keyed = true;
}

void config_read_password_file(struct document_reader *reader, void *into, const yaml_node_t *value)
{
    struct config_drain *drain = into;
    struct slice path;
    if (!config_read_text(reader, value, "password_file", 4095, &path))
        return;
    if (reader->passwords == PASSWORDS_UNKNOWN) {
        drain->password = config_keep(reader, SLICE(""));
        return;
    }
    char secret[SECRET_CAPACITY], error[ERROR_MAX];
    char path_text[4096];
    memcpy(path_text, path.at, path.length);
    path_text[path.length] = '\0';
    if (!secret_read(path_text, secret, error)) {
        config_note(reader, &value->start_mark, "the password_file %s", error);
        return;
    }
    size_t length = strlen(secret);
    if (length == 0)
        config_note(reader, &value->start_mark, "the password_file is empty");
    else if (length > PASSWORD_MAX)
        config_note(reader, &value->start_mark, "the password_file holds more than %d bytes", PASSWORD_MAX);
    else
        drain->password = config_keep(reader, slice_of(secret));
    explicit_bzero(secret, sizeof secret);
}

void config_read_password_hash(struct document_reader *reader, void *into, const yaml_node_t *value)
{
    struct config_drain *drain = into;
    struct slice text;
    if (!config_read_text(reader, value, "password_hash", PASSWORD_HASH_MAX, &text))
        return;
    char *hash = config_keep(reader, text);
    if (hash != NULL && !password_hash_is_whole(hash)) {
        config_note(reader, &value->start_mark, "password_hash is not a whole hash of a kind that crypt(3) knows");
        free(hash);
        return;
    }
    if (hash != NULL && !password_hash_is_affordable(hash)) {
        config_note(
            reader, &value->start_mark,
            "password_hash costs too much to compare with: bcrypt may have cost 14, others 1000000 rounds or 64 "
            "MiB");
        free(hash);
        return;
    }
    drain->password_hash = hash;
}

static void read_tokens(struct document_reader *reader, void *into, const yaml_node_t *value)
{
    struct config_drain *drain = into;
    size_t count;
    drain->tokens = config_allocate_list(reader, value, "tokens", 0, SIZE_MAX, sizeof drain->tokens[0], &count);
    for (size_t i = 0; drain->tokens != NULL && i < count; i++) {
        const yaml_node_t *item = config_list_item(reader, value, i);
        struct slice token;
        if (!config_read_text(reader, item, "a token", IDENTITY_VALUE_MAX, &token))
            continue;
        config_remember(reader, &reader->tokens, token, &item->start_mark, NULL);
        if ((drain->tokens[drain->token_count] = config_keep(reader, token)) != NULL)
            drain->token_count++;
    }
}

/* ---- labels ---- */

static bool has_label(const struct config_drain *drain, struct slice name)
{
    for (size_t i = 0; i < drain->label_count; i++)
        if (slice_equals(drain->labels[i].name, name))
            return true;
    return false;
}

static void read_label(struct document_reader *reader, struct config_drain *drain, const yaml_node_t *key,
                       const yaml_node_t *value)
{
    struct slice name, text;
    if (!config_read_label_name(reader, key, RESERVED_FROM_DRAINS, &name))
        return;
    if (has_label(drain, name))
        config_note(reader, &key->start_mark, "this label is given twice");
    else if (config_read_text(reader, value, "a label's value", IDENTITY_VALUE_MAX, &text)) {
        char *kept_name = config_keep(reader, name), *kept_text = config_keep(reader, text);
        if (kept_name == NULL || kept_text == NULL) {
            free(kept_name);
            free(kept_text);
            return;
        }
        drain->labels[drain->label_count++] = (struct label){{kept_name, name.length}, {kept_text, text.length}};
    }
}

static void read_labels(struct document_reader *reader, void *into, const yaml_node_t *value)
{
    struct config_drain *drain = into;
    if (!config_is_kind(reader, value, YAML_MAPPING_NODE, "labels"))
        return;
    const yaml_node_pair_t *start = value->data.mapping.pairs.start, *top = value->data.mapping.pairs.top;
    if (top - start > FIXED_LABELS_MAX) {
        config_note(reader, &value->start_mark, "there are more than %d labels", FIXED_LABELS_MAX);
        return;
    }
    for (const yaml_node_pair_t *pair = start; pair < top; pair++)
        read_label(reader, drain, config_node(reader, pair->key), config_node(reader, pair->value));
    size_t size = 0;
    for (size_t i = 0; i < drain->label_count; i++)
        size += drain->labels[i].name.length + drain->labels[i].value.length;
    if (size > CONFIGURATION_LABELS_MAX)
        config_note(reader, &value->start_mark, "the labels are longer than %d bytes together",
                    CONFIGURATION_LABELS_MAX);
}

/* ---- the list of drains ---- */

static void read_shared(struct document_reader *reader, void *into, const yaml_node_t *value)
{
    config_read_truth(reader, value, "shared", &((struct config_drain *)into)->shared);
}

static void read_router_by_process(struct document_reader *reader, void *into, const yaml_node_t *value)
{
    struct config_drain *drain = into;
    drain->says_router_by_process = true;
    config_read_truth(reader, value, "router_by_process", &drain->router_by_process);
}

static void read_addon_app(struct document_reader *reader, void *into, const yaml_node_t *value)
{
    config_read_truth(reader, value, "addon_app", &((struct config_drain *)into)->addon_app);
}

static void read_platform(struct document_reader *reader, void *into, const yaml_node_t *value)
{
    struct config_drain *drain = into;
    struct slice text;
    if (!config_read_text(reader, value, "platform", 16, &text))
        return;
    if (slice_equals(text, SLICE("heroku")))
        drain->platform = PLATFORM_HEROKU;
    else if (slice_equals(text, SLICE("cloudfoundry")))
        drain->platform = PLATFORM_CLOUD_FOUNDRY;
    else
        config_note(reader, &value->start_mark, "platform is neither heroku nor cloudfoundry");
}

static void read_organization(struct document_reader *reader, void *into, const yaml_node_t *value)
{
    ((struct config_drain *)into)->organization = config_read_app_part(reader, value, "organization");
}

static void read_space(struct document_reader *reader, void *into, const yaml_node_t *value)
{
    ((struct config_drain *)into)->space = config_read_app_part(reader, value, "space");
}

static void read_cf_labels(struct document_reader *reader, void *into, const yaml_node_t *value)
{
    struct config_drain *drain = into;
    struct slice text;
    drain->says_cf_labels = true;
    if (config_read_text(reader, value, "cf_labels", 16, &text) && !cf_labels_read(text, &drain->cf_labels))
        config_note(reader, &value->start_mark, "cf_labels is none of none, names and promfetcher");
}

enum {
    NAME,
    APP,
    PASSWORD,
    PASSWORD_FILE,
    PASSWORD_HASH,
    SHARED,
    TOKENS,
    LABELS,
    ROUTER_BY_PROCESS,
    ADDON_APP,
    PLATFORM,
    ORGANIZATION,
    SPACE,
    CF_LABELS,
    KEY_COUNT,
};
static const struct config_key drain_keys[KEY_COUNT] = {
    [NAME] = {"name", read_name},
    [APP] = {"app", read_app},
    [PASSWORD] = {"password", config_read_password},
    [PASSWORD_FILE] = {"password_file", config_read_password_file},
    [PASSWORD_HASH] = {"password_hash", config_read_password_hash},
    [SHARED] = {"shared", read_shared},
    [TOKENS] = {"tokens", read_tokens},
    [LABELS] = {"labels", read_labels},
    [ROUTER_BY_PROCESS] = {"router_by_process", read_router_by_process},
    [ADDON_APP] = {"addon_app", read_addon_app},
    [PLATFORM] = {"platform", read_platform},
    [ORGANIZATION] = {"organization", read_organization},
    [SPACE] = {"space", read_space},
    [CF_LABELS] = {"cf_labels", read_cf_labels},
};

/* What one key alone cannot tell.  seen: the keys that the entry has, right or wrong.  Whether it has a password. */
static bool check_drain(struct document_reader *reader, const yaml_node_t *node, unsigned seen)
{
    unsigned passwords = seen & (1U << PASSWORD | 1U << PASSWORD_FILE | 1U << PASSWORD_HASH);
    if (!(seen & 1U << NAME))
        config_note(reader, &node->start_mark, "a drain has no name");
    if (passwords & (passwords - 1))
        config_note(reader, &node->start_mark,
                    "there may be one of password, password_file and password_hash, not several");
    if (!(seen & 1U << APP) && passwords == 0)
        config_note(reader, &node->start_mark,
                    "there is neither an app nor a password, so no batch can be known to be of it");
    else if (!(seen & 1U << APP) && seen & 1U << TOKENS)
        config_note(reader, &config_value(reader, node, "tokens")->start_mark,
                    "there are tokens, but no app that they mean");
    else if (!(seen & 1U << APP) && seen & 1U << SHARED)
        config_note(reader, &config_value(reader, node, "shared")->start_mark,
                    "shared is about an app, and there is none");
    if (seen & 1U << SPACE && !(seen & 1U << ORGANIZATION))
        config_note(reader, &config_value(reader, node, "space")->start_mark,
                    "there is a space, but no organization that it is in");
    if (seen & 1U << ORGANIZATION && passwords == 0)
        config_note(reader, &config_value(reader, node, "organization")->start_mark,
                    "organization binds a password, and there is none");
    return passwords != 0;
}

static bool read_drain(struct document_reader *reader, struct config_drain *drain, const yaml_node_t *node)
{
    if (!config_is_kind(reader, node, YAML_MAPPING_NODE, "a drain"))
        return true;
    const yaml_node_t *name = config_value(reader, node, "name");
    reader->kind = "drain";
    if (name != NULL && config_is_name(config_text(name)))
        reader->entry = config_text(name);
    unsigned seen = config_read_mapping(reader, node, drain_keys, KEY_COUNT,
                                        "name, app, password, password_file, password_hash, shared, tokens, labels, "
                                        "router_by_process, addon_app, platform, organization, space and cf_labels",
                                        drain);
    bool has_password = check_drain(reader, node, seen);
    if (seen & 1U << ORGANIZATION && drain->platform == PLATFORM_HEROKU)
        config_note(reader, &config_value(reader, node, "organization")->start_mark,
                    "Heroku has no organizations, so no batch would be of this one");
    const yaml_node_t *app = config_value(reader, node, "app");
    if ((!has_password || drain->shared) && drain->app != NULL)
        config_remember(reader, &reader->apps, config_text(app), &app->start_mark, NULL);
    reader->entry = (struct slice){"", 0};
    return has_password;
}

void config_read_drains(struct document_reader *reader, void *none, const yaml_node_t *node)
{
    (void)none;
    size_t count;
    reader->configuration->drains = config_allocate_list(reader, node, "drains", 0, CONFIGURATION_DRAINS_MAX,
                                                         sizeof reader->configuration->drains[0], &count);
    if (reader->configuration->drains == NULL)
        return;
    reader->configuration->drain_count = count;
    for (size_t i = 0; i < count; i++) {
        const yaml_node_t *item = config_list_item(reader, node, i);
        reader->has_password |= read_drain(reader, &reader->configuration->drains[i], item);
    }
    config_check_locations(reader, &reader->names, "this name");
    config_check_locations(reader, &reader->apps, "this app of a drain that is shared or has no password");
    config_check_locations(reader, &reader->tokens, "this token");
}
