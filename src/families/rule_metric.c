#include "families/rule_metric.h"

#include <search.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A help text that the metric has or had: a page may be reading it. */
struct help {
    struct help *next;
    char text[];
};

struct descriptor {
    struct metric metric; /* first */
    struct descriptor *next;
    struct help *helps;
    const char *wanted_help; /* what the rules that were read last give it, in force or not */
    char *name;
    char *labels;
    double *bounds;
    bool kept;
};

static void *tree; /* of descriptors, see search.h */
static struct descriptor *all;

static int compare(const void *left, const void *right)
{
    const struct descriptor *a = left, *b = right;
    int order = strcmp(a->metric.name, b->metric.name);
    if (order == 0)
        order = strcmp(a->labels, b->labels);
    if (order == 0)
        order = (a->metric.type > b->metric.type) - (a->metric.type < b->metric.type);
    if (order == 0)
        order = (a->metric.cells > b->metric.cells) - (a->metric.cells < b->metric.cells);
    if (order == 0 && a->metric.type == METRIC_HISTOGRAM)
        order = memcmp(a->metric.bounds, b->metric.bounds, (a->metric.cells - 2) * sizeof a->metric.bounds[0]);
    return order;
}

static unsigned cells_of(const struct rule_metric_key *key)
{
    if (!key->counted)
        return 0;
    return key->type == METRIC_HISTOGRAM ? key->bound_count + 2 : 1;
}

static void free_descriptor(struct descriptor *descriptor)
{
    free(descriptor->helps); /* there is one at most while nobody knows it */
    free(descriptor->name);
    free(descriptor->labels);
    free(descriptor->bounds);
    free(descriptor);
}

static struct descriptor *create(const struct descriptor *wanted, unsigned bound_count)
{
    struct descriptor *created = calloc(1, sizeof *created);
    if (created == NULL)
        return NULL;
    created->name = strdup(wanted->metric.name);
    created->labels = strdup(wanted->labels);
    created->bounds = calloc(bound_count + 1, sizeof created->bounds[0]);
    if (created->name == NULL || created->labels == NULL || created->bounds == NULL) {
        free_descriptor(created);
        return NULL;
    }
    if (bound_count > 0)
        memcpy(created->bounds, wanted->metric.bounds, bound_count * sizeof created->bounds[0]);
    created->metric = wanted->metric;
    created->metric.name = created->name;
    created->metric.bounds = bound_count > 0 ? created->bounds : NULL;
    return created;
}

/* Release the text to the acquire in metric_help(). */
static void publish_help(struct descriptor *descriptor)
{
    __atomic_store_n(&descriptor->metric.help, descriptor->wanted_help, __ATOMIC_RELEASE);
}

static bool set_help(struct descriptor *descriptor, const char *text)
{
    struct help *help = descriptor->helps;
    while (help != NULL && strcmp(help->text, text) != 0)
        help = help->next;
    if (help == NULL) {
        help = malloc(sizeof *help + strlen(text) + 1);
        if (help == NULL)
            return false;
        strcpy(help->text, text);
        help->next = descriptor->helps;
        descriptor->helps = help;
    }
    descriptor->wanted_help = help->text;
    if (descriptor->metric.help == NULL)
        publish_help(descriptor);
    return true;
}

static struct descriptor describe(const struct rule_metric_key *key)
{
    return (struct descriptor){.metric = {.name = key->name,
                                          .type = key->type,
                                          .cells = cells_of(key),
                                          .bounds = key->bounds,
                                          .of_rule = true,
                                          .ended = true},
                               .labels = (char *)key->labels};
}

const struct metric *rule_metric_on_trial(const struct rule_metric_key *key)
{
    struct descriptor wanted = describe(key);
    struct descriptor *created = create(&wanted, key->bound_count);
    if (created == NULL || set_help(created, key->help))
        return created == NULL ? NULL : &created->metric;
    free_descriptor(created);
    return NULL;
}

void rule_metric_end_trial(const struct metric *metric)
{
    free_descriptor((struct descriptor *)(uintptr_t)metric);
}

const struct metric *rule_metric_of(const struct rule_metric_key *key)
{
    struct descriptor wanted = describe(key);
    struct descriptor **found = tfind(&wanted, &tree, compare);
    struct descriptor *descriptor = found != NULL ? *found : create(&wanted, key->bound_count);
    if (descriptor == NULL)
        return NULL;
    if (found == NULL) {
        if (!set_help(descriptor, key->help) || tsearch(descriptor, &tree, compare) == NULL) {
            free_descriptor(descriptor);
            return NULL;
        }
        descriptor->next = all;
        all = descriptor;
    }
    return set_help(descriptor, key->help) ? &descriptor->metric : NULL;
}

void rule_metrics_keep(const struct metric *const *metrics, size_t count)
{
    for (struct descriptor *descriptor = all; descriptor != NULL; descriptor = descriptor->next)
        descriptor->kept = false;
    for (size_t i = 0; i < count; i++)
        ((struct descriptor *)(uintptr_t)metrics[i])->kept = true;
    for (struct descriptor *descriptor = all; descriptor != NULL; descriptor = descriptor->next) {
        if (descriptor->kept)
            publish_help(descriptor);
        __atomic_store_n(&descriptor->metric.ended, !descriptor->kept, __ATOMIC_RELAXED);
    }
}

const char *rule_metric_labels(const struct metric *metric)
{
    return metric->of_rule && !metric->restored ? ((const struct descriptor *)metric)->labels : "";
}

const struct metric *rule_metric_find(const struct metric *described, const char *labels)
{
    struct descriptor wanted = {.metric = *described, .labels = (char *)labels};
    struct descriptor **found = described->name == NULL ? NULL : tfind(&wanted, &tree, compare);
    return found == NULL || metric_has_ended(&(*found)->metric) ? NULL : &(*found)->metric;
}
