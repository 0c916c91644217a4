/* UTF-8 (RFC 3629). */
#ifndef UTF8_H
#define UTF8_H

#include "base/slice.h"

/* The length of the UTF-8 sequence at the start of text, which is not empty; 0 if its first byte starts none. */
static inline size_t utf8_length(struct slice text)
{
    const unsigned char *t = (const unsigned char *)text.at;
    unsigned char low = 0x80;
    unsigned char high = 0xBF;
    size_t length;
    if (t[0] < 0x80)
        return 1;
    if (t[0] >= 0xC2 && t[0] <= 0xDF)
        length = 2;
    else if (t[0] >= 0xE0 && t[0] <= 0xEF) {
        length = 3;
        low = t[0] == 0xE0 ? 0xA0 : low;
        high = t[0] == 0xED ? 0x9F : high; /* no surrogates */
    } else if (t[0] >= 0xF0 && t[0] <= 0xF4) {
        length = 4;
        low = t[0] == 0xF0 ? 0x90 : low;
        high = t[0] == 0xF4 ? 0x8F : high;
    } else
        return 0;
    if (text.length < length || t[1] < low || t[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((t[i] & 0xC0) != 0x80)
            return 0;
    return length;
}

#endif
