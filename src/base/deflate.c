#include "base/deflate.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

/* ---- bits ---- */

/* At most 63 of them, those that wait included. */
static inline void put_bits(struct deflate *stream, uint64_t bits, unsigned count)
{
    stream->bits |= bits << stream->bit_count;
    stream->bit_count += count;
}

/* Write the whole bytes of them; there is room for eight.  Returns the end. */
static inline char *take_bytes(struct deflate *stream, char *at)
{
    uint64_t bits = htole64(stream->bits);
    memcpy(at, &bits, sizeof bits);
    unsigned count = stream->bit_count & ~7u;
    stream->bits >>= count;
    stream->bit_count -= count;
    return at + count / 8;
}

/* ---- tokens: a byte, or a repeat of some bytes at a distance ---- */

enum {
    WINDOW = 32 * 1024,
    LENGTH_MIN = 3,
    LENGTH_MAX = 258,
    END_OF_BLOCK = 256,
    FIRST_LENGTH = 257,    /* code of a length */
    LENGTH_MAX_CODE = 285, /* which has no extra bits */
};

#define REPEAT (UINT32_C(1) << 31)

static inline uint32_t repeat_token(unsigned length, unsigned distance)
{
    return REPEAT | (length - LENGTH_MIN) << 16 | (distance - 1);
}

static inline unsigned length_of(uint32_t token)
{
    return (token >> 16 & 0xFF) + LENGTH_MIN;
}

static inline unsigned distance_of(uint32_t token)
{
    return (token & 0x7FFF) + 1;
}

/* A code and the bits behind it.  Codes come in groups of 2^fine, each group with one extra bit more than the last. */
struct coded {
    unsigned code;
    unsigned extra_count;
    unsigned extra;
};

static inline struct coded in_groups(unsigned number, unsigned fine)
{
    if (number >> (fine + 1) == 0)
        return (struct coded){number, 0, 0};
    unsigned count = 31 - (unsigned)__builtin_clz(number) - fine;
    return (struct coded){(count << fine) + (number >> count), count, number & ((1U << count) - 1)};
}

static inline struct coded code_length(unsigned length)
{
    if (length == LENGTH_MAX)
        return (struct coded){LENGTH_MAX_CODE, 0, 0};
    struct coded coded = in_groups(length - LENGTH_MIN, 2);
    coded.code += FIRST_LENGTH;
    return coded;
}

static inline struct coded code_distance(unsigned distance)
{
    return in_groups(distance - 1, 1);
}

/* ---- codes ---- */

enum { CODE_BITS_MAX = 15, SYMBOLS_MAX = DEFLATE_LITERALS + 2 };

struct code {
    uint16_t bits; /* the first one lowest */
    uint16_t length;
};

struct node {
    uint32_t count;  /* how often it comes */
    uint16_t symbol; /* of a leaf */
    uint16_t parent;
};

static int compare_counts(const void *a, const void *b)
{
    const struct node *x = a, *y = b;
    return x->count != y->count ? (x->count > y->count) - (x->count < y->count) : x->symbol - y->symbol;
}

/* Huffman's tree over leaves that are sorted by their counts: the two rarest nodes become one, until there is one.
 * Inner nodes arise in the order of their counts, so that the rarest is at the front of the leaves or of these. */
static void build_tree(struct node *nodes, unsigned leaves)
{
    unsigned leaf = 0, inner = leaves, end = leaves;
    for (; end < 2 * leaves - 1; end++) {
        nodes[end].count = 0;
        for (int i = 0; i < 2; i++) {
            bool is_leaf = leaf < leaves && (inner == end || nodes[leaf].count <= nodes[inner].count);
            struct node *rarest = &nodes[is_leaf ? leaf++ : inner++];
            rarest->parent = (uint16_t)end;
            nodes[end].count += rarest->count;
        }
    }
}

/* How many leaves are at each depth.  What lies deeper than most is lifted to there, and for as long as there are more
 * codes than there can be, one of the deepest of those above is put down a level, where it makes room for another. */
static void count_depths(struct node *nodes, unsigned leaves, unsigned most, unsigned *depths)
{
    unsigned root = 2 * leaves - 2;
    nodes[root].count = 0; /* from here on: the depth */
    uint32_t taken = 0;    /* in units of a code of most bits */
    for (unsigned i = root; i-- > 0;) {
        nodes[i].count = nodes[nodes[i].parent].count + 1;
        if (i >= leaves)
            continue;
        unsigned depth = nodes[i].count < most ? nodes[i].count : most;
        depths[depth]++;
        taken += 1U << (most - depth);
    }
    while (taken > 1U << most) {
        unsigned above = most - 1;
        while (depths[above] == 0)
            above--;
        depths[above]--;
        depths[above + 1] += 2;
        depths[most]--;
        taken--;
    }
}

