/* Read a secret from a file that holds nothing else. */
#ifndef SECRET_H
#define SECRET_H

#include "server/auth.h"

/* Longer than any password, so that one that is too long is found to be. */
enum { SECRET_ROOM = AUTH_PASSWORD_MAX + 4 };

/* Put what the file holds, without its final newline, into text; it may be empty, and is cut off after SECRET_ROOM - 1
 * bytes.  False where it cannot be read or holds a NUL byte; problem then says so ("cannot be opened: ..."). */
bool secret_read(const char *path, char text[SECRET_ROOM], char problem[128]);

#endif
