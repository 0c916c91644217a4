#include "commands/explain.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/line_patterns.h"
#include "base/number.h"
#include "commands/explanation.h"
#include "commands/offline_run.h"
#include "config/proposals.h"
#include "intake/ledger.h"

enum {
    TEXT_SHOWN = 400,          /* bytes of a line */
    LINE_PATTERNS_TOLD = 4096, /* apart from each other */
    LINE_PATTERNS_SHOWN = 20,
};

struct options {
    struct offline_run_options run;
    bool summary;
    bool suggest;
};

/* What is counted of all messages. */
struct count {
    uint64_t messages;
    uint64_t recognised[FAMILY_COUNT];
    uint64_t ignored;
    uint64_t malformed[MALFORMATION_COUNT];
    uint64_t rules[RULES_MAX];
    struct slice rule_names[RULES_MAX]; /* of those that took lines */
};

struct explainer {
    struct batch_observer observer; /* first */
    struct explanation explanation;
    struct count count;
    double lost[LOGPLEX_CODES]; /* what the context of the batch told before the present message */
    /* For the summary, of lines that are not metrics; for suggestions.  Both NULL: each line is printed. */
    struct line_patterns *patterns;
    struct proposals *proposals;
};

static const char *const malformation_meanings[] = {
#define X(id, label, meaning) meaning,
    MALFORMATIONS(X)
#undef X
};

/* ---- one line ---- */

/* Control characters, also those of ISO 6429 as UTF-8, are shown as their numbers: a log must not steer the terminal.
 */
static void print_safely(struct slice text)
{
    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.at[i];
        unsigned char next = i + 1 < text.length ? (unsigned char)text.at[i + 1] : 0;
        bool controls = byte < ' ' || byte == 0x7f || (byte == 0xC2 && next >= 0x80 && next < 0xA0);
        if (controls && byte != '\t' && byte != '\n')
            printf("\\x%02x", byte);
        else
            putchar(byte);
    }
}

/* A text of one line; its newlines are shown too. */
static void print_text(struct slice text)
{
    struct slice shown = slice_beginning(text, TEXT_SHOWN);
    for (struct slice rest = shown; rest.length > 0;) {
        size_t before = rest.length;
        struct slice line = slice_cut_line(&rest);
        print_safely(line);
        if (line.length + rest.length < before)
            printf("\\n");
    }
    if (shown.length < text.length)
        printf("... (%zu bytes)", text.length);
    putchar('\n');
}

/* As heroku logs shows it; the message itself if it has no header. */
static void print_line(const struct batch_judgement *judgement)
{
    const struct line *line = judgement->line;
    if (line->timestamp.length == 0) {
        print_text(judgement->message);
        return;
    }
    print_safely(line->timestamp);
    printf(" ");
    print_safely(line->appname);
    bool is_bracketed = line->procid.length > 0 && line->procid.at[0] == '['; /* by Cloud Foundry itself */
    printf(is_bracketed ? " " : "[");
    print_safely(line->procid);
    printf(is_bracketed ? ": " : "]: ");
    print_text(line->message);
}

static bool taken_by_rule(const struct batch_judgement *judgement)
{
    struct rules_taken taken;
    return rules_taken(judgement->family, judgement->context, 0, &taken);
}

/* ": sidekiq, noise (drops it)"; false if no rule took the line. */
static bool print_rules(const struct batch_judgement *judgement)
{
    struct rules_taken taken;
    size_t count = 0;
    while (rules_taken(judgement->family, judgement->context, count, &taken)) {
        printf("%s%.*s%s", count == 0 ? ": " : ", ", (int)taken.name.length, taken.name.at,
               taken.dropped ? " (drops it)" : "");
        count++;
    }
    return count > 0;
}

static void print_verdict(const struct batch_judgement *judgement)
{
    enum verdict verdict = judgement->verdict;
    bool owned = judgement->family != FAMILY_COUNT && !(families[judgement->family]->owns_all &&
                                                        verdict == VERDICT_NOT_A_METRIC && !taken_by_rule(judgement));
    printf("  ");
    if (owned)
        printf("family %s", ledger_messages_recognised.label_values[judgement->family]);
    bool taken = owned && print_rules(judgement);
    if (verdict == VERDICT_NOT_A_METRIC && !taken)
        printf("%snot a metric", owned ? ", " : "");
    else if (verdict >= VERDICT_MALFORMED)
        printf("%smalformed, %s: %s", owned ? ", " : "",
               ledger_messages_malformed.label_values[verdict - VERDICT_MALFORMED],
               malformation_meanings[verdict - VERDICT_MALFORMED]);
    putchar('\n');
}

/* What a line tells beside samples: that messages were lost. */
static void print_lost(struct explainer *explainer, const struct family_context *context)
{
    for (int code = 0; code < LOGPLEX_CODES; code++) {
        double lost = context->lost[code] - explainer->lost[code];
        char number[NUMBER_TEXT_MAX];
        if (lost > 0)
            printf("    %s{%s=\"%s\"} +%.*s\n", ledger_upstream_lost.name, ledger_upstream_lost.label,
                   ledger_upstream_lost.label_values[code], (int)number_spell(lost, number), number);
    }
}