static uint16_t reversed(unsigned bits, unsigned length)
{
    unsigned result = 0;
    for (unsigned i = 0; i < length; i++)
        result |= (bits >> i & 1) << (length - 1 - i);
    return (uint16_t)result;
}

/* Codes of most bits at most for symbols that come so often.  At least two get one, as some decoders want it. */
static void make_codes(uint32_t *counts, unsigned symbols, unsigned most, struct code *codes)
{
    struct node nodes[2 * SYMBOLS_MAX];
    unsigned leaves = 0;
    for (unsigned i = 0; i < symbols; i++)
        leaves += counts[i] > 0;
    for (unsigned i = 0; leaves < 2; i++)
        if (counts[i] == 0) {
            counts[i] = 1;
            leaves++;
        }
    leaves = 0;
    for (unsigned i = 0; i < symbols; i++)
        if (counts[i] > 0)
            nodes[leaves++] = (struct node){counts[i], (uint16_t)i, 0};
    qsort(nodes, leaves, sizeof nodes[0], compare_counts);
    uint16_t sorted[SYMBOLS_MAX];
    for (unsigned i = 0; i < leaves; i++)
        sorted[i] = nodes[i].symbol;
    unsigned depths[CODE_BITS_MAX + 1] = {0};
    build_tree(nodes, leaves);
    count_depths(nodes, leaves, most, depths);

    memset(codes, 0, symbols * sizeof codes[0]);
    unsigned next[CODE_BITS_MAX + 2] = {0}; /* code of each length, RFC 1951, 3.2.2 */
    unsigned left = leaves;
    for (unsigned length = 1; length <= most; length++) {
        next[length + 1] = (next[length] + depths[length]) << 1;
        for (unsigned i = 0; i < depths[length]; i++)
            codes[sorted[--left]].length = (uint16_t)length; /* the most frequent ones come first */
    }
    for (unsigned i = 0; i < symbols; i++)
        if (codes[i].length > 0)
            codes[i].bits = reversed(next[codes[i].length]++, codes[i].length);
}

/* ---- blocks ---- */

/* How the lengths of codes are told, RFC 1951, 3.2.7: runs of them as one symbol. */
enum {
    REPEAT_LENGTH = 16, /* 3 to 6 times the last one, 2 bits */
    SHORT_ZEROS = 17,   /* 3 to 10, 3 bits */
    LONG_ZEROS = 18,    /* 11 to 138, 7 bits */
    LENGTH_SYMBOLS = 19,
    LENGTH_BITS_MAX = 7,
};

struct length_run {
    unsigned char symbol;
    unsigned char extra;
};

static unsigned extra_bits(unsigned symbol)
{
    return symbol == REPEAT_LENGTH ? 2 : symbol == SHORT_ZEROS ? 3 : symbol == LONG_ZEROS ? 7 : 0;
}

/* Make runs of lengths; returns how many. */
static unsigned make_runs(const unsigned char *lengths, unsigned count, struct length_run *runs)
{
    unsigned made = 0;
    for (unsigned i = 0; i < count;) {
        unsigned run = 1;
        while (i + run < count && lengths[i + run] == lengths[i] && run < 138)
            run++;
        if (lengths[i] == 0 && run >= 3) {
            bool is_long = run > 10;
            runs[made++] =
                (struct length_run){is_long ? LONG_ZEROS : SHORT_ZEROS, (unsigned char)(run - (is_long ? 11 : 3))};
            i += run;
        } else if (i > 0 && lengths[i] == lengths[i - 1] && run >= 3) {
            run = run < 6 ? run : 6;
            runs[made++] = (struct length_run){REPEAT_LENGTH, (unsigned char)(run - 3)};
            i += run;
        } else
            runs[made++] = (struct length_run){lengths[i++], 0};
    }
    return made;
}

/* The codes of a block. */
struct codes {
    struct code literals[DEFLATE_LITERALS];
    struct code distances[DEFLATE_DISTANCES];
};

enum {
    HEADER_MAX = 3 + 14 + 3 * LENGTH_SYMBOLS + (LENGTH_BITS_MAX + 7) * (DEFLATE_LITERALS + DEFLATE_DISTANCES)
}; /* bits */

