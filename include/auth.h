/* HTTP Basic credentials (RFC 7617): one user with one password, or with two while it is rotated. */
#ifndef AUTH_H
#define AUTH_H

#include "slice.h"

enum { AUTH_DIGEST = 32, AUTH_PASSWORD_MAX = 1024 };

/* A realm knows digests of "user:password", no password.  A plain value: copy it, share it. */
struct auth_realm {
    unsigned char digests[2][AUTH_DIGEST];
    unsigned count;
};

/* Let user in with this password (at most two of them).  False where there are two already, or the password is empty or
 * longer than AUTH_PASSWORD_MAX. */
bool auth_allow(struct auth_realm *realm, const char *user, const char *password);

/* Does the value of an Authorization header let in?  The password may also be sent percent-encoded, as some senders
 * leave what they find in a URL.  The time it takes tells nothing about the passwords. */
bool auth_check(const struct auth_realm *realm, struct slice authorization);

#endif
