#include "base/redaction.h"

#include "base/line_patterns.h"

struct redacted {
    char *at;
    size_t length;
    size_t capacity;
    bool is_full;
};

/* All of text or nothing, and nothing more after that. */
static void append(struct redacted *out, struct slice text)
{
    out->is_full = out->is_full || text.length > out->capacity - out->length;
    if (out->is_full || text.length == 0)
        return;
    memcpy(out->at + out->length, text.at, text.length);
    out->length += text.length;
}

/* Bytes of plain text come one by one: all of a character or none. */
static size_t measure_character(struct slice text)
{
    size_t length = 1;
    while (length < text.length && length < 4 && ((unsigned char)text.at[length] & 0xC0) == 0x80)
        length++;
    return length;
}

static size_t count_digits(struct slice number)
{
    size_t count = 0;
    for (size_t i = 0; i < number.length; i++)
        count += slice_is_digit(number.at[i]);
    return count;
}

static bool is_quoted(struct slice text)
{
    return text.length >= 2 && (text.at[0] == '"' || text.at[0] == '\'') && text.at[text.length - 1] == text.at[0];
}

static void append_pieces(struct redacted *out, struct slice text, bool within_quotes);

static void append_quoted(struct redacted *out, struct slice text)
{
    append(out, (struct slice){text.at, 1});
    append_pieces(out, (struct slice){text.at + 1, text.length - 2}, true);
    append(out, (struct slice){text.at + text.length - 1, 1});
}

static void append_piece(struct redacted *out, const struct line_piece *piece, struct line_pieces *pieces,
                         bool within_quotes)
{
    bool is_number = piece->kind == LINE_PIECE_NUMBER && count_digits(piece->text) <= REDACTION_DIGITS_MAX;
    bool is_text = piece->kind == LINE_PIECE_PLAIN || piece->kind == LINE_PIECE_STRING;
    if (is_text && !within_quotes && is_quoted(piece->text)) {
        append_quoted(out, piece->text);
        return;
    }
    if (!is_text || piece->text.length > 1) {
        append(out, is_number ? piece->text : piece->shown);
        return;
    }
    size_t length = measure_character((struct slice){piece->text.at, 1 + pieces->rest.length});
    append(out, (struct slice){piece->text.at, length});
    pieces->rest = slice_after(pieces->rest, length - 1);
}

/* Quotes within quotes are not looked into, so that there is one pass: they become "<string>". */
static void append_pieces(struct redacted *out, struct slice text, bool within_quotes)
{
    struct line_pieces pieces = line_pieces_of(text);
    struct line_piece piece;
    while (!out->is_full && line_pieces_next(&pieces, &piece))
        append_piece(out, &piece, &pieces, within_quotes);
}

size_t redaction_write(struct slice text, char *out, size_t capacity)
{
    struct redacted redacted = {.at = out, .capacity = capacity};
    append_pieces(&redacted, text, false);
    return redacted.length;
}
