#include "families/rule_line.h"

static bool equals(const struct rule_value *value, const char *wanted)
{
    char spelled[NUMBER_TEXT_MAX];
    return slice_equals(rule_fields_text(value, spelled), slice_of(wanted));
}

/* An amount of another kind is neither less nor more. */
static bool compares(const struct rule_test *test, const struct rule_value *value)
{
    struct amount amount = {value->number, AMOUNT_NUMBER};
    struct slice unit;
    if (!value->is_number && amount_read(value->text, AMOUNT_NUMBER, &amount, &unit) != AMOUNT_OK)
        return false;
    if (amount.kind != test->amount.kind)
        return false;
    switch (test->kind) {
    case RULE_LESS:
        return amount.number < test->amount.number;
    case RULE_AT_MOST:
        return amount.number <= test->amount.number;
    case RULE_GREATER:
        return amount.number > test->amount.number;
    default:
        return amount.number >= test->amount.number;
    }
}

static bool fits(struct rules_reader *reader, const struct rule_pattern *pattern, const struct rule_value *value)
{
    char spelled[NUMBER_TEXT_MAX];
    struct slice text = rule_fields_text(value, spelled);
    return rules_reader_match(reader, pattern, text);
}

bool rule_tests_hold(struct rules_reader *reader, const struct rule_test *test, const struct rule_value *value)
{
    switch (test->kind) {
    case RULE_ANY:
        return true;
    case RULE_EQUALS:
        return equals(value, test->text);
    case RULE_FITS:
        return fits(reader, test->pattern, value);
    default:
        return compares(test, value);
    }
}

static bool one_holds(struct rules_reader *reader, const struct rule_condition *condition,
                      const struct rule_value *value)
{
    for (size_t i = 0; i < condition->test_count; i++)
        if (rule_tests_hold(reader, &condition->tests[i], value))
            return true;
    return false;
}

bool rule_tests_fulfil(struct rules_reader *reader, const struct rule *rule)
{
    for (size_t i = 0; i < rule->condition_count; i++) {
        const struct rule_condition *condition = &rule->conditions[i];
        struct rule_value own;
        const struct rule_value *value = rule_fields_find(reader, rule, &condition->field, &own);
        bool holds = value != NULL && one_holds(reader, condition, value);
        if (holds == condition->negated || reader->given_up)
            return false;
    }
    return true;
}
