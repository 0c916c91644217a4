#include "base/percent.h"

static int hex_digit(char byte)
{
    if (slice_is_digit(byte))
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

size_t percent_decode(struct slice text, bool plus_is_blank, char *out, size_t capacity)
{
    size_t length = 0;
    for (size_t i = 0; i < text.length && length < capacity; i++) {
        char byte = text.at[i];
        if (byte == '+' && plus_is_blank)
            byte = ' ';
        else if (byte == '%' && i + 2 < text.length && hex_digit(text.at[i + 1]) >= 0 &&
                 hex_digit(text.at[i + 2]) >= 0) {
            byte = (char)(hex_digit(text.at[i + 1]) * 16 + hex_digit(text.at[i + 2]));
            i += 2;
        }
        out[length++] = byte;
    }
    return length;
}

static bool is_unreserved(char byte)
{
    return slice_is_digit(byte) || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '-' ||
           byte == '.' || byte == '_' || byte == '~';
}

size_t percent_encode(struct slice text, char *out, size_t capacity)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t length = 0;
    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.at[i];
        bool plain = is_unreserved(text.at[i]);
        if (length + (plain ? 1 : 3) > capacity)
            break;
        if (!plain) {
            out[length++] = '%';
            out[length++] = digits[byte >> 4];
        }
        out[length++] = plain ? text.at[i] : digits[byte & 15];
    }
    return length;
}
