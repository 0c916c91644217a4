#include "families/rules.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/json.h"
#include "base/keyvalue.h"
#include "base/log.h"
#include "base/number.h"
#include "base/process.h"
#include "base/scan.h"
#include "families/rule_metric.h"

enum {
    FIRST_BYTES = 256,
    HEAD = sizeof(uint64_t),
    PROCESS_MAX = 128,     /* bytes of a procid that a rule can be for */
    JSON_DEPTH = 8,        /* of members of members */
    BLOCK = 16 * 1024,     /* bytes of memory for label values, at least */
    NO_FIELD = UINT32_MAX, /* a name that no rule wants */
    ALL_LABELS = RULE_LABELS_MAX + 3,
};

const double rule_default_bounds[RULE_DEFAULT_BOUNDS] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};

/* The names of the fields that rules want; a hash table that has always room. */
struct names {
    struct slice *texts;
    unsigned *places;
    size_t mask;
};

/* What a line must start with, to be given to a rule: (its first bytes ^ head) & mask is 0. */
struct head {
    uint64_t bytes;
    uint64_t mask;
};

struct rules {
    atomic_uint references;
    struct rule *list;
    size_t count;
    atomic_uint *errors; /* of each */
    struct head *heads;  /* of each */
    uint16_t *lists;     /* for each first byte, and for no byte at all, the rules that may take such a line */
    size_t starts[FIRST_BYTES + 2];
    struct names pairs;
    struct names members;
    struct names made; /* the names of metrics */
    unsigned field_count;
    const struct metric **metrics;
    size_t metric_count;
};

/* ---- names of fields ---- */

static size_t slot_of(const struct names *names, struct slice name)
{
    size_t slot = XXH3_64bits(name.at, name.length) & names->mask;
    while (names->texts[slot].at != NULL && !slice_equals(names->texts[slot], name))
        slot = (slot + 1) & names->mask;
    return slot;
}

static unsigned find_name(const struct names *names, struct slice name)
{
    size_t slot = slot_of(names, name);
    return names->texts[slot].at == NULL ? NO_FIELD : names->places[slot];
}

static bool open_names(struct names *names, size_t most)
{
    size_t size = 16;
    while (size < 2 * most)
        size *= 2;
    names->mask = size - 1;
    names->texts = calloc(size, sizeof names->texts[0]);
    names->places = calloc(size, sizeof names->places[0]);
    return names->texts != NULL && names->places != NULL;
}

static void close_names(struct names *names)
{
    free(names->texts);
    free(names->places);
}

/* Say where the field's value will be found. */
static void place_field(struct rules *rules, const struct rule *rule, struct rule_text *text)
{
    if (text->text == NULL || !text->is_field)
        return;
    if (rule->lines == RULE_MATCH) {
        text->field = rule_pattern_group(rule->pattern, text->text);
        return;
    }
    struct names *names = rule->lines == RULE_JSON ? &rules->members : &rules->pairs;
    size_t slot = slot_of(names, slice_of(text->text));
    if (names->texts[slot].at == NULL) {
        names->texts[slot] = slice_of(text->text);
        names->places[slot] = rules->field_count++;
    }
    text->field = names->places[slot];
}

/* At most so many names of fields are in the rules. */
static size_t count_fields(const struct rules *rules)
{
    size_t count = 0;
    for (size_t i = 0; i < rules->count; i++) {
        const struct rule *rule = &rules->list[i];
        count += rule->condition_count;
        for (size_t j = 0; j < rule->metric_count; j++)
            count += 1 + rule->metrics[j].label_count;
    }
    return count;
}

static void place_fields(struct rules *rules)
{
    for (size_t i = 0; i < rules->count; i++) {
        struct rule *rule = &rules->list[i];
        for (size_t j = 0; j < rule->condition_count; j++)
            place_field(rules, rule, &rule->conditions[j].field);
        for (size_t j = 0; j < rule->metric_count; j++) {
            place_field(rules, rule, &rule->metrics[j].value);
            for (size_t k = 0; k < rule->metrics[j].label_count; k++)
                place_field(rules, rule, &rule->metrics[j].labels[k].value);
        }
    }
}

