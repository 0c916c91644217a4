/* Rules and lines: the configuration, up to a line that is "--", and then messages, one on each line.  What the rules
 * make of them must be as sample.h says, and what excludes a rule beforehand must exclude no line that it takes. */
#include <math.h>

#include "base/log.h"
#include "base/scan.h"
#include "config/configuration.h"
#include "families/rules.h"
#include "fuzz.h"
#include "intake/ledger.h"

enum { KEPT_MAX = 512, LABELS_MAX = RULE_LABELS_MAX + 3 };

/* A counted sample, to see that what it is known by stays as it is until the batch ends; but if it is transient, until
 * the call ends. */
struct kept {
    const struct metric *metric;
    bool transient;
    size_t label_count;
    struct label labels[LABELS_MAX];
    char *copies[LABELS_MAX];
};

struct checker {
    struct sample_output output; /* first */
    size_t count;
    struct kept kept[KEPT_MAX];
};

static void check_names(const struct checker *checker, const struct sample *sample)
{
    for (size_t i = 0; i < checker->count; i++) {
        const struct kept *kept = &checker->kept[i];
        for (size_t j = 0; kept->metric == sample->metric && j < sample->label_count; j++)
            REQUIRE(kept->label_count != sample->label_count ||
                    slice_equals(kept->labels[j].name, sample->labels[j].name));
    }
}

static struct kept *keep(struct checker *checker, const struct sample *sample)
{
    REQUIRE(sample->label_count <= LABELS_MAX);
    check_names(checker, sample);
    struct kept *kept = &checker->kept[checker->count < KEPT_MAX ? checker->count++ : KEPT_MAX - 1];
    for (size_t i = 0; i < kept->label_count; i++)
        free(kept->copies[i]);
    *kept = (struct kept){.metric = sample->metric, .transient = sample->transient, .label_count = sample->label_count};
    for (size_t i = 0; i < sample->label_count; i++) {
        kept->labels[i] = sample->labels[i];
        kept->copies[i] = malloc(sample->labels[i].value.length + 1);
        if (sample->labels[i].value.length > 0)
            memcpy(kept->copies[i], sample->labels[i].value.at, sample->labels[i].value.length);
    }
    return kept;
}

static void check_kept(struct checker *checker)
{
    for (size_t i = 0; i < checker->count; i++) {
        struct kept *kept = &checker->kept[i];
        for (size_t j = 0; j < kept->label_count; j++) {
            REQUIRE(kept->transient ||
                    slice_equals(kept->labels[j].value, (struct slice){kept->copies[j], kept->labels[j].value.length}));
            free(kept->copies[j]);
        }
        kept->label_count = 0;
    }
    checker->count = 0;
}

static void check_sample(const struct sample *sample)
{
    struct identity identity;
    REQUIRE(sample->metric != NULL && slice_equals(sample->name, slice_of(sample->metric->name)));
    REQUIRE(sample->namespace.length == 0 &&
            (sample->process.length == 0 || slice_equals(sample->process, SLICE("web.1"))));
    if (identity_build(&identity, sample->namespace, sample->name, sample->labels, sample->label_count) == IDENTITY_OK)
        REQUIRE(slice_equals(identity_name(&identity), sample->name)); /* it is legal as it is */
}

static void record(struct sample_output *output, const struct sample *sample)
{
    check_sample(sample);
    if (sample->metric->cells > 0) {
        REQUIRE(sample->metric->type == METRIC_COUNTER && sample->cell == 0);
        REQUIRE(isfinite(sample->amount) && sample->amount >= 0);
        keep((struct checker *)output, sample);
    } else {
        REQUIRE(isfinite(sample->value->number));
        REQUIRE(sample->value->type == VALUE_GAUGE ||
                (sample->value->type == VALUE_EXTERNAL_COUNTER && sample->value->number >= 0));
    }
}

static void reject(struct sample_output *output, enum sample_rejection reason)
{
    (void)output;
    REQUIRE(reason == REJECTED_VALUE || reason == REJECTED_TOO_LARGE);
}

static struct series *find(struct sample_output *output, const struct sample *sample)
{
    check_sample(sample);
    REQUIRE(sample->metric->type == METRIC_HISTOGRAM);
    return (struct series *)keep((struct checker *)output, sample);
}

static void observe(struct sample_output *output, struct series *histogram, const struct metric *metric,
                    double observation)
{
    (void)output;
    REQUIRE(((struct kept *)histogram)->metric == metric && isfinite(observation) && observation >= 0);
}

