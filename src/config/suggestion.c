#include "config/suggestion.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/amount.h"
#include "base/json.h"
#include "base/keyvalue.h"
#include "base/redaction.h"
#include "config/configuration.h"

enum {
    FIELDS_MAX = 32,
    ASKED_MAX = 4,      /* fields that "when" names */
    LABELS_MAX = 3,     /* and that become labels */
    NUMBERS_MAX = 3,    /* and that become metrics */
    FIELD_NAME = 40,    /* bytes of a field's name */
    WORDS = 3,          /* of a metric's name */
    DEPTH_MAX = 3,      /* of members of members */
    PATTERN_PART = 120, /* bytes of a pattern that are surely the same in all lines that are counted with it */
};

/* A pair or a member that a rule can speak of. */
struct field {
    char name[FIELD_NAME + 1];
    struct slice value;
    bool is_number; /* of JSON, or a text that spells an amount */
    enum amount_kind kind;
};

struct suggestion {
    struct slice message;
    unsigned number;
    bool distinct; /* the number is part of the metrics' names as well */
    struct field fields[FIELDS_MAX];
    size_t field_count;
    struct slice start; /* what stands before the fields */
    char slug[64];      /* for the names of metrics */
    struct buffer pattern;
    struct buffer metrics;
};

/* ---- words ---- */

