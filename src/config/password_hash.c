#include "config/password_hash.h"

#include <crypt.h>
#include <errno.h>
#include <stdlib.h>

#include "base/digest.h"

_Static_assert(PASSWORD_HASH_MAX == CRYPT_OUTPUT_SIZE - 1, "the longest hash");
_Static_assert(PASSWORD_HASH_INPUT_MAX == CRYPT_MAX_PASSPHRASE_SIZE - 1, "the longest password");

/* crypt(3) takes nearly any text for a hash of the oldest kind, so a password in this position would pass for one: of
 * the old kinds only those that start with '$'.  Its own check looks at the beginning alone; what follows the salt has
 * 22 bytes in the shortest kinds and 27 or more in all others. */
bool password_hash_is_whole(const char *hash)
{
    int kind = crypt_checksalt(hash);
    if (hash[0] != '$' || (kind != CRYPT_SALT_OK && kind != CRYPT_SALT_METHOD_LEGACY))
        return false;
    size_t tail = strlen(strrchr(hash, '$') + 1);
    bool is_short = strncmp(hash, "$1$", 3) == 0 || strncmp(hash, "$md5", 4) == 0;
    return tail >= 27 || (is_short && tail == 22);
}

bool password_hash_can_be_of(struct slice password)
{
    return password.length > 0 && password.length <= PASSWORD_HASH_INPUT_MAX &&
           slice_index(password, '\0') == password.length;
}

/* What crypt(3) makes of a password and a setting (a hash, or the beginning of one); NULL with errno if it fails.  The
 * result is in *data. */
static const char *compute(struct slice password, const char *setting, struct crypt_data *data)
{
    char phrase[CRYPT_MAX_PASSPHRASE_SIZE];
    memcpy(phrase, password.at, password.length);
    phrase[password.length] = '\0';
    errno = 0;
    const char *computed = crypt_rn(phrase, setting, data, sizeof *data);
    explicit_bzero(phrase, sizeof phrase);
    return computed;
}

static void free_data(struct crypt_data *data)
{
    explicit_bzero(data, sizeof *data);
    free(data);
}

enum password_hash_result password_hash_verify(const char *hash, struct slice password)
{
    if (!password_hash_can_be_of(password))
        return PASSWORD_HASH_DIFFERS;
    struct crypt_data *data = calloc(1, sizeof *data); /* 32 KiB */
    if (data == NULL)
        return PASSWORD_HASH_NO_MEMORY;
    const char *computed = compute(password, hash, data);
    enum password_hash_result result = PASSWORD_HASH_DIFFERS;
    if (computed == NULL)
        result = errno == ENOMEM ? PASSWORD_HASH_NO_MEMORY : PASSWORD_HASH_DIFFERS;
    else if (strlen(computed) == strlen(hash) && digest_equals(computed, hash, strlen(hash)))
        result = PASSWORD_HASH_MATCHES;
    free_data(data);
    return result;
}

bool password_hash_make(struct slice password, char hash[PASSWORD_HASH_MAX + 1])
{
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    if (!password_hash_can_be_of(password) || crypt_gensalt_rn("$y$", 0, NULL, 0, setting, sizeof setting) == NULL)
        return false;
    struct crypt_data *data = calloc(1, sizeof *data);
    if (data == NULL)
        return false;
    const char *computed = compute(password, setting, data);
    if (computed != NULL)
        memcpy(hash, computed, strlen(computed) + 1);
    free_data(data);
    return computed != NULL;
}
