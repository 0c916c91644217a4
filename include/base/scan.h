/* Find bytes in short texts, 64 at a time.  A log line is made of many short parts; to search each one's end from where
 * the last one ended is slow, since every search waits for the one before it.  A mask of all the positions in 64
 * bytes waits for nothing. */
#ifndef SCAN_H
#define SCAN_H

#include <stdint.h>

#include "base/slice.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { SCAN_BLOCK = 64 };

/* A bit for each of the 64 bytes at block that is this byte; bit 0 is the first. */
static inline uint64_t scan_whole_block(const char *block, char byte)
{
    uint64_t mask = 0;
#ifdef __SSE2__
    const __m128i wanted = _mm_set1_epi8(byte);
    for (int i = 0; i < SCAN_BLOCK; i += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(block + i));
        mask |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, wanted)) << i;
    }
#else
    for (int i = 0; i < SCAN_BLOCK; i++)
        mask |= (uint64_t)(block[i] == byte) << i;
#endif
    return mask;
}

/* The same for the up to 64 bytes from at to end.  Bytes from start on may be read, but none behind end. */
static inline uint64_t scan_block(const char *start, const char *at, const char *end, char byte)
{
    size_t left = (size_t)(end - at);
    if (left >= SCAN_BLOCK)
        return scan_whole_block(at, byte);
    if (end - start >= SCAN_BLOCK) /* the last 64 bytes: some of them were seen before */
        return left == 0 ? 0 : scan_whole_block(end - SCAN_BLOCK, byte) >> (SCAN_BLOCK - left);
    char copy[SCAN_BLOCK];
    memcpy(copy, at, left);
    return scan_whole_block(copy, byte) & ((UINT64_C(1) << left) - 1);
}

/* The last position of word (2 to 64 bytes) in text, or NULL; only about the last reach bytes of text are looked
 * at. */
static inline const char *scan_last(struct slice text, struct slice word, size_t reach)
{
    const char *low = text.length > reach ? text.at + text.length - reach : text.at;
    const char *high = text.at + text.length - word.length + 1; /* behind the last position at which word could start */
    if (text.length < word.length)
        return NULL;
    while (high - low >= SCAN_BLOCK) {
        high -= SCAN_BLOCK;
        uint64_t places = scan_whole_block(high, word.at[0]) & scan_whole_block(high + 1, word.at[1]);
        for (; places != 0; places ^= UINT64_C(1) << (63 - __builtin_clzll(places))) {
            const char *place = high + 63 - __builtin_clzll(places);
            if (memcmp(place, word.at, word.length) == 0)
                return place;
        }
    }
    while (high > low)
        if (*--high == word.at[0] && memcmp(high, word.at, word.length) == 0)
            return high;
    return NULL;
}

/* Does word (1 to 64 bytes) stand in text?  Bytes of text alone are read. */
static inline bool scan_holds(struct slice text, struct slice word)
{
    if (text.length < word.length)
        return false;
    const char *last = text.at + text.length - word.length; /* the last position at which word could start */
    const char *end = text.at + text.length;
    for (const char *block = text.at; block <= last; block += SCAN_BLOCK) {
        uint64_t places = scan_block(text.at, block, end, word.at[0]);
        if (word.length > 1)
            places &= scan_block(text.at, block + 1, end, word.at[1]);
        for (; places != 0; places &= places - 1) {
            const char *place = block + __builtin_ctzll(places);
            if (place > last)
                return false;
            if (slice_same_bytes(place, word.at, word.length))
                return true;
        }
    }
    return false;
}

/* Where a byte stands next in a long text whose parts are asked about one after the other: many short parts without it
 * cost one search in place of one each.  Begin with {start of the text, its end, NULL}; {0} is of no text. */
struct scan_ahead {
    const char *start;
    const char *end;
    const char *next; /* no such byte stands between start and here; NULL: nothing was searched yet */
};

/* The offset of the first such byte in part, or its length; part need not be of the long text. */
static inline size_t scan_ahead(struct scan_ahead *ahead, struct slice part, char byte)
{
    const char *end = part.at + part.length;
    if (part.at < ahead->start || end > ahead->end)
        return slice_index(part, byte);
    if (ahead->next < part.at) {
        ahead->start = part.at;
        ahead->next = part.at + slice_index((struct slice){part.at, (size_t)(ahead->end - part.at)}, byte);
    }
    return ahead->next < end ? (size_t)(ahead->next - part.at) : part.length;
}

#endif