static bool is_letter(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

static bool is_one_of(const char *name, const char *const *words)
{
    for (; *words != NULL; words++)
        if (strcasecmp(name, *words) == 0)
            return true;
    return false;
}

static bool holds_one_of(const char *name, const char *const *words)
{
    for (; *words != NULL; words++)
        if (strcasestr(name, *words) != NULL)
            return true;
    return false;
}

/* Append the letters and digits of a text in lower case, for a metric's name. */
static void add_slug(char slug[64], struct slice text)
{
    size_t length = strlen(slug), start = length;
    for (size_t i = 0; i < text.length && length < 48; i++) {
        bool is_good = is_letter(text.at[i]) || slice_is_digit(text.at[i]);
        if (is_good && length == start && start > 0)
            slug[length++] = '_';
        if (is_good)
            slug[length++] = (char)(is_letter(text.at[i]) ? text.at[i] | 0x20 : text.at[i]);
        else if (length > start && slug[length - 1] != '_')
            slug[length++] = '_';
    }
    while (length > 0 && slug[length - 1] == '_')
        length--;
    slug[length] = '\0';
}

/* ---- fields ---- */

/* Names that need no quoting in YAML, and no thought. */
static bool is_plain_name(struct slice name)
{
    for (size_t i = 0; i < name.length; i++)
        if (!is_letter(name.at[i]) && !slice_is_digit(name.at[i]) && slice_index(SLICE("_-."), name.at[i]) == 3)
            return false;
    return name.length > 0 && name.length <= FIELD_NAME && (is_letter(name.at[0]) || name.at[0] == '_');
}

/* Does it hold what must not be shown?  An app may log an object whose members are called by keys or addresses. */
static bool is_redacted(struct slice name)
{
    size_t length;
    for (size_t at = 0; at < name.length; at++)
        if (redaction_at(name, at, &length) != REDACTION_NONE)
            return true;
    return false;
}

static bool is_noted(const struct suggestion *suggestion, struct slice name)
{
    for (size_t i = 0; i < suggestion->field_count; i++)
        if (slice_equals(slice_of(suggestion->fields[i].name), name))
            return true;
    return false;
}

static void note_field(struct suggestion *suggestion, struct slice name, struct slice value, bool is_number)
{
    if (suggestion->field_count == FIELDS_MAX || !is_plain_name(name) || is_redacted(name) ||
        is_noted(suggestion, name))
        return;
    struct field *field = &suggestion->fields[suggestion->field_count++];
    struct amount amount = {0, AMOUNT_NUMBER};
    struct slice unit;
    memcpy(field->name, name.at, name.length);
    field->name[name.length] = '\0';
    field->value = value;
    field->is_number = is_number || amount_read(value, AMOUNT_NUMBER, &amount, &unit) == AMOUNT_OK;
    field->kind = amount.kind;
}

static void note_members(struct suggestion *suggestion, const cJSON *object, const char *prefix, unsigned depth)
{
    for (const cJSON *item = object->child; item != NULL; item = item->next) {
        char path[256];
        if (snprintf(path, sizeof path, "%s%s", prefix, item->string) >= (int)sizeof path - 1)
            continue;
        if (cJSON_IsObject(item) && depth < DEPTH_MAX) {
            strcat(path, ".");
            note_members(suggestion, item, path, depth + 1);
        } else if (cJSON_IsNumber(item))
            note_field(suggestion, slice_of(path), (struct slice){"", 0}, true);
        else if (cJSON_IsString(item))
            note_field(suggestion, slice_of(path), slice_of(item->valuestring), false);
    }
}

/* In a pattern a digit stands for any, also in the name of a pair. */
static bool has_digit(struct slice text)
{
    for (size_t i = 0; i < text.length; i++)
        if (slice_is_digit(text.at[i]))
            return true;
    return false;
}

/* False: these are no fields, or too few to know the line by. */
static bool find_pairs(struct suggestion *suggestion)
{
    struct keyvalue_reader reader;
    struct keyvalue pair;
    size_t words = 0;
    bool any = false;
    suggestion->start = (struct slice){suggestion->message.at, 0};
    keyvalue_start(&reader, suggestion->message);
    while (keyvalue_next(&reader, &pair)) {
        words += pair.bare;
        if (!pair.bare && !any)
            suggestion->start.length = (size_t)(pair.key.at - suggestion->message.at);
        any |= !pair.bare;
        if (pair.value.length > 0 && pair.value.at[0] == '\'')
            return false; /* pairs know no such quotes, and what is in them differs from line to line */
        if (!pair.bare && !has_digit(pair.key))
            note_field(suggestion, pair.key, pair.value, false);
    }
    return suggestion->field_count >= 2 && suggestion->field_count >= words;
}

/* ---- metrics ---- */

static const char *const label_names[] = {
    "level",  "severity", "status", "method", "event", "type",  "action", "controller", "job",     "queue",    "kind",
    "source", "code",     "name",   "worker", "task",  "state", "result", "reason",     "service", "currency", NULL};
static const char *const time_words[] = {"duration", "elapsed", "took", "latency", "_ms", "_time", "runtime", NULL};
static const char *const size_words[] = {"bytes", "size", "memory", NULL};

static void add_counter(struct suggestion *suggestion)
{
    size_t count = 0;
    buffer_format(&suggestion->metrics, "      - counter: app_%s_total\n", suggestion->slug);
    for (size_t i = 0; i < suggestion->field_count && count < LABELS_MAX; i++) {
        const struct field *field = &suggestion->fields[i];
        const char *last = strrchr(field->name, '.') != NULL ? strrchr(field->name, '.') + 1 : field->name;
        char label[64] = "";
        if (!is_one_of(last, label_names))
            continue;
        add_slug(label, slice_of(last));
        if (count == 0)
            buffer_format(&suggestion->metrics, "        labels:\n");
        buffer_format(&suggestion->metrics, "          %s: $%s\n", label, field->name);
        count++;
    }
}

/* "took": a histogram of seconds, "bytes": a gauge; nothing for a number that may be an id. */
static bool add_number(struct suggestion *suggestion, const struct field *field)
{
    char name[64] = "";
    bool is_time =
        field->kind == AMOUNT_SECONDS || (field->kind == AMOUNT_NUMBER && holds_one_of(field->name, time_words));
    bool is_size =
        field->kind == AMOUNT_BYTES || (field->kind == AMOUNT_NUMBER && holds_one_of(field->name, size_words));
    if (!field->is_number || (!is_time && !is_size && field->kind != AMOUNT_RATIO))
        return false;
    add_slug(name, slice_of(field->name));
    buffer_format(&suggestion->metrics, "      - %s: app_%s_%s_%s\n        value: $%s\n",
                  is_time ? "histogram" : "gauge", suggestion->slug, name,
                  is_time   ? "seconds"
                  : is_size ? "bytes"
                            : "ratio",
                  field->name);
    if (is_time && field->kind == AMOUNT_NUMBER)
        buffer_format(&suggestion->metrics,
                      "        scale: %s # of numbers without a unit: 0.001 if they are milliseconds\n",
                      strstr(field->name, "ms") != NULL || strcasecmp(field->name, "duration") == 0 ? "0.001" : "1");
    return true;
}

static void add_metrics(struct suggestion *suggestion)
{
    size_t count = 0;
    size_t length = strlen(suggestion->slug);
    if (suggestion->distinct)
        snprintf(suggestion->slug + length, sizeof suggestion->slug - length, "_%u", suggestion->number);
    add_counter(suggestion);
    for (size_t i = 0; i < suggestion->field_count && count < NUMBERS_MAX; i++)
        count += add_number(suggestion, &suggestion->fields[i]);
}

/* ---- expressions ---- */

/* Plain bytes, as an expression takes them for themselves. */
static void add_plain(struct buffer *pattern, struct slice text)
{
    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.at[i];
        if (byte < ' ' || byte >= 0x7F)
            buffer_format(pattern, "\\x%02x", byte);
        else if (is_letter((char)byte) || slice_is_digit((char)byte) || strchr(" _/:,;<>=@%&!~`\"-", byte) != NULL)
            buffer_format(pattern, "%c", byte);
        else if (byte == '\'')
            buffer_format(pattern, "''"); /* in quotes of YAML */
        else
            buffer_format(pattern, "\\%c", byte);
    }
}