/* ---- which rules a line is given to ---- */

static uint64_t load_head(struct slice text)
{
    uint64_t head = 0;
    memcpy(&head, text.at, text.length < HEAD ? text.length : HEAD);
    return head;
}

static struct head head_of(const struct rule *rule)
{
    static const char ones[HEAD] = {-1, -1, -1, -1, -1, -1, -1, -1};
    if (rule->lines != RULE_MATCH)
        return (struct head){0, 0};
    struct slice start = rule_pattern_start(rule->pattern);
    size_t length = start.length < HEAD ? start.length : HEAD;
    return (struct head){load_head((struct slice){start.at, length}), load_head((struct slice){ones, length})};
}

/* first: the first byte of a line, or FIRST_BYTES where it is empty. */
static bool may_take(const struct rule *rule, unsigned first)
{
    switch (rule->lines) {
    case RULE_MATCH:
        return first == FIRST_BYTES ? rule_pattern_may_be_empty(rule->pattern)
                                    : rule_pattern_may_start(rule->pattern, (unsigned char)first);
    case RULE_LOGFMT: /* JSON holds texts, but no pairs */
        return first != FIRST_BYTES && first != '{';
    case RULE_JSON:
        return first == '{';
    }
    return false;
}

static bool index_rules(struct rules *rules)
{
    size_t length = 0;
    rules->heads = calloc(rules->count + 1, sizeof rules->heads[0]);
    rules->lists = calloc((FIRST_BYTES + 1) * rules->count + 1, sizeof rules->lists[0]);
    if (rules->heads == NULL || rules->lists == NULL)
        return false;
    for (size_t i = 0; i < rules->count; i++)
        rules->heads[i] = head_of(&rules->list[i]);
    for (unsigned first = 0; first <= FIRST_BYTES; first++) {
        rules->starts[first] = length;
        for (size_t i = 0; i < rules->count; i++)
            if (may_take(&rules->list[i], first))
                rules->lists[length++] = (uint16_t)i;
    }
    rules->starts[FIRST_BYTES + 1] = length;
    uint16_t *shorter = realloc(rules->lists, (length + 1) * sizeof rules->lists[0]);
    if (shorter != NULL)
        rules->lists = shorter;
    return true;
}

/* ---- metrics ---- */

static enum metric_type type_of(enum rule_action action)
{
    switch (action) {
    case RULE_GAUGE:
        return METRIC_GAUGE;
    case RULE_HISTOGRAM:
        return METRIC_HISTOGRAM;
    default:
        return METRIC_COUNTER;
    }
}

/* The names of all labels that samples of a metric have, in their order. */
static char *spell_labels(const struct rule_metric *metric)
{
    size_t length = 32;
    for (size_t i = 0; i < metric->label_count; i++)
        length += strlen(metric->labels[i].name) + 1;
    char *text = malloc(length);
    if (text == NULL)
        return NULL;
    char *at = text;
    *at = '\0';
    for (size_t i = 0; i < metric->label_count; i++)
        at = stpcpy(stpcpy(at, metric->labels[i].name), ",");
    at = stpcpy(at, metric->with & RULE_WITH_APP ? "1" : "0");
    at = stpcpy(at, metric->with & RULE_WITH_PROCESS ? "1" : "0");
    stpcpy(at, metric->with & RULE_WITH_PROCESS_TYPE ? "1" : "0");
    return text;
}

static bool describe_metric(struct rule_metric *metric)
{
    char *labels = spell_labels(metric);
    if (labels == NULL)
        return false;
    metric->metric =
        rule_metric_of(&(struct rule_metric_shape){.name = metric->name,
                                                   .help = metric->help,
                                                   .type = type_of(metric->action),
                                                   .counted = metric->action == RULE_COUNTER || metric->bound_count > 0,
                                                   .bounds = metric->bounds,
                                                   .bound_count = metric->bound_count,
                                                   .labels = labels});
    free(labels);
    return metric->metric != NULL;
}

