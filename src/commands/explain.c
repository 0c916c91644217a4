#include "commands/explain.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/line_patterns.h"
#include "base/number.h"
#include "base/process.h"
#include "commands/explanation.h"
#include "commands/reading.h"
#include "intake/ledger.h"

enum {
    TEXT_SHOWN = 400,          /* bytes of a line */
    LINE_PATTERNS_TOLD = 4096, /* apart from each other */
    LINE_PATTERNS_SHOWN = 20,
};

struct options {
    struct reading_options reading;
    bool summary;
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
    double lost[LOGPLEX_CODES];   /* what the context of the batch told before the present message */
    struct line_patterns *shapes; /* of lines that are not metrics; NULL: each line is printed instead */
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
        size_t length = slice_index(rest, '\n');
        print_safely((struct slice){rest.at, length});
        if (length < rest.length)
            printf("\\n");
        rest = slice_after(rest, length < rest.length ? length + 1 : length);
    }
    if (shown.length < text.length)
        printf("... (%zu bytes)", text.length);
    putchar('\n');
}

/* As heroku logs shows it; the message itself where it has no header. */
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
    printf("[");
    print_safely(line->procid);
    printf("]: ");
    print_text(line->message);
}

static bool taken_by_rule(const struct batch_judgement *judgement)
{
    struct rules_taken taken;
    return judgement->family == FAMILY_RULES && rules_reader_taken(judgement->context->rules, 0, &taken);
}

/* ": sidekiq, noise (drops it)"; false where no rule took the line. */
static bool print_rules(const struct batch_judgement *judgement)
{
    struct rules_taken taken;
    size_t count = 0;
    while (judgement->family == FAMILY_RULES && rules_reader_taken(judgement->context->rules, count, &taken)) {
        printf("%s%.*s%s", count == 0 ? ": " : ", ", (int)taken.name.length, taken.name.at,
               taken.dropped ? " (drops it)" : "");
        count++;
    }
    return count > 0;
}

static void print_verdict(const struct batch_judgement *judgement)
{
    enum verdict verdict = judgement->verdict;
    bool owned = judgement->family != FAMILY_COUNT &&
                 !(judgement->family == FAMILY_RULES && verdict == VERDICT_NOT_A_METRIC && !taken_by_rule(judgement));
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
        char number[NUMBER_ROOM];
        if (lost > 0)
            printf("    %s{%s=\"%s\"} +%.*s\n", ledger_upstream_lost.name, ledger_upstream_lost.label,
                   ledger_upstream_lost.label_values[code], (int)number_spell(lost, number), number);
    }
}

static void print_judgement(struct explainer *explainer, const struct batch_judgement *judgement)
{
    const struct buffer *text = &explainer->explanation.text;
    print_line(judgement);
    print_verdict(judgement);
    print_safely((struct slice){text->at, text->length});
    print_lost(explainer, judgement->context);
}

/* ---- all lines ---- */