/* Write the head of a block: that it is not the last one, and its codes. */
static char *put_header(struct deflate *stream, const struct codes *codes, char *at)
{
    static const unsigned char order[LENGTH_SYMBOLS] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                                        11, 4,  12, 3, 13, 2, 14, 1, 15};
    unsigned char lengths[DEFLATE_LITERALS + DEFLATE_DISTANCES];
    for (unsigned i = 0; i < DEFLATE_LITERALS; i++)
        lengths[i] = (unsigned char)codes->literals[i].length;
    for (unsigned i = 0; i < DEFLATE_DISTANCES; i++)
        lengths[DEFLATE_LITERALS + i] = (unsigned char)codes->distances[i].length;
    struct length_run runs[sizeof lengths];
    unsigned count = make_runs(lengths, sizeof lengths, runs);
    uint32_t counts[LENGTH_SYMBOLS] = {0};
    for (unsigned i = 0; i < count; i++)
        counts[runs[i].symbol]++;
    struct code run_codes[LENGTH_SYMBOLS];
    make_codes(counts, LENGTH_SYMBOLS, LENGTH_BITS_MAX, run_codes);

    put_bits(stream, 2 << 1, 3);
    put_bits(stream, DEFLATE_LITERALS - 257, 5);
    put_bits(stream, DEFLATE_DISTANCES - 1, 5);
    put_bits(stream, LENGTH_SYMBOLS - 4, 4);
    for (unsigned i = 0; i < LENGTH_SYMBOLS; i++) {
        at = take_bytes(stream, at);
        put_bits(stream, run_codes[order[i]].length, 3);
    }
    for (unsigned i = 0; i < count; i++) {
        at = take_bytes(stream, at);
        put_bits(stream, run_codes[runs[i].symbol].bits, run_codes[runs[i].symbol].length);
        put_bits(stream, runs[i].extra, extra_bits(runs[i].symbol));
    }
    return take_bytes(stream, at);
}

static inline void put_coded(struct deflate *stream, struct code code, struct coded coded)
{
    put_bits(stream, code.bits | (uint64_t)coded.extra << code.length, code.length + coded.extra_count);
}

/* Write the tokens, and that they are all. */
static char *put_tokens(struct deflate *stream, const struct codes *codes, char *at)
{
    for (unsigned i = 0; i < stream->token_count; i++) {
        uint32_t token = stream->tokens[i];
        if ((token & REPEAT) == 0) {
            put_bits(stream, codes->literals[token].bits, codes->literals[token].length);
        } else { /* 48 bits at most */
            struct coded length = code_length(length_of(token)), distance = code_distance(distance_of(token));
            put_coded(stream, codes->literals[length.code], length);
            put_coded(stream, codes->distances[distance.code], distance);
        }
        at = take_bytes(stream, at);
    }
    put_bits(stream, codes->literals[END_OF_BLOCK].bits, codes->literals[END_OF_BLOCK].length);
    return take_bytes(stream, at);
}

/* Bits that the tokens take. */
static size_t token_bits(const struct deflate *stream, const struct codes *codes)
{
    size_t bits = 0;
    for (unsigned i = 0; i < DEFLATE_LITERALS; i++) {
        unsigned extra = i < FIRST_LENGTH + 8 || i == LENGTH_MAX_CODE ? 0 : (i - FIRST_LENGTH) / 4 - 1;
        bits += stream->literals[i] * (size_t)(codes->literals[i].length + extra);
    }
    for (unsigned i = 0; i < DEFLATE_DISTANCES; i++)
        bits += stream->distances[i] * (size_t)(codes->distances[i].length + (i < 4 ? 0 : i / 2 - 1));
    return bits;
}

static bool end_block(struct deflate *stream, struct buffer *out)
{
    struct codes codes;
    stream->literals[END_OF_BLOCK] = 1;
    make_codes(stream->literals, DEFLATE_LITERALS, CODE_BITS_MAX, codes.literals);
    make_codes(stream->distances, DEFLATE_DISTANCES, CODE_BITS_MAX, codes.distances);
    char *begin = buffer_reserve(out, (token_bits(stream, &codes) + HEADER_MAX) / 8 + 16);
    if (begin == NULL)
        return false;
    char *end = put_tokens(stream, &codes, put_header(stream, &codes, begin));
    out->length += (size_t)(end - begin);
    stream->token_count = 0;
    memset(stream->literals, 0, sizeof stream->literals);
    memset(stream->distances, 0, sizeof stream->distances);
    return true;
}

