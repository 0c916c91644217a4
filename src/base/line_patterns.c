#include "base/line_patterns.h"

#include <stdio.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/process.h"
#include "base/redaction.h"

/* ---- the pattern of a text ---- */

static bool is_hex(char byte)
{
    return slice_is_digit(byte) || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F');
}

static bool is_word(char byte)
{
    return slice_is_digit(byte) || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_';
}

static size_t count_while(struct slice text, size_t from, bool (*is)(char))
{
    size_t i = from;
    while (i < text.length && is(text.at[i]))
        i++;
    return i - from;
}

/* Does a word end before this offset? */
static bool is_word_end(struct slice text, size_t at)
{
    return at == text.length || !is_word(text.at[at]);
}

/* Each of these: the length of such a thing at the start of text, or 0. */

static size_t measure_string(struct slice text)
{
    if (text.at[0] != '"' && text.at[0] != '\'')
        return 0;
    for (size_t i = 1; i < text.length; i++) {
        if (text.at[i] == '\\')
            i++;
        else if (text.at[i] == text.at[0])
            return text.at[0] == '"' || is_word_end(text, i + 1) ? i + 1 : 0;
    }
    return 0;
}

static size_t measure_uuid(struct slice text)
{
    static const size_t groups[] = {8, 4, 4, 4, 12};
    size_t at = 0;
    for (size_t i = 0; i < 5; i++) {
        if (i > 0 && (at == text.length || text.at[at++] != '-'))
            return 0;
        if (count_while(text, at, is_hex) != groups[i])
            return 0;
        at += groups[i];
    }
    return is_word_end(text, at) ? at : 0;
}

static size_t measure_ipv4(struct slice text)
{
    size_t at = 0;
    for (int i = 0; i < 4; i++) {
        if (i > 0 && (at == text.length || text.at[at++] != '.'))
            return 0;
        size_t digits = count_while(text, at, slice_is_digit);
        if (digits == 0 || digits > 3)
            return 0;
        at += digits;
    }
    return is_word_end(text, at) ? at : 0;
}

static bool is_hex_or_colon(char byte)
{
    return is_hex(byte) || byte == ':';
}

/* More colons than a time has, or two in a row. */
static size_t measure_ipv6(struct slice text)
{
    size_t length = count_while(text, 0, is_hex_or_colon), colons = 0;
    bool has_gap = false;
    for (size_t i = 0; i < length; i++) {
        colons += text.at[i] == ':';
        has_gap = has_gap || (i > 0 && text.at[i] == ':' && text.at[i - 1] == ':');
    }
    return length > 2 && colons <= 8 && (colons > 3 || has_gap) && is_word_end(text, length) ? length : 0;
}

/* Eight digits or more, and not a word such as "defaced". */
static size_t measure_hex(struct slice text)
{
    bool prefixed = text.length > 2 && text.at[0] == '0' && (text.at[1] == 'x' || text.at[1] == 'X');
    size_t start = prefixed ? 2 : 0, length = count_while(text, start, is_hex), digits = 0;
    for (size_t i = start; i < start + length; i++)
        digits += slice_is_digit(text.at[i]);
    bool looks_so = prefixed ? length > 0 : length >= 8 && digits > 0 && digits < length;
    return looks_so && is_word_end(text, start + length) ? start + length : 0;
}

static size_t measure_number(struct slice text)
{
    size_t length = count_while(text, 0, slice_is_digit);
    if (length == 0 || length + 1 >= text.length || text.at[length] != '.')
        return length;
    size_t fraction = count_while(text, length + 1, slice_is_digit);
    return fraction > 0 ? length + 1 + fraction : length;
}

/* A string that names a member of a JSON object says what kind of line this is. */
static bool names_member(struct slice text, size_t length)
{
    while (length < text.length && text.at[length] == ' ')
        length++;
    return length < text.length && text.at[length] == ':' && text.at[0] == '"';
}

struct placeholder {
    size_t (*measure)(struct slice text);
    enum line_piece_kind kind;
    struct slice name;
};

/* Looked for if no word precedes them. */
static const struct placeholder placeholders[] = {
    {measure_string, LINE_PIECE_STRING, {"<string>", 8}}, {measure_uuid, LINE_PIECE_UUID, {"<uuid>", 6}},
    {measure_ipv4, LINE_PIECE_ADDRESS, {"<ip>", 4}},      {measure_ipv6, LINE_PIECE_ADDRESS, {"<ip>", 4}},
    {measure_hex, LINE_PIECE_HEX, {"<hex>", 5}},
};
enum { PLACEHOLDER_COUNT = sizeof placeholders / sizeof placeholders[0] };

