#include <openssl/evp.h>

#include "base/base64.h"
#include "fuzz.h"

/* What is accepted is the encoding of what comes out; what OpenSSL encodes is accepted. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *out = malloc(base64_capacity(size));
    char *text = malloc(size * 2 + 64);
    size_t length;
    if (base64_decode((struct slice){(const char *)data, size}, out, &length)) {
        REQUIRE(length < base64_capacity(size));
        EVP_EncodeBlock((unsigned char *)text, (unsigned char *)out, (int)length);
        REQUIRE(memcmp(text, data, size) == 0);
    }
    int encoded = EVP_EncodeBlock((unsigned char *)text, data, (int)size);
    char *back = malloc(base64_capacity((size_t)encoded));
    REQUIRE(base64_decode((struct slice){text, (size_t)encoded}, back, &length) == (size > 0));
    if (size > 0)
        REQUIRE(length == size && memcmp(back, data, size) == 0);
    free(back);
    free(text);
    free(out);
    return 0;
}
