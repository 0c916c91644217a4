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

/* The secrets of a realm: the password of its user and the one before it, and tokens likewise. */
enum auth_secret {
    AUTH_PASSWORD,
    AUTH_PREVIOUS_PASSWORD,
    AUTH_TOKEN,
    AUTH_PREVIOUS_TOKEN,
    AUTH_SECRETS,
    AUTH_NONE = AUTH_SECRETS,
};

/* A realm knows digests of "user:password" and of tokens, none of these themselves.  A plain value: copy it. */
struct auth_realm {
    unsigned char digests[AUTH_SECRETS][DIGEST_SIZE];
    bool has[AUTH_SECRETS];
};

/* Let user in with this password, which is one of the first two secrets.  False if the user's name is longer than
 * USER_MAX, or the password is empty or longer than PASSWORD_MAX. */
bool auth_allow(struct auth_realm *realm, enum auth_secret which, const char *user, const char *password);

/* The realm of a user with a password and the one before it; each may be NULL. */
struct auth_realm auth_realm_of(const char *user, const char *password, const char *previous);

/* Let in who has this token, one of the last two secrets; NULL is nobody.  False if it is empty or longer than
 * PASSWORD_MAX. */
bool auth_allow_token(struct auth_realm *realm, enum auth_secret which, const char *token);

/* By which of its passwords does the realm let the pair in?  AUTH_NONE: by none.  The time it takes tells nothing about
 * the passwords. */
enum auth_secret auth_check_pair(const struct auth_realm *realm, struct slice pair);

/* By which of its secrets is the value of an Authorization header let in?  All of the above in one. */
enum auth_secret auth_check(const struct auth_realm *realm, struct slice authorization);

/* Which secret of other is the same as this one of realm?  AUTH_NONE: none. */
enum auth_secret auth_find(const struct auth_realm *other, const struct auth_realm *realm, enum auth_secret which);

#endif
