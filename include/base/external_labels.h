/* Labels that stand on every series of every page, so that series of several exporters differ: EXTERNAL_LABELS.
 *
 *     replica=a, region=eu      ->      region="eu",replica="a"
 *
 * Plain values: nothing is allocated, and a copy is as good as the first. */
#ifndef EXTERNAL_LABELS_H
#define EXTERNAL_LABELS_H

#include "base/error.h"
#include "base/slice.h"

enum {
    EXTERNAL_LABELS_MAX = 8,
    EXTERNAL_LABEL_NAME_MAX = 64,    /* bytes of a name */
    EXTERNAL_LABEL_VALUE_MAX = 128,  /* bytes of a value */
    EXTERNAL_LABELS_TEXT_MAX = 1024, /* bytes of all, as they stand on the page */
};

struct external_labels {
    size_t count;
    size_t length;
    char text[EXTERNAL_LABELS_TEXT_MAX]; /* as they stand on the page: sorted, escaped, without braces; no NUL */
    struct external_label {
        size_t length;
        char exported[EXTERNAL_LABEL_NAME_MAX + 16]; /* "exported_replica" */
    } labels[EXTERNAL_LABELS_MAX];
};

/* Read "replica=a,region=eu".  A value is what follows the first "=", and has no comma; it must be UTF-8.  Names must
 * be legal, must not stand twice, and must be none of those that our own series have (reserved.h).  False with what is
 * wrong in error, to be put behind the setting's name. */
bool external_labels_read(struct slice text, struct external_labels *labels, char error[ERROR_MAX]);

/* As they stand on the page; empty if there are none. */
static inline struct slice external_labels_text(const struct external_labels *labels)
{
    return (struct slice){labels->text, labels->length};
}

/* The name under which a series shows a label of its own that would become one of these: "exported_replica" for
 * "replica", as Prometheus does with labels of its targets.  Any other name is returned as it is. */
struct slice external_labels_rename(const struct external_labels *labels, struct slice name);

#endif
