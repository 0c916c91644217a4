#include "server/auth.h"

#include <strings.h>

#include "base/base64.h"
#include "base/digest.h"
#include "base/percent.h"

/* Cut off the name of a scheme, in letters of any case, and the blanks behind it; false if it is another scheme. */
static bool cut_scheme(struct slice *text, struct slice scheme)
{
    if (text->length <= scheme.length || strncasecmp(text->at, scheme.at, scheme.length) != 0 ||
        text->at[scheme.length] != ' ')
        return false;
    *text = slice_after(*text, scheme.length);
    while (text->length > 0 && text->at[0] == ' ')
        *text = slice_after(*text, 1);
    return true;
}

bool auth_read_token(struct slice authorization, struct slice *token)
{
    *token = authorization;
    return cut_scheme(token, SLICE("Bearer")) && token->length > 0 && token->length <= PASSWORD_MAX;
}

bool auth_read(struct auth_credentials *credentials, struct slice authorization)
{
    struct slice text = authorization;
    if (!cut_scheme(&text, SLICE("Basic")))
        return false;
    struct slice sent = {credentials->text[0], 0};
    if (base64_capacity(text.length) > AUTH_PAIR_MAX || !base64_decode(text, credentials->text[0], &sent.length))
        return false;
    credentials->pairs[0] = sent;
    credentials->count = 1;
    if (slice_index(sent, '%') < sent.length) {
        char *decoded = credentials->text[1];
        credentials->pairs[1] = (struct slice){decoded, percent_decode(sent, false, decoded, AUTH_PAIR_MAX)};
        credentials->count = 2;
    }
    return true;
}

void auth_forget(struct auth_credentials *credentials)
{
    for (unsigned i = 0; i < credentials->count; i++)
        explicit_bzero(credentials->text[i], credentials->pairs[i].length);
    credentials->count = 0;
}

struct slice auth_user(struct slice pair)
{
    return (struct slice){pair.at, slice_index(pair, ':')};
}

struct slice auth_password(struct slice pair)
{
    size_t user = slice_index(pair, ':');
    return slice_after(pair, user < pair.length ? user + 1 : user);
}

bool auth_allow(struct auth_realm *realm, enum auth_secret which, const char *user, const char *password)
{
    size_t user_length = strlen(user);
    size_t password_length = strlen(password);
    if (password_length == 0 || password_length > PASSWORD_MAX || user_length > USER_MAX)
        return false;
    char pair[AUTH_PAIR_MAX];
    memcpy(pair, user, user_length);
    pair[user_length] = ':';
    memcpy(pair + user_length + 1, password, password_length);
    digest_make((struct slice){pair, user_length + 1 + password_length}, realm->digests[which]);
    explicit_bzero(pair, sizeof pair);
    return realm->has[which] = true;
}

bool auth_allow_token(struct auth_realm *realm, enum auth_secret which, const char *token)
{
    size_t length = token == NULL ? 0 : strlen(token);
    if (length == 0 || length > PASSWORD_MAX)
        return false;
    digest_make((struct slice){token, length}, realm->digests[which]);
    return realm->has[which] = true;
}

struct auth_realm auth_realm_of(const char *user, const char *password, const char *previous)
{
    struct auth_realm realm = {0};
    if (password != NULL)
        auth_allow(&realm, AUTH_PASSWORD, user, password);
    if (previous != NULL)
        auth_allow(&realm, AUTH_PREVIOUS_PASSWORD, user, previous);
    return realm;
}

/* Which of two secrets has this digest?  Both are looked at, so the time tells nothing. */
static enum auth_secret find_digest(const struct auth_realm *realm, enum auth_secret first, const unsigned char *digest)
{
    bool is_first = realm->has[first] & digest_equals(digest, realm->digests[first], DIGEST_SIZE);
    bool is_second = realm->has[first + 1] & digest_equals(digest, realm->digests[first + 1], DIGEST_SIZE);
    return is_first ? first : is_second ? first + 1 : AUTH_NONE;
}

/* Digests are compared, so neither the length of a password nor where it differs can be told from the time. */
static enum auth_secret find_secret(const struct auth_realm *realm, enum auth_secret first, struct slice secret)
{
    unsigned char digest[DIGEST_SIZE];
    digest_make(secret, digest);
    return find_digest(realm, first, digest);
}

enum auth_secret auth_check_pair(const struct auth_realm *realm, struct slice pair)
{
    return find_secret(realm, AUTH_PASSWORD, pair);
}

enum auth_secret auth_check(const struct auth_realm *realm, struct slice authorization)
{
    struct auth_credentials credentials;
    struct slice token;
    if (auth_read_token(authorization, &token))
        return find_secret(realm, AUTH_TOKEN, token);
    if (!auth_read(&credentials, authorization))
        return AUTH_NONE;
    enum auth_secret found = AUTH_NONE;
    for (unsigned i = 0; i < credentials.count; i++) {
        enum auth_secret by = auth_check_pair(realm, credentials.pairs[i]);
        found = found == AUTH_NONE ? by : found;
    }
    auth_forget(&credentials);
    return found;
}

enum auth_secret auth_find(const struct auth_realm *other, const struct auth_realm *realm, enum auth_secret which)
{
    return find_digest(other, which < AUTH_TOKEN ? AUTH_PASSWORD : AUTH_TOKEN, realm->digests[which]);
}
