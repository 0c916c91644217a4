/* The identity of a series: its metric name and labels, made legal, in the text in which they stand on the page.
 * Pure: no I/O, no allocation.
 *
 *     heroku_router_errors app="my-app",process="web.1"
 *     ^ name               ^ labels, sorted by name, escaped
 *
 * Two samples belong to the same series exactly when their identities have the same bytes. */
#ifndef IDENTITY_H
#define IDENTITY_H

#include "base/slice.h"

/* Bounds.  Prometheus has none of its own, but nobody can use a label of a megabyte. */
enum {
    IDENTITY_NAME_MAX = 256,   /* bytes of a metric name */
    IDENTITY_LABELS_MAX = 40,  /* labels of one series */
    IDENTITY_LABEL_MAX = 128,  /* bytes of a label's name */
    IDENTITY_VALUE_MAX = 1024, /* bytes of a label's value */
    IDENTITY_TEXT_MAX = 4096,  /* bytes of the whole text */
};

enum {
    FIXED_LABELS_MAX = 8,  /* labels that the configuration sets on all series of an app */
    BATCH_LABELS_MAX = 14, /* these, and those that tell whose a series of Cloud Foundry is */
};

struct label {
    struct slice name;
    struct slice value;
};

struct identity {
    size_t name_length;
    size_t length;
    char text[IDENTITY_TEXT_MAX]; /* the name, then at once the labels without their braces; no NUL */
};

static inline struct slice identity_name(const struct identity *identity)
{
    return (struct slice){identity->text, identity->name_length};
}

static inline struct slice identity_labels(const struct identity *identity)
{
    return (struct slice){identity->text + identity->name_length, identity->length - identity->name_length};
}

enum identity_result {
    IDENTITY_OK,
    IDENTITY_BAD_NAME,   /* the metric name is empty or too long */
    IDENTITY_BAD_LABELS, /* too many labels, or one that is empty of name or too long */
};

/* Build the identity of the metric namespace_name (just name if namespace is empty) with count labels, in any order.
 *
 * Made legal after the Prometheus data model: bytes outside [a-zA-Z0-9_:] (in label names, outside [a-zA-Z0-9_]) become
 * "_", and a leading digit gets "_" before it.  A label that Prometheus keeps for itself ("le", "quantile", "__...")
 * gets "exported_" before its name.  A label with an empty value is left out: it means the same as none.  Of two labels
 * with one name the later one counts.  In values, backslash, quote and newline are escaped and what is not UTF-8 is
 * replaced by U+FFFD.  On any result but IDENTITY_OK, *identity holds nothing of use. */
enum identity_result identity_build(struct identity *identity, struct slice namespace, struct slice name,
                                    const struct label *labels, size_t count);

/* Build the identity of namespace_name with labels that were written out before (identity_labels() of another one), as
 * identity_build() does from the labels themselves.  labels: at most IDENTITY_TEXT_MAX - IDENTITY_NAME_MAX bytes, and
 * no part of identity. */
enum identity_result identity_rename(struct identity *identity, struct slice labels, struct slice namespace,
                                     struct slice name);

/* The identity of a name and labels that were written out, as identity_name() and identity_labels() return them, by who
 * may be wrong.  False if identity_build() would not write them so. */
bool identity_read(struct identity *identity, struct slice name, struct slice labels);

/* Give labels other names: rename returns what one becomes, legal and within its bound, or the name itself.  Of two
 * that become one the renamed one counts.  False, with nothing of use in *identity, if it would be too long. */
bool identity_rename_labels(struct identity *identity, struct slice (*rename)(const void *context, struct slice name),
                            const void *context);

/* Cut the first label off the labels of an identity; false if there is none.  The value is as it stands there: escaped.
 */
bool identity_next_label(struct slice *labels, struct label *label);

/* Write an escaped value as it was, and a NUL.  False if it does not fit. */
bool identity_unescape(struct slice value, char *out, size_t capacity);

/* Is this a label name that a metric may not set because the label is ours: is it, made legal, the name given? */
bool identity_label_becomes(struct slice label_name, struct slice legal_name);

#endif