/* Why values of rules were not used: the metric, the text, and the unit of it that is not known. */
static void print_unread(const struct batch_judgement *judgement)
{
    struct rules_unread unread;
    for (size_t i = 0; rules_unread(judgement->family, judgement->context, i, &unread); i++) {
        printf("    # rule %.*s, %s: the value \"", (int)unread.rule.length, unread.rule.at, unread.metric);
        print_safely(unread.text);
        printf("\" cannot be used: %s%s", rules_unread_meaning(unread.reason), unread.unit.length > 0 ? ": " : "");
        print_safely(unread.unit);
        putchar('\n');
    }
}

static void print_judgement(struct explainer *explainer, const struct batch_judgement *judgement)
{
    const struct buffer *text = &explainer->explanation.text;
    print_line(judgement);
    print_verdict(judgement);
    print_safely((struct slice){text->at, text->length});
    print_unread(judgement);
    print_lost(explainer, judgement->context);
}

/* ---- all lines ---- */

static void count_verdict(struct count *count, const struct batch_judgement *judgement)
{
    struct rules_taken taken;
    count->messages++;
    for (size_t i = 0; rules_taken(judgement->family, judgement->context, i, &taken); i++) {
        count->rules[taken.number]++;
        count->rule_names[taken.number] = taken.name;
    }
    if (judgement->verdict == VERDICT_RECOGNISED)
        count->recognised[judgement->family]++;
    else if (judgement->verdict == VERDICT_NOT_A_METRIC)
        count->ignored++;
    else
        count->malformed[judgement->verdict - VERDICT_MALFORMED]++;
}

static void count_pattern(struct line_patterns *patterns, const struct line *line)
{
    char shape[LINE_SHAPE_MAX];
    size_t length = line_shape_of(line, shape);
    line_patterns_add(patterns, (struct slice){shape, length},
                      slice_beginning(line->message, LINE_PATTERN_EXAMPLE_MAX));
}

static struct sample_output *on_line(struct batch_observer *observer, struct recorder *recorder)
{
    struct explainer *explainer = (struct explainer *)observer;
    explanation_start_line(&explainer->explanation, recorder);
    return &explainer->explanation.output;
}

static void on_verdict(struct batch_observer *observer, const struct batch_judgement *judgement)
{
    struct explainer *explainer = (struct explainer *)observer;
    count_verdict(&explainer->count, judgement);
    bool yields_nothing =
        judgement->verdict == VERDICT_NOT_A_METRIC && judgement->message.length > 0 && !taken_by_rule(judgement);
    if (explainer->patterns == NULL && explainer->proposals == NULL)
        print_judgement(explainer, judgement);
    else if (yields_nothing && explainer->patterns != NULL)
        count_pattern(explainer->patterns, judgement->line);
    else if (yields_nothing && judgement->line->message.length > 0 &&
             rules_could_take(judgement->family, judgement->line))
        proposals_add(explainer->proposals, judgement->line);
    explainer->explanation.text.length = 0;
    memcpy(explainer->lost, judgement->context->lost, sizeof explainer->lost);
}

/* ---- the summary ---- */

static void print_count(const char *name, double count)
{
    char number[NUMBER_TEXT_MAX];
    if (count > 0)
        printf("  %-16s %.*s\n", name, (int)number_spell(count, number), number);
}

static void print_counts(const struct count *count)
{
    printf("recognised, by family:\n");
    for (int family = 0; family < FAMILY_COUNT; family++)
        print_count(ledger_messages_recognised.label_values[family], (double)count->recognised[family]);
    printf("not used, by reason:\n");
    print_count("not a metric", (double)count->ignored);
    for (int reason = 0; reason < MALFORMATION_COUNT; reason++)
        if (count->malformed[reason] > 0)
            printf("  %-16s %" PRIu64 "  (malformed: %s)\n", ledger_messages_malformed.label_values[reason],
                   count->malformed[reason], malformation_meanings[reason]);
}

static void print_rule_counts(const struct count *count)
{
    bool any = false;
    for (size_t i = 0; i < RULES_MAX; i++) {
        if (count->rules[i] == 0)
            continue;
        if (!any)
            printf("taken, by rule:\n");
        any = true;
        printf("  %-16.*s %" PRIu64 "\n", (int)count->rule_names[i].length, count->rule_names[i].at, count->rules[i]);
    }
}

static void print_samples(const struct recorder_tally *tally)
{
    double refused = 0;
    for (int family = 0; family < FAMILY_COUNT; family++)
        refused += tally->refused[family];
    printf("samples:\n");
    print_count("recorded", tally->recorded);
    print_count("outdated", tally->outdated);
    print_count("over a bound", refused);
    for (int reason = 0; reason < REJECTED_REASONS; reason++)
        if (tally->rejected[reason] > 0)
            printf("  %-16s %.0f  (rejected)\n", ledger_samples_rejected.label_values[reason], tally->rejected[reason]);
}