static void count_verdict(struct count *count, const struct batch_judgement *judgement)
{
    struct rules_taken taken;
    count->messages++;
    for (size_t i = 0; judgement->family == FAMILY_RULES && rules_reader_taken(judgement->context->rules, i, &taken);
         i++) {
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

/* "app[web]: text": who says it is part of a line's shape, but not which dyno. */
static void count_shape(struct line_patterns *shapes, const struct line *line)
{
    char author[128], text[LINE_PATTERN_MAX], shape[sizeof author + LINE_PATTERN_MAX],
        example[LINE_PATTERN_EXAMPLE_MAX];
    struct process process;
    struct slice type = process_read(line->procid, &process) ? process.type : line->procid;
    int author_length = snprintf(author, sizeof author, "%.*s[%.*s]: ", (int)line->appname.length, line->appname.at,
                                 (int)type.length, type.at);
    int text_length = (int)line_pattern_of(line->message, text);
    if (author_length >= (int)sizeof author)
        author_length = sizeof author - 1;
    int length = snprintf(shape, sizeof shape, "%.*s%.*s", author_length, author, text_length, text);
    int shown = line->message.length < sizeof example ? (int)line->message.length : (int)sizeof example;
    line_patterns_add(shapes, (struct slice){shape, (size_t)length}, (struct slice){line->message.at, (size_t)shown});
}

static struct sample_output *watch(struct batch_observer *observer, struct recorder *recorder)
{
    struct explainer *explainer = (struct explainer *)observer;
    explanation_start_line(&explainer->explanation, recorder);
    return &explainer->explanation.output;
}

static void judge(struct batch_observer *observer, const struct batch_judgement *judgement)
{
    struct explainer *explainer = (struct explainer *)observer;
    count_verdict(&explainer->count, judgement);
    if (explainer->shapes == NULL)
        print_judgement(explainer, judgement);
    else if (judgement->verdict == VERDICT_NOT_A_METRIC && judgement->message.length > 0 && !taken_by_rule(judgement))
        count_shape(explainer->shapes, judgement->line);
    explainer->explanation.text.length = 0;
    memcpy(explainer->lost, judgement->context->lost, sizeof explainer->lost);
}

/* ---- the summary ---- */

static void print_count(const char *name, double count)
{
    char number[NUMBER_ROOM];
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

static void print_shapes(const struct line_patterns *shapes)
{
    struct line_pattern_count counts[LINE_PATTERNS_SHOWN];
    size_t shown = line_patterns_most(shapes, counts, LINE_PATTERNS_SHOWN);
    struct line_patterns_total total = line_patterns_total(shapes);
    uint64_t rest = total.counted;
    printf("most frequent shapes of lines that are not metrics:\n");
    for (size_t i = 0; i < shown; i++) {
        printf("%8" PRIu64 "  ", counts[i].count);
        print_text(counts[i].shape);
        printf("          such as ");
        print_text(counts[i].example);
        rest -= counts[i].count;
    }
    if (total.shapes > shown)
        printf("  and %zu more shapes, of %" PRIu64 " lines\n", total.shapes - shown, rest);
    if (total.without_room > 0)
        printf("  and %" PRIu64 " lines of further shapes, which were not told apart\n", total.without_room);
}

static void print_summary(const struct explainer *explainer, enum log_input_form form)
{
    printf("%" PRIu64 " messages, read as %s\n", explainer->count.messages, log_input_form_name(form));
    print_counts(&explainer->count);
    print_rule_counts(&explainer->count);
    print_samples(&explainer->explanation.tally);
    print_shapes(explainer->shapes);
}

/* ---- the command ---- */

static void explain_all(struct reading *reading, struct explainer *explainer)
{
    do
        memset(explainer->lost, 0, sizeof explainer->lost);
    while (reading_take(reading, &explainer->observer) > 0 && fflush(stdout) == 0);
    if (explainer->shapes != NULL && log_input_error(reading->file.input) == 0)
        print_summary(explainer, log_input_form(reading->file.input));
}

static int run(const struct options *options, const char *path)
{
    struct reading reading;
    if (!reading_open(&reading, &options->reading, path))
        return COMMAND_FAILED;
    int status = 0;
    struct explainer *explainer = calloc(1, sizeof *explainer);
    struct line_patterns *shapes = options->summary ? line_patterns_create(LINE_PATTERNS_TOLD) : NULL;
    if (explainer == NULL || (options->summary && shapes == NULL))
        status = command_fail("there is not enough memory");
    else {
        explainer->observer = (struct batch_observer){watch, judge};
        explainer->shapes = shapes;
        explain_all(&reading, explainer);
        buffer_free(&explainer->explanation.text);
    }
    line_patterns_free(shapes);
    free(explainer);
    int closed = reading_close(&reading);
    int finished = command_finish();
    return status != 0 ? status : closed != 0 ? closed : finished;
}

int explain(int argc, char **argv)
{
    struct options options = {0};
    const struct command_option rows[] = {
        READING_OPTIONS(options.reading),
        {"--summary", NULL, "counts by family and reason, and the most frequent shapes of lines that are not metrics",
         NULL, &options.summary},
    };
    const struct command command = {
        "explain",
        "[LOGFILE]",
        "Print for each line of a log which family reads it and what samples it gives, with + before what is added, or "
        "why\n"
        "it gives none. LOGFILE, or stdin, holds what a drain was sent, syslog messages, or the output of heroku "
        "logs.\n"
        "Settings are taken from the environment, as by the server.",
        rows,
        sizeof rows / sizeof rows[0],
        NULL,
    };
    const char *path;
    int status = command_read(&command, argc, argv, &path, 0, 1);
    return status != COMMAND_GO_ON ? status : run(&options, path);
}