/* An input that starts with ^ is one expression, and lines for it. */
static void check_pattern(struct slice text, struct slice lines, struct rule_matcher *matcher)
{
    char error[ERROR_MAX];
    struct rule_pattern *pattern = rule_pattern_create(text, error);
    while (pattern != NULL && lines.length > 0) {
        struct slice line = {lines.at, slice_index(lines, '\n')};
        if (rule_pattern_match(pattern, matcher, line) == RULE_MATCHES) {
            struct slice part = rule_pattern_part(pattern);
            REQUIRE(slice_starts_with(line, rule_pattern_start(pattern)));
            REQUIRE(part.length == 0 || scan_holds(line, part));
            REQUIRE(line.length == 0 ? rule_pattern_may_be_empty(pattern)
                                     : rule_pattern_may_start(pattern, (unsigned char)line.at[0]));
            for (unsigned i = 0; i <= RULE_GROUPS_MAX; i++) {
                struct slice group = rule_matcher_group(matcher, i);
                REQUIRE(group.length == 0 || (group.at >= line.at && group.at + group.length <= line.at + line.length));
            }
        }
        lines = slice_after(lines, line.length < lines.length ? line.length + 1 : line.length);
    }
    rule_pattern_free(pattern);
}

/* What is told of values that are not used is short, and safe to show. */
static void check_unread(const struct family_context *context)
{
    struct rules_unread unread;
    for (size_t i = 0; rules_unread(FAMILY_RULES, context, i, &unread); i++) {
        REQUIRE(i < RULES_TOLD && unread.text.length <= RULES_UNREAD_TEXT && unread.unit.length <= RULES_UNREAD_TEXT);
        REQUIRE(rules_make(context->rules, slice_of(unread.metric)));
        for (size_t j = 0; j < unread.text.length; j++)
            REQUIRE((unsigned char)unread.text.at[j] >= ' ' && unread.text.at[j] != 0x7F);
    }
}

static void read_lines(struct slice lines, struct family_context *context, struct checker *checker)
{
    static const char *const procids[] = {"web.1", "run.1234", "router"};
    for (unsigned number = 0; lines.length > 0; number++) {
        struct slice text = {lines.at, slice_index(lines, '\n')};
        struct line line = {.appname = SLICE("app"), .procid = slice_of(procids[number % 3]), .message = text};
        REQUIRE(rules_family.owns(&line, context));
        enum verdict verdict = rules_family.read(&line, context, &checker->output);
        REQUIRE(verdict == VERDICT_RECOGNISED || verdict == VERDICT_NOT_A_METRIC);
        check_unread(context);
        lines = slice_after(lines, text.length < lines.length ? text.length + 1 : text.length);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct checker checker;
    static void *states[FAMILY_COUNT];
    static struct rule_matcher *matcher;
    static struct entities *entities;
    static struct store *store;
    if (store == NULL) {
        entities = entities_create(&(struct entities_settings){.app_silence = 1000, .grace = 1000});
        store = store_create(&(struct store_settings){.max_series = 1000, .slots = 1, .entities = entities});
        REQUIRE(families_open(states));
        matcher = rule_matcher_create();
        log_set_level(LOG_ERROR);
    }
    const char *mark = memmem(data, size, "\n--\n", 4);
    struct slice text = {(const char *)data, size}, lines = {"", 0};
    if (mark != NULL) {
        text.length = (size_t)(mark - text.at);
        lines = (struct slice){mark + 4, size - text.length - 4};
    }
    if (text.length > 0 && text.at[0] == '^') {
        check_pattern(text, lines, matcher);
        return 0;
    }
    struct buffer mistakes = {0};
    struct configuration *file = configuration_parse(text, "CONFIG", true, &mistakes);
    buffer_free(&mistakes);
    if (file == NULL || file->rules == NULL) {
        configuration_free(file);
        return 0;
    }
    struct family_context context = {.app = SLICE("my-app"), .states = states, .rules = file->rules};
    checker.output = (struct sample_output){.record = record, .reject = reject, .find = find, .observe = observe};
    families_begin_batch(&context);
    read_lines(lines, &context, &checker);
    check_kept(&checker);
    store_enter(store, 0);
    ledger_count_rules(rules_reader_of(&context), store, 0, 1);
    store_leave(store, 0);
    configuration_free(file);
    return 0;
}
