#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/number.h"
#include "families/cf_message.h"

struct slice guarded(struct slice text)
{
    static char *pages;
    static size_t size = 1 << 20;
    if (pages == NULL) {
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        pages = mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_ptr_not_equal(pages, MAP_FAILED);
        assert_int_equal(mprotect(pages + size, page, PROT_NONE), 0);
    }
    assert_true(text.length <= size);
    char *at = pages + size - text.length;
    memmove(at, text.at, text.length);
    return (struct slice){at, text.length};
}

void each_cut(struct slice text, void (*check)(struct slice cut))
{
    for (size_t length = 0; length <= text.length; length++)
        check(guarded((struct slice){text.at, length}));
}

static void append(struct recording *recording, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void append(struct recording *recording, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length =
        vsnprintf(recording->text + recording->length, sizeof recording->text - recording->length, format, arguments);
    va_end(arguments);
    recording->length += (size_t)length;
    assert_true(recording->length < sizeof recording->text);
}

static void append_number(struct recording *recording, double number)
{
    char text[NUMBER_TEXT_MAX];
    append(recording, " %.*s", (int)number_spell(number, text), text);
}

static void append_value(struct recording *recording, const struct value *value)
{
    static const char *const names[] = {"counter", "gauge", "set", "histogram", "summary", "sketch", "total"};
    append(recording, " %s", names[value->type]);
    append_number(recording, value->number);
    if (value->type == VALUE_SET)
        return;
    for (size_t i = 0; i < value_word_count(value->type, value->size); i++)
        append_number(recording, value->words[i].number);
}

static void record(struct sample_output *output, const struct sample *sample)
{
    struct recording *recording = (struct recording *)output;
    recording->last = *sample;
    struct identity identity;
    if (identity_build(&identity, sample->namespace, sample->name, sample->labels, sample->label_count) !=
        IDENTITY_OK) {
        append(recording, "no identity\n");
        return;
    }
    struct slice name = identity_name(&identity), labels = identity_labels(&identity);
    append(recording, "%.*s{%.*s}", (int)name.length, name.at, (int)labels.length, labels.at);
    if (sample->metric != NULL && sample->metric->cells > 0) {
        if (sample->amount != 0 && sample->metric->label != NULL)
            append(recording, " %s", sample->metric->label_values[sample->cell]);
        append_number(recording, sample->amount);
    } else
        append_value(recording, sample->value);
    append(recording, "%s\n", sample->incremental ? " incremental" : "");
}

static void reject(struct sample_output *output, enum sample_rejection reason)
{
    static const char *const names[] = {
#define X(id, label, meaning) label,
        SAMPLE_REJECTIONS(X)
#undef X
    };
    append((struct recording *)output, "reject %s\n", names[reason]);
}

/* A found series is the sample itself, kept to be written when it is added to. */
static struct sample found[64];
static struct label found_labels[64][12];
static char found_names[64][256]; /* a name is valid during the call only */
static size_t found_count;

static struct series *find(struct sample_output *output, const struct sample *sample)
{
    (void)output;
    assert_true(found_count < 64 && sample->label_count <= 12);
    found[found_count] = *sample;
    memcpy(found_labels[found_count], sample->labels, sample->label_count * sizeof sample->labels[0]);
    found[found_count].labels = found_labels[found_count];
    assert_true(sample->name.length < sizeof found_names[0]);
    memcpy(found_names[found_count], sample->name.at, sample->name.length);
    found[found_count].name.at = found_names[found_count];
    return (struct series *)&found[found_count++];
}

static void add(struct sample_output *output, struct series *counter, unsigned cell, double amount)
{
    struct sample sample = *(struct sample *)counter;
    sample.cell = cell;
    sample.amount = amount;
    record(output, &sample);
}

static void observe(struct sample_output *output, struct series *histogram, const struct metric *metric,
                    double observation)
{
    (void)metric;
    add(output, histogram, 0, observation);
}

static void notify(struct sample_output *output, struct slice process, enum process_event event)
{
    static const char *const names[] = {"started", "restarted", "exited", "ended"};
    append((struct recording *)output, "%.*s %s\n", (int)process.length, process.at, names[event]);
}

/* Once for each process name that does not start with "old". */
static bool restart(struct sample_output *output, struct slice process)
{
    append((struct recording *)output, "%.*s restart\n", (int)process.length, process.at);
    return !slice_starts_with(process, SLICE("old"));
}

/* An instance that starts with "new" is another one than before; one that starts with "old" is the former one. */
static enum process_instance instance(struct sample_output *output, struct slice process, struct slice instance)
{
    append((struct recording *)output, "%.*s is %.*s\n", (int)process.length, process.at, (int)instance.length,
           instance.at);
    return slice_starts_with(instance, SLICE("new"))   ? INSTANCE_NEXT
           : slice_starts_with(instance, SLICE("old")) ? INSTANCE_FORMER
                                                       : INSTANCE_SAME;
}

/* It does, unless the instance starts with "old" or "new". */
static bool runs_as(struct sample_output *output, struct slice process, struct slice instance)
{
    append((struct recording *)output, "%.*s is %.*s?\n", (int)process.length, process.at, (int)instance.length,
           instance.at);
    return !slice_starts_with(instance, SLICE("new")) && !slice_starts_with(instance, SLICE("old"));
}

static void scale(struct sample_output *output, struct slice type, unsigned count)
{
    append((struct recording *)output, "%.*s scaled to %u\n", (int)type.length, type.at, count);
}

void recording_start(struct recording *recording)
{
    found_count = 0;
    recording->output = (struct sample_output){.record = record,
                                               .reject = reject,
                                               .find = find,
                                               .add = add,
                                               .observe = observe,
                                               .generation = recording->output.generation + 1,
                                               .notify = notify,
                                               .restart = restart,
                                               .instance = instance,
                                               .runs_as = runs_as,
                                               .scale = scale};
    recording->length = 0;
    recording->text[0] = '\0';
}

static void start_context(struct family_context *context)
{
    static void *states[FAMILY_COUNT];
    if (context->states == NULL) {
        if (states[FAMILY_INGEST] == NULL)
            assert_true(families_open(states));
        context->states = states;
    }
    context->app = context->cf == NULL ? SLICE("my-app") : SLICE("acme/prod/shop");
    context->drain_token = SLICE("d.ours");
    context->host = SLICE("drain.example.com");
    context->ingest_prefix = SLICE("crates-io-heroku-metrics:ingest ");
    context->self_drain = 0;
    memset(context->lost, 0, sizeof context->lost);
}

static enum verdict read_any(struct recording *recording, const struct line *line)
{
    start_context(&recording->context);
    recording_start(recording);
    enum family_id family = family_of(line, &recording->context);
    if (family == FAMILY_COUNT)
        return VERDICT_NOT_A_METRIC;
    return families[family]->read(line, &recording->context, &recording->output);
}

enum verdict read_message(struct recording *recording, const char *appname, const char *procid, struct slice message)
{
    struct line line = {.appname = slice_of(appname), .procid = slice_of(procid), .message = message};
    return read_any(recording, &line);
}

enum verdict read_line(struct recording *recording, const char *appname, const char *procid, const char *message)
{
    return read_message(recording, appname, procid, guarded(slice_of(message)));
}

struct recording recorded;

static void check_read(const char *message, enum verdict got, enum verdict verdict, const char *expected)
{
    if (got != verdict)
        fail_msg("%s: verdict %d, not %d", message, (int)got, (int)verdict);
    if (strcmp(recorded.text, expected) != 0)
        fail_msg("%s\n gave\n%s not\n%s", message, recorded.text, expected);
}

void check_line(const char *appname, const char *procid, const char *message, enum verdict verdict,
                const char *expected)
{
    check_read(message, read_line(&recorded, appname, procid, message), verdict, expected);
}

enum verdict read_cf(const char *procid, const char *data, const char *message)
{
    struct line line = {.appname = SLICE("guid"),
                        .procid = slice_of(procid),
                        .structured_data = slice_of(data),
                        .message = guarded(slice_of(message))};
    struct cf_message cf;
    assert_true(cf_message_read(&line, &cf));
    recorded.context.cf = &cf;
    enum verdict verdict = read_any(&recorded, &line);
    recorded.context.cf = NULL;
    return verdict;
}

void check_cf(const char *procid, const char *data, const char *message, enum verdict verdict, const char *expected)
{
    enum verdict got = read_cf(procid, data, message);
    check_read(message[0] != '\0' ? message : data, got, verdict, expected);
}

void check_gauges(const char *procid, const char *message, const char *namespace, const char *labels,
                  const char *expected)
{
    static char lines[65536];
    size_t length = 0;
    for (const char *at = expected; *at != '\0'; at += strspn(at, ", ")) {
        int key = (int)strcspn(at, " ");
        int number = (int)strcspn(at + key + 1, ",");
        length += (size_t)snprintf(lines + length, sizeof lines - length, "%s_%.*s{%s} gauge %.*s\n", namespace, key,
                                   at, labels, number, at + key + 1);
        assert_true(length < sizeof lines);
        at += key + 1 + number;
    }
    lines[length] = '\0';
    check_line("app", procid, message, VERDICT_RECOGNISED, lines);
}
