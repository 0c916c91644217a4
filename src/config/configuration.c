#include "config/configuration.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/file.h"
#include "config/document.h"
#include "config/mistakes.h"

bool configuration_is_app(struct slice name)
{
    return name.length > 0 && name.length <= CONFIGURATION_APP_MAX && !slice_starts_with(name, SLICE("__")) &&
           memchr(name.at, '\0', name.length) == NULL;
}

/* ---- the document ---- */

static const struct config_key sections[] = {
    {"drains", config_read_drains}, {"rules", config_read_rules}, {"scrapes", config_read_scrapes}};
enum { SECTION_COUNT = sizeof sections / sizeof sections[0] };

static void read_document(struct document_reader *reader)
{
    const yaml_node_t *root = config_open_document(reader);
    if (root == NULL)
        return;
    if (config_is_kind(reader, root, YAML_MAPPING_NODE, "the configuration"))
        config_read_mapping(reader, root, sections, SECTION_COUNT, "drains, rules and scrapes", NULL);
    if (reader->passwords == PASSWORDS_WITHOUT_SHARED && !reader->has_password && reader->mistake_count == 0)
        config_note(reader, NULL, "no drain has a password, and PASSWORD_DRAIN is not set");
    config_close_document(reader);
}

/* Make rules of those that were read, if all is well. */
static void finish_rules(struct document_reader *reader)
{
    if (reader->mistake_count > 0 || reader->no_memory || reader->rule_count == 0) {
        rules_free_array(reader->rule_list, reader->rule_count);
        return;
    }
    reader->configuration->rules = reader->on_trial ? rules_create_on_trial(reader->rule_list, reader->rule_count)
                                                    : rules_create(reader->rule_list, reader->rule_count);
    reader->no_memory |= reader->configuration->rules == NULL;
}

static void note_digest(struct configuration *configuration, struct slice text)
{
    static unsigned char key[DIGEST_SIZE];
    static bool has_key;
    unsigned char digest[DIGEST_SIZE];
    if (!configuration->digest_is_keyed)
        digest_make(text, digest);
    else if (has_key || (has_key = digest_random(key, sizeof key)))
        digest_make_keyed(key, text, digest);
    else
        return;
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(configuration->digest + 2 * i, 3, "%02x", digest[i]);
}

static struct configuration *parse(struct document_reader reader, struct buffer *mistakes)
{
    struct slice text = reader.text;
    reader.configuration = calloc(1, sizeof *reader.configuration);
    if (reader.configuration == NULL)
        reader.no_memory = true;
    else if (text.length > CONFIGURATION_SIZE_MAX)
        config_note(&reader, NULL, "it is larger than 1 MiB");
    else
        read_document(&reader);
    finish_rules(&reader);
    if (reader.mistake_count > 0 || reader.no_memory) {
        config_list_mistakes(&reader, mistakes);
        configuration_free(reader.configuration);
        reader.configuration = NULL;
    } else
        note_digest(reader.configuration, text);
    config_free_reader(&reader);
    return reader.configuration;
}

struct configuration *configuration_parse(struct slice text, const char *source, enum configuration_passwords passwords,
                                          struct buffer *mistakes)
{
    return parse((struct document_reader){.text = text, .source = source, .passwords = passwords}, mistakes);
}

struct configuration *configuration_try(struct slice text, const char *source, struct buffer *mistakes)
{
    return parse(
        (struct document_reader){.text = text, .source = source, .passwords = PASSWORDS_UNKNOWN, .on_trial = true},
        mistakes);
}

