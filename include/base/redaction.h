/* What must not be shown of a log line to whoever may look at a page: digits longer than six, e-mail addresses, and
 * anything that looks like a password, a key or a token.
 *
 *     order 12345678 of bob@example.com      order <digits> of <email>
 *     GET /?to=bob%40example.com&sid=5        GET /?to=<email>&sid=<secret>
 *     GET /?token=a1b2c3 by sk_live_4eC39Hq   GET /?token=<secret> by <secret>
 *     postgres://u1:p4ss@db.example.com/d     postgres://<secret>@db.example.com/d
 *     Authorization: Bearer eyJhbGciOi...     Authorization: <secret>
 *
 * It looks at the text alone and so takes too much rather than too little: a word of many kinds of letters becomes
 * <secret>.  A short password that nothing announces cannot be known.  Pure: no I/O, no allocation. */
#ifndef REDACTION_H
#define REDACTION_H

#include "base/slice.h"

enum redaction_kind {
    REDACTION_NONE,
    REDACTION_DIGITS,
    REDACTION_EMAIL,
    REDACTION_SECRET,
};

/* "<email>" */
struct slice redaction_name(enum redaction_kind kind);

/* What must not be shown that starts at this offset of text, which is below its length: its kind and *length.  What
 * stands before it is looked at as well: "password=". */
enum redaction_kind redaction_at(struct slice text, size_t at, size_t *length);

/* Write text to out without what must not be shown: UTF-8, each control character and each byte that is none as
 * U+FFFD.  At most capacity bytes, cut off with "..." if it does not fit; capacity is at least 16.  Returns the
 * length. */
size_t redaction_write(struct slice text, char *out, size_t capacity);

#endif
