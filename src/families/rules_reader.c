#include <stdlib.h>

#include "base/error.h"
#include "base/log.h"
#include "base/scan.h"
#include "families/cf_series.h"
#include "families/rule_line.h"

enum { PROCESS_MAX = 128 }; /* bytes of a procid that a rule can be for */

/* ---- a thread's reader ---- */

static void free_state(void *state)
{
    struct rules_reader *reader = state;
    rule_matcher_free(reader->matcher);
    rule_matcher_free(reader->side_matcher);
    json_free(reader->json);
    free(reader->values);
    free(reader->scopes);
    free(reader->tallies);
    free(reader->found);
    free(reader);
}

static void *create_state(void)
{
    struct rules_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return NULL;
    reader->matcher = rule_matcher_create();
    reader->side_matcher = rule_matcher_create();
    reader->json = json_create(RULE_LINE_MAX);
    if (reader->matcher != NULL && reader->side_matcher != NULL && reader->json != NULL)
        return reader;
    free_state(reader);
    return NULL;
}

struct rules_reader *rules_reader_of(const struct family_context *context)
{
    return context->states[FAMILY_RULES];
}

/* An array of zeros, if that is longer than *array; false if memory is short. */
static bool reserve(void **array, size_t *capacity, size_t count, size_t size)
{
    if (count <= *capacity)
        return true;
    free(*array);
    *array = calloc(count, size);
    *capacity = *array == NULL ? 0 : count;
    return *array != NULL;
}

/* The capacity that the rules need; it never gets less. */
static bool reserve_all(struct rules_reader *reader, const struct rules *rules)
{
    return reserve((void **)&reader->values, &reader->value_capacity, rules->field_count, sizeof reader->values[0]) &&
           reserve((void **)&reader->scopes, &reader->scope_capacity, rules->scope_count, sizeof reader->scopes[0]) &&
           reserve((void **)&reader->found, &reader->found_capacity, rules->index.words, sizeof reader->found[0]) &&
           reserve((void **)&reader->tallies, &reader->tally_capacity, rules->count, sizeof reader->tallies[0]);
}

/* Rules that have nothing to say are taken out of the context: then no line is asked about. */
static void begin_batch(struct family_context *context)
{
    struct rules_reader *reader = rules_reader_of(context);
    if (rules_count(context->rules) == 0)
        context->rules = NULL;
    if (context->rules != NULL && !reserve_all(reader, context->rules)) {
        context->rules = NULL;
        log_write(LOG_WARN, "a batch is read without the rules: " ERROR_NO_MEMORY);
    }
    reader->rules = context->rules;
    reader->taken_count = reader->unread_count = 0;
}

bool rules_reader_tally(struct rules_reader *reader, size_t *rule, struct rules_tally *result)
{
    for (; *rule < rules_count(reader->rules); (*rule)++) {
        struct rule_tally *tally = &reader->tallies[*rule];
        if (tally->lines == 0 && tally->errors == 0)
            continue;
        *result = (struct rules_tally){rules_name(reader->rules, *rule), tally->lines, tally->errors, tally->unread};
        *tally = (struct rule_tally){0};
        (*rule)++;
        return true;
    }
    return false;
}

/* ---- which rules take a line ---- */

/* Does a pattern with '*' and '?' fit?  If it does not, the last '*' takes one byte more. */
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
    if (atomic_fetch_add_explicit(&rules->states[index].errors, 1, memory_order_relaxed) + 1 == RULES_ERRORS_MAX)
        log_write(LOG_WARN,
                  "the rule \"%s\" is switched off until the configuration is read again: matching took too long %d "
                  "times",
                  rules->list[index].name, RULES_ERRORS_MAX);
}

static bool match(struct rules_reader *reader, const struct rule_pattern *pattern, struct rule_matcher *matcher,
                  struct slice text)
{
    enum rule_match found = rule_pattern_match(pattern, matcher, text);
    reader->given_up |= found == RULE_FAILS;
    return found == RULE_MATCHES;
}

/* May the text match, by what it must start with and hold?  Inlined, since it is all that most rules cost a line. */
static inline __attribute__((always_inline)) bool may_match(struct slice start, struct slice part, struct slice text)
{
    return (start.length == 0 || slice_starts_with(text, start)) && (part.length == 0 || scan_holds(text, part));
}

