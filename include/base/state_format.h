/* How the state of an exporter is written down, for its next start.  Pure: no file, no thread.
 *
 *     state    block, block, ..., block
 *     block    "DXS1", the length of what follows the head (4 bytes), its checksum (8 bytes); records
 *     record   a tag (1 byte), its length (4 bytes), fields
 *     field    a number, of 7 bits a byte, the low ones first; a double, of 8 bytes; a text, of its length and its
 * bytes
 *
 * Fixed numbers have their low byte first.  The checksum is XXH3 of the records, with the number of the block as its
 * seed: a block that is damaged, missing or in another place does not fit.
 *
 * NEWER   Who does not know a record's tag skips it, and fields that he does not know stand behind those that he knows.
 *         A field that is missing at a record's end reads as 0.  So old and new versions read each other's states, as
 *         long as the first record's number of the format is the same. */
#ifndef STATE_FORMAT_H
#define STATE_FORMAT_H

#include <stdint.h>

#include "base/buffer.h"

enum {
    STATE_BLOCK_HEAD = 16,
    STATE_BLOCK_MAX = 4 * 1024 * 1024, /* bytes of the records of a block */
};

/* The tags of records.  A number is never used for something else. */
enum state_tag {
    STATE_HEADER = 1,     /* of all: the format, our version, the time, bounds of series */
    STATE_APP = 2,        /* an app, see store/entity.h */
    STATE_PROCESS = 3,    /* likewise; behind its app */
    STATE_KEY = 4,        /* a GUID or route of an app, see store/directory.h */
    STATE_BATCHES = 5,    /* known batches, see intake/dedup.h */
    STATE_BATCH_KEY = 6,  /* what the ids of contents are made with; before them */
    STATE_CF_APP = 7,     /* names of a GUID, see intake/cf_apps.h */
    STATE_ARRIVAL = 8,    /* the arrival clock */
    STATE_LAST_BATCH = 9, /* of an app of the configuration */
    STATE_SCRAPER = 10,   /* who fetches pages, see output/scrapers.h */
    STATE_NAME = 11,      /* a metric, whose descriptors and series follow */
    STATE_METRIC = 12,    /* a descriptor, of the series that follow */
    STATE_COUNTED = 13,   /* a series */
    STATE_REPORTED = 14,  /* likewise */
    STATE_END = 15,       /* of all, in a block of its own: how it ended */
};

/* The number of the format that the header tells. */
enum { STATE_FORMAT = 1 };

/* The last block: a state without one is not complete.  orderly: the program has stopped, and nothing was counted any
 * more.  All have the same size, so that one can take the place of another. */
enum { STATE_END_SIZE = STATE_BLOCK_HEAD + 6 };
void state_put_end(struct buffer *out, uint64_t number, bool orderly);

/* ---- writing: memory that is short shows in out->failed ---- */

/* Begin a block at the end of out, and end it.  number: of the block in its state, from 0 on. */
size_t state_begin_block(struct buffer *out);
void state_end_block(struct buffer *out, size_t block, uint64_t number);

/* The same for a record in a block. */
size_t state_begin_record(struct buffer *out, unsigned char tag);
void state_end_record(struct buffer *out, size_t record);

void state_put_number(struct buffer *out, uint64_t number);
void state_put_signed(struct buffer *out, int64_t number);
void state_put_double(struct buffer *out, double number);
void state_put_text(struct buffer *out, struct slice text);

/* ---- reading ---- */

enum state_block {
    STATE_BLOCK_WHOLE,
    STATE_BLOCK_SHORT,   /* there must be more bytes to tell */
    STATE_BLOCK_DAMAGED, /* or no block at all */
};

/* The block that bytes begin with, if its number is this.  *size: how many bytes it has, as soon as that is known, else
 * 0. */
enum state_block state_read_block(struct slice bytes, uint64_t number, struct slice *records, size_t *size);

/* The fields of a record.  failed: one of them cannot be read, and all behind it are 0. */
struct state_fields {
    struct slice rest;
    bool failed;
};

/* Cut the next record off; false at the end, or if it cannot be read, which *damaged then says. */
bool state_next_record(struct slice *records, unsigned char *tag, struct state_fields *fields, bool *damaged);

uint64_t state_get_number(struct state_fields *fields);
int64_t state_get_signed(struct state_fields *fields);
double state_get_double(struct state_fields *fields);
struct slice state_get_text(struct state_fields *fields); /* a part of the record */

#endif
