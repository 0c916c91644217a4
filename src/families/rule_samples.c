#include <math.h>
#include <stdlib.h>

#include "base/keyvalue.h"
#include "base/number.h"
#include "families/rule_line.h"

enum {
    BLOCK = 16 * 1024, /* bytes of memory for label values, at least */
    ALL_LABELS = RULE_LABELS_MAX + 3,
};

struct rule_block {
    struct rule_block *next;
    size_t size;
    size_t used;
    char memory[];
};

/* A copy that lasts as long as the batch; without a place where memory is short. */
static struct slice keep(struct rules_reader *reader, struct slice text)
{
    struct rule_block *block = reader->blocks;
    if (block == NULL || block->size - block->used < text.length) {
        size_t size = text.length > BLOCK ? text.length : BLOCK;
        block = malloc(sizeof *block + size);
        if (block == NULL)
            return (struct slice){NULL, 0};
        *block = (struct rule_block){.next = reader->blocks, .size = size};
        reader->blocks = block;
    }
    char *copy = block->memory + block->used;
    memcpy(copy, text.at, text.length);
    block->used += text.length;
    return (struct slice){copy, text.length};
}

void rule_samples_free_texts(struct rules_reader *reader)
{
    while (reader->blocks != NULL) {
        struct rule_block *block = reader->blocks;
        reader->blocks = block->next;
        free(block);
    }
}

/* A label's value; false where memory is short.  Where it must last, it does. */
static bool read_text(struct rules_reader *reader, const struct rule *rule, const struct rule_text *text,
                      struct slice *value)
{
    char spelled[NUMBER_ROOM];
    struct rule_field field;
    *value = text->is_field ? (struct slice){"", 0} : slice_of(text->text);
    if (!text->is_field || !rule_fields_find(reader, rule, text, &field))
        return true;
    *value = field.text;
    if (field.is_number)
        *value = (struct slice){spelled, number_spell(field.number, spelled)};
    if (field.is_number)
        *value = keep(reader, *value);
    return value->at != NULL;
}

/* 0.001 has no exact double, 1000 has one. */
static double scaled(double number, double scale)
{
    double inverse = nearbyint(1 / scale);
    return scale < 1 && fabs(1 / scale - inverse) < 1e-9 * inverse ? number / inverse : number * scale;
}

static bool read_value(const struct rules_reader *reader, const struct rule *rule, const struct rule_metric *metric,
                       double *number)
{
    struct rule_field field;
    struct quantity quantity;
    *number = 1;
    if (metric->value.text == NULL)
        return true;
    if (!rule_fields_find(reader, rule, &metric->value, &field))
        return false;
    if (field.is_number)
        quantity = (struct quantity){field.number, UNIT_NONE};
    else if (!keyvalue_quantity(field.text, &quantity))
        return false;
    else if (quantity.unit == UNIT_OTHER && field.text.at[field.text.length - 1] != '%')
        return false; /* "500ns": the bare number would be off by a factor */
    bool has_unit = quantity.unit == UNIT_SECONDS || quantity.unit == UNIT_BYTES;
    *number = has_unit ? quantity.number : scaled(quantity.number, metric->scale);
    return isfinite(*number) && (metric->action == RULE_GAUGE || *number >= 0);
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
    bool of_process = metric->with & RULE_WITH_PROCESS && process != NULL && !process->one_off;
    bool of_type = process != NULL && (metric->with & RULE_WITH_PROCESS_TYPE || process->one_off);
    labels[sample->label_count++] = (struct label){SLICE("process"), of_process ? reader->line->procid : none};
    labels[sample->label_count++] = (struct label){SLICE("process_type"), of_type ? process->type : none};
    if (of_process)
        sample->process = reader->line->procid;
}

static bool add_labels(struct rules_reader *reader, const struct rule *rule, const struct rule_metric *metric,
                       struct sample *sample, struct label labels[ALL_LABELS])
{
    for (size_t i = 0; i < metric->label_count; i++) {
        struct label *label = &labels[sample->label_count++];
        label->name = slice_of(metric->labels[i].name);
        if (!read_text(reader, rule, &metric->labels[i].value, &label->value))
            return false;
    }
    add_whose(reader, metric, sample, labels);
    return true;
}

union number_value {
    struct value value;
    union value_word room[sizeof(struct value) / sizeof(union value_word) + 1];
};

static void record(const struct rule_metric *metric, struct sample *sample, double number, struct sample_output *output)
{
    union number_value room = {0};
    struct value *value = sample->value = &room.value;
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

void rule_samples_make(struct rules_reader *reader, const struct rule *rule, const struct rule_metric *metric,
                       struct sample_output *output)
{
    struct label labels[ALL_LABELS];
    struct sample sample = {.metric = metric->metric, .name = slice_of(metric->metric->name), .labels = labels};
    double number;
    sample.transient = rule->lines == RULE_JSON;
    if (reader->blocks != NULL)
        reader->blocks->used = 0; /* one block has room for all numbers of a sample */
    if (!read_value(reader, rule, metric, &number))
        output->reject(output, REJECTED_VALUE);
    else if (!add_labels(reader, rule, metric, &sample, labels))
        output->reject(output, REJECTED_LABELS);
    else
        record(metric, &sample, number, output);
}
