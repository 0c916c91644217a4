#include "config/proposals.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/line_patterns.h"
#include "base/redaction.h"
#include "base/utf8.h"
#include "config/configuration.h"
#include "config/suggestion.h"

struct proposal {
    uint64_t lines;
    struct buffer rule;
    struct slice samples[PROPOSALS_SAMPLES]; /* of the patterns */
    size_t sample_count;
};

struct proposals {
    struct line_patterns *patterns;
    size_t count;
    struct proposal list[PROPOSALS_MAX];
    struct line_pattern_count failed[PROPOSALS_MAX]; /* of which no rule can be made; the commonest of them */
    size_t failed_count;
    uint64_t without_rule;
    struct configuration *all; /* all rules; NULL: none yet */
};

struct proposals *proposals_create(size_t kinds)
{
    struct proposals *proposals = calloc(1, sizeof *proposals);
    if (proposals == NULL || (proposals->patterns = line_patterns_create(kinds)) == NULL) {
        free(proposals);
        return NULL;
    }
    return proposals;
}

void proposals_free(struct proposals *proposals)
{
    if (proposals == NULL)
        return;
    for (size_t i = 0; i < proposals->count; i++)
        buffer_free(&proposals->list[i].rule);
    configuration_free(proposals->all);
    line_patterns_free(proposals->patterns);
    free(proposals);
}

void proposals_add(struct proposals *proposals, const struct line *line)
{
    char shape[LINE_SHAPE_MAX];
    size_t length = line_shape_of(line, shape);
    line_patterns_add(proposals->patterns, (struct slice){shape, length}, line->message);
}

/* ---- making rules ---- */

static void add_sample(struct proposal *proposal, struct slice sample)
{
    if (sample.length > 0 && proposal->sample_count < PROPOSALS_SAMPLES)
        proposal->samples[proposal->sample_count++] = sample;
}

/* The rules so far and one more; NULL if that cannot be a configuration. */
static struct configuration *with(const struct proposals *proposals, const struct buffer *rule)
{
    struct buffer text = {0}, mistakes = {0};
    buffer_append(&text, SLICE("rules:\n"));
    for (size_t i = 0; i < proposals->count; i++)
        buffer_append(&text, (struct slice){proposals->list[i].rule.at, proposals->list[i].rule.length});
    buffer_append(&text, (struct slice){rule->at, rule->length});
    struct configuration *all = NULL;
    if (!text.failed)
        all = configuration_try((struct slice){text.at, text.length}, "proposals", &mistakes);
    buffer_free(&text);
    buffer_free(&mistakes);
    return all;
}

/* Does the rule make a counter that one before it makes, too? */
static bool has_known_counter(const struct proposals *proposals, const struct buffer *rule)
{
    const struct slice start = SLICE("      - counter: ");
    const char *counter = memmem(rule->at, rule->length, start.at, start.length);
    if (counter == NULL)
        return false;
    struct slice rest = {counter, rule->length - (size_t)(counter - rule->at)};
    struct slice line = {counter, slice_index(rest, '\n')};
    line.length += line.length < rest.length; /* to its end, or a longer name is the same */
    for (size_t i = 0; i < proposals->count; i++) {
        const struct buffer *other = &proposals->list[i].rule;
        if (memmem(other->at, other->length, line.at, line.length) != NULL)
            return true;
    }
    return false;
}

/* Append a rule for this message to an empty buffer; false if there is none. */
static bool make_rule(const struct proposals *proposals, struct slice message, struct buffer *rule)
{
    unsigned number = (unsigned)proposals->count + 1;
    if (!suggestion_make(message, number, rule))
        return false;
    if (!has_known_counter(proposals, rule))
        return true;
    rule->length = 0;
    return suggestion_make_distinct(message, number, rule);
}

static bool propose(struct proposals *proposals, const struct line_pattern_count *kind)
{
    struct proposal *proposal = &proposals->list[proposals->count];
    struct buffer rule = {0};
    struct configuration *all = make_rule(proposals, kind->example, &rule) ? with(proposals, &rule) : NULL;
    if (all == NULL || !suggestion_takes(all->rules, kind->example, NULL)) {
        configuration_free(all);
        buffer_free(&rule);
        return false;
    }
    *proposal = (struct proposal){.lines = kind->count, .rule = rule};
    proposals->count++;
    configuration_free(proposals->all);
    proposals->all = all;
    add_sample(proposal, kind->example);
    if (suggestion_takes(all->rules, kind->other, NULL))
        add_sample(proposal, kind->other);
    return true;
}