static const struct placeholder email = {.kind = LINE_PIECE_EMAIL, .name = {"<email>", 7}};
static const struct placeholder secret = {.kind = LINE_PIECE_SECRET, .name = {"<secret>", 8}};
static const struct placeholder number = {.kind = LINE_PIECE_NUMBER, .name = {"<n>", 3}};

/* An e-mail address or a secret at the start of the rest, of length *length; NULL: none. */
static const struct placeholder *find_redacted(const struct line_pieces *pieces, size_t *length)
{
    switch (redaction_at(pieces->text, pieces->text.length - pieces->rest.length, length)) {
    case REDACTION_EMAIL:
        return &email;
    case REDACTION_SECRET:
        return &secret;
    default:
        return NULL;
    }
}

/* What stands at the start of the rest, of length *length; NULL: plain text. */
static const struct placeholder *find_placeholder(const struct line_pieces *pieces, size_t *length)
{
    struct slice text = pieces->rest;
    const struct placeholder *found = NULL;
    for (int i = 0; i < PLACEHOLDER_COUNT && found == NULL && pieces->starts_word; i++)
        if ((*length = placeholders[i].measure(text)) > 0)
            found = &placeholders[i];
    if (found != NULL)
        return names_member(text, *length) ? NULL : found;
    if (pieces->starts_word && (found = find_redacted(pieces, length)) != NULL)
        return found;
    if ((*length = measure_number(text)) > 0)
        return &number;
    *length = 1;
    return NULL;
}

struct line_pieces line_pieces_of(struct slice text)
{
    /* Text far behind the capacity of a pattern cannot matter.  So the search for a closing quote ends there. */
    text = slice_beginning(text, 16 * LINE_PATTERN_MAX);
    return (struct line_pieces){text, text, true};
}

bool line_pieces_next(struct line_pieces *pieces, struct line_piece *piece)
{
    size_t length;
    if (pieces->rest.length == 0)
        return false;
    const struct placeholder *placeholder = find_placeholder(pieces, &length);
    *piece = (struct line_piece){.kind = placeholder == NULL ? LINE_PIECE_PLAIN : placeholder->kind,
                                 .text = {pieces->rest.at, length}};
    piece->shown = placeholder == NULL ? piece->text : placeholder->name;
    pieces->starts_word = !is_word(pieces->rest.at[length - 1]);
    pieces->rest = slice_after(pieces->rest, length);
    return true;
}

static bool continues_character(char byte)
{
    return ((unsigned char)byte & 0xC0) == 0x80;
}

size_t line_pattern_of(struct slice text, char out[LINE_PATTERN_MAX])
{
    size_t length = 0;
    struct line_pieces pieces = line_pieces_of(text);
    struct line_piece piece = {.text = text};
    bool is_cut = false;
    while (line_pieces_next(&pieces, &piece)) {
        is_cut = piece.shown.length > LINE_PATTERN_MAX - length;
        if (is_cut)
            break;
        memcpy(out + length, piece.shown.at, piece.shown.length);
        length += piece.shown.length;
    }
    /* No half character at the end. */
    if (is_cut && continues_character(piece.text.at[0])) {
        while (length > 0 && continues_character(out[length - 1]))
            length--;
        length -= length > 0;
    }
    return length;
}

/* "[APP/PROC/WEB/0]" without the number of the instance. */
static struct slice bracketed_type(struct slice procid)
{
    struct slice type = {procid.at, procid.length - 1};
    while (type.length > 1 && slice_is_digit(type.at[type.length - 1]))
        type.length--;
    bool has_number = type.length + 1 < procid.length && type.at[type.length - 1] == '/';
    return has_number ? (struct slice){type.at, type.length - 1} : (struct slice){procid.at, procid.length - 1};
}

/* "app[web]: "; of Cloud Foundry, whose procids have the brackets, "[APP/PROC/WEB]: ": APPNAME is the app's GUID. */
static size_t write_author(const struct line *line, char out[LINE_AUTHOR_MAX])
{
    struct slice procid = line->procid;
    struct process process;
    int length;
    if (procid.length > 1 && procid.at[0] == '[' && procid.at[procid.length - 1] == ']') {
        struct slice type = bracketed_type(procid);
        length = snprintf(out, LINE_AUTHOR_MAX, "%.*s]: ", (int)type.length, type.at);
    } else {
        struct slice type = process_read(procid, &process) ? process.type : procid;
        length = snprintf(out, LINE_AUTHOR_MAX, "%.*s[%.*s]: ", (int)line->appname.length, line->appname.at,
                          (int)type.length, type.at);
    }
    return length < LINE_AUTHOR_MAX ? (size_t)length : LINE_AUTHOR_MAX - 1;
}

