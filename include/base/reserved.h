/* Names of metrics and labels that not everybody may choose, so that nobody forges what others say. */
#ifndef RESERVED_H
#define RESERVED_H

#include "base/slice.h"

/* Who chooses a name. */
enum reserved_from {
    RESERVED_FROM_APPS,            /* a metric that an app reports */
    RESERVED_FROM_APPS_UNLABELLED, /* the same, without any label */
    RESERVED_FROM_RULES,           /* a metric of a rule of the configuration, and its labels */
    RESERVED_FROM_DRAINS,          /* the fixed labels of a drain */
    RESERVED_FROM_EXTERNAL,        /* the labels of all pages: no series of ours has one of these names */
};

/* Is a metric's name reserved from them?  Fixed labels have none. */
bool reserved_metric(struct slice name, enum reserved_from who);

/* Is a label's name?  What apps choose is not asked about here: see identity_build() and families/ingest.h. */
bool reserved_label(struct slice name, enum reserved_from who);

#endif
