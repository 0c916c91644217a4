#include "families/postgres_log.h"

#define NAME "heroku_postgres_log_messages_total"

static const struct metric log_messages = {
    .name = NAME,
    .help = "Messages on the log of the Postgres server, by severity and class of SQLSTATE.",
    .type = METRIC_COUNTER,
    .cells = 1,
};

static const struct slice severities[] = {{"DEBUG", 5},   {"LOG", 3},   {"INFO", 4},  {"NOTICE", 6},
                                          {"WARNING", 7}, {"ERROR", 5}, {"FATAL", 5}, {"PANIC", 5}};

/* What says more about the message before it. */
static const struct slice additions[] = {{"DETAIL", 6},  {"HINT", 4},  {"STATEMENT", 9},
                                         {"CONTEXT", 7}, {"QUERY", 5}, {"LOCATION", 8}};

/* The one of these words that text is, or NULL. */
static const struct slice *find_word(const struct slice *words, size_t count, struct slice text)
{
    for (size_t i = 0; i < count; i++)
        if (slice_equals(words[i], text))
            return &words[i];
    return NULL;
}

static bool is_capital(char byte)
{
    return byte >= 'A' && byte <= 'Z';
}

static bool is_key_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || byte == '_' || slice_is_digit(byte);
}

static struct slice skip_blanks(struct slice text)
{
    while (text.length > 0 && text.at[0] == ' ')
        text = slice_after(text, 1);
    return text;
}

/* Cut "[inside]" off the start of *text; false if it does not start so. */
static bool take_brackets(struct slice *text, struct slice *inside)
{
    if (text->length == 0 || text->at[0] != '[')
        return false;
    size_t end = slice_index(*text, ']');
    if (end == text->length)
        return false;
    *inside = (struct slice){text->at + 1, end - 1};
    *text = skip_blanks(slice_after(*text, end + 1));
    return true;
}

static bool is_source(struct slice text)
{
    enum { SOURCE_MAX = 64 };
    for (size_t i = 0; i < text.length; i++)
        if (!is_capital(text.at[i]) && !slice_is_digit(text.at[i]) && text.at[i] != '_')
            return false;
    return text.length > 0 && text.length <= SOURCE_MAX;
}

/* "12-1": the number of the message and that of its part. */
static bool is_position(struct slice text)
{
    size_t dash = slice_index(text, '-');
    for (size_t i = 0; i < text.length; i++)
        if (i != dash && !slice_is_digit(text.at[i]))
            return false;
    return dash > 0 && dash + 1 < text.length;
}

struct head {
    struct slice source;
    bool first; /* the message's first part */
};

/* Cut "[YELLOW] [12-1] " off the start of *text; false if it does not start so. */
static bool take_head(struct slice *text, struct head *head)
{
    struct slice position;
    if (!take_brackets(text, &head->source) || !is_source(head->source) || !take_brackets(text, &position))
        return false;
    head->first = slice_equals(slice_after(position, slice_index(position, '-')), SLICE("-1"));
    return is_position(position);
}

/* The value at the start of text.  Postgres does not escape the quotes in a value: the one that closes it has a blank
 * behind it. */
static struct slice value_at(struct slice text)
{
    if (text.length == 0 || text.at[0] != '"')
        return (struct slice){text.at, slice_index(text, ' ')};
    for (size_t i = 1; i < text.length; i++)
        if (text.at[i] == '"' && (i + 1 == text.length || text.at[i + 1] == ' '))
            return (struct slice){text.at, i + 1};
    return text;
}

/* Cut 'key = value' or 'key="value"' off the start of *text; false if it does not start so. */
static bool take_pair(struct slice *text, struct slice *key, struct slice *value)
{
    size_t length = 0;
    while (length < text->length && is_key_byte(text->at[length]))
        length++;
    struct slice rest = skip_blanks(slice_after(*text, length));
    if (length == 0 || rest.length == 0 || rest.at[0] != '=')
        return false;
    *key = (struct slice){text->at, length};
    rest = skip_blanks(slice_after(rest, 1));
    *value = value_at(rest);
    *text = skip_blanks(slice_after(rest, value->length));
    return true;
}

/* The word in capitals with a colon behind it at the start of text, without the level of "DEBUG1"; empty if there is
 * none. */
static struct slice word_at(struct slice text)
{
    size_t length = 0;
    while (length < text.length && is_capital(text.at[length]))
        length++;
    size_t end = length;
    while (end < text.length && slice_is_digit(text.at[end]))
        end++;
    bool closed = end < text.length && text.at[end] == ':';
    return (struct slice){text.at, closed ? length : 0};
}

/* A class has 36 x 36 values at most; Postgres knows some forty. */
static struct slice class_of(struct slice code)
{
    for (size_t i = 0; i < 2; i++)
        if (i >= code.length || (!slice_is_digit(code.at[i]) && !is_capital(code.at[i])))
            return SLICE("other");
    return (struct slice){code.at, 2};
}

static bool hears(const struct line *line)
{
    return slice_starts_with(line->procid, SLICE("postgres.")) && slice_equals(line->appname, SLICE("app"));
}

static bool owns(const struct line *line, const struct family_context *context)
{
    (void)context;
    struct slice text = line->message;
    struct head head;
    return take_head(&text, &head);
}

static enum verdict read_line(const struct line *line, struct family_context *context, struct sample_output *output)
{
    struct slice text = line->message;
    struct slice code = {0};
    struct slice key;
    struct slice value;
    struct head head;
    if (!take_head(&text, &head))
        return VERDICT_NOT_A_METRIC;
    if (!head.first)
        return VERDICT_RECOGNISED;
    while (take_pair(&text, &key, &value))
        if (slice_equals(key, SLICE("sql_error_code")))
            code = value;
    struct slice word = word_at(text);
    const struct slice *severity = find_word(severities, COUNT(severities), word);
    if (severity == NULL)
        return find_word(additions, COUNT(additions), word) != NULL ? VERDICT_RECOGNISED : VERDICT_NOT_A_METRIC;
    struct label labels[] = {{SLICE("app"), context->app},
                             {SLICE("source"), head.source},
                             {SLICE("severity"), *severity},
                             {SLICE("sqlstate_class"), class_of(code)}};
    struct sample sample = {
        .metric = &log_messages, .name = SLICE(NAME), .labels = labels, .label_count = COUNT(labels), .amount = 1};
    output->record(output, &sample);
    return VERDICT_RECOGNISED;
}

const struct family postgres_log_family = {
    .prefixes = {"heroku_postgres_log"}, .rules_after = true, .hears = hears, .owns = owns, .read = read_line};
