#include "base/clock.h"
#include "base/log.h"
#include "families/rule_line.h"

enum { LOG_INTERVAL = 60 * 1000 }; /* ms from one log line about a rule to the next */

/* Is it a control character of ASCII, or one of ISO 6429 as UTF-8? */
static bool is_control(struct slice text, size_t at)
{
    unsigned char byte = (unsigned char)text.at[at];
    unsigned char before = at > 0 ? (unsigned char)text.at[at - 1] : 0;
    return byte < ' ' || byte == 0x7F || (before == 0xC2 && byte >= 0x80 && byte < 0xA0);
}

static struct slice keep(struct slice text, char copy[RULES_UNREAD_TEXT])
{
    struct slice kept = slice_beginning(text, RULES_UNREAD_TEXT);
    for (size_t i = 0; i < kept.length; i++) /* a log must not steer the terminal */
        copy[i] = is_control(kept, i) ? '?' : kept.at[i];
    return (struct slice){copy, kept.length};
}

/* A line a minute; what is not there at all, which is often meant so, is not logged. */
static void log_it(struct rule_state *state, const struct rules_unread *unread)
{
    uint64_t now = clock_monotonic(), last = atomic_load_explicit(&state->told, memory_order_relaxed);
    unsigned count = atomic_fetch_add_explicit(&state->unread, 1, memory_order_relaxed) + 1;
    if ((last != 0 && now - last < LOG_INTERVAL) ||
        !atomic_compare_exchange_strong_explicit(&state->told, &last, now, memory_order_relaxed, memory_order_relaxed))
        return;
    log_write(LOG_WARN, "the rule \"%.*s\": %s: the value \"%.*s\" cannot be used: %s%.*s (%u such values so far)",
              (int)unread->rule.length, unread->rule.at, unread->metric, (int)unread->text.length, unread->text.at,
              rules_unread_meaning(unread->reason), (int)unread->unit.length, unread->unit.at, count);
}

void rule_unread_note(struct rules_reader *reader, const struct rule *rule, const struct rule_metric *metric,
                      enum rules_unread_reason reason, struct slice text, struct slice unit)
{
    size_t number = (size_t)(rule - reader->rules->list);
    unsigned i = reader->unread_count < RULES_TOLD ? reader->unread_count++ : RULES_TOLD - 1;
    struct rules_unread *unread = &reader->unread[i];
    *unread = (struct rules_unread){.rule = slice_of(rule->name),
                                    .metric = metric->name,
                                    .reason = reason,
                                    .text = keep(text, reader->unread_texts[i][0]),
                                    .unit = keep(unit, reader->unread_texts[i][1])};
    reader->tallies[number].unread++;
    if (reason != RULES_UNREAD_MISSING)
        log_it(&reader->rules->states[number], unread);
}

const char *rules_unread_meaning(enum rules_unread_reason reason)
{
    static const char *const meanings[] = {
        [RULES_UNREAD_MISSING] = "there is none",
        [RULES_UNREAD_NO_NUMBER] = "it is no number",
        [RULES_UNREAD_UNIT] = "its unit is not known here: ",
        [RULES_UNREAD_NEGATIVE] = "it is negative",
        [RULES_UNREAD_TOO_LARGE] = "it is too large",
    };
    return meanings[reason];
}

bool rules_unread(enum family_id family, const struct family_context *context, size_t nth, struct rules_unread *unread)
{
    if (family != FAMILY_RULES)
        return false;
    const struct rules_reader *reader = rules_reader_of(context);
    if (nth >= reader->unread_count)
        return false;
    *unread = reader->unread[nth];
    return true;
}
