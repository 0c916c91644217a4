#include "exporter.h"

static struct store *open_store(const struct settings *config, struct entities *entities, unsigned slots)
{
    return store_create(&(struct store_settings){.max_series = config->max_series,
                                                 .max_app_series = config->max_app_series,
                                                 .max_metric_series = config->max_metric_series,
                                                 .max_names = config->max_l2met_names,
                                                 .slots = slots,
                                                 .entities = entities});
}

static struct intake *open_intake(const struct settings *config, struct entities *entities, struct store *store,
                                  unsigned workers)
{
    struct intake_settings settings = {.entities = entities,
                                       .ingest_prefix = slice_of(config->ingest_prefix),
                                       .leave_out_self_drain = config->leave_out_self_drain,
                                       .slots = workers};
    for (int family = 0; family < FAMILY_COUNT; family++)
        settings.lifetimes[family] = config->expire_after;
    settings.lifetimes[FAMILY_POSTGRES] = config->postgres_expire_after;
    settings.lifetimes[FAMILY_PGBOUNCER] = config->postgres_expire_after;
    settings.lifetimes[FAMILY_ADDON] = config->postgres_expire_after;
    settings.lifetimes[FAMILY_REDIS] = config->redis_expire_after;
    settings.lifetimes[FAMILY_DYNO] = config->runtime_expire_after;
    return intake_create(store, &settings);
}

bool pipeline_open(struct pipeline *pipeline, const struct settings *config)
{
    unsigned workers = (unsigned)config->workers;
    *pipeline = (struct pipeline){.maintenance_slot = workers};
    pipeline->entities = entities_create(
        &(struct entities_settings){.app_silence = config->app_expire_after, .grace = 2 * config->scrape_interval});
    if (pipeline->entities != NULL)
        pipeline->store = open_store(config, pipeline->entities, workers + 1);
    if (pipeline->store != NULL)
        pipeline->intake = open_intake(config, pipeline->entities, pipeline->store, workers);
    if (pipeline->intake != NULL)
        return true;
    pipeline_close(pipeline);
    return false;
}

void pipeline_close(struct pipeline *pipeline)
{
    intake_free(pipeline->intake);
    store_free(pipeline->store);
    entities_free(pipeline->entities);
    *pipeline = (struct pipeline){0};
}
