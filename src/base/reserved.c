#include "base/reserved.h"

enum {
    APPS = 1 << RESERVED_FROM_APPS,
    UNLABELLED = 1 << RESERVED_FROM_APPS_UNLABELLED,
    RULES = 1 << RESERVED_FROM_RULES,
    DRAINS = 1 << RESERVED_FROM_DRAINS,
    EXTERNAL = 1 << RESERVED_FROM_EXTERNAL,
};

struct reservation {
    struct slice name;
    unsigned from;
};

#define NAME(text)               \
    {                            \
        (text), sizeof(text) - 1 \
    }

static const struct reservation metric_prefixes[] = {
    {NAME("heroku_"), APPS | UNLABELLED | RULES},
    {NAME("drain_exporter_"), APPS | UNLABELLED | RULES},
    {NAME("process_"), UNLABELLED | RULES}, /* Prometheus' own names for what a process needs have no labels */
    {NAME("l2met_"), RULES},
    {NAME("cf_app_"), RULES},
    {NAME("cf_container_"), APPS | UNLABELLED | RULES},
    {NAME("cf_http_"), APPS | UNLABELLED | RULES},
    {NAME("cf_instance_"), APPS | UNLABELLED | RULES},
    {NAME("cf_router_"), APPS | UNLABELLED | RULES},
    /* Prometheus writes these itself, about each scrape and each alert. */
    {NAME("scrape_"), APPS | UNLABELLED | RULES},
    {NAME("ALERTS"), APPS | UNLABELLED | RULES},
};

/* Labels that say whose a series is, or what it counts: another value would mix series up.  Prometheus sets the last
 * two itself, and has its own use for le and quantile. */
static const struct reservation labels[] = {
    {NAME("app"), RULES | DRAINS},    {NAME("process"), RULES | DRAINS},  {NAME("process_type"), RULES | DRAINS},
    {NAME("le"), RULES | DRAINS},     {NAME("quantile"), RULES | DRAINS}, {NAME("addon"), DRAINS},
    {NAME("source"), DRAINS},         {NAME("instance"), DRAINS},         {NAME("job"), DRAINS},
    {NAME("instance_index"), DRAINS},
};

/* What else tells series of ours apart, so a label of all pages can have neither these names nor those above. */
static const char *const series_labels[] = {"app_id",
                                            "app_name",
                                            "at",
                                            "client",
                                            "code",
                                            "deployment",
                                            "direction",
                                            "error",
                                            "event",
                                            "family",
                                            "found",
                                            "from",
                                            "index",
                                            "instance_id",
                                            "key",
                                            "kind",
                                            "label",
                                            "level",
                                            "method",
                                            "metric",
                                            "name",
                                            "organization_id",
                                            "organization_name",
                                            "origin",
                                            "path",
                                            "process_id",
                                            "process_instance_id",
                                            "protocol",
                                            "reason",
                                            "result",
                                            "role",
                                            "rule",
                                            "severity",
                                            "size",
                                            "slot",
                                            "space_id",
                                            "space_name",
                                            "sqlstate_class",
                                            "stage",
                                            "state",
                                            "status",
                                            "title",
                                            "tls",
                                            "to",
                                            "type",
                                            "user",
                                            "version"};

static bool is_label_of_series(struct slice name)
{
    for (size_t i = 0; i < sizeof series_labels / sizeof series_labels[0]; i++)
        if (slice_equals(name, slice_of(series_labels[i])))
            return true;
    return false;
}

bool reserved_metric(struct slice name, enum reserved_from who)
{
    if (slice_equals(name, SLICE("up"))) /* Prometheus' own as well */
        return true;
    for (size_t i = 0; i < sizeof metric_prefixes / sizeof metric_prefixes[0]; i++)
        if (metric_prefixes[i].from & 1U << who && slice_starts_with(name, metric_prefixes[i].name))
            return true;
    return false;
}

bool reserved_label(struct slice name, enum reserved_from who)
{
    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++)
        if ((labels[i].from | EXTERNAL) & 1U << who && slice_equals(name, labels[i].name))
            return true;
    return who == RESERVED_FROM_EXTERNAL && is_label_of_series(name);
}