static bool describe_metrics(struct rules *rules)
{
    size_t count = 0;
    for (size_t i = 0; i < rules->count; i++)
        count += rules->list[i].metric_count;
    rules->metrics = calloc(count + 1, sizeof rules->metrics[0]);
    if (rules->metrics == NULL)
        return false;
    if (!open_names(&rules->made, count))
        return false;
    for (size_t i = 0; i < rules->count; i++) {
        struct rule *rule = &rules->list[i];
        for (size_t j = 0; j < rule->metric_count; j++) {
            rules->made.texts[slot_of(&rules->made, slice_of(rule->metrics[j].name))] = slice_of(rule->metrics[j].name);
            if (!describe_metric(&rule->metrics[j]))
                return false;
            rules->metrics[rules->metric_count++] = rule->metrics[j].metric;
        }
    }
    return true;
}

/* ---- creation ---- */

static void free_metric(struct rule_metric *metric)
{
    for (size_t i = 0; i < metric->label_count; i++) {
        free(metric->labels[i].name);
        free(metric->labels[i].value.text);
    }
    free(metric->labels);
    free(metric->value.text);
    free(metric->name);
    free(metric->help);
    free(metric->bounds);
}

static void free_rule(struct rule *rule)
{
    for (size_t i = 0; i < rule->condition_count; i++) {
        free(rule->conditions[i].field.text);
        free(rule->conditions[i].value);
    }
    for (size_t i = 0; i < rule->metric_count; i++)
        free_metric(&rule->metrics[i]);
    free(rule->conditions);
    free(rule->metrics);
    rule_pattern_free(rule->pattern);
    free(rule->name);
    free(rule->app);
    free(rule->process);
}

void rules_free_array(struct rule *rules, size_t count)
{
    for (size_t i = 0; rules != NULL && i < count; i++)
        free_rule(&rules[i]);
    free(rules);
}

struct rules *rules_create(struct rule *list, size_t count)
{
    struct rules *rules = calloc(1, sizeof *rules);
    if (rules == NULL) {
        rules_free_array(list, count);
        return NULL;
    }
    atomic_init(&rules->references, 1);
    rules->list = list;
    rules->count = count;
    rules->errors = calloc(count + 1, sizeof rules->errors[0]);
    size_t fields = count_fields(rules);
    if (rules->errors == NULL || !open_names(&rules->pairs, fields) || !open_names(&rules->members, fields) ||
        !index_rules(rules) || !describe_metrics(rules)) {
        rules_unref(rules);
        return NULL;
    }
    place_fields(rules);
    return rules;
}

struct rules *rules_ref(struct rules *rules)
{
    /* Relaxed: who references has a share, so nothing can be freed meanwhile. */
    if (rules != NULL)
        atomic_fetch_add_explicit(&rules->references, 1, memory_order_relaxed);
    return rules;
}

void rules_unref(struct rules *rules)
{
    /* Release what was done with this share to who frees, and acquire what was done with all others. */
    if (rules == NULL || atomic_fetch_sub_explicit(&rules->references, 1, memory_order_acq_rel) > 1)
        return;
    rules_free_array(rules->list, rules->count);
    close_names(&rules->pairs);
    close_names(&rules->members);
    close_names(&rules->made);
    free(rules->errors);
    free(rules->heads);
    free(rules->lists);
    free(rules->metrics);
    free(rules);
}

size_t rules_count(const struct rules *rules)
{
    return rules == NULL ? 0 : rules->count;
}

void rules_enforce(const struct rules *rules)
{
    rule_metrics_keep(rules == NULL ? NULL : rules->metrics, rules == NULL ? 0 : rules->metric_count);
}

struct slice rules_name(const struct rules *rules, size_t rule)
{
    return slice_of(rules->list[rule].name);
}

bool rules_is_off(const struct rules *rules, size_t rule)
{
    return atomic_load_explicit(&rules->errors[rule], memory_order_relaxed) >= RULES_ERRORS_MAX;
}

/* ---- a thread's reading ---- */

/* What a field of the line has. */
struct field {
    uint64_t line; /* it is of this line, or there is none */
    bool is_number;
    double number;
    struct slice text; /* where it is no number */
};

struct tally {
    double lines;
    double errors;
};

/* Texts that must last as long as the batch but are no part of it. */
struct block {
    struct block *next;
    size_t size;
    size_t used;
    char memory[];
};

