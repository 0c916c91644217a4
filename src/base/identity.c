#include "base/identity.h"

#include "base/utf8.h"

/* What a byte may be part of. */
enum { LETTER = 1, DIGIT = 2, COLON = 4, PLAIN = 8 };
static const unsigned char classes[256] = {
    ['a' ... 'z'] = LETTER | PLAIN,
    ['A' ... 'Z'] = LETTER | PLAIN,
    ['_'] = LETTER | PLAIN,
    ['0' ... '9'] = DIGIT | PLAIN,
    [':'] = COLON | PLAIN,
    /* The rest of ASCII that a label's value shows as it is: all but '"' and '\\', and no line feed. */
    [0x00 ... 0x09] = PLAIN,
    [0x0B ... '!'] = PLAIN,
    ['#' ... '/'] = PLAIN,
    [';' ... '@'] = PLAIN,
    ['['] = PLAIN,
    [']' ... '^'] = PLAIN,
    ['`'] = PLAIN,
    ['{' ... 0x7F] = PLAIN,
};

static bool is_in(char byte, unsigned class)
{
    return (classes[(unsigned char)byte] & class) != 0;
}

enum { STRIDE = 16 };

/* Replace what is illegal in a metric's name by "_".  Up to 15 bytes behind it may be written: a compiler makes a few
 * vector instructions of 16 bytes at a time, where a look at each byte took as long as all the rest of a known name. */
static void make_name_legal(char *name, size_t length)
{
    size_t whole = (length + STRIDE - 1) / STRIDE * STRIDE;
    for (size_t i = 0; i < whole; i++) {
        unsigned char byte = (unsigned char)name[i];
        unsigned char letter = (unsigned char)((byte | 0x20) - 'a') < 26;
        unsigned char digit_or_colon = (unsigned char)(byte - '0') <= ':' - '0';
        name[i] = letter | digit_or_colon ? name[i] : '_';
    }
}

/* Append name, made legal, at *length of text; the caller has checked that it fits, and a STRIDE more. */
static void append_name(struct slice name, char *text, size_t *length)
{
    if (*length == 0 && slice_is_digit(name.at[0]))
        text[(*length)++] = '_';
    memcpy(text + *length, name.at, name.length);
    make_name_legal(text + *length, name.length);
    *length += name.length;
}

static bool is_legal_label(struct slice name)
{
    if (!is_in(name.at[0], LETTER) || slice_starts_with(name, SLICE("__")) || slice_equals(name, SLICE("le")) ||
        slice_equals(name, SLICE("quantile")))
        return false;
    for (size_t i = 1; i < name.length; i++)
        if (!is_in(name.at[i], LETTER | DIGIT))
            return false;
    return true;
}

/* Write the legal form of a label name that has none and return its view; out has IDENTITY_LABEL_MAX + 16 bytes. */
static struct slice make_label_legal(struct slice name, char *out)
{
    size_t length = 0;
    if (slice_is_digit(name.at[0]))
        out[length++] = '_';
    for (size_t i = 0; i < name.length; i++)
        out[length++] = is_in(name.at[i], LETTER | DIGIT) ? name.at[i] : '_';
    struct slice legal = {out, length};
    if (is_legal_label(legal))
        return legal;
    struct slice prefix = SLICE("exported_");
    memmove(out + prefix.length, out, length);
    memcpy(out, prefix.at, prefix.length);
    return (struct slice){out, length + prefix.length};
}

bool identity_label_becomes(struct slice label_name, struct slice legal_name)
{
    if (label_name.length == 0 || label_name.length > IDENTITY_LABEL_MAX)
        return false;
    char legal[IDENTITY_LABEL_MAX + 16];
    return slice_equals(is_legal_label(label_name) ? label_name : make_label_legal(label_name, legal), legal_name);
}

static int compare_names(struct slice a, struct slice b)
{
    /* Most names differ in their first byte, and need no call; none is empty. */
    if (a.at[0] != b.at[0])
        return (unsigned char)a.at[0] < (unsigned char)b.at[0] ? -1 : 1;
    size_t shorter = a.length < b.length ? a.length : b.length;
    int order = memcmp(a.at, b.at, shorter);
    return order != 0 ? order : (a.length > b.length) - (a.length < b.length);
}

