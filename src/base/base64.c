#include "base/base64.h"

#include <b64/cdecode.h>

/* libb64 reports no error, skips bytes outside the alphabet and, if char is unsigned, decodes '=' as data.  So all
 * text is checked first and libb64 sees nothing but alphabet. */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Ranges instead of a table, and no early way out, so that the compiler can look at many bytes at once. */
static bool is_alphabet(struct slice text)
{
    unsigned outside = 0;
    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.at[i];
        unsigned char letter = (unsigned char)((byte | 0x20) - 'a');
        unsigned char digit = (unsigned char)(byte - '/'); /* '/' and then '0' to '9' */
        outside |= (letter >= 26) & (digit >= 11) & (byte != '+');
    }
    return outside == 0;
}

/* The six bits that a byte of the alphabet stands for. */
static unsigned bits_of(char byte)
{
    return (unsigned)((const char *)memchr(alphabet, byte, 64) - alphabet);
}

bool base64_decode(struct slice text, char *out, size_t *length)
{
    if (text.length == 0 || text.length > (1u << 30))
        return false;
    size_t padding = 0;
    while (padding < 2 && padding < text.length && text.at[text.length - 1 - padding] == '=')
        padding++;
    if (padding > 0 && text.length % 4 != 0)
        return false;
    struct slice digits = {text.at, text.length - padding};
    size_t last = digits.length % 4;
    if (last == 1 || !is_alphabet(digits))
        return false;
    unsigned tail = last == 0 ? 0 : bits_of(digits.at[digits.length - 1]);
    if ((last == 2 && (tail & 0x0Fu) != 0) || (last == 3 && (tail & 0x03u) != 0))
        return false;

    base64_decodestate state;
    base64_init_decodestate(&state);
    int written = base64_decode_block(digits.at, (int)digits.length, out, &state);
    size_t expected = digits.length / 4 * 3 + (last == 0 ? 0 : last - 1);
    if (written < 0 || (size_t)written != expected)
        return false;
    out[expected] = '\0';
    *length = expected;
    return true;
}

/* libb64's encoder puts newlines in. */
void base64_encode(struct slice bytes, char *out)
{
    for (; bytes.length > 0; out += 4) {
        size_t taken = bytes.length < 3 ? bytes.length : 3;
        unsigned char group[3] = {0};
        memcpy(group, bytes.at, taken);
        out[0] = alphabet[group[0] >> 2];
        out[1] = alphabet[(group[0] & 3) << 4 | group[1] >> 4];
        out[2] = taken > 1 ? alphabet[(group[1] & 15) << 2 | group[2] >> 6] : '=';
        out[3] = taken > 2 ? alphabet[group[2] & 63] : '=';
        bytes = slice_after(bytes, taken);
    }
    *out = '\0';
}
