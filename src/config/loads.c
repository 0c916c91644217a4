#include "config/loads.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

struct loads {
    pthread_mutex_t lock; /* guards the rest */
    struct load good, failed;
};

struct loads *loads_create(void)
{
    struct loads *loads = calloc(1, sizeof *loads);
    if (loads != NULL)
        pthread_mutex_init(&loads->lock, NULL);
    return loads;
}

void loads_free(struct loads *loads)
{
    if (loads != NULL)
        pthread_mutex_destroy(&loads->lock);
    free(loads);
}

static void note_source(struct load *load, const struct settings *settings)
{
    load->time = clock_wall();
    snprintf(load->source, sizeof load->source, "%s",
             settings->config_file != NULL   ? settings->config_file
             : settings->config_text != NULL ? "CONFIG"
                                             : "");
}

void loads_note(struct loads *loads, const struct settings *settings, const struct configuration *configuration)
{
    pthread_mutex_lock(&loads->lock);
    note_source(&loads->good, settings);
    memcpy(loads->good.digest, configuration->digest, sizeof loads->good.digest);
    loads->good.digest_is_keyed = configuration->digest_is_keyed;
    pthread_mutex_unlock(&loads->lock);
}

void loads_note_failure(struct loads *loads, const struct settings *settings, struct slice mistakes)
{
    struct slice kept = slice_beginning(mistakes, LOADS_MISTAKES_MAX - 1);
    pthread_mutex_lock(&loads->lock);
    note_source(&loads->failed, settings);
    if (kept.length > 0)
        memcpy(loads->failed.mistakes, kept.at, kept.length);
    loads->failed.mistakes[kept.length] = '\0';
    pthread_mutex_unlock(&loads->lock);
}

void loads_read(struct loads *loads, struct load *good, struct load *failed)
{
    pthread_mutex_lock(&loads->lock);
    *good = loads->good;
    *failed = loads->failed;
    pthread_mutex_unlock(&loads->lock);
}
