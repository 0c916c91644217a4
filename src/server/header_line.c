#include "server/header_line.h"

const bool header_line_token_bytes[256] = {
    ['0' ... '9'] = true,  ['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['!'] = true,
    ['#' ... '\''] = true, ['*'] = true,         ['+'] = true,         ['-'] = true,
    ['.'] = true,          ['^' ... '`'] = true, ['|'] = true,         ['~'] = true};

/* All of it is looked at, so that the compiler takes 16 bytes at a time: byte by byte this was the tenth part of a
 * request of one line. */
size_t header_line_count_control_bytes(struct slice text)
{
    enum { PIECE = 128 }; /* of which a byte can count all */
    size_t count = 0;
    for (size_t begin = 0; begin < text.length; begin += PIECE) {
        size_t end = text.length - begin < PIECE ? text.length : begin + PIECE;
        unsigned char found = 0, lines = 0;
        for (size_t i = begin; i < end; i++) {
            unsigned char byte = (unsigned char)text.at[i];
            found += (unsigned char)((byte < ' ') & (byte != '\t')) + (unsigned char)(byte == 127);
            lines += byte == '\n';
        }
        count += found - 2u * lines;
    }
    return count;
}

bool header_line_read_length(struct slice text, uint64_t *length)
{
    *length = 0;
    for (size_t i = 0; i < text.length; i++) {
        if (!slice_is_digit(text.at[i]) || __builtin_mul_overflow(*length, UINT64_C(10), length) ||
            __builtin_add_overflow(*length, (uint64_t)(text.at[i] - '0'), length))
            return false;
    }
    return text.length > 0;
}
