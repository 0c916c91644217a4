#include "server/access_log.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

/* A part of a path that is longer is no name. */
enum { PART_MAX = 64 };

static bool is_plain(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
           (byte != '\0' && strchr("-._~", byte) != NULL);
}

static bool is_name(struct slice text, size_t most)
{
    for (size_t i = 0; i < text.length; i++)
        if (!is_plain(text.at[i]))
            return false;
    return text.length <= most;
}

/* The path of a target, which may be a whole URL (RFC 9112, 3.2). */
static struct slice path_of(struct slice target)
{
    struct slice path = {target.at, 0};
    while (path.length < target.length && target.at[path.length] != '?' && target.at[path.length] != '#')
        path.length++;
    if (path.length > 0 && path.at[0] != '/') {
        size_t scheme = slice_index(path, '/');
        path = slice_after(path, scheme + 2 < path.length ? scheme + 2 : path.length);
        path = slice_after(path, slice_index(path, '/'));
    }
    return path;
}

static void spell_path(struct slice path, char out[ACCESS_LOG_PATH_MAX + 1])
{
    size_t length = 0;
    while (path.length > 0) {
        path = slice_after(path, 1); /* the slash */
        struct slice part = {path.at, slice_index(path, '/')};
        path = slice_after(path, part.length);
        part = is_name(part, PART_MAX) ? part : SLICE("*");
        length += (size_t)snprintf(out + length, ACCESS_LOG_PATH_MAX + 1 - length, "/%.*s", (int)part.length, part.at);
        if (length > ACCESS_LOG_PATH_MAX)
            return;
    }
}

void access_log_begin(struct access_entry *entry, struct slice method, struct slice target, uint64_t now)
{
    *entry = (struct access_entry){.begun = now};
    method = is_name(method, sizeof entry->method - 1) ? method : SLICE("*");
    memcpy(entry->method, method.at, method.length);
    spell_path(path_of(target), entry->path);
}

void access_log_let_in(struct access_entry *entry, struct slice user)
{
    if (entry == NULL || user.length > sizeof entry->user)
        return;
    memcpy(entry->user, user.at, user.length);
    entry->user_length = user.length;
}

/* A value of logfmt: in quotes, unless it is plain; what is not printable ASCII as a \u00XX for each byte. */
static void spell_value(struct slice value, char *out, size_t capacity)
{
    if (is_name(value, value.length)) {
        snprintf(out, capacity, "%.*s", (int)value.length, value.at);
        return;
    }
    size_t length = (size_t)snprintf(out, capacity, "\"");
    for (size_t i = 0; i < value.length; i++) {
        unsigned char byte = (unsigned char)value.at[i];
        const char *format = byte < ' ' || byte > '~' ? "\\u%04x" : byte == '"' || byte == '\\' ? "\\%c" : "%c";
        length += (size_t)snprintf(out + length, capacity - length, format, byte);
    }
    snprintf(out + length, capacity - length, "\"");
}

struct slice access_log_spell(const struct access_entry *entry, const struct access_result *result,
                              char out[ACCESS_LOG_LINE_MAX])
{
    char status[16] = "none", client[ADDRESS_TEXT_MAX], user[6 * USER_MAX + 16] = "";
    if (result->status != 0)
        snprintf(status, sizeof status, "%d", result->status);
    address_spell(result->client, client);
    if (entry->user_length > 0) {
        strcpy(user, " user=");
        spell_value((struct slice){entry->user, entry->user_length}, user + 6, sizeof user - 6);
    }
    bool is_read = entry->method[0] != '\0';
    int length =
        snprintf(out, ACCESS_LOG_LINE_MAX,
                 "event=request method=%s path=%s status=%s client=%s%s duration_ms=%llu received=%llu sent=%llu",
                 is_read ? entry->method : "-", entry->path[0] != '\0' ? entry->path : "-", status, client, user,
                 (unsigned long long)(is_read ? result->now - entry->begun : 0), (unsigned long long)result->received,
                 (unsigned long long)result->sent);
    return (struct slice){out, (size_t)length};
}

void access_log_end(enum access_log which, const struct access_entry *entry, const struct access_result *result)
{
    char text[ACCESS_LOG_LINE_MAX];
    bool is_error = result->status < 200 || result->status > 299;
    if (which == ACCESS_LOG_ALL || (which == ACCESS_LOG_ERRORS && is_error))
        log_write_access(access_log_spell(entry, result, text));
}
