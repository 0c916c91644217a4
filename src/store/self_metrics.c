#include "store/self_metrics.h"

static struct store_terms store_terms_of(const struct self_terms *terms)
{
    return (struct store_terms){
        .now = terms->now, .lifetime = terms->lifetime, .entity = terms->entity, .app = ENTITY_NONE, .exempt = true};
}

enum store_result self_count(const struct self_terms *terms, const struct metric *metric, const struct label *labels,
                             size_t label_count, unsigned cell, double amount)
{
    struct identity identity;
    struct store_terms store_terms = store_terms_of(terms);
    identity_build(&identity, SLICE(""), slice_of(metric->name), labels, label_count);
    return store_count(terms->store, terms->slot, &identity, metric, cell, amount, &store_terms);
}

struct series *self_find(const struct self_terms *terms, const struct metric *metric, const struct label *labels,
                         size_t label_count)
{
    struct identity identity;
    struct store_terms store_terms = store_terms_of(terms);
    struct series *counter = NULL;
    identity_build(&identity, SLICE(""), slice_of(metric->name), labels, label_count);
    enum store_result result = store_counter(terms->store, terms->slot, &identity, metric, &store_terms, &counter);
    return result == STORE_RECORDED || result == STORE_CREATED ? counter : NULL;
}

bool self_counts_again(const struct self_terms *terms, const struct metric *metric, struct series *counter)
{
    struct store_terms store_terms = store_terms_of(terms);
    return store_counts_again(terms->store, counter, metric, &store_terms);
}

static enum value_type type_of(const struct metric *metric)
{
    return metric->type == METRIC_COUNTER ? VALUE_COUNTER : VALUE_GAUGE;
}

struct series *self_set(const struct self_terms *terms, const struct metric *metric, const struct label *labels,
                        size_t label_count, double number)
{
    struct identity identity;
    struct store_terms store_terms = store_terms_of(terms);
    struct series *series = NULL;
    struct value value = {.type = type_of(metric), .number = number};
    identity_build(&identity, SLICE(""), slice_of(metric->name), labels, label_count);
    store_report(terms->store, terms->slot, &identity, metric, &value, false, &store_terms, &series);
    return series;
}

bool self_set_again(const struct self_terms *terms, const struct metric *metric, struct series *series,
                    struct slice labels, double number)
{
    struct store_terms store_terms = store_terms_of(terms);
    struct value value = {.type = type_of(metric), .number = number};
    enum store_result result;
    return store_report_again(terms->store, terms->slot, series, labels, metric, &value, &store_terms, &result);
}
