/* Lines of every author, to the families that claim them.  Each line of the input is a message; its first byte chooses
 * who wrote it, from 'a' on.  In a message of Cloud Foundry's, structured data may stand before the text.  What the
 * families hand on must be as sample.h says. */
#include <math.h>

#include "base/process.h"
#include "base/structured_data.h"
#include "families/cf_message.h"
#include "families/family.h"
#include "fuzz.h"

static const struct {
    const char *appname;
    const char *procid;
} authors[] = {
    {"heroku", "router"},
    {"app", "heroku-postgres"},
    {"app", "heroku-redis"},
    {"app", "heroku-pgbouncer"},
    {"app", "heroku-kafka"},
    {"app", "heroku-router"},
    {"app", "postgres.1105947"},
    {"app", "api"},
    {"heroku", "api"},
    {"app", "web.1"},
    {"app", "run.1234"},
    {"heroku", "web.1"},
    {"heroku", "run.1234"},
    {"heroku", "logplex"},
    {"app", "postgres.1"},
    {"guid", "[RTR/1]"},
    {"guid", "[0]"},
    {"guid", "[APP/PROC/WEB/0]"},
    {"guid", "[CELL/0]"},
    {"guid", "[API/1]"},
    {"guid", "[LGR/]"},
    {"drain_exporter", "canary"},
};
enum { AUTHOR_COUNT = sizeof authors / sizeof authors[0] };

/* A counted sample, to see that what it is known by stays as it is until the batch ends. */
enum { KEPT_MAX = 2048, LABELS_MAX = 8, VALUE_KEPT = 128 };
struct kept {
    const struct metric *metric;
    size_t label_count;
    struct label labels[LABELS_MAX];
    char copies[LABELS_MAX][VALUE_KEPT];
};

struct checker {
    struct sample_output output; /* first */
    enum family_id family;
    size_t count;
    struct kept kept[KEPT_MAX];
};

/* What stands in a path, an address or a sentence has no place in the label of a counter. */
static bool is_plain(struct slice value)
{
    for (size_t i = 0; i < value.length; i++)
        if (strchr("/?@&=\" ", value.at[i]) != NULL)
            return false;
    return true;
}

/* All samples of a counted metric with the same number of labels have the same names of labels, in the same order. */
static void check_label_names(const struct sample *sample)
{
    enum { SEEN_MAX = 256 };
    static struct {
        const struct metric *metric;
        size_t label_count;
        struct slice names[LABELS_MAX];
    } seen[SEEN_MAX];
    size_t place = ((uintptr_t)sample->metric / 16 + sample->label_count) % SEEN_MAX;
    while (seen[place].metric != NULL &&
           (seen[place].metric != sample->metric || seen[place].label_count != sample->label_count))
        place = (place + 1) % SEEN_MAX;
    bool is_first = seen[place].metric == NULL;
    seen[place].metric = sample->metric;
    seen[place].label_count = sample->label_count;
    for (size_t i = 0; i < sample->label_count; i++) {
        if (is_first)
            seen[place].names[i] = sample->labels[i].name;
        REQUIRE(slice_equals(seen[place].names[i], sample->labels[i].name));
    }
}

/* A metric whose name and tags an app on Cloud Foundry has chosen. */
static bool is_own_metric(const struct sample *sample)
{
    return metric_is_chosen(sample->metric) && slice_equals(sample->namespace, SLICE("cf_app"));
}

static void check_l2met(const struct sample *sample)
{
    REQUIRE(metric_is_chosen(sample->metric) && slice_equals(sample->namespace, SLICE("l2met")) &&
            sample->name_limited);
    for (size_t i = 0; i < sample->label_count; i++)
        REQUIRE(sample->labels[i].value.length <= 128);
}

static void check_name(const struct sample *sample)
{
    REQUIRE(slice_equals(sample->name, slice_of(sample->metric->name)) && sample->namespace.length == 0);
    for (size_t i = 0; i < sample->label_count; i++)
        REQUIRE(is_plain(sample->labels[i].value) || sample->transient ||
                slice_equals(sample->labels[i].name, SLICE("app")));
}

