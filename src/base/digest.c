/* SHA256_Init() and its companions are "deprecated" in favour of functions that allocate, and OpenSSL 3 reads a null
 * pointer if it is short of memory the first time.  What cannot fail suits a digest that lets somebody in. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/digest.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <sys/random.h>

void digest_make(struct slice text, unsigned char digest[DIGEST_SIZE])
{
    SHA256_CTX state;
    SHA256_Init(&state);
    SHA256_Update(&state, text.at, text.length);
    SHA256_Final(digest, &state); /* wipes the state */
}

/* SHA-256 of the key, with these bits turned, and what follows it. */
static void digest_behind_key(const unsigned char key[DIGEST_SIZE], unsigned char bits, const void *bytes,
                              size_t length, unsigned char digest[DIGEST_SIZE])
{
    unsigned char block[SHA256_CBLOCK];
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (i < DIGEST_SIZE ? key[i] : 0) ^ bits;
    SHA256_CTX state;
    SHA256_Init(&state);
    SHA256_Update(&state, block, sizeof block);
    SHA256_Update(&state, bytes, length);
    SHA256_Final(digest, &state);
    OPENSSL_cleanse(block, sizeof block);
}

void digest_make_keyed(const unsigned char key[DIGEST_SIZE], struct slice text, unsigned char digest[DIGEST_SIZE])
{
    unsigned char inner[DIGEST_SIZE];
    digest_behind_key(key, 0x36, text.at, text.length, inner);
    digest_behind_key(key, 0x5c, inner, sizeof inner, digest);
}

bool digest_equals(const void *a, const void *b, size_t length)
{
    return CRYPTO_memcmp(a, b, length) == 0;
}

bool digest_random(void *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t more = getrandom((char *)bytes + done, size - done, 0);
        if (more < 0 && errno != EINTR)
            return false;
        done += more > 0 ? (size_t)more : 0;
    }
    return true;
}
