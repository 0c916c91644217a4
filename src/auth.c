#include "auth.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <strings.h>

#include "base64.h"
#include "percent.h"

enum { USER_MAX = 64, PAIR_ROOM = 3 * AUTH_PASSWORD_MAX + USER_MAX };

bool auth_allow(struct auth_realm *realm, const char *user, const char *password)
{
    size_t user_length = strlen(user);
    size_t password_length = strlen(password);
    if (realm->count == 2 || password_length == 0 || password_length > AUTH_PASSWORD_MAX || user_length > USER_MAX)
        return false;
    char pair[PAIR_ROOM];
    memcpy(pair, user, user_length);
    pair[user_length] = ':';
    memcpy(pair + user_length + 1, password, password_length);
    SHA256((const unsigned char *)pair, user_length + 1 + password_length, realm->digests[realm->count++]);
    OPENSSL_cleanse(pair, sizeof pair);
    return true;
}

/* Digests are compared, so neither the length of a password nor where it differs can be told from the time. */
static bool is_allowed(const struct auth_realm *realm, const char *pair, size_t length)
{
    unsigned char digest[AUTH_DIGEST];
    SHA256((const unsigned char *)pair, length, digest);
    bool allowed = false;
    for (unsigned i = 0; i < realm->count; i++)
        allowed |= CRYPTO_memcmp(digest, realm->digests[i], sizeof digest) == 0;
    return allowed;
}

bool auth_check(const struct auth_realm *realm, struct slice authorization)
{
    struct slice scheme = SLICE("Basic ");
    if (authorization.length < scheme.length || strncasecmp(authorization.at, scheme.at, scheme.length) != 0)
        return false;
    struct slice text = slice_after(authorization, scheme.length);
    while (text.length > 0 && text.at[0] == ' ')
        text = slice_after(text, 1);
    char pair[PAIR_ROOM];
    size_t length;
    if (base64_room(text.length) > sizeof pair || !base64_decode(text, pair, &length))
        return false;
    bool allowed = is_allowed(realm, pair, length);
    if (memchr(pair, '%', length) != NULL)
        allowed |= is_allowed(realm, pair, percent_decode((struct slice){pair, length}, false, pair, length));
    OPENSSL_cleanse(pair, sizeof pair);
    return allowed;
}