size_t line_shape_of(const struct line *line, char out[LINE_SHAPE_MAX])
{
    char author[LINE_AUTHOR_MAX], text[LINE_PATTERN_MAX];
    size_t author_length = write_author(line, author);
    size_t text_length = line_pattern_of(line->message, text);
    memcpy(out, author, author_length);
    memcpy(out + author_length, text, text_length); /* a NUL ends it no more than any other byte */
    return author_length + text_length;
}

/* ---- the table ---- */

struct entry {
    uint64_t count; /* 0: free */
    uint64_t hash;
    size_t pattern_length;
    size_t example_length, other_length;
    char pattern[LINE_PATTERN_MAX];
    char example[LINE_PATTERN_EXAMPLE_MAX];
    char other[LINE_PATTERN_EXAMPLE_MAX];
};

struct line_patterns {
    size_t capacity;
    size_t used;
    uint64_t counted;
    uint64_t not_told_apart;
    struct entry *entries;
};

struct line_patterns *line_patterns_create(size_t capacity)
{
    struct line_patterns *patterns = calloc(1, sizeof *patterns);
    struct entry *entries = calloc(capacity, sizeof *entries);
    if (patterns == NULL || entries == NULL) {
        free(patterns);
        free(entries);
        return NULL;
    }
    *patterns = (struct line_patterns){.capacity = capacity, .entries = entries};
    return patterns;
}

void line_patterns_free(struct line_patterns *patterns)
{
    if (patterns != NULL)
        free(patterns->entries);
    free(patterns);
}

/* The pattern's entry, or the free one that it shall have; NULL if there is none left. */
static struct entry *find_entry(const struct line_patterns *patterns, struct slice pattern, uint64_t hash)
{
    for (size_t i = 0; i < patterns->capacity; i++) {
        struct entry *entry = &patterns->entries[(hash + i) % patterns->capacity];
        if (entry->count == 0 ||
            (entry->hash == hash && slice_equals((struct slice){entry->pattern, entry->pattern_length}, pattern)))
            return entry;
        /* In a table that is nearly full, a long search means that it is as good as full. */
        if (i == 64 && patterns->used > patterns->capacity / 2)
            break;
    }
    return NULL;
}

/* A second example, if it is another one. */
static void keep_other(struct entry *entry, struct slice text)
{
    if (text.length == 0 || entry->other_length > 0 ||
        slice_equals(text, (struct slice){entry->example, entry->example_length}))
        return;
    entry->other_length = text.length;
    memcpy(entry->other, text.at, text.length);
}

void line_patterns_add(struct line_patterns *patterns, struct slice pattern, struct slice text)
{
    pattern = slice_beginning(pattern, LINE_PATTERN_MAX);
    uint64_t hash = XXH3_64bits(pattern.at, pattern.length);
    struct entry *entry = find_entry(patterns, pattern, hash);
    patterns->not_told_apart += entry == NULL;
    if (entry == NULL)
        return;
    patterns->counted++;
    text = slice_beginning(text, LINE_PATTERN_EXAMPLE_MAX);
    if (entry->count++ > 0) {
        keep_other(entry, text);
        return;
    }
    patterns->used++;
    entry->hash = hash;
    entry->pattern_length = pattern.length;
    entry->example_length = text.length;
    if (pattern.length > 0)
        memcpy(entry->pattern, pattern.at, pattern.length);
    if (entry->example_length > 0)
        memcpy(entry->example, text.at, entry->example_length);
}

size_t line_patterns_most(const struct line_patterns *patterns, struct line_pattern_count *counts, size_t capacity)
{
    size_t length = 0;
    for (size_t i = 0; i < patterns->capacity; i++) {
        const struct entry *entry = &patterns->entries[i];
        size_t at = length;
        while (at > 0 && counts[at - 1].count < entry->count)
            at--;
        if (entry->count == 0 || at == capacity)
            continue;
        length += length < capacity;
        memmove(&counts[at + 1], &counts[at], (length - at - 1) * sizeof counts[0]);
        counts[at] = (struct line_pattern_count){{entry->pattern, entry->pattern_length},
                                                 {entry->example, entry->example_length},
                                                 {entry->other, entry->other_length},
                                                 entry->count};
    }
    return length;
}

struct line_patterns_total line_patterns_total(const struct line_patterns *patterns)
{
    return (struct line_patterns_total){patterns->used, patterns->counted, patterns->not_told_apart};
}
