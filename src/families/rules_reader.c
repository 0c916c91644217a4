#include <stdlib.h>

#include "base/log.h"
#include "base/number.h"
#include "base/scan.h"
#include "families/rule_line.h"

enum { PROCESS_MAX = 128 }; /* bytes of a procid that a rule can be for */

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

void rules_reader_free(struct rules_reader *reader)
{
    if (reader == NULL)
        return;
    rule_samples_free_texts(reader);
    rule_matcher_free(reader->matcher);
    json_free(reader->json);
    free(reader->fields);
    free(reader->tallies);
    free(reader);
}

/* The capacity that the rules need; it never gets less. */
static bool reserve(struct rules_reader *reader, const struct rules *rules)
{
    if (rules->field_count > reader->field_capacity) {
        free(reader->fields);
        reader->fields = calloc(rules->field_count, sizeof reader->fields[0]);
        reader->field_capacity = reader->fields == NULL ? 0 : rules->field_count;
    }
    if (rules->count > reader->tally_capacity) {
        free(reader->tallies);
        reader->tallies = calloc(rules->count, sizeof reader->tallies[0]);
        reader->tally_capacity = reader->tallies == NULL ? 0 : rules->count;
    }
    return reader->field_capacity >= rules->field_count && reader->tally_capacity >= rules->count;
}

void rules_reader_begin(struct rules_reader *reader, const struct rules *rules, struct slice app)
{
    reader->rules = rules != NULL && rules->count > 0 && reserve(reader, rules) ? rules : NULL;
    reader->app = app;
    rule_samples_free_texts(reader);
}

bool rules_reader_tally(struct rules_reader *reader, size_t *rule, struct rules_tally *result)
{
    for (; *rule < rules_count(reader->rules); (*rule)++) {
        struct rule_tally *tally = &reader->tallies[*rule];
        if (tally->lines == 0 && tally->errors == 0)
            continue;
        *result = (struct rules_tally){rules_name(reader->rules, *rule), tally->lines, tally->errors};
        *tally = (struct rule_tally){0, 0};
        (*rule)++;
        return true;
    }
    return false;
}

bool rules_reader_makes(const struct rules_reader *reader, struct slice name)
{
    return reader != NULL && reader->rules != NULL && rule_names_find(&reader->rules->made, name) != RULE_NAMES_NONE;
}

/* ---- which rules take a line ---- */

static bool has_value(const struct rule_field *field, const char *value)
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
        struct rule_field field;
        if (!rule_fields_find(reader, rule, &condition->field, &field) ||
            (condition->value != NULL && !has_value(&field, condition->value)))
            return false;
    }
    return true;
}

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
    if ((start.length > RULE_INDEX_HEAD && !slice_starts_with(message, start)) ||
        (part.length > 0 && !scan_holds(message, part)))
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
    case RULE_JSON:
        rule_fields_read(reader, rule->lines);
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
    const struct rule_index *lists = &rules->index;
    unsigned list = rule_index_list(line->message);
    uint64_t head = rule_index_head(line->message);
    for (size_t i = lists->starts[list]; i < lists->starts[list + 1]; i++) {
        size_t index = lists->lists[i];
        if (((head ^ lists->heads[index].bytes) & lists->heads[index].mask) != 0 || !takes(reader, index))
            continue;
        const struct rule *rule = &rules->list[index];
        reader->tallies[index].lines++;
        if (reader->taken_count < RULES_TOLD)
            reader->taken[reader->taken_count++] = (uint16_t)index;
        for (size_t j = 0; j < rule->metric_count; j++)
            rule_samples_make(reader, rule, &rule->metrics[j], output);
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
