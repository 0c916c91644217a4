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

bool auth_allow(struct auth_realm *realm, const char *user, const char *password)
{
    size_t user_length = strlen(user);
    size_t password_length = strlen(password);
    if (realm->count == 2 || password_length == 0 || password_length > PASSWORD_MAX || user_length > USER_MAX)
        return false;
    char pair[AUTH_PAIR_MAX];
    memcpy(pair, user, user_length);
    pair[user_length] = ':';
    memcpy(pair + user_length + 1, password, password_length);
    digest_make((struct slice){pair, user_length + 1 + password_length}, realm->digests[realm->count++]);
    explicit_bzero(pair, sizeof pair);
    return true;
}

bool auth_allow_token(struct auth_realm *realm, const char *token)
{
    size_t length = token == NULL ? 0 : strlen(token);
    if (realm->token_count == 2 || length == 0 || length > PASSWORD_MAX)
        return false;
    digest_make((struct slice){token, length}, realm->tokens[realm->token_count++]);
    return true;
}

struct auth_realm auth_realm_of(const char *user, const char *password, const char *previous)
{
    struct auth_realm realm = {0};
    if (password != NULL)
        auth_allow(&realm, user, password);
    if (previous != NULL)
        auth_allow(&realm, user, previous);
    return realm;
}

/* Digests are compared, so neither the length of a password nor where it differs can be told from the time. */
static bool is_among(struct slice secret, const unsigned char (*digests)[DIGEST_SIZE], unsigned count)
{
    unsigned char digest[DIGEST_SIZE];
    digest_make(secret, digest);
    bool found = false;
    for (unsigned i = 0; i < count; i++)
        found |= digest_equals(digest, digests[i], sizeof digest);
    return found;
}

bool auth_admits(const struct auth_realm *realm, struct slice pair)
{
    return is_among(pair, realm->digests, realm->count);
}

bool auth_check(const struct auth_realm *realm, struct slice authorization)
{
    struct auth_credentials credentials;
    struct slice token;
    if (auth_read_token(authorization, &token))
        return is_among(token, realm->tokens, realm->token_count);
    if (!auth_read(&credentials, authorization))
        return false;
    bool admitted = false;
    for (unsigned i = 0; i < credentials.count; i++)
        admitted |= auth_admits(realm, credentials.pairs[i]);
    auth_forget(&credentials);
    return admitted;
}
