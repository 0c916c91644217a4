/* What the unit tests share. */
#ifndef SUPPORT_H
#define SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "base/slice.h"
#include "families/family.h"

/* A copy of text that ends where the next page cannot be read, so that one byte too many kills the test.  Valid until
 * the next call. */
struct slice guarded(struct slice text);

/* Call check with every beginning of text, from none of it to all of it, each guarded. */
void each_cut(struct slice text, void (*check)(struct slice cut));

#define assert_slice(actual, text)                                                       \
    do {                                                                                 \
        struct slice assert_a = (actual), assert_b = slice_of(text);                     \
        if (!slice_equals(assert_a, assert_b))                                           \
            fail_msg("\"%.*s\" is not \"%s\"", (int)assert_a.length, assert_a.at, text); \
    } while (0)

/* ---- a family's samples as text, one line each: "name{labels} value" or "reject reason" ---- */

struct recording {
    struct sample_output output; /* first */
    char text[65536];
    size_t length;
    struct family_context context; /* of the last line */
    struct sample last; /* the last sample, for what the text does not tell; its pointers are of no use but process */
};
void recording_start(struct recording *recording);

/* Read one message of the family that claims it and record what it gives; fails the test where none does. */
enum verdict read_line(struct recording *recording, const char *appname, const char *procid, const char *message);

/* The same of a message that is where it should be read, for each_cut(). */
enum verdict read_message(struct recording *recording, const char *appname, const char *procid, struct slice message);

/* Fails the test unless a line gives this verdict and these samples.  What it gives is left in recorded. */
extern struct recording recorded;
void check_line(const char *appname, const char *procid, const char *message, enum verdict verdict,
                const char *expected);

/* The same for a message of Cloud Foundry's with this structured data, of the app acme/prod/shop. */
enum verdict read_cf(const char *procid, const char *data, const char *message); /* into recorded */
void check_cf(const char *procid, const char *data, const char *message, enum verdict verdict, const char *expected);

/* The same for lines whose samples are gauges with the same labels: expected is "key number, key number". */
void check_gauges(const char *procid, const char *message, const char *namespace, const char *labels,
                  const char *expected);

#endif
