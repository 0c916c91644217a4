#include "base/state_format.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

static const char magic[4] = {'D', 'X', 'S', '1'};

enum { RECORD_HEAD = 5, NUMBER_MAX = 10 /* bytes of 64 bits, 7 in each */ };

/* ---- fixed numbers ---- */

static void put_fixed(char *at, uint64_t number, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        at[i] = (char)(number >> (8 * i));
}

static uint64_t get_fixed(const char *at, unsigned bytes)
{
    uint64_t number = 0;
    for (unsigned i = 0; i < bytes; i++)
        number |= (uint64_t)(unsigned char)at[i] << (8 * i);
    return number;
}

static uint64_t checksum_of(struct slice records, uint64_t number)
{
    return XXH3_64bits_withSeed(records.at, records.length, number);
}

/* ---- writing ---- */

static size_t leave_space(struct buffer *out, size_t length)
{
    size_t at = out->length;
    if (buffer_reserve(out, length) != NULL)
        out->length += length;
    return at;
}

size_t state_begin_block(struct buffer *out)
{
    return leave_space(out, STATE_BLOCK_HEAD);
}

void state_end_block(struct buffer *out, size_t block, uint64_t number)
{
    if (out->failed)
        return;
    char *head = out->at + block;
    struct slice records = {head + STATE_BLOCK_HEAD, out->length - block - STATE_BLOCK_HEAD};
    memcpy(head, magic, sizeof magic);
    put_fixed(head + 4, records.length, 4);
    put_fixed(head + 8, checksum_of(records, number), 8);
}

size_t state_begin_record(struct buffer *out, unsigned char tag)
{
    size_t at = leave_space(out, RECORD_HEAD);
    if (!out->failed)
        out->at[at] = (char)tag;
    return at;
}

void state_end_record(struct buffer *out, size_t record)
{
    if (!out->failed)
        put_fixed(out->at + record + 1, out->length - record - RECORD_HEAD, 4);
}

void state_put_number(struct buffer *out, uint64_t number)
{
    char *at = buffer_reserve(out, NUMBER_MAX);
    if (at == NULL)
        return;
    size_t length = 0;
    for (; number >= 0x80; number >>= 7)
        at[length++] = (char)(number | 0x80);
    at[length++] = (char)number;
    out->length += length;
}

void state_put_signed(struct buffer *out, int64_t number)
{
    state_put_number(out, ((uint64_t)number << 1) ^ (uint64_t)(number >> 63));
}

void state_put_double(struct buffer *out, double number)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    char *at = buffer_reserve(out, sizeof bits);
    if (at == NULL)
        return;
    put_fixed(at, bits, sizeof bits);
    out->length += sizeof bits;
}

void state_put_text(struct buffer *out, struct slice text)
{
    state_put_number(out, text.length);
    buffer_append(out, text);
}

void state_put_end(struct buffer *out, uint64_t number, bool orderly)
{
    size_t block = state_begin_block(out);
    size_t record = state_begin_record(out, STATE_END);
    state_put_number(out, orderly);
    state_end_record(out, record);
    state_end_block(out, block, number);
}

/* ---- reading ---- */

enum state_block state_read_block(struct slice bytes, uint64_t number, struct slice *records, size_t *size)
{
    *size = 0;
    size_t known = bytes.length < sizeof magic ? bytes.length : sizeof magic;
    if (known > 0 && memcmp(bytes.at, magic, known) != 0)
        return STATE_BLOCK_DAMAGED;
    if (bytes.length < STATE_BLOCK_HEAD)
        return STATE_BLOCK_SHORT;
    size_t length = (size_t)get_fixed(bytes.at + 4, 4);
    if (length > STATE_BLOCK_MAX)
        return STATE_BLOCK_DAMAGED;
    *size = STATE_BLOCK_HEAD + length;
    if (bytes.length < *size)
        return STATE_BLOCK_SHORT;
    *records = (struct slice){bytes.at + STATE_BLOCK_HEAD, length};
    return get_fixed(bytes.at + 8, 8) == checksum_of(*records, number) ? STATE_BLOCK_WHOLE : STATE_BLOCK_DAMAGED;
}

bool state_next_record(struct slice *records, unsigned char *tag, struct state_fields *fields, bool *damaged)
{
    *damaged = false;
    if (records->length == 0)
        return false;
    size_t length = records->length < RECORD_HEAD ? SIZE_MAX : (size_t)get_fixed(records->at + 1, 4);
    *damaged = length > records->length - RECORD_HEAD || records->length < RECORD_HEAD;
    if (*damaged)
        return false;
    *tag = (unsigned char)records->at[0];
    *fields = (struct state_fields){{records->at + RECORD_HEAD, length}, false};
    *records = slice_after(*records, RECORD_HEAD + length);
    return true;
}

/* Whether there are so many bytes more; at a record's end there may be none. */
static bool has(struct state_fields *fields, size_t length)
{
    if (length <= fields->rest.length)
        return true;
    fields->failed |= fields->rest.length > 0;
    fields->rest.length = 0;
    return false;
}

uint64_t state_get_number(struct state_fields *fields)
{
    uint64_t number = 0;
    for (unsigned i = 0; i < NUMBER_MAX && i < fields->rest.length; i++) {
        unsigned char byte = (unsigned char)fields->rest.at[i];
        number |= (uint64_t)(byte & 0x7F) << (7 * i);
        if (byte < 0x80) {
            fields->rest = slice_after(fields->rest, i + 1);
            return number;
        }
    }
    has(fields, SIZE_MAX);
    return 0;
}

int64_t state_get_signed(struct state_fields *fields)
{
    uint64_t number = state_get_number(fields);
    return (int64_t)(number >> 1) ^ -(int64_t)(number & 1);
}

double state_get_double(struct state_fields *fields)
{
    double number = 0;
    if (!has(fields, sizeof number))
        return 0;
    uint64_t bits = get_fixed(fields->rest.at, sizeof bits);
    memcpy(&number, &bits, sizeof number);
    fields->rest = slice_after(fields->rest, sizeof bits);
    return number;
}

struct slice state_get_text(struct state_fields *fields)
{
    uint64_t length = state_get_number(fields);
    if (length > fields->rest.length) {
        fields->failed = true;
        fields->rest.length = 0;
        return (struct slice){"", 0};
    }
    struct slice text = {fields->rest.at, (size_t)length};
    fields->rest = slice_after(fields->rest, (size_t)length);
    return text;
}
