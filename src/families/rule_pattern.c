#include "families/rule_pattern.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/scan.h"

enum { FIRST_STACK = 32 * 1024, NESTING_MAX = 100 };

/* Lines are bytes: there is no way into UTF modes, which check their subject, or trust it. */
static const uint32_t never = PCRE2_NEVER_UTF | PCRE2_NEVER_UCP | PCRE2_NEVER_BACKSLASH_C;

struct rule_pattern {
    pcre2_code *code;
    bool has_machine_code;
    bool may_be_empty;
    uint8_t first[32]; /* a bit for each byte that a match can start with */
    size_t start_length;
    size_t part_length;
    char start[RULE_PATTERN_MAX];
    char part[RULE_PATTERN_MAX];
};

struct rule_matcher {
    pcre2_match_context *context;
    pcre2_match_data *data;
    pcre2_jit_stack *stack;
    struct slice text; /* of the last match */
    unsigned groups;   /* that it has set, the whole included */
};

/* ---- what a match starts with ---- */

static bool is_letter_or_digit(char byte)
{
    return slice_is_digit(byte) || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

/* Behind the class that starts at the '[' at this offset; the end of the text if it has no end. */
static size_t skip_class(struct slice text, size_t offset)
{
    offset++;
    if (offset < text.length && text.at[offset] == '^')
        offset++;
    if (offset < text.length && text.at[offset] == ']')
        offset++;
    while (offset < text.length && text.at[offset] != ']')
        offset += text.at[offset] == '\\' ? 2 : 1;
    return offset < text.length ? offset + 1 : text.length;
}

static bool holds(struct slice text, const char *word)
{
    return memmem(text.at, text.length, word, strlen(word)) != NULL;
}

/* Is the expression one of several, "a|b", or can we not tell?  What could make a '|' or a bracket mean something else
 * (quoting, comments, white space that does not count, classes in classes, names of verbs) is not looked into. */
static bool may_have_alternatives(struct slice text)
{
    unsigned depth = 0;
    if (slice_index(text, '|') == text.length)
        return false;
    static const char *const unclear[] = {"\\Q", "\\c", "#", "[:", "[.", "[=", "(?C", "(*"};
    for (size_t i = 0; i < sizeof unclear / sizeof unclear[0]; i++)
        if (holds(text, unclear[i]))
            return true;
    for (size_t i = 0; i < text.length;) {
        char byte = text.at[i];
        if (byte == '[') {
            i = skip_class(text, i);
            continue;
        }
        if (byte == '|' && depth == 0)
            return true;
        depth += byte == '(';
        depth -= byte == ')' && depth > 0;
        i += byte == '\\' ? 2 : 1;
    }
    return false;
}

/* Does it say how often the '^' before it is to stand?  rest is what follows the '^'. */
static bool is_quantified(struct slice rest)
{
    return rest.length > 0 && (strchr("?*+", rest.at[0]) != NULL ||
                               (rest.at[0] == '{' && rest.length > 1 &&
                                (slice_is_digit(rest.at[1]) || rest.at[1] == ',' || rest.at[1] == ' ')));
}

/* The letters up to the first that is special. */
static size_t find_start(struct slice rest, char *start)
{
    size_t length = 0;
    if (may_have_alternatives(rest))
        return 0;
    for (size_t i = 0; i < rest.length; i++) {
        char byte = rest.at[i];
        if (byte == '\\' && i + 1 < rest.length && !is_letter_or_digit(rest.at[i + 1]))
            byte = rest.at[++i];
        else if (strchr("\\^$.[]|()?*+{}", byte) != NULL)
            break;
        /* A letter that may be there or not, or several times. */
        if (i + 1 < rest.length && strchr("?*+{", rest.at[i + 1]) != NULL)
            break;
        start[length++] = byte;
    }
    return length;
}

static void add_first(struct rule_pattern *pattern, unsigned char byte)
{
    pattern->first[byte / 8] |= (uint8_t)(1u << byte % 8);
}

/* PCRE2 finds out the first bytes of what is searched for, but not of what stands behind a '^'. */
static void find_first_bytes(struct rule_pattern *pattern, struct slice rest)
{
    int number;
    size_t offset;
    const uint8_t *bits = NULL;
    uint32_t kind = 0, unit = 0;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)rest.at, rest.length, never, &number, &offset, NULL);
    if (code != NULL) {
        pcre2_pattern_info(code, PCRE2_INFO_FIRSTCODETYPE, &kind);
        pcre2_pattern_info(code, PCRE2_INFO_FIRSTCODEUNIT, &unit);
        pcre2_pattern_info(code, PCRE2_INFO_FIRSTBITMAP, &bits);
    }
    if (bits != NULL)
        memcpy(pattern->first, bits, sizeof pattern->first);
    else if (kind == 1) {
        add_first(pattern, (unsigned char)unit);
        if (unit < 0x80 && is_letter_or_digit((char)unit) && !slice_is_digit((char)unit))
            add_first(pattern, (unsigned char)unit ^ 0x20); /* it may be (?i) */
    } else
        memset(pattern->first, 0xFF, sizeof pattern->first);
    pcre2_code_free(code);
}