bool rules_reader_match(struct rules_reader *reader, const struct rule_pattern *pattern, struct slice text)
{
    return may_match(rule_pattern_start(pattern), rule_pattern_part(pattern), text) &&
           match(reader, pattern, reader->side_matcher, text);
}

/* Is it as the rule says, whoever said it? */
static bool is_such_a_line(struct rules_reader *reader, const struct rule *rule)
{
    struct slice message = reader->line->message;
    const struct rule_condition *first = rule->conditions;
    if (rule->pattern != NULL &&
        !(may_match(rule->start, rule->part, message) && match(reader, rule->pattern, reader->matcher, message)))
        return false;
    if (rule->fields != RULE_NO_FIELDS && !rule_fields_read(reader, rule))
        return false;
    if (rule->condition_count == 0)
        return true;
    return (first->negated || !rule_fields_lack(reader, rule, &first->field)) && rule_tests_fulfil(reader, rule);
}

static bool is_off(const struct rules *rules, size_t index)
{
    return atomic_load_explicit(&rules->states[index].errors, memory_order_relaxed) >= RULES_ERRORS_MAX;
}

/* Does a rule that may take the line do it? */
static bool takes(struct rules_reader *reader, size_t index)
{
    const struct rule *rule = &reader->rules->list[index];
    struct slice procid = reader->line->procid;
    if ((rule->app != NULL && !slice_equals(reader->app, slice_of(rule->app))) || is_off(reader->rules, index))
        return false;
    if (rule->process != NULL && (procid.length > PROCESS_MAX || !fits(rule->process, procid)))
        return false;
    reader->given_up = false;
    bool taken = is_such_a_line(reader, rule);
    if (reader->given_up)
        count_error(reader, index);
    return taken;
}

static bool owns(const struct line *line, const struct family_context *context)
{
    return context->rules != NULL && line->appname.length > 0;
}

static void start_line(struct rules_reader *reader, const struct line *line, const struct family_context *context)
{
    reader->line = line;
    reader->app = context->app;
    reader->instance = context->cf == NULL ? (struct slice){"", 0} : context->cf->instance;
    reader->is_cf = context->cf != NULL;
    reader->cf_instance_labels = context->cf_instance_labels;
    reader->number++;
    reader->process_read = false;
}

static enum verdict read_line(const struct line *line, struct family_context *context, struct sample_output *output)
{
    struct rules_reader *reader = rules_reader_of(context);
    const struct rules *rules = context->rules;
    enum verdict verdict = VERDICT_NOT_A_METRIC;
    reader->taken_count = reader->unread_count = 0;
    if (line->message.length > RULE_LINE_MAX)
        return verdict;
    struct line copy;
    start_line(reader, cf_line_of_process(line, context, &copy), context);
    const struct rule_head *heads = rules->index.heads;
    uint64_t head = rule_index_head(line->message);
    struct rule_candidates candidates = rule_index_find(&rules->index, line->message, reader->found);
    for (size_t index; (index = rule_index_next(&candidates)) != RULE_INDEX_NONE;) {
        if (((head ^ heads[index].bytes) & heads[index].mask) != 0 || !takes(reader, index))
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

bool rules_could_take(enum family_id family, const struct line *line)
{
    bool is_asked = family == FAMILY_COUNT || family == FAMILY_RULES || families[family]->rules_after;
    return is_asked && line->appname.length > 0 && line->message.length <= RULE_LINE_MAX;
}

bool rules_taken(enum family_id family, const struct family_context *context, size_t nth, struct rules_taken *taken)
{
    if (family != FAMILY_RULES)
        return false;
    const struct rules_reader *reader = rules_reader_of(context);
    if (nth >= reader->taken_count)
        return false;
    const struct rule *rule = &reader->rules->list[reader->taken[nth]];
    *taken = (struct rules_taken){slice_of(rule->name), reader->taken[nth], rule->drop};
    return true;
}

const struct family rules_family = {.owns_all = true,
                                    .create_state = create_state,
                                    .free_state = free_state,
                                    .begin_batch = begin_batch,
                                    .owns = owns,
                                    .read = read_line};
