#include "base/digest.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <sys/random.h>

void digest_make(struct slice text, unsigned char digest[DIGEST_SIZE])
{
    SHA256((const unsigned char *)text.at, text.length, digest);
}

bool digest_make_keyed(const unsigned char key[DIGEST_SIZE], struct slice text, unsigned char digest[DIGEST_SIZE])
{
    return HMAC(EVP_sha256(), key, DIGEST_SIZE, (const unsigned char *)text.at, text.length, digest, NULL) != NULL;
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