/* What "^.*?" or "^.*" is to find. */
static void find_part(struct rule_pattern *pattern, struct slice rest)
{
    if (!slice_starts_with(rest, SLICE(".*")) || may_have_alternatives(rest))
        return;
    rest = slice_after(rest, 2);
    if (rest.length > 0 && (rest.at[0] == '?' || rest.at[0] == '+'))
        rest = slice_after(rest, 1);
    pattern->part_length = find_start(rest, pattern->part);
    if (pattern->part_length > SCAN_BLOCK)
        pattern->part_length = SCAN_BLOCK;
}

static void find_beginning(struct rule_pattern *pattern, struct slice rest)
{
    uint32_t shortest = 0;
    pcre2_pattern_info(pattern->code, PCRE2_INFO_MINLENGTH, &shortest);
    pattern->may_be_empty = shortest == 0;
    if (is_quantified(rest)) {
        memset(pattern->first, 0xFF, sizeof pattern->first);
        return;
    }
    find_part(pattern, rest);
    pattern->start_length = find_start(rest, pattern->start);
    if (pattern->start_length > 0)
        add_first(pattern, (unsigned char)pattern->start[0]);
    else
        find_first_bytes(pattern, rest);
}

/* ---- compiling ---- */

static bool machine_has_jit;

static void try_jit(void)
{
    int number;
    size_t offset, size = 0;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR) "^a", 2, 0, &number, &offset, NULL);
    if (code == NULL)
        return;
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
    pcre2_pattern_info(code, PCRE2_INFO_JITSIZE, &size);
    machine_has_jit = size > 0;
    pcre2_code_free(code);
}

static pcre2_code *compile(struct slice text, char error[ERROR_MAX])
{
    int number;
    size_t offset;
    unsigned char reason[160];
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (context == NULL) {
        snprintf(error, ERROR_MAX, ERROR_NO_MEMORY);
        return NULL;
    }
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    pcre2_set_max_pattern_length(context, RULE_PATTERN_MAX);
    pcre2_set_parens_nest_limit(context, NESTING_MAX);
    pcre2_code *code =
        pcre2_compile((PCRE2_SPTR)text.at, text.length, never | PCRE2_ANCHORED, &number, &offset, context);
    pcre2_compile_context_free(context);
    if (code == NULL) {
        pcre2_get_error_message(number, reason, sizeof reason);
        snprintf(error, ERROR_MAX, "%s (at character %zu)", (const char *)reason, offset + 1);
    }
    return code;
}

/* What is wrong with an expression that can be compiled, or NULL. */
static const char *find_mistake(pcre2_code *code)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    uint32_t groups = 0, changed = 0;
    size_t size = 0;
    pthread_once(&once, try_jit);
    pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &groups);
    pcre2_pattern_info(code, PCRE2_INFO_JCHANGED, &changed);
    if (groups > RULE_GROUPS_MAX)
        return "there are more than 64 groups; one that need not be kept is written (?:...)";
    if (changed)
        return "(?J) is not taken: two groups cannot have one name";
    if (!machine_has_jit)
        return NULL;
    if (pcre2_jit_compile(code, PCRE2_JIT_COMPLETE) == 0)
        pcre2_pattern_info(code, PCRE2_INFO_JITSIZE, &size);
    return size > 0 ? NULL : "it is of a kind, or so long, that no fast code can be made of it";
}

struct rule_pattern *rule_pattern_create(struct slice text, char error[ERROR_MAX])
{
    struct rule_pattern *pattern = calloc(1, sizeof *pattern);
    snprintf(error, ERROR_MAX, ERROR_NO_MEMORY);
    if (pattern == NULL)
        return NULL;
    if (text.length > RULE_PATTERN_MAX)
        snprintf(error, ERROR_MAX, "it is longer than %d bytes", RULE_PATTERN_MAX);
    else if (text.length == 0 || text.at[0] != '^')
        snprintf(error, ERROR_MAX,
                 "it must start with '^', so that the work for a line is bounded; what may stand before the rest is "
                 "written too, as in ^.*?rest");
    else
        pattern->code = compile(text, error);
    const char *found = pattern->code == NULL ? NULL : find_mistake(pattern->code);
    if (found != NULL)
        snprintf(error, ERROR_MAX, "%s", found);
    if (pattern->code == NULL || found != NULL) {
        rule_pattern_free(pattern);
        return NULL;
    }
    pattern->has_machine_code = machine_has_jit;
    find_beginning(pattern, slice_after(text, 1));
    return pattern;
}

