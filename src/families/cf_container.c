#include "families/cf_container.h"

#include "base/keyvalue.h"
#include "base/structured_data.h"
#include "families/cf_series.h"

#define METRIC(text, kind, meaning)                                     \
    {                                                                   \
        .name = "cf_container_" text, .help = (meaning), .type = (kind) \
    }
#define GAUGE(text, meaning) METRIC(text, METRIC_GAUGE, meaning)
#define COUNTER(text, meaning) METRIC(text, METRIC_COUNTER, meaning)

/* What the cell calls it, and how many of its units are one of ours. */
static const struct measure {
    struct slice name;
    enum cf_kind kind;
    double divisor;
    struct metric metric;
} measures[] = {
#define NAME(text)               \
    {                            \
        (text), sizeof(text) - 1 \
    }
    {NAME("cpu"), CF_GAUGE, 100, GAUGE("cpu_ratio", "CPU time that the container uses, as a ratio of one core.")},
    {NAME("memory"), CF_GAUGE, 1, GAUGE("memory_bytes", "Memory that the container uses, in bytes.")},
    {NAME("disk"), CF_GAUGE, 1, GAUGE("disk_bytes", "Disk that the container uses, in bytes.")},
    {NAME("memory_quota"), CF_GAUGE, 1, GAUGE("memory_quota_bytes", "Memory that the container may use, in bytes.")},
    {NAME("disk_quota"), CF_GAUGE, 1, GAUGE("disk_quota_bytes", "Disk that the container may use, in bytes.")},
    {NAME("log_rate"), CF_GAUGE, 1, GAUGE("log_rate_bytes_per_second", "Bytes that the instance logs per second.")},
    {NAME("log_rate_limit"), CF_GAUGE, 1,
     GAUGE("log_rate_limit_bytes_per_second", "Bytes that the instance may log per second; -1: any number.")},
    {NAME("container_age"), CF_GAUGE, 1e9, GAUGE("age_seconds", "Time since the container was created.")},
    {NAME("absolute_usage"), CF_GAUGE, 1e9,
     COUNTER("cpu_seconds_total", "CPU time that the container has used since it was created.")},
    {NAME("absolute_entitlement"), CF_GAUGE, 1e9,
     COUNTER("cpu_entitlement_seconds_total", "CPU time that the container was entitled to since it was created.")},
    {NAME("cpu_entitlement"), CF_GAUGE, 100,
     GAUGE("cpu_entitlement_used_ratio", "CPU time that the container uses, as a ratio of what it is entitled to.")},
    {NAME("rx_bytes"), CF_COUNTER, 1,
     COUNTER("network_receive_bytes_total", "Bytes that the container has received since it was created.")},
    {NAME("tx_bytes"), CF_COUNTER, 1,
     COUNTER("network_transmit_bytes_total", "Bytes that the container has sent since it was created.")},
#undef NAME
};

static const struct measure *measure_of(const struct cf_message *cf)
{
    struct slice name = structured_data_find(cf->metric, SLICE("name"));
    for (size_t i = 0; i < COUNT(measures); i++)
        if (measures[i].kind == cf->kind && slice_equals(measures[i].name, name))
            return &measures[i];
    return NULL;
}

static bool owns(const struct line *line, const struct family_context *context)
{
    (void)line;
    const struct cf_message *cf = context->cf;
    return cf != NULL && (cf->kind == CF_GAUGE || cf->kind == CF_COUNTER) && measure_of(cf) != NULL;
}

static enum verdict read_line(const struct line *line, struct family_context *context, struct sample_output *output)
{
    const struct cf_message *cf = context->cf;
    const struct measure *measure = measure_of(cf);
    struct slice text = structured_data_find(cf->metric, cf->kind == CF_GAUGE ? SLICE("value") : SLICE("total"));
    struct value value = {.type = measure->metric.type == METRIC_COUNTER ? VALUE_COUNTER : VALUE_GAUGE};
    bool read = keyvalue_number(text, &value.number);
    if (!read || (value.type == VALUE_COUNTER && value.number < 0)) {
        output->reject(output, REJECTED_VALUE);
        return VERDICT_RECOGNISED;
    }
    value.number /= measure->divisor;
    struct slice process = cf_process_of(line, context).name;
    if (process.length > 0 && !cf_instance_speaks(process, cf->process_instance_id, context, output))
        return VERDICT_RECOGNISED;
    struct cf_labels labels;
    cf_labels_of_instance(&labels, context);
    struct sample sample = {.metric = &measure->metric,
                            .name = slice_of(measure->metric.name),
                            .labels = labels.list,
                            .label_count = labels.count,
                            .process = process,
                            .labels_of_line = true,
                            .value = &value};
    output->record(output, &sample);
    return VERDICT_RECOGNISED;
}

const struct family cf_container_family = {
    .prefixes = {"cf_container"}, .hears = cf_is_author, .owns = owns, .read = read_line};
