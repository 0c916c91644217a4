#include "config/password_hash.h"

#include <crypt.h>
#include <errno.h>
#include <stdlib.h>

#include "base/digest.h"
#include "base/number.h"

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

/* ---- costs ---- */

enum { BCRYPT_COST_MAX = 14, ROUNDS_MAX = 1000000 };
#define MEMORY_MAX (UINT64_C(64) << 20) /* of yescrypt and scrypt */

/* The value of a character of crypt(3)'s numbers; 64 if it is none. */
static unsigned digit_of(char character)
{
    static const char digits[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    return (unsigned)slice_index((struct slice){digits, 64}, character);
}

/* 30 bits in five characters, the lowest first. */
static uint64_t cut_scrypt_number(const char *text)
{
    uint64_t number = 0;
    for (int i = 0; i < 5; i++)
        number |= (uint64_t)digit_of(text[i]) << (6 * i);
    return number;
}

/* "j9T$": what it is, log2 of the blocks minus 1, the size of a block minus 1.  More is never written by crypt(3), and
 * would be further costs. */
static bool is_affordable_yescrypt(const char *parameters)
{
    enum { ONE_CHARACTER_MAX = 47 };
    unsigned kind = digit_of(parameters[0]);
    unsigned blocks = kind <= ONE_CHARACTER_MAX ? digit_of(parameters[1]) : 64;
    unsigned size = blocks <= ONE_CHARACTER_MAX ? digit_of(parameters[2]) : 64;
    return size <= ONE_CHARACTER_MAX && parameters[3] == '$' && blocks < 32 &&
           (UINT64_C(128) << (blocks + 1)) * (size + 1) <= MEMORY_MAX;
}

/* "CU..../....": log2 of the blocks, then 30 bits of each of the size of a block and of how often all is done. */
static bool is_affordable_scrypt(const char *parameters)
{
    if (strlen(parameters) < 11)
        return false;
    unsigned blocks = digit_of(parameters[0]);
    uint64_t size = cut_scrypt_number(parameters + 1), times = cut_scrypt_number(parameters + 6);
    return blocks < 32 && size < 1 << 16 && times < 1 << 16 && (UINT64_C(128) << blocks) * size * times <= MEMORY_MAX;
}

/* "262144$" */
static bool is_affordable_number(const char *text, char end, uint64_t most)
{
    struct slice rest = slice_of(text);
    uint64_t number;
    return number_cut_decimal(&rest, most, &number) && rest.length > 0 && rest.at[0] == end;
}

bool password_hash_is_affordable(const char *hash)
{
    static const char *const rounds[] = {"$5$rounds=", "$6$rounds=", "$md5,rounds=", "$sha1$"};
    for (size_t i = 0; i < sizeof rounds / sizeof rounds[0]; i++)
        if (strncmp(hash, rounds[i], strlen(rounds[i])) == 0)
            return is_affordable_number(hash + strlen(rounds[i]), '$', ROUNDS_MAX);
    if (strncmp(hash, "$2", 2) == 0)
        return strlen(hash) > 4 && hash[3] == '$' && is_affordable_number(hash + 4, '$', BCRYPT_COST_MAX);
    if (strncmp(hash, "$y$", 3) == 0)
        return is_affordable_yescrypt(hash + 3);
    if (strncmp(hash, "$gy$", 4) == 0)
        return is_affordable_yescrypt(hash + 4);
    if (strncmp(hash, "$7$", 3) == 0)
        return is_affordable_scrypt(hash + 3);
    return true; /* as all others cost */
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
