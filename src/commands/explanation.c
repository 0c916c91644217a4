#include "commands/explanation.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/number.h"

#define INDENT "    "

static void append(struct explanation *explanation, struct slice text)
{
    buffer_append(&explanation->text, text);
}

static void append_number(struct explanation *explanation, double number)
{
    char text[NUMBER_TEXT_MAX];
    append(explanation, (struct slice){text, number_spell(number, text)});
}

/* " 5", or " +5" for what is added. */
static void append_amount(struct explanation *explanation, double number, bool added)
{
    append(explanation, added && !(number < 0) ? SLICE(" +") : SLICE(" "));
    append_number(explanation, number);
}

/* "# web.1 started" */
static void append_remark(struct explanation *explanation, struct slice subject, const char *what)
{
    append(explanation, SLICE(INDENT "# "));
    append(explanation, subject);
    append(explanation, slice_of(what));
    append(explanation, SLICE("\n"));
}

/* ---- what becomes of a sample ---- */

static void append_rejection(struct explanation *explanation, enum sample_rejection reason)
{
    static const struct {
        const char *label;
        const char *meaning;
    } rejections[] = {
#define X(id, label, meaning) {label, meaning},
        SAMPLE_REJECTIONS(X)
#undef X
    };
    append(explanation, SLICE("# rejected, "));
    append(explanation, slice_of(rejections[reason].label));
    append(explanation, SLICE(": "));
    append(explanation, slice_of(rejections[reason].meaning));
}

/* End a sample's line with what the recorder has counted since before. */
static void append_fate(struct explanation *explanation, const struct recorder_tally *before)
{
    const struct recorder_tally *after = &explanation->recorder->tally;
    struct recorder_tally *total = &explanation->tally;
    total->recorded += after->recorded - before->recorded;
    total->outdated += after->outdated - before->outdated;
    if (after->outdated > before->outdated)
        append(explanation, SLICE("  # outdated: a later line was read before, or another metric has the name"));
    for (int reason = 0; reason < REJECTED_REASONS; reason++) {
        total->rejected[reason] += after->rejected[reason] - before->rejected[reason];
        if (after->rejected[reason] > before->rejected[reason]) {
            append(explanation, SLICE("  "));
            append_rejection(explanation, (enum sample_rejection)reason);
        }
    }
    for (int family = 0; family < FAMILY_COUNT; family++) {
        total->refused[family] += after->refused[family] - before->refused[family];
        if (after->refused[family] > before->refused[family])
            append(explanation, SLICE("  # refused: its series would go over a bound"));
    }
    append(explanation, SLICE("\n"));
}

/* ---- samples ---- */

static void append_identity(struct explanation *explanation, const struct identity *identity, const char *suffix,
                            const struct metric *metric, unsigned cell)
{
    struct slice labels = identity_labels(identity);
    bool by_label = metric != NULL && metric->cells > 0 && metric->label != NULL;
    append(explanation, SLICE(INDENT));
    append(explanation, identity_name(identity));
    append(explanation, slice_of(suffix));
    if (labels.length == 0 && !by_label)
        return;
    append(explanation, SLICE("{"));
    append(explanation, labels);
    if (by_label) {
        append(explanation, labels.length > 0 ? SLICE(",") : SLICE(""));
        append(explanation, slice_of(metric->label));
        append(explanation, SLICE("=\""));
        append(explanation, slice_of(metric->label_values[cell]));
        append(explanation, SLICE("\""));
    }
    append(explanation, SLICE("}"));
}

/* A sample that has no identity: all that can be shown is the name that it wants. */
static void append_name(struct explanation *explanation, const struct sample *sample)
{
    enum { SHOWN_MAX = 100 };
    append(explanation, SLICE(INDENT));
    append(explanation,
           (struct slice){sample->name.at, sample->name.length < SHOWN_MAX ? sample->name.length : SHOWN_MAX});
}

/* The parts of a value that have numbers of their own. */
static void append_value(struct explanation *explanation, const struct identity *identity, const struct sample *sample)
{
    static const char *const parts[] = {
        [VALUE_HISTOGRAM] = "buckets", [VALUE_SUMMARY] = "quantiles", [VALUE_SKETCH] = "bins"};
    const struct value *value = sample->value;
    char remark[64];
    if (value->type == VALUE_COUNTER || value->type == VALUE_GAUGE || value->type == VALUE_SET ||
        value->type == VALUE_EXTERNAL_COUNTER) {
        append_identity(explanation, identity, "", NULL, 0);
        append_amount(explanation, value->number, sample->incremental);
        append(explanation, value->type == VALUE_SET ? SLICE("  # members of a set") : SLICE(""));
        return;
    }
    append_identity(explanation, identity, "_count", NULL, 0);
    append_amount(explanation, value->number, sample->incremental);
    append(explanation, SLICE("\n"));
    append_identity(explanation, identity, "_sum", NULL, 0);
    append_amount(explanation, value->words[0].number, sample->incremental);
    int length = snprintf(remark, sizeof remark, "  # %u %s", value->size, parts[value->type]);
    append(explanation, (struct slice){remark, (size_t)length});
}

static void append_sample(struct explanation *explanation, const struct sample *sample)
{
    struct identity identity;
    if (recorder_identity(explanation->recorder, sample, &identity) != IDENTITY_OK)
        append_name(explanation, sample);
    else if (sample->metric != NULL && sample->metric->cells > 0) {
        append_identity(explanation, &identity, "", sample->metric, sample->cell);
        append_amount(explanation, sample->amount, true);
    } else
        append_value(explanation, &identity, sample);
}

/* ---- what a family calls ---- */

/* Nothing of what was found before may be used if the recorder has forgotten it. */
static void forget_found(struct explanation *explanation)
{
    static uint64_t generation;
    explanation->found_count = 0;
    explanation->output.generation = ++generation;
}

