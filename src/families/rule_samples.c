#include <math.h>

#include "families/cf_series.h"
#include "families/rule_line.h"

enum {
    ALL_LABELS = RULE_LABELS_MAX + 4 + CF_PROMFETCHER_LABELS,
    STATUS_DIGITS = 3,
};

/* ---- values ---- */

/* 0.001 has no exact double, 1000 has one. */
static double scaled(double number, double scale)
{
    double inverse = nearbyint(1 / scale);
    return scale < 1 && fabs(1 / scale - inverse) < 1e-9 * inverse ? number / inverse : number * scale;
}

/* What the text spells; false, with a note, if it is none of what the metric wants. */
static bool read_amount(struct rules_reader *reader, const struct rule *rule, const struct rule_metric *metric,
                        struct slice text, double *number)
{
    struct amount amount;
    struct slice unit;
    enum amount_result result = amount_read(text, metric->unit, &amount, &unit);
    if (result != AMOUNT_OK) {
        rule_unread_note(reader, rule, metric, result == AMOUNT_NO_NUMBER ? RULES_UNREAD_NO_NUMBER : RULES_UNREAD_UNIT,
                         text, unit);
        return false;
    }
    *number = amount.kind == AMOUNT_NUMBER ? scaled(amount.number, metric->scale) : amount.number;
    return true;
}

static bool read_value(struct rules_reader *reader, const struct rule *rule, const struct rule_metric *metric,
                       double *number)
{
    const struct slice none = {"", 0};
    char spelled[NUMBER_TEXT_MAX];
    struct rule_value own;
    *number = metric->constant;
    if (metric->value.name == NULL)
        return true;
    const struct rule_value *value = rule_fields_find(reader, rule, &metric->value, &own);
    if (value == NULL || (!value->is_number && value->text.length == 0)) {
        rule_unread_note(reader, rule, metric, RULES_UNREAD_MISSING, none, none);
        return false;
    }
    if (value->is_number)
        *number = scaled(value->number, metric->scale);
    else if (!read_amount(reader, rule, metric, value->text, number))
        return false;
    if (isfinite(*number) && (metric->action == RULE_GAUGE || *number >= 0))
        return true;
    rule_unread_note(reader, rule, metric, isfinite(*number) ? RULES_UNREAD_NEGATIVE : RULES_UNREAD_TOO_LARGE,
                     rule_fields_text(value, spelled), none);
    return false;
}

/* ---- labels ---- */