struct configuration *configuration_read(const char *path, enum configuration_passwords passwords,
                                         struct buffer *mistakes)
{
    FILE *in = file_open(path);
    if (in == NULL) {
        mistakes_add(mistakes, "%s: the file cannot be opened: %s", path, strerror(errno));
        return NULL;
    }
    struct configuration *configuration = NULL;
    size_t capacity = CONFIGURATION_SIZE_MAX + 1;
    char *text = malloc(capacity);
    size_t length = text == NULL ? 0 : fread(text, 1, capacity, in);
    if (text == NULL)
        mistakes_add(mistakes, "%s: " ERROR_NO_MEMORY, path);
    else if (ferror(in))
        mistakes_add(mistakes, "%s: the file cannot be read: %s", path, strerror(errno));
    else
        configuration = configuration_parse((struct slice){text, length}, path, passwords, mistakes);
    fclose(in);
    if (text != NULL)
        explicit_bzero(text, length);
    free(text);
    return configuration;
}

/* Put in what entries leave to the settings. */
static void complete(struct configuration *configuration, const struct settings *settings)
{
    configuration->others.router_by_process = settings->router_by_process;
    configuration->others.cf_labels = settings->cf_labels;
    configuration->only_listed_apps = settings->only_listed_apps;
    for (size_t i = 0; i < configuration->drain_count; i++) {
        struct config_drain *drain = &configuration->drains[i];
        if (!drain->says_router_by_process)
            drain->router_by_process = settings->router_by_process;
        if (!drain->says_cf_labels)
            drain->cf_labels = settings->cf_labels;
    }
}

bool configuration_load(const struct settings *settings, struct configuration **configuration, struct buffer *mistakes)
{
    enum configuration_passwords passwords = PASSWORDS_WITHOUT_SHARED;
    if (settings->password_drain != NULL)
        passwords = PASSWORDS_WITH_SHARED;
    else if (settings->action != SETTINGS_RUN && settings->password_metrics == NULL)
        passwords = PASSWORDS_UNKNOWN;
    if (settings->config_file != NULL)
        *configuration = configuration_read(settings->config_file, passwords, mistakes);
    else if (settings->config_text != NULL)
        *configuration = configuration_parse(slice_of(settings->config_text), "CONFIG", passwords, mistakes);
    else if ((*configuration = calloc(1, sizeof **configuration)) == NULL)
        mistakes_add(mistakes, ERROR_NO_MEMORY);
    if (*configuration != NULL)
        complete(*configuration, settings);
    return *configuration != NULL;
}

void configuration_forget_passwords(struct configuration *configuration)
{
    for (size_t i = 0; i < configuration->drain_count; i++)
        if (configuration->drains[i].password != NULL)
            explicit_bzero(configuration->drains[i].password, strlen(configuration->drains[i].password));
    for (size_t i = 0; i < configuration->scrape_count; i++)
        if (configuration->scrapes[i].user.password != NULL)
            explicit_bzero(configuration->scrapes[i].user.password, strlen(configuration->scrapes[i].user.password));
}

static void free_secret(char *secret)
{
    if (secret != NULL)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

static void free_drain(struct config_drain *drain)
{
    free(drain->name);
    free(drain->app);
    free(drain->organization);
    free(drain->space);
    free_secret(drain->password);
    free_secret(drain->password_hash);
    for (size_t i = 0; i < drain->token_count; i++)
        free(drain->tokens[i]);
    free(drain->tokens);
    for (size_t i = 0; i < drain->label_count; i++) {
        free((char *)drain->labels[i].name.at);
        free((char *)drain->labels[i].value.at);
    }
}

static void free_scrape(struct config_scrape *scrape)
{
    free_drain(&scrape->user);
    for (size_t i = 0; i < scrape->app_count; i++)
        free(scrape->apps[i]);
    free(scrape->apps);
    free(scrape->organization);
    free(scrape->space);
}

void configuration_free(struct configuration *configuration)
{
    if (configuration == NULL)
        return;
    for (size_t i = 0; i < configuration->drain_count; i++)
        free_drain(&configuration->drains[i]);
    free(configuration->drains);
    for (size_t i = 0; i < configuration->scrape_count; i++)
        free_scrape(&configuration->scrapes[i]);
    free(configuration->scrapes);
    rules_unref(configuration->rules);
    free(configuration);
}
