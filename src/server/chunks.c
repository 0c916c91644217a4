#include "server/chunks.h"

enum { EXTRA_MAX = 16 * 1024, SIZE_DIGITS_MAX = 15 };

enum {
    FIRST_DIGIT, /* of a size */
    DIGIT,
    BLANK_BEFORE_EXTENSION,
    EXTENSION,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER_START,
    TRAILER,
    TRAILER_LF,
    LAST_LF,
};

static int hex_digit(char byte)
{
    if (slice_is_digit(byte))
        return byte - '0';
    char lower = (char)(byte | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* May it stand in an extension or a trailer? */
static bool is_text(struct chunks *chunks, char byte)
{
    unsigned char value = (unsigned char)byte;
    return ++chunks->extra <= EXTRA_MAX && (value >= ' ' || value == '\t') && value != 127;
}

/* After the digits of a size; -1 if the byte may not stand there. */
static int after_digits(char byte)
{
    return byte == '\r' ? SIZE_LF : byte == ';' ? EXTENSION : byte == ' ' || byte == '\t' ? BLANK_BEFORE_EXTENSION : -1;
}

/* What is expected after this byte, which is no data; -1 if it may not stand here. */
static int step(struct chunks *chunks, char byte)
{
    int digit = hex_digit(byte);
    switch (chunks->expected) {
    case FIRST_DIGIT:
        chunks->left = 0;
        /* fall through */
    case DIGIT:
        if (digit < 0)
            return chunks->expected == DIGIT ? after_digits(byte) : -1;
        chunks->left = chunks->left * 16 + (unsigned)digit;
        return chunks->left >> (4 * SIZE_DIGITS_MAX) == 0 && ++chunks->extra <= EXTRA_MAX ? DIGIT : -1;
    case BLANK_BEFORE_EXTENSION:
        if (byte == ';')
            return EXTENSION;
        return (byte == ' ' || byte == '\t') && is_text(chunks, byte) ? BLANK_BEFORE_EXTENSION : -1;
    case EXTENSION:
        return byte == '\r' ? SIZE_LF : is_text(chunks, byte) ? EXTENSION : -1;
    case SIZE_LF:
        chunks->length += chunks->left;
        chunks->extra = chunks->left > 0 ? 0 : chunks->extra;
        return byte != '\n' ? -1 : chunks->left > 0 ? DATA : TRAILER_START;
    case DATA_CR:
        return byte == '\r' ? DATA_LF : -1;
    case DATA_LF:
        return byte == '\n' ? FIRST_DIGIT : -1;
    case TRAILER_START:
        if (byte == '\r')
            return LAST_LF;
        return byte != ' ' && byte != '\t' && is_text(chunks, byte) ? TRAILER : -1;
    case TRAILER:
        return byte == '\r' ? TRAILER_LF : is_text(chunks, byte) ? TRAILER : -1;
    case TRAILER_LF:
        return byte == '\n' ? TRAILER_START : -1;
    }
    return -1;
}

enum chunks_result chunks_read(struct chunks *chunks, struct slice text, size_t *used)
{
    for (size_t i = 0; i < text.length;) {
        if (chunks->expected == DATA) {
            size_t take = text.length - i < chunks->left ? text.length - i : (size_t)chunks->left;
            chunks->left -= take;
            i += take;
            chunks->expected = chunks->left == 0 ? DATA_CR : DATA;
            continue;
        }
        if (chunks->expected == LAST_LF) {
            *used = i + 1;
            return text.at[i] == '\n' ? CHUNKS_DONE : CHUNKS_INVALID;
        }
        chunks->expected = step(chunks, text.at[i++]);
        if (chunks->expected < 0)
            return CHUNKS_INVALID;
    }
    return CHUNKS_INCOMPLETE;
}