static bool is_letter(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

/* Write the text as it shall be spelled, as far as there is capacity; returns the length. */
static size_t spell(enum rule_spelling spelling, struct slice text, char *out, size_t capacity)
{
    size_t length = text.length < capacity ? text.length : capacity;
    if (spelling == RULE_CLASS && text.length > 0) {
        bool is_status = text.length == STATUS_DIGITS && text.at[0] >= '1' && text.at[0] <= '5' &&
                         slice_is_digit(text.at[1]) && slice_is_digit(text.at[2]);
        struct slice class = is_status ? (struct slice){(const char[]){text.at[0], 'x', 'x'}, 3} : SLICE("other");
        return spell(RULE_AS_IS, class, out, capacity);
    }
    for (size_t i = 0; i < length; i++) {
        bool changes = spelling != RULE_AS_IS && is_letter(text.at[i]);
        out[i] = !changes ? text.at[i] : (char)(spelling == RULE_LOWER ? text.at[i] | 0x20 : text.at[i] & ~0x20);
    }
    return length;
}

static size_t add_part(struct rules_reader *reader, const struct rule *rule, const struct rule_part *part, char *out,
                       size_t capacity)
{
    char spelled[NUMBER_TEXT_MAX];
    struct rule_value own;
    if (part->text != NULL)
        return spell(RULE_AS_IS, slice_of(part->text), out, capacity);
    const struct rule_value *value = rule_fields_find(reader, rule, &part->field, &own);
    return value == NULL ? 0 : spell(part->spelling, rule_fields_text(value, spelled), out, capacity);
}

/* A value of several parts, or of one that is spelled otherwise.  One byte more than a label may have is kept, so that
 * what is too long is seen to be. */
static struct slice make_text(struct rules_reader *reader, const struct rule *rule, const struct rule_label *label,
                              char text[IDENTITY_VALUE_MAX + 1])
{
    size_t length = 0;
    for (size_t i = 0; i < label->part_count; i++)
        length += add_part(reader, rule, &label->parts[i], text + length, IDENTITY_VALUE_MAX + 1 - length);
    return (struct slice){text, length};
}

/* What the map has for the value, or the value itself. */
static struct slice map_text(struct rules_reader *reader, const struct rule_label *label, struct slice text)
{
    const struct rule_value value = {.text = text};
    for (size_t i = 0; text.length > 0 && i < label->map_count; i++)
        if (rule_tests_hold(reader, &label->map[i].test, &value))
            return slice_of(label->map[i].text);
    return text;
}

static struct slice read_label(struct rules_reader *reader, const struct rule *rule, const struct rule_label *label,
                               char text[IDENTITY_VALUE_MAX + 1])
{
    struct rule_value own;
    if (label->kind == RULE_LABEL_CONSTANT)
        return label->constant;
    if (label->kind == RULE_LABEL_MADE)
        return make_text(reader, rule, label, text);
    const struct rule_value *value = rule_fields_find(reader, rule, &label->parts[0].field, &own);
    if (value == NULL)
        return (struct slice){"", 0};
    return value->is_number ? make_text(reader, rule, label, text) : value->text;
}

static const struct process *process_of(struct rules_reader *reader)
{
    if (!reader->process_read)
        reader->has_process = process_read(reader->line->procid, &reader->process);
    reader->process_read = true;
    return reader->has_process ? &reader->process : NULL;
}

/* The labels that say whose it is.  All of them stand there always, some of them empty: see sample.h. */
static void add_whose(struct rules_reader *reader, const struct rule_metric *metric, struct sample *sample,
                      struct label labels[ALL_LABELS])
{
    const struct slice none = {"", 0};
    if (metric->with & RULE_WITH_APP)
        labels[sample->label_count++] = (struct label){SLICE("app"), reader->app};
    if (!(metric->with & (RULE_WITH_PROCESS | RULE_WITH_PROCESS_TYPE)))
        return;
    const struct process *process = process_of(reader);
    bool one_off = process != NULL && process->one_off && !reader->is_cf; /* only Heroku has such dynos */
    bool of_process = metric->with & RULE_WITH_PROCESS && process != NULL && !one_off;
    bool of_type = process != NULL && (metric->with & RULE_WITH_PROCESS_TYPE || one_off || reader->is_cf);
    labels[sample->label_count++] = (struct label){SLICE("process"), of_process ? reader->line->procid : none};
    labels[sample->label_count++] = (struct label){SLICE("process_type"), of_type ? process->type : none};
    if (reader->is_cf)
        labels[sample->label_count++] = (struct label){SLICE("instance_index"), of_process ? reader->instance : none};
    if (reader->cf_instance_labels) {
        cf_promfetcher_labels(of_process ? reader->instance : none, labels + sample->label_count);
        sample->label_count += CF_PROMFETCHER_LABELS;
    }
    if (of_process)
        sample->process = reader->line->procid;
}

static void add_labels(struct rules_reader *reader, const struct rule *rule, const struct rule_metric *metric,
                       struct sample *sample, struct label labels[ALL_LABELS])
{
    for (size_t i = 0; i < metric->label_count; i++) {
        const struct rule_label *label = &metric->labels[i];
        struct slice text = read_label(reader, rule, label, reader->texts[i]);
        if (label->map_count > 0)
            text = map_text(reader, label, text);
        labels[sample->label_count++] = (struct label){label->name_text, text};
    }
    add_whose(reader, metric, sample, labels);
}

/* ---- samples ---- */

union number_value {
    struct value value;
    union value_word space[sizeof(struct value) / sizeof(union value_word) + 1];
};

static void record(const struct rule_metric *metric, struct sample *sample, double number, struct sample_output *output)
{
    union number_value memory = {0};
    struct value *value = sample->value = &memory.value;
    struct series *series;
    value->number = number;
    switch (metric->action) {
    case RULE_COUNTER:
        sample->amount = number;
        break;
    case RULE_HISTOGRAM:
        series = output->find(output, sample);
        if (series != NULL)
            output->observe(output, series, metric->metric, number);
        return;
    case RULE_GAUGE:
        value->type = VALUE_GAUGE;
        sample->incremental = metric->add;
        break;
    case RULE_EXTERNAL_COUNTER:
        value->type = VALUE_EXTERNAL_COUNTER;
        value->words[0].number = number;
        break;
    }
    output->record(output, sample);
}

static void make_one(struct rules_reader *reader, const struct rule *rule, const struct rule_metric *metric,
                     struct sample_output *output)
{
    struct label labels[ALL_LABELS];
    struct sample sample = {.metric = metric->metric,
                            .name = slice_of(metric->metric->name),
                            .labels = labels,
                            .transient = metric->is_transient};
    double number;
    if (!read_value(reader, rule, metric, &number)) {
        output->reject(output, REJECTED_VALUE);
        return;
    }
    add_labels(reader, rule, metric, &sample, labels);
    record(metric, &sample, number, output);
}

/* One for each element.  Out of line: it is rare, and what it needs would burden all. */
__attribute__((noinline)) static void make_several(struct rules_reader *reader, const struct rule *rule,
                                                   const struct rule_metric *metric, struct sample_output *output)
{
    struct rule_value own;
    const struct rule_value *value = rule_fields_find(reader, rule, metric->array, &own);
    if (value == NULL || value->array == NULL) {
        rule_unread_note(reader, rule, metric, RULES_UNREAD_MISSING, (struct slice){"", 0}, (struct slice){"", 0});
        output->reject(output, REJECTED_VALUE);
        return;
    }
    unsigned count = 0;
    const cJSON *element = value->array->child;
    for (; element != NULL && count < RULE_ELEMENTS_MAX; element = element->next, count++) {
        reader->element = element;
        make_one(reader, rule, metric, output);
    }
    reader->element = NULL;
    if (element != NULL)
        output->reject(output, REJECTED_TOO_LARGE);
}

void rule_samples_make(struct rules_reader *reader, const struct rule *rule, const struct rule_metric *metric,
                       struct sample_output *output)
{
    if (metric->array != NULL)
        make_several(reader, rule, metric, output);
    else
        make_one(reader, rule, metric, output);
}
