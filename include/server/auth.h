/* HTTP Basic credentials (RFC 7617): one user with one password, or with two while it is rotated.  And bearer tokens
 * (RFC 6750), likewise. */
#ifndef AUTH_H
#define AUTH_H

#include "base/digest.h"
#include "config/secret.h"

enum { AUTH_PAIR_MAX = 3 * PASSWORD_MAX + USER_MAX /* a password may be percent-encoded */ };

/* What an Authorization header says.  Secret: auth_forget() it. */
struct auth_credentials {
    struct slice pairs[2]; /* "user:password": as it was sent, and percent-decoded if it holds a '%' */
    unsigned count;
    char text[2][AUTH_PAIR_MAX];
};

/* Decode the value of an Authorization header.  False if it holds no Basic credentials, or longer ones than anybody
 * can have; then there is nothing to forget.  The password may be sent percent-encoded, as some senders leave what they
 * find in a URL. */
bool auth_read(struct auth_credentials *credentials, struct slice authorization);
void auth_forget(struct auth_credentials *credentials);

/* Cut the token out of the value of an Authorization header; false if it holds no bearer token. */
bool auth_read_token(struct slice authorization, struct slice *token);

/* The two parts of a pair; the password is empty if there is no ':'. */
struct slice auth_user(struct slice pair);
struct slice auth_password(struct slice pair);

/* A realm knows digests of "user:password" and of tokens, none of these themselves.  A plain value: copy it. */
struct auth_realm {
    unsigned char digests[2][DIGEST_SIZE];
    unsigned count;
    unsigned char tokens[2][DIGEST_SIZE];
    unsigned token_count;
};

/* Let user in with this password (at most two of them).  False if there are two already, the user's name is longer
 * than USER_MAX, or the password is empty or longer than PASSWORD_MAX. */
bool auth_allow(struct auth_realm *realm, const char *user, const char *password);

/* The realm of a user with a password and the one before it; each may be NULL. */
struct auth_realm auth_realm_of(const char *user, const char *password, const char *previous);

/* Let in who has this token (at most two of them); NULL is nobody.  False if there are two already, or it is empty or
 * longer than PASSWORD_MAX. */
bool auth_allow_token(struct auth_realm *realm, const char *token);

/* Is the pair let in?  The time it takes tells nothing about the passwords. */
bool auth_admits(const struct auth_realm *realm, struct slice pair);

/* Does the value of an Authorization header let in?  All of the above in one. */
bool auth_check(const struct auth_realm *realm, struct slice authorization);

#endif
