#include "base/external_labels.h"

#include "base/identity.h"
#include "base/reserved.h"
#include "base/utf8.h"

static const struct slice prefix = {"exported_", 9};

static struct slice name_of(const struct external_label *label)
{
    return (struct slice){label->exported + prefix.length, label->length - prefix.length};
}

static bool is_legal(struct slice name)
{
    return name.length > 0 && !slice_starts_with(name, SLICE("__")) && identity_label_becomes(name, name);
}

static bool is_utf8(struct slice text)
{
    while (text.length > 0) {
        size_t length = utf8_length(text);
        if (length == 0)
            return false;
        text = slice_after(text, length);
    }
    return true;
}

static bool has(const struct external_labels *labels, struct slice name)
{
    for (size_t i = 0; i < labels->count; i++)
        if (slice_equals(name_of(&labels->labels[i]), name))
            return true;
    return false;
}

/* What is wrong with a label; NULL: nothing. */
static const char *find_wrong(const struct external_labels *labels, struct slice name, struct slice value)
{
    if (name.length > EXTERNAL_LABEL_NAME_MAX || value.length > EXTERNAL_LABEL_VALUE_MAX)
        return "is too long";
    if (reserved_label(name, RESERVED_FROM_EXTERNAL))
        return "has a meaning already";
    if (!is_legal(name))
        return "is no name of a label: letters, digits and \"_\", without \"__\" at its start";
    if (value.length == 0)
        return "has no value: write name=value, name=value";
    if (!is_utf8(value))
        return "has a value that is not UTF-8";
    return has(labels, name) ? "stands twice" : NULL;
}

static void add(struct external_labels *labels, struct slice name)
{
    struct external_label *label = &labels->labels[labels->count++];
    memcpy(label->exported, prefix.at, prefix.length);
    memcpy(label->exported + prefix.length, name.at, name.length);
    label->length = prefix.length + name.length;
}

/* Write them as they stand on the page; false if they are too long. */
static bool write_text(struct external_labels *labels, const struct label *pairs)
{
    struct identity identity;
    if (identity_build(&identity, SLICE(""), SLICE("x"), pairs, labels->count) != IDENTITY_OK)
        return false;
    struct slice text = identity_labels(&identity);
    if (text.length > sizeof labels->text)
        return false;
    memcpy(labels->text, text.at, text.length);
    labels->length = text.length;
    return true;
}

bool external_labels_read(struct slice text, struct external_labels *labels, char error[ERROR_MAX])
{
    struct label pairs[EXTERNAL_LABELS_MAX];
    labels->count = labels->length = 0;
    for (bool more = true; more;) {
        struct slice one = {text.at, slice_index(text, ',')};
        more = one.length < text.length;
        text = slice_after(text, one.length + more);
        size_t equals = slice_index(one, '=');
        struct slice name = slice_trim((struct slice){one.at, equals});
        struct slice value = slice_trim(slice_after(one, equals < one.length ? equals + 1 : equals));
        if (labels->count == EXTERNAL_LABELS_MAX)
            return error_set(error, "has more than %d labels", EXTERNAL_LABELS_MAX);
        const char *wrong = find_wrong(labels, name, value);
        if (wrong != NULL)
            return error_set(error, "has \"%.*s\", which %s", name.length < 64 ? (int)name.length : 64, name.at, wrong);
        pairs[labels->count] = (struct label){name, value};
        add(labels, name);
    }
    return write_text(labels, pairs) || error_set(error, "is too long");
}

struct slice external_labels_rename(const struct external_labels *labels, struct slice name)
{
    for (size_t i = 0; i < labels->count; i++) {
        const struct external_label *label = &labels->labels[i];
        if (identity_label_becomes(name, name_of(label)))
            return (struct slice){label->exported, label->length};
    }
    return name;
}