static void print_patterns(const struct line_patterns *patterns)
{
    struct line_pattern_count counts[LINE_PATTERNS_SHOWN];
    size_t shown = line_patterns_most(patterns, counts, LINE_PATTERNS_SHOWN);
    struct line_patterns_total total = line_patterns_total(patterns);
    uint64_t rest = total.counted;
    printf("most frequent patterns of lines that are not metrics:\n");
    for (size_t i = 0; i < shown; i++) {
        printf("%8" PRIu64 "  ", counts[i].count);
        print_text(counts[i].pattern);
        printf("          such as ");
        print_text(counts[i].example);
        rest -= counts[i].count;
    }
    if (total.patterns > shown)
        printf("  and %zu more patterns, of %" PRIu64 " lines\n", total.patterns - shown, rest);
    if (total.not_told_apart > 0)
        printf("  and %" PRIu64 " lines of further patterns, which were not told apart\n", total.not_told_apart);
}

/* ---- suggestions ---- */

static int print_suggestions(struct proposals *proposals)
{
    struct buffer text = {0};
    proposals_make(proposals);
    proposals_write(proposals, &text);
    printf(
        "# # Rules for the commonest lines that yield nothing.  Take away the \"# \" before those that you want, and\n"
        "# # give them names of your own.\n%.*s",
        (int)text.length, text.at);
    if (proposals_total(proposals).lines == 0)
        printf("# rules:\n#   [] # all lines yield something\n");
    int status = text.failed ? command_fail(ERROR_NO_MEMORY) : 0;
    buffer_free(&text);
    return status;
}

static void print_summary(const struct explainer *explainer, enum log_input_form form)
{
    printf("%" PRIu64 " messages, read as %s\n", explainer->count.messages, log_input_form_name(form));
    print_counts(&explainer->count);
    print_rule_counts(&explainer->count);
    print_samples(&explainer->explanation.tally);
    print_patterns(explainer->patterns);
}

/* ---- the command ---- */

static int explain_all(struct offline_run *run, struct explainer *explainer)
{
    do
        memset(explainer->lost, 0, sizeof explainer->lost);
    while (offline_run_next(run, &explainer->observer) > 0 && fflush(stdout) == 0);
    if (log_input_error(run->file.input) != 0)
        return 0; /* which is told when it is closed */
    if (explainer->proposals != NULL)
        return print_suggestions(explainer->proposals);
    if (explainer->patterns != NULL)
        print_summary(explainer, log_input_form(run->file.input));
    return 0;
}

static int run(const struct options *options, const char *path)
{
    struct offline_run offline;
    if (!offline_run_open(&offline, &options->run, path))
        return COMMAND_FAILED;
    bool summary = options->summary && !options->suggest;
    int status = 0;
    struct explainer *explainer = calloc(1, sizeof *explainer);
    struct line_patterns *patterns = summary ? line_patterns_create(LINE_PATTERNS_TOLD) : NULL;
    struct proposals *proposals = options->suggest ? proposals_create(PROPOSALS_TOLD) : NULL;
    if (explainer == NULL || (summary && patterns == NULL) || (options->suggest && proposals == NULL))
        status = command_fail(ERROR_NO_MEMORY);
    else {
        explainer->observer = (struct batch_observer){on_line, on_verdict};
        explainer->patterns = patterns;
        explainer->proposals = proposals;
        status = explain_all(&offline, explainer);
        buffer_free(&explainer->explanation.text);
    }
    proposals_free(proposals);
    line_patterns_free(patterns);
    free(explainer);
    int closed = offline_run_close(&offline);
    int finished = command_finish();
    return status != 0 ? status : closed != 0 ? closed : finished;
}

int explain(int argc, char **argv)
{
    struct options options = {0};
    const struct command_option rows[] = {
        OFFLINE_RUN_OPTIONS(options.run),
        {"--summary", NULL, "counts by family and reason, and the most frequent patterns of lines that are not metrics",
         NULL, &options.summary},
        {"--suggest", NULL,
         "a rule, ready to be edited, for each of the most frequent patterns of lines that yield nothing", NULL,
         &options.suggest},
    };
    const struct command command = {
        "explain",
        "[LOGFILE]",
        "Print for each line of a log which family reads it and what samples it yields, with + before what is added, "
        "or "
        "why\n"
        "it yields none. LOGFILE, or stdin, holds what a drain was sent, syslog messages, or the output of heroku "
        "logs or cf logs.\n"
        "Settings are taken from the environment, as by the server.",
        rows,
        sizeof rows / sizeof rows[0],
        NULL,
    };
    const char *path;
    int status = command_read(&command, argc, argv, &path, 0, 1);
    return status != COMMAND_GO_ON ? status : run(&options, path);
}