static void record(struct sample_output *output, const struct sample *sample)
{
    struct explanation *explanation = (struct explanation *)output;
    struct sample_output *next = &explanation->recorder->output;
    struct recorder_tally before = explanation->recorder->tally;
    uint64_t generation = next->generation;
    bool zero = sample->metric != NULL && sample->metric->cells > 0 && sample->amount == 0;
    if (!zero)
        append_sample(explanation, sample);
    next->record(next, sample);
    if (!zero)
        append_fate(explanation, &before);
    if (next->generation != generation)
        forget_found(explanation);
}

static void reject(struct sample_output *output, enum sample_rejection reason)
{
    struct explanation *explanation = (struct explanation *)output;
    struct recorder *recorder = explanation->recorder;
    append(explanation, SLICE(INDENT));
    append_rejection(explanation, reason);
    append(explanation, SLICE("\n"));
    explanation->tally.rejected[reason]++;
    recorder->output.reject(&recorder->output, reason);
}

static struct series *find(struct sample_output *output, const struct sample *sample)
{
    struct explanation *explanation = (struct explanation *)output;
    struct sample_output *next = &explanation->recorder->output;
    struct recorder_tally before = explanation->recorder->tally;
    if (explanation->found_count == EXPLANATION_FOUND)
        forget_found(explanation); /* who finds so many uses each at once */
    struct series *series = next->find(next, sample);
    if (series == NULL) {
        append_sample(explanation, sample);
        append_fate(explanation, &before);
        return NULL;
    }
    struct explained_series *found = &explanation->found[explanation->found_count++];
    *found = (struct explained_series){.series = series, .metric = sample->metric};
    recorder_identity(explanation->recorder, sample, &found->identity);
    return series;
}

static const struct explained_series *look_up(const struct explanation *explanation, const struct series *series)
{
    size_t i = 0;
    while (i + 1 < explanation->found_count && explanation->found[i].series != series)
        i++;
    return &explanation->found[i];
}

static void add(struct sample_output *output, struct series *counter, unsigned cell, double amount)
{
    struct explanation *explanation = (struct explanation *)output;
    struct sample_output *next = &explanation->recorder->output;
    struct recorder_tally before = explanation->recorder->tally;
    const struct explained_series *found = look_up(explanation, counter);
    next->add(next, counter, cell, amount);
    if (amount == 0)
        return;
    append_identity(explanation, &found->identity, "", found->metric, cell);
    append_amount(explanation, amount, true);
    append_fate(explanation, &before);
}

static void observe(struct sample_output *output, struct series *histogram, const struct metric *metric,
                    double observation)
{
    struct explanation *explanation = (struct explanation *)output;
    struct sample_output *next = &explanation->recorder->output;
    struct recorder_tally before = explanation->recorder->tally;
    const struct explained_series *found = look_up(explanation, histogram);
    next->observe(next, histogram, metric, observation);
    append_identity(explanation, &found->identity, "_count", NULL, 0);
    append_amount(explanation, 1, true);
    append(explanation, SLICE("\n"));
    append_identity(explanation, &found->identity, "_sum", NULL, 0);
    append_amount(explanation, observation, true);
    append_fate(explanation, &before);
}

static void notify(struct sample_output *output, struct slice process, enum process_event event)
{
    static const char *const words[] = {[PROCESS_STARTED] = " started",
                                        [PROCESS_RESTARTED] = " restarted: what it has reported is over",
                                        [PROCESS_EXITED] = " exited: what it has reported is over",
                                        [PROCESS_ENDED] = " ended, and its series with it"};
    struct explanation *explanation = (struct explanation *)output;
    struct sample_output *next = &explanation->recorder->output;
    append_remark(explanation, process, words[event]);
    next->notify(next, process, event);
}

static bool restart(struct sample_output *output, struct slice process)
{
    struct sample_output *next = &((struct explanation *)output)->recorder->output;
    return next->restart(next, process);
}

static enum process_instance instance(struct sample_output *output, struct slice process, struct slice instance)
{
    struct explanation *explanation = (struct explanation *)output;
    struct sample_output *next = &explanation->recorder->output;
    enum process_instance found = next->instance(next, process, instance);
    if (found == INSTANCE_NEXT)
        append_remark(explanation, process, " is another instance than before: what that one has reported is over");
    else if (found == INSTANCE_FORMER)
        append_remark(explanation, process, " is an instance whose place was taken: what it reports is not used");
    return found;
}

static bool runs_as(struct sample_output *output, struct slice process, struct slice instance)
{
    struct explanation *explanation = (struct explanation *)output;
    struct sample_output *next = &explanation->recorder->output;
    bool is_it = next->runs_as(next, process, instance);
    if (!is_it)
        append_remark(explanation, process, " runs as another instance: that this one ends changes nothing");
    return is_it;
}

static void scale(struct sample_output *output, struct slice type, unsigned count)
{
    struct explanation *explanation = (struct explanation *)output;
    struct sample_output *next = &explanation->recorder->output;
    char words[64];
    snprintf(words, sizeof words, " was scaled to %u: those of a higher number have ended", count);
    append_remark(explanation, type, words);
    next->scale(next, type, count);
}

void explanation_start_line(struct explanation *explanation, struct recorder *recorder)
{
    explanation->output = (struct sample_output){.record = record,
                                                 .reject = reject,
                                                 .find = find,
                                                 .add = add,
                                                 .observe = observe,
                                                 .notify = notify,
                                                 .restart = restart,
                                                 .instance = instance,
                                                 .runs_as = runs_as,
                                                 .scale = scale};
    explanation->recorder = recorder;
    explanation->text.length = 0;
    forget_found(explanation);
}