static inline bool add_literal(struct deflate *stream, unsigned char byte, struct buffer *out)
{
    stream->tokens[stream->token_count++] = byte;
    stream->literals[byte]++;
    return stream->token_count < DEFLATE_TOKENS || end_block(stream, out);
}

static inline bool add_repeat(struct deflate *stream, unsigned length, unsigned distance, struct buffer *out)
{
    stream->tokens[stream->token_count++] = repeat_token(length, distance);
    stream->literals[code_length(length).code]++;
    stream->distances[code_distance(distance).code]++;
    return stream->token_count < DEFLATE_TOKENS || end_block(stream, out);
}

/* ---- repeats ---- */

enum { PLACE_BITS = 12 };

static inline uint32_t four_bytes(const char *at)
{
    uint32_t bytes;
    memcpy(&bytes, at, sizeof bytes);
    return bytes;
}

/* How many bytes are the same from here on, up to end. */
static inline size_t count_same(const char *at, const char *before, const char *end)
{
    const char *begin = at;
    for (; end - at >= 8; at += 8, before += 8) {
        uint64_t bytes, others;
        memcpy(&bytes, at, sizeof bytes);
        memcpy(&others, before, sizeof others);
        if (bytes != others)
            return (size_t)(at - begin) + (size_t)__builtin_ctzll(le64toh(bytes ^ others)) / 8;
    }
    while (at < end && *at == *before) {
        at++;
        before++;
    }
    return (size_t)(at - begin);
}

/* Bytes that a repeat must have to be shorter than these bytes themselves: digits take three to four bits each. */
static inline size_t worthwhile(size_t distance)
{
    return distance < 256 ? 4 : distance < 4096 ? 5 : 6;
}

/* Write a repeat, of any length; a rest of one or two bytes is left to be literals.  Returns how many bytes it
 * covers; 0 if memory is short. */
static size_t put_repeat(struct deflate *stream, size_t length, size_t distance, struct buffer *out)
{
    size_t done = 0;
    while (length - done >= LENGTH_MIN) {
        unsigned part = length - done < LENGTH_MAX ? (unsigned)(length - done) : LENGTH_MAX;
        if (!add_repeat(stream, part, (unsigned)distance, out))
            return 0;
        done += part;
    }
    return done;
}

/* The distance at which a repeat from here on begins; 0 if there is none.  *length: of it. */
static inline size_t find_repeat(const char *text, size_t at, size_t end, size_t last, uint32_t *places, size_t *length)
{
    uint32_t four = four_bytes(text + at);
    uint32_t *place = &places[four * 2654435761u >> (32 - PLACE_BITS)];
    size_t recent = at - *place;
    *place = (uint32_t)at;
    if (last > 0 && last <= at && four_bytes(text + at - last) == four) {
        *length = count_same(text + at, text + at - last, text + end);
        return last;
    }
    if (recent == 0 || recent > WINDOW || four_bytes(text + at - recent) != four)
        return 0;
    *length = count_same(text + at, text + at - recent, text + end);
    return *length >= worthwhile(recent) ? recent : 0;
}

static bool add_tokens(struct deflate *stream, struct slice text, struct buffer *out)
{
    uint32_t places[1 << PLACE_BITS] = {0}; /* where four bytes of these were met last */
    size_t at = 0, last = 0;
    while (at + sizeof(uint32_t) <= text.length) {
        size_t length;
        size_t distance = find_repeat(text.at, at, text.length, last, places, &length);
        if (distance == 0) {
            if (!add_literal(stream, (unsigned char)text.at[at++], out))
                return false;
            continue;
        }
        size_t covered = put_repeat(stream, length, distance, out);
        if (covered == 0)
            return false;
        at += covered;
        last = distance;
    }
    while (at < text.length)
        if (!add_literal(stream, (unsigned char)text.at[at++], out))
            return false;
    return true;
}

bool deflate_add(struct deflate *stream, struct slice text, bool last, struct buffer *out)
{
    if (!add_tokens(stream, text, out))
        return false;
    if (!last)
        return true;
    char *begin = stream->token_count == 0 || end_block(stream, out) ? buffer_reserve(out, 16) : NULL;
    if (begin == NULL)
        return false;
    put_bits(stream, 1 | 1 << 1, 3 + 7); /* an empty last block, with fixed codes: its end is 7 zeroes */
    stream->bit_count = (stream->bit_count + 7) & ~7u;
    out->length += (size_t)(take_bytes(stream, begin) - begin);
    return true;
}
