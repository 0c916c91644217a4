/* Hashes of passwords as crypt(3) makes them: "$y$j9T$cyH94v...$8T9/rb...".  Any number of threads. */
#ifndef PASSWORD_HASH_H
#define PASSWORD_HASH_H

#include "base/slice.h"

enum {
    PASSWORD_HASH_MAX = 383,       /* bytes of a hash */
    PASSWORD_HASH_INPUT_MAX = 511, /* of a password: crypt(3) takes no longer one */
};

/* Is it a whole hash of a kind that crypt(3) knows and that starts with '$'? */
bool password_hash_is_whole(const char *hash);

/* Does a whole hash cost at most a second or two, and 64 MiB, to compare with?  bcrypt up to $2b$14$, 1,000,000 rounds
 * of those kinds that count rounds, yescrypt and scrypt up to that memory: "$y$jBT$", "$7$CU..../....". */
bool password_hash_is_affordable(const char *hash);

/* Can a hash be of this password?  It is neither empty nor too long, and holds no NUL. */
bool password_hash_can_be_of(struct slice password);

enum password_hash_result {
    PASSWORD_HASH_MATCHES,
    PASSWORD_HASH_DIFFERS, /* also if no hash can be of this password */
    PASSWORD_HASH_NO_MEMORY,
};

/* Is it the hash of this password?  Takes a good part of a second, on purpose: not for a thread that others wait for.
 */
enum password_hash_result password_hash_verify(const char *hash, struct slice password);

/* Hash a password with yescrypt, under a new random salt, as costly as crypt(3) has it.  False if no hash
 * can be of it, or if memory is short. */
bool password_hash_make(struct slice password, char hash[PASSWORD_HASH_MAX + 1]);

#endif
