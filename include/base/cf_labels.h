/* Which labels tell whose a series of Cloud Foundry is, beside the label app. */
#ifndef CF_LABELS_H
#define CF_LABELS_H

#include "base/slice.h"

enum cf_labels {
    CF_LABELS_NONE,
    CF_LABELS_NAMES,       /* organization_name, space_name, app_name */
    CF_LABELS_PROMFETCHER, /* these and organization_id, space_id, app_id; of an instance also index and instance_id */
};

enum { CF_LABELS_MAX = 6 }; /* labels of an app at most */

/* Read "none", "names" or "promfetcher"; false if text is something else. */
bool cf_labels_read(struct slice text, enum cf_labels *which);

const char *cf_labels_name(enum cf_labels which);

#endif
