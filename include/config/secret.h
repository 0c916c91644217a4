/* Secrets: read from a file that holds nothing else, and kept. */
#ifndef SECRET_H
#define SECRET_H

#include "base/error.h"
#include "base/slice.h"

enum {
    PASSWORD_MAX = 1024, /* bytes of a password, and of the name of a user */
    USER_MAX = 64,
    SECRET_CAPACITY = PASSWORD_MAX + 4, /* longer than any password, so that one that is too long is found to be */
};

/* The two users that there are without a list of drains: one posts for all apps, one scrapes. */
#define SHARED_USER "drain"
#define METRICS_USER "metrics"

/* Put what the file holds, without its final newline, into text; it may be empty, and is cut off after SECRET_CAPACITY
 * - 1 bytes.  False if it cannot be read or holds a NUL byte; error then says so ("cannot be opened: ..."). */
bool secret_read(const char *path, char text[SECRET_CAPACITY], char error[ERROR_MAX]);

/* A copy of a secret, in pages of its own: locked into memory if the system allows that, and never part of a core. NULL
 * if memory is short.  secret_free() wipes it; NULL is harmless. */
char *secret_keep(const char *secret);
void secret_free(char *secret);

#endif