/* Is it taken by a rule that is proposed already, as pairs with another word in them may be? */
static bool join(struct proposals *proposals, const struct line_pattern_count *kind)
{
    size_t number;
    if (proposals->all == NULL || !suggestion_takes(proposals->all->rules, kind->example, &number))
        return false;
    proposals->list[number].lines += kind->count;
    add_sample(&proposals->list[number], kind->example);
    return true;
}

void proposals_make(struct proposals *proposals)
{
    struct line_pattern_count *kinds = calloc(PROPOSALS_KINDS, sizeof kinds[0]);
    size_t count = kinds == NULL ? 0 : line_patterns_most(proposals->patterns, kinds, PROPOSALS_KINDS);
    for (size_t i = 0; i < count; i++) {
        if (join(proposals, &kinds[i]) || proposals->count == PROPOSALS_MAX || propose(proposals, &kinds[i]))
            continue;
        proposals->without_rule += kinds[i].count;
        if (proposals->failed_count < PROPOSALS_MAX)
            proposals->failed[proposals->failed_count++] = kinds[i];
    }
    free(kinds);
}

struct proposals_total proposals_total(const struct proposals *proposals)
{
    struct line_patterns_total all = line_patterns_total(proposals->patterns);
    struct proposals_total total = {
        .rules = proposals->count, .lines = all.counted + all.not_told_apart, .without_rule = proposals->without_rule};
    for (size_t i = 0; i < proposals->count; i++)
        total.taken += proposals->list[i].lines;
    return total;
}

/* ---- text of others ---- */

static uint32_t character_at(struct slice text, size_t length)
{
    const unsigned char *t = (const unsigned char *)text.at;
    uint32_t character = length == 1 ? t[0] : t[0] & (0xFFu >> (length + 1));
    for (size_t i = 1; i < length; i++)
        character = character << 6 | (t[i] & 0x3Fu);
    return character;
}

/* What is shown as it is: nothing that breaks a line, turns it around or cannot be seen.  It need not be all that would
 * be harmless. */
static bool is_harmless(uint32_t character)
{
    if (character < 0x7F)
        return character >= ' ';
    bool is_invisible = character == 0xAD || character == 0x61C || character == 0x180E;
    return (character > 0xA0 && character < 0x2000 && !is_invisible) || (character > 0x3000 && character < 0xD800);
}

void proposals_write_text(struct slice text, size_t most, struct buffer *out)
{
    char shown[PROPOSALS_LINE];
    struct slice rest = {shown, redaction_write(text, shown, most)};
    while (rest.length > 0) {
        size_t length = utf8_length(rest);
        bool is_shown = length > 0 && is_harmless(character_at(rest, length));
        length = length > 0 ? length : 1;
        buffer_append(out, is_shown ? (struct slice){rest.at, length} : SLICE("?"));
        rest = slice_after(rest, length);
    }
}

/* ---- writing ---- */

static const char *lines_of(uint64_t count)
{
    return count == 1 ? "line" : "lines";
}

static void write_sample(struct slice sample, struct buffer *out)
{
    buffer_format(out, "#   #     ");
    proposals_write_text(sample, PROPOSALS_LINE, out);
    buffer_format(out, "\n");
}

/* Samples that differ may look the same without what must not be shown: once is enough. */
static void write_samples(const struct proposal *proposal, struct buffer *out)
{
    size_t start = out->length;
    for (size_t i = 0; i < proposal->sample_count; i++) {
        size_t before = out->length;
        write_sample(proposal->samples[i], out);
        if (!out->failed && memmem(out->at + start, before - start, out->at + before, out->length - before) != NULL)
            out->length = before;
    }
}

static void write_proposal(const struct proposal *proposal, struct buffer *out)
{
    struct slice rule = {proposal->rule.at, proposal->rule.length};
    buffer_format(out, "#\n#   # %" PRIu64 " %s such as\n", proposal->lines, lines_of(proposal->lines));
    write_samples(proposal, out);
    while (rule.length > 0) {
        struct slice line = slice_cut_line(&rule);
        buffer_format(out, "# ");
        buffer_append(out, line);
        buffer_format(out, "\n");
    }
}

static void write_failed(const struct proposals *proposals, struct buffer *out)
{
    buffer_format(out, "#\n#   # No rule can be made of such lines:\n");
    for (size_t i = 0; i < proposals->failed_count; i++)
        write_sample(proposals->failed[i].example, out);
}

void proposals_write(const struct proposals *proposals, struct buffer *out)
{
    if (proposals->count > 0)
        buffer_format(out, "# rules:\n");
    for (size_t i = 0; i < proposals->count; i++)
        write_proposal(&proposals->list[i], out);
    if (proposals->failed_count > 0)
        write_failed(proposals, out);
}