struct rules_reader {
    struct rule_matcher *matcher;
    struct json *json;
    const struct rules *rules; /* of the batch; NULL: there are none */
    struct slice app;
    struct field *fields;
    size_t field_room;
    struct tally *tallies; /* of each rule; all 0 between batches */
    size_t tally_room;
    struct block *blocks;
    const struct line *line; /* the one that is read */
    uint64_t number;         /* of that line, among all */
    bool pairs_read;
    bool members_read;
    bool process_read;
    bool has_process;
    struct process process;
    uint16_t taken[RULES_TOLD]; /* the rules that took it */
    unsigned taken_count;
};

struct rules_reader *rules_reader_create(void)
{
    struct rules_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return NULL;
    reader->matcher = rule_matcher_create();
    reader->json = json_create(RULE_LINE_MAX);
    if (reader->matcher != NULL && reader->json != NULL)
        return reader;
    rules_reader_free(reader);
    return NULL;
}

static void free_blocks(struct rules_reader *reader)
{
    while (reader->blocks != NULL) {
        struct block *block = reader->blocks;
        reader->blocks = block->next;
        free(block);
    }
}

void rules_reader_free(struct rules_reader *reader)
{
    if (reader == NULL)
        return;
    free_blocks(reader);
    rule_matcher_free(reader->matcher);
    json_free(reader->json);
    free(reader->fields);
    free(reader->tallies);
    free(reader);
}

/* Make room for what the rules need; it never gets less. */
static bool make_room(struct rules_reader *reader, const struct rules *rules)
{
    if (rules->field_count > reader->field_room) {
        free(reader->fields);
        reader->fields = calloc(rules->field_count, sizeof reader->fields[0]);
        reader->field_room = reader->fields == NULL ? 0 : rules->field_count;
    }
    if (rules->count > reader->tally_room) {
        free(reader->tallies);
        reader->tallies = calloc(rules->count, sizeof reader->tallies[0]);
        reader->tally_room = reader->tallies == NULL ? 0 : rules->count;
    }
    return reader->field_room >= rules->field_count && reader->tally_room >= rules->count;
}

void rules_reader_begin(struct rules_reader *reader, const struct rules *rules, struct slice app)
{
    reader->rules = rules != NULL && rules->count > 0 && make_room(reader, rules) ? rules : NULL;
    reader->app = app;
    free_blocks(reader);
}

bool rules_reader_tally(struct rules_reader *reader, size_t *rule, struct rules_tally *result)
{
    for (; *rule < rules_count(reader->rules); (*rule)++) {
        struct tally *tally = &reader->tallies[*rule];
        if (tally->lines == 0 && tally->errors == 0)
            continue;
        *result = (struct rules_tally){rules_name(reader->rules, *rule), tally->lines, tally->errors};
        *tally = (struct tally){0, 0};
        (*rule)++;
        return true;
    }
    return false;
}

bool rules_reader_makes(const struct rules_reader *reader, struct slice name)
{
    return reader != NULL && reader->rules != NULL && find_name(&reader->rules->made, name) != NO_FIELD;
}

/* A copy that lasts as long as the batch; without a place where memory is short. */
static struct slice keep(struct rules_reader *reader, struct slice text)
{
    struct block *block = reader->blocks;
    if (block == NULL || block->size - block->used < text.length) {
        size_t size = text.length > BLOCK ? text.length : BLOCK;
        block = malloc(sizeof *block + size);
        if (block == NULL)
            return (struct slice){NULL, 0};
        *block = (struct block){.next = reader->blocks, .size = size};
        reader->blocks = block;
    }
    char *copy = block->memory + block->used;
    memcpy(copy, text.at, text.length);
    block->used += text.length;
    return (struct slice){copy, text.length};
}

/* ---- fields ---- */

static void note_field(struct rules_reader *reader, const struct names *names, struct slice name, struct field field)
{
    unsigned place = find_name(names, name);
    if (place == NO_FIELD || reader->fields[place].line == reader->number)
        return; /* of several the first counts: what comes behind it may have been put there by others */
    field.line = reader->number;
    reader->fields[place] = field;
}