/* Append a label value, escaped and repaired; false if it does not fit below capacity. */
static bool append_value(struct slice value, char *text, size_t *length, size_t capacity)
{
    while (value.length > 0) {
        if (capacity - *length < 4)
            return false;
        char byte = value.at[0];
        size_t take = 0;
        size_t most = value.length < capacity - *length ? value.length : capacity - *length;
        while (take < most && is_in(value.at[take], PLAIN)) {
            text[*length + take] = value.at[take];
            take++;
        }
        *length += take;
        if (take > 0) {
            value = slice_after(value, take);
            continue;
        }
        take = 1;
        if (byte == '\\' || byte == '"' || byte == '\n') {
            text[(*length)++] = '\\';
            text[(*length)++] = byte == '\n' ? 'n' : byte;
        } else if ((take = utf8_length(value)) > 0) {
            memcpy(text + *length, value.at, take);
            *length += take;
        } else {
            take = 1;
            memcpy(text + *length, "\xEF\xBF\xBD", 3);
            *length += 3;
        }
        value = slice_after(value, take);
    }
    return true;
}

/* Write the metric's name, with which the text begins; false if it is empty or too long. */
static bool write_name(struct identity *identity, struct slice namespace, struct slice name)
{
    size_t length = 0;
    if (name.length == 0 || name.length + namespace.length + 2 > IDENTITY_NAME_MAX)
        return false;
    if (namespace.length > 0) {
        append_name(namespace, identity->text, &length);
        identity->text[length++] = '_';
    }
    append_name(name, identity->text, &length);
    identity->name_length = length;
    return true;
}

enum identity_result identity_rename(struct identity *identity, struct slice labels, struct slice namespace,
                                     struct slice name)
{
    if (!write_name(identity, namespace, name))
        return IDENTITY_BAD_NAME;
    memcpy(identity->text + identity->name_length, labels.at, labels.length);
    identity->length = identity->name_length + labels.length;
    return IDENTITY_OK;
}

/* Append name=" at *length of text, behind a comma unless it is the first label. */
static inline void open_label(struct slice name, bool first, char *text, size_t *length)
{
    if (!first)
        text[(*length)++] = ',';
    memcpy(text + *length, name.at, name.length);
    *length += name.length;
    text[(*length)++] = '=';
    text[(*length)++] = '"';
}

enum identity_result identity_build(struct identity *identity, struct slice namespace, struct slice name,
                                    const struct label *labels, size_t count)
{
    if (!write_name(identity, namespace, name))
        return IDENTITY_BAD_NAME;
    if (count > IDENTITY_LABELS_MAX)
        return IDENTITY_BAD_LABELS;
    size_t length = identity->name_length;

    /* Insertion sort keeps equal names in their order; there are few labels, and mostly they come in order. */
    char legal[IDENTITY_LABELS_MAX][IDENTITY_LABEL_MAX + 16];
    struct label renamed[IDENTITY_LABELS_MAX];
    const struct label *sorted[IDENTITY_LABELS_MAX];
    for (size_t i = 0; i < count; i++) {
        const struct label *label = &labels[i];
        if (label->name.length == 0 || label->name.length > IDENTITY_LABEL_MAX ||
            label->value.length > IDENTITY_VALUE_MAX)
            return IDENTITY_BAD_LABELS;
        if (!is_legal_label(label->name)) {
            renamed[i] = (struct label){make_label_legal(label->name, legal[i]), label->value};
            label = &renamed[i];
        }
        size_t at = i;
        while (at > 0 && compare_names(sorted[at - 1]->name, label->name) > 0) {
            sorted[at] = sorted[at - 1];
            at--;
        }
        sorted[at] = label;
    }

    bool first = true;
    for (size_t i = 0; i < count; i++) {
        struct slice label_name = sorted[i]->name;
        bool overridden = i + 1 < count && slice_equals(label_name, sorted[i + 1]->name);
        if (overridden || sorted[i]->value.length == 0)
            continue;
        if (IDENTITY_TEXT_MAX - length < label_name.length + 4)
            return IDENTITY_BAD_LABELS;
        open_label(label_name, first, identity->text, &length);
        first = false;
        if (!append_value(sorted[i]->value, identity->text, &length, IDENTITY_TEXT_MAX - 1))
            return IDENTITY_BAD_LABELS;
        identity->text[length++] = '"';
    }
    identity->length = length;
    return IDENTITY_OK;
}

/* ---- reading ---- */

static bool is_legal_name(struct slice name)
{
    if (name.length == 0 || name.length > IDENTITY_NAME_MAX || slice_is_digit(name.at[0]))
        return false;
    for (size_t i = 0; i < name.length; i++)
        if (!is_in(name.at[i], LETTER | DIGIT | COLON))
            return false;
    return true;
}

/* Cut a value off, up to its closing quote; false if it has none, is empty, or has bytes that would be escaped. */
static bool cut_value(struct slice *text)
{
    const char *begin = text->at;
    while (text->length > 0 && text->at[0] != '"') {
        bool is_escape = text->at[0] == '\\';
        size_t take = is_escape ? 2 : text->at[0] == '\n' ? 0 : utf8_length(*text);
        if (take == 0 || take > text->length ||
            (is_escape && text->at[1] != '\\' && text->at[1] != '"' && text->at[1] != 'n'))
            return false;
        *text = slice_after(*text, take);
    }
    bool is_closed = text->length > 0 && text->at > begin;
    if (is_closed)
        *text = slice_after(*text, 1);
    return is_closed;
}