void rule_pattern_free(struct rule_pattern *pattern)
{
    if (pattern == NULL)
        return;
    pcre2_code_free(pattern->code);
    free(pattern);
}

unsigned rule_pattern_group(const struct rule_pattern *pattern, const char *name)
{
    int number = pcre2_substring_number_from_name(pattern->code, (PCRE2_SPTR)name);
    return number > 0 ? (unsigned)number : 0;
}

struct slice rule_pattern_start(const struct rule_pattern *pattern)
{
    return (struct slice){pattern->start, pattern->start_length};
}

struct slice rule_pattern_part(const struct rule_pattern *pattern)
{
    return (struct slice){pattern->part, pattern->part_length};
}

bool rule_pattern_may_start(const struct rule_pattern *pattern, unsigned char byte)
{
    return pattern->first[byte / 8] >> byte % 8 & 1;
}

bool rule_pattern_may_be_empty(const struct rule_pattern *pattern)
{
    return pattern->may_be_empty;
}

/* ---- matching ---- */

struct rule_matcher *rule_matcher_create(void)
{
    struct rule_matcher *matcher = calloc(1, sizeof *matcher);
    if (matcher == NULL)
        return NULL;
    matcher->context = pcre2_match_context_create(NULL);
    matcher->data = pcre2_match_data_create(RULE_GROUPS_MAX + 1, NULL);
    matcher->stack = pcre2_jit_stack_create(FIRST_STACK, RULE_STACK_MAX, NULL); /* NULL on a machine without JIT */
    if (matcher->context == NULL || matcher->data == NULL) {
        rule_matcher_free(matcher);
        return NULL;
    }
    pcre2_set_depth_limit(matcher->context, RULE_STEPS);
    pcre2_set_heap_limit(matcher->context, RULE_HEAP_MAX);
    if (matcher->stack != NULL)
        pcre2_jit_stack_assign(matcher->context, NULL, matcher->stack);
    return matcher;
}

void rule_matcher_free(struct rule_matcher *matcher)
{
    if (matcher == NULL)
        return;
    pcre2_match_data_free(matcher->data);
    pcre2_match_context_free(matcher->context);
    pcre2_jit_stack_free(matcher->stack);
    free(matcher);
}

static int match(const struct rule_pattern *pattern, struct rule_matcher *matcher, struct slice text)
{
    PCRE2_SPTR subject = (PCRE2_SPTR)text.at;
    pcre2_set_match_limit(matcher->context, RULE_STEPS + RULE_STEPS_A_BYTE * (uint32_t)text.length);
    if (pattern->has_machine_code)
        return pcre2_jit_match(pattern->code, subject, text.length, 0, 0, matcher->data, matcher->context);
    return pcre2_match(pattern->code, subject, text.length, 0, PCRE2_NO_JIT, matcher->data, matcher->context);
}

/* Nanoseconds of the thread's CPU time, so that others who want the CPU make nobody slow. */
static int64_t cpu_time(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

enum rule_match rule_pattern_match(const struct rule_pattern *pattern, struct rule_matcher *matcher, struct slice text)
{
    if (text.length == 0)
        text.at = "";
    bool is_long = text.length >= RULE_LONG;
    int64_t begin = is_long ? cpu_time() : 0;
    int result = match(pattern, matcher, text);
    if (is_long && cpu_time() - begin > RULE_TIME)
        return RULE_FAILS;
    if (result == PCRE2_ERROR_NOMATCH)
        return RULE_NO_MATCH;
    if (result <= 0)
        return RULE_FAILS;
    matcher->text = text;
    matcher->groups = (unsigned)result;
    return RULE_MATCHES;
}

struct slice rule_matcher_group(const struct rule_matcher *matcher, unsigned group)
{
    const size_t *ends = pcre2_get_ovector_pointer(matcher->data);
    if (group >= matcher->groups || ends[2 * group] == PCRE2_UNSET || ends[2 * group] > ends[2 * group + 1])
        return (struct slice){"", 0};
    return (struct slice){matcher->text.at + ends[2 * group], ends[2 * group + 1] - ends[2 * group]};
}

struct slice rule_matcher_rest(const struct rule_matcher *matcher)
{
    return slice_after(matcher->text, pcre2_get_ovector_pointer(matcher->data)[1]);
}