/* What stands for all that could stand there. */
static void add_placeholder(struct buffer *pattern, const struct line_piece *piece)
{
    static const char *const expressions[] = {
        [LINE_PIECE_EMAIL] = "[^@\\s]+@\\S+",        [LINE_PIECE_SECRET] = "\\S+",
        [LINE_PIECE_UUID] = "[0-9a-fA-F-]{36}",      [LINE_PIECE_ADDRESS] = "[0-9a-fA-F.:]+",
        [LINE_PIECE_HEX] = "(?:0[xX])?[0-9a-fA-F]+", [LINE_PIECE_NUMBER] = "\\d+(?:\\.\\d+)?",
    };
    if (piece->kind != LINE_PIECE_STRING)
        buffer_format(pattern, "%s", expressions[piece->kind]);
    else
        buffer_format(pattern, "(?:\"(?:[^\"\\\\]|\\\\.)*\"|''(?:[^''\\\\]|\\\\.)*'')");
}

/* How many bytes at the start of text are a unit, maybe behind a blank, that makes an amount of a number. */
static size_t measure_unit(struct slice number, struct slice text, enum amount_kind *kind)
{
    char spelled[128];
    struct amount amount;
    struct slice unit;
    size_t length = text.length > 0 && text.at[0] == ' ';
    size_t start = length;
    while (length < text.length && (is_letter(text.at[length]) || text.at[length] == '%'))
        length++;
    bool ends = length == text.length || (!slice_is_digit(text.at[length]) && text.at[length] != '_');
    if (length == start || !ends || number.length + length >= sizeof spelled)
        return 0;
    memcpy(spelled, number.at, number.length);
    memcpy(spelled + number.length, text.at, length);
    if (amount_read((struct slice){spelled, number.length + length}, AMOUNT_NUMBER, &amount, &unit) != AMOUNT_OK)
        return 0;
    *kind = amount.kind;
    return amount.kind == AMOUNT_NUMBER ? 0 : length;
}

/* A number with a unit becomes a group, "duration", "size2"; the pieces go on behind it.  False: it has none. */
static bool add_amount(struct suggestion *suggestion, const struct line_piece *piece, struct line_pieces *pieces)
{
    static const char *const names[] = {
        [AMOUNT_SECONDS] = "duration", [AMOUNT_BYTES] = "size", [AMOUNT_RATIO] = "share"};
    enum amount_kind kind;
    size_t length = measure_unit(piece->text, pieces->rest, &kind);
    if (length == 0 || suggestion->field_count == NUMBERS_MAX)
        return false;
    struct field *field = &suggestion->fields[suggestion->field_count++];
    *field = (struct field){.is_number = true, .kind = kind};
    snprintf(field->name, sizeof field->name, "%s", names[kind]);
    if (suggestion->field_count > 1)
        snprintf(field->name, sizeof field->name, "%s%zu", names[kind], suggestion->field_count);
    buffer_format(&suggestion->pattern, "(?<%s>", field->name);
    add_placeholder(&suggestion->pattern, piece);
    add_plain(&suggestion->pattern, (struct slice){pieces->rest.at, length});
    buffer_format(&suggestion->pattern, ")");
    pieces->rest = slice_after(pieces->rest, length);
    pieces->starts_word = true;
    return true;
}