/* Cut name="value" off, of a name behind the one before. */
static bool cut_label(struct slice *text, struct slice *name)
{
    struct slice before = *name;
    *name = (struct slice){text->at, slice_index(*text, '=')};
    if (name->length == 0 || text->length - name->length < 2 || text->at[name->length + 1] != '"' ||
        name->length > IDENTITY_LABEL_MAX + 16 || !is_legal_label(*name) ||
        (before.length > 0 && compare_names(before, *name) >= 0))
        return false;
    *text = slice_after(*text, name->length + 2);
    return cut_value(text);
}

bool identity_read(struct identity *identity, struct slice name, struct slice labels)
{
    struct slice rest = labels, label = {"", 0};
    if (!is_legal_name(name) || name.length + labels.length > IDENTITY_TEXT_MAX)
        return false;
    for (unsigned count = 0; rest.length > 0; count++) {
        if (count == IDENTITY_LABELS_MAX || (count > 0 && rest.at[0] != ','))
            return false;
        if (count > 0)
            rest = slice_after(rest, 1);
        if (!cut_label(&rest, &label))
            return false;
    }
    memcpy(identity->text, name.at, name.length);
    if (labels.length > 0)
        memcpy(identity->text + name.length, labels.at, labels.length);
    identity->name_length = name.length;
    identity->length = name.length + labels.length;
    return true;
}

bool identity_next_label(struct slice *labels, struct label *label)
{
    size_t equals = slice_index(*labels, '=');
    if (equals + 2 > labels->length)
        return false;
    label->name = (struct slice){labels->at, equals};
    const char *value = labels->at + equals + 2;
    const char *end = value;
    while (*end != '"')
        end += *end == '\\' ? 2 : 1;
    label->value = (struct slice){value, (size_t)(end - value)};
    *labels = slice_after(*labels, (size_t)(end + 1 - labels->at));
    if (labels->length > 0)
        *labels = slice_after(*labels, 1); /* the comma */
    return true;
}

/* Put a label into sorted ones; of one name the renamed one counts.  Returns how many there are. */
static size_t insert_label(struct label *sorted, size_t count, struct label label, bool is_renamed)
{
    size_t at = count;
    while (at > 0 && compare_names(sorted[at - 1].name, label.name) > 0)
        at--;
    if (at > 0 && slice_equals(sorted[at - 1].name, label.name)) {
        if (is_renamed)
            sorted[at - 1] = label;
        return count;
    }
    memmove(sorted + at + 1, sorted + at, (count - at) * sizeof sorted[0]);
    sorted[at] = label;
    return count + 1;
}

/* Write labels whose values are escaped already, behind the name. */
static bool write_labels(struct identity *identity, const struct label *labels, size_t count)
{
    size_t length = identity->name_length;
    for (size_t i = 0; i < count; i++) {
        if (IDENTITY_TEXT_MAX - length < labels[i].name.length + labels[i].value.length + 4)
            return false;
        open_label(labels[i].name, i == 0, identity->text, &length);
        memcpy(identity->text + length, labels[i].value.at, labels[i].value.length);
        length += labels[i].value.length;
        identity->text[length++] = '"';
    }
    identity->length = length;
    return true;
}

bool identity_rename_labels(struct identity *identity, struct slice (*rename)(const void *context, struct slice name),
                            const void *context)
{
    struct label sorted[IDENTITY_LABELS_MAX], label;
    struct identity before = *identity;
    struct slice rest = identity_labels(&before);
    size_t count = 0;
    bool is_other = false;
    while (identity_next_label(&rest, &label)) {
        struct slice name = rename(context, label.name);
        bool is_renamed = !slice_equals(name, label.name);
        label.name = name;
        count = insert_label(sorted, count, label, is_renamed);
        is_other |= is_renamed;
    }
    return !is_other || write_labels(identity, sorted, count);
}

bool identity_unescape(struct slice value, char *out, size_t capacity)
{
    size_t length = 0;
    for (size_t i = 0; i < value.length && length + 1 < capacity; i++) {
        bool escaped = value.at[i] == '\\' && i + 1 < value.length;
        i += escaped;
        out[length++] = escaped && value.at[i] == 'n' ? '\n' : value.at[i];
        if (i + 1 == value.length) {
            out[length] = '\0';
            return true;
        }
    }
    out[0] = '\0';
    return value.length == 0;
}