static void read_pairs(struct rules_reader *reader)
{
    struct keyvalue_reader pairs;
    struct keyvalue pair;
    if (reader->pairs_read)
        return;
    reader->pairs_read = true;
    keyvalue_start(&pairs, reader->line->message);
    while (keyvalue_next(&pairs, &pair))
        if (!pair.bare)
            note_field(reader, &reader->rules->pairs, pair.key, (struct field){.text = pair.value});
}

static void note_member(struct rules_reader *reader, struct slice path, const cJSON *item)
{
    struct field field = {.is_number = cJSON_IsNumber(item), .number = item->valuedouble};
    if (cJSON_IsString(item))
        field.text = slice_of(item->valuestring);
    else if (cJSON_IsBool(item))
        field.text = cJSON_IsTrue(item) ? SLICE("true") : SLICE("false");
    else if (!field.is_number)
        return;
    note_field(reader, &reader->rules->members, path, field);
}

/* The members of an object whose own path is the first length bytes of path, with a '.' at their end. */
static void note_members(struct rules_reader *reader, const cJSON *object, char path[RULE_FIELD_MAX], size_t length,
                         unsigned depth)
{
    for (const cJSON *item = object->child; item != NULL; item = item->next) {
        size_t name = strlen(item->string);
        if (length + name > RULE_FIELD_MAX)
            continue;
        memcpy(path + length, item->string, name);
        if (!cJSON_IsObject(item))
            note_member(reader, (struct slice){path, length + name}, item);
        else if (depth < JSON_DEPTH && length + name < RULE_FIELD_MAX) {
            path[length + name] = '.';
            note_members(reader, item, path, length + name + 1, depth + 1);
        }
    }
}

static void read_members(struct rules_reader *reader)
{
    char path[RULE_FIELD_MAX];
    if (reader->members_read)
        return;
    reader->members_read = true;
    const cJSON *document = json_read(reader->json, reader->line->message);
    if (cJSON_IsObject(document))
        note_members(reader, document, path, 0, 1);
}

/* The field of a rule whose line has been read; false where it has none. */
static bool find_field(const struct rules_reader *reader, const struct rule *rule, const struct rule_text *text,
                       struct field *field)
{
    if (rule->lines == RULE_MATCH) {
        *field = (struct field){.text = rule_matcher_group(reader->matcher, text->field)};
        return true;
    }
    *field = reader->fields[text->field];
    return field->line == reader->number;
}

static bool has_value(const struct field *field, const char *value)
{
    char spelled[NUMBER_ROOM];
    struct slice text = field->text;
    if (field->is_number)
        text = (struct slice){spelled, number_spell(field->number, spelled)};
    return slice_equals(text, slice_of(value));
}

static bool fulfils_conditions(const struct rules_reader *reader, const struct rule *rule)
{
    for (size_t i = 0; i < rule->condition_count; i++) {
        const struct rule_condition *condition = &rule->conditions[i];
        struct field field;
        if (!find_field(reader, rule, &condition->field, &field) ||
            (condition->value != NULL && !has_value(&field, condition->value)))
            return false;
    }
    return true;
}

/* ---- samples ---- */

