#include "commands/init.h"

#include <inttypes.h>
#include <stdio.h>

#include "commands/offline_run.h"
#include "config/proposals.h"
#include "intake/ledger.h"

enum {
    METRICS_SHOWN = 60,
    NAME_SHOWN = 100, /* bytes of a metric's name; and of its help */
};

/* What became of the messages. */
struct survey {
    struct batch_observer observer; /* first */
    uint64_t messages;
    uint64_t recognised[FAMILY_COUNT];
    uint64_t malformed[MALFORMATION_COUNT];
    uint64_t dropped;    /* by a rule */
    uint64_t not_for_us; /* gave no metric, and rules are not asked about them */
    struct proposals *proposals;
};

static const char *const malformation_meanings[] = {
#define X(id, label, meaning) meaning,
    MALFORMATIONS(X)
#undef X
};

/* ---- reading ---- */

static struct sample_output *on_line(struct batch_observer *observer, struct recorder *recorder)
{
    (void)observer;
    return &recorder->output;
}

static void count_unused(struct survey *survey, const struct batch_judgement *judgement)
{
    struct rules_taken taken;
    if (rules_taken(judgement->family, judgement->context, 0, &taken))
        survey->dropped++;
    else if (judgement->line->message.length > 0 && rules_could_take(judgement->family, judgement->line))
        proposals_add(survey->proposals, judgement->line);
    else
        survey->not_for_us++;
}

static void on_verdict(struct batch_observer *observer, const struct batch_judgement *judgement)
{
    struct survey *survey = (struct survey *)observer;
    survey->messages++;
    if (judgement->verdict == VERDICT_RECOGNISED)
        survey->recognised[judgement->family]++;
    else if (judgement->verdict == VERDICT_NOT_A_METRIC)
        count_unused(survey, judgement);
    else
        survey->malformed[judgement->verdict - VERDICT_MALFORMED]++;
}

/* ---- writing ---- */

/* "1 line", "2 lines" */
static void add_count(struct buffer *out, uint64_t count, const char *what)
{
    buffer_format(out, "%" PRIu64 " %s%s", count, what, count == 1 ? "" : "s");
}

static void add_row(struct buffer *out, uint64_t count, const char *what)
{
    if (count > 0)
        buffer_format(out, "#   %8" PRIu64 "  %s\n", count, what);
}

static void write_head(const struct survey *survey, enum log_input_form form, struct buffer *out)
{
    buffer_format(out, "# A configuration of drain_exporter, made from a log of ");
    add_count(out, survey->messages, "message");
    buffer_format(out,
                  ", read as %s.\n"
                  "# What stands behind a \"#\" is a comment. As it is printed, it changes nothing.\n"
                  "#\n"
                  "# Keep it in a file, say drains.yaml. Check it after each change, then start with it:\n"
                  "#\n"
                  "#   drain_exporter --check-config --config-file=drains.yaml\n"
                  "#   PASSWORD_DRAIN=... PASSWORD_METRICS=... drain_exporter --config-file=drains.yaml\n",
                  log_input_form_name(form));
}

/* ---- the metrics that there are ---- */

struct shown_metric {
    struct slice name, help;
    bool is_gauge;
    bool was_seen; /* a line has said something of it */
};

static void write_metric(const struct shown_metric *metric, struct buffer *out)
{
    buffer_format(out, "#   ");
    size_t start = out->length;
    proposals_write_text(metric->name, NAME_SHOWN, out);
    size_t width = out->length - start;
    buffer_format(out, "%*s  ", width < 44 ? (int)(44 - width) : 0, "");
    proposals_write_text(metric->help, NAME_SHOWN, out);
    buffer_format(out, "\n");
}

static bool ends_with(struct slice line, struct slice end)
{
    return line.length >= end.length && slice_equals(slice_after(line, line.length - end.length), end);
}

static void end_metric(struct shown_metric *metric, size_t *count, struct buffer *out)
{
    *count += metric->was_seen;
    if (metric->was_seen && *count <= METRICS_SHOWN)
        write_metric(metric, out);
    *metric = (struct shown_metric){0};
}

static void write_metrics(struct slice page, struct buffer *out)
{
    struct shown_metric metric = {0};
    size_t count = 0;
    while (page.length > 0) {
        struct slice line = slice_cut_line(&page);
        if (offline_run_is_self_metric(line))
            continue;
        if (slice_starts_with(line, SLICE("# HELP "))) {
            end_metric(&metric, &count, out);
            struct slice text = slice_after(line, strlen("# HELP "));
            metric.name = (struct slice){text.at, slice_index(text, ' ')};
            metric.help = slice_trim(slice_after(text, metric.name.length));
        } else if (slice_starts_with(line, SLICE("# TYPE ")))
            metric.is_gauge = ends_with(line, SLICE(" gauge"));
        else if (metric.is_gauge || !ends_with(line, SLICE(" 0"))) /* counters are there before they rise */
            metric.was_seen = true;
    }
    end_metric(&metric, &count, out);
    if (count > METRICS_SHOWN)
        buffer_format(out, "#   and %zu more\n", count - METRICS_SHOWN);
}

static void write_recognised(const struct survey *survey, struct slice page, struct buffer *out)
{
    buffer_format(out, "\n# ---- What gives metrics already, without a rule ----\n#\n");
    for (int family = 0; family < FAMILY_COUNT; family++)
        add_row(out, family == FAMILY_RULES ? 0 : survey->recognised[family],
                ledger_messages_recognised.label_values[family]);
    add_row(out, survey->recognised[FAMILY_RULES] + survey->dropped,
            "taken by rules of the configuration that you have");
    buffer_format(out, "#\n# They make these metrics, which \"drain_exporter convert\" shows with their values:\n#\n");
    write_metrics(page, out);
}

