#include "base/redaction.h"

#include <strings.h>

#include "base/utf8.h"

enum {
    NAME_SHOWN_MAX = 40, /* how far back "password" can begin */
    PREFIXED_KEY_MIN = 12,
    RANDOM_KEY_MIN = 20,
    SLASHED_KEY_MIN = 32,
    SEPARATOR_MAX = 8, /* blanks or quotes around "=" */
    DIGITS_SHOWN = 6,
};

static bool is_lower(char byte)
{
    return byte >= 'a' && byte <= 'z';
}

static bool is_upper(char byte)
{
    return byte >= 'A' && byte <= 'Z';
}

static bool is_alphanumeric(char byte)
{
    return is_lower(byte) || is_upper(byte) || slice_is_digit(byte);
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

static bool is_quote(char byte)
{
    return byte == '"' || byte == '\'';
}

static bool is_quote_or_escape(char byte)
{
    return is_quote(byte) || byte == '\\';
}

static bool is_among(char byte, const char *bytes)
{
    return byte != '\0' && strchr(bytes, byte) != NULL;
}

static bool is_local_byte(char byte)
{
    return is_alphanumeric(byte) || is_among(byte, ".+_%-");
}

static bool is_domain_byte(char byte)
{
    return is_alphanumeric(byte) || byte == '.' || byte == '-';
}

static bool is_key_byte(char byte)
{
    return is_alphanumeric(byte) || is_among(byte, "_-+");
}

static size_t count_while(struct slice text, size_t most, bool (*is)(char))
{
    size_t i = 0;
    while (i < text.length && i < most && is(text.at[i]))
        i++;
    return i;
}

/* ---- e-mail addresses ---- */

/* How long the host's name that text starts with is; 0: it is none. */
static size_t measure_domain(struct slice text)
{
    text.length = count_while(text, 255, is_domain_byte);
    while (text.length > 0 && !is_alphanumeric(text.at[text.length - 1]))
        text.length--; /* the end of a sentence */
    return slice_index(text, '.') < text.length ? text.length : 0;
}

/* "bob%40example.com", as URLs have it.  To the end of the last such address. */
static size_t measure_encoded_email(struct slice text)
{
    size_t end = 0;
    for (size_t i = 1; i + 3 < text.length; i++) {
        size_t domain = memcmp(text.at + i, "%40", 3) == 0 ? measure_domain(slice_after(text, i + 3)) : 0;
        end = domain > 0 ? i + 3 + domain : end;
    }
    return end;
}

/* Whole, from its first byte: so the work is linear. */
static size_t measure_email(struct slice text, size_t at)
{
    if (at > 0 && is_local_byte(text.at[at - 1]))
        return 0;
    text = slice_after(text, at);
    size_t local = count_while(text, text.length, is_local_byte);
    size_t domain =
        local > 0 && local < text.length && text.at[local] == '@' ? measure_domain(slice_after(text, local + 1)) : 0;
    return domain > 0 ? local + 1 + domain : measure_encoded_email((struct slice){text.at, local});
}

/* ---- values that are said to be secret ---- */

static bool ends_with_word(struct slice name, const char *word)
{
    size_t length = strlen(word);
    return name.length >= length && strncasecmp(name.at + name.length - length, word, length) == 0;
}

/* Of "db_pass" and "dbPass", "pass" does; of "bypass" not. */
static bool begins_word(struct slice name, size_t at)
{
    return at == 0 || !is_alphanumeric(name.at[at - 1]) || (is_lower(name.at[at - 1]) && is_upper(name.at[at]));
}

static bool is_secret_name(struct slice name)
{
    static const char *const whole[] = {"pass", "pw", "otp", "sid", "jwt"}; /* longer words end with these, too */
    static const char *const words[] = {"password",   "passwd",      "passphrase", "pwd",           "secret",
                                        "token",      "apikey",      "_key",       "-key",          "key_base",
                                        "credential", "credentials", "signature",  "authorization", "cookie",
                                        "passcode",   "session_id",  "sessionid",  "session-id"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (ends_with_word(name, words[i]))
            return true;
    for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++)
        if (ends_with_word(name, whole[i]) && begins_word(name, name.length - strlen(whole[i])))
            return true;
    return false;
}

static size_t skip_back(struct slice text, size_t at, bool (*is)(char))
{
    size_t most = at < SEPARATOR_MAX ? at : SEPARATOR_MAX, count = 0;
    while (count < most && is(text.at[at - count - 1]))
        count++;
    return at - count;
}

static bool is_name_byte(char byte)
{
    return is_alphanumeric(byte) || byte == '_' || byte == '-';
}

/* Is what begins there the value of a name like "password", behind "=" or ":"? */
static bool is_secret_value(struct slice text, size_t at)
{
    if (at < text.length && text.at[at] == '>')
        return false;                             /* of "=>" */
    at = skip_back(text, at, is_quote_or_escape); /* that which the value stands in */
    at = skip_back(text, at, is_blank);
    if (at > 0 && text.at[at - 1] == '>')
        at--;
    if (at == 0 || (text.at[at - 1] != '=' && text.at[at - 1] != ':'))
        return false;
    at = skip_back(text, at - 1, is_blank);
    at = skip_back(text, at, is_quote_or_escape); /* those of the name */
    size_t end = at;
    while (at > 0 && end - at < NAME_SHOWN_MAX && is_name_byte(text.at[at - 1]))
        at--;
    return is_secret_name((struct slice){text.at + at, end - at});
}

/* To the end of a quoted string, or of a word. */
static size_t measure_value(struct slice text)
{
    size_t i = 0;
    if (text.length > 1 && is_quote(text.at[0])) {
        for (i = 1; i < text.length && text.at[i] != text.at[0]; i++)
            i += text.at[i] == '\\' && i + 1 < text.length;
        return i < text.length ? i + 1 : text.length;
    }
    while (i < text.length && !is_blank(text.at[i]) && !is_among(text.at[i], ",;&)]}\"'\r\n"))
        i++;
    return i;
}

/* "Bearer abc": the word before the secret itself. */
static bool is_scheme(struct slice word)
{
    static const char *const schemes[] = {"bearer", "basic", "digest", "token"};
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
        if (word.length == strlen(schemes[i]) && strncasecmp(word.at, schemes[i], word.length) == 0)
            return true;
    return false;
}

static size_t measure_secret_value(struct slice text)
{
    size_t length = measure_value(text);
    if (is_scheme((struct slice){text.at, length}) && length < text.length && text.at[length] == ' ')
        length += 1 + measure_value(slice_after(text, length + 1));
    return length;
}

/* ---- passwords of URLs ---- */

/* User and password, behind "://" and before "@". */
static size_t measure_userinfo(struct slice text, size_t at)
{
    if (at < 3 || memcmp(text.at + at - 3, "://", 3) != 0)
        return 0;
    size_t end = at;
    while (end < text.length && !is_among(text.at[end], "@/ \t\"'\r\n"))
        end++;
    bool has_password = slice_index((struct slice){text.at + at, end - at}, ':') < end - at;
    return has_password && end < text.length && text.at[end] == '@' ? end - at : 0;
}

static size_t measure_secret(struct slice text, size_t at)
{
    return is_secret_value(text, at) ? measure_secret_value(slice_after(text, at)) : measure_userinfo(text, at);
}

/* ---- what looks like a key ---- */

static bool has_key_prefix(struct slice word)
{
    static const char *const prefixes[] = {"AKIA",   "ASIA",   "AIza",  "eyJ",  "sk_",        "pk_", "rk_",
                                           "whsec_", "ghp_",   "gho_",  "ghs_", "ghu_",       "SG.", "xoxb",
                                           "xoxp",   "glpat-", "HRKU-", "npm_", "github_pat_"};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (slice_starts_with(word, slice_of(prefixes[i])))
            return true;
    return false;
}

enum class { OTHER, LOWER, UPPER, DIGIT };

static enum class class_of(char byte) {
    return is_lower(byte)         ? LOWER
           : is_upper(byte)       ? UPPER
           : slice_is_digit(byte) ? DIGIT
                                  : OTHER;
}

/* Words and numbers keep to one kind of character for a while; random bytes change it all the time.  That a word starts
 * with a capital letter is no change.  How often does the kind change? */
static size_t count_changes(struct slice word)
{
    size_t changes = 0;
    enum class last = OTHER;
    for (size_t i = 0; i < word.length; i++) {
        enum class class = class_of(word.at[i]);
        changes += class != OTHER && last != OTHER && class != last && !(last == UPPER && class == LOWER);
        last = class != OTHER ? class : last;
    }
    return changes;
}

static bool is_key_or_slash(char byte)
{
    return is_key_byte(byte) || byte == '/';
}

static bool has_class(struct slice word, enum class class)
{
    for (size_t i = 0; i < word.length; i++)
        if (class_of(word.at[i]) == class)
            return true;
    return false;
}

/* Base64 may have slashes.  A path has them as well, but seldom all kinds of characters in such disorder. */
static size_t measure_slashed_key(struct slice text, size_t at)
{
    if (text.at[at] == '/' || (at > 0 && text.at[at - 1] == '/'))
        return 0;
    struct slice word = slice_after(text, at);
    word.length = count_while(word, word.length, is_key_or_slash);
    bool is_mixed = has_class(word, LOWER) && has_class(word, UPPER) && has_class(word, DIGIT);
    return word.length >= SLASHED_KEY_MIN && is_mixed && 5 * count_changes(word) >= word.length ? word.length : 0;
}

static bool is_key_or_dot(char byte)
{
    return is_key_byte(byte) || byte == '.';
}

/* A run of such bytes is looked at once, from its start: so the work is linear. */
static size_t measure_key(struct slice text, size_t at)
{
    struct slice rest = slice_after(text, at);
    if (at > 0 && is_key_byte(text.at[at - 1]))
        return 0;
    size_t length = count_while(rest, rest.length, is_key_byte);
    if (has_key_prefix((struct slice){rest.at, length + (length < rest.length)}))
        length = count_while(rest, rest.length, is_key_or_dot); /* a JWT has three parts */
    else if (length < RANDOM_KEY_MIN || 4 * count_changes((struct slice){rest.at, length}) < length)
        length = measure_slashed_key(text, at);
    for (int padding = 0; padding < 2 && length < rest.length && rest.at[length] == '='; padding++)
        length++;
    return length >= PREFIXED_KEY_MIN ? length : 0;
}

/* ---- all of it ---- */

static size_t measure_digits(struct slice text, size_t at)
{
    if (at > 0 && slice_is_digit(text.at[at - 1]))
        return 0;
    struct slice rest = slice_after(text, at);
    size_t length = count_while(rest, rest.length, slice_is_digit);
    return length > DIGITS_SHOWN ? length : 0;
}

struct slice redaction_name(enum redaction_kind kind)
{
    static const struct slice names[] = {
        [REDACTION_NONE] = {"", 0},
        [REDACTION_DIGITS] = {"<digits>", 8},
        [REDACTION_EMAIL] = {"<email>", 7},
        [REDACTION_SECRET] = {"<secret>", 8},
    };
    return names[kind];
}

enum redaction_kind redaction_at(struct slice text, size_t at, size_t *length)
{
    if ((*length = measure_secret(text, at)) > 0)
        return REDACTION_SECRET;
    if ((*length = measure_email(text, at)) > 0)
        return REDACTION_EMAIL;
    if ((*length = measure_key(text, at)) > 0)
        return REDACTION_SECRET;
    return (*length = measure_digits(text, at)) > 0 ? REDACTION_DIGITS : REDACTION_NONE;
}

/* What is shown at this offset, and how many bytes it stands for. */
static struct slice shown_at(struct slice text, size_t at, size_t *length)
{
    enum redaction_kind kind = redaction_at(text, at, length);
    if (kind != REDACTION_NONE)
        return redaction_name(kind);
    struct slice rest = slice_after(text, at);
    unsigned char byte = (unsigned char)rest.at[0];
    size_t character = utf8_length(rest);
    bool is_control =
        byte < ' ' || byte == 0x7f || (character == 2 && byte == 0xC2 && (unsigned char)rest.at[1] < 0xA0);
    *length = character > 0 ? character : 1;
    return character == 0 || is_control ? SLICE("\xEF\xBF\xBD") : (struct slice){rest.at, character};
}

size_t redaction_write(struct slice text, char *out, size_t capacity)
{
    const struct slice cut = SLICE("...");
    size_t written = 0, fits = 0; /* up to where "..." would still fit */
    for (size_t at = 0, length; at < text.length; at += length) {
        struct slice shown = shown_at(text, at, &length);
        if (shown.length > capacity - written) {
            memcpy(out + fits, cut.at, cut.length);
            return fits + cut.length;
        }
        memcpy(out + written, shown.at, shown.length);
        written += shown.length;
        if (written + cut.length <= capacity)
            fits = written;
    }
    return written;
}