/* An expression for what text starts with. */
static void add_expression(struct suggestion *suggestion, struct slice text, bool with_amounts)
{
    struct line_pieces pieces = line_pieces_of(text);
    struct line_piece piece;
    size_t shown = 0;
    buffer_format(&suggestion->pattern, "^");
    while (shown < PATTERN_PART && line_pieces_next(&pieces, &piece)) {
        shown += piece.shown.length;
        if (piece.kind == LINE_PIECE_PLAIN)
            add_plain(&suggestion->pattern, piece.text);
        else if (!(with_amounts && piece.kind == LINE_PIECE_NUMBER && add_amount(suggestion, &piece, &pieces)))
            add_placeholder(&suggestion->pattern, &piece);
    }
}

/* The first words of a text that are always the same, for names of metrics. */
static void find_slug(char slug[64], struct slice text)
{
    struct line_pieces pieces = line_pieces_of(text);
    struct line_piece piece;
    struct slice word = {text.at, 0};
    size_t words = 0;
    while (words < WORDS && line_pieces_next(&pieces, &piece)) {
        bool goes_on = piece.kind == LINE_PIECE_PLAIN && piece.text.length == 1 && is_letter(piece.text.at[0]);
        if (goes_on && word.length++ == 0)
            word.at = piece.text.at;
        if (goes_on && pieces.rest.length > 0)
            continue;
        if (word.length > 1) {
            add_slug(slug, word);
            words++;
        }
        word.length = 0;
    }
}

/* ---- the rule ---- */

/* The part of the message that surely is in its pattern. */
static struct slice known_part(struct slice message)
{
    struct line_pieces pieces = line_pieces_of(message);
    struct line_piece piece;
    size_t shown = 0;
    while (line_pieces_next(&pieces, &piece) && shown + piece.shown.length <= PATTERN_PART)
        shown += piece.shown.length;
    return (struct slice){message.at, message.length - pieces.rest.length};
}

static bool is_known(struct slice part, const struct field *field)
{
    const char *last = strrchr(field->name, '.') != NULL ? strrchr(field->name, '.') + 1 : field->name;
    return memmem(part.at, part.length, last, strlen(last)) != NULL;
}

static void add_when(const struct suggestion *suggestion, struct buffer *out)
{
    struct slice known = known_part(suggestion->message);
    size_t asked = 0;
    buffer_format(out, "    when: # each is there; or one value, a list, \">= 5\", {not: ...}\n");
    for (size_t i = 0; i < suggestion->field_count && asked < ASKED_MAX; i++) {
        if (i > 0 && !is_known(known, &suggestion->fields[i]))
            continue;
        buffer_format(out, "      \"%s\": \"*\"\n", suggestion->fields[i].name);
        asked++;
    }
}

static void add_field_slugs(struct suggestion *suggestion)
{
    for (size_t i = 0; i < suggestion->field_count && i < WORDS - 1; i++)
        add_slug(suggestion->slug, slice_of(suggestion->fields[i].name));
}

static bool describe_json(struct suggestion *suggestion, struct buffer *out)
{
    struct json *json = json_create(suggestion->message.length);
    const cJSON *document = json == NULL ? NULL : json_read(json, suggestion->message);
    if (document != NULL && cJSON_IsObject(document))
        note_members(suggestion, document, "", 1);
    bool found = suggestion->field_count > 0;
    if (found) {
        buffer_format(out, "    fields: json\n");
        add_when(suggestion, out);
        add_field_slugs(suggestion);
        add_metrics(suggestion);
    }
    json_free(json);
    return found;
}

