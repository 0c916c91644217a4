/* What secrets are compared and kept with: digests, comparison in constant time, random bytes.  Any number of threads.
 */
#ifndef DIGEST_H
#define DIGEST_H

#include "base/slice.h"

enum { DIGEST_SIZE = 32 };

/* SHA-256 of text (FIPS 180-4). */
void digest_make(struct slice text, unsigned char digest[DIGEST_SIZE]);

/* HMAC-SHA-256 of text under a key (RFC 2104). */
void digest_make_keyed(const unsigned char key[DIGEST_SIZE], struct slice text, unsigned char digest[DIGEST_SIZE]);

/* Are length bytes the same?  The time it takes depends on length alone. */
bool digest_equals(const void *a, const void *b, size_t length);

/* Fill size bytes with what nobody can guess.  False if the system has none. */
bool digest_random(void *bytes, size_t size);

#endif
