/* The section "scrapes" of the configuration. */
#include "config/document.h"
#include "config/secret.h"

static void read_name(struct document_reader *reader, void *into, const yaml_node_t *value)
{
    struct config_scrape *scrape = into;
    struct slice name = config_read_user(reader, value);
    if (slice_equals(name, SLICE("metrics")))
        config_note(reader, &value->start_mark, "this name is the user of PASSWORD_METRICS");
    else if (name.length > 0) {
        scrape->user.name = config_keep(reader, name);
        config_remember(reader, &reader->scrapes, name, &value->start_mark, NULL);
    }
}

static void read_password(struct document_reader *reader, void *into, const yaml_node_t *value)
{
    config_read_password(reader, &((struct config_scrape *)into)->user, value);
}

static void read_password_file(struct document_reader *reader, void *into, const yaml_node_t *value)
{
    config_read_password_file(reader, &((struct config_scrape *)into)->user, value);
}

static void read_password_hash(struct document_reader *reader, void *into, const yaml_node_t *value)
{
    config_read_password_hash(reader, &((struct config_scrape *)into)->user, value);
}

static void read_apps(struct document_reader *reader, void *into, const yaml_node_t *value)
{
    struct config_scrape *scrape = into;
    size_t count;
    scrape->apps =
        config_allocate_list(reader, value, "apps", 1, CONFIGURATION_SCRAPE_APPS_MAX, sizeof scrape->apps[0], &count);
    for (size_t i = 0; scrape->apps != NULL && i < count; i++) {
        struct slice app;
        if (config_read_text(reader, config_list_item(reader, value, i), "an app", CONFIGURATION_APP_MAX, &app) &&
            (scrape->apps[scrape->app_count] = config_keep(reader, app)) != NULL)
            scrape->app_count++;
    }
}

static void read_organization(struct document_reader *reader, void *into, const yaml_node_t *value)
{
    ((struct config_scrape *)into)->organization = config_read_app_part(reader, value, "organization");
}

static void read_space(struct document_reader *reader, void *into, const yaml_node_t *value)
{
    ((struct config_scrape *)into)->space = config_read_app_part(reader, value, "space");
}

enum { NAME, PASSWORD, PASSWORD_FILE, PASSWORD_HASH, APPS, ORGANIZATION, SPACE, KEY_COUNT };
static const struct config_key scrape_keys[KEY_COUNT] = {
    [NAME] = {"name", read_name},
    [PASSWORD] = {"password", read_password},
    [PASSWORD_FILE] = {"password_file", read_password_file},
    [PASSWORD_HASH] = {"password_hash", read_password_hash},
    [APPS] = {"apps", read_apps},
    [ORGANIZATION] = {"organization", read_organization},
    [SPACE] = {"space", read_space},
};

/* What one key alone cannot tell.  seen: the keys that the entry has, right or wrong. */
static void check_scrape(struct document_reader *reader, const yaml_node_t *node, unsigned seen)
{
    unsigned passwords = seen & (1U << PASSWORD | 1U << PASSWORD_FILE | 1U << PASSWORD_HASH);
    unsigned bound = seen & (1U << APPS | 1U << ORGANIZATION);
    if (!(seen & 1U << NAME))
        config_note(reader, &node->start_mark, "a scrape has no name");
    if (passwords == 0)
        config_note(reader, &node->start_mark, "there is no password, password_file or password_hash");
    else if (passwords & (passwords - 1))
        config_note(reader, &node->start_mark,
                    "there may be one of password, password_file and password_hash, not several");
    if (bound == 0)
        config_note(reader, &node->start_mark,
                    "there are neither apps nor an organization, so it is not known what may be read");
    else if (bound & (bound - 1))
        config_note(reader, &node->start_mark, "there may be apps or an organization, not both");
    if (seen & 1U << SPACE && !(seen & 1U << ORGANIZATION))
        config_note(reader, &config_value(reader, node, "space")->start_mark,
                    "there is a space, but no organization that it is of");
}

static void read_scrape(struct document_reader *reader, struct config_scrape *scrape, const yaml_node_t *node)
{
    if (!config_is_kind(reader, node, YAML_MAPPING_NODE, "a scrape"))
        return;
    const yaml_node_t *name = config_value(reader, node, "name");
    reader->kind = "scrape";
    if (name != NULL && config_is_name(config_text(name)))
        reader->entry = config_text(name);
    unsigned seen =
        config_read_mapping(reader, node, scrape_keys, KEY_COUNT,
                            "name, password, password_file, password_hash, apps, organization and space", scrape);
    check_scrape(reader, node, seen);
    reader->entry = (struct slice){"", 0};
}

void config_read_scrapes(struct document_reader *reader, void *none, const yaml_node_t *node)
{
    (void)none;
    size_t count;
    struct configuration *configuration = reader->configuration;
    configuration->scrapes = config_allocate_list(reader, node, "scrapes", 0, CONFIGURATION_SCRAPES_MAX,
                                                  sizeof configuration->scrapes[0], &count);
    if (configuration->scrapes == NULL)
        return;
    configuration->scrape_count = count;
    for (size_t i = 0; i < count; i++)
        read_scrape(reader, &configuration->scrapes[i], config_list_item(reader, node, i));
    config_check_locations(reader, &reader->scrapes, "this name");
}

/* Does an app's name begin with this part and a '/'?  Then it is cut off. */
static bool cut_part(struct slice *app, const char *part)
{
    struct slice head = slice_of(part);
    if (!slice_starts_with(*app, head) || app->length == head.length || app->at[head.length] != '/')
        return false;
    *app = slice_after(*app, head.length + 1);
    return true;
}

bool config_is_within(struct slice app, const char *organization, const char *space)
{
    return cut_part(&app, organization) && (space == NULL || cut_part(&app, space));
}

bool config_scrape_sees(const struct config_scrape *scrape, const char *app)
{
    for (size_t i = 0; i < scrape->app_count; i++)
        if (strcmp(scrape->apps[i], app) == 0)
            return true;
    return scrape->organization != NULL && config_is_within(slice_of(app), scrape->organization, scrape->space);
}