static void describe_pairs(struct suggestion *suggestion, struct buffer *out)
{
    if (suggestion->start.length > 0) {
        add_expression(suggestion, suggestion->start, false);
        buffer_format(out, "    match: '");
        buffer_append(out, (struct slice){suggestion->pattern.at, suggestion->pattern.length});
        buffer_format(out, "'\n");
        find_slug(suggestion->slug, suggestion->start);
    }
    buffer_format(out, "    fields: logfmt\n");
    add_when(suggestion, out);
    if (suggestion->slug[0] == '\0')
        add_field_slugs(suggestion);
    add_metrics(suggestion);
}

static void describe_text(struct suggestion *suggestion, struct buffer *out)
{
    suggestion->field_count = 0;
    add_expression(suggestion, suggestion->message, true);
    buffer_format(out, "    match: '");
    buffer_append(out, (struct slice){suggestion->pattern.at, suggestion->pattern.length});
    buffer_format(out, "'\n");
    find_slug(suggestion->slug, suggestion->message);
    if (suggestion->slug[0] == '\0')
        add_slug(suggestion->slug, SLICE("lines"));
    add_metrics(suggestion);
}

static bool describe(struct suggestion *suggestion, struct buffer *out)
{
    if (suggestion->message.at[0] == '{')
        return describe_json(suggestion, out);
    if (find_pairs(suggestion))
        describe_pairs(suggestion, out);
    else
        describe_text(suggestion, out);
    return true;
}

/* ---- is it right? ---- */

static void ignore_sample(struct sample_output *output, const struct sample *sample)
{
    (void)output, (void)sample;
}

static void ignore_rejection(struct sample_output *output, enum sample_rejection reason)
{
    (void)output, (void)reason;
}

static struct series *find_nothing(struct sample_output *output, const struct sample *sample)
{
    (void)output, (void)sample;
    return NULL;
}

bool suggestion_takes(const struct rules *rules, struct slice message, size_t *number)
{
    void *states[FAMILY_COUNT];
    struct sample_output output = {.record = ignore_sample, .reject = ignore_rejection, .find = find_nothing};
    struct family_context context = {.app = SLICE("app"), .states = states, .rules = rules};
    const struct line line = {.appname = SLICE("app"), .procid = SLICE("web.1"), .message = message};
    if (!families_open(states))
        return false;
    families_begin_batch(&context);
    struct rules_taken first;
    bool taken = rules_family.owns(&line, &context) &&
                 rules_family.read(&line, &context, &output) == VERDICT_RECOGNISED &&
                 rules_taken(FAMILY_RULES, &context, 0, &first);
    if (taken && number != NULL)
        *number = first.number;
    families_close(states);
    return taken;
}

static bool is_right(struct slice rule, struct slice message)
{
    struct buffer text = {0}, mistakes = {0};
    buffer_format(&text, "rules:\n");
    buffer_append(&text, rule);
    struct configuration *configuration =
        text.failed ? NULL : configuration_try((struct slice){text.at, text.length}, "suggestion", &mistakes);
    bool right = configuration != NULL && suggestion_takes(configuration->rules, message, NULL);
    configuration_free(configuration);
    buffer_free(&text);
    buffer_free(&mistakes);
    return right;
}

static bool make(struct slice message, unsigned number, bool distinct, struct buffer *out)
{
    struct suggestion *suggestion = message.length > 0 ? calloc(1, sizeof *suggestion) : NULL;
    if (suggestion == NULL)
        return false;
    size_t start = out->length;
    suggestion->message = message;
    suggestion->number = number;
    suggestion->distinct = distinct;
    buffer_format(out, "  - name: suggestion-%u\n", number);
    bool made = describe(suggestion, out);
    buffer_format(out, "    metrics:\n");
    buffer_append(out, (struct slice){suggestion->metrics.at, suggestion->metrics.length});
    made = made && !suggestion->metrics.failed && !suggestion->pattern.failed && !out->failed &&
           is_right((struct slice){out->at + start, out->length - start}, message);
    if (!made && !out->failed)
        out->length = start;
    buffer_free(&suggestion->metrics);
    buffer_free(&suggestion->pattern);
    free(suggestion);
    return made;
}

bool suggestion_make(struct slice message, unsigned number, struct buffer *out)
{
    return make(message, number, false, out);
}

bool suggestion_make_distinct(struct slice message, unsigned number, struct buffer *out)
{
    return make(message, number, true, out);
}