/* A label's value; false where memory is short.  Where it must last, it does. */
static bool read_text(struct rules_reader *reader, const struct rule *rule, const struct rule_text *text,
                      struct slice *value)
{
    char spelled[NUMBER_ROOM];
    struct field field;
    *value = text->is_field ? (struct slice){"", 0} : slice_of(text->text);
    if (!text->is_field || !find_field(reader, rule, text, &field))
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
    struct field field;
    struct quantity quantity;
    *number = 1;
    if (metric->value.text == NULL)
        return true;
    if (!find_field(reader, rule, &metric->value, &field))
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

static void make_sample(struct rules_reader *reader, const struct rule *rule, const struct rule_metric *metric,
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

/* ---- lines ---- */

/* Does a pattern with '*' and '?' fit?  Where it does not, the last '*' takes one byte more. */
static bool fits(const char *pattern, struct slice text)
{
    const char *star = NULL;
    size_t i = 0, taken = 0;
    while (i < text.length) {
        if (*pattern == '*') {
            star = ++pattern;
            taken = i;
        } else if (*pattern == '?' || (*pattern != '\0' && *pattern == text.at[i])) {
            pattern++;
            i++;
        } else if (star != NULL) {
            pattern = star;
            i = ++taken;
        } else
            return false;
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

static void count_error(struct rules_reader *reader, size_t index)
{
    const struct rules *rules = reader->rules;
    reader->tallies[index].errors++;
    if (atomic_fetch_add_explicit(&rules->errors[index], 1, memory_order_relaxed) + 1 == RULES_ERRORS_MAX)
        log_write(LOG_WARN,
                  "the rule \"%s\" is switched off until the configuration is read again: matching took too long %d "
                  "times",
                  rules->list[index].name, RULES_ERRORS_MAX);
}

static bool matches(struct rules_reader *reader, size_t index)
{
    const struct rule_pattern *pattern = reader->rules->list[index].pattern;
    struct slice start = rule_pattern_start(pattern), part = rule_pattern_part(pattern);
    struct slice message = reader->line->message;
    if ((start.length > HEAD && !slice_starts_with(message, start)) || (part.length > 0 && !scan_holds(message, part)))
        return false;
    switch (rule_pattern_match(pattern, reader->matcher, message)) {
    case RULE_NO_MATCH:
        return false;
    case RULE_MATCHES:
        return true;
    case RULE_FAILS:
        count_error(reader, index);
        break;
    }
    return false;
}

/* Does a rule that may take the line do it? */
static bool takes(struct rules_reader *reader, size_t index)
{
    const struct rule *rule = &reader->rules->list[index];
    struct slice procid = reader->line->procid;
    if ((rule->app != NULL && !slice_equals(reader->app, slice_of(rule->app))) || rules_is_off(reader->rules, index))
        return false;
    if (rule->process != NULL && (procid.length > PROCESS_MAX || !fits(rule->process, procid)))
        return false;
    switch (rule->lines) {
    case RULE_MATCH:
        return matches(reader, index);
    case RULE_LOGFMT:
        read_pairs(reader);
        break;
    case RULE_JSON:
        read_members(reader);
        break;
    }
    return fulfils_conditions(reader, rule);
}

static bool owns(const struct line *line, const struct family_context *context)
{
    return context->rules != NULL && context->rules->rules != NULL && line->appname.length > 0;
}

static void start_line(struct rules_reader *reader, const struct line *line)
{
    reader->line = line;
    reader->number++;
    reader->pairs_read = reader->members_read = reader->process_read = false;
}

static enum verdict read_line(const struct line *line, struct family_context *context, struct sample_output *output)
{
    struct rules_reader *reader = context->rules;
    const struct rules *rules = reader->rules;
    enum verdict verdict = VERDICT_NOT_A_METRIC;
    reader->taken_count = 0;
    if (line->message.length > RULE_LINE_MAX)
        return verdict;
    start_line(reader, line);
    unsigned first = line->message.length == 0 ? FIRST_BYTES : (unsigned char)line->message.at[0];
    uint64_t head = load_head(line->message);
    for (size_t i = rules->starts[first]; i < rules->starts[first + 1]; i++) {
        size_t index = rules->lists[i];
        if (((head ^ rules->heads[index].bytes) & rules->heads[index].mask) != 0 || !takes(reader, index))
            continue;
        const struct rule *rule = &rules->list[index];
        reader->tallies[index].lines++;
        if (reader->taken_count < RULES_TOLD)
            reader->taken[reader->taken_count++] = (uint16_t)index;
        for (size_t j = 0; j < rule->metric_count; j++)
            make_sample(reader, rule, &rule->metrics[j], output);
        if (!rule->drop)
            verdict = VERDICT_RECOGNISED;
        if (!rule->continues)
            break;
    }
    return verdict;
}

bool rules_reader_taken(const struct rules_reader *reader, size_t nth, struct rules_taken *taken)
{
    if (nth >= reader->taken_count)
        return false;
    const struct rule *rule = &reader->rules->list[reader->taken[nth]];
    *taken = (struct rules_taken){slice_of(rule->name), reader->taken[nth], rule->drop};
    return true;
}

const struct family rules_family = {.owns = owns, .read = read_line};