static void check_counted(const struct sample *sample)
{
    REQUIRE(sample->cell < sample->metric->cells && sample->metric->cells <= METRIC_CELLS_MAX);
    REQUIRE(isfinite(sample->amount));
    if (is_own_metric(sample)) {
        REQUIRE(sample->name_limited && sample->transient && sample->label_count <= IDENTITY_LABELS_MAX);
        return;
    }
    REQUIRE(sample->label_count <= LABELS_MAX);
    for (size_t i = 0; i < sample->label_count; i++)
        REQUIRE(sample->labels[i].value.length <= VALUE_KEPT);
    if (sample->metric->chosen)
        check_l2met(sample);
    else
        check_name(sample);
    check_label_names(sample);
}

static struct kept *keep(struct checker *checker, const struct sample *sample)
{
    if (checker->count == KEPT_MAX)
        return NULL;
    struct kept *kept = &checker->kept[checker->count++];
    kept->metric = sample->metric;
    kept->label_count = sample->transient ? 0 : sample->label_count;
    for (size_t i = 0; i < kept->label_count; i++) {
        kept->labels[i] = sample->labels[i];
        if (sample->labels[i].value.length > 0)
            memcpy(kept->copies[i], sample->labels[i].value.at, sample->labels[i].value.length);
    }
    return kept;
}

static void check_value(const struct value *value)
{
    REQUIRE(isfinite(value->number) && value->size <= VALUE_SIZE_MAX);
    if (value->type != VALUE_HISTOGRAM)
        return;
    REQUIRE(value->number >= 0 && isfinite(value->words[0].number));
    for (size_t i = 1; i <= value->size; i++)
        REQUIRE(i == 1 || value->words[i - 1].number < value->words[i].number);
}

static void record(struct sample_output *output, const struct sample *sample)
{
    struct checker *checker = (struct checker *)output;
    struct identity identity;
    enum identity_result result =
        identity_build(&identity, sample->namespace, sample->name, sample->labels, sample->label_count);
    REQUIRE(sample->process.length == 0 || process_is_type(sample->process) ||
            process_read(sample->process, &(struct process){0}));
    if (sample->metric != NULL && sample->metric->cells > 0) {
        REQUIRE(result == IDENTITY_OK || is_own_metric(sample));
        check_counted(sample);
        keep(checker, sample);
        return;
    }
    check_value(sample->value);
    REQUIRE(!sample->of_position || (sample->no_expiry && sample->process.length > 0));
    if (checker->family == FAMILY_L2MET)
        check_l2met(sample);
    else if (checker->family == FAMILY_CF_APP)
        REQUIRE(is_own_metric(sample) && sample->name_limited);
    else if (checker->family != FAMILY_INGEST)
        REQUIRE(sample->metric != NULL && (result != IDENTITY_OK || memcmp(identity.text, "heroku_", 7) == 0 ||
                                           memcmp(identity.text, "cf_", 3) == 0));
}

static void reject(struct sample_output *output, enum sample_rejection reason)
{
    (void)output;
    REQUIRE(reason < REJECTED_REASONS);
}

static struct series *find(struct sample_output *output, const struct sample *sample)
{
    check_counted(sample);
    return (struct series *)keep((struct checker *)output, sample);
}

static void add(struct sample_output *output, struct series *counter, unsigned cell, double amount)
{
    (void)output;
    REQUIRE(cell < ((struct kept *)counter)->metric->cells && isfinite(amount));
}

static void observe(struct sample_output *output, struct series *histogram, const struct metric *metric,
                    double observation)
{
    REQUIRE(metric == ((struct kept *)histogram)->metric && metric->type == METRIC_HISTOGRAM && observation >= 0);
    add(output, histogram, metric_bucket(metric, observation), 1);
}

static void notify(struct sample_output *output, struct slice process, enum process_event event)
{
    (void)output;
    REQUIRE(process_read(process, &(struct process){0}) && event <= PROCESS_ENDED);
}

static bool restart(struct sample_output *output, struct slice process)
{
    (void)output;
    REQUIRE(process_read(process, &(struct process){0}));
    return process.length % 2 == 0;
}

static enum process_instance instance(struct sample_output *output, struct slice process, struct slice text)
{
    (void)output;
    REQUIRE(process_read(process, &(struct process){0}) || process_is_type(process));
    return text.length % 3 == 0 ? INSTANCE_SAME : text.length % 3 == 1 ? INSTANCE_NEXT : INSTANCE_FORMER;
}