static void write_malformed(const struct survey *survey, struct buffer *out)
{
    size_t start = out->length;
    buffer_format(out, "\n# ---- What cannot be read ----\n#\n");
    size_t head = out->length;
    for (int reason = 0; reason < MALFORMATION_COUNT; reason++)
        add_row(out, survey->malformed[reason], malformation_meanings[reason]);
    if (out->length == head)
        out->length = start; /* nothing */
}

static void write_drains(struct buffer *out)
{
    buffer_format(
        out, "\n# ---- Apps ----\n"
             "#\n"
             "# An app that shall have a password or labels of its own gets an entry in this list. Put the entries "
             "below it,\n"
             "# and take away the \"[]\". docker/config.example.yaml shows what they may say.\n"
             "\ndrains: []\n");
}

static void write_counts(const struct survey *survey, const struct proposals_total *total, struct buffer *out)
{
    buffer_format(out, "# ");
    add_count(out, total->lines, "line");
    if (total->rules == 0)
        buffer_format(out, " gave no metric, and no rule can be made of them.\n");
    else
        buffer_format(out, " gave no metric; the rules below take %" PRIu64 ". Each was tried on the lines above it.\n",
                      total->taken);
    if (survey->not_for_us == 0)
        return;
    buffer_format(out, "# ");
    add_count(out, survey->not_for_us, "further message");
    buffer_format(out, " gave none either, and no rule could take them: empty, too long, or the platform's own.\n");
}

static void write_rules(const struct survey *survey, struct buffer *out)
{
    struct proposals_total total = proposals_total(survey->proposals);
    uint64_t others = total.lines - total.taken - total.without_rule;
    buffer_format(out, "\n# ---- Rules for other lines ----\n#\n");
    if (total.lines == 0) {
        buffer_format(out, "# No line is left that a rule could take, so none is proposed.\n");
        return;
    }
    write_counts(survey, &total, out);
    if (total.rules > 0)
        buffer_format(out,
                      "# To use a rule, take away the first \"# \" of each of its lines, and of the line \"rules:\".\n"
                      "# Then give it and its metrics names that say what they are, and see what it does:\n"
                      "#\n"
                      "#   drain_exporter explain --config drains.yaml LOGFILE\n"
                      "#\n");
    proposals_write(survey->proposals, out);
    if (others > 0) {
        buffer_format(out, "#\n#   # \"drain_exporter explain --summary\" shows the other ");
        add_count(out, others, "line");
        buffer_format(out, ", of rarer kinds.\n");
    }
}

static void write_document(const struct survey *survey, enum log_input_form form, struct slice page, struct buffer *out)
{
    uint64_t recognised = survey->dropped;
    for (int family = 0; family < FAMILY_COUNT; family++)
        recognised += survey->recognised[family];
    write_head(survey, form, out);
    if (recognised > 0)
        write_recognised(survey, page, out);
    write_malformed(survey, out);
    write_drains(out);
    write_rules(survey, out);
}

/* ---- the command ---- */

/* All at once, so that half a configuration is never printed. */
static int print_document(struct survey *survey, const struct offline_run *run)
{
    struct buffer page = {0}, document = {0};
    proposals_make(survey->proposals);
    bool made = offline_run_page(run, &page);
    if (made)
        write_document(survey, log_input_form(run->file.input), (struct slice){page.at, page.length}, &document);
    made = made && !document.failed;
    if (made)
        fwrite(document.at, 1, document.length, stdout);
    buffer_free(&page);
    buffer_free(&document);
    return made ? 0 : command_fail(ERROR_NO_MEMORY);
}

static int run(const struct offline_run_options *options, const char *path)
{
    struct offline_run offline;
    if (!offline_run_open(&offline, options, path))
        return COMMAND_FAILED;
    struct survey survey = {.observer = {on_line, on_verdict}, .proposals = proposals_create(PROPOSALS_TOLD)};
    int status = survey.proposals == NULL ? command_fail(ERROR_NO_MEMORY) : 0;
    while (status == 0 && offline_run_next(&offline, &survey.observer) > 0)
        ;
    if (status == 0 && log_input_error(offline.file.input) == 0)
        status = print_document(&survey, &offline);
    proposals_free(survey.proposals);
    int closed = offline_run_close(&offline);
    int finished = command_finish();
    return status != 0 ? status : closed != 0 ? closed : finished;
}

int init(int argc, char **argv)
{
    struct offline_run_options options = {0};
    const struct command_option rows[] = {OFFLINE_RUN_OPTIONS(options)};
    const struct command command = {
        "init",
        "[LOGFILE]",
        "Print a configuration to start with, that suits a log: comments say what gives metrics already, and rules for "
        "the\n"
        "commonest other lines, with such lines, wait to be uncommented. LOGFILE, or stdin, holds the output of heroku "
        "logs or\n"
        "cf logs, what a drain was sent, or syslog messages. Settings are taken from the environment, as by the "
        "server.",
        rows,
        sizeof rows / sizeof rows[0],
        NULL,
    };
    const char *path;
    int status = command_read(&command, argc, argv, &path, 0, 1);
    return status != COMMAND_GO_ON ? status : run(&options, path);
}