static bool runs_as(struct sample_output *output, struct slice process, struct slice text)
{
    return instance(output, process, text) == INSTANCE_SAME;
}

static void scale(struct sample_output *output, struct slice type, unsigned count)
{
    (void)output;
    REQUIRE(process_is_type(type) && count <= FORMATION_NUMBER_MAX);
}

/* Label values that a family left on the stack do not survive this. */
__attribute__((noinline)) static void overwrite_stack(void)
{
    char bytes[16384];
    memset(bytes, 0xA5, sizeof bytes);
    __asm__ volatile("" : : "r"(bytes) : "memory"); /* or it would be left out */
}

/* Cut the structured data off the start of a message of Cloud Foundry's, and read it. */
static void read_data(struct line *line, struct cf_message *cf, struct family_context *context)
{
    struct slice rest = line->message, id, parameters;
    context->cf = NULL;
    if (line->procid.at[0] != '[')
        return;
    while (structured_data_next(&rest, &id, &parameters))
        ;
    line->structured_data = (struct slice){line->message.at, line->message.length - rest.length};
    line->message = rest.length > 0 ? slice_after(rest, rest.at[0] == ' ') : rest;
    REQUIRE(cf_message_read(line, cf));
    context->cf = cf;
}

static void read_message(struct checker *checker, struct family_context *context, struct slice text)
{
    struct cf_message cf;
    size_t author = (size_t)(unsigned char)(text.at[0] - 'a') % AUTHOR_COUNT;
    struct line line = {.appname = slice_of(authors[author].appname),
                        .procid = slice_of(authors[author].procid),
                        .message = slice_after(text, 1)};
    read_data(&line, &cf, context);
    checker->family = family_of(&line, context);
    if (checker->family == FAMILY_COUNT)
        return;
    enum verdict verdict = families[checker->family]->read(&line, context, &checker->output);
    REQUIRE(verdict < VERDICT_MALFORMED + MALFORMATION_COUNT);
    overwrite_stack();
}

/* The zeros do not depend on the input, so once is enough. */
static void start(struct checker *checker, struct family_context *context)
{
    for (int i = 0; i < FAMILY_COUNT; i++) {
        checker->family = (enum family_id)i;
        if (families[i]->start_app != NULL)
            families[i]->start_app(context, &checker->output);
        if (families[i]->start_process != NULL)
            families[i]->start_process(SLICE("web.1"), context, &checker->output);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void *states[FAMILY_COUNT];
    static struct checker checker;
    if (states[FAMILY_INGEST] == NULL)
        REQUIRE(families_open(states));
    /* What a drain may ask for, by the last byte of the input. */
    unsigned options = size > 0 ? data[size - 1] : 0;
    struct family_context context = {.app = SLICE("my-app"),
                                     .router_by_process = (options & 1) != 0,
                                     .addon_app = (options & 2) != 0,
                                     .cf_instance_labels = (options & 4) != 0,
                                     .drain_token = SLICE("d.ours"),
                                     .host = SLICE("drain.example.com"),
                                     .states = states,
                                     .ingest_prefix = SLICE("crates-io-heroku-metrics:ingest ")};
    checker.output = (struct sample_output){.record = record,
                                            .reject = reject,
                                            .find = find,
                                            .add = add,
                                            .observe = observe,
                                            .generation = checker.output.generation + 1,
                                            .notify = notify,
                                            .restart = restart,
                                            .instance = instance,
                                            .runs_as = runs_as,
                                            .scale = scale};
    checker.count = 0;
    static bool has_started;
    if (!has_started)
        start(&checker, &context);
    has_started = true;
    struct slice rest = {(const char *)data, size};
    while (rest.length > 0) {
        struct slice text = {rest.at, slice_index(rest, '\n')};
        if (text.length > 0 && text.length <= FAMILY_MESSAGE_MAX)
            read_message(&checker, &context, text);
        rest = slice_after(rest, text.length < rest.length ? text.length + 1 : text.length);
    }
    for (size_t i = 0; i < checker.count; i++)
        for (size_t j = 0; j < checker.kept[i].label_count; j++)
            REQUIRE(slice_equals(checker.kept[i].labels[j].value,
                                 (struct slice){checker.kept[i].copies[j], checker.kept[i].labels[j].value.length}));
    return 0;
}
